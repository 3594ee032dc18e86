"""Which requests are sent again, and for how long."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import pytest

from kubectl_glasskube_purge.kube import errors, retries
from kubectl_glasskube_purge.kube.client import Client
from kubectl_glasskube_purge.kube.connect import Flags, connect
from tests.kube.scripted import MINE, Asked, Server, answer, failure, item


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
    monkeypatch.setattr(retries, "backoff", lambda tries: 1.0)
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
    monkeypatch.setattr(retries, "backoff", lambda tries: 4.0)
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
    server.script = [failure(503), None, answer(item("mine"))]
    assert await client.get(MINE) is not None

    async with connect(Flags(server="http://127.0.0.1:9")) as connection:
        with pytest.raises(errors.NobodyThere, match="refused"):
            await Client(connection).discover()


@pytest.mark.parametrize("status", [200, 404])
async def test_the_time_of_an_answer_is_the_clusters(server: Server, client: Client, status: int) -> None:
    server.script = [answer({"metadata": {}}, status, Date="Tue, 15 Nov 2033 08:12:31 GMT")]

    with contextlib.suppress(errors.NotKubernetes):
        await client.request("GET", "/version")

    assert client.answered == datetime(2033, 11, 15, 8, 12, 31, tzinfo=timezone.utc)


@pytest.mark.parametrize("headers", [{}, {"Date": "today"}], ids=["none", "unreadable"])
async def test_a_date_that_cannot_be_read_is_none(server: Server, client: Client, headers: dict[str, str]) -> None:
    server.script = [answer({}, **headers)]

    await client.request("GET", "/version")

    assert client.answered is None


def test_backoff_grows_is_jittered_and_has_an_end() -> None:
    real: Callable[[int], float] = retries.backoff
    assert 0.1 <= real(1) <= 0.2
    assert 4.0 <= real(50) <= 8.0
    assert len({real(5) for _ in range(10)}) > 1
