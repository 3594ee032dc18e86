"""The client against a server that answers, byte for byte, what a test wants: moods, cuts, forgotten versions."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from kubectl_glasskube_purge.kube import client as module
from kubectl_glasskube_purge.kube import errors
from kubectl_glasskube_purge.kube.client import Change, Client, Discovery, Resource
from kubectl_glasskube_purge.kube.connect import Flags, connect
from kubectl_glasskube_purge.kube.objects import Found, Ref

CONFIG_MAPS = Resource("", "v1", "ConfigMap", "configmaps", True, frozenset({"list", "delete"}))
DEFINITIONS = Resource("apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", False)
MINE = Ref("", "ConfigMap", "shop", "mine", "v1")


@dataclass(frozen=True)
class Asked:
    """One request, parsed."""

    method: str
    path: str
    query: dict[str, str]
    body: Any


@dataclass
class Server:
    """Answers in turn with what `script` has; the last answer is given again and again."""

    script: list[Any] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    port: int = 0

    def next(self) -> Any:
        return self.script.pop(0) if len(self.script) > 1 else self.script[0]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                length = next((int(x.split(":")[1]) for x in head.lower().split("\r\n") if "content-length" in x), 0)
                body = await reader.readexactly(length)
                method, target, _ = head.split(" ", 2)
                parts = urlsplit(target)
                query = {name: values[0] for name, values in parse_qs(parts.query).items()}
                self.asked.append(Asked(method, parts.path, query, json.loads(body) if body else None))
                answer = self.next()
                if callable(answer):
                    answer = answer(self.asked[-1])
                if isinstance(answer, Awaitable):
                    answer = await answer
                if answer is None:
                    return
                data, ends = answer if isinstance(answer, tuple) else (answer, False)
                writer.write(data)
                await writer.drain()
                if ends:
                    return


def answer(document: Any, status: int = 200, **headers: str) -> bytes:
    body = json.dumps(document).encode() if not isinstance(document, bytes) else document
    kind = "application/json" if not isinstance(document, bytes) else "text/plain"
    lines = [f"HTTP/1.1 {status} X", f"Content-Type: {kind}", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def failure(code: int, message: str = "no", reason: str = "", **headers: str) -> bytes:
    status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code}
    return answer({**status, "message": message, "reason": reason}, code, **headers)


def item(name: str, version: int = 1, **metadata: Any) -> dict[str, Any]:
    meta = {"name": name, "namespace": "shop", "uid": f"uid-{name}", "resourceVersion": str(version), **metadata}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta}


def page(*names: str, version: int = 1, token: str = "") -> bytes:
    return answer(
        {"metadata": {"resourceVersion": str(version), "continue": token}, "items": [item(name) for name in names]}
    )


def watched(*events: tuple[str, Any], cut: int | None = None) -> tuple[bytes, bool]:
    """A watch that says this and is then ended by the server; with `cut`, that many bytes before the end of it."""
    content = b"".join(json.dumps({"type": kind, "object": document}).encode() + b"\n" for kind, document in events)
    if cut is not None:
        content = content[: len(content) - cut]
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = f"{len(content):x}\r\n".encode() + content + b"\r\n" if content else b""
    return head + chunk + (b"0\r\n\r\n" if cut is None else b""), True


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    running = Server()
    listening = await asyncio.start_server(running.serve, "127.0.0.1", 0)
    running.port = listening.sockets[0].getsockname()[1]
    yield running
    listening.close()


@pytest.fixture
async def client(server: Server, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Client]:
    """A client of the server that knows ConfigMaps, and comes back sooner than in life."""
    monkeypatch.setattr(module, "_backoff", lambda tries: 0.01)
    async with connect(Flags(server=f"http://127.0.0.1:{server.port}")) as connection:
        made = Client(connection, retry_seconds=5)
        made.discovery = Discovery((CONFIG_MAPS, DEFINITIONS))
        yield made


# Moods


@pytest.mark.parametrize(
    "mood",
    [
        pytest.param(failure(429, Retry_After="0"), id="429"),
        pytest.param(failure(500, "etcdserver: leader changed", "InternalError"), id="500"),
        pytest.param(answer(b"upstream connect error", 503), id="503 of a load balancer"),
        pytest.param(failure(504, reason="Timeout"), id="504"),
        pytest.param(None, id="closed without an answer"),
        pytest.param((answer(item("mine"))[:-20], True), id="truncated"),
        pytest.param((answer(b'{"kind": "Con', Connection="close"), True), id="half a document"),
    ],
)
async def test_what_passes_is_tried_again(server: Server, client: Client, mood: Any) -> None:
    if isinstance(mood, tuple):
        mood = (mood[0].replace(b"text/plain", b"application/json"), True)
    server.script = [mood, mood, answer(item("mine"))]

    found = await client.get(MINE)

    assert found is not None
    assert found.uid == "uid-mine"
    assert len(server.asked) == 3


async def test_a_kept_connection_that_the_server_closed_is_made_anew(server: Server, client: Client) -> None:
    server.script = [(answer(item("mine")), True)]

    for _ in range(3):
        assert await client.get(MINE) is not None


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (failure(403), errors.Forbidden),
        (failure(422), errors.Invalid),
        (failure(405), errors.KubeError),
        (failure(500, 'failed calling webhook "v.kb.io": refused'), errors.WebhookUnreachable),
        (failure(500, "conversion webhook for x.example.com/v1, Kind=X failed: Post"), errors.ConversionFailed),
        (failure(403, 'admission webhook "v.kb.io" denied the request: in use'), errors.Refused),
        (answer(b"<html>", 404), errors.NotKubernetes),
    ],
)
async def test_what_does_not_pass_is_said_at_once(
    server: Server, client: Client, said: bytes, error: type[errors.KubeError]
) -> None:
    server.script = [said]

    with pytest.raises(errors.KubeError) as caught:
        await client.get(MINE)

    assert type(caught.value) is error
    assert len(server.asked) == 1


async def test_retries_end_with_their_budget(server: Server, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_backoff", lambda tries: 1.0)
    client.retry_seconds = 2.5
    server.script = [failure(503)]

    with pytest.raises(errors.Busy):
        await client.get(MINE)

    assert 2 <= len(server.asked) <= 3


async def test_whoever_is_asked_to_wait_longer_than_there_is_time_says_so_at_once(
    server: Server, client: Client
) -> None:
    server.script = [failure(429, Retry_After="3600")]

    with pytest.raises(errors.Busy):
        await client.get(MINE)

    assert len(server.asked) == 1


async def test_in_a_hurry_nothing_is_sent_again(server: Server, client: Client) -> None:
    async def hurry(_: Asked) -> bytes:
        client.hurry.set()
        return failure(503)

    server.script = [hurry]

    with pytest.raises(errors.Busy):
        await client.get(MINE)

    assert len(server.asked) == 1


async def test_a_hurry_ends_a_long_wait(server: Server, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_backoff", lambda tries: 4.0)
    answered = asyncio.Event()

    def answer_it(_: Asked) -> bytes:
        answered.set()
        return failure(503)

    server.script = [answer_it]
    asking = asyncio.create_task(client.get(MINE))
    await answered.wait()

    client.hurry.set()

    with pytest.raises(errors.Busy):
        await asyncio.wait_for(asking, 3)
    assert len(server.asked) == 1


async def test_the_first_contact_outlasts_a_mood_but_not_an_empty_address(server: Server, client: Client) -> None:
    server.script = [failure(503), None, answer({"gitVersion": "v1.34.3"})]
    assert await client.first_contact() == "v1.34.3"

    async with connect(Flags(server="http://127.0.0.1:9")) as connection:
        with pytest.raises(errors.NobodyThere, match="refused"):
            await Client(connection).first_contact()


# Lists


async def test_a_list_is_read_to_its_last_page(server: Server, client: Client) -> None:
    server.script = [page("a", "b", token="t1", version=7), page("c", version=7)]

    listing = await client.list(CONFIG_MAPS)

    assert [found.ref.name for found in listing.items] == ["a", "b", "c"]
    assert listing.resource_version == "7"
    assert [asked.query.get("continue") for asked in server.asked] == [None, "t1"]


async def test_a_list_whose_continue_token_expired_is_read_anew(server: Server, client: Client) -> None:
    server.script = [page("a", token="t1"), failure(410, reason="Expired"), page("b", token="t2"), page("c")]

    listing = await client.list(CONFIG_MAPS)

    assert [found.ref.name for found in listing.items] == ["b", "c"]


async def test_half_a_list_is_never_taken_for_the_whole(server: Server, client: Client) -> None:
    server.script = [page("a", token="t1"), failure(403)]

    with pytest.raises(errors.Forbidden):
        await client.list(CONFIG_MAPS)


# Watches


async def changes(client: Client, count: int) -> list[Change]:
    """The first changes of a watch from version 1."""
    found: list[Change] = []
    async with contextlib.aclosing(client.watch(CONFIG_MAPS, "1")) as watch:
        async for change in watch:
            found.append(change)
            if len(found) == count:
                break
    return found


def watches(server: Server) -> list[str]:
    """From which version each watch was opened."""
    return [asked.query["resourceVersion"] for asked in server.asked if "watch" in asked.query]


@pytest.mark.parametrize("cut", [None, 5, 0], ids=["ended", "torn in an event", "reset after an event"])
async def test_a_watch_goes_on_where_its_connection_ended(server: Server, client: Client, cut: int | None) -> None:
    events = [("ADDED", item("a", 2)), ("ADDED", item("b", 3))]
    whole = 2 if cut != 5 else 1
    server.script = [watched(*events, cut=cut), watched(("DELETED", item("c", 4)))]

    found = await changes(client, whole + 1)

    assert [change.type for change in found] == ["ADDED"] * whole + ["DELETED"]
    assert watches(server) == ["1", str(whole + 1)]


async def test_a_bookmark_says_where_to_go_on(server: Server, client: Client) -> None:
    bookmark = {"kind": "ConfigMap", "metadata": {"resourceVersion": "90"}}
    server.script = [watched(("BOOKMARK", bookmark)), watched(("ADDED", item("a", 91)))]

    await changes(client, 1)

    assert watches(server) == ["1", "90"]


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
    assert watches(server) == ["1", "50"]


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
        return watched(("ADDED", item("a", 6))) if len(watches(server)) == 6 else said

    monkeypatch.setattr(module, "_backoff", backoff)
    server.script = [answered]

    async with contextlib.aclosing(client.watch(CONFIG_MAPS, "1")) as watch:
        async for change in watch:
            if change.type == "ADDED":
                break

    assert waited[:4] == [1, 2, 3, 4]


# Changes that got through though the client saw an error


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        (failure(404, reason="NotFound"), "absent"),
        (failure(409, "Precondition failed: UID in precondition: uid-mine, UID in object meta: x"), "replaced"),
        (answer({"kind": "Status", "status": "Success"}), "accepted"),
    ],
)
async def test_a_delete_that_may_have_got_through_is_sent_again(
    server: Server, client: Client, second: bytes, expected: str
) -> None:
    server.script = [None, second]

    assert await client.delete(MINE, uid="uid-mine") == expected
    assert [asked.body["preconditions"]["uid"] for asked in server.asked] == ["uid-mine"] * 2


async def test_a_namespace_that_refuses_a_second_delete_was_accepted(server: Server, client: Client) -> None:
    dying = item("mine", deletionTimestamp="2026-11-23T09:00:00Z")
    server.script = [failure(409, "The system is ensuring all content is removed"), answer(dying)]

    assert await client.delete(MINE, uid="uid-mine") == "accepted"


async def test_a_finalizer_that_was_taken_off_unseen_is_off(server: Server, client: Client) -> None:
    server.script = [
        answer(item("mine", finalizers=["other", "mine"])),
        None,  # the patch got through, its answer didn't
        failure(422, "the server rejected our request: testing value failed"),
        answer(item("mine", finalizers=["other"])),
    ]

    assert await client.remove_finalizer(MINE, uid="uid-mine", finalizer="mine") == "unheld"
    patches = [asked.body for asked in server.asked if asked.method == "PATCH"]
    assert {"op": "test", "path": "/metadata/finalizers/1", "value": "mine"} in patches[0]


async def test_an_annotation_that_was_set_unseen_is_set(server: Server, client: Client) -> None:
    server.script = [
        answer(item("mine")),
        None,
        failure(422, "testing value failed"),
        answer(item("mine", 2, annotations={"a": "b"})),
        answer(item("mine", 2, annotations={"a": "b"})),
    ]

    found = await client.annotate(MINE, uid="uid-mine", key="a", value="b")

    assert isinstance(found, Found)
    assert found.annotations == {"a": "b"}


async def test_what_changes_all_the_time_is_given_up(server: Server, client: Client) -> None:
    def answered(asked: Asked) -> bytes:
        return answer(item("mine")) if asked.method == "GET" else failure(422, "testing value failed")

    server.script = [answered]

    with pytest.raises(errors.Conflict, match="changes faster"):
        await client.annotate(MINE, uid="uid-mine", key="a", value="b")


def test_backoff_grows_is_jittered_and_has_an_end() -> None:
    real: Callable[[int], float] = module._backoff
    assert 0.1 <= real(1) <= 0.2
    assert 4.0 <= real(50) <= 8.0
    assert len({real(5) for _ in range(10)}) > 1
