"""An install of Glasskube rendered from the project's own inventory.

The release manifests aren't part of this repository. The inventory knows which
objects each release consists of; this module gives each of them a content
that works on the test bed and is like the real one in all a purge looks at:
images, labels, ServiceAccounts and what they may do, the webhook's rules,
scopes and versions of the CRDs. Schemas accept anything.
"""

from __future__ import annotations

import functools
import re
from typing import Any

from kubectl_glasskube_purge.glasskube import facts, inventory, manifest
from kubectl_glasskube_purge.kube.objects import Ref
from tests.cluster.api import Object
from tests.definitions import definitions

_RBAC = "rbac.authorization.k8s.io"
_AGGREGATED = f"{_RBAC}/aggregate-to-"
_EVERYTHING = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]
_FLUX_GROUPS = ["helm.toolkit.fluxcd.io", "source.toolkit.fluxcd.io"]
_WEBHOOKS = "ValidatingWebhookConfiguration"
_PROXY_IMAGE = f"{facts.RBAC_PROXY_IMAGE}:v0.15.0"


def render(release: str, variant: str) -> list[Object]:
    """The manifest's objects in its order. Raises `KeyError` for a release or variant that isn't known."""
    return [_render(ref, release) for ref in inventory.objects(release, variant)]


@functools.lru_cache
def digests(release: str) -> inventory.Digests:
    """What `inventory.digests` would have if releases were made like this; empty for a release that isn't known."""
    known = inventory.variants(release) if release in inventory.releases() else ()
    objects = [one for variant in known for one in render(release, variant)]
    return {Ref.of(one): manifest.digest(one) for one in objects}


def _render(ref: Ref, release: str) -> Object:
    metadata: Object = {"name": ref.name}
    if ref.namespace:
        metadata["namespace"] = ref.namespace
    if labels := _labels(ref):
        metadata["labels"] = labels
    return {"apiVersion": ref.api_version, "kind": ref.kind, "metadata": metadata, **_CONTENT[ref.kind](ref, release)}


def _labels(ref: Ref) -> Object:
    if ref.name == "flux-view":
        return {_AGGREGATED + role: "true" for role in ("admin", "edit", "view")}
    if ref.name == "flux-edit":
        return {_AGGREGATED + role: "true" for role in ("admin", "edit")}
    if ref.name.startswith(facts.AUTOUPDATER):
        return {"app.kubernetes.io/name": facts.AUTOUPDATER}
    if not ref.name.startswith("glasskube-") or ref.kind in ("CustomResourceDefinition", _WEBHOOKS):
        return {}
    if ref.name.startswith("glasskube-webhook-cert") and ref.kind != "ServiceAccount":
        return {}
    if ref.name == "glasskube-manager-role":
        return {}
    if ref.name.endswith(("-editor-role", "-viewer-role")):
        return {"app.kubernetes.io/managed-by": "kustomize", "app.kubernetes.io/name": "glasskube"}
    return {
        "app.kubernetes.io/created-by": "glasskube",
        "app.kubernetes.io/managed-by": "kustomize",
        facts.PART_OF_LABEL: facts.PART_OF,
    }


def _definition(ref: Ref, release: str) -> Object:
    found = definitions(release)[ref.name]
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    versions = [
        {
            "name": version,
            "served": True,
            "storage": version == found.storage,
            "schema": {"openAPIV3Schema": schema},
            "subresources": {"status": {}},
        }
        for version in found.versions
    ]
    names = {
        "kind": found.kind,
        "listKind": f"{found.kind}List",
        "plural": found.plural,
        "singular": found.kind.lower(),
    }
    return {"spec": {"group": found.group, "scope": found.scope, "names": names, "versions": versions}}


def _deployment(ref: Ref, release: str) -> Object:
    if ref.name != facts.OPERATOR_DEPLOYMENT:
        image = f"fluxcd/{ref.name}:{inventory.flux_versions(release)[ref.name]}"
        container = {"name": "manager", "image": image}
        pod = {
            "containers": [container],
            "serviceAccountName": ref.name,
            "priorityClassName": "system-cluster-critical",
            "terminationGracePeriodSeconds": 10,
        }
        return _workload({"app": ref.name}, pod)
    webhook = any(one.kind == _WEBHOOKS for one in inventory.objects(release, inventory.SLIM))
    manager: Object = {"name": facts.OPERATOR_CONTAINER, "image": _operator_image(release)}
    pod = {
        "containers": [manager, {"name": facts.RBAC_PROXY_CONTAINER, "image": _PROXY_IMAGE}],
        "serviceAccountName": facts.OPERATOR_DEPLOYMENT,
        "terminationGracePeriodSeconds": 10,
    }
    if webhook:
        manager["ports"] = [{"containerPort": 9443, "name": "webhook-server"}]
        manager["volumeMounts"] = [{"name": "cert", "mountPath": "/tmp/k8s-webhook-server/serving-certs"}]
        pod["volumes"] = [{"name": "cert", "secret": {"secretName": facts.WEBHOOK_SECRET}}]
    return _workload({"control-plane": "controller-manager"}, pod)


def _workload(labels: Object, pod: Object) -> Object:
    return {
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        }
    }


def _operator_image(release: str) -> str:
    major, minor, patch = (int(part) for part in re.findall(r"\d+", release)[:3])
    tagged = (major, minor, patch) >= (0, 0, 2)
    return f"{facts.OPERATOR_IMAGE}:{release if tagged else 'latest'}"


def _job(ref: Ref, release: str) -> Object:
    pod = {
        "containers": [{"name": "manager", "image": _operator_image(release), "command": ["/cert-manager"]}],
        "restartPolicy": "OnFailure",
        "serviceAccountName": "glasskube-webhook-cert",
    }
    if ref.name == facts.AUTOUPDATER:
        container = {"name": "update", "image": f"ghcr.io/glasskube/glasskube:{release}"}
        pod = {"containers": [container], "restartPolicy": "Never", "serviceAccountName": facts.AUTOUPDATER}
    template: Object = {"spec": {"template": {"spec": pod}}}
    return {"spec": {"schedule": "0 0 1 1 *", "jobTemplate": template}} if ref.kind == "CronJob" else template


def _service(ref: Ref, _release: str) -> Object:
    selector = {"app": ref.name} if ref.namespace == "flux-system" else {"control-plane": "controller-manager"}
    port: Object = {"port": 8443, "targetPort": 8443, "name": "https"}
    if ref.name == facts.WEBHOOK_SERVICE:
        port = {"port": 443, "targetPort": 9443}
    elif ref.namespace == "flux-system":
        port = {"port": 80, "targetPort": 9090, "name": "http"}
    return {"spec": {"selector": selector, "ports": [port]}}


def _role(ref: Ref, _release: str) -> Object:
    if ref.name == "glasskube-manager-role":
        return {"rules": _EVERYTHING}
    name = f"{ref.kind} {ref.name}" if ref.name == "glasskube-webhook-cert-role" else ref.name
    if name == "glasskube-metrics-reader":
        return {"rules": [{"nonResourceURLs": ["/metrics"], "verbs": ["get"]}]}
    rules = [
        {"apiGroups": groups, "resources": resources, "verbs": verbs.split()}
        for groups, resources, verbs in _RIGHTS[name]
    ]
    return {"rules": rules}


_EDIT = "create delete get list patch update watch"
_RIGHTS: dict[str, list[tuple[list[str], list[str], str]]] = {
    "ClusterRole glasskube-webhook-cert-role": [
        (["admissionregistration.k8s.io"], ["validatingwebhookconfigurations"], "patch")
    ],
    "Role glasskube-webhook-cert-role": [([""], ["secrets"], "create patch")],
    "crd-controller": [
        (_FLUX_GROUPS, ["*"], "*"),
        ([""], ["namespaces", "secrets", "serviceaccounts"], "get list watch"),
        ([""], ["configmaps"], _EDIT),
        ([""], ["events"], "create patch"),
        (["coordination.k8s.io"], ["leases"], _EDIT),
    ],
    "flux-edit": [(_FLUX_GROUPS, ["*"], "create delete patch update")],
    "flux-view": [(_FLUX_GROUPS, ["*"], "get list watch")],
    "glasskube-autoupdate": [([facts.GROUP], ["packages", "clusterpackages"], "get list patch update")],
    "glasskube-leader-election-role": [(["coordination.k8s.io"], ["leases"], _EDIT)],
    "glasskube-proxy-role": [(["authentication.k8s.io"], ["tokenreviews"], "create")],
    **{
        f"glasskube-{kind}-{role}-role": [([facts.GROUP], [plural], verbs)]
        for kind, plural in (("clusterpackage", "clusterpackages"), ("packagerepository", "packagerepositories"))
        for role, verbs in (("editor", _EDIT), ("viewer", "get list watch"))
    },
}
"""What the roles allow, of all that the real ones do what the doubles need: groups, resources and verbs."""


def _binding(ref: Ref, release: str) -> Object:
    roles = {one.name for one in inventory.objects(release, inventory.AIO) if one.kind.endswith("Role")}
    role = ref.name.replace("rolebinding", "role")
    subject: Object = {"kind": "ServiceAccount", "name": facts.OPERATOR_DEPLOYMENT, "namespace": facts.NAMESPACE}
    subjects = [subject]
    if ref.name.startswith("glasskube-webhook-cert"):
        subject["name"] = "glasskube-webhook-cert"
    elif ref.name == facts.AUTOUPDATER:
        subject["name"] = role = facts.AUTOUPDATER
    elif ref.name == "crd-controller":
        controllers = ("kustomize", "helm", "source", "notification", "image-reflector", "image-automation")
        subjects = [{**subject, "name": f"{name}-controller", "namespace": "flux-system"} for name in controllers]
    elif ref.name == "cluster-reconciler":
        names = ("kustomize-controller", "helm-controller")
        subjects = [{**subject, "name": name, "namespace": "flux-system"} for name in names]
    if role not in roles and role != facts.AUTOUPDATER:
        role = "cluster-admin"
    kind = "ClusterRole" if ref.kind == "ClusterRoleBinding" else "Role"
    return {"roleRef": {"apiGroup": _RBAC, "kind": kind, "name": role}, "subjects": subjects}


def _webhooks(_ref: Ref, release: str) -> Object:
    defined = {one.kind: one for one in definitions(release).values() if one.group == facts.GROUP}
    webhooks = []
    for kind, operations in (
        ("ClusterPackage", ["CREATE", "UPDATE", "DELETE"]),
        ("Package", ["CREATE", "UPDATE", "DELETE"]),
        ("PackageRepository", ["UPDATE", "DELETE"]),
    ):
        if kind not in defined or (kind == "PackageRepository" and not _guards_repositories(release)):
            continue
        path = f"/validate-packages-glasskube-dev-v1alpha1-{kind.lower()}"
        service = {"name": facts.WEBHOOK_SERVICE, "namespace": facts.NAMESPACE, "path": path}
        rule = {
            "apiGroups": [facts.GROUP],
            "apiVersions": [facts.VERSION],
            "operations": operations,
            "resources": [defined[kind].plural],
        }
        webhooks.append(
            {
                "name": f"v{kind.lower()}.kb.io",
                "admissionReviewVersions": ["v1"],
                "clientConfig": {"service": service},
                "failurePolicy": "Fail",
                "sideEffects": "None",
                "rules": [rule],
            }
        )
    return {"webhooks": webhooks}


def _guards_repositories(release: str) -> bool:
    return inventory.precedence(release) >= inventory.precedence("v0.18.0")


def _quota(_ref: Ref, _release: str) -> Object:
    scope = {
        "matchExpressions": [
            {
                "operator": "In",
                "scopeName": "PriorityClass",
                "values": ["system-node-critical", "system-cluster-critical"],
            }
        ]
    }
    return {"spec": {"hard": {"pods": "1000"}, "scopeSelector": scope}}


def _policy(ref: Ref, _release: str) -> Object:
    direction = "Egress" if ref.name == "allow-egress" else "Ingress"
    return {"spec": {"podSelector": {}, "policyTypes": [direction], direction.lower(): [{}]}}


def _nothing(_ref: Ref, _release: str) -> Object:
    return {}


_CONTENT: dict[str, Any] = {
    "ClusterRole": _role,
    "ClusterRoleBinding": _binding,
    "CronJob": _job,
    "CustomResourceDefinition": _definition,
    "Deployment": _deployment,
    "Job": _job,
    "Namespace": _nothing,
    "NetworkPolicy": _policy,
    "ResourceQuota": _quota,
    "Role": _role,
    "RoleBinding": _binding,
    "Service": _service,
    "ServiceAccount": _nothing,
    "ValidatingWebhookConfiguration": _webhooks,
}
