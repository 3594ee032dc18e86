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
from kubectl_glasskube_purge.kube.objects import Found, Ref
from kubectl_glasskube_purge.kube.problem import Problem
from kubectl_glasskube_purge.kube.resources import Resource
from kubectl_glasskube_purge.kube.watches import Change
from kubectl_glasskube_purge.purge.model.kinds import DEFINITION

from .run import Run, Tracked

SERVED_AFTER = 1.0
"""Seconds between two requests for a kind that isn't served although its CRD exists."""

POLL_EVERY = 2.0
"""Seconds between two lists of a kind that may be listed but not watched."""


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
    version = run.survey.listed[kind]
    while True:
        try:
            async with contextlib.aclosing(watches.watch(run.client, resource, version)) as changes:
                async for change in changes:
                    _take_in(run, kind, change)
        except errors.NotFound:
            again = await _served_again(run, resource)
            if again is None:
                _forget_all_but(run, kind)
                return
            version = again
        except errors.Forbidden as error:
            run.emit(Problem("watch-forbidden", f"{resource} is listed again and again instead: {error.message}"))
            await _poll(run, resource)
            return


async def _served_again(run: Run, resource: Resource) -> str | None:
    """The resourceVersion to watch from, for a kind that wasn't served for a moment; None if its CRD is gone.

    A restarting API server may not serve a CRD's kind yet: only the absence of the CRD proves that the kind is gone.
    """
    definition = Ref(*DEFINITION, "", str(resource))
    while await run.client.get(definition) is not None:
        try:
            return (await _list(run, resource)).resource_version
        except errors.NotFound:
            await asyncio.sleep(SERVED_AFTER)
    return None


async def _poll(run: Run, resource: Resource) -> None:
    """Follows a kind without a watch, if the user lost the right to it, as long as an object of it is tracked."""
    kind = resource.group_kind
    with contextlib.suppress(errors.NotFound):
        while any(tracked.found.ref.group_kind == kind and not tracked.gone for tracked in run.tracked.values()):
            await _list(run, resource)
            await asyncio.sleep(POLL_EVERY)
        return
    _forget_all_but(run, kind)


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
