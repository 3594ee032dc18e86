"""Reasons not to begin: somebody would put it back, work is under way, a right is missing.

What the Survey shows is judged here purely; only the rights are asked of the
API server. Each reason is one sentence that names the object it is about.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from kubectl_glasskube_purge.glasskube import facts, inventory
from kubectl_glasskube_purge.kube import yaml_text
from kubectl_glasskube_purge.kube.client import Client
from kubectl_glasskube_purge.kube.objects import Found, Ref
from kubectl_glasskube_purge.kube.resources import Resource
from kubectl_glasskube_purge.kube.reviews import Review, may_i
from kubectl_glasskube_purge.kube.wording import displayed
from kubectl_glasskube_purge.purge.act.claim import Claim
from kubectl_glasskube_purge.purge.look.held import foreign_finalizers
from kubectl_glasskube_purge.purge.model.kinds import CLAIM, JOB, NAMESPACE, POD
from kubectl_glasskube_purge.purge.model.survey import Survey

from .ownership import release_of

if TYPE_CHECKING:
    from kubectl_glasskube_purge.purge.model.plan import Plan, Stage


# -- who would put it back


def gitops(objects: Iterable[Found]) -> tuple[str, ...]:
    """Which Argo CD Application, Flux Kustomization or Helm release manages which of these objects."""
    managers: dict[str, list[Found]] = {}
    for found in objects:
        if manager := managed_by(found) or _applied_by_argo(found):
            managers.setdefault(manager, []).append(found)
    return tuple(
        f"{manager} manages {members[0].ref.display}" + (f" and {len(members) - 1} more" if members[1:] else "")
        for manager, members in sorted(managers.items())
    )


def managed_by(found: Found) -> str:
    """Who manages an object from elsewhere, in words; `""` where nobody's mark is on it."""
    labels, annotations = found.labels, found.annotations
    if tracking := annotations.get(facts.ARGOCD_TRACKING_ANNOTATION):
        return f"Argo CD Application {tracking.split(':', 1)[0]}"
    if instance := labels.get(facts.ARGOCD_INSTANCE_LABEL):
        return f"Argo CD Application {instance}"
    if name := labels.get(facts.FLUX_KUSTOMIZATION_LABEL):
        return f"Flux Kustomization {labels.get(facts.FLUX_KUSTOMIZATION_NAMESPACE_LABEL, '')}/{name}"
    if name := labels.get(facts.FLUX_HELM_RELEASE_LABEL):
        return f"Flux HelmRelease {labels.get(facts.FLUX_HELM_RELEASE_NAMESPACE_LABEL, '')}/{name}"
    if name := annotations.get(facts.HELM_RELEASE_NAME_ANNOTATION):
        return f"Helm release {annotations.get(facts.HELM_RELEASE_NAMESPACE_ANNOTATION, '')}/{name}"
    return ""


def _applied_by_argo(found: Found) -> str:
    """Argo CD by its field manager: tracking by its former default label, it leaves no other mark of its own."""
    for manager in sorted(facts.ARGOCD_FIELD_MANAGERS.intersection(found.managers)):
        instance = found.labels.get(facts.INSTANCE_OF_LABEL)
        return f"Argo CD (field manager {manager}" + (f", {facts.INSTANCE_OF_LABEL}={instance})" if instance else ")")
    return ""


def gitops_mode(survey: Survey) -> bool:
    """Whether Glasskube was told that a Git repository is where its packages come from."""
    value = survey.namespace.annotations.get(facts.GITOPS_MODE_ANNOTATION, "") if survey.namespace else ""
    return value in ("1", "t", "T", "true", "True", "TRUE")


# -- what is under way


def busy(survey: Survey, going: Collection[Ref]) -> tuple[str, ...]:
    """Work that would be cut off, of those who are there to do it: a dead operator's packages aren't busy.

    `going` is all that a purge would take. What others have at work beside it goes on undisturbed, and is no reason.
    """
    return tuple(
        reason
        for found in (_packages(survey), _releases(survey, going), _jobs(survey, going), _volumes(survey, going))
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
        elif not package.ready and _minutes(package.since, survey.taken) < STUCK_AFTER:
            what = f"updated {update}" if update else "installed"
            yield f"{package.ref.display} is being {what} ({package.message or package.status or 'no status yet'})"


STUCK_AFTER = 10.0
"""Minutes for which a package may be Pending before it counts as stuck: helm-controller gives a chart 5."""


def _minutes(since: str, until: str) -> float:
    """Minutes between two RFC 3339 times; 0 where one of them isn't known."""
    try:
        begin, end = (datetime.fromisoformat(text.replace("Z", "+00:00")) for text in (since, until))
    except ValueError:
        return 0.0
    return (end - begin).total_seconds() / 60


def _releases(survey: Survey, going: Collection[Ref]) -> Iterator[str]:
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
        if not pod.get("spec", "nodeName"):
            continue
        for volume in pod.get("spec", "volumes") or ():
            if name := (volume.get("persistentVolumeClaim") or {}).get("claimName"):
                users.setdefault(Ref(*CLAIM, pod.ref.namespace, str(name)), []).append(pod.ref)
    return {claim: tuple(sorted(pods)) for claim, pods in sorted(users.items())}


def claimed_by(survey: Survey) -> str:
    """Who has begun a purge and not ended it, in words; `""` where nobody has."""
    claim = Claim.read(survey.namespace) if survey.namespace else None
    return "" if claim is None else f"another purge ({claim.holder}) is at work, or was interrupted"


# -- what the user may do


async def missing_rights(
    client: Client, survey: Survey, *plans: Plan, force_finalizers: bool = False
) -> tuple[Review, ...]:
    """Asks the API server about every verb and kind of the plans, and returns what it says no to.

    Also about what couldn't be listed: what isn't seen may be somebody's, in a namespace that goes. Who may
    do everything is asked one question instead of a hundred. Raises `KubeError` where the API server can't be asked.
    """
    if (await may_i(client, "*", EVERYTHING)).allowed:
        return ()
    questions = {
        (verb, resource, namespace)
        for plan in plans
        for verb, kind, namespace in rights(plan, force_finalizers=force_finalizers)
        if (resource := client.discovery.find(*kind)) is not None
    }
    unseen = {unreadable.what for unreadable in survey.unreadable}
    for resource in client.discovery.resources:
        if str(resource) in unseen:
            questions |= {(verb, resource, "") for verb in _unseen(resource.group_kind)}
    reviews = await asyncio.gather(*(may_i(client, *question) for question in sorted(questions)))
    return tuple(review for review in reviews if not review.allowed)


def rights(plan: Plan, *, force_finalizers: bool = False) -> frozenset[tuple[str, tuple[str, str], str]]:
    """What it takes to carry a plan out: verb, kind, and namespace, `""` where it takes the kind in all of them.

    With `force_finalizers`, also to drop the finalizers of others.
    """
    wanted: set[tuple[str, tuple[str, str], str]] = set()
    going = plan.going
    for stage in plan.stages:
        for action in stage.actions:
            verbs = {"get"}
            if action.verb == "delete" or action.removes:
                verbs.add("delete")
            # Glasskube's finalizer is dropped from a package for an operator that doesn't do it in time.
            if action.verb != "delete" or action.ref.group_kind in facts.PACKAGE_GROUP_KINDS:
                verbs.add("patch")
            wanted |= {(verb, action.ref.group_kind, action.ref.namespace) for verb in verbs}
        wanted |= {("delete", ref.group_kind, ref.namespace) for ref in _may_be_left(going, stage)}
    wanted |= {(verb, ref.group_kind, "") for ref in going for verb in ("list", "watch")}
    wanted |= {("patch", NAMESPACE, "") for ref in plan.deletes if ref.group_kind == NAMESPACE}
    if force_finalizers:
        wanted |= {("patch", ref.group_kind, ref.namespace) for ref in going if foreign_finalizers(going[ref])}
    return frozenset(wanted)


def _may_be_left(going: Mapping[Ref, Found], stage: Stage) -> Iterator[Ref]:
    """What a chart has outside of its namespace, where that goes: if it goes first, nobody uninstalls the rest."""
    namespaces = {c.found.ref.name for c in stage.consequences if c.found.ref.group_kind == NAMESPACE}
    for consequence in stage.consequences:
        if consequence.rule == "helm" and consequence.found.ref.namespace not in namespaces:
            home, _ = release_of(going[consequence.because])
            if home in namespaces:
                yield consequence.found.ref


def _unseen(kind: tuple[str, str]) -> frozenset[str]:
    """What it takes to deal with a kind that can't be listed, and of which nobody knows what there is."""
    verbs = {"get", "list", "watch"}
    own = {*facts.GLASSKUBE_GROUP_KINDS, *(ref.group_kind for ref in inventory.every_object())}
    if kind in own:
        verbs.add("delete")
    if kind in facts.PACKAGE_GROUP_KINDS or kind == NAMESPACE:
        verbs.add("patch")
    return frozenset(verbs)


EVERYTHING = Resource("*", "*", "*", "*", namespaced=False)


def role_for(reviews: Sequence[Review], user: str) -> str:
    """A ClusterRole that grants what is missing and its binding to the user, as YAML to be applied as it stands.

    Its name is made of its content: applied beside an earlier one it adds to it, and never takes its place.
    """
    verbs: dict[tuple[str, str], set[str]] = {}
    for review in reviews:
        verbs.setdefault((review.group, review.resource), set()).add(review.verb)
    group = "rbac.authorization.k8s.io"
    rules = [
        {"apiGroups": [api_group], "resources": [resource], "verbs": sorted(needed)}
        for (api_group, resource), needed in sorted(verbs.items())
    ]
    name = f"glasskube-purge-{hashlib.sha256(f'{user} {rules}'.encode()).hexdigest()[:8]}"
    role = {"apiVersion": f"{group}/v1", "kind": "ClusterRole", "metadata": {"name": name}, "rules": rules}
    binding = {
        "apiVersion": f"{group}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": name},
        "subjects": [_subject(user)],
    }
    return "---\n".join(yaml_text.write(document, plain_words=True) for document in (role, binding))


def _subject(user: str) -> dict[str, str]:
    prefix, _, rest = user.partition("system:serviceaccount:")
    if not prefix and rest.count(":") == 1:
        namespace, name = rest.split(":")
        return {"kind": "ServiceAccount", "namespace": namespace, "name": name}
    return {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}
