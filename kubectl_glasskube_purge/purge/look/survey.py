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
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

from kubectl_glasskube_purge.glasskube import facts, inventory
from kubectl_glasskube_purge.kube import errors
from kubectl_glasskube_purge.kube.client import Client, Listing
from kubectl_glasskube_purge.kube.discovery import Discovery
from kubectl_glasskube_purge.kube.objects import Found, Ref
from kubectl_glasskube_purge.kube.resources import Resource
from kubectl_glasskube_purge.purge.model.kinds import (
    BINDINGS,
    CLAIM,
    CLUSTER_ROLE,
    DEFINITION,
    DEPLOYMENT,
    INGRESS,
    JOB,
    NAMESPACE,
    POD,
    SECRET,
    VOLUME,
    WEBHOOK,
)
from kubectl_glasskube_purge.purge.model.survey import (
    VERSION_ANNOTATION,
    Controller,
    Package,
    Survey,
    Unreadable,
    Version,
)

from . import helm_release

_CUSTOM = frozenset((*facts.GLASSKUBE_GROUP_KINDS, *(kind.group_kind for kind in facts.FLUX_KINDS)))
_WHOLE = _CUSTOM | {CLAIM, VOLUME, INGRESS, JOB, NAMESPACE, *BINDINGS}
"""Kinds whose spec or status decides something."""
FIRST = _CUSTOM | {NAMESPACE, DEFINITION, CLUSTER_ROLE}
"""Kinds that tell which of the others matter."""


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
