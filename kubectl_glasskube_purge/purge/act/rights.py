"""What the user may do, asked of the API server before anything is deleted, and the role that grants the rest.

Which rights a plan takes is read from the plan alone; only `missing_rights` sends anything.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator, Mapping, Sequence

from kubectl_glasskube_purge.glasskube import facts, inventory
from kubectl_glasskube_purge.kube import yaml_text
from kubectl_glasskube_purge.kube.client import Client
from kubectl_glasskube_purge.kube.objects import Found, Ref
from kubectl_glasskube_purge.kube.resources import Resource
from kubectl_glasskube_purge.kube.reviews import Review, may_i
from kubectl_glasskube_purge.purge.judge.held import foreign_finalizers
from kubectl_glasskube_purge.purge.judge.ownership import helm_release_made_by
from kubectl_glasskube_purge.purge.model.kinds import NAMESPACE
from kubectl_glasskube_purge.purge.model.plan import Plan, Stage
from kubectl_glasskube_purge.purge.model.survey import Survey


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
    namespaces = stage.namespaces
    for consequence in stage.outside:
        home, _ = helm_release_made_by(going[consequence.because])
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
