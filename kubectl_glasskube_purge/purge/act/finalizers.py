"""Drops finalizers: Glasskube's own, which guards nothing in a purge, and those of others if the user consents.

The consent covers finalizers that nothing drops any more. Flux's is dropped only if its controller can't act.
"""

from __future__ import annotations

from collections.abc import Iterable

from kubectl_glasskube_purge.glasskube import facts
from kubectl_glasskube_purge.kube import edits
from kubectl_glasskube_purge.kube.objects import Found
from kubectl_glasskube_purge.kube.problem import Problem
from kubectl_glasskube_purge.purge.judge import held
from kubectl_glasskube_purge.purge.judge.brought import brought
from kubectl_glasskube_purge.purge.look.held import why_held
from kubectl_glasskube_purge.purge.model.events import ObjectDone
from kubectl_glasskube_purge.purge.model.kinds import DEFINITION, NAMESPACE
from kubectl_glasskube_purge.purge.model.plan import GONE

from .charts import abandon
from .deleting import attempt
from .run import Run, Tracked, all_of
from .stopping import stop


async def drop(run: Run, stage: str, found: Found, finalizer: str, why: str) -> bool:
    """Drops one finalizer. Returns whether the object had it. Raises as `attempt` does."""
    answer = await attempt(
        run, found, lambda: edits.remove_finalizer(run.client, found.ref, uid=found.uid, finalizer=finalizer)
    )
    if answer == "changed":
        run.emit(ObjectDone(stage, found.ref, found.uid, "release-finalizer", "applied", why))
    elif answer in ("absent", "replaced"):
        run.settle(found.uid, "deleted")
    return answer == "changed"


async def _drop_each(run: Run, stage: str, stuck: list[tuple[Found, str]], why: str) -> list[tuple[Found, str]]:
    """Drops several finalizers. Returns those that were there."""
    dropped = await all_of(drop(run, stage, found, finalizer, why) for found, finalizer in stuck)
    return [one for one, done in zip(stuck, dropped, strict=True) if done]


async def drop_own(run: Run, stage: str, pending: Iterable[Tracked]) -> None:
    """Drops Glasskube's finalizer that the operator set after the survey, before it was stopped."""
    finalizer = facts.PACKAGE_FINALIZER
    stuck = [(t.found, finalizer) for t in pending if t.found.terminating and finalizer in t.found.finalizers]
    await _drop_each(run, stage, stuck, "it guards nothing in a purge, and the operator is stopped")


async def drop_foreign(run: Run, stage: str, pending: Iterable[Tracked]) -> None:
    """Drops what no controller drops, by consent, and records what is left behind because of it."""
    stuck = [
        (tracked.found, finalizer)
        for tracked in pending
        if tracked.found.terminating and not tracked.gone
        for finalizer in await _given_up(run, stage, tracked.found)
    ]
    abandoned = [one for one in stuck if _has_chart(*one)]
    await all_of(abandon(run, found) for found, _ in abandoned if not run.tracked[found.uid].abandoned)
    for found, finalizer in await _drop_each(run, stage, [one for one in stuck if one not in abandoned], _CONSENTED):
        run.emit(dropped(found, finalizer))


def dropped(found: Found, finalizer: str) -> Problem:
    """What a finalizer's removal by consent may have left."""
    return Problem("finalizer-dropped", f"{finalizer} was dropped from {found.ref.display}: {_CONSENTED}")


_CONSENTED = "its controller didn't drop it, and --force-finalizers consents: what it guarded may stay behind"


def _has_chart(found: Found, finalizer: str) -> bool:
    return finalizer == facts.FLUX_FINALIZER and found.ref.group_kind == facts.HELM_RELEASE.group_kind


async def _given_up(run: Run, stage: str, found: Found) -> tuple[str, ...]:
    """An object's foreign finalizers that the user consents to drop, and that nothing drops any more.

    Flux's isn't dropped as long as its controller can act: one that isn't gone is stopped first, if Flux goes.
    """
    if not held.foreign_finalizers(found) and found.ref.group_kind != NAMESPACE:
        return ()
    consent = run.plan.force_finalizers
    seen = await why_held(run.client, found, run.survey)
    named = held.foreign_finalizers(seen.found)
    names = [one for one in named if one in consent or (GONE in consent and _is_gone(run, seen, one))]
    if facts.FLUX_FINALIZER not in names:
        return tuple(names)
    if not seen.hopeless or seen.controller is None:
        return ()
    if not seen.controller.gone and seen.controller.found is not None:
        if run.plan.flux != "delete":
            return ()
        why = f"stopped, because {facts.FLUX_FINALIZER} is dropped in its place"
        await stop(run, stage, seen.controller.found, why)
    return tuple(names)


def _is_gone(run: Run, seen: held.Held, finalizer: str) -> bool:
    """Whether the controller that should drop a finalizer is seen to be gone.

    A package's: of an instance of a kind that it brought, once all its workloads are gone.
    """
    if finalizer == facts.FLUX_FINALIZER:
        return seen.controller is not None and seen.controller.gone
    for package, own in brought(run.survey).items():
        defined = {run.survey.defines.get(ref.name) for ref in own if ref.group_kind == DEFINITION}
        if seen.found.ref.group_kind in defined and package not in run.plan.kept_packages:
            workloads = [one.uid for one in own.values() if one.ref.kind in _WORKLOADS]
            return all(uid in run.tracked and run.tracked[uid].gone for uid in workloads)
    return False


_WORKLOADS = frozenset({"DaemonSet", "Deployment", "Pod", "ReplicaSet", "StatefulSet"})
