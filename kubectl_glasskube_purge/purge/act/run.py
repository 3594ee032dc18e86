"""What is known while a plan is carried out: the objects that are followed, the clock, the user's wish to stop.

All other modules of the execution share one `Run`. What is sent to the API server is theirs; here the outcome of
each object is recorded and reported, and a change is waited for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from kubectl_glasskube_purge.kube import errors
from kubectl_glasskube_purge.kube.client import Client
from kubectl_glasskube_purge.kube.objects import Found, Ref
from kubectl_glasskube_purge.purge.judge.held import TROUBLESHOOTING
from kubectl_glasskube_purge.purge.model.events import (
    Event,
    Interrupted,
    Limits,
    ObjectDone,
    ObjectOutcome,
    TimedOut,
)
from kubectl_glasskube_purge.purge.model.plan import STAGES, Action, Plan
from kubectl_glasskube_purge.purge.model.survey import Survey

T = TypeVar("T")

OF_ONE_OBJECT = (errors.Forbidden, errors.Invalid, errors.Conflict, errors.ConversionFailed)
"""Errors that concern one object, and that a second request meets again."""


LAST = STAGES[-1]
"""The stage in which namespaces end, with all that holds them."""


def now() -> float:
    """Seconds of the loop's clock."""
    return asyncio.get_running_loop().time()


@dataclass
class Tracked:
    """An object that the plan deletes, or that is deleted because of another one."""

    found: Found
    stage: str
    direct: bool
    verb: str = "delete"
    root: Ref | None = None
    """The object whose deletion deletes this one; None for an object that is deleted by request."""
    gone: bool = False
    """Whether its outcome is known, whatever that is."""
    failed: str = ""
    """The API server's message if it doesn't delete the object."""
    hint: str = ""
    """What the user can do about that."""
    blocked: bool = False
    """Whether it isn't deleted, because something that has to be gone before can't be deleted."""
    lost: bool = False
    """Whether it is a Pod on a lost node, which its namespace waits for, and nothing before."""
    abandoned: bool = False
    """Whether a HelmRelease's finalizer is dropped by force, so that no controller uninstalls its chart."""


@dataclass
class Run:
    """The state of one execution. Lives as long as `execute`."""

    client: Client
    plan: Plan
    survey: Survey
    limits: Limits
    emit: Callable[[Event], None]
    stop: asyncio.Event
    started: float = field(default_factory=now)
    progress: float = field(default_factory=now)
    """When something changed last."""
    tracked: dict[str, Tracked] = field(default_factory=dict)
    """By UID."""
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    watches: dict[tuple[str, str], asyncio.Task[None]] = field(default_factory=dict)
    waiting: list[Action] = field(default_factory=list)
    """What can't be sent yet, the first steps first."""
    spared: frozenset[Ref] = frozenset()
    """What is kept although the plan deletes it."""
    stopped: bool = False
    """Whether the operator is seen to be stopped."""

    @property
    def late(self) -> bool:
        """Whether the limit of the whole run has passed."""
        limit = self.limits.execution
        return limit is not None and now() - self.started > limit

    def moved(self) -> None:
        """Records progress, and wakes whatever waits for it."""
        self.progress = now()
        self.changed.set()

    def settle(self, uid: str, outcome: ObjectOutcome, message: str = "") -> None:
        """Records and reports the outcome of a tracked object; the first one counts."""
        tracked = self.tracked[uid]
        if tracked.gone:
            return
        if tracked.verb == "hand-over" and outcome in ("deleted", "absent"):
            outcome = "handed-over"
        tracked.gone = True
        tracked.failed = (message or "the API server refuses") if outcome == "failed" else ""
        self.moved()
        ref, verb = tracked.found.ref, tracked.verb
        self.emit(ObjectDone(tracked.stage, ref, uid, verb, outcome, message, direct=tracked.direct))

    def fail(self, uid: str, error: errors.KubeError) -> None:
        """Records what the API server has against one object."""
        hint = error.hint
        if isinstance(error, errors.WebhookUnreachable):
            hint = f"Start the server of webhook {error.webhook}, or delete its configuration, then run this again."
        self.tracked[uid].hint = hint
        self.settle(uid, "failed", error.message)

    def pending(self, stage: str, only: Collection[str] | None = None) -> list[Tracked]:
        """What the stage waits for, of the UIDs in `only` or of all.

        What is deleted because of an object that can't be deleted, or is spared, isn't waited for.
        """
        staying = self.spared.union(t.found.ref for t in self.tracked.values() if t.failed or t.blocked)
        return [
            tracked
            for uid, tracked in self.tracked.items()
            if (LAST if tracked.lost else tracked.stage) == stage
            and not (tracked.gone or tracked.blocked)
            and tracked.root not in staying
            and (only is None or uid in only)
        ]

    def raise_if_stopped(self) -> None:
        """Raises `Interrupted` once the user wishes to stop, and the error of a watch that failed."""
        if self.stop.is_set():
            raise Interrupted()
        for kind, watch in list(self.watches.items()):
            if watch.done():
                del self.watches[kind]
                watch.result()

    async def pause(self, seconds: float, *others: asyncio.Future[Any]) -> None:
        """Waits for a change, or for one of `others`, at most `seconds`.

        Raises `Interrupted`, `TimedOut`, and the error of a watch that failed.
        """
        self.changed.clear()
        signals = [asyncio.ensure_future(self.changed.wait()), asyncio.ensure_future(self.stop.wait())]
        watched = [*signals, *self.watches.values(), *others]
        await asyncio.wait(watched, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for signal in signals:
            signal.cancel()
        self.raise_if_stopped()
        if self.late:
            raise self.too_late()

    async def within(self, seconds: float, work: Coroutine[Any, Any, None]) -> bool:
        """Waits for work at most `seconds`, and raises as `pause` does. Returns whether the work was done."""
        task = asyncio.create_task(work)
        deadline = now() + seconds
        try:
            while not task.done() and now() < deadline:
                await self.pause(min(1.0, seconds), task)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        if task.cancelled():
            return False
        task.result()
        return True

    def too_late(self, why: str = "") -> TimedOut:
        """What ends a run whose limit has passed."""
        return TimedOut(
            "timeout",
            f"not finished within {self.limits.total:.0f} s{why}",
            f"Run this again, with a longer --timeout: it goes on where it stopped. More: {TROUBLESHOOTING} timeout",
        )


async def all_of(work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Completes all work, then raises the first error: no batch is left half sent."""
    tasks = [asyncio.ensure_future(one) for one in work]
    await asyncio.gather(*tasks, return_exceptions=True)
    return [task.result() for task in tasks]
