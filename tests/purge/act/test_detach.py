"""What is changed so that it can be kept is what was seen."""

from __future__ import annotations

import asyncio

import pytest

from kubectl_glasskube_purge.kube.client import Client
from kubectl_glasskube_purge.purge.act.detach import take_conversion_off
from kubectl_glasskube_purge.purge.act.run import Run
from kubectl_glasskube_purge.purge.look.survey import survey
from kubectl_glasskube_purge.purge.model.events import NO_LIMITS, Event, GuardStopped
from kubectl_glasskube_purge.purge.model.kinds import DEFINITION
from kubectl_glasskube_purge.purge.model.plan import Action, Plan
from tests.kube.scripted import Asked, Server, failure
from tests.purge.look.fake_api import CORE, DEFINITIONS, PACKAGES, TENANTS, FakeApi


@pytest.mark.parametrize("refused", [failure(422, "the test failed", "Invalid"), failure(404, "gone", "NotFound")])
async def test_a_crd_that_changed_since_the_survey_keeps_its_conversion(
    client: Client, server: Server, refused: bytes
) -> None:
    api = FakeApi((*CORE, TENANTS))
    package = api.add(PACKAGES, "capsule")
    api.add(DEFINITIONS, str(TENANTS), owners=[package], spec={"versions": [{"name": "v1"}]})
    api.add(TENANTS, "theirs")
    answers = {"PATCH": lambda asked: refused}

    def served(asked: Asked) -> object:
        return answers.get(asked.method, api)(asked)

    server.script = [served]
    found = await survey(client)
    (definition,) = found.of_kind(DEFINITION)
    events: list[Event] = []
    run = Run(client, Plan(), found, NO_LIMITS, events.append, asyncio.Event())

    with pytest.raises(GuardStopped) as stopped:
        await take_conversion_off(run, "packages", Action("apply", definition, "a test"))

    assert stopped.value.code == "changed"
    assert not events
    patch = server.asked[-1].body
    assert {"op": "test", "path": "/spec/versions", "value": [{"name": "v1"}]} in patch
    assert {"op": "test", "path": "/metadata/uid", "value": definition.uid} in patch
