"""Objects of a cluster or a backup → an Export: what every format is made of. Pure.

A package's objects are those that its `status.ownedResources` names. The values are what the operator gave the
HelmRelease; what of them came from a Secret is hidden, as are the contents of Secrets, unless they are asked for.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kubectl_glasskube_purge.glasskube import facts
from kubectl_glasskube_purge.kube.objects import Found, Ref
from kubectl_glasskube_purge.purge.judge.ownership import helm_release_made_by, named_by, noted_release, source_of
from kubectl_glasskube_purge.purge.judge.packages import in_order
from kubectl_glasskube_purge.purge.look.compose import compose
from kubectl_glasskube_purge.purge.model.kinds import NAMESPACE, SECRET
from kubectl_glasskube_purge.purge.model.survey import Package, Survey
from kubectl_glasskube_purge.undo.content import Document, content
from kubectl_glasskube_purge.undo.order import rank

HIDDEN = "CONTENT-OF-A-SECRET"
"""Stands in the files in place of what comes from a Secret."""


@dataclass(frozen=True)
class Release:
    """A Helm release as it runs."""

    name: str
    namespace: str
    chart: str
    version: str
    repository: Document
    """The HelmRepository; without a URL in its spec if it is gone."""
    helm_release: Document
    """The HelmRelease, without status."""
    values: Mapping[str, Any]
    marked: tuple[str, ...] = ()
    """What the package's own values set: path and source, a line each."""

    @property
    def url(self) -> str:
        """The address of the chart's repository."""
        return str((self.repository.get("spec") or {}).get("url") or "")

    @property
    def oci(self) -> bool:
        """Whether the repository is an OCI registry."""
        return self.url.startswith("oci://")

    @property
    def values_from(self) -> tuple[Mapping[str, Any], ...]:
        """References to Secrets and ConfigMaps that helm-controller reads values from."""
        return tuple(self.helm_release["spec"].get("valuesFrom") or ())


@dataclass(frozen=True)
class Exported:
    """A package."""

    package: Package
    wave: int
    """How many packages it needs, one after the other: those of a lower number are installed before.

    Packages that need each other have the same number.
    """
    releases: tuple[Release, ...] = ()
    objects: tuple[Document, ...] = ()
    """What its plain manifests made."""

    @property
    def remarks(self) -> tuple[str, ...]:
        """What differs from a package that works and was asked for."""
        package = self.package
        dependency = facts.INSTALLED_AS_DEPENDENCY_ANNOTATION in package.found.annotations
        return (
            *(("suspended: the operator hasn't looked after it",) if package.suspended else ()),
            *((f"failed ({package.status})",) if package.failed else ()),
            *(("only a dependency of others",) if dependency else ()),
            *(("nothing was installed yet",) if not self.releases and not self.objects else ()),
        )


@dataclass(frozen=True)
class Export:
    """All packages, in the order in which they can be installed."""

    packages: tuple[Exported, ...] = ()
    with_secrets: bool = False

    @property
    def releases(self) -> tuple[tuple[Exported, Release], ...]:
        """The Helm releases of all packages."""
        return tuple((one, release) for one in self.packages for release in one.releases)


def export(objects: Iterable[Mapping[str, Any]], *, with_secrets: bool = False) -> Export:
    """The export of objects as the API server returns them or a backup has them. Order and duplicates don't matter.

    Of packages, PackageInfos and HelmReleases the status counts. A document without a spec adds its status to another.
    """
    merged: dict[Ref, Document] = {}
    for document in objects:
        ref = Ref.of(document)
        merged[ref] = {**merged.get(ref, {}), **document, **_whole_metadata(merged.get(ref), document)}
    survey = compose({ref: Found.of(document) for ref, document in merged.items()}, defines={})
    refs = frozenset(package.ref for package in survey.packages)
    waves = {ref: wave for ref, wave, _ in in_order({one.ref: one.requires & refs for one in survey.packages})}
    exported = (_exported(package, waves[package.ref], survey, with_secrets) for package in survey.packages)
    return Export(tuple(sorted(exported, key=lambda one: (one.wave, one.package.ref))), with_secrets)


def _whole_metadata(before: Document | None, document: Mapping[str, Any]) -> Document:
    return {"metadata": {**(before or {}).get("metadata", {}), **document["metadata"]}}


def _exported(package: Package, wave: int, survey: Survey, with_secrets: bool) -> Exported:
    owned = [found for ref in sorted(named_by(package.found)) if (found := survey.get(ref)) is not None]
    patches = tuple(_patches(package, survey))
    releases = [one for one in owned if one.ref.group_kind == facts.HELM_RELEASE.group_kind]
    plain = [_shown(one, patches, with_secrets) for one in owned if one.ref.group_kind not in facts.FLUX_GROUP_KINDS]
    if all(Ref.of(one).group_kind == NAMESPACE for one in plain):
        plain = []  # made for the chart, and by every tool that installs one
    return Exported(
        package,
        wave,
        tuple(_release(one, patches, survey, with_secrets) for one in releases),
        tuple(sorted(plain, key=lambda one: (rank(Ref.of(one)), Ref.of(one)))),
    )


@dataclass(frozen=True)
class _Patch:
    """What the operator changes by a value of the package (internal/manifestvalues, internal/resourcepatch)."""

    target: Mapping[str, Any]
    what: str
    secret: bool

    def path_in(self, found: Found, chart: str = "") -> list[str] | None:
        """The steps to what it sets in an object; for a HelmRelease of `chart` in its values. None for nothing."""
        pointer = str((self.target.get("patch") or {}).get("path") or "")
        resource = self.target.get("resource") or {}
        steps = [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]
        if chart and self.target.get("chartName") == chart:
            return steps
        named = resource.get("kind") == found.ref.kind and resource.get("name") == found.ref.name
        if not named or (chart and steps[:2] != ["spec", "values"]):
            return None
        return steps[2:] if chart else steps


def _patches(package: Package, survey: Survey) -> Iterator[_Patch]:
    info = survey.get(package.info) if package.info else None
    manifest = (info.get("status", "manifest") if info else None) or {}
    definitions = manifest.get("valueDefinitions") or {}
    for name, value in sorted((package.found.get("spec", "values") or {}).items()):
        source, secret = _source(value, survey, ())
        for target in (definitions.get(name) or {}).get("targets") or ():
            yield _Patch(target, f"value {name}{source}", secret)
    for transformation in manifest.get("transformations") or ():
        resource = (transformation.get("source") or {}).get("resource") or {}
        what = f"taken from {resource.get('kind')} {resource.get('name')}"
        for target in transformation.get("targets") or ():
            yield _Patch(target, what, resource.get("kind") == "Secret")


def _source(value: Mapping[str, Any], survey: Survey, seen: tuple[tuple[str, str], ...]) -> tuple[str, bool]:
    """Where a package's value comes from, in words, and whether that is a Secret, also by way of other packages."""
    reference = value.get("valueFrom") or {}
    for field, kind in (("secretRef", "Secret"), ("configMapRef", "ConfigMap")):
        if one := reference.get(field):
            where = f"{one.get('namespace') or ''}/{one.get('name')}".strip("/")
            return f", from {kind} {where}, key {one.get('key')}", kind == "Secret"
    if not (one := reference.get("packageRef")):
        return "", False
    key = (str(one.get("name")), str(one.get("value")))
    # The reference has no namespace: a Secret's content is hidden for every package.
    others = [found.get("spec", "values", key[1]) for found in survey.package_objects if found.ref.name == key[0]]
    secret = key not in seen and any(_source(other, survey, (*seen, key))[1] for other in others if other)
    return f", from package {key[0]}, value {key[1]}", secret


def _manifest(found: Found) -> Document:
    """An object's content, without the label that says that Glasskube manages it: a purge takes it off, too."""
    document = content(found.body)
    labels = document["metadata"].get("labels") or {}
    if labels.get(facts.MANAGED_BY_LABEL) == facts.MANAGED_BY:
        del labels[facts.MANAGED_BY_LABEL]
        if not labels:
            del document["metadata"]["labels"]
    return document


def _release(found: Found, patches: Collection[_Patch], survey: Survey, with_secrets: bool) -> Release:
    document = _manifest(found)
    chart = str(found.get("spec", "chart", "spec", "chart") or "")
    values = document["spec"].get("values") or {}
    marked = []
    for patch in patches:
        steps = patch.path_in(found, chart)
        if steps is None:
            continue
        marked.append(f"/{'/'.join(steps)}: {patch.what}")
        if patch.secret and not with_secrets:
            values = _hide(values, steps)
    if "values" in document["spec"]:
        document["spec"]["values"] = values
    namespace, name = helm_release_made_by(found)
    source = survey.get(source_of(found))
    noted = noted_release(found).get("chartVersion") or found.get("spec", "chart", "spec", "version")
    repository = _manifest(source) if source else {}
    return Release(name, namespace, chart, str(noted or ""), repository, document, values, tuple(marked))


def _shown(found: Found, patches: Collection[_Patch], with_secrets: bool) -> Document:
    document = _manifest(found)
    if with_secrets:
        return document
    for patch in patches:
        if patch.secret and (steps := patch.path_in(found)) is not None:
            document = _hide(document, steps)
    if found.ref.group_kind == SECRET:
        keys = sorted({*(document.pop("data", None) or {}), *(document.pop("stringData", None) or {})})
        # What kubectl applied stands in an annotation, contents included.
        (document["metadata"].get("annotations") or {}).pop("kubectl.kubernetes.io/last-applied-configuration", None)
        document["stringData"] = dict.fromkeys(keys, HIDDEN)
    return document


def _hide(value: Any, steps: list[str]) -> Any:
    """A copy with a placeholder at a path. In a list the whole list is hidden: an index may have moved since."""
    if not steps or not isinstance(value, Mapping):
        return HIDDEN
    if steps[0] not in value:
        return value
    hidden = copy.copy(dict(value))
    hidden[steps[0]] = _hide(value[steps[0]], steps[1:])
    return hidden
