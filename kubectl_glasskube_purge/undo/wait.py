"""Waiting for the cluster: by watching where it can be watched, with an end, and saying who is waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field

from kubectl_glasskube_purge.kube import errors
from kubectl_glasskube_purge.kube.client import Client
from kubectl_glasskube_purge.kube.objects import Found, Ref
from kubectl_glasskube_purge.kube.resources import Resource
from kubectl_glasskube_purge.kube.watches import Change, watch
from kubectl_glasskube_purge.purge.model.events import Event, Interrupted, Limits, TimedOut, Waiting

EXPLAIN_AFTER = 3.0
"""Seconds after which it is said who is waited for."""

_ASK_AGAIN = 0.5
"""Seconds between two questions where there is nothing to watch: discovery, a webhook."""


@dataclass
class Run:
    """What every wait of a run shares: the cluster, the clock, the user's wish to stop."""

    client: Client
    emit: Callable[[Event], None]
    limits: Limits
    stop: asyncio.Event
    started: float

    def now(self) -> float:
        """Seconds of the loop's clock."""
        return asyncio.get_running_loop().time()

    def check(self) -> None:
        """Raises `Interrupted` or `TimedOut` where it is time to end."""
        if self.stop.is_set():
            raise Interrupted()
        limit = self.limits.execution
        if limit is not None and self.now() - self.started > limit:
            raise TimedOut(
                "timeout",
                f"not finished within {self.limits.total:.0f} s",
                "Run this again, with a longer --timeout: it goes on where it stopped.",
            )

    async def pause(self, stage: str, ref: Ref, why: str, began: float) -> None:
        """Lets a moment pass before something is asked again. Raises `Interrupted` and `TimedOut`."""
        if (seconds := self.now() - began) > EXPLAIN_AFTER:
            self.emit(Waiting(stage, ref, why, seconds))
        try:
            await asyncio.wait_for(self.stop.wait(), _ASK_AGAIN)
        except asyncio.TimeoutError:
            pass  # nobody wished to stop
        self.check()


@dataclass
class Wait:
    """Waits for some objects of one kind, from a list and a watch that goes on from it."""

    run: Run
    stage: str
    resource: Resource
    refs: Sequence[Ref]
    met: Callable[[Ref, Found | None], bool]
    why: Callable[[Found | None], Awaitable[str]]
    patience: float
    """Seconds without any change of these objects."""
    namespace: str = ""
    seen: dict[Ref, Found] = field(default_factory=dict)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    progress: float = 0.0

    async def until_met(self) -> list[Ref]:
        """Waits until all are as they should be, or patience is used up. Returns those that aren't.

        Raises `TimedOut` and `Interrupted`, and `KubeError` where the cluster can't be watched.
        """
        began = self.progress = self.run.now()
        follower = asyncio.create_task(self._follow(), name=f"watch {self.resource}")
        listed = asyncio.create_task(self.changed.wait())
        try:
            await asyncio.wait([follower, listed], return_when=asyncio.FIRST_COMPLETED)
            while True:
                if follower.done():
                    follower.result()  # what couldn't be seen isn't gone
                pending = [ref for ref in self.refs if not self.met(ref, self.seen.get(ref))]
                now = self.run.now()
                if not pending or now - self.progress > self.patience:
                    return pending
                if now - began > EXPLAIN_AFTER:
                    why = await self.why(self.seen.get(pending[0]))
                    self.run.emit(Waiting(self.stage, pending[0], why, now - began))
                await self._next(follower)
        finally:
            follower.cancel()
            listed.cancel()
            await asyncio.gather(follower, listed, return_exceptions=True)

    async def _next(self, follower: asyncio.Task[None]) -> None:
        self.changed.clear()
        signals = [asyncio.ensure_future(self.changed.wait()), asyncio.ensure_future(self.run.stop.wait())]
        watching = [] if follower.done() else [follower]  # it is done where the kind is gone
        await asyncio.wait([*signals, *watching], timeout=1.0, return_when=asyncio.FIRST_COMPLETED)
        for signal in signals:
            signal.cancel()
        self.run.check()

    async def _follow(self) -> None:
        try:
            listing = await self.run.client.list(self.resource, namespace=self.namespace, whole=True, keep=self._ours)
            self._replace(listing.items)
            version = listing.resource_version
            async for change in watch(self.run.client, self.resource, version, namespace=self.namespace, whole=True):
                self._take(change)
        except errors.NotFound:
            self._replace(())  # the kind is gone, and all of it

    def _ours(self, found: Found) -> bool:
        return found.ref in self.refs

    def _take(self, change: Change) -> None:
        if change.listing is not None:
            self._replace(found for found in change.listing.items if self._ours(found))
        elif change.found is not None and self._ours(change.found):
            if change.type == "DELETED":
                self.seen.pop(change.found.ref, None)
            else:
                self.seen[change.found.ref] = change.found
            self._touch()

    def _replace(self, items: Iterable[Found]) -> None:
        self.seen = {found.ref: found for found in items}
        self._touch()

    def _touch(self) -> None:
        self.progress = self.run.now()
        self.changed.set()
