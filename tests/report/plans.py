"""A small cluster, its survey and its plan: enough to draw every part of what a person sees."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

from kubectl_glasskube_purge.glasskube import facts, inventory
from kubectl_glasskube_purge.kube.connect import Target
from kubectl_glasskube_purge.kube.objects import Found, Owner, Ref
from kubectl_glasskube_purge.purge.judge.plan import plan
from kubectl_glasskube_purge.purge.look.compose import compose
from kubectl_glasskube_purge.purge.model.plan import Options, Plan
from kubectl_glasskube_purge.purge.model.record import Record
from kubectl_glasskube_purge.purge.model.survey import Survey
from kubectl_glasskube_purge.report.preview import Header

VERSION = "v0.26.1"
TARGET = Target("prod-eu", "prod", "https://10.0.0.1:6443", "admin@prod-eu")
HEADER = Header(TARGET, "v0.26.1 slim + aio, downloaded; matches the inventory", "2025-02-11", "/backups/prod.yaml")


def found(
    group: str,
    kind: str,
    name: str,
    namespace: str = "",
    *,
    owner: Found | None = None,
    managers: Sequence[str] = (facts.FIELD_MANAGER,),
    body: dict[str, Any] | None = None,
    **more: Any,
) -> Found:
    ref = Ref(group, kind, namespace, name, "v1")
    owners = (Owner(owner.ref.group, owner.ref.kind, owner.ref.name, owner.uid),) if owner else ()
    return Found(
        ref, f"uid-{kind}-{namespace}-{name}", "1", owners=owners, managers=tuple(managers), body=body or {}, **more
    )


def package(name: str, namespace: str = "") -> list[Found]:
    """A package that is a Helm chart, with a workload and a volume."""
    kind = facts.PACKAGE if namespace else facts.CLUSTER_PACKAGE
    spec = {"packageInfo": {"name": name, "version": "v1.0.0", "repositoryName": ""}}
    home = namespace or name
    named = {"group": facts.HELM_GROUP, "kind": "HelmRelease", "namespace": home, "name": f"{name}-{name}"}
    body = {"spec": spec, "status": {"ownedResources": [named]}}
    root = found(*kind.group_kind, name, namespace, finalizers=(facts.PACKAGE_FINALIZER,), body=body)
    status = {"storageNamespace": home, "history": [{"name": f"{name}-{name}", "namespace": home, "version": 1}]}
    release_body = {"spec": {}, "status": status}
    release = found(*facts.HELM_RELEASE.group_kind, f"{name}-{name}", home, owner=root, body=release_body)
    marks = {
        facts.HELM_RELEASE_NAME_ANNOTATION: f"{name}-{name}",
        facts.HELM_RELEASE_NAMESPACE_ANNOTATION: home,
    }
    workload = found("apps", "Deployment", name, home, managers=("helm-controller",), annotations=marks)
    volume = {
        "spec": {"storageClassName": "gp3", "volumeName": f"pv-{name}"},
        "status": {"capacity": {"storage": "20Gi"}},
    }
    made = [root, release, workload]
    if not namespace:
        made.append(found("", "Namespace", name, owner=root))
        made.append(found("", "PersistentVolumeClaim", f"{name}-data", name, owner=release, body=volume))
    return made


def cluster(*packages: str, operator: bool = True) -> Survey:
    """v0.26.1 with Flux and packages, in a cluster that has a namespace `shop` of its own."""
    objects = [
        found(ref.group, ref.kind, ref.name, ref.namespace, body=_body(ref, operator))
        for ref in (*inventory.objects(VERSION, "slim"), *inventory.flux_objects(VERSION))
    ]
    pod = {"status": {"containerStatuses": [{"name": "manager", "ready": True, "state": {"running": {}}}]}}
    deployment = next(
        one for one in objects if one.ref.name == facts.OPERATOR_DEPLOYMENT and one.ref.kind == "Deployment"
    )
    objects.append(
        found("", "Pod", "operator", facts.NAMESPACE, owner=deployment, body=pod, labels={"app": "operator"})
    )
    objects.append(found("", "Namespace", "shop", managers=("kubectl-create",)))
    for name in packages:
        namespace, _, short = name.rpartition("/")
        objects += package(short, namespace)
    defines = {f"{kind.plural}.{kind.group}": kind.group_kind for kind in (*facts.GLASSKUBE_KINDS, *facts.FLUX_KINDS)}
    return compose({one.ref: one for one in objects}, defines=defines)


def having(survey: Survey, *objects: Found) -> Survey:
    """The same, with more objects in it, or others in their places."""
    there = {**survey.objects, **{one.ref: one for one in objects}}
    return compose(there, defines=survey.defines)


def _body(ref: Ref, operator: bool) -> dict[str, Any]:
    if ref.kind != "Deployment":
        return {}
    if ref.name != facts.OPERATOR_DEPLOYMENT:
        image = f"fluxcd/{ref.name}:{inventory.flux_versions(VERSION)[ref.name]}"
        return {"spec": {"replicas": 1, "template": {"spec": {"containers": [{"name": "manager", "image": image}]}}}}
    if not operator:
        return {}
    image = f"ghcr.io/glasskube/package-operator:{VERSION}"
    containers = [{"name": "manager", "image": image}]
    selector = {"matchLabels": {"app": "operator"}}
    return {
        "spec": {"replicas": 1, "selector": selector, "template": {"spec": {"containers": containers}}},
        "status": {"readyReplicas": 1},
    }


def decided(survey: Survey, **options: Any) -> Plan:
    """What the purge of this cluster would do."""
    return plan(survey, Options(**options))


def record(survey: Survey | None = None, **fields: Any) -> Record:
    """A run's record, as far as `fields` say it got."""
    made = Record(datetime(2026, 11, 23, 9, 11, 42, tzinfo=timezone.utc), context="prod-eu", survey=survey)
    if survey is not None:
        made.plan = decided(survey)
    for name, value in fields.items():
        setattr(made, name, value)
    return made
