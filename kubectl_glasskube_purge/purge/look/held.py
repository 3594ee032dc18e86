"""What holds an object that should go, read at this moment: what the survey saw may be minutes old.

Only reads. What an object, its controllers and its Pods then show is judged by `judge/held.py`.
"""

from __future__ import annotations

from kubectl_glasskube_purge.glasskube import facts
from kubectl_glasskube_purge.kube import errors
from kubectl_glasskube_purge.kube.client import Client
from kubectl_glasskube_purge.kube.objects import Found
from kubectl_glasskube_purge.purge.judge import held
from kubectl_glasskube_purge.purge.judge.busy import claims_of
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


async def _pods_with(client: Client, claim: Found) -> list[Found]:
    """The Pods that use a volume claim. Raises `KubeError`."""
    resource = client.discovery.find(*POD)
    if resource is None:
        return []
    listing = await client.list(resource, namespace=claim.ref.namespace, whole=True)
    return [pod for pod in listing.items if claim.ref in claims_of(pod)]
