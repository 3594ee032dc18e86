"""What one survey of the cluster saw: the data, without the I/O that reads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from kubectl_glasskube_purge.glasskube import facts
from kubectl_glasskube_purge.kube.objects import Found, Ref
from kubectl_glasskube_purge.kube.wording import SHOWN

from .kinds import DEPLOYMENT, ENDPOINTS, WEBHOOK

WEBHOOK_CONFIGURATION = Ref(*WEBHOOK, "", facts.WEBHOOK_CONFIGURATION)

KUBE_SYSTEM = Ref("", "Namespace", "", "kube-system")
"""Its UID identifies the cluster: the API server makes it once, and never deletes it."""

VERSION_ANNOTATION = "glasskube-purge/version"
"""On the namespace, written before the first delete: the version can't be read any more once the operator is gone."""

FLUX_ANNOTATION = "glasskube-purge/flux"
"""On Flux's namespace, written likewise where it is proven that Glasskube brought it: the namespace itself has no
field manager, and once all else of Flux is gone nothing else shows it."""

KEPT_ANNOTATION = "glasskube-purge/kept"
"""On Glasskube's namespace: the packages that are handed over, as `--keep` takes them, with spaces between. A run after
an interruption finds some of them gone."""

REPLICAS_ANNOTATION = "glasskube-purge/replicas"
"""On Glasskube's namespace: how many replicas the operator had before it was stopped, for a restore."""

LABEL_MANAGER = "glasskube-purge-label"
"""Field manager of the labels that `label` sets, and of nothing else."""

TELLING_NOTHING = frozenset({LABEL_MANAGER, "before-first-apply"})
"""Field managers that don't tell who installed an object; the second is the API server's own, for all that an object
without any field manager had when it was first applied to."""


@dataclass(frozen=True)
class StoredRelease:
    """What Helm stored of a release. Refs of objects without a namespace name both scopes."""

    installed: frozenset[Ref] = frozenset()
    """What an uninstall removes."""
    kept: frozenset[Ref] = frozenset()
    """What an uninstall leaves, by Helm's resource policy."""
    programs: frozenset[str] = frozenset()
    """What the Jobs and Pods of its hooks run."""
    hooks: tuple[str, ...] = ()
    """What an uninstall runs before and after: kind and name."""
    digest: str = ""
    """What helm-controller notes of it in `status.history`."""
    problem: str = ""
    """Why it isn't read, or not completely: a predicate, printable. What isn't read proves nothing."""


@dataclass(frozen=True)
class Unreadable:
    """A part of the cluster that couldn't be looked at, and why."""

    what: str
    why: str
    kind: tuple[str, str] | None = None
    """The kind, where it is a list of all its objects that failed."""
    namespaced: bool = False


@dataclass(frozen=True)
class Package:
    """A Package or ClusterPackage."""

    found: Found
    package: str
    """The package's name in its repository (`spec.packageInfo.name`)."""
    info: Ref | None = None
    """Its PackageInfo, which has the manifest that the operator installed."""
    requires: frozenset[Ref] = frozenset()
    """Packages it depends on: the webhook refuses to delete those before it."""
    suspended: bool = False
    status: str = ""
    """Reason of the condition that says how it is: `InstallationSucceeded`, `Pending`, …"""
    ready: bool = False
    failed: bool = False
    message: str = ""
    since: str = ""
    """Since when it is so, RFC 3339; `""` if unknown."""

    @property
    def ref(self) -> Ref:
        """Which package."""
        return self.found.ref


@dataclass(frozen=True)
class Controller:
    """A Deployment that runs a controller, with what its Pods say of it."""

    ref: Ref
    found: Found | None = None
    replicas: int = 0
    ready: int = 0
    running: bool = False
    """Whether its main container runs in some Pod, ready or not: then it may still reconcile."""
    pods: int = 0
    """How many Pods it has that aren't being deleted."""
    why: str = ""
    """What its Pods say where they aren't ready, e.g. `kube-rbac-proxy: ImagePullBackOff`."""

    @property
    def gone(self) -> bool:
        """Whether it is seen to be gone: no Pod, and no Deployment that would start one."""
        return not self.pods and not self.replicas

    @property
    def state(self) -> str:
        """`absent`, `scaled to zero`, `not ready` or `running`."""
        if self.found is None:
            return "absent"
        if self.replicas == 0:
            return "scaled to zero"
        return "running" if self.ready else "not ready"


def absent_controller(namespace: str, name: str = "") -> Controller:
    """A controller of which there is no Deployment."""
    return Controller(Ref(*DEPLOYMENT, namespace, name, "v1"))


@dataclass(frozen=True)
class Version:
    """Which Glasskube release is installed, and how that is known."""

    version: str = ""
    """`""` if unknown."""
    detected_by: str = ""
    alternatives: tuple[str, ...] = ()
    """Releases that have the same objects, where the objects are all there is to go by."""


@dataclass(frozen=True)
class PassedOver:
    """Objects of a kind that were read and not kept."""

    count: int = 0
    first: tuple[Ref, ...] = ()
    """The first few of them by name."""

    def and_(self, ref: Ref) -> PassedOver:
        """These and one more."""
        first = self.first
        if len(first) < SHOWN or ref < first[-1]:
            first = tuple(sorted((*first, ref))[:SHOWN])
        return PassedOver(self.count + 1, first)


@dataclass(frozen=True, eq=False)
class Survey:
    """What one look at the cluster found."""

    objects: Mapping[Ref, Found] = field(default_factory=dict)
    listed: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """Kinds that were listed, with the resourceVersion a watch of them goes on from."""
    counted: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """How many objects of each kind were read, kept or not."""
    passed_over: Mapping[tuple[str, str], PassedOver] = field(default_factory=dict)
    """Of Flux's kinds, what has nothing to do with packages."""
    defines: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Name of a CRD → the kind that the server serves for it."""
    helm_keeps: frozenset[Ref] = frozenset()
    """What Helm leaves at an uninstall: marked so in the release's stored manifest, not only on the live object."""
    undecoded: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """Helm releases, by namespace and name, whose stored manifest isn't read completely → why: a predicate."""
    hook_programs: Mapping[tuple[str, str], frozenset[str]] = field(default_factory=dict)
    """Helm releases, by namespace and name → the programs that their hooks run. Only of a release that
    helm-controller noted so, and in whose namespace something is unexplained."""
    releases: Mapping[Ref, StoredRelease] = field(default_factory=dict)
    """HelmReleases of which the stored release was read, as of all where helm-controller doesn't run."""
    existing: frozenset[str] = frozenset()
    """UIDs that exist, of those that any ownerReference names."""
    unreadable: tuple[Unreadable, ...] = ()
    unavailable: tuple[Ref, ...] = ()
    """APIServices whose server doesn't answer: until it does, Kubernetes ends no namespace."""
    version: Version = field(default_factory=Version)
    operator: Controller = field(default_factory=lambda: absent_controller(facts.NAMESPACE))
    helm_controller: Controller = field(
        default_factory=lambda: Controller(Ref(*DEPLOYMENT, facts.FLUX_NAMESPACE, "", "v1"))
    )
    source_controller: Controller = field(
        default_factory=lambda: Controller(Ref(*DEPLOYMENT, facts.FLUX_NAMESPACE, "", "v1"))
    )
    packages: tuple[Package, ...] = ()
    taken: str = ""
    """When, RFC 3339 in UTC, by the cluster's clock; `""` if that isn't known."""
    webhooks: frozenset[str] = frozenset()
    """Names of the webhooks in Glasskube's configuration, as error messages name them."""

    @cached_property
    def labelled(self) -> tuple[Found, ...]:
        """What carries Glasskube's labels in its own right: Endpoints copy those of their Service."""
        return tuple(
            found
            for ref, found in sorted(self.objects.items())
            if ref.group_kind != ENDPOINTS
            and (
                found.labels.get(facts.MANAGED_BY_LABEL) == facts.MANAGED_BY
                or found.labels.get(facts.PART_OF_LABEL) == facts.PART_OF
            )
        )

    def hidden(self, *kinds: tuple[str, str]) -> tuple[Unreadable, ...]:
        """Which of these kinds couldn't be listed."""
        return tuple(unreadable for unreadable in self.unreadable if unreadable.kind in kinds)

    def of_kind(self, *kinds: tuple[str, str]) -> tuple[Found, ...]:
        """All objects of these kinds that were kept, sorted within each kind."""
        return tuple(found for kind in kinds for found in self._by_kind.get(kind, ()))

    def in_namespace(self, name: str) -> tuple[Found, ...]:
        """All objects in a namespace that were kept; `""` for those that are in none."""
        return self._by_namespace.get(name, ())

    @cached_property
    def _by_namespace(self) -> Mapping[str, tuple[Found, ...]]:
        namespaces: dict[str, list[Found]] = {}
        for ref, found in self.objects.items():
            namespaces.setdefault(ref.namespace, []).append(found)
        return {name: tuple(found) for name, found in namespaces.items()}

    @cached_property
    def _by_kind(self) -> Mapping[tuple[str, str], tuple[Found, ...]]:
        kinds: dict[tuple[str, str], list[Found]] = {}
        for ref in sorted(self.objects):
            kinds.setdefault(ref.group_kind, []).append(self.objects[ref])
        return {kind: tuple(found) for kind, found in kinds.items()}

    def get(self, ref: Ref) -> Found | None:
        """What was seen of an object; None where it wasn't there, or didn't matter."""
        return self.objects.get(ref)

    def flux_controller(self, found: Found) -> Controller:
        """The controller that has to drop Flux's finalizer from an object of Flux's kinds."""
        return self.helm_controller if found.ref.group == facts.HELM_GROUP else self.source_controller

    @property
    def package_objects(self) -> tuple[Found, ...]:
        """The packages themselves."""
        return tuple(package.found for package in self.packages)

    @cached_property
    def package_uids(self) -> frozenset[str]:
        """Their UIDs."""
        return frozenset(package.found.uid for package in self.packages)

    @property
    def namespace(self) -> Found | None:
        """Glasskube's namespace."""
        return self.get(Ref("", "Namespace", "", facts.NAMESPACE))

    @property
    def webhook(self) -> Found | None:
        """Glasskube's ValidatingWebhookConfiguration."""
        return self.get(WEBHOOK_CONFIGURATION)
