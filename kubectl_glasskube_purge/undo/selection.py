"""Plan → what of it is restored by hand, and what comes back by itself. Pure.

Everything that a purge takes along is one of three:

- *restored*: packages, repositories, the releases' own objects, namespaces, and
  what others put there. Nothing else brings it back.
- *remade*: what the operator, helm-controller or another controller recreates out
  of the restored. Applied from a backup it would have no owner, or to an owner
  whose UID is of yesterday. It is written down for reference all the same: what
  a user changed by hand is found there.
- by-products of running, such as Pods, ReplicaSets, Leases and tokens: not written
  down at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from kubectl_glasskube_purge.glasskube import facts, inventory
from kubectl_glasskube_purge.kube.objects import Found, Ref
from kubectl_glasskube_purge.purge.judge.foreign import CONTROL_PLANE, INCIDENTAL
from kubectl_glasskube_purge.purge.judge.ownership import HelmRelease, helm_release_made_by, helm_release_of
from kubectl_glasskube_purge.purge.model.kinds import JOB, NAMESPACE, SECRET
from kubectl_glasskube_purge.purge.model.plan import Plan
from kubectl_glasskube_purge.purge.model.survey import TELLING_NOTHING, WEBHOOK_CONFIGURATION

from .content import Document, content, without_certificates
from .order import rank

Role = Literal["restored", "remade", "by-product"]

_BY_PRODUCTS = frozenset(
    {
        ("", "Pod"),
        ("", "Endpoints"),
        ("apps", "ReplicaSet"),
        ("apps", "ControllerRevision"),
        ("coordination.k8s.io", "Lease"),
        ("discovery.k8s.io", "EndpointSlice"),
    }
)
"""Of these kinds, those that have an owner or were only ever written by the control plane; Leases always."""

_LEASE = ("coordination.k8s.io", "Lease")
WEBHOOK_SECRET = Ref("", "Secret", facts.NAMESPACE, facts.WEBHOOK_SECRET)
CERTIFICATE_JOB = Ref("batch", "Job", facts.NAMESPACE, "glasskube-webhook-cert-init")
"""Makes the webhook's certificate whenever it is created, and writes its CA into the configuration."""

_NEVER = frozenset({"kubernetes.io/service-account-token", "helm.sh/release.v1"})
"""Types of Secrets that do harm: the first are bound to UIDs of yesterday, the second make helm-controller believe
that a release is installed."""

_WITH_STATUS = frozenset(kind.group_kind for kind in (*facts.PACKAGE_KINDS, facts.PACKAGE_INFO, facts.HELM_RELEASE))
"""Kinds whose status says what an export needs: what packages own and depend on, and the Helm releases' names."""


@dataclass(frozen=True)
class Choice:
    """An object to be read and written down."""

    found: Found
    role: Role
    level: int = 0
    """Of a package: how many steps of others depend on it. Those with most go first."""


@dataclass(frozen=True)
class Entry:
    """An object as it is written down."""

    document: Document
    manager: str = facts.FIELD_MANAGER
    """The field manager to apply it with."""

    @property
    def ref(self) -> Ref:
        """Which object."""
        return Ref.of(self.document)


@dataclass(frozen=True)
class Contents:
    """What a backup consists of, in the order of putting back."""

    restored: tuple[Entry, ...] = ()
    remade: tuple[Entry, ...] = ()


def choose(plan: Plan) -> tuple[Choice, ...]:
    """What of everything that goes is to be read. By-products are left out."""
    levels = {action.ref: action.level for stage in plan.stages for action in stage.deletes}
    helm_releases = (found for ref, found in plan.going.items() if ref.group_kind == facts.HELM_RELEASE.group_kind)
    releases = {(*helm_release_made_by(found), False) for found in helm_releases}
    uids = {found.uid for found in plan.going.values()}
    # A package's parts are deleted by request, too, and made again by its package.
    requested = {ref for ref, one in plan.deletes.items() if one.verb == "hand-over" or not one.found.owned_by(uids)}
    choices = []
    for ref in sorted(plan.going):
        found = plan.going[ref]
        role = _role(found, ref in requested, releases)
        if role != "by-product":
            choices.append(Choice(found, role, levels.get(ref, 0)))
    actions = [action for stage in plan.stages for action in stage.actions if action.verb not in ("delete", "keep")]
    changed = {action.ref: action.found for action in actions if action.ref not in plan.going}
    # What is changed and stays: for a rollback, and for whoever wants to know what it was like.
    choices += [Choice(found, "remade") for found in changed.values()]
    return tuple(choices)


def _role(found: Found, deleted: bool, releases: set[HelmRelease]) -> Role:
    if _is_by_product(found):
        return "by-product"
    if found.ref.group_kind == NAMESPACE:
        return "restored"
    if found.ref.group_kind == facts.HELM_CHART.group_kind and facts.FLUX_HELM_RELEASE_LABEL in found.labels:
        return "by-product"  # helm-controller's, for a HelmRelease
    release = helm_release_of(found) in releases
    if deleted and not release:
        return "restored"
    return "remade" if found.owners or release else "restored"


def _is_by_product(found: Found) -> bool:
    ref = found.ref
    if ref.group_kind == _LEASE or (ref.group, ref.kind, ref.name) in INCIDENTAL:
        return True
    if ref.group_kind == SECRET and (
        found.labels.get("owner") == "helm" or "kubernetes.io/service-account.name" in found.annotations
    ):
        return True
    if ref.group_kind in _BY_PRODUCTS and found.owners:
        return True
    if ref.group_kind == JOB and any(owner.kind == "CronJob" for owner in found.owners):
        return True
    return bool(found.managers) and not found.owners and CONTROL_PLANE.issuperset(found.managers)


def contents(choices: Iterable[Choice], bodies: Mapping[Ref, Found]) -> Contents:
    """The backup's content, from what was chosen and how it reads. What isn't in `bodies` vanished meanwhile."""
    read = [(choice, bodies[choice.found.ref]) for choice in choices if choice.found.ref in bodies]
    read.sort(key=lambda pair: (rank(pair[1].ref), -pair[0].level, pair[1].ref))
    present = {body.ref for _, body in read}
    certified = CERTIFICATE_JOB not in present and WEBHOOK_SECRET in present
    restored: list[Entry] = []
    remade: list[Entry] = []
    states: list[Entry] = []
    for choice, body in read:
        if body.get("type") in _NEVER and body.ref.group_kind == SECRET:
            continue
        document = content(body.body)
        is_certificate = body.ref == WEBHOOK_SECRET
        if body.ref == WEBHOOK_CONFIGURATION and not certified:
            document = without_certificates(document)
        comes_back = choice.role == "remade" or (is_certificate and not certified) or _is_done(body)
        if body.ref.group_kind in _WITH_STATUS and (status := body.get("status")):
            if comes_back:
                document["status"] = status
            else:
                names = {key: document["metadata"][key] for key in ("namespace", "name") if key in document["metadata"]}
                head = {"apiVersion": document["apiVersion"], "kind": document["kind"], "metadata": names}
                states.append(Entry({**head, "status": status}, _manager(body)))
        (remade if comes_back else restored).append(Entry(document, _manager(body)))
    return Contents(tuple(restored), (*remade, *states))


def _is_done(body: Found) -> bool:
    """Whether it is a user's Job that ran to its end: recreated, it would run again."""
    if body.ref.group_kind != JOB or body.ref in inventory.every_object():
        return False
    conditions = body.get("status", "conditions") or ()
    return any(c.get("type") in ("Complete", "Failed") and c.get("status") == "True" for c in conditions)


def _manager(body: Found) -> str:
    """Under which field manager an object is restored.

    Glasskube's, but for what others may own as well: a Flux that another user
    applied must not look like Glasskube's afterwards.
    """
    of_a_release = body.ref in inventory.every_object() and body.ref not in inventory.every_flux_object()
    if of_a_release or body.ref.group == facts.GROUP:
        return facts.FIELD_MANAGER
    managers = [manager for manager in body.managers if manager not in TELLING_NOTHING]
    if not managers or facts.FIELD_MANAGERS.intersection(managers):
        return facts.FIELD_MANAGER
    return managers[0]


# -- parts of a backup

FLUX = "flux"
GLASSKUBE = "controllers"
PACKAGES = "packages"
PARTS = (FLUX, GLASSKUBE, PACKAGES)
"""What `--only` knows by name."""


def part_of(ref: Ref) -> str:
    """Which of `PARTS` an object belongs to; what others had there counts as the packages'."""
    of_flux = ref in inventory.every_flux_object() or ref.group_kind in facts.FLUX_GROUP_KINDS
    if of_flux or ref.namespace == facts.FLUX_NAMESPACE:
        return FLUX
    if ref in inventory.every_object() or ref.namespace == facts.NAMESPACE:
        return GLASSKUBE
    return PACKAGES


def matcher(only: str) -> Callable[[Ref], bool]:
    """Which objects one `--only` means: a part, `KIND/NAME` or `KIND/NAMESPACE/NAME`.

    Kinds as kubectl writes them, `Deployment` or `deployment.apps`. Raises `ValueError` for anything else.
    """
    if only in PARTS:
        return lambda ref: part_of(ref) == only
    kind, *path = only.split("/")
    if not kind or not path or len(path) > 2 or not all(path):
        raise ValueError(only)
    wanted = kind.lower()

    def matches(ref: Ref) -> bool:
        names = {ref.kind.lower(), f"{ref.kind}.{ref.group}".lower() if ref.group else ref.kind.lower()}
        if wanted not in names or ref.name != path[-1]:
            return False
        return len(path) == 1 or ref.namespace == path[0]

    return matches
