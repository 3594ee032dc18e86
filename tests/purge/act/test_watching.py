"""Objects are followed until they are gone, also if their kind can't be watched."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from kubectl_glasskube_purge.kube import errors
from kubectl_glasskube_purge.kube.client import Client
from kubectl_glasskube_purge.kube.problem import Problem
from kubectl_glasskube_purge.purge.act import watching
from kubectl_glasskube_purge.purge.act.run import Run
from kubectl_glasskube_purge.purge.act.watching import follow_all
from kubectl_glasskube_purge.purge.look.survey import survey
from kubectl_glasskube_purge.purge.model.events import NO_LIMITS, Event
from kubectl_glasskube_purge.purge.model.plan import Action, Plan, Stage
from tests.kube.scripted import Asked, Server, answer, failure
from tests.purge.look.fake_api import CORE, NAMESPACES, TENANTS, FakeApi

CONVERSION = failure(500, "conversion webhook for capsule.example.com/v1, Kind=Tenant failed", "InternalError")


class Following:
    """A run that follows one Tenant, and what it reported."""

    def __init__(self, run: Run, events: list[Event], noticed: asyncio.Event) -> None:
        self.run = run
        self.events = events
        self.noticed = noticed
        (self.tracked,) = run.tracked.values()
        (self.task,) = run.watches.values()

    @property
    def notices(self) -> list[str]:
        return [event.code for event in self.events if isinstance(event, Problem)]


async def following(client: Client, server: Server, api: FakeApi, watched: Any) -> Following:
    def served(asked: Asked) -> Any:
        return watched if "watch" in asked.query else api(asked)

    server.script = [served]
    found = await survey(client)
    (tenant,) = found.of_kind(TENANTS.group_kind)
    events: list[Event] = []
    noticed = asyncio.Event()

    def emit(event: Event) -> None:
        events.append(event)
        noticed.set()

    plan = Plan((Stage("packages", (Action("delete", tenant, "a test"),)),))
    run = Run(client, plan, found, NO_LIMITS, emit, asyncio.Event())
    follow_all(run)
    return Following(run, events, noticed)


@pytest.fixture
def api(client: Client, monkeypatch: pytest.MonkeyPatch) -> FakeApi:
    monkeypatch.setattr(watching, "POLL_EVERY", 0.02)
    monkeypatch.setattr(watching, "SERVED_AFTER", 0.02)
    client.retry_seconds = 0.1
    made = FakeApi((*CORE, TENANTS))
    made.add(NAMESPACES, "glasskube-system")
    made.define(TENANTS)
    made.add(TENANTS, "team-a", metadata={"labels": {"app.kubernetes.io/managed-by": "glasskube"}})
    return made


def end(api: FakeApi) -> None:
    api.objects = [document for document in api.objects if document["kind"] != TENANTS.kind]


@pytest.mark.parametrize(
    ("watched", "code"),
    [
        (failure(405, "the server does not allow this method", "MethodNotAllowed"), "watch-failed"),
        (answer(b"no", 405), "watch-failed"),
        (CONVERSION, "watch-failed"),
        (failure(503), "watch-failed"),
        (failure(403), "watch-forbidden"),
    ],
    ids=["405", "405 of a proxy", "conversion", "503", "403"],
)
async def test_a_kind_whose_watch_fails_is_listed_again_and_again(
    client: Client, server: Server, api: FakeApi, watched: Any, code: str
) -> None:
    one = await following(client, server, api, watched)
    await asyncio.wait_for(one.noticed.wait(), 5)
    assert not one.tracked.gone

    end(api)
    await asyncio.wait_for(one.task, 5)

    assert one.tracked.gone
    assert one.notices == [code]


async def test_a_kind_without_watch_is_listed_again_and_again(client: Client, server: Server, api: FakeApi) -> None:
    api.kinds = (*CORE, replace(TENANTS, verbs=TENANTS.verbs - {"watch"}))
    one = await following(client, server, api, failure(500))

    end(api)
    await asyncio.wait_for(one.task, 5)

    assert one.tracked.gone
    assert not any("watch" in asked.query for asked in server.asked)


@pytest.mark.parametrize("said", [CONVERSION, failure(404, "the server could not find it", "NotFound")])
async def test_what_cannot_be_listed_for_a_while_is_not_taken_for_gone(
    client: Client, server: Server, api: FakeApi, said: Any
) -> None:
    one = await following(client, server, api, failure(405))
    failed = asyncio.Event()
    asked = 0

    def fail(_: Asked) -> Any:
        nonlocal asked
        asked += 1
        if asked == 4:
            failed.set()
        return said

    api.failures[TENANTS.path()] = fail
    await asyncio.wait_for(failed.wait(), 5)
    assert not one.tracked.gone

    del api.failures[TENANTS.path()]
    end(api)
    await asyncio.wait_for(one.task, 5)
    assert one.tracked.gone


async def test_an_api_server_that_knows_nobody_any_more_ends_the_run(
    client: Client, server: Server, api: FakeApi
) -> None:
    one = await following(client, server, api, failure(401))

    with pytest.raises(errors.Unauthorized):
        await asyncio.wait_for(one.task, 5)
