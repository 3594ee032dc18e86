"""Survey and options → what will be done, or why nothing will. Pure: no I/O, no clock.

The plan is data: the preview, the dry run, the report and the execution read the
same one. Whoever adds a stage adds it here. Its promises:

- nothing is deleted without evidence, and every action says its reason;
- nothing that is kept loses its namespace, its CRD or its controller;
- instances go before their controllers, those before the CRDs, those before the
  namespaces; dependents before what they depend on.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial

from kubectl_glasskube_purge.glasskube import facts, inventory
from kubectl_glasskube_purge.kube.objects import Found, Ref
from kubectl_glasskube_purge.kube.wording import displayed, some
from kubectl_glasskube_purge.purge.model.kinds import (
    CLAIM,
    CLUSTER_ROLE,
    DEFINITION,
    DEPLOYMENT,
    NAMESPACE,
    POD,
    VOLUME,
)
from kubectl_glasskube_purge.purge.model.plan import (
    BUSY,
    Action,
    FluxDecision,
    FluxVerdict,
    KeepMode,
    Kept,
    Lost,
    Options,
    Plan,
    Protection,
    Refusal,
    Stage,
    Verb,
    Warning,
)
from kubectl_glasskube_purge.purge.model.survey import Package, Survey

from . import busy, flux, handover, held, managers, usage
from .foreign import MADE_BY_OPERATOR, foreign_in, made_from_template, unseen_in_namespaces
from .ownership import chart_of, consequences, helm_release_of, is_suspended, orphans, release_of, stray_charts
from .protection import granted_by_others, protections


def plan(survey: Survey, options: Options, manifest: Iterable[Ref] = ()) -> Plan:
    """Decides what goes, in which order, and what stays.

    `manifest` are the objects of the installed version's release manifest; they
    make reasons more exact. What may go at all is what any release contains.
    """
    verdict = flux.judge(survey)
    roots = [package.found for package in survey.packages]
    mode = _keep_mode(verdict, options)
    if mode:
        protected = handover.handed_over(survey, mode)
    else:
        protected = protections(survey, roots, include_foreign=options.include_foreign)
    decision = _flux_decision(verdict, options, protected)
    abandoned = _abandoned(survey, roots, protected) if options.force_finalizers and not mode else ()
    suspended = () if mode else _suspended(survey, roots, protected)
    # Orphaned packages take nothing along: what they own is kept, handed over, or deleted by itself.
    kept = set(protected) | ({found.ref for found in handover.owned(survey)} if mode else set())
    left = {found.ref for found in (*abandoned, *suspended, *(handover.releases(survey) if mode else ()))}
    gone: set[str] = set()
    staged = partial(_stage, survey, kept, left, gone)
    packages = staged("packages", _package_actions(survey, decision, mode, protected, abandoned, suspended, kept))
    records = staged("records", _record_actions(survey))
    taken = {c.found.ref for c in packages.consequences} | {action.ref for action in packages.deletes} | set(protected)
    ours = [found for found in _of_the_releases(survey, verdict, decision) if found.ref not in taken]
    granted = _granted(survey, ours, taken)
    ours = [found for found in ours if found.ref not in granted]
    foreign = () if options.include_foreign else foreign_in(survey, facts.NAMESPACE, ours)
    unseen = "" if options.include_foreign else unseen_in_namespaces(survey)
    release = _Reasons(survey, verdict, frozenset(manifest))
    controllers = [f for f in ours if f.ref.group_kind not in (DEFINITION, NAMESPACE)]
    namespaces = [f for f in ours if f.ref.group_kind == NAMESPACE]
    if foreign or unseen:
        namespaces = [found for found in namespaces if found.ref.name != facts.NAMESPACE]
        controllers += [found for ref in MADE_BY_OPERATOR if (found := survey.get(ref))]
    stages = _each_object_once(
        (
            packages,
            records,
            staged("controllers", [release.delete(found) for found in controllers]),
            staged("definitions", [release.delete(f) for f in ours if f.ref.group_kind == DEFINITION]),
            staged("namespaces", [release.delete(found) for found in namespaces]),
        ),
    )
    going = {c.found.ref for s in stages for c in s.consequences} | {a.ref for s in stages for a in s.deletes}
    return Plan(
        stages=stages,
        flux=decision,
        verdict=verdict,
        kept=_kept(
            survey, verdict, decision, {**protected, **granted}, (*abandoned, *suspended), foreign, unseen, going
        ),
        lost=_lost(survey, going),
        warnings=(*_warnings(survey, going), *_stuck_already(survey, going), *_never_finalized(survey, going, stages)),
        keep_packages=mode,
        refusals=_refusals(survey, options, verdict, protected, stages, going),
    )


def _granted(survey: Survey, ours: Iterable[Found], taken: Collection[Ref]) -> Mapping[Ref, Protection]:
    """Glasskube's own ClusterRoles that somebody else grants; Flux's are the guard's question."""
    own = {*taken, *(found.ref for found in ours)}
    roles = [f for f in ours if f.ref.group_kind == CLUSTER_ROLE and f.ref not in inventory.every_flux_object()]
    judged = {role.ref: granted_by_others(survey, role, own, include_foreign=True) for role in roles}
    return {ref: protection for ref, protection in judged.items() if protection is not None}


# -- Flux


def _flux_decision(verdict: FluxVerdict, options: Options, protected: Mapping[Ref, Protection]) -> FluxDecision:
    if not verdict.present:
        return "absent"
    if options.flux == "keep" or _handed_over(protected):
        return "keep"
    if verdict.proven or (options.flux == "delete" and options.delete_shared_flux):
        return "delete"
    return "keep"


def _keep_mode(verdict: FluxVerdict, options: Options) -> KeepMode:
    if options.keep_packages != "auto":
        return options.keep_packages
    return "helm" if _flux_decision(verdict, options, {}) == "delete" else "flux"


def _handed_over(protected: Mapping[Ref, Protection]) -> tuple[Ref, ...]:
    """HelmReleases and sources that stay: they need Flux."""
    return tuple(ref for ref in protected if ref.group_kind in handover.FLUX_KINDS)


# -- reasons not to begin


def _refusals(
    survey: Survey,
    options: Options,
    verdict: FluxVerdict,
    protected: Mapping[Ref, Protection],
    stages: Collection[Stage],
    going: Collection[Ref],
) -> tuple[Refusal, ...]:
    deletes = [action for stage in stages for action in stage.deletes]
    followers = [consequence.found for stage in stages for consequence in stage.consequences]
    return tuple(
        refusal
        for refusal in (
            _unreadable(survey),
            _shared_flux(options, verdict, protected),
            _marked((*(action.found for action in deletes), *followers)),
            None if options.ignore_gitops else _gitops(deletes),
            None if options.ignore_busy else _busy(survey, going),
        )
        if refusal is not None
    )


def _shared_flux(options: Options, verdict: FluxVerdict, protected: Mapping[Ref, Protection]) -> Refusal | None:
    if options.flux != "delete" or not verdict.present:
        return None
    if handed := _handed_over(protected):
        return Refusal(
            "flux-needed",
            f"--flux=delete was asked for, but {displayed(handed)} stays and needs it",
            "Leave Flux with --flux=keep.",
        )
    if verdict.proven or options.delete_shared_flux:
        return None
    return Refusal(
        "flux-shared",
        "--flux=delete was asked for, but it isn't proven that Glasskube brought Flux and nobody else uses it",
        "Leave Flux with --flux=keep, or take it from everybody with --flux=delete --delete-shared-flux.",
        details=tuple(evidence.text for evidence in verdict.evidence if evidence.against),
    )


_DECISIVE = (
    *facts.GLASSKUBE_GROUP_KINDS,
    facts.HELM_RELEASE.group_kind,
    NAMESPACE,
    DEFINITION,
    DEPLOYMENT,
    POD,
)
"""Kinds without which nobody can say what a purge would take along, or whether a controller is there to do its part."""


def _unreadable(survey: Survey) -> Refusal | None:
    """A decisive kind that can't be listed looks like one without objects, and would be taken along unseen."""
    hidden = survey.hidden(*_DECISIVE)
    if not hidden:
        return None
    return Refusal(
        "unreadable",
        f"{some(one.what for one in hidden)} can't be read, so what a purge would take along isn't known",
        "Get the right to list them, or mend what serves them, then run this again.",
        details=tuple(f"{one.what}: {one.why}" for one in hidden),
    )


def _marked(going: Iterable[Found]) -> Refusal | None:
    """What somebody protected and nothing could keep: Glasskube's own objects, and what goes with them."""
    marked = [
        (found.ref, annotation)
        for found in going
        for annotation, value in facts.KEEP_ANNOTATIONS.items()
        if found.annotations.get(annotation) == value
    ]
    if not marked:
        return None
    return Refusal(
        "protected",
        f"somebody protected {displayed(ref for ref, _ in marked)}",
        f"If it may go, take the annotation off: kubectl annotate {marked[0][0].display} {marked[0][1]}-",
        details=tuple(f"{ref.display} has annotation {annotation}" for ref, annotation in marked),
    )


def _gitops(deletes: Iterable[Action]) -> Refusal | None:
    # What Flux made for a HelmRelease that goes, too, isn't put back by anybody.
    reasons = managers.gitops(a.found for a in deletes if a.ref.group_kind not in handover.FLUX_KINDS)
    if not reasons:
        return None
    return Refusal(
        "gitops",
        "what is deleted here would be put back",
        "Take Glasskube out of what manages it first, or go on with --ignore-gitops.",
        details=reasons,
    )


def _busy(survey: Survey, going: Collection[Ref]) -> Refusal | None:
    reasons = busy.busy(survey, going)
    if not reasons:
        return None
    return Refusal(
        BUSY,
        "work is under way",
        "Wait for it with --wait-idle=5m, or cut it off with --ignore-busy.",
        details=reasons,
    )


# -- the stages


def _package_actions(
    survey: Survey,
    decision: FluxDecision,
    mode: KeepMode,
    protected: Mapping[Ref, Protection],
    abandoned: Collection[Found],
    suspended: Collection[Found],
    kept: Collection[Ref],
) -> list[Action]:
    packages = {package.found.uid for package in survey.packages}
    going = consequences(survey, [package.found for package in survey.packages], kept)
    uids = packages | {consequence.found.uid for consequence in going.values()}
    detached = [protection for protection in protected.values() if protection.found.owned_by(uids)]
    stop = bool(detached or mode)
    actions: list[Action] = []
    first = 0
    operator = survey.operator
    if stop and operator.found is not None and operator.replicas:
        reason = "stopped first, because it puts back the ownerReferences that are taken off"
        actions.append(Action("apply", operator.found, reason))
        first = 1
    instances = survey.of_kind(*facts.GLASSKUBE_GROUP_KINDS)
    if survey.webhook is not None and instances and (stop or operator.state != "running"):
        state = "stopped" if stop else operator.state
        reason = f"refuses every delete: the operator is {state}, so nothing answers it"
        actions.append(Action("delete", survey.webhook, reason, level=first))
        first += 1
    for protection in detached:
        reason = f"stays although its owner goes: {protection.why}"
        verb: Verb = "hand-over" if mode and protection.found.ref.group_kind in handover.FLUX_KINDS else "detach"
        actions.append(Action(verb, protection.found, reason, level=first))
    if mode == "helm":
        for found in handover.releases(survey):
            actions.append(Action("hand-over", found, handover.reason(found), level=first, removes=True))
        reason = "nothing is installed from it by Flux any more"
        actions += [Action("delete", found, reason, level=first + 1) for found in handover.sources(survey)]
        first += 1
    else:
        reason = "fetched for a HelmRelease that is gone"
        actions += [Action("delete", found, reason, level=first) for found in stray_charts(survey)]
    first += bool(detached or mode)
    levels = dependency_levels(survey.packages)
    for package in survey.packages:
        reason = "installed by Glasskube, which goes"
        actions.append(Action("delete", package.found, reason, level=first + levels[package.ref]))
    stopped = "the operator is stopped" if stop else ""
    for package in survey.packages:
        if why := _stuck(package, survey, stopped):
            actions.append(_release(package, why))
    if not mode:
        reason = "its package is gone, and the garbage collector is about to take it"
        left = [found for found in orphans(survey) if found.ref not in going and found.ref not in protected]
        actions += [Action("delete", found, reason, level=first) for found in left]
    if decision == "delete":
        flux_instances = survey.of_kind(*(kind.group_kind for kind in facts.FLUX_KINDS))
        named = {action.ref for action in actions}
        foreign = [f for f in flux_instances if f.ref not in going and f.ref not in named and f.ref not in protected]
        actions += [Action("delete", f, "uses Flux, which goes (--delete-shared-flux)", level=first) for f in foreign]
    for found in abandoned:
        controller = survey.flux_controller(found)
        state = "didn't manage" if controller.running else f"is {controller.state}"
        reason = f"{controller.ref.name} {state}, and --force-finalizers gives up what it would do"
        actions.append(Action("release-finalizer", found, reason, finalizer=facts.FLUX_FINALIZER))
    named = {action.ref for action in actions}
    for found in {found.ref: found for found in (*abandoned, *suspended)}.values():
        chart = survey.get(chart_of(found))
        if chart is None or chart.ref in named or chart.ref in protected:
            continue
        if found.ref.group_kind == facts.HELM_RELEASE.group_kind:
            actions.append(Action("delete", chart, f"made for {found.ref.display}, which goes", level=first))
    return actions


def _suspended(survey: Survey, roots: Iterable[Found], protected: Collection[Ref]) -> tuple[Found, ...]:
    """HelmReleases that go and are suspended: helm-controller lets them go, and leaves their charts."""
    left = [found for found in orphans(survey) if found.ref not in protected]
    following = [c.found for c in consequences(survey, [*roots, *left], protected).values()]
    return tuple(sorted((found for found in (*following, *left) if is_suspended(found)), key=lambda found: found.ref))


def _abandoned(survey: Survey, roots: Iterable[Found], protected: Collection[Ref]) -> tuple[Found, ...]:
    """What of Flux's kinds goes and is held by a finalizer that its controller, not running or failing, won't drop.

    Also of packages that are gone: a run before this one, or upstream's purge, may have come as far as that.
    """
    flux = {kind.group_kind for kind in facts.FLUX_KINDS}
    left = [found for found in orphans(survey) if found.ref not in protected]
    following = [c.found for c in consequences(survey, [*roots, *left], protected).values()]
    going = [found for found in (*following, *left) if found.ref.group_kind in flux]
    return tuple(
        sorted(
            (found for found in going if facts.FLUX_FINALIZER in found.finalizers and held.is_hopeless(found, survey)),
            key=lambda found: found.ref,
        )
    )


def _stuck(package: Package, survey: Survey, stopped: str) -> str:
    """Why the operator won't drop a package's finalizer; `""` where it may."""
    if facts.PACKAGE_FINALIZER not in package.found.finalizers:
        return ""
    if stopped:
        return stopped
    if package.suspended:
        return "the package is suspended, so the operator never reconciles it"
    if not survey.operator.running:
        return f"the operator is {survey.operator.state}"
    return ""


def _release(package: Package, why: str) -> Action:
    reason = f"{facts.PACKAGE_FINALIZER} guards nothing in a purge, and {why}"
    return Action("release-finalizer", package.found, reason, finalizer=facts.PACKAGE_FINALIZER)


def dependency_levels(packages: Iterable[Package]) -> Mapping[Ref, int]:
    """For each package how many others have to be deleted before it, counted in steps.

    0 for packages that none depends on. Packages that depend on each other in a
    circle share a level: the operator can't have installed them so, and no order
    is better than another.
    """
    dependents: dict[Ref, set[Ref]] = {package.ref: set() for package in packages}
    for package in packages:
        for required in package.requires:
            dependents.setdefault(required, set()).add(package.ref)
    levels: dict[Ref, int] = {}

    def level(ref: Ref, path: frozenset[Ref]) -> int:
        if ref not in levels:
            above = dependents[ref] - path - {ref}
            found = max((level(dependent, path | {ref}) + 1 for dependent in above), default=0)
            if path & dependents[ref]:
                return found  # part of a circle: only the start of the walk knows the whole of it
            levels[ref] = found
        return levels[ref]

    return {ref: level(ref, frozenset()) for ref in dependents}


def _record_actions(survey: Survey) -> list[Action]:
    infos = survey.of_kind(facts.PACKAGE_INFO.group_kind)
    repositories = survey.of_kind(facts.PACKAGE_REPOSITORY.group_kind)
    actions = [Action("delete", found, "a record of Glasskube's own API") for found in infos]
    reason = "a record of Glasskube's own API; after the PackageInfos that name it"
    actions += [Action("delete", found, reason, level=1) for found in repositories]
    return actions


def _of_the_releases(survey: Survey, verdict: FluxVerdict, decision: FluxDecision) -> list[Found]:
    """All objects of the releases that exist and may go, Flux's only where Flux goes."""
    flux = {found.ref for found in verdict.objects}
    known = inventory.every_object()
    found = [f for f in survey.objects.values() if f.ref in known and (f.ref not in flux or decision == "delete")]
    return sorted(found, key=lambda f: f.ref)


@dataclass(frozen=True)
class _Reasons:
    survey: Survey
    verdict: FluxVerdict
    manifest: frozenset[Ref]

    def delete(self, found: Found) -> Action:
        return Action("delete", found, self._reason(found))

    def _reason(self, found: Found) -> str:
        if found.ref in inventory.every_flux_object():
            if self.verdict.proven:
                return "Flux, brought by Glasskube and used by nobody else"
            return "Flux, which isn't proven to be Glasskube's alone (--delete-shared-flux)"
        if found.ref in MADE_BY_OPERATOR:
            return "made by the operator"
        version = self.survey.version.version
        if found.ref in self.manifest:
            return f"in the release manifest of {version}"
        return (
            f"in release manifests of Glasskube, if not of {version}"
            if version
            else "in release manifests of Glasskube"
        )


def _stage(
    survey: Survey,
    kept: Collection[Ref],
    abandoned: Collection[Ref],
    gone: set[str],
    name: str,
    actions: Iterable[Action],
) -> Stage:
    """A stage with all that goes because of it. `gone`: the UIDs that the stages before it take; it adds its own."""
    actions = tuple(sorted(actions, key=lambda action: (action.level, action.ref, action.verb)))
    direct = [action.found for action in actions if action.verb == "delete" or action.removes]
    going = consequences(survey, direct, kept, abandoned, gone)
    gone |= {found.uid for found in direct} | {consequence.found.uid for consequence in going.values()}
    return Stage(name, actions, tuple(going[ref] for ref in sorted(going)))


def _each_object_once(stages: Iterable[Stage]) -> tuple[Stage, ...]:
    """An object that two stages would remove is removed by the first."""
    seen: set[Ref] = set()
    result = []
    direct = {action.ref for stage in stages for action in stage.deletes}
    for stage in stages:
        actions = tuple(a for a in stage.actions if a not in stage.deletes or a.ref not in seen)
        seen |= {action.ref for action in stage.deletes}
        followers = tuple(c for c in stage.consequences if c.found.ref not in seen and c.found.ref not in direct)
        seen |= {consequence.found.ref for consequence in followers}
        result.append(Stage(stage.name, actions, followers))
    return tuple(result)


def stayed_after_all(plan: Plan, why: Mapping[Ref, str]) -> Plan:
    """The plan as it was carried out: with what stayed, by the user's consent, among what is kept."""
    stages = tuple(
        replace(stage, consequences=tuple(c for c in stage.consequences if c.found.ref not in why))
        for stage in plan.stages
    )
    uids = {ref: found.uid for ref, found in plan.going.items()}
    kept = (*plan.kept, *(Kept(ref, reason, uids.get(ref, "")) for ref, reason in why.items()))
    return replace(plan, stages=stages, kept=tuple(sorted(kept, key=lambda one: one.ref)))


# -- what stays, and what is lost


def _kept(
    survey: Survey,
    verdict: FluxVerdict,
    decision: FluxDecision,
    protected: Mapping[Ref, Protection],
    left_alone: Iterable[Found],
    foreign: Collection[Found],
    unseen: str,
    going: set[Ref],
) -> tuple[Kept, ...]:
    kept: dict[Ref, Kept] = {}

    def keep(found: Found, why: str) -> None:
        if found.ref not in going:
            kept.setdefault(found.ref, Kept(found.ref, why, found.uid))

    for protection in protected.values():
        keep(protection.found, protection.why)
    if decision == "keep":
        against = next((evidence.text for evidence in verdict.evidence if evidence.against), "--flux=keep")
        if handed := _handed_over(protected):
            against = f"{displayed(handed)} needs it"
        for found in verdict.objects:
            keep(found, f"Flux stays: {against}")
    for found in foreign:
        keep(found, f"not Glasskube's, in namespace {facts.NAMESPACE}, which stays with it")
    if survey.namespace is not None and foreign:
        uids = {found.uid for found in foreign}
        theirs = displayed(found.ref for found in foreign if not found.owned_by(uids))
        keep(survey.namespace, f"holds what isn't Glasskube's: {theirs} (--include-foreign deletes it)")
    if survey.namespace is not None and unseen:
        keep(survey.namespace, f"what is in it can't all be read ({unseen}), and may be somebody else's")
    left = {release_of(f): f for f in left_alone if f.ref.group_kind == facts.HELM_RELEASE.group_kind}
    for found in survey.objects.values():
        if (release := left.get(helm_release_of(found) or ("", ""))) is not None:
            why = "it is suspended" if is_suspended(release) else "--force-finalizers"
            keep(found, f"stays behind: nobody uninstalls the chart of {release.ref.display} ({why})")
    homes = {package.ref.namespace for package in survey.packages} - {""}
    for name in sorted(homes):
        if home := survey.get(Ref("", "Namespace", "", name)):
            keep(home, "not Glasskube's; no package is left in it afterwards")
    for claim in survey.of_kind(CLAIM):
        sets = [ref.name for ref in going if ref.kind == "StatefulSet" and ref.namespace == claim.ref.namespace]
        if any(made_from_template(claim.ref.name, name) for name in sets):
            keep(claim, "a StatefulSet's volumes outlive their chart")
    for found in survey.labelled:
        if not found.owners:
            keep(found, "labelled as Glasskube's, but owned by no package: not proven to be Glasskube's")
    for found in survey.objects.values():
        if found.ref.name.startswith("glasskube-") and not found.owners:
            keep(found, "not in any Glasskube release")
    return tuple(kept[ref] for ref in sorted(kept))


def _stuck_already(survey: Survey, going: Collection[Ref]) -> tuple[Warning, ...]:
    """What is being deleted already and won't go by itself, so that nobody is surprised when the purge can't finish."""
    own = {facts.PACKAGE_FINALIZER, facts.FLUX_FINALIZER}
    return tuple(
        Warning("held", f"{found.ref.display} {held.reason(found, survey)}")
        for ref in sorted(going)
        if (found := survey.objects[ref]).terminating
        and (held.is_hopeless(found, survey) or set(held.foreign_finalizers(found)) - own)
    )


def _never_finalized(survey: Survey, going: Collection[Ref], stages: Iterable[Stage]) -> tuple[Warning, ...]:
    """What of Flux's kinds waits for a controller that isn't there, and for which nobody consented to do without it."""
    actions = [action for stage in stages for action in stage.actions]
    settled = {
        action.ref for action in actions if action.finalizer == facts.FLUX_FINALIZER or action.verb == "hand-over"
    }
    waiting: dict[Ref, list[Ref]] = {}
    for ref in sorted(set(going) - settled):
        found = survey.objects[ref]
        controller = survey.flux_controller(found)
        if facts.FLUX_FINALIZER in found.finalizers and not found.terminating and not controller.running:
            waiting.setdefault(controller.ref, []).append(ref)
    controllers = {one.ref: one for one in (survey.helm_controller, survey.source_controller)}
    return tuple(
        Warning(
            "controller-not-running",
            f"{name.name} is {controllers[name].state}, and only it drops {facts.FLUX_FINALIZER} of {displayed(refs)}: "
            "the purge can't finish without it, or without --force-finalizers",
        )
        for name, refs in waiting.items()
    )


def _lost(survey: Survey, going: set[Ref]) -> tuple[Lost, ...]:
    volumes = {found.ref.name: found for found in survey.of_kind(VOLUME)}
    users = busy.volume_users(survey)

    def used(claim: Found) -> str:
        return f"; in use by {displayed(users[claim.ref])}" if claim.ref in users else ""

    return tuple(
        Lost(claim.ref, volume_words(claim, volumes.get(str(claim.get("spec", "volumeName") or ""))) + used(claim))
        for claim in survey.of_kind(CLAIM)
        if claim.ref in going
    )


def volume_words(claim: Found, volume: Found | None) -> str:
    """A claim's size, StorageClass and what becomes of its data, as far as they are known."""
    size = claim.get("status", "capacity", "storage") or claim.get("spec", "resources", "requests", "storage") or "?"
    storage_class = claim.get("spec", "storageClassName") or "no StorageClass"
    policy = volume.get("spec", "persistentVolumeReclaimPolicy") if volume else None
    return f"{size}  {storage_class}, " + (f"reclaim policy {policy}" if policy else "no volume bound")


def _warnings(survey: Survey, going: Collection[Ref]) -> tuple[Warning, ...]:
    warnings = [
        Warning("unreadable", f"{unreadable.what} can't be read ({unreadable.why})") for unreadable in survey.unreadable
    ]
    if survey.version.alternatives:
        others = ", ".join(survey.version.alternatives)
        warnings.append(
            Warning("version-ambiguous", f"{survey.version.version} was told by its objects; {others} have the same")
        )
    if survey.operator.found is not None and survey.operator.state != "running":
        why = f" ({survey.operator.why})" if survey.operator.why else ""
        warnings.append(Warning("operator-not-ready", f"the operator is {survey.operator.state}{why}"))
    if claimed_by := busy.claimed_by(survey):
        warnings.append(Warning("claimed", claimed_by))
    if managers.gitops_mode(survey):
        warnings.append(
            Warning("gitops-mode", "Glasskube is in gitops mode: take its packages out of the Git repository, too")
        )
    for package in survey.packages:
        if package.failed:
            warnings.append(
                Warning("package-failed", f"{package.ref.display} failed: {package.message or package.status}")
            )
    warnings += [Warning("still-used", text) for text in usage.users(survey, going)]
    return tuple(warnings)
