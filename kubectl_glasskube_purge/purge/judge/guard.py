"""Who else needs what: whether Flux may go, from the evidence in a Survey. Pure.

A name proves nothing about Flux: an ordinary install uses the very same ones.
So each check below looks at one thing, and says in words what it found. Flux
may go only where every check speaks for it and none against; a check that can't
see everything speaks against.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import cache, lru_cache

from kubectl_glasskube_purge.glasskube import facts, inventory
from kubectl_glasskube_purge.kube.objects import Found, Ref
from kubectl_glasskube_purge.kube.wording import displayed, plural, some
from kubectl_glasskube_purge.purge.model.kinds import (
    BINDINGS,
    CLAIM,
    CLUSTER_ROLE,
    DEFINITION,
    DEPLOYMENT,
    ENDPOINTS,
    INGRESS,
    NAMESPACE,
    SECRET,
)
from kubectl_glasskube_purge.purge.model.plan import Consequence, Evidence, FluxVerdict, Protection
from kubectl_glasskube_purge.purge.model.survey import FLUX_ANNOTATION, LABEL_MANAGER, TELLING_NOTHING, Survey

from . import managers
from .ownership import consequences, helm_release_of, orphans, release_of, stray_charts

PURGE_MANAGER = "kubectl-glasskube-purge"
"""Field manager of what a purge itself writes."""

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


def flux(survey: Survey) -> FluxVerdict:
    """Judges Flux. The same evidence always gives the same verdict."""
    known = flux_refs()
    objects = tuple(sorted((f for f in survey.objects.values() if f.ref in known), key=lambda f: f.ref))
    if not objects:
        return FluxVerdict()
    evidence = tuple(piece for check in CHECKS for piece in check(survey, objects))
    return FluxVerdict(objects, evidence)


@cache
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


def nobody_applied_another_over_it(survey: Survey, objects: Iterable[Found]) -> Iterator[Evidence]:
    """Who applied their own Flux over Glasskube's left a field manager, too. Handwork with kubectl is no use of it."""
    expected = {facts.FIELD_MANAGER, PURGE_MANAGER} | TELLING_NOTHING | MACHINERY | facts.HANDWORK_MANAGERS
    told = [found for found in objects if facts.FIELD_MANAGER in found.managers]
    changed = [found for found in told if set(found.managers) - expected]
    if changed:
        managers = sorted({manager for found in changed for manager in found.managers} - expected)
        yield Evidence(True, f"applied over by {some(managers)} since: {displayed(f.ref for f in changed)}")


def no_other_tool_manages_it(survey: Survey, objects: Iterable[Found]) -> Iterator[Evidence]:
    """Argo CD, Kustomizations, Helm, the Flux Operator and Flux's own installer put marks on what they manage."""
    managed: dict[str, list[Ref]] = {}
    for found in objects:
        if manager := _other_manager(found):
            managed.setdefault(manager, []).append(found.ref)
    for manager, refs in sorted(managed.items()):
        yield Evidence(True, f"{manager} manages {displayed(refs)}")


def _other_manager(found: Found) -> str:
    if instance := found.labels.get(facts.FLUX_OPERATOR_LABEL):
        return f"the Flux Operator's FluxInstance {instance}"
    if found.labels.get(facts.PART_OF_LABEL) == facts.FLUX_PART_OF:
        return f"an ordinary install of Flux (label {facts.PART_OF_LABEL}={facts.FLUX_PART_OF})"
    return managers.managed_by(found)


def it_is_the_version_that_glasskube_brings(survey: Survey, objects: Iterable[Found]) -> Iterator[Evidence]:
    """Flux of another version than the installed release's, or one before it, was brought by somebody else.

    Mirrors are ordinary, so only the tag counts; an image without one tells nothing, and that is doubt.
    """
    brought = flux_versions(survey.version.version)
    own: list[str] = []
    for found in objects:
        if found.ref.group_kind != DEPLOYMENT:
            continue
        named = f"{found.ref.name} {_tag(found) or 'of a version that its image does not tell'}"
        if _tag(found) in brought.get(found.ref.name, ()):
            own.append(named)
        else:
            expected = some(sorted(brought.get(found.ref.name, ())))
            yield Evidence(True, f"{named} runs, and Glasskube brings {expected}")
    if own:
        yield Evidence(False, f"of the version that Glasskube brings: {some(own)}")


@cache
def flux_versions(installed: str) -> Mapping[str, frozenset[str]]:
    """What the installed release and those before it bring of Flux, by Deployment; of all where it isn't known.

    Installing a later release may leave Flux as it was (variant `slim`).
    """
    releases = inventory.releases()
    if installed in releases:
        releases = releases[: releases.index(installed) + 1]
    names = facts.FLUX_DEPLOYMENTS
    return {name: frozenset(tag for r in releases if (tag := inventory.flux_versions(r).get(name))) for name in names}


def _tag(deployment: Found) -> str:
    """The tag of a controller's image, `""` where there is none."""
    for container in deployment.get("spec", "template", "spec", "containers") or ():
        path, tag = inventory.split_image(str(container.get("image") or ""))
        if path.rpartition("/")[2] == deployment.ref.name:
            return tag
    return ""


def its_roles_serve_nobody_else(survey: Survey, objects: Iterable[Found]) -> Iterator[Evidence]:
    """Bindings of others to Flux's ClusterRoles, and subjects of others in Flux's bindings, are somebody's use of it.

    ServiceAccounts of Flux controllers that Glasskube doesn't bring are in its own manifests, and prove nothing.
    """
    objects = tuple(objects)
    own = {found.ref for found in objects} | packaged(survey).keys()
    for role in (found.ref for found in objects if found.ref.group_kind == CLUSTER_ROLE):
        if bindings := bindings_of(survey, role, own):
            yield Evidence(True, f"{role.display} is granted by {displayed(f.ref for f in bindings)}")
    accounts = {*facts.FLUX_DEPLOYMENTS, *facts.FLUX_OTHER_DEPLOYMENTS}
    for binding in (found for found in objects if found.ref.group_kind in BINDINGS):
        others = [
            f"{str(subject.get('kind')).lower()}/{subject.get('name')}"
            for subject in binding.get("subjects") or ()
            if subject.get("kind") != "ServiceAccount"
            or subject.get("namespace") != facts.FLUX_NAMESPACE
            or subject.get("name") not in accounts
        ]
        if others:
            yield Evidence(True, f"{binding.ref.display} grants something to {some(others)}")


def bindings_of(survey: Survey, role: Ref, own: Collection[Ref]) -> tuple[Found, ...]:
    """The bindings that grant a ClusterRole to anybody, without the `own` ones."""
    return tuple(
        binding
        for binding in survey.of_kind(*BINDINGS)
        if binding.get("roleRef", "kind") == "ClusterRole"
        and binding.get("roleRef", "name") == role.name
        and binding.ref not in own
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
    names = {*facts.FLUX_DEPLOYMENTS, *facts.FLUX_OTHER_DEPLOYMENTS, facts.FLUX_OPERATOR}
    others = [
        found
        for found in survey.of_kind(DEPLOYMENT)
        if found.ref not in going
        and (
            (found.ref.namespace == facts.FLUX_NAMESPACE and found.ref.name not in facts.FLUX_DEPLOYMENTS)
            or (found.ref.namespace != facts.FLUX_NAMESPACE and found.ref.name in names)
        )
    ]
    kinds = (*facts.FLUX_OTHER_KINDS, facts.FLUX_INSTANCE)
    others += [found for found in survey.of_kind(*(kind.group_kind for kind in kinds)) if found.ref not in going]
    packages = {package.found.uid for package in survey.packages}
    definitions = [found for kind in kinds if (found := survey.get(Ref(*DEFINITION, "", kind.crd)))]
    others += [found for found in definitions if not found.owned_by(packages)]
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
    nobody_applied_another_over_it,
    no_other_tool_manages_it,
    it_is_the_version_that_glasskube_brings,
    it_is_labelled_as_glasskubes,
    nobody_else_has_instances,
    no_other_controller,
    its_roles_serve_nobody_else,
    nothing_foreign_in_its_namespace,
)


# -- what belongs to whom


@lru_cache(maxsize=2)
def packaged(survey: Survey) -> Mapping[Ref, Consequence]:
    """Everything that the packages own or their charts installed; not what merely lives in a namespace of theirs,
    or is an instance of a CRD of theirs: that may be anybody's."""
    roots = [*(package.found for package in survey.packages), *orphans(survey)]
    shells = [ref for ref in consequences(survey, roots) if ref.group_kind in (NAMESPACE, DEFINITION)]
    return consequences(survey, roots, shells)


def foreign_in(survey: Survey, namespace: str, known: Iterable[Found]) -> tuple[Found, ...]:
    """Objects in a namespace that are neither `known`, nor follow from them, nor the packages', nor incidental."""
    shells = {found.ref for found in survey.of_kind(NAMESPACE, DEFINITION)}  # what they hold may be anybody's
    known = [found for found in known if found.ref not in shells]
    explained = {found.ref for found in known} | consequences(survey, known, shells).keys() | packaged(survey).keys()
    explained |= {package.ref for package in survey.packages}
    explained |= MADE_BY_OPERATOR | MADE_BY_FLUX
    inside = [f for f in survey.objects.values() if f.ref.namespace == namespace and f.ref not in explained]
    return tuple(sorted((f for f in inside if not is_incidental(survey, f)), key=lambda f: f.ref))


def is_incidental(survey: Survey, found: Found) -> bool:
    """Whether an object is there only because its namespace, or a neighbour, is.

    Endpoints follow their Service, metrics their Pod, a token its ServiceAccount,
    a Lease whoever holds it. What lost all its owners is about to go by itself.
    """
    ref = found.ref
    if (ref.group, ref.kind, ref.name) in INCIDENTAL or ref.group == "metrics.k8s.io":
        return True
    if ref.group_kind in (ENDPOINTS, ("coordination.k8s.io", "Lease")):
        return True
    if found.annotations.get("kubernetes.io/service-account.name") and ref.group_kind == SECRET:
        return True
    return bool(found.owners) and not found.owned_by(survey.existing)


# -- what stays although its owner goes


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
        if not include_foreign and (unseen := unseen_in_namespaces(survey)):
            return Protection(
                found, f"what is in it can't all be read ({unseen}), and may be somebody else's (--include-foreign)"
            )
    if found.ref.group_kind == DEFINITION and (kind := survey.defines.get(found.ref.name)):
        if not include_foreign and any(unreadable.what == found.ref.name for unreadable in survey.unreadable):
            return Protection(found, "its instances can't be read, and may be somebody else's (--include-foreign)")
        foreign = tuple(instance for instance in survey.of_kind(kind) if instance.ref not in core)
        if foreign:
            names = displayed(f.ref for f in foreign)
            return Protection(found, f"has instances that no package owns: {names}", tuple(f.ref for f in foreign))
    if found.ref.group_kind == CLUSTER_ROLE:
        return granted_by_others(survey, found, core.keys(), include_foreign=include_foreign)
    return None


def granted_by_others(
    survey: Survey, role: Found, own: Collection[Ref], *, include_foreign: bool = False
) -> Protection | None:
    """Why a ClusterRole has to stay that somebody grants; None where nobody else does."""
    if bindings := bindings_of(survey, role.ref, own):
        names = displayed(f.ref for f in bindings)
        return Protection(role, f"granted by bindings of others: {names}", tuple(f.ref for f in bindings))
    if not include_foreign and (hidden := survey.hidden(*BINDINGS)):
        return Protection(role, f"who is granted it can't be read ({some(one.what for one in hidden)})")
    return None


def unseen_in_namespaces(survey: Survey) -> str:
    """The kinds of which nobody knows what there is in any namespace; `""` where all could be listed.

    Metrics are computed when asked for, never stored. Where an API's server doesn't answer at all, Kubernetes
    itself ends no namespace.
    """
    return some(
        one.what
        for one in survey.unreadable
        if one.kind and one.namespaced and not one.kind[0].endswith("metrics.k8s.io")
    )


def strangers(survey: Survey, namespace: str, core: Mapping[Ref, Consequence]) -> tuple[Found, ...]:
    """What is in a package's namespace and neither the packages' nor a by-product of theirs.

    A volume claim made from a StatefulSet's template counts as the StatefulSet's,
    and what only controllers ever wrote as theirs, unless somebody who stays owns
    it, too; all else may be somebody's.
    """
    inside = [f for f in survey.objects.values() if f.ref.namespace == namespace]
    unexplained = [f for f in inside if f.ref not in core]
    sets = [f.ref.name for f in inside if f.ref.kind == "StatefulSet" and f.ref in core]
    return tuple(
        found
        for found in sorted(unexplained, key=lambda f: f.ref)
        if not is_incidental(survey, found)
        and not (found.ref.group_kind == CLAIM and any(made_from_template(found.ref.name, name) for name in sets))
        and not (found.managers and set(found.managers) <= MACHINERY and not found.owned_by(survey.existing))
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
    release = helm_release_of(kept)
    if release is None or kept.ref in survey.helm_keeps:
        return []
    releases = survey.of_kind(facts.HELM_RELEASE.group_kind)
    return [found.ref for found in releases if found.ref in going and release_of(found) == release]


# -- what others will miss


def users(survey: Survey, going: Collection[Ref]) -> tuple[str, ...]:
    """Who uses cluster-wide things that go, in words: Ingresses their class, bindings a role, everybody an API."""
    return tuple(_users(survey, going))


def _users(survey: Survey, going: Collection[Ref]) -> Iterator[str]:
    for ref in sorted(going):
        if ref.group_kind == ("networking.k8s.io", "IngressClass"):
            users = [f.ref for f in survey.of_kind(INGRESS) if _ingress_class(f) == ref.name]
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


def _ingress_class(ingress: Found) -> str:
    """The class by which an Ingress chooses its controller; the annotation is the older way."""
    return str(ingress.get("spec", "ingressClassName") or ingress.annotations.get("kubernetes.io/ingress.class") or "")
