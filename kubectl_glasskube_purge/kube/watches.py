"""Watches without an end: resumed after a broken connection, started again if their resourceVersion is too old.

What the changes mean is left to the callers.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import Literal

from . import answers, errors
from .client import METADATA, Client, Listing
from .objects import Found
from .resources import Resource
from .retries import Tries

WATCH_SECONDS = 45
"""How long the server keeps a watch open. Short, so that a dead connection is noticed within a minute."""

_SHORT_WATCH = 1.0
"""Seconds; a watch that ends sooner without a word isn't the server's ordinary end of a watch."""


@dataclass(frozen=True)
class Change:
    """What a watch reports. `listing` stands in for single changes if the watch had to start again."""

    type: Literal["ADDED", "MODIFIED", "DELETED", "LISTED"]
    found: Found | None = None
    listing: Listing | None = None


async def watch(
    client: Client, resource: Resource, resource_version: str, *, namespace: str = "", whole: bool = False
) -> AsyncGenerator[Change, None]:
    """Changes of a kind from `resource_version` on, for ever.

    Resumes if a connection ended; if that resourceVersion is too old (410)
    or the server fails in the middle, lists again and yields the list as one `LISTED`
    change. Raises `NotFound` if the kind is no longer served, and other
    `KubeError`s if nothing answered for the client's `retry_seconds`.
    """
    clock = asyncio.get_running_loop().time
    tries = Tries(client.retry_seconds, client.hurry)
    while True:
        opened = clock()
        expired = False
        try:
            # Closed in this task: left to the garbage collector, its connection would be closed in another.
            async with contextlib.aclosing(_once(client, resource, resource_version, namespace, whole)) as changes:
                async for change in changes:
                    tries.answered()
                    if isinstance(change, str):
                        resource_version = change
                        continue
                    assert change.found is not None
                    tries.count, resource_version = 0, change.found.resource_version
                    yield change
        except errors.Expired:
            expired = True
        except (errors.Unreachable, errors.Busy) as error:
            await tries.again(error)
            continue
        # What ends at once and says nothing would else be opened again in a tight loop.
        tries.count = tries.count + 1 if clock() - opened < _SHORT_WATCH else 0
        if expired:
            listing = await client.list(resource, namespace=namespace, whole=whole)
            tries.answered()
            resource_version = listing.resource_version
            yield Change("LISTED", listing=listing)
        await tries.pause()


async def until_none(client: Client, resource: Resource, namespace: str, labels: str) -> None:
    """Waits until no object of a kind carries these labels in a namespace. Raises `KubeError`; has no limit."""
    while True:
        listing = await client.list(resource, namespace=namespace, labels=labels)
        alive = {found.uid for found in listing.items}
        if not alive:
            return
        async with contextlib.aclosing(
            watch(client, resource, listing.resource_version, namespace=namespace)
        ) as changes:
            async for change in changes:
                if change.listing is not None:
                    break
                if change.type == "DELETED" and change.found is not None:
                    alive.discard(change.found.uid)
                    if not alive:
                        break


async def _once(
    client: Client, resource: Resource, resource_version: str, namespace: str, whole: bool
) -> AsyncGenerator[Change | str, None]:
    """The changes of one connection; between them, as text, the resourceVersions to resume from."""
    params = {
        "watch": "1",
        "resourceVersion": resource_version,
        "allowWatchBookmarks": "true",
        "timeoutSeconds": str(WATCH_SECONDS),
    }
    stream = client.connection.stream(
        "GET",
        resource.path(namespace),
        params=params,
        headers={"Accept": "application/json" if whole else METADATA},
        timeout=WATCH_SECONDS + 15.0,
    )
    async with stream as response:
        if response.status_code >= 400:
            await response.aread()
            raise answers.error_of(response)
        yield resource_version  # accepted, though there may be nothing to say for long
        async for line in _lines(response.aiter_bytes()):
            try:
                event = json.loads(line)
            except (json.JSONDecodeError, UnicodeDecodeError):
                return  # garbled on the way: resume from the last event that was read
            content = event["object"]
            if event["type"] == "ERROR":
                code = int(content.get("code") or 500)
                # From here a watch that failed can't be resumed, whatever made it fail.
                expired = errors.Expired(str(content.get("message")))
                raise expired if code >= 500 else answers.error_of_status(content, code)
            if event["type"] == "BOOKMARK":
                yield str(content["metadata"]["resourceVersion"])
            else:
                yield Change(event["type"], answers.found(resource, content, whole=whole))


async def _lines(parts: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """Whole lines, which end at a newline only: text itself may contain the other marks that Python ends lines at.

    What is cut off in the middle of a line is not returned.
    """
    begun: list[bytes] = []
    async for part in parts:
        first, *rest = part.split(b"\n")
        begun.append(first)
        for following in rest:
            yield b"".join(begun)
            begun = [following]
