"""What a restore asks for separately: what a file from elsewhere could do harm with. Pure.

Names alone decide. A hostile file can use the names of a release, so rights, webhooks and workloads are asked for
whatever they are called, and so are packages and repositories: the operator installs whatever a repository serves.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from kubectl_glasskube_purge.glasskube import facts, inventory
from kubectl_glasskube_purge.kube.objects import Ref
from kubectl_glasskube_purge.kube.problem import Problem
from kubectl_glasskube_purge.purge.model.plan import Plan

from .selection import Entry
from .text import Backup

_DAEMON_SET = ("apps", "DaemonSet")
_WORKLOADS = frozenset(
    {
        ("", "Pod"),
        ("", "ReplicationController"),
        ("apps", "Deployment"),
        ("apps", "ReplicaSet"),
        ("apps", "StatefulSet"),
        ("batch", "CronJob"),
        ("batch", "Job"),
    }
)


def separately(plan: Plan, foreign: Iterable[Backup], own: Iterable[Backup] = ()) -> tuple[Problem, ...]:
    """A warning for each object of the plan that needs a separate consent.

    `foreign` are the files to doubt. What an `own` one has, too, exactly as it is applied, isn't asked for.
    """
    doubted = {entry.ref for one in foreign for entry in _entries(one)}
    known = defaultdict(list)
    for entry in (entry for one in own for entry in _entries(one)):
        known[entry.ref].append(entry.document)
    actions = [action for stage in plan.stages for action in stage.actions if action.ref in doubted]
    applied = (action.ref for action in actions if action.found.body not in known[action.ref])
    return tuple(Problem("asked-separately", f"{ref.display} {why}") for ref in applied if (why := reason(ref)))


def _entries(backup: Backup) -> Iterable[Entry]:
    return (*backup.contents.restored, *backup.contents.remade)


def reason(ref: Ref) -> str:
    """Why an object is asked for separately; `""` if it isn't."""
    if ref.group == "rbac.authorization.k8s.io":
        return "gives rights"
    if ref.group == "admissionregistration.k8s.io":
        return "decides about requests of others"
    if ref.group_kind == _DAEMON_SET:
        return "runs on every node"
    system = ref.namespace.startswith("kube-") or ref.namespace in (facts.NAMESPACE, facts.FLUX_NAMESPACE)
    if system and ref.group_kind in _WORKLOADS:
        return "runs in a system namespace"
    if ref.group_kind in facts.GLASSKUBE_GROUP_KINDS:
        return "decides what the operator installs, with all its rights"
    return "" if ref in inventory.every_object() else "is in no release and no package"
