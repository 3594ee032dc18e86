"""Stops a controller that would act on what the purge changes, and sees that it stays stopped."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from typing import Any

from kubectl_glasskube_purge.glasskube import facts
from kubectl_glasskube_purge.kube import edits, watches
from kubectl_glasskube_purge.kube.objects import Found, Ref
from kubectl_glasskube_purge.kube.resources import Resource
from kubectl_glasskube_purge.kube.watches import Change
from kubectl_glasskube_purge.kube.wording import some
from kubectl_glasskube_purge.purge.judge.held import TROUBLESHOOTING
from kubectl_glasskube_purge.purge.look.held import on_lost_nodes
from kubectl_glasskube_purge.purge.model.events import GuardStopped, ObjectDone, TimedOut
from kubectl_glasskube_purge.purge.model.kinds import POD
from kubectl_glasskube_purge.purge.model.survey import WEBHOOK_CONFIGURATION

from .run import Run

SOON = 15.0
"""Seconds within which a controller's Pods end after it is scaled to zero: their grace period is 10."""

PATIENCE = 120.0
"""Seconds after which they are given up, unless their node is lost."""


async def stop(run: Run, stage: str, deployment: Found, reason: str) -> None:
    """Scales a controller to zero and waits until its Pods are gone: until then it may change objects.

    Raises `TimedOut` if they don't end, and `KubeError`.
    """
    ref = deployment.ref
    found = await run.client.get(ref, whole=True)
    if found is not None:
        await run.client.patch(ref, edits.setting(deployment.uid, "/spec/replicas", 0))
        pods = run.client.discovery.find(*POD)
        if pods is not None:
            labels = found.get("spec", "selector", "matchLabels") or {}
            selector = ",".join(f"{key}={value}" for key, value in labels.items())

            def ended() -> Coroutine[Any, Any, None]:
                return watches.until_none(run.client, pods, ref.namespace, selector)

            if not (
                await run.within(SOON, ended())
                or await _are_lost(run, pods, ref.namespace, selector)
                or await run.within(PATIENCE, ended())
            ):
                raise TimedOut(
                    "operator-not-stopped",
                    f"the Pods of {ref.display} don't end, so it may still change what the purge changes",
                    f"See kubectl get pods -n {ref.namespace}: is their node gone? Then run this again. "
                    f"More: {TROUBLESHOOTING} operator-not-stopped",
                )
    run.stopped = run.stopped or ref == run.survey.operator.ref
    run.emit(ObjectDone(stage, ref, deployment.uid, "apply", "applied", reason))


async def _are_lost(run: Run, pods: Resource, namespace: str, selector: str) -> bool:
    """Whether nothing runs any more but on lost nodes. What is handed over needs more: such a node may come back."""
    if any(action.verb in ("detach", "hand-over") for stage in run.plan.stages for action in stage.actions):
        return False
    alive = {found.ref for found in (await run.client.list(pods, namespace=namespace, labels=selector)).items}
    return alive <= await on_lost_nodes(run.client, alive)


async def require_stopped(run: Run, change: Change) -> None:
    """Raises `GuardStopped` if a change shows that the operator, or its webhook, is back after it was stopped.

    Another tool or person may start it: then it acts on what is deleted next. Raises `KubeError`.
    """
    seen = change.listing.items if change.listing is not None else (change.found,) if change.found else ()
    if not run.stopped or change.type == "DELETED":
        return
    webhook, operator = run.survey.webhook, run.survey.operator
    for found in seen:
        if found.ref == WEBHOOK_CONFIGURATION and (webhook is None or found.uid != webhook.uid):
            raise _restarted(found.ref, found.managers)
    if not any(_may_be_back(run, found) for found in seen):
        return
    now = await run.client.get(operator.ref, whole=True)
    if now is None or now.terminating:
        return
    if operator.found is None or now.uid != operator.found.uid or now.get("spec", "replicas") != 0:
        raise _restarted(now.ref, _scaled_by(now) or now.managers)


def _may_be_back(run: Run, found: Found) -> bool:
    if found.ref.group_kind == POD:
        return found.ref.namespace == facts.NAMESPACE and found.uid not in run.tracked
    return found.ref == run.survey.operator.ref


def _scaled_by(found: Found) -> tuple[str, ...]:
    """The field managers of `spec.replicas`."""
    entries = found.get("metadata", "managedFields") or ()
    return tuple(
        str(one.get("manager")) for one in entries if "f:replicas" in (one.get("fieldsV1") or {}).get("f:spec", {})
    )


def _restarted(ref: Ref, managers: Sequence[str]) -> GuardStopped:
    return GuardStopped(
        "operator-restarted",
        f"{ref.display} is back after it was stopped, set by {some(managers)}",
        "Suspend what manages it, then run this again: it goes on where it stopped. "
        f"More: {TROUBLESHOOTING} operator-restarted",
    )
