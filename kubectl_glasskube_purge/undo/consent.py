"""What a restore asks for separately: what a file from elsewhere could do harm with. Pure.

Names alone decide. A hostile file can use the names of a release, so rights, webhooks and workloads are asked for
whatever they are called.
"""

from __future__ import annotations

from collections.abc import Iterable

from kubectl_glasskube_purge.glasskube import facts, inventory
from kubectl_glasskube_purge.kube.objects import Ref
from kubectl_glasskube_purge.kube.problem import Problem
from kubectl_glasskube_purge.purge.model.plan import Plan

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


def separately(plan: Plan, foreign: Iterable[Backup]) -> tuple[Problem, ...]:
    """A warning for each object of the plan that takes a consent of its own; `foreign` are the files to doubt."""
    doubted = {entry.ref for one in foreign for entry in (*one.contents.restored, *one.contents.remade)}
    applied = (action.ref for stage in plan.stages for action in stage.actions if action.ref in doubted)
    return tuple(Problem("asked-separately", f"{ref.display} {why}") for ref in applied if (why := reason(ref)))


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
    if ref.group_kind not in facts.GLASSKUBE_GROUP_KINDS and ref not in inventory.every_object():
        return "is in no release and no package"
    return ""
