"""What holds an object that should go, read at this moment: what the survey saw may be minutes old.

Only reads. What an object, its controllers and its Pods then show is judged by `judge/held.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from kubectl_glasskube_purge.glasskube import facts
from kubectl_glasskube_purge.kube import errors
from kubectl_glasskube_purge.kube.client import Client
from kubectl_glasskube_purge.kube.objects import Found, Ref
from kubectl_glasskube_purge.purge.judge import held
from kubectl_glasskube_purge.purge.judge.busy import claims_of, minutes
from kubectl_glasskube_purge.purge.model.kinds import POD
from kubectl_glasskube_purge.purge.model.survey import Survey

from .survey import controllers_now


async def why_held(client: Client, found: Found, survey: Survey) -> held.Held:
    """Why an object is still there, read at this moment. Never raises `KubeError`: what can't be read is said."""
    try:
        now = await client.get(found.ref, whole=True)
        if now is None or now.uid != found.uid:
            return held.has_gone(found)
        if {facts.FLUX_FINALIZER, facts.PACKAGE_FINALIZER} & set(now.finalizers):
            survey = await controllers_now(client, survey)
        pods = await _pods_with(client, now) if held.is_held_by_pods(now) else None
    except errors.KubeError as error:
        return held.unreadable(found, error.message)
    return held.explain(now, survey, pods)


LOST_AFTER = 5.0
"""Minutes for which a node is NotReady before its Pods count as lost: Kubernetes evicts them after as many."""


async def on_lost_nodes(client: Client, pods: Iterable[Ref]) -> frozenset[Ref]:
    """Those of the Pods that are being deleted on a node that is gone, or NotReady for long: no kubelet ends them.

    Never raises `KubeError`: a node that can't be read isn't lost.
    """

    async def lost(ref: Ref) -> bool:
        with contextlib.suppress(errors.KubeError):
            pod = await client.get(ref, whole=True)
            name = pod.get("spec", "nodeName") if pod is not None and pod.terminating else ""
            if name and client.discovery.find("", "Node") is not None:
                return _is_lost(await client.get(Ref("", "Node", "", str(name)), whole=True), client.answered)
        return False

    refs = tuple(pods)
    answers = await asyncio.gather(*map(lost, refs))
    return frozenset(ref for ref, one in zip(refs, answers, strict=True) if one)


def _is_lost(node: Found | None, now: datetime | None) -> bool:
    """Whether a node is gone or has been NotReady for long, by the cluster's clock."""
    if node is None:
        return True
    conditions = node.get("status", "conditions") or ()
    ready: Mapping[str, Any] = next((one for one in conditions if one.get("type") == "Ready"), {})
    since = str(ready.get("lastTransitionTime") or "")
    return ready.get("status") != "True" and now is not None and minutes(since, now.isoformat()) > LOST_AFTER


async def _pods_with(client: Client, claim: Found) -> list[Found]:
    """The Pods that use a volume claim. Raises `KubeError`."""
    resource = client.discovery.find(*POD)
    if resource is None:
        return []
    listing = await client.list(resource, namespace=claim.ref.namespace, whole=True)
    return [pod for pod in listing.items if claim.ref in claims_of(pod)]
