"""What Kubernetes, Flux and Glasskube do when a plan is carried out: a model that knows nothing of how plans are made.

It is the other half of the promises' tests. The plan says what will go; this says
what goes, by what the API server, the garbage collector, the namespace
controller and helm-controller are documented to do, in the order in which the
stages run, and as fast as they can: whatever may go at a moment is gone then. Which chart
installed what, and which namespace holds what, is told by the world it is given,
never inferred from names or annotations.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from kubectl_glasskube_purge.glasskube import facts
from kubectl_glasskube_purge.kube.objects import Found, Ref
from kubectl_glasskube_purge.purge.model.plan import Action, Plan, Stage

NAMESPACE = ("", "Namespace")
DEFINITION = ("apiextensions.k8s.io", "CustomResourceDefinition")
HELM_CONTROLLER = Ref("apps", "Deployment", facts.FLUX_NAMESPACE, facts.HELM_CONTROLLER)


@dataclass(frozen=True, eq=False)
class World:
    """A cluster as it really is, whatever a survey may see of it."""

    objects: Mapping[str, Found]
    """By UID."""
    defines: Mapping[str, tuple[str, str]]
    """Name of a CRD → what it defines."""
    charts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """UID of a HelmRelease → the UIDs of what helm-controller removes with it, the release's Secret among them."""
    fetched: Mapping[str, str] = field(default_factory=dict)
    """UID of a HelmRelease → that of its HelmChart."""
    helm_runs: bool = True
    """Whether helm-controller, where its Deployment exists, has a running Pod."""


@dataclass
class _Cluster:
    world: World
    owners: dict[str, set[str]]
    alive: dict[str, Found]
    terminating: set[str] = field(default_factory=set)
    suspended: set[str] = field(default_factory=set)
    released: set[str] = field(default_factory=set)
    gone: dict[str, int] = field(default_factory=dict)
    """UID → how many had gone before."""
    wrongs: list[str] = field(default_factory=list)
    stuck: bool = False
    """Whether a delete of the last stage is never sent."""


@dataclass(frozen=True)
class Outcome:
    """What a plan did to a world."""

    gone: Mapping[str, int]
    """UIDs of what is gone, in the order in which it went."""
    finished: bool
    """Whether every stage was completed: what nobody finalizes ends the run."""
    wrongs: tuple[str, ...]
    """What went before what needs it."""


def settled(world: World) -> frozenset[str]:
    """What goes without anybody's doing: the garbage collector is about to take it."""
    cluster = _begin(world)
    _settle(cluster)
    return frozenset(cluster.gone)


def carried_out(plan: Plan, world: World) -> Outcome:
    """Runs a plan, stage by stage and level by level; a stage in which something gets stuck is the last."""
    cluster = _begin(world)
    _settle(cluster)
    finished = True
    for stage in plan.stages:
        _run(cluster, plan, stage)
        mine = {action.found.uid for action in stage.deletes} | {c.found.uid for c in stage.consequences}
        if cluster.stuck or mine & cluster.terminating:
            finished = False
            break
    return Outcome(dict(cluster.gone), finished, tuple(cluster.wrongs))


def _begin(world: World) -> _Cluster:
    cluster = _Cluster(
        world,
        {uid: {owner.uid for owner in found.owners} for uid, found in world.objects.items()},
        dict(world.objects),
    )
    cluster.suspended = {uid for uid, found in world.objects.items() if found.get("spec", "suspend")}
    cluster.terminating = {uid for uid, found in world.objects.items() if found.terminating}
    return cluster


def _run(cluster: _Cluster, plan: Plan, stage: Stage) -> None:
    going = {found.uid for found in plan.going.values()}
    drops = [action for action in stage.actions if action.verb == "release-finalizer" and not action.after]
    released = {action.found.uid for action in drops}
    waiting = [action for action in stage.actions if action.after]

    def delete(actions: Iterable[Action]) -> None:
        for action in actions:
            if action.verb == "release-finalizer":
                cluster.released.add(action.found.uid)
            else:
                _delete(cluster, plan, action)
                cluster.released |= released & {action.found.uid}
        _settle(cluster)

    for level in sorted({action.level for action in stage.actions}):
        batch = [action for action in stage.actions if action.level == level]
        for action in batch:
            if action.verb in ("detach", "hand-over") and not action.removes:
                cluster.owners[action.found.uid] -= going
            if action.removes and action.verb == "hand-over":
                cluster.suspended.add(action.found.uid)
        delete(one for one in batch if (one.verb == "delete" or one.removes) and not one.after)
    cluster.released |= released - {action.found.uid for action in waiting}
    _settle(cluster)
    while ready := [action for action in waiting if not action.after & cluster.alive.keys()]:
        waiting = [action for action in waiting if action not in ready]
        delete(ready)
    cluster.stuck = bool(waiting)


def _delete(cluster: _Cluster, plan: Plan, action: Action) -> None:
    uid = action.found.uid
    if uid not in cluster.alive:
        return
    _check_order(cluster, plan, cluster.alive[uid])
    cluster.terminating.add(uid)
    orphans = action.verb == "hand-over" or action.ref in plan.kept_packages
    if orphans:
        for dependents in cluster.owners.values():
            dependents.discard(uid)


def _check_order(cluster: _Cluster, plan: Plan, found: Found) -> None:
    """Instances before their controller, the controller before its CRD, CRDs before the namespace."""
    alive = cluster.alive.values()
    going = {one.uid for one in plan.going.values()}
    waiting = [one for one in alive if one.uid in going]
    late: list[Found] = []
    if found.ref == HELM_CONTROLLER:
        late = [one for one in waiting if one.ref.group_kind == facts.HELM_RELEASE.group_kind]
    elif found.ref.group_kind == DEFINITION and (kind := cluster.world.defines.get(found.ref.name)):
        late = [one for one in alive if one.ref.group_kind == kind]
        late += [one for one in waiting if one.ref.group_kind == ("apps", "Deployment") and _runs(one, kind)]
    elif found.ref.group_kind == NAMESPACE and found.ref.name in (facts.NAMESPACE, facts.FLUX_NAMESPACE):
        group = facts.GROUP if found.ref.name == facts.NAMESPACE else "fluxcd.io"
        late = [one for one in waiting if one.ref.group_kind == DEFINITION and one.ref.name.endswith(group)]
    cluster.wrongs += [f"{found.ref.display} goes before {one.ref.display}" for one in late]


def _runs(deployment: Found, kind: tuple[str, str]) -> bool:
    controllers = {
        facts.GROUP: (facts.NAMESPACE, facts.OPERATOR_DEPLOYMENT),
        facts.HELM_GROUP: (facts.FLUX_NAMESPACE, facts.HELM_CONTROLLER),
        facts.SOURCE_GROUP: (facts.FLUX_NAMESPACE, facts.SOURCE_CONTROLLER),
    }
    return (deployment.ref.namespace, deployment.ref.name) == controllers.get(kind[0])


def _settle(cluster: _Cluster) -> None:
    """Lets all controllers run until none has anything to do."""
    changed = True
    while changed:
        changed = False
        for uid in [*cluster.alive]:
            owners = cluster.owners[uid]
            if uid not in cluster.terminating and owners and not owners & cluster.alive.keys():
                cluster.terminating.add(uid)
                changed = True
        for uid in sorted(cluster.terminating & cluster.alive.keys()):
            changed = _finalize(cluster, uid) or changed


def _finalize(cluster: _Cluster, uid: str) -> bool:
    """One controller's step at something that is being deleted; whether it did anything."""
    found = cluster.alive[uid]
    if contents := _contents(cluster, found):
        fresh = contents - cluster.terminating
        cluster.terminating |= fresh
        return bool(fresh)
    held = found.ref.group_kind == facts.HELM_RELEASE.group_kind and facts.FLUX_FINALIZER in found.finalizers
    if held and uid not in cluster.released:
        if not cluster.world.helm_runs or not any(one.ref == HELM_CONTROLLER for one in cluster.alive.values()):
            return False
        if uid not in cluster.suspended:
            left_to_uninstall = {*cluster.world.charts.get(uid, ()), cluster.world.fetched.get(uid, "")}
            cluster.terminating |= left_to_uninstall & cluster.alive.keys()
    cluster.gone[uid] = len(cluster.gone)
    del cluster.alive[uid]
    cluster.terminating.discard(uid)
    return True


def _contents(cluster: _Cluster, found: Found) -> Collection[str]:
    """What goes with a namespace or a CRD, as far as it is still there."""
    if found.ref.group_kind == NAMESPACE:
        return {uid for uid, one in cluster.alive.items() if one.ref.namespace == found.ref.name}
    if found.ref.group_kind == DEFINITION and (kind := cluster.world.defines.get(found.ref.name)):
        return {uid for uid, one in cluster.alive.items() if one.ref.group_kind == kind}
    return set()
