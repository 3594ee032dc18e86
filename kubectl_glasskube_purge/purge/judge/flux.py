"""Whether Flux may go, from the evidence in a Survey. Pure.

A name proves nothing about Flux: an ordinary install uses the very same ones.
So each check below looks at one thing, and says in words what it found. Flux
may go only where every check speaks for it and none against; a check that can't
see everything speaks against.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache, lru_cache

from kubectl_glasskube_purge.glasskube import facts, inventory
from kubectl_glasskube_purge.kube.objects import Found, Ref
from kubectl_glasskube_purge.kube.wording import displayed, plural, some
from kubectl_glasskube_purge.purge.model.kinds import BINDINGS, CLUSTER_ROLE, DEFINITION, DEPLOYMENT
from kubectl_glasskube_purge.purge.model.plan import Evidence, FluxVerdict
from kubectl_glasskube_purge.purge.model.survey import (
    FLUX_ANNOTATION,
    LABEL_MANAGER,
    TELLING_NOTHING,
    PassedOver,
    Survey,
)

from .foreign import CONTROL_PLANE, foreign_in, packaged
from .managers import managed_by
from .ownership import orphans, stray_charts
from .usage import bindings_of

PURGE_MANAGER = "kubectl-glasskube-purge"
"""Field manager of what a purge itself writes."""


@lru_cache(maxsize=2)
def judge(survey: Survey) -> FluxVerdict:
    """Judges Flux. The same evidence always gives the same verdict."""
    known = inventory.every_flux_object()
    objects = tuple(found for ref, found in sorted(survey.objects.items()) if ref in known)
    if not objects:
        return FluxVerdict()
    return FluxVerdict(objects, tuple(piece for check in CHECKS for piece in check(survey, objects)))


# -- the checks: one question each


def everything_was_readable(survey: Survey, objects: tuple[Found, ...]) -> Iterator[Evidence]:
    """What can't be read is doubt."""
    if survey.unreadable:
        what = some(unreadable.what for unreadable in survey.unreadable)
        yield Evidence(True, f"not everything could be read ({what}): another user may use Flux there")


def glasskube_applied_it(survey: Survey, objects: tuple[Found, ...]) -> Iterator[Evidence]:
    """`glasskube bootstrap` leaves its field manager on what it applies.

    Except on objects without a single field, a bare Namespace or
    ServiceAccount: those have no manager at all, and prove nothing either way.
    """
    told = [found for found in objects if set(found.managers) - TELLING_NOTHING and not _is_recorded(found)]
    foreign = [found for found in told if facts.FIELD_MANAGER not in found.managers]
    if not told and any(_is_recorded(found) for found in objects):
        yield Evidence(False, "proven by an earlier run to have been applied by Glasskube")
        return
    if told and not foreign:
        yield Evidence(False, f"applied by Glasskube (field manager {facts.FIELD_MANAGER})")
        return
    if not foreign:
        yield Evidence(True, f"nothing shows what applied {displayed(f.ref for f in objects)}")
        return
    managers = sorted({manager for found in foreign for manager in found.managers})
    yield Evidence(
        True,
        f"{plural(len(foreign), 'object')} not applied by Glasskube but by {some(managers)}: "
        + displayed(f.ref for f in foreign),
    )


def nobody_applied_another_over_it(survey: Survey, objects: tuple[Found, ...]) -> Iterator[Evidence]:
    """Who applied their own Flux over Glasskube's left a field manager, too. Handwork with kubectl is no use of it."""
    expected = {PURGE_MANAGER, *TELLING_NOTHING, *CONTROL_PLANE, *facts.FIELD_MANAGERS, *facts.HANDWORK_MANAGERS}
    told = [found for found in objects if facts.FIELD_MANAGER in found.managers]
    changed = [found for found in told if set(found.managers) - expected]
    if changed:
        managers = sorted({manager for found in changed for manager in found.managers} - expected)
        yield Evidence(True, f"since modified by field manager {some(managers)}: {displayed(f.ref for f in changed)}")


def no_other_tool_manages_it(survey: Survey, objects: tuple[Found, ...]) -> Iterator[Evidence]:
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
    return managed_by(found)


def it_is_the_version_that_glasskube_brings(survey: Survey, objects: tuple[Found, ...]) -> Iterator[Evidence]:
    """Flux of another version than the installed release's, or one before it, was brought by another tool.

    Mirrors are ordinary, so only the tag counts; an image without one proves nothing, and that is doubt.
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
            yield Evidence(True, f"{named} runs; Glasskube ships {expected}")
    if own:
        yield Evidence(False, f"of the version that Glasskube ships: {some(own)}")


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


def its_roles_serve_nobody_else(survey: Survey, objects: tuple[Found, ...]) -> Iterator[Evidence]:
    """Bindings of others to Flux's ClusterRoles, and subjects of others in Flux's bindings, are use of it by others.

    ServiceAccounts of Flux controllers that Glasskube doesn't bring are in its own manifests, and prove nothing.
    """
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


def _is_recorded(found: Found) -> bool:
    """Whether an earlier run wrote on Flux's namespace what it had proven, before it began to delete."""
    return found.ref.name == facts.FLUX_NAMESPACE and found.annotations.get(FLUX_ANNOTATION) == facts.FIELD_MANAGER


def nobody_else_has_instances(survey: Survey, objects: tuple[Found, ...]) -> Iterator[Evidence]:
    """HelmReleases and sources that no package of Glasskube's owns belong to others."""
    going = packaged(survey).keys() | {found.ref for found in (*stray_charts(survey), *orphans(survey))}
    for kind in facts.FLUX_KINDS:
        instances = survey.of_kind(kind.group_kind)
        passed_over = survey.passed_over.get(kind.group_kind, PassedOver())
        foreign = [*(found.ref for found in instances if found.ref not in going), *passed_over.first]
        more = passed_over.count - len(passed_over.first)
        if foreign:
            named = some((ref.display for ref in sorted(foreign)), more=more)
            yield Evidence(True, f"{plural(len(foreign) + more, kind.kind)} that no package owns: {named}")
        elif instances:
            yield Evidence(False, f"{plural(len(instances), kind.kind)}, all owned by packages")


def no_other_controller(survey: Survey, objects: tuple[Found, ...]) -> Iterator[Evidence]:
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
    definitions = [found for kind in kinds if (found := survey.get(Ref(*DEFINITION, "", kind.crd)))]
    others += [found for found in definitions if not found.owned_by(survey.package_uids)]
    if others:
        yield Evidence(True, f"a Flux that Glasskube didn't install is here: {displayed(f.ref for f in others)}")
    else:
        yield Evidence(False, "no other Flux controller")


def nothing_foreign_in_its_namespace(survey: Survey, objects: tuple[Found, ...]) -> Iterator[Evidence]:
    """The namespace goes with Flux, and takes along what others put there."""
    if foreign := foreign_in(survey, facts.FLUX_NAMESPACE, objects):
        yield Evidence(
            True, f"foreign objects in namespace {facts.FLUX_NAMESPACE}: {displayed(f.ref for f in foreign)}"
        )


def it_is_labelled_as_glasskubes(survey: Survey, objects: tuple[Found, ...]) -> Iterator[Evidence]:
    """`label` labels a Flux only while it is proven to be Glasskube's alone."""
    labelled = [
        f for f in objects if LABEL_MANAGER in f.managers and f.labels.get(facts.PART_OF_LABEL) == facts.PART_OF
    ]
    if labelled:
        yield Evidence(False, f"labelled as Glasskube's: {displayed(f.ref for f in labelled)}")


KINDS = frozenset(
    {
        *(kind.group_kind for kind in (*facts.FLUX_KINDS, *facts.FLUX_OTHER_KINDS, facts.FLUX_INSTANCE)),
        *facts.GLASSKUBE_GROUP_KINDS,
        *(ref.group_kind for ref in inventory.every_flux_object() if not ref.namespace),
        *BINDINGS,
        DEPLOYMENT,
    }
)
"""What the checks read anywhere in the cluster. Of Flux's own namespace they read everything."""

CHECKS: tuple[Callable[[Survey, tuple[Found, ...]], Iterator[Evidence]], ...] = (
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
