"""One look at the cluster: everything that has to do with Glasskube, and the evidence for it.

Reads and never writes. Lists every kind there is, because ownerReferences may
stand anywhere, but keeps only what can matter: Glasskube's and Flux's own kinds
whole, of all others the metadata of what is owned, labelled, named in a release
or lives in a namespace of theirs. A list that fails is remembered in
`unreadable`; nobody may take it for an empty one.

What the findings mean is left to `guard` and `plan`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from functools import cached_property
from typing import Any

from kubectl_glasskube_purge.glasskube import facts, inventory
from kubectl_glasskube_purge.kube import errors
from kubectl_glasskube_purge.kube.client import Client, Discovery, Listing, Resource
from kubectl_glasskube_purge.kube.objects import Found, Ref

from . import helm_release

VERSION_ANNOTATION = "glasskube-purge/version"
"""On the namespace, written before the first delete: the version can't be read any more once the operator is gone."""

FLUX_ANNOTATION = "glasskube-purge/flux"
"""On Flux's namespace, written likewise where it is proven that Glasskube brought it: the namespace itself has no
field manager, and once all else of Flux is gone nothing else tells."""

LABEL_MANAGER = "glasskube-purge-label"
"""Field manager of the labels that `label` sets, and of nothing else."""

TELLING_NOTHING = frozenset({LABEL_MANAGER, "before-first-apply"})
"""Field managers that don't tell who installed an object; the second is the API server's own, for all that an object
without any field manager had when it was first applied to."""

NAMESPACE = ("", "Namespace")
POD = ("", "Pod")
CLAIM = ("", "PersistentVolumeClaim")
VOLUME = ("", "PersistentVolume")
DEPLOYMENT = ("apps", "Deployment")
DEFINITION = ("apiextensions.k8s.io", "CustomResourceDefinition")
WEBHOOK = ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration")
CLUSTER_ROLE = ("rbac.authorization.k8s.io", "ClusterRole")
BINDINGS = (("rbac.authorization.k8s.io", "ClusterRoleBinding"), ("rbac.authorization.k8s.io", "RoleBinding"))
INGRESS = ("networking.k8s.io", "Ingress")
JOB = ("batch", "Job")
SECRET = ("", "Secret")
ENDPOINTS = ("", "Endpoints")

_CUSTOM = frozenset((*facts.GLASSKUBE_GROUP_KINDS, *(kind.group_kind for kind in facts.FLUX_KINDS)))
_WHOLE = _CUSTOM | {CLAIM, VOLUME, INGRESS, JOB, NAMESPACE, *BINDINGS}
"""Kinds whose spec or status decides something."""
FIRST = _CUSTOM | {NAMESPACE, DEFINITION, CLUSTER_ROLE}
"""Kinds that tell which of the others matter."""


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
    """Since when it is so, RFC 3339; `""` where nothing tells."""

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
    why: str = ""
    """What its Pods say where they aren't ready, e.g. `kube-rbac-proxy: ImagePullBackOff`."""

    @property
    def state(self) -> str:
        """`absent`, `scaled to zero`, `not ready` or `running`."""
        if self.found is None:
            return "absent"
        if self.replicas == 0:
            return "scaled to zero"
        return "running" if self.ready else "not ready"


@dataclass(frozen=True)
class Version:
    """Which Glasskube release is installed, and how that is known."""

    version: str = ""
    """`""` where nothing tells."""
    detected_by: str = ""
    alternatives: tuple[str, ...] = ()
    """Releases that have the same objects, where the objects are all there is to go by."""


@dataclass(frozen=True, eq=False)
class Survey:
    """What one look at the cluster found."""

    objects: Mapping[Ref, Found] = field(default_factory=dict)
    listed: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """Kinds that were listed, with the resourceVersion a watch of them goes on from."""
    defines: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Name of a CRD → the kind that the server serves for it."""
    helm_keeps: frozenset[Ref] = frozenset()
    """What Helm leaves at an uninstall: marked so in the release's stored manifest, not only on the live object."""
    existing: frozenset[str] = frozenset()
    """UIDs that exist, of those that any ownerReference names."""
    unreadable: tuple[Unreadable, ...] = ()
    version: Version = field(default_factory=Version)
    operator: Controller = field(default_factory=lambda: controller_of((), (), facts.NAMESPACE, ""))
    helm_controller: Controller = field(default_factory=lambda: controller_of((), (), facts.FLUX_NAMESPACE, ""))
    source_controller: Controller = field(default_factory=lambda: controller_of((), (), facts.FLUX_NAMESPACE, ""))
    packages: tuple[Package, ...] = ()
    taken: str = ""
    """When, RFC 3339 in UTC, by this machine's clock; `""` for a survey that wasn't taken of a cluster."""
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
    def namespace(self) -> Found | None:
        """Glasskube's namespace."""
        return self.get(Ref("", "Namespace", "", facts.NAMESPACE))

    @property
    def webhook(self) -> Found | None:
        """Glasskube's ValidatingWebhookConfiguration."""
        return self.get(Ref(*WEBHOOK, "", facts.WEBHOOK_CONFIGURATION))


async def survey(client: Client, also: Collection[Ref] = ()) -> Survey:
    """Looks at the whole cluster. Objects named in `also` are kept whatever they are.

    Raises `KubeError` only where the cluster can't be looked at at all; a single
    kind that can't be listed ends up in `unreadable`.
    """
    discovery = await client.discover()
    unreadable = [Unreadable(group, "its API server doesn't answer") for group in discovery.unreadable]
    resources = _listable(discovery)
    uids: set[str] = set()
    listings: list[Listing] = []

    async def read(resource: Resource, keep: Callable[[Found], bool]) -> None:
        def count_and_keep(found: Found) -> bool:
            uids.add(found.uid)
            return keep(found)

        try:
            whole = resource.group_kind in _WHOLE
            listings.append(await client.list(resource, whole=whole, keep=count_and_keep))
        except errors.NotFound:
            return  # the kind went away since discovery: its CRD is being deleted
        except errors.Unauthorized:
            raise
        except errors.KubeError as error:
            unreadable.append(Unreadable(str(resource), error.message, resource.group_kind, resource.namespaced))

    first = [r for r in resources if r.group_kind in FIRST]
    await asyncio.gather(*(read(resource, lambda found: True) for resource in first))
    roots = {found.ref: found for listing in listings for found in listing.items}
    keep = relevant(roots, resources, frozenset(also))
    await asyncio.gather(*(read(resource, keep) for resource in resources if resource.group_kind not in FIRST))
    objects = {found.ref: found for listing in listings for found in listing.items}
    await _read_whole(client, objects, unreadable)
    helm_keeps = await _helm_keeps(client, objects, unreadable)
    composed = compose(
        objects,
        helm_keeps=helm_keeps,
        listed={listing.resource.group_kind: listing.resource_version for listing in listings},
        defines={str(resource): resource.group_kind for resource in resources},
        uids=uids,
        unreadable=unreadable,
    )
    return replace(composed, taken=datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"))


async def revisit(client: Client, kinds: Collection[tuple[str, str]], namespaces: Collection[str]) -> Survey:
    """Looks again at all instances of some kinds, and at all that is in some namespaces. Nothing else is in it.

    What is served is what the last survey found. A kind that can't be listed
    ends up in `unreadable`. An owner that wasn't looked at counts as existing,
    but for Glasskube's own kinds: whoever looks again has seen those go.
    """
    objects: dict[Ref, Found] = {}
    unreadable: list[Unreadable] = []
    resources = _listable(client.discovery)

    async def read(resource: Resource, namespace: str) -> None:
        try:
            listing = await client.list(resource, namespace=namespace, whole=resource.group_kind in _WHOLE)
        except errors.NotFound:
            return
        except errors.KubeError as error:
            unreadable.append(Unreadable(str(resource), error.message, resource.group_kind, resource.namespaced))
            return
        objects.update({found.ref: found for found in listing.items})

    wanted = [(resource, "") for resource in resources if resource.group_kind in kinds]
    wanted += [(resource, namespace) for resource in resources if resource.namespaced for namespace in namespaces]
    await asyncio.gather(*(read(*question) for question in wanted))
    looked_at = {*facts.GLASSKUBE_GROUP_KINDS, *(resource.group_kind for resource, _ in wanted)}
    return compose(
        objects,
        listed={},
        defines={str(resource): resource.group_kind for resource in resources},
        uids=[found.uid for found in objects.values()],
        unreadable=unreadable,
        looked_at=looked_at,
    )


def _listable(discovery: Discovery) -> list[Resource]:
    """The kinds to look at. Those of an extension API server that doesn't answer are known to be unreadable."""
    return [
        resource
        for resource in discovery.resources
        if resource.plural != "events"
        and resource.verbs >= {"list", "delete"}
        and f"{resource.group}/{resource.version}" not in discovery.unreadable
    ]


async def controllers_now(client: Client, before: Survey) -> Survey:
    """The same survey with the operator's and Flux's controllers as they are now. Raises `KubeError`."""
    found: dict[Ref, Found] = {}

    async def read(kind: tuple[str, str], namespace: str) -> None:
        resource = client.discovery.find(*kind)
        if resource is not None:
            listing = await client.list(resource, namespace=namespace, whole=True)
            found.update({item.ref: item for item in listing.items})

    await asyncio.gather(
        *(read(kind, name) for kind in (DEPLOYMENT, POD) for name in (facts.NAMESPACE, facts.FLUX_NAMESPACE))
    )
    operator, helm_controller, source_controller = _controllers(found)
    return replace(before, operator=operator, helm_controller=helm_controller, source_controller=source_controller)


def compose(
    objects: Mapping[Ref, Found],
    *,
    listed: Mapping[tuple[str, str], str],
    defines: Mapping[str, tuple[str, str]],
    uids: Collection[str],
    unreadable: Iterable[Unreadable] = (),
    helm_keeps: Collection[Ref] = (),
    looked_at: Collection[tuple[str, str]] | None = None,
) -> Survey:
    """A Survey from what was read, of the kinds `looked_at`, or of all. Pure: the same objects make the same survey."""
    unreadable = tuple(sorted(unreadable, key=lambda u: u.what))
    unseen = {one.kind or one.what.partition("/")[0] for one in unreadable}
    owners = {owner for found in objects.values() for owner in found.owners}
    referenced = {owner.uid for owner in owners}
    # Whether an owner exists that can't be listed, or wasn't, isn't known: then nothing is taken for having lost it.
    unlisted = {
        o.uid
        for o in owners
        if (o.group, o.kind) in unseen
        or (o.group and o.group in unseen)
        or (looked_at is not None and (o.group, o.kind) not in looked_at)
    }
    operator, helm_controller, source_controller = _controllers(objects)
    webhook = objects.get(Ref(*WEBHOOK, "", facts.WEBHOOK_CONFIGURATION))
    return Survey(
        objects=dict(objects),
        listed=dict(listed),
        defines=dict(defines),
        helm_keeps=frozenset(helm_keeps),
        existing=frozenset(referenced.intersection(uids) | unlisted),
        unreadable=unreadable,
        version=_version(objects, operator),
        operator=operator,
        helm_controller=helm_controller,
        source_controller=source_controller,
        packages=_packages(objects),
        webhooks=frozenset(str(w.get("name")) for w in (webhook.get("webhooks") if webhook else None) or ()),
    )


def _controllers(objects: Mapping[Ref, Found]) -> tuple[Controller, Controller, Controller]:
    """The operator, helm-controller and source-controller."""
    deployments = [f for f in objects.values() if f.ref.group_kind == DEPLOYMENT]
    pods = [f for f in objects.values() if f.ref.group_kind == POD]
    return (
        controller_of(deployments, pods, facts.NAMESPACE, facts.OPERATOR_DEPLOYMENT, facts.OPERATOR_CONTAINER),
        controller_of(deployments, pods, facts.FLUX_NAMESPACE, facts.HELM_CONTROLLER),
        controller_of(deployments, pods, facts.FLUX_NAMESPACE, facts.SOURCE_CONTROLLER),
    )


# -- what matters


def relevant(
    roots: Mapping[Ref, Found], resources: Iterable[Resource], also: frozenset[Ref]
) -> Callable[[Found], bool]:
    """Decides for an object of any kind whether it may matter, given the packages and namespaces."""
    known = inventory.every_object() | also
    namespaces = {facts.NAMESPACE, facts.FLUX_NAMESPACE, *package_namespaces(roots)}
    defined = {f.ref.name for f in roots.values() if f.ref.group_kind == DEFINITION and _is_packaged(f)}
    packaged = {resource.group_kind for resource in resources if str(resource) in defined}
    roles = {
        f.ref.name for f in roots.values() if f.ref.group_kind == CLUSTER_ROLE and (f.ref in known or _is_packaged(f))
    }

    def keep(found: Found) -> bool:
        return bool(
            found.owners
            or found.ref.group_kind == INGRESS
            or (found.ref.group_kind in BINDINGS and found.get("roleRef", "name") in roles)
            or found.ref in known
            or found.ref.namespace in namespaces
            or found.ref.group_kind == VOLUME
            or found.ref.group_kind in packaged
            or found.ref.group_kind in _OF_OTHER_FLUX
            or (found.ref.group_kind == DEPLOYMENT and found.ref.name in _FLUX_CONTROLLERS)
            or found.labels.get(facts.MANAGED_BY_LABEL) == facts.MANAGED_BY
            or found.labels.get(facts.PART_OF_LABEL) == facts.PART_OF
            or facts.HELM_RELEASE_NAME_ANNOTATION in found.annotations
            or found.labels.get("owner") == "helm"
            or found.ref.name.startswith("glasskube-")
        )

    return keep


_OF_OTHER_FLUX = frozenset(kind.group_kind for kind in (*facts.FLUX_OTHER_KINDS, facts.FLUX_INSTANCE))
_FLUX_CONTROLLERS = frozenset({*facts.FLUX_DEPLOYMENTS, *facts.FLUX_OTHER_DEPLOYMENTS, facts.FLUX_OPERATOR})


def _is_packaged(found: Found) -> bool:
    """Whether a CRD or ClusterRole may come from a package, so that it matters who uses it."""
    return bool(
        found.owners
        or found.labels.get(facts.MANAGED_BY_LABEL) == facts.MANAGED_BY
        or facts.HELM_RELEASE_NAME_ANNOTATION in found.annotations
    )


def package_namespaces(objects: Mapping[Ref, Found]) -> frozenset[str]:
    """Namespaces that go with a package, or that hold what packages installed."""
    packages = {f.uid for f in objects.values() if f.ref.group_kind in facts.PACKAGE_GROUP_KINDS}
    names = {
        found.ref.name if found.ref.group_kind == NAMESPACE else found.ref.namespace
        for found in objects.values()
        if found.owned_by(packages) or found.ref.group_kind in facts.PACKAGE_GROUP_KINDS
    }
    targets = {
        str(found.get("spec", "targetNamespace") or "")
        for found in objects.values()
        if found.ref.group_kind == facts.HELM_RELEASE.group_kind and found.owned_by(packages)
    }
    # A chart may make namespaces, too: what others put there must not go unseen.
    made = {
        found.ref.name
        for found in objects.values()
        if found.ref.group_kind == NAMESPACE and facts.HELM_RELEASE_NAME_ANNOTATION in found.annotations
    }
    return frozenset(names | targets | made) - {""}


async def _read_whole(client: Client, objects: dict[Ref, Found], unreadable: list[Unreadable]) -> None:
    """Replaces the metadata of what has to be read whole: controllers, Pods of theirs and with volumes, the webhook
    configuration, and CRDs that are being deleted, whose conditions say why they are still there."""

    async def controllers(group: str, kind: str, namespace: str) -> None:
        resource = client.discovery.find(group, kind)
        if resource is None:
            return
        try:
            listing = await client.list(resource, namespace=namespace, whole=True)
        except errors.KubeError as error:
            unreadable.append(Unreadable(f"{resource} in {namespace}", error.message))
            return
        objects.update({found.ref: found for found in listing.items})

    async def one(ref: Ref) -> None:
        try:
            found = await client.get(ref, whole=True)
        except errors.KubeError as error:
            unreadable.append(Unreadable(str(ref), error.message))
            return
        if found is not None:
            objects[ref] = found

    present = {ref.name for ref in objects if ref.group_kind == NAMESPACE}
    single = [f.ref for f in objects.values() if f.ref.group_kind == DEFINITION and f.terminating]
    single += [ref for ref in objects if ref == Ref(*WEBHOOK, "", facts.WEBHOOK_CONFIGURATION)]
    # Who uses the volumes of packages: a claim in use doesn't go.
    with_volumes = {ref.namespace for ref in objects if ref.group_kind == CLAIM} & package_namespaces(objects)
    await asyncio.gather(
        *(one(ref) for ref in single),
        *(controllers(*POD, name) for name in with_volumes - {facts.NAMESPACE, facts.FLUX_NAMESPACE}),
        *(
            controllers(group, kind, namespace)
            for namespace in (facts.NAMESPACE, facts.FLUX_NAMESPACE)
            if namespace in present
            for group, kind in (DEPLOYMENT, POD)
        ),
    )


def release_secret(objects: Mapping[Ref, Found], namespace: str, name: str) -> Found | None:
    """The Secret in which Helm keeps the newest revision of a release, its metadata alone."""
    revisions = [
        found
        for found in objects.values()
        if found.ref.group_kind == SECRET
        and found.ref.namespace == namespace
        and found.labels.get("owner") == "helm"
        and found.labels.get("name") == name
    ]
    numbered = [found for found in revisions if found.labels.get("version", "").isdecimal()]
    return max(numbered, key=lambda found: int(found.labels["version"]), default=None)


async def _helm_keeps(client: Client, objects: Mapping[Ref, Found], unreadable: list[Unreadable]) -> frozenset[Ref]:
    """Of the objects that are marked to be kept, those that Helm knows to be.

    Helm reads its policy from the manifest in the release's Secret; an annotation
    added to the live object later doesn't impress it.
    """
    policy = "helm.sh/resource-policy"
    marked = [f for f in objects.values() if facts.KEEP_ANNOTATIONS[policy] == f.annotations.get(policy)]
    releases = {
        (
            found.annotations.get(facts.HELM_RELEASE_NAMESPACE_ANNOTATION, ""),
            found.annotations.get(facts.HELM_RELEASE_NAME_ANNOTATION, ""),
        )
        for found in marked
    }
    kept: set[Ref] = set()

    async def read(namespace: str, name: str) -> None:
        newest = release_secret(objects, namespace, name)
        if newest is None:
            return
        try:
            secret = await client.get(newest.ref, whole=True)
        except errors.KubeError as error:
            unreadable.append(Unreadable(newest.ref.display, error.message))
            return
        if secret is not None:
            kept.update(helm_release.kept_by_policy(secret, namespace))

    await asyncio.gather(*(read(namespace, name) for namespace, name in releases if name))
    return frozenset(kept)


# -- what was found


def controller_of(
    deployments: Iterable[Found], pods: Iterable[Found], namespace: str, name: str, container: str = ""
) -> Controller:
    """A controller's state from its Deployment and the Pods in its namespace.

    `container` is its main container; without it, any of a Pod's counts.
    """
    ref = Ref(*DEPLOYMENT, namespace, name, "v1")
    found = next((f for f in deployments if f.ref == ref), None)
    if found is None:
        return Controller(ref)
    selector = found.get("spec", "selector", "matchLabels") or {}
    own = [p for p in pods if p.ref.namespace == namespace and selector.items() <= dict(p.labels).items()]
    statuses = [s for p in own if not p.terminating for s in p.get("status", "containerStatuses") or ()]
    return Controller(
        ref,
        found,
        replicas=int(_or(found.get("spec", "replicas"), 1)),
        ready=int(found.get("status", "readyReplicas") or 0),
        running=any(
            "running" in (status.get("state") or {}) and status.get("name") in (container or status.get("name"),)
            for status in statuses
        ),
        why=_why_not_ready(statuses),
    )


def _or(value: Any, default: Any) -> Any:
    return default if value is None else value


def _why_not_ready(statuses: Iterable[Mapping[str, Any]]) -> str:
    reasons = []
    for status in statuses:
        state = status.get("state") or {}
        reason = (state.get("waiting") or state.get("terminated") or {}).get("reason")
        if reason and not status.get("ready"):
            reasons.append(f"{status.get('name')}: {reason}")
    return ", ".join(dict.fromkeys(reasons))


def _version(objects: Mapping[Ref, Found], operator: Controller) -> Version:
    for container in (operator.found.get("spec", "template", "spec", "containers") if operator.found else None) or ():
        if version := inventory.version_of_image(str(container.get("image") or "")):
            return Version(version, f"image of {operator.ref}")
    namespace = objects.get(Ref("", "Namespace", "", facts.NAMESPACE))
    recorded = namespace.annotations.get(VERSION_ANNOTATION, "") if namespace else ""
    if inventory.is_version(recorded):
        return Version(recorded, f"annotation {VERSION_ANNOTATION} of namespace/{facts.NAMESPACE}")
    candidates = inventory.fingerprint(objects.keys())
    if not candidates:
        return Version()
    return Version(candidates[0], "the set of objects that exist", candidates[1:])


def _packages(objects: Mapping[Ref, Found]) -> tuple[Package, ...]:
    found = [f for f in objects.values() if f.ref.group_kind in facts.PACKAGE_GROUP_KINDS]
    infos = [f for f in objects.values() if f.ref.group_kind == facts.PACKAGE_INFO.group_kind]
    by_name = {(f.ref.namespace, f.ref.name): f.ref for f in found}
    return tuple(_package(f, infos, by_name) for f in sorted(found, key=lambda f: f.ref))


def _describes(info: Found, template: Mapping[str, Any]) -> bool:
    """Whether a PackageInfo is that of a package with this `spec.packageInfo`."""
    spec = info.get("spec") or {}
    return all(
        str(spec.get(ours) or "") == str(template.get(theirs) or "")
        for ours, theirs in (("name", "name"), ("version", "version"), ("repositoryUrl", "repositoryName"))
    )


def _package(found: Found, infos: Iterable[Found], by_name: Mapping[tuple[str, str], Ref]) -> Package:
    template = found.get("spec", "packageInfo") or {}
    package = str(template.get("name") or found.ref.name)
    info = next((i for i in infos if _describes(i, template)), None)
    required = {
        ("", str(dependency.get("name")))
        for dependency in (info.get("status", "manifest", "dependencies") if info else None) or ()
    }
    required |= {
        (str(owned.get("namespace") or ""), str(owned.get("name")))
        for owned in found.get("status", "ownedPackages") or ()
    }
    conditions = {str(c.get("type")): c for c in found.get("status", "conditions") or ()}
    failed = conditions.get("Failed", {})
    ready = conditions.get("Ready", {})
    spoken = failed if failed.get("status") == "True" else ready
    return Package(
        found=found,
        package=package,
        info=info.ref if info else None,
        requires=frozenset(by_name[key] for key in required if key in by_name) - {found.ref},
        suspended=bool(found.get("spec", "suspend")),
        status=str(spoken.get("reason") or ""),
        ready=ready.get("status") == "True",
        failed=failed.get("status") == "True",
        message=str(spoken.get("message") or ""),
        since=str(spoken.get("lastTransitionTime") or found.created),
    )
