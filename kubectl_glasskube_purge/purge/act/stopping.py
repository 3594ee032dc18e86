"""Stops a controller that would act on what the purge changes: scales its Deployment to zero, and sees its Pods end."""

from __future__ import annotations

from kubectl_glasskube_purge.kube import edits, watches
from kubectl_glasskube_purge.kube.objects import Found
from kubectl_glasskube_purge.purge.judge.held import TROUBLESHOOTING
from kubectl_glasskube_purge.purge.model.events import ObjectDone, TimedOut
from kubectl_glasskube_purge.purge.model.kinds import POD

from .run import Run

PATIENCE = 120.0
"""Seconds for a controller's Pods to end after it is scaled to zero; their grace period is 10."""


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
            ended = watches.until_none(run.client, pods, ref.namespace, selector)
            if not await run.within(PATIENCE, ended):
                raise TimedOut(
                    "operator-not-stopped",
                    f"the Pods of {ref.display} don't end, so it may still change what the purge changes",
                    f"See kubectl get pods -n {ref.namespace}: is their node gone? Then run this again. "
                    f"More: {TROUBLESHOOTING}#operator-not-stopped",
                )
    run.emit(ObjectDone(stage, ref, deployment.uid, "apply", "applied", reason))
