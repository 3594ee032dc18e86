"""The first stage: the packages, what must be done before them, and what goes beside them. Pure.

Nothing here deletes what follows from a package by ownership or as part of its
chart: that goes by itself. What stays although its owner goes is detached first,
by an operator that is stopped, because it would recreate the ownerReferences.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import chain

from kubectl_glasskube_purge.glasskube import facts
from kubectl_glasskube_purge.kube.objects import Ref
from kubectl_glasskube_purge.purge.model.plan import Action, Protection
from kubectl_glasskube_purge.purge.model.survey import Package, Survey

from . import handover
from .case import Case
from .ownership import chart_of, consequences, orphans, stray_charts


def package_actions(case: Case) -> list[Action]:
    """Everything that the first stage does, each with its level."""
    survey = case.survey
    going = consequences(survey, survey.package_objects, case.staying)
    uids = survey.package_uids.union((found.uid for found in case.going), case.handed.removed(case.mode))
    left = orphans(survey)
    detached = [one for one in case.protected.values() if one.found.owned_by(uids) or one.found in left]
    stops = bool(detached or case.mode)
    webhook = _webhook(survey, "stopped" if stops else survey.operator.state)
    steps = [step for step in (_stop(survey) if stops else [], _stop_flux(case), webhook) if step]
    if stops:
        steps.append([*(_detach(one, case) for one in detached), *_handed_to_helm(case), *_stray_charts(case)])
    if case.mode == "helm":
        steps.append(_sources(case))
    beside = (_orphans(case, going), _stray_charts(case), _users_of_flux(case, going), _charts(case))
    steps.append([*_packages(survey), *chain.from_iterable(beside)])
    return [*_levelled(steps), *_finalizers_of_packages(survey, stops), *_finalizers_of_flux(case)]


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
    if operator.found is None or not operator.replicas:
        return []
    reason = "stopped first, because it puts back the ownerReferences that are taken off"
    return [Action("apply", operator.found, reason)]


def _stop_flux(case: Case) -> list[Action]:
    """Flux's controllers that aren't gone, and whose finalizers are dropped: they could start and act on them."""
    reason = f"stopped first, because {facts.FLUX_FINALIZER} is dropped in its place"
    return [Action("apply", one.found, reason) for one in case.at_work if one.found]


def _webhook(survey: Survey, state: str) -> list[Action]:
    if state == "running" or survey.webhook is None or not survey.of_kind(*facts.GLASSKUBE_GROUP_KINDS):
        return []
    reason = f"refuses every delete: the operator is {state}, so nothing answers it"
    return [Action("delete", survey.webhook, reason)]


def _detach(protection: Protection, case: Case) -> Action:
    to_flux = case.mode and protection.found.ref.group_kind in facts.FLUX_GROUP_KINDS
    reason = f"stays although its owner goes: {protection.why}"
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


def _packages(survey: Survey) -> Iterator[Action]:
    levels = dependency_levels(survey.packages)
    for package in survey.packages:
        yield Action("delete", package.found, "installed by Glasskube, which goes", level=levels[package.ref])


def dependency_levels(packages: Iterable[Package]) -> Mapping[Ref, int]:
    """For each package how many others have to be deleted before it, counted in steps.

    0 for packages that none depends on. Packages that depend on each other in a
    circle share a level: the operator can't have installed them so, and no order
    is better than another.
    """
    packages = tuple(packages)
    dependents: dict[Ref, list[Ref]] = {package.ref: [] for package in packages}
    for package in packages:
        for required in package.requires:
            dependents.setdefault(required, []).append(package.ref)
    levels: dict[Ref, int] = {}
    for circle in circles(dependents):
        before = [levels[other] for ref in circle for other in dependents[ref] if other not in circle]
        levels |= dict.fromkeys(circle, max(before, default=-1) + 1)
    return levels


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
    for found in orphans(case.survey):
        if found.ref not in going and found.ref not in case.protected:
            yield Action("delete", found, "left by a package that is gone")


def _users_of_flux(case: Case, going: Collection[Ref]) -> Iterator[Action]:
    """What others have Flux do, where it goes all the same."""
    for found in case.survey.of_kind(*facts.FLUX_GROUP_KINDS) if case.flux == "delete" else ():
        if found.ref not in going and found.ref not in case.protected:
            yield Action("delete", found, "uses Flux, which goes (--delete-shared-flux)")


def _charts(case: Case) -> Iterator[Action]:
    """The HelmCharts of HelmReleases that no controller cleans up after."""
    for found in (*case.abandoned, *case.suspended):
        chart = case.survey.get(chart_of(found)) if found.ref.group_kind == facts.HELM_RELEASE.group_kind else None
        if chart is not None and chart.ref not in case.protected:
            yield Action("delete", chart, f"made for {found.ref.display}, which goes")


# -- finalizers that nobody drops


def _finalizers_of_packages(survey: Survey, stops: bool) -> Iterator[Action]:
    for package in survey.packages:
        why = _undropped(package, survey, stops)
        if why and facts.PACKAGE_FINALIZER in package.found.finalizers:
            reason = f"{facts.PACKAGE_FINALIZER} guards nothing in a purge, and {why}"
            yield Action("release-finalizer", package.found, reason, finalizer=facts.PACKAGE_FINALIZER)


def _undropped(package: Package, survey: Survey, stops: bool) -> str:
    """Why the operator won't drop a package's finalizer; `""` where it may."""
    if stops:
        return "the operator is stopped"
    if package.suspended:
        return "the package is suspended, so the operator never reconciles it"
    return "" if survey.operator.running else f"the operator is {survey.operator.state}"


def _finalizers_of_flux(case: Case) -> Iterator[Action]:
    for found in case.abandoned:
        controller = case.survey.flux_controller(found)
        state = "didn't manage" if controller.running else f"is {controller.state}"
        reason = f"{controller.ref.name} {state}, and --force-finalizers gives up what it would do"
        yield Action("release-finalizer", found, reason, finalizer=facts.FLUX_FINALIZER)
