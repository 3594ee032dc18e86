"""A Survey from the objects that were read: what they show together. Pure, and decides nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from kubectl_glasskube_purge.glasskube import facts, inventory
from kubectl_glasskube_purge.kube.objects import Found, Ref
from kubectl_glasskube_purge.purge.model.kinds import DEPLOYMENT, POD
from kubectl_glasskube_purge.purge.model.survey import (
    VERSION_ANNOTATION,
    WEBHOOK_CONFIGURATION,
    Controller,
    Package,
    Survey,
    Unreadable,
    Version,
)


def compose(
    objects: Mapping[Ref, Found],
    *,
    defines: Mapping[str, tuple[str, str]],
    uids: Collection[str] = (),
    unreadable: Iterable[Unreadable] = (),
    looked_at: Collection[tuple[str, str]] | None = None,
) -> Survey:
    """A Survey of the objects that were kept. The same objects make the same survey.

    `uids` are those of objects that were read and not kept. `looked_at` are the kinds that were read; None for all.
    """
    unreadable = tuple(sorted(unreadable, key=lambda u: u.what))
    unseen = {one.kind or one.what.partition("/")[0] for one in unreadable}
    existing = {*uids, *(found.uid for found in objects.values())}
    # Whether an owner exists that can't be listed, or wasn't, isn't known: then no object counts as having lost it.
    existing |= {
        o.uid
        for found in objects.values()
        for o in found.owners
        if (o.group, o.kind) in unseen
        or (o.group and o.group in unseen)
        or (looked_at is not None and (o.group, o.kind) not in looked_at)
    }
    referenced = {owner.uid for found in objects.values() for owner in found.owners}
    operator, helm_controller, source_controller = controllers(objects)
    webhook = objects.get(WEBHOOK_CONFIGURATION)
    return Survey(
        objects=dict(objects),
        defines=dict(defines),
        existing=frozenset(referenced & existing),
        unreadable=unreadable,
        version=_version(objects, operator),
        operator=operator,
        helm_controller=helm_controller,
        source_controller=source_controller,
        packages=_packages(objects),
        webhooks=frozenset(str(w.get("name")) for w in (webhook.get("webhooks") if webhook else None) or ()),
    )


def controllers(objects: Mapping[Ref, Found]) -> tuple[Controller, Controller, Controller]:
    """The operator, helm-controller and source-controller."""
    deployments = [f for f in objects.values() if f.ref.group_kind == DEPLOYMENT]
    pods = [f for f in objects.values() if f.ref.group_kind == POD]
    return (
        controller_of(deployments, pods, facts.NAMESPACE, facts.OPERATOR_DEPLOYMENT, facts.OPERATOR_CONTAINER),
        controller_of(deployments, pods, facts.FLUX_NAMESPACE, facts.HELM_CONTROLLER),
        controller_of(deployments, pods, facts.FLUX_NAMESPACE, facts.SOURCE_CONTROLLER),
    )


def controller_of(
    deployments: Iterable[Found], pods: Iterable[Found], namespace: str, name: str, container: str = ""
) -> Controller:
    """A controller's state from its Deployment and the Pods in its namespace.

    `container` is its main container; without it, any of a Pod's counts.
    """
    ref = Ref(*DEPLOYMENT, namespace, name, "v1")
    found = next((f for f in deployments if f.ref == ref), None)
    if found is None:
        named = [p for p in pods if p.ref.namespace == namespace and p.ref.name.startswith(f"{name}-")]
        return Controller(ref, pods=sum(not p.terminating for p in named))
    selector = found.get("spec", "selector", "matchLabels") or {}
    own = [p for p in pods if p.ref.namespace == namespace and selector.items() <= dict(p.labels).items()]
    statuses = [s for p in own if not p.terminating for s in p.get("status", "containerStatuses") or ()]
    replicas = found.get("spec", "replicas")
    return Controller(
        ref,
        found,
        replicas=1 if replicas is None else int(replicas),
        ready=int(found.get("status", "readyReplicas") or 0),
        running=any(
            "running" in (status.get("state") or {}) and status.get("name") in (container or status.get("name"),)
            for status in statuses
        ),
        pods=sum(not p.terminating for p in own),
        why=_why_not_ready(statuses),
    )


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
    infos: dict[tuple[str, ...], Found] = {}
    for one in objects.values():
        if one.ref.group_kind == facts.PACKAGE_INFO.group_kind:
            infos.setdefault(_described(one.get("spec") or {}, "repositoryUrl"), one)
    by_name = {(f.ref.namespace, f.ref.name): f.ref for f in found}
    return tuple(_package(f, infos, by_name) for f in sorted(found, key=lambda f: f.ref))


def _described(spec: Mapping[str, Any], repository: str) -> tuple[str, ...]:
    """What a PackageInfo's `spec` and a package's `spec.packageInfo` have in common; `repository` is the field."""
    return tuple(str(spec.get(field) or "") for field in ("name", "version", repository))


def _package(found: Found, infos: Mapping[tuple[str, ...], Found], by_name: Mapping[tuple[str, str], Ref]) -> Package:
    template = found.get("spec", "packageInfo") or {}
    package = str(template.get("name") or found.ref.name)
    info = infos.get(_described(template, "repositoryName"))
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
