"""Watches of a server with moods, cuts and forgotten versions."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

import pytest

from kubectl_glasskube_purge.kube import errors, retries, watches
from kubectl_glasskube_purge.kube.client import Client
from tests.kube.scripted import CONFIG_MAPS, Asked, Server, answer, failure, item, page, watched


async def changes(client: Client, count: int) -> list[watches.Change]:
    """The first changes of a watch from version 1."""
    found: list[watches.Change] = []
    async with contextlib.aclosing(watches.watch(client, CONFIG_MAPS, "1")) as watch:
        async for change in watch:
            found.append(change)
            if len(found) == count:
                break
    return found


def opened(server: Server) -> list[str]:
    """From which version each watch was opened."""
    return [asked.query["resourceVersion"] for asked in server.asked if "watch" in asked.query]


@pytest.mark.parametrize("cut", [None, 5, 0], ids=["ended", "torn in an event", "reset after an event"])
async def test_a_watch_goes_on_where_its_connection_ended(server: Server, client: Client, cut: int | None) -> None:
    events = [("ADDED", item("a", 2)), ("ADDED", item("b", 3))]
    whole = 2 if cut != 5 else 1
    server.script = [watched(*events, cut=cut), watched(("DELETED", item("c", 4)))]

    found = await changes(client, whole + 1)

    assert [change.type for change in found] == ["ADDED"] * whole + ["DELETED"]
    assert opened(server) == ["1", str(whole + 1)]


async def test_a_bookmark_says_where_to_go_on(server: Server, client: Client) -> None:
    bookmark = {"kind": "ConfigMap", "metadata": {"resourceVersion": "90"}}
    server.script = [watched(("BOOKMARK", bookmark)), watched(("ADDED", item("a", 91)))]

    await changes(client, 1)

    assert opened(server) == ["1", "90"]


GONE = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version: 1 (90)"}
BROKEN = {"kind": "Status", "code": 500, "reason": "InternalError", "message": "etcd event received with PrevKv=nil"}


@pytest.mark.parametrize(
    "said",
    [failure(410, reason="Expired"), watched(("ERROR", GONE)), watched(("ERROR", BROKEN))],
    ids=["refused with 410", "410 as an event", "500 as an event"],
)
async def test_what_the_server_forgot_is_listed_anew(server: Server, client: Client, said: Any) -> None:
    server.script = [said, page("a", "b", version=50), watched(("DELETED", item("a", 51)))]

    first, second = await changes(client, 2)

    assert first.listing is not None
    assert [found.ref.name for found in first.listing.items] == ["a", "b"]
    assert second.type == "DELETED"
    assert opened(server) == ["1", "50"]


@pytest.mark.parametrize("mark", ["\x85", "\u2028", "\u2029"])
async def test_only_a_newline_ends_an_event_of_a_watch(server: Server, client: Client, mark: str) -> None:
    """Go writes U+0085 as it is; other readers of lines take it for the end of one."""
    event = {"type": "ADDED", "object": item("a", 2, annotations={"note": f"one{mark}two"})}
    content = json.dumps(event, ensure_ascii=False).encode() + b"\n"
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    parts = [content[:50], content[50:]]
    chunks = b"".join(f"{len(part):x}\r\n".encode() + part + b"\r\n" for part in parts)
    server.script = [(head + chunks + b"0\r\n\r\n", True), watched(("ADDED", item("b", 3)))]

    found = await changes(client, 2)

    assert [change.found.ref.name for change in found if change.found] == ["a", "b"]
    assert opened(server) == ["1", "2"]


async def test_moods_do_not_end_a_watch(server: Server, client: Client) -> None:
    server.script = [failure(503), None, failure(429, Retry_After="0"), failure(500), watched(("ADDED", item("a", 2)))]

    assert [change.type for change in await changes(client, 1)] == ["ADDED"]


async def test_a_silent_watch_that_breaks_is_no_unanswered_one(server: Server, client: Client) -> None:
    """Whoever was accepted was answered, be there something to say or not."""
    client.retry_seconds = 0.3

    opened = asyncio.get_running_loop().time()

    def accept(_: Asked) -> tuple[bytes, bool]:
        late = asyncio.get_running_loop().time() - opened > 1.0
        return watched(("ADDED", item("a", 2))) if late else watched(cut=0)

    server.script = [accept]

    assert [change.type for change in await changes(client, 1)] == ["ADDED"]


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (failure(403), errors.Forbidden),
        (failure(404), errors.NotFound),
        (answer(b"404 page not found", 404), errors.NotFound),
        (failure(503), errors.Busy),
    ],
)
async def test_a_watch_that_nobody_answers_ends_with_the_reason(
    server: Server, client: Client, said: bytes, error: type[errors.KubeError]
) -> None:
    client.retry_seconds = 0.1
    server.script = [said]

    with pytest.raises(error):
        await changes(client, 1)


@pytest.mark.parametrize("said", [watched(), failure(410, reason="Expired")], ids=["ended at once", "expired"])
async def test_a_watch_that_ends_at_once_is_not_opened_in_a_tight_loop(
    server: Server, client: Client, monkeypatch: pytest.MonkeyPatch, said: Any
) -> None:
    waited: list[int] = []

    def backoff(tries: int) -> float:
        waited.append(tries)
        return 0.01

    def answered(asked: Asked) -> Any:
        if "watch" not in asked.query:
            return page(version=5)
        return watched(("ADDED", item("a", 6))) if len(opened(server)) == 6 else said

    monkeypatch.setattr(retries, "backoff", backoff)
    server.script = [answered]

    async with contextlib.aclosing(watches.watch(client, CONFIG_MAPS, "1")) as watch:
        async for change in watch:
            if change.type == "ADDED":
                break

    assert waited[:4] == [1, 2, 3, 4]
