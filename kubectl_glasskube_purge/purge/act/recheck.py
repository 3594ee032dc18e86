"""Judges again whether it may go, right before a stage that deletes more than it names.

Deleting a namespace or a CRD deletes all that is in it, also what was created after the survey, and Flux may have
been used since. A new use of Flux keeps Flux, and the rest goes on; any other unplanned object ends the run.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from kubectl_glasskube_purge.glasskube import facts, inventory
from kubectl_glasskube_purge.kube.objects import Found, Ref
from kubectl_glasskube_purge.purge.judge import flux
from kubectl_glasskube_purge.purge.judge.foreign import foreign_in
from kubectl_glasskube_purge.purge.look.survey import revisit
from kubectl_glasskube_purge.purge.model.events import GuardStopped
from kubectl_glasskube_purge.purge.model.kinds import DEFINITION, NAMESPACE
from kubectl_glasskube_purge.purge.model.plan import Stage
from kubectl_glasskube_purge.purge.model.survey import Survey

from .run import Run


@dataclass(frozen=True)
class Spared:
    """What is kept although the plan deletes it."""

    refs: frozenset[Ref] = frozenset()
    error: GuardStopped | None = None
    """What ends the run after everything else is done; None if nothing is spared."""

    def without(self, stage: Stage) -> Stage:
        """The stage without what is spared."""
        return replace(
            stage,
            actions=tuple(action for action in stage.actions if action.ref not in self.refs),
            consequences=tuple(one for one in stage.consequences if one.found.ref not in self.refs),
        )


async def recheck(run: Run, stage: Stage, spared: Spared) -> Spared:
    """Surveys again what the stage deletes, and returns what is spared from now on.

    Raises `GuardStopped` if the stage would delete unplanned objects, or if that can't be seen; `Interrupted`;
    and `KubeError` if the cluster can't be surveyed.
    """
    of_flux = inventory.every_flux_object()
    takes_flux = run.plan.flux == "delete" and any(action.ref in of_flux for action in stage.deletes)
    current = await _revisit(run, stage, takes_flux)
    if current is None:
        return spared
    # What would tell the version may be gone by now.
    current = replace(current, version=run.survey.version)
    run.raise_if_stopped()  # a request that isn't tried again proves nothing by its failure
    if run.late:
        raise run.too_late()
    _require_readable(run, current)
    if takes_flux and run.plan.verdict.proven and spared.error is None:
        against = [evidence.text for evidence in flux.judge(current).evidence if evidence.against]
        if against:
            spared = _spare_flux(run, against[0])
    for found in _started_by(run, spared.without(stage)):
        _require_planned(run, found.ref, current)
    return spared


def _started_by(run: Run, stage: Stage) -> list[Found]:
    """What the stage deletes, and what is deleted because of that, in whichever stage it is counted."""
    roots = {action.ref for action in stage.deletes}
    followers = (one for counted in run.plan.stages for one in counted.consequences if one.root in roots)
    return [*(action.found for action in stage.deletes), *(one.found for one in followers)]


async def _revisit(run: Run, stage: Stage, takes_flux: bool) -> Survey | None:
    """Surveys what the stage deletes without naming it, and who uses the Flux that it deletes; None for neither."""
    refs = [found.ref for found in _started_by(run, stage)]
    namespaces = {ref.name for ref in refs if ref.group_kind == NAMESPACE}
    definitions = (run.survey.defines.get(ref.name) for ref in refs if ref.group_kind == DEFINITION)
    kinds = {kind for kind in definitions if kind is not None}
    if run.survey.operator.ref in refs:
        kinds.update(facts.PACKAGE_GROUP_KINDS)
    if takes_flux:
        kinds |= flux.KINDS
        if any(ref.namespace == facts.FLUX_NAMESPACE for ref in refs):
            namespaces.add(facts.FLUX_NAMESPACE)
    return await revisit(run.client, kinds, namespaces, run.survey.counted) if namespaces or kinds else None


def _require_readable(run: Run, current: Survey) -> None:
    before = {unreadable.what for unreadable in run.survey.unreadable}
    if unseen := [unreadable for unreadable in current.unreadable if unreadable.what not in before]:
        raise GuardStopped(
            "unreadable",
            f"{unseen[0].what} can't be read any more ({unseen[0].why}): who needs what isn't known",
            "Run this again once it can be read.",
        )


def _spare_flux(run: Run, why: str) -> Spared:
    """Keeps Flux, which is in use since the preview, with all that would be deleted because of it."""
    of_flux = inventory.every_flux_object()
    error = GuardStopped(
        "flux-in-use",
        f"Flux is in use since the preview, so it is kept: {why}",
        "Everything else is gone. Keep Flux, or run this again: the cluster is surveyed again.",
    )
    followers = {c.found.ref for stage in run.plan.stages for c in stage.consequences if c.root in of_flux}
    spared = Spared(of_flux | followers, error)
    run.spared = spared.refs
    for uid, tracked in run.tracked.items():
        if tracked.found.ref in spared.refs:
            run.settle(uid, "kept", why)
    return spared


def _require_planned(run: Run, ref: Ref, current: Survey) -> None:
    if unplanned := _unplanned(run, ref, current):
        names = ", ".join(found.ref.display for found in unplanned[:3])
        goes = "would go from" if ref == run.survey.operator.ref else "would take along"
        raise GuardStopped(
            "appeared-meanwhile",
            f"{ref.display} {goes} what wasn't there at the preview: {names}",
            "Look at these objects, then run this again.",
        )


def _unplanned(run: Run, ref: Ref, current: Survey) -> tuple[Found, ...]:
    """What the end of a namespace, a CRD or the operator affects beyond the plan, named or as a consequence.

    An object with a planned name and another UID is another object, created since; except for PackageInfos,
    which only the operator creates, and creates again.
    """
    kinds: tuple[tuple[str, str], ...] = ()
    if ref == run.survey.operator.ref:
        kinds = facts.PACKAGE_GROUP_KINDS
    elif ref.group_kind == DEFINITION:
        kinds = (current.defines.get(ref.name, ("", "")),)
    elif ref.group_kind == NAMESPACE and ref.name not in run.plan.include_foreign:
        known = [found for found in current.objects.values() if found.uid in run.tracked]
        return foreign_in(current, ref.name, known)
    again = run.plan.going.keys() if kinds == (facts.PACKAGE_INFO.group_kind,) else ()
    return tuple(found for found in current.of_kind(*kinds) if found.uid not in run.tracked and found.ref not in again)
