"""Who else needs what: whether Flux may go, from the evidence in a Survey. Pure.

A name proves nothing about Flux: an ordinary install uses the very same ones.
So each check below looks at one thing, and says in words what it found. Flux
may go only where every check speaks for it and none against; a check that can't
see everything speaks against.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from kubectl_glasskube_purge.glasskube import facts, inventory
from kubectl_glasskube_purge.kube.objects import Found, Ref
from kubectl_glasskube_purge.kube.wording import displayed, plural, some

from .ownership import Consequence, consequences, orphans, release_of, stray_charts
from .survey import (
    BINDINGS,
    CLAIM,
    CLUSTER_ROLE,
    DEFINITION,
    DEPLOYMENT,
    ENDPOINTS,
    FLUX_ANNOTATION,
    INGRESS,
    LABEL_MANAGER,
    NAMESPACE,
    SECRET,
    TELLING_NOTHING,
    Survey,
)

INCIDENTAL = frozenset(
    {
        ("", "ConfigMap", "kube-root-ca.crt"),
        ("", "ConfigMap", "istio-ca-root-cert"),
        ("", "ConfigMap", "openshift-service-ca.crt"),
        ("", "ServiceAccount", "default"),
    }
)
"""What the control plane and common add-ons put into every namespace: (group, kind, name)."""

MADE_BY_OPERATOR = frozenset(
    {
        Ref("coordination.k8s.io", "Lease", facts.NAMESPACE, facts.LEASE),
        Ref("", "Secret", facts.NAMESPACE, facts.WEBHOOK_SECRET),
    }
)
"""What Glasskube's own programs make at run time, in its namespace."""

MADE_BY_FLUX = frozenset(
    Ref("coordination.k8s.io", "Lease", facts.FLUX_NAMESPACE, f"{name}-leader-election")
    for name in facts.FLUX_DEPLOYMENTS
)
"""What the controllers of `aio` make at run time, in their namespace."""


@dataclass(frozen=True)
class Evidence:
    """One finding about Flux, in words."""

    against: bool
    """Whether it speaks against deleting Flux."""
    text: str


@dataclass(frozen=True)
class FluxVerdict:
    """Whether Flux is there, whether it may go, and why."""

    objects: tuple[Found, ...] = ()
    """The objects that a Glasskube release brings, those that exist. Empty where there is no Flux."""
    evidence: tuple[Evidence, ...] = ()

    @property
    def present(self) -> bool:
        """Whether anything of a Flux of Glasskube's names exists."""
        return bool(self.objects)

    @property
    def proven(self) -> bool:
        """Whether it is proven that Glasskube brought Flux and nobody else uses it."""
        return self.present and not any(evidence.against for evidence in self.evidence)


def flux(survey: Survey) -> FluxVerdict:
    """Judges Flux. The same evidence always gives the same verdict."""
    known = flux_refs()
    objects = tuple(sorted((f for f in survey.objects.values() if f.ref in known), key=lambda f: f.ref))
    if not objects:
        return FluxVerdict()
    evidence = tuple(piece for check in CHECKS for piece in check(survey, objects))
    return FluxVerdict(objects, evidence)


def flux_refs() -> frozenset[Ref]:
    """Every object of the Flux that any Glasskube release brings."""
    return frozenset(ref for release in inventory.releases() for ref in inventory.flux_objects(release))


# -- the checks: one question each


def everything_was_readable(survey: Survey, objects: Iterable[Found]) -> Iterator[Evidence]:
    """What can't be read is doubt."""
    if survey.unreadable:
        what = some(unreadable.what for unreadable in survey.unreadable)
        yield Evidence(True, f"not everything could be read ({what}): somebody may use Flux there")


def glasskube_applied_it(survey: Survey, objects: Iterable[Found]) -> Iterator[Evidence]:
    """`glasskube bootstrap` leaves its field manager on what it applies.

    Except on objects without a single field of their own, a bare Namespace or
    ServiceAccount: those have no manager at all, and prove nothing either way.
    """
    objects = tuple(objects)
    told = [found for found in objects if set(found.managers) - TELLING_NOTHING and not _is_recorded(found)]
    foreign = [found for found in told if facts.FIELD_MANAGER not in found.managers]
    if not told and any(_is_recorded(found) for found in objects):
        yield Evidence(False, "proven by an earlier run to have been applied by Glasskube")
        return
    if told and not foreign:
        yield Evidence(False, f"applied by Glasskube (field manager {facts.FIELD_MANAGER})")
        return
    if not foreign:
        yield Evidence(True, f"nothing tells who applied {displayed(f.ref for f in objects)}")
        return
    managers = sorted({manager for found in foreign for manager in found.managers})
    yield Evidence(
        True,
        f"{plural(len(foreign), 'object')} not applied by Glasskube but by {some(managers)}: "
        + displayed(f.ref for f in foreign),
    )


def _is_recorded(found: Found) -> bool:
    """Whether an earlier run wrote on Flux's namespace what it had proven, before it began to delete."""
    return found.ref.name == facts.FLUX_NAMESPACE and found.annotations.get(FLUX_ANNOTATION) == facts.FIELD_MANAGER


def nobody_else_has_instances(survey: Survey, objects: Iterable[Found]) -> Iterator[Evidence]:
    """HelmReleases and sources that no package of Glasskube's owns are somebody else's."""
    going = packaged(survey).keys() | {found.ref for found in (*stray_charts(survey), *orphans(survey))}
    for kind in facts.FLUX_KINDS:
        instances = survey.of_kind(kind.group_kind)
        foreign = [found for found in instances if found.ref not in going]
        if foreign:
            yield Evidence(
                True, f"{plural(len(foreign), kind.kind)} that no package owns: {displayed(f.ref for f in foreign)}"
            )
        elif instances:
            yield Evidence(False, f"{plural(len(instances), kind.kind)}, all owned by packages")


def no_other_controller(survey: Survey, objects: Iterable[Found]) -> Iterator[Evidence]:
    """Other Flux controllers, anywhere, other kinds of Flux's, or the Flux Operator mean an ordinary Flux."""
    going = packaged(survey)
    names = {*facts.FLUX_DEPLOYMENTS, *facts.FLUX_OTHER_DEPLOYMENTS}
    others = [
        found
        for found in survey.of_kind(DEPLOYMENT)
        if found.ref not in going
        and (
            (found.ref.namespace == facts.FLUX_NAMESPACE and found.ref.name not in facts.FLUX_DEPLOYMENTS)
            or (found.ref.namespace != facts.FLUX_NAMESPACE and found.ref.name in names)
        )
    ]
    kinds = [kind.group_kind for kind in (*facts.FLUX_OTHER_KINDS, facts.FLUX_INSTANCE)]
    others += [found for found in survey.of_kind(*kinds) if found.ref not in going]
    if others:
        yield Evidence(True, f"somebody else's Flux is here: {displayed(f.ref for f in others)}")
    else:
        yield Evidence(False, "no other Flux controller")


def nothing_foreign_in_its_namespace(survey: Survey, objects: Iterable[Found]) -> Iterator[Evidence]:
    """The namespace goes with Flux, and takes along what others put there."""
    if foreign := foreign_in(survey, facts.FLUX_NAMESPACE, objects):
        yield Evidence(
            True, f"foreign objects in namespace {facts.FLUX_NAMESPACE}: {displayed(f.ref for f in foreign)}"
        )


def it_is_labelled_as_glasskubes(survey: Survey, objects: Iterable[Found]) -> Iterator[Evidence]:
    """`label` labels a Flux only while it is proven to be Glasskube's alone."""
    labelled = [
        f for f in objects if LABEL_MANAGER in f.managers and f.labels.get(facts.PART_OF_LABEL) == facts.PART_OF
    ]
    if labelled:
        yield Evidence(False, f"labelled as Glasskube's: {displayed(f.ref for f in labelled)}")


CHECKS: tuple[Callable[[Survey, Iterable[Found]], Iterator[Evidence]], ...] = (
    everything_was_readable,
    glasskube_applied_it,
    it_is_labelled_as_glasskubes,
    nobody_else_has_instances,
    no_other_controller,
    nothing_foreign_in_its_namespace,
)


# -- what belongs to whom


def packaged(survey: Survey) -> Mapping[Ref, Consequence]:
    """Everything that the packages own or their charts installed; not what merely lives in a namespace of theirs,
    or is an instance of a CRD of theirs: that may be anybody's."""
    roots = [*(package.found for package in survey.packages), *orphans(survey)]
    shells = [ref for ref in consequences(survey, roots) if ref.group_kind in (NAMESPACE, DEFINITION)]
    return consequences(survey, roots, shells)


def foreign_in(survey: Survey, namespace: str, known: Iterable[Found]) -> tuple[Found, ...]:
    """Objects in a namespace that are neither `known`, nor follow from them, nor the packages', nor incidental."""
    known = [found for found in known if found.ref.group_kind != NAMESPACE]
    explained = {found.ref for found in known} | consequences(survey, known).keys() | packaged(survey).keys()
    explained |= {package.ref for package in survey.packages}
    explained |= MADE_BY_OPERATOR | MADE_BY_FLUX
    inside = [f for f in survey.objects.values() if f.ref.namespace == namespace and f.ref not in explained]
    return tuple(sorted((f for f in inside if not is_incidental(f, inside)), key=lambda f: f.ref))


def is_incidental(found: Found, inside: Iterable[Found]) -> bool:
    """Whether an object is there only because its namespace, or a neighbour, is.

    Endpoints follow their Service, metrics their Pod, a token its ServiceAccount,
    a Lease whoever holds it, and what somebody else owns is judged by its owner.
    """
    ref = found.ref
    if (ref.group, ref.kind, ref.name) in INCIDENTAL or ref.group == "metrics.k8s.io":
        return True
    if ref.group_kind in (ENDPOINTS, ("coordination.k8s.io", "Lease")):
        return True
    if found.annotations.get("kubernetes.io/service-account.name") and ref.group_kind == SECRET:
        return True
    uids = {other.uid for other in inside}
    return bool(found.owners) and not found.owned_by(uids)


# -- what stays although its owner goes


@dataclass(frozen=True)
class Protection:
    """An object of a package that has to stay, and why."""

    found: Found
    why: str
    for_whom: tuple[Ref, ...] = ()
    """The objects of others that need it."""


def protections(survey: Survey, roots: Iterable[Found], *, include_foreign: bool = False) -> Mapping[Ref, Protection]:
    """What must not go with `roots`: what is marked so, what others use, and whatever holds such a thing.

    A namespace that holds a kept object, the CRD of a kept instance, the
    HelmRelease of a kept chart object and its source are kept for its sake.
    """
    roots = list(roots)
    protected: dict[Ref, Protection] = {}
    while True:
        going = consequences(survey, roots, protected.keys())
        shells = [ref for ref in going if ref.group_kind in (NAMESPACE, DEFINITION)]
        core = consequences(survey, roots, {*protected, *shells})
        found: dict[Ref, Protection] = {}
        for consequence in going.values():
            reason = _protected_by_mark(consequence) or _needed_by_others(survey, consequence, core, include_foreign)
            if reason is not None:
                found[consequence.found.ref] = reason
        for protection in protected.values():
            found.update(_holders(survey, protection, going))
        if not found.keys() - protected.keys():
            return protected
        protected |= {ref: protection for ref, protection in found.items() if ref not in protected}


def is_system_namespace(name: str) -> bool:
    """`default` and `kube-*`, whose end would be the cluster's."""
    return name == "default" or name.startswith("kube-")


def _protected_by_mark(consequence: Consequence) -> Protection | None:
    found = consequence.found
    for annotation, value in facts.KEEP_ANNOTATIONS.items():
        if found.annotations.get(annotation) == value:
            return Protection(found, f"protected by its annotation {annotation}: {value}")
    return None


def _needed_by_others(
    survey: Survey, consequence: Consequence, core: Mapping[Ref, Consequence], include_foreign: bool
) -> Protection | None:
    found = consequence.found
    if found.ref.group_kind == NAMESPACE and is_system_namespace(found.ref.name):
        return Protection(found, "a namespace of Kubernetes itself: never deleted, whoever claims to own it")
    if found.ref.group_kind == NAMESPACE:
        foreign = () if include_foreign else strangers(survey, found.ref.name, core)
        if foreign:
            names = displayed(f.ref for f in foreign)
            return Protection(found, f"holds what no package owns: {names}", tuple(f.ref for f in foreign))
    if found.ref.group_kind == DEFINITION and (kind := survey.defines.get(found.ref.name)):
        if not include_foreign and any(unreadable.what == found.ref.name for unreadable in survey.unreadable):
            return Protection(found, "its instances can't be read, and may be somebody else's (--include-foreign)")
        foreign = tuple(instance for instance in survey.of_kind(kind) if instance.ref not in core)
        if foreign:
            names = displayed(f.ref for f in foreign)
            return Protection(found, f"has instances that no package owns: {names}", tuple(f.ref for f in foreign))
    if found.ref.group_kind == CLUSTER_ROLE:
        bindings = [
            binding
            for binding in survey.of_kind(*BINDINGS)
            if binding.get("roleRef", "kind") == "ClusterRole"
            and binding.get("roleRef", "name") == found.ref.name
            and binding.ref not in core
        ]
        if bindings:
            names = displayed(f.ref for f in bindings)
            return Protection(found, f"granted by bindings of others: {names}", tuple(f.ref for f in bindings))
    return None


def strangers(survey: Survey, namespace: str, core: Mapping[Ref, Consequence]) -> tuple[Found, ...]:
    """What is in a package's namespace and neither the packages' nor a by-product of theirs.

    A volume claim made from a StatefulSet's template counts as the StatefulSet's,
    and what only controllers ever wrote as theirs; all else may be somebody's.
    """
    inside = [f for f in survey.objects.values() if f.ref.namespace == namespace]
    unexplained = [f for f in inside if f.ref not in core]
    sets = [f.ref.name for f in inside if f.ref.kind == "StatefulSet" and f.ref in core]
    return tuple(
        found
        for found in sorted(unexplained, key=lambda f: f.ref)
        if not is_incidental(found, unexplained)
        and not (found.ref.group_kind == CLAIM and any(made_from_template(found.ref.name, name) for name in sets))
        and not (found.managers and set(found.managers) <= MACHINERY)
    )


MACHINERY = frozenset({"kube-controller-manager", "kube-scheduler", "kubelet"}) | facts.FIELD_MANAGERS
"""Field managers of the control plane and of Glasskube: what only they wrote is nobody's own."""


def made_from_template(claim: str, stateful_set: str) -> bool:
    """Whether a claim's name is one that a StatefulSet gives: `<template>-<set>-<ordinal>`."""
    head, _, ordinal = claim.rpartition("-")
    return ordinal.isdigit() and head.endswith(f"-{stateful_set}")


def _holders(
    survey: Survey, protection: Protection, going: Mapping[Ref, Consequence]
) -> Iterator[tuple[Ref, Protection]]:
    """What has to stay for a protected object's sake."""
    kept = protection.found
    namespace = Ref("", "Namespace", "", kept.ref.namespace)
    holders = [namespace] + [
        Ref(*DEFINITION, "", name) for name, kind in survey.defines.items() if kind == kept.ref.group_kind
    ]
    holders += _chart_of(survey, kept, going)
    for ref in holders:
        if ref in going:
            yield ref, Protection(going[ref].found, f"holds {kept.ref.display}, which stays", (kept.ref,))


def _chart_of(survey: Survey, kept: Found, going: Mapping[Ref, Consequence]) -> list[Ref]:
    """The HelmRelease that installed an object, and what a HelmRelease needs to go on."""
    if kept.ref.group_kind == facts.HELM_RELEASE.group_kind:
        source = kept.get("spec", "chart", "spec", "sourceRef") or {}
        return [
            Ref(
                facts.SOURCE_GROUP,
                str(source.get("kind") or ""),
                str(source.get("namespace") or kept.ref.namespace),
                str(source.get("name") or ""),
            )
        ]
    if kept.ref in survey.helm_keeps:
        return []
    name = kept.annotations.get(facts.HELM_RELEASE_NAME_ANNOTATION)
    release = (kept.annotations.get(facts.HELM_RELEASE_NAMESPACE_ANNOTATION, ""), name)
    releases = survey.of_kind(facts.HELM_RELEASE.group_kind)
    return [found.ref for found in releases if name and found.ref in going and release_of(found) == release]


# -- what others will miss


def users(survey: Survey, going: Collection[Ref]) -> tuple[str, ...]:
    """Who uses cluster-wide things that go, in words: Ingresses their class, bindings a role, everybody an API."""
    return tuple(_users(survey, going))


def _users(survey: Survey, going: Collection[Ref]) -> Iterator[str]:
    for ref in sorted(going):
        if ref.group_kind == ("networking.k8s.io", "IngressClass"):
            users = [f.ref for f in survey.of_kind(INGRESS) if f.get("spec", "ingressClassName") == ref.name]
            if users := [user for user in users if user not in going]:
                yield f"{ref.display} goes, and is used by {displayed(users)}"
        elif ref.group_kind == ("apiregistration.k8s.io", "APIService"):
            yield f"{ref.display} goes, and with it an API that others may call"
        elif ref.group == "admissionregistration.k8s.io" and ref.name != facts.WEBHOOK_CONFIGURATION:
            yield f"{ref.display} goes: it no longer checks or changes what others create"
        elif ref.group_kind == CLUSTER_ROLE:
            bindings = [
                binding.ref
                for binding in survey.of_kind(*BINDINGS)
                if binding.get("roleRef", "name") == ref.name and binding.ref not in going
            ]
            if bindings:
                yield f"{ref.display} goes, and is granted by {displayed(bindings)}"
