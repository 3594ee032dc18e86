"""What goes when something goes: ownerReferences, namespaces, CRDs, Helm releases. Pure.

The garbage collector deletes an object when its last existing owner is gone, a
namespace takes all that is in it, a CRD all its instances, and helm-controller
uninstalls what a HelmRelease's chart installed. Everything here follows those
four rules and nothing else. Names, labels and field managers prove nothing, because
every client chooses them; Helm marks a chart's objects by annotation only. A chart's
objects outside of the HelmRelease's namespace are deleted with a HelmRelease only if
its package's status names it. An ownerReference that only claims a package as owner is
never followed: see `foreign_claims`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from kubectl_glasskube_purge.glasskube import facts, inventory
from kubectl_glasskube_purge.kube.objects import Found, Ref
from kubectl_glasskube_purge.purge.model.kinds import DEFINITION, NAMESPACE, SECRET
from kubectl_glasskube_purge.purge.model.plan import Consequence
from kubectl_glasskube_purge.purge.model.survey import Package, Survey


def consequences(
    survey: Survey,
    roots: Iterable[Found],
    kept: Collection[Ref] = (),
    without_chart: Collection[Ref] = (),
    gone: Collection[str] = (),
) -> Mapping[Ref, Consequence]:
    """Everything that goes after `roots`, the roots themselves not included.

    What is `kept` doesn't go, and nothing goes because of it: its ownerReferences
    are taken off before its owner is deleted. A root among it takes along only what
    it owns. A HelmRelease `without_chart` goes without anybody uninstalling its chart.
    `gone` are UIDs of what went before: who has several owners goes with the last of them.
    """
    pending = [(found, found.ref) for found in roots]
    going: dict[Ref, Consequence | None] = {found.ref: None for found, _ in pending}
    uids = {*gone, *(found.uid for found, _ in pending)}
    while pending:
        found, root = pending.pop()
        for dependent, rule in _dependents(found, survey):
            if dependent.ref in going or dependent.ref in kept:
                continue
            if rule in ("helm", "chart") and found.ref in without_chart:
                continue
            if rule in ("namespace", "definition") and found.ref in kept:
                continue
            if rule == "owner" and not loses_last_owner(dependent, uids, survey.existing):
                continue
            going[dependent.ref] = Consequence(dependent, found.ref, rule, root)
            uids.add(dependent.uid)
            pending.append((dependent, root))
    return {ref: consequence for ref, consequence in going.items() if consequence is not None}


def own_consequences(survey: Survey, roots: Iterable[Found], kept: Collection[Ref] = ()) -> Mapping[Ref, Consequence]:
    """What goes after `roots` by ownership or as part of a chart.

    Not what merely lives in a namespace of theirs, or is an instance of a CRD of
    theirs: that may be anybody's.
    """
    shells = {found.ref for found in survey.of_kind(NAMESPACE, DEFINITION)}
    return consequences(survey, roots, shells.union(kept))


def loses_last_owner(found: Found, going: Collection[str], existing: frozenset[str]) -> bool:
    """Whether the garbage collector deletes an object with owners when what is `going` is gone."""
    return all(owner.uid in going or owner.uid not in existing for owner in found.owners)


def _dependents(found: Found, survey: Survey) -> Iterator[tuple[Found, str]]:
    """What directly follows one object, with the rule by which it does."""
    claims = foreign_claims(survey)
    for dependent in _index(survey)[0].get(found.uid, ()):
        if dependent.ref not in claims:
            yield dependent, "owner"
    if found.ref.group_kind == NAMESPACE:
        for dependent in survey.in_namespace(found.ref.name):
            yield dependent, "namespace"
    if found.ref.group_kind == DEFINITION and (kind := survey.defines.get(found.ref.name)):
        for dependent in survey.of_kind(kind):
            yield dependent, "definition"
    if found.ref.group_kind == facts.HELM_RELEASE.group_kind:
        for dependent in installed_by(found, survey):
            if dependent.ref not in survey.helm_keeps:
                yield dependent, "helm"
        if (chart := survey.get(chart_of(found))) is not None and is_of_flux(chart):
            yield chart, "chart"


def is_confirmed(found: Found, survey: Survey) -> bool:
    """Whether a package that owns an object names it in `status.ownedResources`.

    The operator has listed HelmReleases there since v0.0.4 (internal/controller/common.go). An ownerReference alone
    proves nothing: every user who can write the object can set it.
    """
    return any((owner.uid, found.ref) in _named(survey) for owner in found.owners)


@lru_cache(maxsize=2)
def _named(survey: Survey) -> frozenset[tuple[str, Ref]]:
    """What packages name in `status.ownedResources`, each with the package's UID."""
    return frozenset((package.found.uid, ref) for package in survey.packages for ref in named_by(package.found))


def named_by(package: Found) -> frozenset[Ref]:
    """What a package names in `status.ownedResources`."""
    return frozenset(
        Ref(*(str(owned.get(part) or "") for part in ("group", "kind", "namespace", "name")))
        for owned in package.get("status", "ownedResources") or ()
    )


@lru_cache(maxsize=2)
def foreign_claims(survey: Survey) -> Mapping[Ref, str]:
    """What claims a package, or something of Flux that a package owns, as its owner, and isn't the package's: with why.

    The operator makes nothing that it doesn't name, and Flux sets no ownerReferences. What is in a namespace that the
    package owns is deleted with that.
    """
    by_owner = _index(survey)[0]
    claims: dict[Ref, str] = {}
    for package in survey.packages:
        direct = by_owner.get(package.found.uid, ())
        names_all = _names_all(package)
        namespaces = [found for found in direct if found.ref.group_kind == NAMESPACE]
        homes = {found.ref.name for found in namespaces if not names_all or is_confirmed(found, survey)}
        suspects = [found for found in direct if names_all or _is_release_elsewhere(found, package)]
        for one in direct:
            if one.ref.group_kind in facts.FLUX_GROUP_KINDS:
                suspects += by_owner.get(one.uid, ())
        for found in suspects:
            if found.ref.namespace not in homes and not _is_glasskubes(found) and not is_confirmed(found, survey):
                why = f"its ownerReference claims {package.ref.display}, whose status.ownedResources doesn't name it"
                claims[found.ref] = why
    return claims


def _is_glasskubes(found: Found) -> bool:
    """Whether an object is Glasskube's own, whatever owns it: early releases made packages own their records."""
    return found.ref.group_kind in facts.GLASSKUBE_GROUP_KINDS or found.ref in inventory.every_object()


def _is_release_elsewhere(found: Found, package: Package) -> bool:
    """Whether an object is a HelmRelease outside of a Package's namespace: the operator names each that it makes."""
    return found.ref.group_kind == facts.HELM_RELEASE.group_kind and found.ref.namespace != package.ref.namespace


def _names_all(package: Package) -> bool:
    """Whether a package's status names everything that the operator made for it.

    It does once the version is installed that is wanted (since v0.0.4). After a failure halfway it names nothing of
    plain manifests, although some of them are applied (internal/manifest/plain).
    """
    status, wanted = package.found.get("status") or {}, package.found.get("spec", "packageInfo", "version")
    return package.ready and bool(status.get("ownedResources")) and status.get("version") in (None, "", wanted)


def installed_by(helm_release: Found, survey: Survey) -> list[Found]:
    """What the chart of a HelmRelease installed: also what Helm keeps, and the stored revisions of the Helm release.

    helm-controller's record shows which Helm release that is. Without one (before helm-controller v0.37) the spec
    names it, and the objects' origin labels confirm it. Without confirmation by a package only a Helm release in
    the HelmRelease's own namespace counts, and of that only what is in this namespace, unless no package claims the
    HelmRelease or the package that could confirm it is gone.
    """
    installed, stored = _of_helm_release(helm_release, survey)
    if is_confirmed(helm_release, survey):
        if noted_release(helm_release):
            return [*installed, *stored]
        own = [found for found in installed if origin_of(found) == _origin(helm_release)]
        return own if is_steered(helm_release, survey) else [*own, *stored]
    home = helm_release.ref.namespace
    everywhere = not helm_release.owned_by(survey.package_uids)
    own = installed if helm_release_made_by(helm_release)[0] == home else []
    return [f for f in own if everywhere or f.ref.namespace == home] + [f for f in stored if f.ref.namespace == home]


def is_steered(helm_release: Found, survey: Survey) -> bool:
    """Whether the spec of a HelmRelease without helm-controller's record names the Helm release of another owner.

    helm-controller before v0.37 uninstalls what the spec names, even if changed. Every object of a chart has its
    origin labels since helm-controller v0.8, apart from what a controller derives from such an object and owns.
    """
    if noted_release(helm_release):
        return False
    installed, stored = _of_helm_release(helm_release, survey)
    origins = {origin_of(found) == _origin(helm_release) for found in installed if not found.owners}
    places = {helm_release_made_by(helm_release)[0], stored_release(helm_release)[0]}
    elsewhere = bool(installed or stored) and places != {helm_release.ref.namespace}
    return False in origins or (elsewhere and not origins)


def _of_helm_release(helm_release: Found, survey: Survey) -> tuple[list[Found], list[Found]]:
    """The objects that are marked as those of a HelmRelease's Helm release, and its stored revisions."""
    by_helm_release = _index(survey)[1]
    made, stored = helm_releases_of(helm_release)
    return by_helm_release.get(made, []), by_helm_release.get(stored, [])


@lru_cache(maxsize=2)
def _index(survey: Survey) -> tuple[Mapping[str, list[Found]], Mapping[HelmRelease, list[Found]]]:
    """The objects by the UIDs of their owners, and by the Helm release that they are of."""
    by_owner, by_helm_release = defaultdict(list), defaultdict(list)
    for found in survey.objects.values():
        for owner in found.owners:
            by_owner[owner.uid].append(found)
        if (helm_release := helm_release_of(found)) is not None:
            by_helm_release[helm_release].append(found)
    return by_owner, by_helm_release


HelmRelease = tuple[str, str, bool]
"""Namespace and name of a Helm release, and whether that is where Helm stores it: it may be another namespace."""


def helm_release_of(found: Found) -> HelmRelease | None:
    """The Helm release that an object is of, its stored revisions among them; None for none."""
    if name := found.annotations.get(facts.HELM_RELEASE_NAME_ANNOTATION):
        return found.annotations.get(facts.HELM_RELEASE_NAMESPACE_ANNOTATION, ""), name, False
    if found.ref.group_kind == SECRET and found.labels.get("owner") == "helm":
        return found.ref.namespace, found.labels.get("name", ""), True
    return None


def helm_releases_of(helm_release: Found) -> tuple[HelmRelease, HelmRelease]:
    """What `helm_release_of` returns for the objects of a HelmRelease's chart, and for the stored revisions."""
    return (*helm_release_made_by(helm_release), False), (*stored_release(helm_release), True)


def origin_of(found: Found) -> tuple[str, str]:
    """Namespace and name of the HelmRelease that an object's labels name."""
    labels = found.labels
    return labels.get(facts.FLUX_HELM_RELEASE_NAMESPACE_LABEL, ""), labels.get(facts.FLUX_HELM_RELEASE_LABEL, "")


def _origin(helm_release: Found) -> tuple[str, str]:
    return helm_release.ref.namespace, helm_release.ref.name


def is_suspended(helm_release: Found) -> bool:
    """Whether helm-controller lets it go without uninstalling its chart."""
    return helm_release.ref.group_kind == facts.HELM_RELEASE.group_kind and bool(helm_release.get("spec", "suspend"))


def helm_release_made_by(helm_release: Found) -> tuple[str, str]:
    """Namespace and name of the Helm release that a HelmRelease makes.

    helm-controller's record of it counts (`status.history`, a list since helm-controller v0.37): a later change of
    the spec leaves it as it is. Without a record the spec counts, with helm-controller's defaults.
    """
    if noted := noted_release(helm_release):
        return str(noted.get("namespace") or ""), str(noted.get("name") or "")
    target = str(helm_release.get("spec", "targetNamespace") or "")
    name = str(helm_release.get("spec", "releaseName") or "")
    if not name:
        name = f"{target}-{helm_release.ref.name}" if target else helm_release.ref.name
    return target or helm_release.ref.namespace, name


def stored_release(helm_release: Found) -> tuple[str, str]:
    """Namespace and name under which Helm stores the release of a HelmRelease, as `helm status -n` takes them.

    The namespace is helm-controller's default, not the chart's (GetStorageNamespace), unless it noted another.
    """
    noted = helm_release.get("status", "storageNamespace") or helm_release.get("spec", "storageNamespace")
    return str(noted or helm_release.ref.namespace), helm_release_made_by(helm_release)[1]


def noted_release(helm_release: Found) -> Mapping[str, Any]:
    """helm-controller's record of the newest Helm release that a HelmRelease made; empty if there is none."""
    history = helm_release.get("status", "history")
    return history[0] if isinstance(history, list) and history else {}


def chart_of(helm_release: Found) -> Ref:
    """The HelmChart that helm-controller makes for a HelmRelease, in its source's namespace."""
    source = helm_release.get("spec", "chart", "spec", "sourceRef", "namespace") or helm_release.ref.namespace
    name = f"{helm_release.ref.namespace}-{helm_release.ref.name}"
    return Ref(*facts.HELM_CHART.group_kind, str(source), name)


def source_of(found: Found) -> Ref:
    """The source that a HelmRelease or a HelmChart draws from."""
    path = ("spec", "sourceRef") if found.ref.kind == facts.HELM_CHART.kind else ("spec", "chart", "spec", "sourceRef")
    source = found.get(*path) or {}
    namespace = str(source.get("namespace") or found.ref.namespace)
    return Ref(facts.SOURCE_GROUP, str(source.get("kind") or ""), namespace, str(source.get("name") or ""))


def drawing_from(survey: Survey, source: Ref, own: Collection[Ref]) -> list[Found]:
    """The HelmReleases and HelmCharts that draw from a source, without the `own` ones."""
    return [found for found in _drawing(survey).get(source, ()) if found.ref not in own]


@lru_cache(maxsize=2)
def _drawing(survey: Survey) -> Mapping[Ref, list[Found]]:
    """Each source with what draws from it."""
    by_source = defaultdict(list)
    for found in survey.of_kind(facts.HELM_RELEASE.group_kind, facts.HELM_CHART.group_kind):
        by_source[source_of(found)].append(found)
    return by_source


def is_of_flux(chart: Found) -> bool:
    """Whether only Flux's controllers wrote a HelmChart: a user's own has another field manager."""
    return set(chart.managers) <= set(facts.FLUX_DEPLOYMENTS)


@lru_cache(maxsize=2)
def stray_charts(survey: Survey) -> tuple[Found, ...]:
    """HelmCharts fetched from a package's source for a HelmRelease that is gone: what an interrupted hand-over left.

    A user's own has another field manager. None where HelmReleases can't be listed.
    """
    if survey.hidden(facts.HELM_RELEASE.group_kind):
        return ()
    wanted = {chart_of(found) for found in survey.of_kind(facts.HELM_RELEASE.group_kind)}
    strays = []
    for chart in survey.of_kind(facts.HELM_CHART.group_kind):
        repository = survey.get(source_of(chart))
        of_package = repository is not None and repository.owned_by(survey.package_uids)
        if of_package and chart.ref not in wanted and is_of_flux(chart):
            strays.append(chart)
    return tuple(strays)


@lru_cache(maxsize=2)
def orphans(survey: Survey) -> tuple[Found, ...]:
    """What belonged to packages that are gone.

    Its ownerReferences all name Glasskube's own kinds, and nothing with such a UID exists any more. The garbage
    collector deletes it only as long as their CRDs are served. Nothing is taken for an orphan where packages can't be
    listed.
    """
    if any(facts.GROUP in unreadable.what for unreadable in survey.unreadable):
        return ()
    return tuple(
        found
        for _, found in sorted(survey.objects.items())
        if found.owners
        and all(
            (owner.group, owner.kind) in facts.PACKAGE_GROUP_KINDS and owner.uid not in survey.existing
            for owner in found.owners
        )
    )
