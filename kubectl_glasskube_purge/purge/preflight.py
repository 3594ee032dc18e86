"""Reasons not to begin: somebody would put it back, work is under way, a right is missing.

What the Survey shows is judged here purely; only the rights are asked of the
API server. Each reason is one sentence that names the object it is about.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from io import StringIO
from typing import TYPE_CHECKING

from ruamel.yaml import YAML

from kubectl_glasskube_purge.glasskube import facts
from kubectl_glasskube_purge.kube.client import Client, Resource, Review
from kubectl_glasskube_purge.kube.objects import Found

from .survey import CLAIM, JOB, NAMESPACE, Package, Survey, package_namespaces

if TYPE_CHECKING:
    from .plan import Plan


# -- who would put it back


def gitops(objects: Iterable[Found]) -> tuple[str, ...]:
    """Which Argo CD Application, Flux Kustomization or Helm release manages which of these objects."""
    managers: dict[str, list[Found]] = {}
    for found in objects:
        if manager := managed_by(found):
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


def gitops_mode(survey: Survey) -> bool:
    """Whether Glasskube was told that a Git repository is where its packages come from."""
    value = survey.namespace.annotations.get(facts.GITOPS_MODE_ANNOTATION, "") if survey.namespace else ""
    return value in ("1", "t", "T", "true", "True", "TRUE")


# -- what is under way


def busy(survey: Survey) -> tuple[str, ...]:
    """Work that would be cut off, of those who are there to do it: a dead operator's packages aren't busy."""
    return tuple(reason for check in (_packages, _releases, _jobs) for reason in check(survey))


def _packages(survey: Survey) -> Iterator[str]:
    if not survey.operator.running:
        return
    for package in survey.packages:
        if package.found.terminating or package.suspended or package.ready or package.failed:
            continue
        if not _was_installed(package) and _minutes(package.since, survey.taken) < STUCK_AFTER:
            yield f"{package.ref.display} is being installed ({package.status or 'no status yet'})"


def _was_installed(package: Package) -> bool:
    """Whether the operator has been through with the version that is wanted.

    It writes that version into the status only then. A package that says Pending
    later waits for its Pods to be ready again: a node was restarted, or a
    container crashes. Nothing of that is cut off by a purge.
    """
    version = package.found.get("status", "version")
    return bool(version) and version == package.found.get("spec", "packageInfo", "version")


STUCK_AFTER = 10.0
"""Minutes for which a package may be Pending before it counts as stuck: helm-controller gives a chart 5."""


def _minutes(since: str, until: str) -> float:
    """Minutes between two RFC 3339 times; 0 where one of them isn't known."""
    try:
        begin, end = (datetime.fromisoformat(text.replace("Z", "+00:00")) for text in (since, until))
    except ValueError:
        return 0.0
    return (end - begin).total_seconds() / 60


def _releases(survey: Survey) -> Iterator[str]:
    if not survey.helm_controller.running:
        return
    for found in survey.of_kind(facts.HELM_RELEASE.group_kind):
        conditions = {str(c.get("type")): c.get("status") for c in found.get("status", "conditions") or ()}
        # helm-controller says Reconciling also while a release fails again and again (Ready is False then), and
        # at each routine look at one that is fine (True). Ready is Unknown while it really installs or upgrades.
        under_way = conditions.get("Reconciling") == "True" and conditions.get("Ready", "Unknown") == "Unknown"
        if under_way and not found.get("spec", "suspend"):
            yield f"{found.ref.display} is being reconciled"


def _jobs(survey: Survey) -> Iterator[str]:
    namespaces = package_namespaces(survey.objects)
    for found in survey.of_kind(JOB):
        if int(found.get("status", "ready") or 0) == 0:
            continue
        if found.ref.namespace == facts.NAMESPACE:
            yield f"{found.ref.display} is running: Glasskube is being installed"
        elif found.ref.namespace in namespaces:
            yield f"{found.ref.display} is running"


def volumes_in_use(survey: Survey, going: Iterable[Found]) -> tuple[Found, ...]:
    """Claims that a Pod uses (`kubernetes.io/pvc-protection` with a bound volume): they go once the Pod does."""
    return tuple(found for found in going if found.ref.group_kind == CLAIM and found.get("status", "phase") == "Bound")


# -- what the user may do


async def missing_rights(client: Client, plan: Plan) -> tuple[Review, ...]:
    """Asks the API server about every verb and kind of the plan, and returns what it says no to.

    Who may do everything is asked one question instead of a hundred. Raises
    `KubeError` where the API server can't be asked.
    """
    if (await client.may_i("*", EVERYTHING)).allowed:
        return ()
    questions = [
        (verb, resource, namespace)
        for verb, kind, namespace in sorted(rights(plan))
        if (resource := client.discovery.find(*kind)) is not None
    ]
    reviews = await asyncio.gather(*(client.may_i(*question) for question in questions))
    return tuple(review for review in reviews if not review.allowed)


def rights(plan: Plan) -> frozenset[tuple[str, tuple[str, str], str]]:
    """What it takes to carry a plan out: verb, kind, and namespace, `""` where it takes the kind in all of them."""
    wanted: set[tuple[str, tuple[str, str], str]] = set()
    for stage in plan.stages:
        for action in stage.actions:
            verbs = ("delete", "get") if action.verb == "delete" else ("get", "patch")
            wanted |= {(verb, action.ref.group_kind, action.ref.namespace) for verb in verbs}
    wanted |= {(verb, ref.group_kind, "") for ref in plan.going for verb in ("list", "watch")}
    wanted |= {("patch", NAMESPACE, "") for ref in plan.deletes if ref.group_kind == NAMESPACE}
    return frozenset(wanted)


EVERYTHING = Resource("*", "*", "*", "*", namespaced=False)


def role_for(reviews: Sequence[Review], user: str, name: str = "glasskube-purge") -> str:
    """A ClusterRole that grants what is missing and its binding to the user, as YAML to be applied as it stands."""
    verbs: dict[tuple[str, str], set[str]] = {}
    for review in reviews:
        verbs.setdefault((review.group, review.resource), set()).add(review.verb)
    group = "rbac.authorization.k8s.io"
    role = {
        "apiVersion": f"{group}/v1",
        "kind": "ClusterRole",
        "metadata": {"name": name},
        "rules": [
            {"apiGroups": [api_group], "resources": [resource], "verbs": sorted(needed)}
            for (api_group, resource), needed in sorted(verbs.items())
        ],
    }
    binding = {
        "apiVersion": f"{group}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": name},
        "subjects": [_subject(user)],
    }
    stream = StringIO()
    yaml = YAML()
    yaml.dump_all([role, binding], stream)
    return stream.getvalue()


def _subject(user: str) -> dict[str, str]:
    prefix, _, rest = user.partition("system:serviceaccount:")
    if not prefix and rest.count(":") == 1:
        namespace, name = rest.split(":")
        return {"kind": "ServiceAccount", "namespace": namespace, "name": name}
    return {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}
