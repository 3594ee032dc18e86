"""Report documents to draw pages from: an ordinary purge, and ones that went wrong."""

from __future__ import annotations

import copy
from typing import Any

Document = dict[str, Any]

PACKAGES = "packages.glasskube.dev/v1alpha1"


def identity(api_version: str, kind: str, name: str, namespace: str = "") -> Document:
    return {"apiVersion": api_version, "kind": kind, "namespace": namespace, "name": name}


def package(name: str, *requires: str, namespace: str = "", **more: Any) -> Document:
    kind = "Package" if namespace else "ClusterPackage"
    return {
        **identity(PACKAGES, kind, name, namespace),
        "uid": f"uid-{namespace}-{name}",
        "package": name,
        "version": "v1.2.3+1",
        "repository": "",
        "status": "InstallationSucceeded",
        "suspended": False,
        "asDependency": False,
        "requires": [identity(PACKAGES, "ClusterPackage", required) for required in requires],
        **more,
    }


def entry(which: Document, at: float | None = None, because: Document | None = None, **more: Any) -> Document:
    made: Document = {
        **{key: which[key] for key in ("apiVersion", "kind", "namespace", "name")},
        "uid": f"uid-{which['kind']}-{which['namespace']}-{which['name']}",
        "action": "delete",
        "reason": "in the release manifest of v0.26.1",
        "outcome": "deleted" if at is not None else "pending",
        "message": "",
    }
    if at is not None:
        made["at"] = at
    if because is not None:
        owner = {key: because[key] for key in ("apiVersion", "kind", "namespace", "name")}
        made["because"] = {**owner, "rule": "owner"}
        made["reason"] = f"owned by {because['kind']} {because['name']}; the garbage collector deletes it"
    return {**made, **more}


def chart(of: Document, at: float) -> list[Document]:
    """What a package that is a Helm chart brings along."""
    name = of["name"]
    home = of["namespace"] or name
    release = identity("helm.toolkit.fluxcd.io/v2beta2", "HelmRelease", f"{name}-{name}", home)
    followers = [
        identity("source.toolkit.fluxcd.io/v1beta2", "HelmRepository", f"{name}-{name}", home),
        identity("source.toolkit.fluxcd.io/v1beta2", "HelmChart", f"{home}-{name}-{name}", home),
    ]
    installed = [
        identity("apps/v1", "Deployment", name, home),
        identity("apps/v1", "Deployment", f"{name}-webhook", home),
        identity("v1", "Service", name, home),
        identity("v1", "ServiceAccount", name, home),
        identity("rbac.authorization.k8s.io/v1", "ClusterRole", f"{name}-controller"),
        identity("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", f"{name}-controller"),
    ]
    entries = [entry(release, at, of)]
    entries += [entry(follower, at + 0.2 + number * 0.1, of) for number, follower in enumerate(followers)]
    entries += [entry(one, at + 0.4 + number * 0.15, release) for number, one in enumerate(installed)]
    if not of["namespace"]:
        entries.append(entry(identity("v1", "Namespace", home), at + 5.2, of))
    return entries


def purged() -> Document:
    """A purge that went well."""
    packages = [
        package("argo-cd", "cert-manager", "ingress-nginx"),
        package("cert-manager", asDependency=True),
        package("ingress-nginx", asDependency=True),
        package("kube-prometheus-stack", "ingress-nginx"),
        package("postgres", "cert-manager", namespace="shop"),
        package("cloudnative-pg"),
        package("glasskube-autoupdater"),
    ]
    gone = [entry(one, 0.9 + 0.31 * number, reason="installed by Glasskube") for number, one in enumerate(packages)]
    for number, one in enumerate(packages):
        gone += chart(one, 1.1 + 0.4 * number)
    infos = [identity(PACKAGES, "PackageInfo", f"glasskube--{one['name']}--v1.2.3-1") for one in packages]
    repository = identity(PACKAGES, "PackageRepository", "glasskube")
    records = [entry(one, 10.0 + 0.02 * number) for number, one in enumerate(infos)] + [entry(repository, 10.3)]
    operator = identity("apps/v1", "Deployment", "glasskube-controller-manager", "glasskube-system")
    replicas = identity("apps/v1", "ReplicaSet", "glasskube-controller-manager-5d8f", "glasskube-system")
    controllers = [entry(operator, 10.6), entry(replicas, 10.9, operator)]
    controllers += [
        entry(identity("v1", "ServiceAccount", f"{name}-controller", "flux-system"), 10.7, reason="Flux, brought along")
        for name in ("helm", "source")
    ]
    controllers += [
        entry(identity("rbac.authorization.k8s.io/v1", "ClusterRole", f"glasskube-role-{number}"), 10.6 + 0.03 * number)
        for number in range(12)
    ]
    names = ("clusterpackages", "packageinfos", "packagerepositories", "packages")
    crd = "apiextensions.k8s.io/v1"
    definitions = [
        entry(identity(crd, "CustomResourceDefinition", f"{name}.packages.glasskube.dev"), 11.5 + 0.1 * number)
        for number, name in enumerate(names)
    ]
    homes = [entry(identity("v1", "Namespace", f"{name}-system"), 17.1) for name in ("flux", "glasskube")]
    return {
        "apiVersion": "glasskube-purge/v1",
        "kind": "PurgeReport",
        "outcome": "clean",
        "exitCode": 0,
        "tool": {"version": "0.1.0"},
        "context": "prod-eu",
        "server": "https://10.0.0.1:6443",
        "user": "admin@prod-eu",
        "startedAt": "2026-11-23T09:11:42Z",
        "seconds": 17.62,
        "glasskube": {
            "version": "v0.26.1",
            "detectedBy": "image of deployment.apps/glasskube-controller-manager",
            "operator": "running",
            "installedAt": "2025-02-11T08:00:00Z",
            "installedBy": ["glasskube"],
        },
        "manifest": {
            "source": "downloaded from https://github.com/glasskube/glasskube/releases; matches the inventory"
        },
        "flux": {
            "decision": "delete",
            "evidence": [
                "applied by Glasskube (field manager glasskube)",
                "6 HelmReleases, all owned by packages",
                "no other Flux controller",
            ],
        },
        "backup": {"file": "/home/ada/.local/state/kubectl-glasskube-purge/prod-eu-20261123T091142Z.yaml"},
        "packages": packages,
        "stages": [
            {"name": "packages", "at": 0.62, "seconds": 9.2, "objects": gone},
            {"name": "records", "at": 9.9, "seconds": 0.5, "objects": records},
            {"name": "controllers", "at": 10.45, "seconds": 0.8, "objects": controllers},
            {"name": "definitions", "at": 11.3, "seconds": 0.6, "objects": definitions},
            {"name": "namespaces", "at": 11.95, "seconds": 5.2, "objects": homes},
        ],
        "kept": [
            {
                **identity("v1", "Namespace", "shop"),
                "why": "not Glasskube's; no package is left in it afterwards",
            },
            {
                **identity("v1", "PersistentVolumeClaim", "data-postgres-0", "shop"),
                "why": "a StatefulSet's volumes outlive their chart",
            },
        ],
        "lost": [
            {
                **identity("v1", "PersistentVolumeClaim", "redis-data", "argo-cd"),
                "what": "20Gi  gp3, reclaim policy Delete",
            }
        ],
        "leftovers": [],
        "unreadable": [],
        "warnings": [
            {"code": "operator-not-ready", "message": "the operator is not ready (kube-rbac-proxy: ImagePullBackOff)"}
        ],
    }


def stuck() -> Document:
    """A purge that a HelmRelease's finalizer holds up."""
    document = purged()
    release = identity("helm.toolkit.fluxcd.io/v2beta2", "HelmRelease", "postgres-postgres", "shop")
    home = identity("v1", "Namespace", "cloudnative-pg")
    stage = document["stages"][0]
    for one in stage["objects"]:
        if one["name"] in ("postgres", "postgres-postgres", "cloudnative-pg") and one["kind"] != "Service":
            one.update(outcome="pending")
            one.pop("at", None)
    document["stages"] = [
        stage,
        *(
            {
                "name": later["name"],
                "seconds": 0,
                "objects": [
                    {**{k: v for k, v in one.items() if k != "at"}, "outcome": "pending"} for one in later["objects"]
                ],
            }
            for later in document["stages"][1:]
        ),
    ]
    stage["seconds"] = 372.4
    why = "keeps finalizer finalizers.fluxcd.io; helm-controller is scaled to zero"
    document.update(
        outcome="incomplete",
        exitCode=5,
        seconds=373.1,
        leftovers=[{**release, "why": why}, {**home, "why": "Terminating: Kubernetes removes what is in it"}],
        unreadable=["secrets"],
        lost=[],
        error={
            "code": "no-progress",
            "message": "no progress for 360 s in stage packages",
            "hint": "Start helm-controller and run this again, or give up the clean uninstall with --force-finalizers.",
        },
    )
    return document


def previewed() -> Document:
    """A dry run."""
    document = purged()
    document.update(outcome="dry-run", seconds=0.71)
    for stage in document["stages"]:
        stage.pop("at")
        stage["seconds"] = 0
        for one in stage["objects"]:
            one.pop("at", None)
            one["outcome"] = "planned"
    return document


def empty() -> Document:
    """Nothing was there."""
    document = purged()
    document.update(outcome="nothing-to-do", packages=[], stages=[], kept=[], lost=[], warnings=[], seconds=0.4)
    document["glasskube"] = {"version": "", "detectedBy": ""}
    document["flux"] = {"decision": "absent", "evidence": []}
    document["manifest"] = {"source": ""}
    del document["backup"]
    return document


def of_the_first_version() -> Document:
    """A document without any field that was added later."""
    document = copy.deepcopy(purged())
    for added in ("tool", "user", "packages", "lost", "unreadable", "backup"):
        del document[added]
    document["glasskube"] = {"version": "v0.26.1", "detectedBy": "image"}
    for stage in document["stages"]:
        stage.pop("at")
        for one in stage["objects"]:
            one.pop("at", None)
            one.pop("because", None)
    return document


ALL = (purged, stuck, previewed, empty, of_the_first_version)
