"""One purge at a time: a claim on the cluster, as an annotation on Glasskube's namespace.

A Lease would be the usual thing, but a Terminating namespace takes no new ones,
and an annotation on it can still be patched. As with leader election, no clock
of another machine is trusted: a claim counts as abandoned when it has not been
renewed for as long as it was watched. On the machine that made it, and that
noted it for the user, a dead process is proof enough.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import platform
import uuid
from collections.abc import AsyncIterator, Callable, Iterator

from kubectl_glasskube_purge.kube import edits, errors, state
from kubectl_glasskube_purge.kube.client import Client
from kubectl_glasskube_purge.kube.objects import Found
from kubectl_glasskube_purge.purge.model.claim import CLAIM_ANNOTATION, Claim

RENEWED_EVERY = 3.0
"""Seconds between two renewals."""

ABANDONED_AFTER = 12.0
"""Seconds without a renewal after which the claim has expired: four that didn't come."""


_TRIES = 20
"""How often a claim is written that meets with changes of others."""


class Claimed(errors.Conflict):
    """Another purge is at work on this cluster."""

    code = "claimed"
    ending = "refused"
    hint = "Wait for it to end, or end it, then run this again."


_TOPIC = "claims"


def is_dead(claim: Claim) -> bool:
    """Whether a claim is this user's, from this machine, and its process has ended."""
    noted = state.noted(_TOPIC, claim.token)
    if noted != {"host": _host(), "process": str(claim.process)} or os.name == "nt":
        return False
    try:
        os.kill(claim.process, 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        return False
    return False


def _host() -> str:
    """This machine, of those that may share the user's state folder. It is never published."""
    return f"{platform.node()}/{uuid.getnode():x}"


@contextlib.contextmanager
def _noted() -> Iterator[Claim]:
    """A new claim, which this machine knows as its own until the process has ended in order."""
    mine = Claim(os.getpid(), uuid.uuid4().hex)
    with contextlib.suppress(OSError):  # the next run then waits until the claim has expired
        state.note(_TOPIC, mine.token, host=_host(), process=str(mine.process))
    try:
        yield mine
    finally:
        state.forget(_TOPIC, mine.token)


@contextlib.asynccontextmanager
async def claimed(client: Client, namespace: Found | None, say: Callable[[str], None]) -> AsyncIterator[None]:
    """Holds the claim for as long as the block runs; takes it off afterwards, if the namespace is still there.

    Waits visibly, by `say`, for a claim that may be abandoned. Without a
    namespace there is nothing to write on, and nothing that two purges could do
    to each other: every delete names the UID. Raises `Claimed` if another
    purge is at work, and `KubeError`.
    """
    if namespace is None:
        yield
        return
    with _noted() as mine:
        if not await _take(client, namespace, mine, say):
            yield
            return
        renewing = asyncio.create_task(_renew(client, namespace, mine))
        try:
            yield
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)
            with contextlib.suppress(errors.KubeError):
                found = await client.get(namespace.ref)
                claim = Claim.read(found) if found is not None else None
                if claim is not None and claim.token == mine.token:
                    await edits.remove_annotation(client, namespace.ref, uid=namespace.uid, key=CLAIM_ANNOTATION)


async def _take(client: Client, namespace: Found, mine: Claim, say: Callable[[str], None]) -> bool:
    """Whether the claim was written; False where the namespace is gone, or may not be written on."""
    clock = asyncio.get_running_loop().time
    tries = 0
    seen: Claim | None = None
    since = clock()
    while True:
        found = await client.get(namespace.ref)
        if found is None or found.uid != namespace.uid:
            return False
        other = Claim.read(found)
        if other is not None and other.token == mine.token:
            return True  # written, though the API server's answer didn't get here
        if other is not None and not is_dead(other):
            if seen is not None and seen != other:
                raise Claimed(f"another purge is at work ({other.holder})")
            if seen is None:
                seen, since = other, clock()
                say(
                    f"Another purge ({other.holder}) has claimed this cluster; watching for {ABANDONED_AFTER:.0f} s "
                    "whether it is alive"
                )
            if clock() - since < ABANDONED_AFTER:
                await asyncio.sleep(RENEWED_EVERY / 2)
                continue
            say(f"The purge of {other.holder} gave no sign of life, so its claim has expired: going on")
        try:
            # The resourceVersion that was read is a precondition: of two that come at once, one has to look again.
            await client.patch(found.ref, edits.annotation(found, CLAIM_ANNOTATION, mine.text))
        except (errors.Conflict, errors.Invalid) as error:
            tries += 1
            if tries == _TRIES:
                raise errors.Conflict(f"{found.ref.display} can't be claimed: {error.message}") from error
            await asyncio.sleep(RENEWED_EVERY / 10)
        except (errors.Forbidden, errors.NotFound, errors.Refused, errors.WebhookUnreachable):
            # A user who may not write it may still purge: every delete names its object.
            return False
        else:
            if other is not None and is_dead(other):
                state.forget(_TOPIC, other.token)
            return True


async def _renew(client: Client, namespace: Found, mine: Claim) -> None:
    while True:
        await asyncio.sleep(RENEWED_EVERY)
        mine = mine.renewed
        try:
            found = await client.get(namespace.ref)
            other = Claim.read(found) if found is not None else None
            if other is not None and other.token != mine.token:
                return  # held for abandoned, while this machine slept: two at work do each other no harm
            await edits.annotate(client, namespace.ref, uid=namespace.uid, key=CLAIM_ANNOTATION, value=mine.text)
        except errors.NotFound:
            return
        except errors.KubeError:
            continue  # the API server's mood: the next renewal comes soon
