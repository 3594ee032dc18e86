"""Waiting for objects of the cluster: by watching them, with an end, and saying who is waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field

from kubectl_glasskube_purge.kube import errors
from kubectl_glasskube_purge.kube.objects import Found, Ref
from kubectl_glasskube_purge.kube.resources import Resource
from kubectl_glasskube_purge.kube.watches import Change, watch
from kubectl_glasskube_purge.purge.act.run import Run, now
from kubectl_glasskube_purge.purge.model.events import Waiting

EXPLAIN_AFTER = 2.0
"""Seconds after which it is said who is waited for."""


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
    listed: bool = False
    progress: float = 0.0

    async def until_met(self) -> list[Ref]:
        """Waits until all are as they should be, or patience is used up. Returns those that aren't.

        Raises `TimedOut` and `Interrupted`, and `KubeError` where the cluster can't be watched.
        """
        began = self.progress = now()
        follower = asyncio.create_task(self._follow(), name=f"watch {self.resource}")
        try:
            while True:
                await self.run.pause(1.0, *([] if follower.done() else [follower]))
                if follower.done():
                    follower.result()  # what couldn't be seen isn't gone
                if not self.listed:
                    continue
                pending = [ref for ref in self.refs if not self.met(ref, self.seen.get(ref))]
                if not pending or now() - self.progress > self.patience:
                    return pending
                if now() - began > EXPLAIN_AFTER:
                    why = await self.why(self.seen.get(pending[0]))
                    self.run.emit(Waiting(self.stage, pending[0], why, now() - began))
        finally:
            follower.cancel()
            await asyncio.gather(follower, return_exceptions=True)

    async def _follow(self) -> None:
        client = self.run.client
        try:
            listing = await client.list(self.resource, namespace=self.namespace, whole=True, keep=self._ours)
            self._take(Change("LISTED", listing=listing))
            version = listing.resource_version
            async for change in watch(client, self.resource, version, namespace=self.namespace, whole=True):
                self._take(change)
        except errors.NotFound:
            self._replace(())  # the kind is gone, and all of it

    def _ours(self, found: Found) -> bool:
        return found.ref in self.refs

    def _take(self, change: Change) -> None:
        if change.listing is not None:
            self._replace(filter(self._ours, change.listing.items))
        elif change.found is not None and self._ours(change.found):
            if change.type == "DELETED":
                self.seen.pop(change.found.ref, None)
            else:
                self.seen[change.found.ref] = change.found
            self._touch()

    def _replace(self, items: Iterable[Found]) -> None:
        self.seen, self.listed = {found.ref: found for found in items}, True
        self._touch()

    def _touch(self) -> None:
        self.progress = now()
        self.run.changed.set()
