"""Survey and options → what will be done, or why nothing will. Pure: no I/O, no clock.

The plan is data: the preview, the dry run, the report and the execution read the
same one. A new stage is added here. Its promises:

- nothing is deleted without evidence, and every action says its reason;
- nothing that is kept loses its namespace, its CRD or its controller;
- instances are deleted before their controllers, those before the CRDs, those before the namespaces of Glasskube and
  Flux; dependents before what they depend on.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from kubectl_glasskube_purge.glasskube import facts
from kubectl_glasskube_purge.kube.objects import Ref
from kubectl_glasskube_purge.purge.model.kinds import NAMESPACE
from kubectl_glasskube_purge.purge.model.plan import Action, Consequence, Options, Plan, Stage
from kubectl_glasskube_purge.purge.model.survey import Survey

from .case import Case, consider
from .conversion import without_conversion
from .installation import installation, installed_actions
from .kept import kept
from .lost import lost
from .ownership import consequences
from .packages import package_actions
from .refusals import refusals
from .warnings import warnings


def plan(survey: Survey, options: Options, manifest: Iterable[Ref] = ()) -> Plan:
    """Decides what goes, in which order, and what stays.

    `manifest` are the objects of the installed version's release manifest; they
    make reasons more exact. What may go at all is what any release contains.
    """
    case = consider(survey, options)
    packages = _stage("packages", package_actions(case), case)
    installed = installation(case, packages)
    later = {"records": _record_actions(survey), **installed_actions(case, installed.going, frozenset(manifest))}
    later["definitions"] += _left_definitions(case, {found.ref for found in packages.going})
    stages = _by_namespace(_each_object_once(_in_order(packages, later, case)), survey)
    decided = Plan(
        stages,
        case.flux,
        case.verdict,
        packages=case.decisions,
        force_finalizers=options.force_finalizers,
        include_foreign=options.include_foreign,
        keep_packages=case.mode,
    )
    first, *others = stages
    first = replace(first, actions=(*first.actions, *without_conversion(survey, decided.going)))
    return replace(
        decided,
        stages=(first, *others),
        kept=kept(case, installed, decided.going),
        lost=lost(survey, decided.going),
        warnings=warnings(survey, decided),
        refusals=refusals(case, decided),
    )


def _record_actions(survey: Survey) -> list[Action]:
    infos = survey.of_kind(facts.PACKAGE_INFO.group_kind)
    repositories = survey.of_kind(facts.PACKAGE_REPOSITORY.group_kind)
    actions = [Action("delete", found, "a record of Glasskube's own API") for found in infos]
    reason = "a record of Glasskube's own API; after the PackageInfos that name it"
    actions += [Action("delete", found, reason, level=1) for found in repositories]
    return actions


def _left_definitions(case: Case, gone: Collection[Ref]) -> Iterator[Action]:
    """The CRDs that Helm leaves and that have no instance left, by `--delete-crds`."""
    survey = case.survey
    unread = {one.what for one in survey.unreadable}
    for ref, found in sorted(case.left.items()) if case.options.delete_crds else ():
        kind = survey.defines.get(ref.name)
        empty = kind is not None and ref.name not in unread and all(one.ref in gone for one in survey.of_kind(kind))
        if empty and ref not in case.protected:
            yield Action("delete", found, "left by Helm, without instances (--delete-crds)")


def _in_order(first: Stage, later: Mapping[str, Iterable[Action]], case: Case) -> list[Stage]:
    stages = [first]
    for name, actions in later.items():
        stages.append(_stage(name, actions, case, before=stages))
    return stages


def _stage(name: str, actions: Iterable[Action], case: Case, before: Sequence[Stage] = ()) -> Stage:
    """A stage with all that goes because of it, once the stages `before` it are complete."""
    stage = Stage(name, tuple(sorted(actions, key=lambda action: (action.level, action.ref, action.verb))))
    gone = {found.uid for earlier in before for found in earlier.going}
    direct = [action.found for action in stage.deletes]
    following = consequences(case.survey, direct, case.staying, case.without_chart, gone)
    return replace(stage, consequences=tuple(following[ref] for ref in sorted(following)))


def _each_object_once(stages: Sequence[Stage]) -> tuple[Stage, ...]:
    """An object that two stages would remove is removed by the first; by request, where any of them asks for it."""
    requested = {action.ref for stage in stages for action in stage.deletes}
    seen: set[Ref] = set()
    result = []
    for stage in stages:
        repeated = {action for action in stage.deletes if action.ref in seen}
        settled = seen | requested
        followers = tuple(one for one in stage.consequences if one.found.ref not in settled)
        result.append(Stage(stage.name, tuple(a for a in stage.actions if a not in repeated), followers))
        seen.update(found.ref for found in result[-1].going)
    return tuple(result)


def _by_namespace(stages: Sequence[Stage], survey: Survey) -> tuple[Stage, ...]:
    """The stages, with what is deleted together with a package's namespace counted in the last one.

    It is deleted as soon as its package is gone, and ends while the stages between are carried out. What a controller
    still has work with is gone before.
    """
    first, *between, last = stages
    ending = {one.found.ref.name for one in first.consequences if one.found.ref.group_kind == NAMESPACE}
    custom = {*survey.defines.values(), *facts.FLUX_GROUP_KINDS, *facts.GLASSKUBE_GROUP_KINDS}

    def with_namespace(one: Consequence) -> bool:
        if one.found.ref.group_kind == NAMESPACE:
            return True
        passive = one.rule == "namespace" or one.found.ref.group_kind not in custom
        return one.found.ref.namespace in ending and passive and one.rule != "helm"

    moved = tuple(one for one in first.consequences if with_namespace(one))
    rest = tuple(one for one in first.consequences if not with_namespace(one))
    return (replace(first, consequences=rest), *between, replace(last, consequences=(*last.consequences, *moved)))
