"""The first stage: the packages, what must be done before them, and what is deleted beside them. Pure.

Every purge takes the same steps, whatever state the operator is in. Its webhook only refuses, so its configuration is
deleted first. Its finalizer guards nothing in a purge, and it would recreate what is deleted, so it is stopped, and
its finalizers are removed here. What stays although its owner is deleted is detached next. Then each package is taken
down while the controllers live that its parts need: its HelmReleases and its own custom resources, then the package.
The garbage collector deletes what else the package owns.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace

from kubectl_glasskube_purge.glasskube import facts
from kubectl_glasskube_purge.kube.objects import Found, Ref
from kubectl_glasskube_purge.purge.model.kinds import DEFINITION, NAMESPACE
from kubectl_glasskube_purge.purge.model.plan import Action, Consequence, Protection
from kubectl_glasskube_purge.purge.model.survey import Survey

from . import handover
from .brought import brought
from .case import Case
from .ownership import chart_of, consequences, is_confirmed, orphans, stored_release, stray_charts
from .uninstall import uninstall, without_controller


def package_actions(case: Case) -> list[Action]:
    """Everything that the first stage does, each with its level."""
    survey = case.survey
    going = consequences(survey, survey.package_objects, case.staying)
    uids = survey.package_uids.union((found.uid for found in case.going), case.handed.removed(case.mode))
    left = orphans(survey)
    detached = [one for one in case.protected.values() if one.found.owned_by(uids) or one.found in left]
    down = [*_taken_down(case, going), *_orphans(case, going)]
    uninstalled = list(_uninstalled(case, going, {action.ref: action for action in down}))
    steps: list[list[Action]] = [
        _webhook(survey),
        [*_stop(survey), *_stop_flux(case)],
        [*(_detach(one, case) for one in detached), *_handed_to_helm(case), *_stray_charts(case)],
        _sources(case) if case.mode == "helm" else [],
        [
            *down,
            *(one for one in uninstalled if one.verb == "delete"),
            *_users_of_flux(case, going),
            *_charts(case),
        ],
    ]
    finalizers = [*_finalizers_of_packages(survey), *_finalizers_of_sources(case)]
    finalizers += [one for one in uninstalled if one.verb != "delete"]
    return [*_levelled(filter(None, steps)), *finalizers]


def _levelled(steps: Iterable[Iterable[Action]]) -> Iterator[Action]:
    """Each step after the one before it. What several name is named by the first of them."""
    named: set[Ref] = set()
    for level, step in enumerate(steps):
        for action in step:
            if action.ref not in named:
                named.add(action.ref)
                yield replace(action, level=level + action.level)


# -- before the packages


def _stop(survey: Survey) -> list[Action]:
    operator = survey.operator
    if operator.found is None or not (operator.replicas or operator.pods or operator.running):
        return []
    return [Action("apply", operator.found, "stopped first, because it recreates what is deleted")]


def _stop_flux(case: Case) -> list[Action]:
    """Flux's controllers that aren't gone, and whose finalizers are dropped: they could start and act on them."""
    reason = f"stopped first, because {facts.FLUX_FINALIZER} is dropped in its place"
    return [Action("apply", one.found, reason) for one in case.at_work if one.found]


def _webhook(survey: Survey) -> list[Action]:
    reason = "deleted first, because all that it does in a purge is to refuse"
    return [Action("delete", survey.webhook, reason)] if survey.webhook else []


def _detach(protection: Protection, case: Case) -> Action:
    to_flux = case.mode and protection.found.ref.group_kind in facts.FLUX_GROUP_KINDS
    reason = f"kept although its owner is deleted: {protection.why}"
    return Action("hand-over" if to_flux else "detach", protection.found, reason)


def _handed_to_helm(case: Case) -> Iterator[Action]:
    for found in case.handed.helm_releases() if case.mode == "helm" else ():
        yield Action("hand-over", found, handover.reason(found), removes=True)


def _sources(case: Case) -> list[Action]:
    reason = "nothing is installed from it by Flux any more"
    return [Action("delete", found, reason) for found in case.handed.sources()]


def _stray_charts(case: Case) -> Iterator[Action]:
    """What an interrupted hand-over left; handing over to Helm, it counts as a source."""
    for found in stray_charts(case.survey) if case.mode != "helm" else ():
        yield Action("delete", found, "fetched for a HelmRelease that is gone")


# -- the packages, and what goes beside them


def _taken_down(case: Case, going: Mapping[Ref, Consequence]) -> Iterator[Action]:
    """Each package after its parts, and its parts after the packages that depend on it."""
    survey = case.survey
    kept = {one.package for one in case.decisions if one.decision == "keep"}
    instances = {package: _instances(package, survey, going) for package in brought(survey) if package not in kept}
    for ref, level, dependents in in_order(_dependents(survey, going, instances)):
        package = survey.objects[ref]
        if ref in kept:
            yield Action("delete", package, _INSTALLED, level=level)
            continue
        before = frozenset(survey.objects[other].uid for other in dependents)
        own = [found for found in instances[ref] if _is_sent(going[found.ref], survey)]
        awaited = {found.uid for found in instances[ref] if _follows(found.ref, going, {one.ref for one in own})}
        for found in own:
            reason = f"of a kind that {ref.display} brought; deleted while its controller runs"
            yield Action("delete", found, reason, level=level, after=before)
        releases = [one for one in _helm_releases(going, ref) if one.uid not in awaited]
        for found in releases:
            reason = f"installed by {ref.display}; its chart is uninstalled before that is deleted"
            yield Action("delete", found, reason, level=level, after=before | awaited)
        parts = awaited.union(found.uid for found in releases)
        yield Action("delete", package, _INSTALLED, level=level, after=before | parts)


_INSTALLED = "installed by Glasskube, which is deleted"


def _instances(package: Ref, survey: Survey, going: Collection[Ref]) -> list[Found]:
    """What is deleted of the kinds that a package brought."""
    defined = (survey.defines.get(ref.name) for ref in brought(survey)[package] if ref.group_kind == DEFINITION)
    return [found for found in survey.of_kind(*(kind for kind in defined if kind)) if found.ref in going]


def _is_sent(instance: Consequence, survey: Survey) -> bool:
    """Whether a custom resource is deleted by request: what another object owns is deleted with that."""
    return instance.rule != "owner" or is_confirmed(instance.found, survey)


def _follows(ref: Ref, going: Mapping[Ref, Consequence], roots: Collection[Ref]) -> bool:
    """Whether an object is among `roots`, or is deleted because one of these is."""
    while ref not in roots:
        if ref not in going:
            return False
        ref = going[ref].because
    return True


def _helm_releases(going: Mapping[Ref, Consequence], package: Ref) -> list[Found]:
    """The HelmReleases that the operator made for a package."""
    kind = facts.HELM_RELEASE.group_kind
    return [one.found for ref, one in going.items() if ref.group_kind == kind and one.because == package]


def _dependents(
    survey: Survey, going: Mapping[Ref, Consequence], instances: Mapping[Ref, Iterable[Found]]
) -> Mapping[Ref, frozenset[Ref]]:
    """Each package with those that need it: they require it, or contain instances of its kinds."""
    dependents: dict[Ref, set[Ref]] = {package.ref: set() for package in survey.packages}
    for package in survey.packages:
        for required in package.requires & dependents.keys():
            dependents[required].add(package.ref)
    for ref, found in instances.items():
        dependents[ref].update(going[one.ref].root for one in found)
    return {ref: frozenset(others) - {ref} for ref, others in dependents.items()}


def in_order(dependents: Mapping[Ref, frozenset[Ref]]) -> Iterator[tuple[Ref, int, frozenset[Ref]]]:
    """Each package with its level and the packages that are deleted before it, those first.

    The level is 0 for packages that no other depends on, and otherwise one more than the highest of these. Packages
    that depend on each other in a circle share a level and don't wait for each other: no order is better.
    """
    levels: dict[Ref, int] = {}
    for circle in circles(dependents):
        before = {ref: dependents[ref] - circle for ref in circle}
        level = max((levels[other] + 1 for others in before.values() for other in others), default=0)
        for ref in sorted(circle):
            levels[ref] = level
            yield ref, level, before[ref]


def circles(leads_to: Mapping[Ref, Iterable[Ref]]) -> Iterator[frozenset[Ref]]:
    """The strongly connected components of a graph (Tarjan, 1972), each after those that it leads to."""
    number: dict[Ref, int] = {}
    lowest: dict[Ref, int] = {}
    unsettled: dict[Ref, None] = {}
    path: list[tuple[Ref, Iterator[Ref]]] = []

    def enter(ref: Ref) -> None:
        number[ref] = lowest[ref] = len(number)
        unsettled[ref] = None
        path.append((ref, iter(leads_to[ref])))

    for start in leads_to:
        if start not in number:
            enter(start)
        while path:
            ref, others = path[-1]
            for other in others:
                if other not in number:
                    enter(other)
                    break
                if other in unsettled:
                    lowest[ref] = min(lowest[ref], number[other])
            else:
                path.pop()
                if path:
                    before = path[-1][0]
                    lowest[before] = min(lowest[before], lowest[ref])
                if lowest[ref] == number[ref]:
                    circle = {ref}
                    while (last := unsettled.popitem()[0]) != ref:
                        circle.add(last)
                    yield frozenset(circle)


def _orphans(case: Case, going: Collection[Ref]) -> Iterator[Action]:
    """What packages that are gone left. The garbage collector keeps what is owned by a kind that isn't served."""
    left = [one for one in orphans(case.survey) if one.ref not in going and one.ref not in case.protected]
    releases = [found for found in left if found.ref.group_kind == facts.HELM_RELEASE.group_kind]
    for found in left:
        home = found.ref.name if found.ref.group_kind == NAMESPACE else None
        before = frozenset(one.uid for one in releases if home in (one.ref.namespace, stored_release(one)[0]))
        yield Action("delete", found, "left by a package that is gone", after=before)


def _uninstalled(case: Case, going: Collection[Ref], first: Mapping[Ref, Action]) -> Iterator[Action]:
    """The charts of HelmReleases that go without their controller, and what lets those go."""
    ending = {ref.name for ref in going if ref.group_kind == NAMESPACE}
    for found in case.abandoned:
        if found.ref.group_kind == facts.HELM_RELEASE.group_kind:
            release = case.survey.releases.get(found.ref)
            yield from uninstall(found, release, case.survey, case.staying, ending, first.get(found.ref))


def _users_of_flux(case: Case, going: Collection[Ref]) -> Iterator[Action]:
    """What others have Flux do, where it goes all the same."""
    for found in case.survey.of_kind(*facts.FLUX_GROUP_KINDS) if case.flux == "delete" else ():
        if found.ref not in going and found.ref not in case.protected:
            yield Action("delete", found, "uses Flux, which is deleted (--delete-shared-flux)")


def _charts(case: Case) -> Iterator[Action]:
    """The HelmCharts of HelmReleases that no controller cleans up after."""
    for found in (*case.abandoned, *case.suspended):
        chart = case.survey.get(chart_of(found)) if found.ref.group_kind == facts.HELM_RELEASE.group_kind else None
        if chart is not None and chart.ref not in case.protected:
            yield Action("delete", chart, f"made for {found.ref.display}, which is deleted")


# -- finalizers that no controller removes


def _finalizers_of_packages(survey: Survey) -> Iterator[Action]:
    reason = f"{facts.PACKAGE_FINALIZER} guards nothing in a purge, and the operator is stopped"
    for package in survey.packages:
        if facts.PACKAGE_FINALIZER in package.found.finalizers:
            yield Action("release-finalizer", package.found, reason, finalizer=facts.PACKAGE_FINALIZER)


def _finalizers_of_sources(case: Case) -> Iterator[Action]:
    for found in case.abandoned:
        if found.ref.group_kind != facts.HELM_RELEASE.group_kind:
            yield without_controller(found, case.survey)
