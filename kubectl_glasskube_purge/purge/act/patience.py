"""How long a stage waits until everything in it is gone, and what it does when nothing changes.

Reports what it waits for, drops finalizers, and ends the run if waiting longer is no use.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable

from kubectl_glasskube_purge.purge.judge import held
from kubectl_glasskube_purge.purge.look.held import on_lost_nodes, why_held
from kubectl_glasskube_purge.purge.model.events import TimedOut, Waiting
from kubectl_glasskube_purge.purge.model.kinds import POD

from .finalizers import drop_foreign, drop_own
from .run import Run, Tracked, now

EXPLAIN_AFTER = 2.0
"""Seconds without progress after which it is reported what is waited for, and again after as many."""


async def until_gone(
    run: Run, stage: str, only: Collection[str] | None = None, send: Callable[[], Awaitable[bool]] | None = None
) -> None:
    """Waits until nothing of the stage is left, or of the UIDs in `only`.

    After each change, `send` sends what can be deleted now, and returns whether there was anything.

    Raises `TimedOut` if a limit passes, `Interrupted`, and `KubeError`.
    """
    explained = 0.0
    while pending := run.pending(stage, only):
        if send is not None and await send():
            continue
        try:
            await run.pause(1.0)
        except TimedOut as late:
            # The error of a run that takes too long names what it waited for.
            why = await _explain(run, pending)
            message = f"{late.message}: {_told(why, pending)}"
            raise TimedOut(late.code, message, f"{why.next_step} A longer --timeout waits longer.") from None
        idle = now() - run.progress
        await _help_along(run, stage, pending, idle)
        if idle <= EXPLAIN_AFTER or now() - explained <= EXPLAIN_AFTER:
            continue
        explained = now()
        why = await _explain(run, pending)
        run.emit(Waiting(stage, why.found.ref, why.why, idle))
        idle = now() - run.progress
        if idle > run.limits.idle or (idle > run.limits.hopeless and await _is_hopeless(run, pending)):
            raise TimedOut(
                "no-progress",
                f"no progress for {idle:.0f} s: {_told(why, pending)}",
                why.next_step,
            )


async def _help_along(run: Run, stage: str, pending: Collection[Tracked], idle: float) -> None:
    """Does what a controller doesn't do, after `idle` seconds without progress."""
    if idle > EXPLAIN_AFTER:
        await drop_own(run, stage, pending)
        await _leave_lost_pods(run, pending)
    if run.plan.force_finalizers and idle > run.limits.force:
        # Also what holds a namespace that is waited for later.
        await drop_foreign(run, stage, [*run.tracked.values()])


async def _leave_lost_pods(run: Run, pending: Collection[Tracked]) -> None:
    """Leaves Pods that no kubelet ends to the last stage."""
    pods = {t.found.ref: t for t in pending if t.found.ref.group_kind == POD and t.found.terminating and not t.lost}
    for ref in await on_lost_nodes(run.client, pods):
        pods[ref].lost = True
        run.moved()


async def _explain(run: Run, pending: Iterable[Tracked]) -> held.Held:
    telling = held.most_telling([(tracked.found, tracked.direct) for tracked in pending])
    return await why_held(run.client, telling, run.survey)


def _told(why: held.Held, pending: Iterable[Tracked]) -> str:
    return f"{why.found.ref.display} {why.why}{held.held_too((one.found for one in pending), why.found)}"


async def _is_hopeless(run: Run, pending: Iterable[Tracked]) -> bool:
    """Whether no controller can end what holds the stage up."""
    ending = [tracked.found for tracked in pending if tracked.found.terminating]
    holders = [found for found in ending if held.foreign_finalizers(found)] or ending
    for found in holders:
        if not (await why_held(run.client, found, run.survey)).hopeless:
            return False
    return bool(holders)
