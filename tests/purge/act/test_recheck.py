"""What is judged again midway: a Flux that others began to use is kept, and nothing of it is waited for."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from kubectl_glasskube_purge.glasskube import facts
from kubectl_glasskube_purge.kube.objects import Found, Ref
from kubectl_glasskube_purge.kube.watches import Change
from kubectl_glasskube_purge.purge.act import recheck, watching
from kubectl_glasskube_purge.purge.act.run import Run
from kubectl_glasskube_purge.purge.judge.plan import plan
from kubectl_glasskube_purge.purge.model.events import NO_LIMITS, Event
from kubectl_glasskube_purge.purge.model.plan import Options
from kubectl_glasskube_purge.purge.model.survey import Survey
from tests.purge.clusters import installed, their_helm_release

POD = ("", "Pod")


def replaced(pod: Found) -> Found:
    """What its ReplicaSet makes in a Pod's place."""
    ref = Ref(*POD, pod.ref.namespace, f"{pod.ref.name}-again", "v1")
    return Found(ref, f"{pod.uid}-again", "2", owners=pod.owners)


@pytest.mark.parametrize("used", [True, False])
async def test_a_pod_that_is_replaced_is_waited_for_unless_its_flux_is_spared(
    monkeypatch: pytest.MonkeyPatch, used: bool
) -> None:
    cluster = installed("plain", packages=1)
    before = cluster.survey()
    decided = plan(before, Options())
    assert decided.flux == "delete"
    events: list[Event] = []
    run = Run(cast("Any", None), decided, before, NO_LIMITS, events.append, asyncio.Event())
    watching.follow_all(run)
    if used:
        their_helm_release(cluster, 0)

    async def revisited(*_: object) -> Survey:
        return cluster.survey()

    monkeypatch.setattr(recheck, "revisit", revisited)
    stage = next(stage for stage in decided.stages if stage.name == "controllers")
    spared = await recheck.recheck(run, stage, recheck.Spared())
    (pod,) = [one for one in cluster.of(POD) if one.ref.name.startswith(facts.HELM_CONTROLLER)]
    for change in (Change("DELETED", pod), Change("ADDED", replaced(pod))):
        watching._take_in(run, POD, change)

    waited_for = {tracked.found.uid for tracked in run.pending("controllers")}
    assert (f"{pod.uid}-again" in waited_for) is not used
    assert (spared.error is not None) is used
