"""What the user may do, asked of the API server before anything is deleted, and the role that grants the rest.

Which rights a plan takes is read from the plan alone; only `missing_rights` sends anything.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from kubectl_glasskube_purge.glasskube import facts, inventory
from kubectl_glasskube_purge.kube import yaml_text
from kubectl_glasskube_purge.kube.client import Client
from kubectl_glasskube_purge.kube.discovery import Discovery
from kubectl_glasskube_purge.kube.objects import Ref
from kubectl_glasskube_purge.kube.resources import Resource
from kubectl_glasskube_purge.kube.reviews import Review, may_i
from kubectl_glasskube_purge.purge.judge.held import foreign_finalizers
from kubectl_glasskube_purge.purge.model.kinds import DEPLOYMENT, NAMESPACE
from kubectl_glasskube_purge.purge.model.plan import Plan
from kubectl_glasskube_purge.purge.model.survey import Survey


async def missing_rights(client: Client, survey: Survey, *plans: Plan) -> tuple[Review, ...]:
    """Asks the API server about everything that the plans take, and returns what it says no to.

    Also about what couldn't be listed: what isn't seen may be another user's, in a namespace that is deleted. Who may
    do everything is asked one question instead of a hundred, and a user with a right on a whole kind isn't asked
    about each of its objects. Raises `KubeError` where the API server can't be asked.
    """
    if (await may_i(client, "*", EVERYTHING)).allowed:
        return ()
    questions: dict[tuple[str, Resource, str], set[str]] = {}
    for plan in plans:
        for right in rights(plan):
            if (resource := client.discovery.find(*right.kind)) is not None:
                questions.setdefault((right.verb, resource, right.namespace), set()).add(right.name)
    unseen = {unreadable.what for unreadable in survey.unreadable}
    for resource in client.discovery.resources:
        if str(resource) in unseen:
            questions |= {(verb, resource, ""): {""} for verb in _unseen(resource.group_kind)}
    whole = await asyncio.gather(*(may_i(client, *question) for question in sorted(questions)))
    refused = [question for question, review in zip(sorted(questions), whole, strict=True) if not review.allowed]
    named = [(*question, name) for question in refused for name in sorted(questions[question])]
    reviews = await asyncio.gather(*(may_i(client, *question) for question in named))
    return tuple(review for review in reviews if not review.allowed)


class Right(NamedTuple):
    """One thing that a purge does to an object, or with an empty name to all of a kind."""

    verb: str
    kind: tuple[str, str]
    namespace: str = ""
    """`""` for cluster-scoped objects, and for a kind in all namespaces."""
    name: str = ""


def rights(plan: Plan) -> frozenset[Right]:
    """What it takes to carry a plan out. What is listed and watched can't be limited by name."""
    wanted: set[Right] = set()
    going = plan.going

    def on(verb: str, ref: Ref) -> Right:
        return Right(verb, ref.group_kind, ref.namespace, ref.name)

    for stage in plan.stages:
        for action in stage.actions:
            verbs = {"get"}
            if action.verb == "delete" or action.removes:
                verbs.add("delete")
            # Glasskube's finalizer is removed from each package: the operator is stopped.
            if action.verb != "delete" or action.ref.group_kind in facts.PACKAGE_GROUP_KINDS:
                verbs.add("patch")
            wanted |= {on(verb, action.ref) for verb in verbs}
    wanted |= {Right(verb, ref.group_kind) for ref in going for verb in ("list", "watch")}
    wanted |= {on("patch", ref) for ref in plan.deletes if ref.group_kind == NAMESPACE}
    if plan.force_finalizers:
        wanted |= {on("patch", ref) for ref in going if foreign_finalizers(going[ref])}
        # What is uninstalled here, if helm-controller can't do it after all.
        left = {one.found.ref for stage in plan.stages for one in stage.consequences if one.rule == "helm"}
        wanted |= {on("delete", ref) for ref in left if ref.namespace not in plan.ending}
        wanted |= {on("delete", ref) for ref in going if ref.group_kind == facts.HELM_CHART.group_kind}
    return frozenset(wanted)


def _unseen(kind: tuple[str, str]) -> frozenset[str]:
    """What it takes to deal with a kind that can't be listed, and whose objects are unknown."""
    verbs = {"get", "list", "watch"}
    own = {*facts.GLASSKUBE_GROUP_KINDS, *(ref.group_kind for ref in inventory.every_object())}
    own.add(facts.HELM_RELEASE.group_kind)
    if kind in own:
        verbs.add("delete")
    if kind in (*facts.PACKAGE_GROUP_KINDS, NAMESPACE, DEPLOYMENT):
        verbs.add("patch")
    return frozenset(verbs)


EVERYTHING = Resource("*", "*", "*", "*", namespaced=False)


Rule = dict[str, list[str]]

READING: Rule = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list", "watch"]}
"""Whatever exists may belong to a package, or use Flux: what can't be read is doubt."""


def rules_of(discovery: Discovery, plan: Plan) -> list[Rule]:
    """Everything that a plan takes, changes by the names of their objects."""
    served = ((right, discovery.find(*right.kind)) for right in rights(plan))
    changes = [(one.group, one.plural, r.verb, r.name) for r, one in served if one and r.verb not in READING["verbs"]]
    return [READING, *rules_for(changes)]


def role_for(rules: Sequence[Rule], user: str) -> str:
    """A ClusterRole with these rules and its binding to the user, as YAML to be applied as it stands.

    Its name is made of its content: applied beside an earlier one it adds to it, and never takes its place.
    """
    group = "rbac.authorization.k8s.io"
    name = f"glasskube-purge-{hashlib.sha256(f'{user} {rules}'.encode()).hexdigest()[:8]}"
    role = {"apiVersion": f"{group}/v1", "kind": "ClusterRole", "metadata": {"name": name}, "rules": [*rules]}
    binding = {
        "apiVersion": f"{group}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": name},
        "subjects": [_subject(user)],
    }
    return "---\n".join(yaml_text.write(document, plain_words=True) for document in (role, binding))


def rules_for(wanted: Iterable[tuple[str, str, str, str]]) -> list[Rule]:
    """The rules of a role for groups, resources, verbs and names; a name of `""` is for all objects of the kind."""
    names: dict[tuple[str, str, str], set[str]] = {}
    for group, resource, verb, name in wanted:
        names.setdefault((group, resource, verb), set()).add(name)
    verbs: dict[tuple[str, str, tuple[str, ...]], list[str]] = {}
    for (group, resource, verb), named in sorted(names.items()):
        verbs.setdefault((group, resource, () if "" in named else tuple(sorted(named))), []).append(verb)
    rules = []
    for (group, resource, only), needed in verbs.items():
        rules.append({"apiGroups": [group], "resources": [resource], "verbs": needed})
        if only:
            rules[-1]["resourceNames"] = [*only]
    return rules


def _subject(user: str) -> dict[str, str]:
    prefix, _, rest = user.partition("system:serviceaccount:")
    if not prefix and rest.count(":") == 1:
        namespace, name = rest.split(":")
        return {"kind": "ServiceAccount", "namespace": namespace, "name": name}
    return {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}
