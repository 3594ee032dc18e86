"""Follows what is to be deleted: one watch a kind, from where the survey's list ended.

Records what is gone, and takes in what a tracked object created in the meantime. How long a stage waits, and what
it does when nothing changes, is left to `patience`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection

from kubectl_glasskube_purge.kube import errors, watches
from kubectl_glasskube_purge.kube.client import Listing
from kubectl_glasskube_purge.kube.objects import Found
from kubectl_glasskube_purge.kube.problem import Problem
from kubectl_glasskube_purge.kube.resources import Resource
from kubectl_glasskube_purge.kube.watches import Change

from .run import Run, Tracked
from .stopping import require_stopped

SERVED_AFTER = 1.0
"""Seconds between two requests for a kind that isn't served although it exists."""

POLL_EVERY = 2.0
"""Seconds between two lists of a kind that can't be watched."""


def follow_all(run: Run) -> None:
    """Follows all objects of the plan from the start: many are gone before their own stage begins."""
    for stage in run.plan.stages:
        for action in stage.deletes:
            run.tracked[action.found.uid] = Tracked(action.found, stage.name, direct=True, verb=action.verb)
        for consequence in stage.consequences:
            follower = Tracked(consequence.found, stage.name, direct=False, root=consequence.root)
            run.tracked.setdefault(consequence.found.uid, follower)
    for kind in {tracked.found.ref.group_kind for tracked in run.tracked.values()}:
        if kind in run.survey.listed:
            run.watches[kind] = asyncio.create_task(_follow(run, kind), name=f"watch {kind[1]}")


async def _follow(run: Run, kind: tuple[str, str]) -> None:
    """Follows one kind, until the kind itself is gone."""
    resource = run.client.discovery.find(*kind)
    if resource is None:
        return
    if "watch" not in resource.verbs:
        await _poll(run, resource)
        return
    version = run.survey.listed[kind]
    while True:
        try:
            async with contextlib.aclosing(watches.watch(run.client, resource, version)) as changes:
                async for change in changes:
                    await require_stopped(run, change)
                    _take_in(run, kind, change)
        except errors.NotFound:
            again = await _served_again(run, resource)
            if again is None:
                _forget_all_but(run, kind)
                return
            version = again
        except _OF_ALL_KINDS:
            raise
        except errors.KubeError as error:
            code = "watch-forbidden" if isinstance(error, errors.Forbidden) else "watch-failed"
            run.emit(Problem(code, f"{resource} is listed again and again instead of being watched: {error.message}"))
            await _poll(run, resource)
            return


_OF_ALL_KINDS = (errors.Unauthorized, errors.Unreachable, errors.ConfigError)
"""Errors that every other request meets, too."""


async def _served_again(run: Run, resource: Resource) -> str | None:
    """The resourceVersion to watch from, for a kind that wasn't served for a moment; None if the kind is gone."""
    while not await run.client.has_ended(resource):
        try:
            return (await _list(run, resource)).resource_version
        except errors.KubeError as error:
            if isinstance(error, _OF_ALL_KINDS):
                raise
            await asyncio.sleep(SERVED_AFTER)
    return None


async def _poll(run: Run, resource: Resource) -> None:
    """Follows a kind that can't be watched, as long as an object of it is tracked.

    While it can't be listed either, its objects count as existing: the stage's own limit of time ends that.
    """
    kind = resource.group_kind
    while any(tracked.found.ref.group_kind == kind and not tracked.gone for tracked in run.tracked.values()):
        try:
            await _list(run, resource)
        except errors.NotFound:
            if await _served_again(run, resource) is None:
                _forget_all_but(run, kind)
                return
        except errors.KubeError as error:
            if isinstance(error, _OF_ALL_KINDS):
                raise
        await asyncio.sleep(POLL_EVERY)


async def _list(run: Run, resource: Resource) -> Listing:
    listing = await run.client.list(resource)
    _take_in(run, resource.group_kind, Change("LISTED", listing=listing))
    return listing


def _take_in(run: Run, kind: tuple[str, str], change: Change) -> None:
    if change.listing is not None:
        _forget_all_but(run, kind, {found.uid for found in change.listing.items})
        for found in change.listing.items:
            _see(run, found)
    elif change.found is not None:
        if change.type == "DELETED":
            if change.found.uid in run.tracked:
                run.settle(change.found.uid, "deleted")
        else:
            _see(run, change.found)


def _forget_all_but(run: Run, kind: tuple[str, str], alive: Collection[str] = ()) -> None:
    for uid, tracked in list(run.tracked.items()):
        if tracked.found.ref.group_kind == kind and uid not in alive:
            run.settle(uid, "deleted")


def _see(run: Run, found: Found) -> None:
    """Updates a tracked object, or tracks what such an object created in the meantime, e.g. a ReplicaSet's new Pod."""
    tracked = run.tracked.get(found.uid)
    if tracked is not None:
        if found.finalizers != tracked.found.finalizers or found.terminating != tracked.found.terminating:
            run.moved()
        tracked.found = found
        return
    owner = next((run.tracked[o.uid] for o in found.owners if o.uid in run.tracked), None)
    if owner is not None and found.ref not in run.plan.deletes:
        root = owner.found.ref if owner.direct else owner.root
        run.tracked[found.uid] = Tracked(found, owner.stage, direct=False, root=root)
