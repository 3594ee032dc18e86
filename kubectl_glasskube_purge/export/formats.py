"""The formats: an Export → the files of a folder. One small function each. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from typing import Any

from kubectl_glasskube_purge.kube import yaml_text
from kubectl_glasskube_purge.undo.content import Document

from .files import Files, about_values, code, documents, manifests, package_word, readme, release_word, values
from .model import Export, Exported, Release

_APPLY = "kubectl apply --server-side --field-manager=export --force-conflicts -f"
_LABELS = (
    "helm-controller put the labels `helm.toolkit.fluxcd.io/name` and `/namespace` on the objects of its releases;"
    " Helm takes them off. No Pod restarts by that."
)


def _values(export: Export) -> dict[str, str]:
    return {f"values/{release_word(release)}.yaml": values(release) for _, release in export.releases}


def _applies(export: Export) -> list[str]:
    return [f"{_APPLY} manifests/{package_word(one)}.yaml" for one in export.packages if one.objects]


def helmfile(export: Export) -> Files:
    """One `helmfile.yaml`. Names and namespaces are those of the running releases, so that Helm adopts them."""
    urls = sorted({release.url for _, release in export.releases if release.url})
    names = {url: f"repository-{number}" for number, url in enumerate(urls, 1)}
    repositories = [
        {"name": names[url], "url": url.removeprefix("oci://"), **({"oci": True} if url.startswith("oci://") else {})}
        for url in urls
    ]
    of_package = {one.package.ref: one.releases for one in export.packages}
    releases = []
    for one, release in export.releases:
        needs = [f"{r.namespace}/{r.name}" for ref in sorted(one.package.requires) for r in of_package.get(ref, ())]
        releases.append(
            {
                "name": release.name,
                "namespace": release.namespace,
                "chart": f"{names.get(release.url, 'unknown')}/{release.chart}",
                "version": release.version,
                "values": [f"values/{release_word(release)}.yaml"],
                **({"needs": needs} if needs else {}),
            }
        )
    # helmfile up to 0.x fills in templates: no text from outside is one.
    text = yaml_text.write({"repositories": repositories, "releases": releases}).replace("{{", "\\u007b\\u007b")
    files = {"helmfile.yaml": text, **_values(export), **manifests(export)}
    steps = [*_applies(export), "helmfile diff", "helmfile apply"]
    return {**files, "README.md": readme(export, "helmfile", steps, (_LABELS,))}


def helm(export: Export) -> Files:
    """A script of `helm upgrade --install`, readable from top to bottom."""
    lines = ["#!/bin/sh", "# Installs or adopts what Glasskube's packages are. Run it in this folder.", "set -eu"]
    for one in export.packages:
        lines += ["", f"# {code(one.package.ref.display)}"]
        lines += [_upgrade(release) for release in one.releases]
        lines += [f"{_APPLY} manifests/{package_word(one)}.yaml"] if one.objects else []
    files = {"install.sh": "\n".join([*lines, ""]), **_values(export), **manifests(export)}
    return {**files, "README.md": readme(export, "Helm", ("sh install.sh",), (_LABELS,))}


def _upgrade(release: Release) -> str:
    chart = [f"{release.url.rstrip('/')}/{release.chart}"] if release.oci else [release.chart, f"--repo={release.url}"]
    words = [
        "helm", "upgrade", "--install", f"--namespace={release.namespace}", "--create-namespace",
        f"--version={release.version}", f"--values=values/{release_word(release)}.yaml",
    ]  # fmt: skip
    # Behind `--`, so that no name is taken for an option.
    return shlex.join([*words, *chart[1:], "--", release.name, chart[0]])


def flux(export: Export) -> Files:
    """HelmRepositories and HelmReleases, which the running Flux continues with: nothing is installed again."""
    files: dict[str, str] = {}
    for _, release in export.releases:
        objects = [one for one in (release.repository, release.helm_release) if one]
        files[f"releases/{release_word(release)}.yaml"] = documents(objects)
    files |= manifests(export)
    files["kustomization.yaml"] = _kustomization(resources=sorted(files))
    notes = (
        "For GitOps, commit the folder: a Flux `Kustomization` takes it as its `path` and adopts what runs.",
        "The Flux that Glasskube brought has no kustomize-controller for that.",
        "The namespaces of the releases aren't in the folder: another cluster needs them first.",
    )
    return {**files, "README.md": readme(export, "Flux", (_APPLY.removesuffix("-f") + "-k .",), notes)}


def argocd(export: Export) -> Files:
    """Applications of the charts, which Argo CD adopts. Nothing is pruned, and nothing synced without being asked."""
    files = {
        f"applications/{release_word(release)}.yaml": documents([_application(one, release)], about_values(release))
        for one, release in export.releases
    }
    files |= manifests(export)
    notes = (
        "The sync waves count within an Application of these Applications.",
        "Argo CD takes plain manifests from Git: commit `manifests/` and point an Application at it.",
        "Argo CD renders charts and stores no Helm release: `helm list` goes on showing the old one.",
        "Purge with `--keep-packages=helm` first, or Flux and Argo CD both manage the chart.",
    )
    return {**files, "README.md": readme(export, "Argo CD", ("kubectl apply -f applications/",), notes)}


def _application(one: Exported, release: Release) -> Document:
    """By argoproj/argo-cd's CRD (manifests/crds/application-crd.yaml): `project` and `destination` are required.

    A chart in an OCI registry has no scheme (docs/user-guide/helm.md), and values come from no Secret or ConfigMap.
    """
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {
            "name": release_word(release).replace("_", "."),
            "namespace": "argocd",
            "annotations": {"argocd.argoproj.io/sync-wave": str(one.wave)},
        },
        "spec": {
            "project": "default",
            "destination": {"server": "https://kubernetes.default.svc", "namespace": release.namespace},
            "source": {
                "repoURL": release.url.removeprefix("oci://"),
                "chart": release.chart,
                "targetRevision": release.version,
                "helm": {"releaseName": release.name, "valuesObject": dict(release.values)},
            },
            "syncPolicy": {"syncOptions": ["CreateNamespace=true", "ServerSideApply=true"]},
        },
    }


def kustomize(export: Export) -> Files:
    """A base each package: plain manifests as resources, charts as `helmCharts`, which `--enable-helm` renders.

    Each chart has a folder with a namespace of its own. `namespace` of `helmCharts` is only what templates read; an
    object that doesn't name it would be in `default`. A base without anything is an error of kustomize's.
    """
    files: dict[str, str] = {}
    filled = [one for one in export.packages if one.releases or one.objects]
    for one in filled:
        base = f"bases/{package_word(one)}"
        resources = [release_word(release) for release in one.releases]
        for release in one.releases:
            chart = _chart(release)
            files |= {f"{base}/{release_word(release)}/{name}": text for name, text in chart.items()}
        if one.objects:
            resources.append(f"{package_word(one)}.yaml")
            files[f"{base}/{package_word(one)}.yaml"] = documents(one.objects)
        files[f"{base}/kustomization.yaml"] = _kustomization(resources=resources)
    bases = [f"bases/{package_word(one)}" for one in filled]
    files["kustomization.yaml"] = _kustomization(resources=bases)
    steps = ("kubectl kustomize --enable-helm . > all.yaml", "kubectl diff --server-side -f all.yaml")
    notes = (
        "Fields that the API server filled in by default are still in the objects.",
        "Hooks of charts are rendered as ordinary objects.",
    )
    return {**files, "README.md": readme(export, "kustomize", steps, notes)}


def _chart(release: Release) -> Files:
    chart = {
        "name": release.chart,
        "repo": release.url.rstrip("/"),
        "version": release.version,
        "releaseName": release.name,
        "namespace": release.namespace,
        "valuesFile": "values.yaml",
        "includeCRDs": True,
    }
    transformer = {
        "apiVersion": "builtin",
        "kind": "NamespaceTransformer",
        "metadata": {"name": "namespace", "namespace": release.namespace},
        "unsetOnly": True,
        "setRoleBindingSubjects": "none",
        "fieldSpecs": [{"path": "metadata/namespace", "create": True}],
    }
    return {
        "kustomization.yaml": _kustomization(helmCharts=[chart], transformers=["namespace.yaml"]),
        "namespace.yaml": yaml_text.write(transformer),
        "values.yaml": values(release),
    }


def _kustomization(**fields: Any) -> str:
    head = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}
    return yaml_text.write({**head, **{key: value for key, value in fields.items() if value}})


FORMATS: Mapping[str, Callable[[Export], Files]] = {
    "helmfile": helmfile,
    "helm": helm,
    "flux": flux,
    "argocd": argocd,
    "kustomize": kustomize,
}
"""What `--format` takes."""
