"""Work that a purge would cut off: packages, HelmReleases and Jobs under way, volumes in use, another purge. Pure.

Each reason is one sentence that names the object it is about. What is to be done about it is left to `refusals`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime

from kubectl_glasskube_purge.glasskube import facts, inventory
from kubectl_glasskube_purge.kube.objects import Found, Ref
from kubectl_glasskube_purge.kube.wording import displayed
from kubectl_glasskube_purge.purge.model.claim import Claim
from kubectl_glasskube_purge.purge.model.kinds import CLAIM, JOB, POD
from kubectl_glasskube_purge.purge.model.survey import Survey


def busy(survey: Survey, going: Collection[Ref]) -> tuple[str, ...]:
    """Work that would be cut off, of those who are there to do it: a dead operator's packages aren't busy.

    `going` is all that a purge would take. What others have at work beside it goes on undisturbed, and is no reason.
    """
    return tuple(
        reason
        for found in (_packages(survey), _helm_releases(survey, going), _jobs(survey, going), _volumes(survey, going))
        for reason in found
    )


def _packages(survey: Survey) -> Iterator[str]:
    if not survey.operator.running:
        return
    for package in survey.packages:
        wanted = str(package.found.get("spec", "packageInfo", "version") or "")
        installed = str(package.found.get("status", "version") or "")
        # The operator writes the version into the status only when it has been through with it. A package that says
        # Pending later waits for its Pods to be ready again: a node was restarted, or a container crashes. Nothing of
        # that is cut off by a purge.
        been_through = bool(installed) and installed == wanted
        if package.found.terminating or package.suspended or package.failed or been_through:
            continue
        update = f"from {installed} to {wanted}" if wanted and installed else ""
        if package.ready and update:
            # The condition is still that of the version before: the operator hasn't looked at the new one yet.
            yield f"{package.ref.display} is being updated {update}"
        elif not package.ready and minutes(package.since, survey.taken) < STUCK_AFTER:
            what = f"updated {update}" if update else "installed"
            yield f"{package.ref.display} is being {what} ({package.message or package.status or 'no status yet'})"


STUCK_AFTER = 10.0
"""Minutes for which a package may be Pending before it counts as stuck: helm-controller gives a chart 5."""


def minutes(since: str, until: str) -> float:
    """Minutes between two RFC 3339 times; 0 where one of them isn't known."""
    try:
        begin, end = (datetime.fromisoformat(text.replace("Z", "+00:00")) for text in (since, until))
    except ValueError:
        return 0.0
    return (end - begin).total_seconds() / 60


def _helm_releases(survey: Survey, going: Collection[Ref]) -> Iterator[str]:
    if not survey.helm_controller.running:
        return
    for found in survey.of_kind(facts.HELM_RELEASE.group_kind):
        conditions = {str(c.get("type")): c.get("status") for c in found.get("status", "conditions") or ()}
        # helm-controller says Reconciling also while a release fails again and again (Ready is False then), and
        # at each routine look at one that is fine (True). Ready is Unknown while it really installs or upgrades.
        under_way = conditions.get("Reconciling") == "True" and conditions.get("Ready", "Unknown") == "Unknown"
        if under_way and found.ref in going and not found.get("spec", "suspend"):
            yield f"{found.ref.display} is being reconciled"


def _jobs(survey: Survey, going: Collection[Ref]) -> Iterator[str]:
    for found in survey.of_kind(JOB):
        if found.ref not in going or int(found.get("status", "ready") or 0) == 0:
            continue
        if found.ref in inventory.every_object():
            yield f"{found.ref.display} is running: Glasskube is being installed"
        elif any((owner.kind, owner.name) == ("CronJob", facts.AUTOUPDATER) for owner in found.owners):
            yield f"{found.ref.display} is running: Glasskube's auto-updater is at work"
        else:
            yield f"{found.ref.display} is running"


def _volumes(survey: Survey, going: Collection[Ref]) -> Iterator[str]:
    """Claims that can't go: Kubernetes keeps them as long as a Pod uses them, and here that is one that stays."""
    for claim, pods in volume_users(survey).items():
        staying = [pod for pod in pods if pod not in going]
        if claim in going and staying:
            yield f"{claim.display} is in use by {displayed(staying)}, which stays: it can't go before that has ended"


def volume_users(survey: Survey) -> Mapping[Ref, tuple[Ref, ...]]:
    """Which Pods use which volume claims, in the packages' namespaces.

    Every Pod counts that has a node, ended or not: `kubernetes.io/pvc-protection` holds a claim for those.
    """
    users: dict[Ref, list[Ref]] = {}
    for pod in survey.of_kind(POD):
        if pod.get("spec", "nodeName"):
            for claim in claims_of(pod):
                users.setdefault(claim, []).append(pod.ref)
    return {claim: tuple(sorted(pods)) for claim, pods in sorted(users.items())}


def claims_of(pod: Found) -> Iterator[Ref]:
    """The volume claims that a Pod uses."""
    for volume in pod.get("spec", "volumes") or ():
        if name := (volume.get("persistentVolumeClaim") or {}).get("claimName"):
            yield Ref(*CLAIM, pod.ref.namespace, str(name))


def claimed_by(survey: Survey) -> str:
    """Who has begun a purge and not ended it, in words; `""` if there is none."""
    claim = Claim.read(survey.namespace) if survey.namespace else None
    return "" if claim is None else f"another purge ({claim.holder}) is at work, or was interrupted"
