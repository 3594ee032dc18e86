"""The packages and Helm charts that the doubles install.

A table instead of a repository server: what a repository serves is data, and
the tests need to see at a glance what a package brings along. Names are made
up; shapes are those of real packages: plain manifests, a CRD, a leader
election Role in `kube-system`, charts with volumes, dependencies, components.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Object = dict[str, Any]


DEFAULT_URL = "https://packages.dl.glasskube.dev/packages/"
EXTRA_URL = "https://packages.example.com/extra/"
SLOW_URL = "https://far-away.example.com/packages/"
"""A mirror of the default repository that answers late: the operator sees every package while it waits for the answer.

The other repositories answer before the operator looks at a package for the second time. That is all that decides
whether a package that requires others gets the operator's finalizer, so a test decides it by the repository's URL.
"""


@dataclass(frozen=True)
class Package:
    """A package of a repository. `manifest` is its `package.yaml`, `plain` the files that it names."""

    name: str
    versions: tuple[str, ...]
    manifest: Object
    plain: Mapping[str, Sequence[Object]] = field(default_factory=dict)


@dataclass(frozen=True)
class Chart:
    """A Helm chart: its objects for a release name and namespace, and what goes wrong with it."""

    name: str
    version: str
    render: Callable[[str, str], list[Object]]
    folder: Sequence[Object] = ()
    """The CRDs in its `crds/`: Helm installs them first, keeps no record of them, and never deletes them."""
    hooks: Mapping[str, Callable[[str, str], list[Object]]] = field(default_factory=dict)
    """What Helm creates at an event such as `pre-delete`, waits for, and deletes when it succeeded."""
    fails_install: str = ""
    fails_uninstall: str = ""


def find(url: str, name: str, version: str) -> Package | str:
    """What a repository answers: the package, or the message of the error that a client makes of it."""
    if url.rstrip("/") + "/" not in REPOSITORIES:
        host = url.split("/")[2] if "//" in url else url
        return f'Get "{url}": dial tcp: lookup {host}: no such host'
    package = PACKAGES.get(name)
    if package is None or name not in REPOSITORIES[url.rstrip("/") + "/"] or version not in package.versions:
        return "404 Not Found"
    return package


def _meta(name: str, namespace: str | None, **more: Any) -> Object:
    metadata: Object = {"name": name, "labels": {"app.kubernetes.io/name": name}, **more}
    if namespace is not None:
        metadata["namespace"] = namespace
    return metadata


def _pod(name: str, volumes: Sequence[Object] = ()) -> Object:
    container: Object = {"name": "main", "image": f"registry.example.com/{name}:1.0.0"}
    if volumes:
        container["volumeMounts"] = [{"name": one["name"], "mountPath": f"/{one['name']}"} for one in volumes]
    return {
        "metadata": {"labels": {"app": name}},
        "spec": {"containers": [container], "volumes": list(volumes), "terminationGracePeriodSeconds": 5},
    }


def _deployment(name: str, namespace: str | None = None, replicas: int = 1, volumes: Sequence[Object] = ()) -> Object:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _meta(name, namespace),
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": _pod(name, volumes),
        },
    }


def _stateful_set(name: str, namespace: str | None = None, size: str = "20Gi") -> Object:
    template = _pod(name)
    template["spec"]["containers"][0]["volumeMounts"] = [{"name": "data", "mountPath": "/data"}]
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": _meta(name, namespace),
        "spec": {
            "replicas": 1,
            "serviceName": name,
            "selector": {"matchLabels": {"app": name}},
            "template": template,
            "volumeClaimTemplates": [
                {
                    "metadata": {"name": "data"},
                    "spec": {
                        "accessModes": ["ReadWriteOnce"],
                        "resources": {"requests": {"storage": size}},
                    },
                }
            ],
        },
    }


def _daemon_set(name: str, namespace: str | None = None) -> Object:
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": _meta(name, namespace),
        "spec": {"selector": {"matchLabels": {"app": name}}, "template": _pod(name)},
    }


def _job(name: str, namespace: str | None = None) -> Object:
    template = _pod(name)
    template["spec"]["restartPolicy"] = "Never"
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": _meta(name, namespace),
        "spec": {"template": template},
    }


def _claim(name: str, namespace: str | None = None, size: str = "5Gi") -> Object:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": _meta(name, namespace),
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}},
    }


def _service(name: str, namespace: str | None = None) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _meta(name, namespace),
        "spec": {"selector": {"app": name}, "ports": [{"port": 80, "targetPort": 8080}]},
    }


def _config_map(name: str, namespace: str | None = None, **data: str) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": _meta(name, namespace), "data": data}


def _service_account(name: str, namespace: str | None = None) -> Object:
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": _meta(name, namespace)}


def _secret(name: str, namespace: str | None = None) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": _meta(name, namespace),
        "stringData": {"password": "only-for-tests"},
    }


def _role(kind: str, name: str, namespace: str | None = None) -> Object:
    rules = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list", "watch"]}]
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": kind,
        "metadata": _meta(name, namespace),
        "rules": rules,
    }


def _binding(kind: str, name: str, account_namespace: str, namespace: str | None = None) -> Object:
    role = "ClusterRole" if kind == "ClusterRoleBinding" else "Role"
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": kind,
        "metadata": _meta(name, namespace),
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": role, "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": account_namespace}],
    }


def _definition(plural: str, kind: str, group: str) -> Object:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{plural}.{group}",
            # The API server demands it of Kubernetes' own groups.
            "annotations": {"api-approved.kubernetes.io": "unapproved, for tests"} if group.endswith(".k8s.io") else {},
        },
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": plural, "singular": kind.lower(), "kind": kind, "listKind": f"{kind}List"},
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": schema},
                    "subresources": {"status": {}},
                }
            ],
        },
    }


def _ingress_class(name: str) -> Object:
    spec = {"controller": f"example.com/{name}"}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "IngressClass",
        "metadata": _meta(name, None),
        "spec": spec,
    }


def _webhook(name: str, namespace: str) -> Object:
    """One that checks Ingresses, and lets them pass while it doesn't answer."""
    rule = {
        "apiGroups": ["networking.k8s.io"],
        "apiVersions": ["v1"],
        "operations": ["CREATE"],
        "resources": ["ingresses"],
    }
    hook = {
        "name": f"{name}.example.com",
        "clientConfig": {"service": {"name": name, "namespace": namespace}},
        "rules": [rule],
        "failurePolicy": "Ignore",
        "timeoutSeconds": 1,
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": _meta(name, None),
        "webhooks": [hook],
    }


def _balancer(name: str, namespace: str) -> list[Object]:
    """As ingress-nginx's chart: a class, a webhook, and hooks whose Jobs make the webhook's certificate."""
    return [*_web(name, namespace), _ingress_class("balancer"), _webhook(name, namespace)]


_DISKS = [
    {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "CSIDriver",
        "metadata": _meta("disks.example.com", None),
        "spec": {"attachRequired": False},
    },
    {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": _meta("disks", None),
        "provisioner": "disks.example.com",
        "volumeBindingMode": "WaitForFirstConsumer",
    },
    _daemon_set("disks"),
]
"""A CSI driver."""


def _web(name: str, namespace: str) -> list[Object]:
    return [
        _service_account(name, namespace),
        _config_map(name, namespace, mode="production"),
        _service(name, namespace),
        _deployment(name, namespace),
    ]


def _database(name: str, namespace: str) -> list[Object]:
    return [_secret(name, namespace), _service(name, namespace), _stateful_set(name, namespace)]


def _agent(name: str, namespace: str) -> list[Object]:
    return [_service_account(name, namespace), _daemon_set(name, namespace), _job(f"{name}-setup", namespace)]


def _kept(name: str, namespace: str) -> list[Object]:
    claim = _claim(f"{name}-archive", namespace)
    claim["metadata"]["annotations"] = {"helm.sh/resource-policy": "keep"}
    return [*_web(name, namespace), claim]


def _cluster_wide(name: str, namespace: str) -> list[Object]:
    return [
        *_web(name, namespace),
        _role("ClusterRole", name),
        _binding("ClusterRoleBinding", name, namespace),
    ]


def _issuers(name: str, namespace: str) -> list[Object]:
    """As cert-manager's chart: the CRDs are templates, marked so that Helm leaves them."""
    definition = _definition("issuers", "Issuer", "issuers.example.com")
    definition["metadata"]["annotations"] = {"helm.sh/resource-policy": "keep"}
    return [definition, *_cluster_wide(name, namespace)]


def _clean_up(event: str) -> Callable[[str, str], list[Object]]:
    def render(name: str, namespace: str) -> list[Object]:
        return [_job(f"{name}-{event}", namespace)]

    return render


GADGETS = "gadgets.example.com"


CHARTS: Mapping[str, Chart] = {
    chart.name: chart
    for chart in (
        Chart("ingress", "4.10.0", _web),
        Chart("gateway", "2.0.0", _web),
        Chart("app", "1.3.0", _web),
        Chart("metrics", "58.0.0", _agent),
        Chart("database", "15.2.0", _database),
        Chart("postgres", "15.2.0", _database),
        Chart("archive", "1.0.0", _kept),
        Chart("scanner", "0.9.0", _cluster_wide),
        Chart("part", "1.0.0", _web),
        Chart("labeller", "0.18.0", _agent, hooks={e: _clean_up(e) for e in ("pre-delete", "post-delete")}),
        Chart("issuers", "1.19.1", _issuers),
        Chart(
            "monitors",
            "79.5.0",
            _web,
            folder=[_definition("monitors", "Monitor", "monitors.example.com")],
        ),
        Chart(
            "balancer",
            "4.14.0",
            _balancer,
            hooks={"pre-install": lambda _, namespace: [_job("webhook-certgen", namespace)]},
        ),
        Chart(
            "broken", "0.1.0", _web, fails_install='template: broken/templates/web.yaml:7: nil pointer evaluating "x"'
        ),
        Chart(
            "stubborn",
            "0.1.0",
            _web,
            fails_uninstall="failed pre-delete: 1 error occurred: job failed: BackoffLimitExceeded",
        ),
    )
}


def _helm(name: str, chart: str = "", url: str = "https://charts.example.com", scope: str = "", **more: Any) -> Object:
    definition = CHARTS[chart or name]
    manifest: Object = {
        "name": name,
        "shortDescription": f"The {name} chart",
        "helm": {
            "repositoryUrl": url,
            "chartName": definition.name,
            "chartVersion": definition.version,
            "values": {"replicas": 1},
        },
        **more,
    }
    return _scoped(manifest, name, scope)


def _plain(name: str, *files: str, scope: str = "", **more: Any) -> Object:
    manifest: Object = {
        "name": name,
        "shortDescription": f"The {name} manifests",
        "manifests": [{"url": file} for file in files],
        **more,
    }
    return _scoped(manifest, name, scope)


def _scoped(manifest: Object, name: str, scope: str) -> Object:
    if scope:
        manifest["scope"] = scope
    else:
        manifest.setdefault("defaultNamespace", name)
    return manifest


_AUTO_UPDATER = [
    _service_account("glasskube-autoupdate", "glasskube-system"),
    _role("ClusterRole", "glasskube-autoupdate"),
    _binding("ClusterRoleBinding", "glasskube-autoupdate", "glasskube-system"),
    {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": _meta("glasskube-autoupdate", "glasskube-system"),
        "spec": {
            "schedule": "0 0 1 1 *",
            "jobTemplate": {"spec": _job("glasskube-autoupdate")["spec"]},
        },
    },
]

_PACKAGES = (
    Package(
        "dashboard",
        ("v2.7.0+1", "v2.7.0+2"),
        _plain("dashboard", "dashboard.yaml"),
        {
            "dashboard.yaml": [
                _service_account("dashboard"),
                _config_map("dashboard", theme="dark"),
                _role("ClusterRole", "dashboard"),
                _binding("ClusterRoleBinding", "dashboard", "dashboard"),
                _service("dashboard"),
                _deployment("dashboard"),
            ]
        },
    ),
    Package(
        "certs",
        ("v1.14.2+1", "v1.15.0+1"),
        _plain("certs", "crds.yaml", "certs.yaml"),
        {
            "crds.yaml": [_definition("certificates", "Certificate", "certs.example.com")],
            "certs.yaml": [
                _service_account("certs"),
                # A leader election Role outside its own namespace, as widespread packages have.
                _role("Role", "certs", "kube-system"),
                _binding("RoleBinding", "certs", "certs", "kube-system"),
                _deployment("certs"),
            ],
        },
    ),
    Package("gateway", ("v2.0.0+1",), _helm("gateway", dependencies=[{"name": "certs", "version": ">=1.14.0"}])),
    Package("app", ("v1.3.0+1",), _helm("app", dependencies=[{"name": "gateway"}])),
    Package("ingress", ("v4.10.0+1", "v4.10.0+2"), _helm("ingress")),
    Package("metrics", ("v58.0.0+1",), _helm("metrics", url="oci://charts.example.com/metrics")),
    Package("database", ("v15.2.0+1",), _helm("database")),
    Package("archive", ("v1.0.0+1",), _helm("archive")),
    Package("issuers", ("v1.19.1+1",), _helm("issuers")),
    Package("monitors", ("v79.5.0+1",), _helm("monitors")),
    Package("balancer", ("v4.14.0+1",), _helm("balancer")),
    Package("disks", ("v1.11.0+1",), _plain("disks", "disks.yaml"), {"disks.yaml": _DISKS}),
    Package(
        "routes",
        ("v1.4.0+1",),
        _plain("routes", "routes.yaml"),
        {"routes.yaml": [_definition("gateways", "Gateway", "gateway.networking.k8s.io")]},
    ),
    Package("scanner", ("v0.9.0+1",), _helm("scanner")),
    Package("labeller", ("v0.18.0+1",), _helm("labeller")),
    Package(
        "gadgets",
        ("v1.0.0+1",),
        _plain("gadgets", "crds.yaml", "gadgets.yaml"),
        {
            "crds.yaml": [_definition("gadgets", "Gadget", GADGETS)],
            "gadgets.yaml": [
                _deployment("gadget-operator"),
                {"apiVersion": f"{GADGETS}/v1", "kind": "Gadget", "metadata": _meta("default", None), "spec": {}},
            ],
        },
    ),
    Package(
        "tools",
        ("v1.0.0+1",),
        _plain("tools", "tools.yaml"),
        {"tools.yaml": [_config_map("tools", editor="vi"), _claim("tools"), _job("tools"), _daemon_set("tools")]},
    ),
    Package("postgres", ("v15.2.0+1",), _helm("postgres", scope="Namespaced")),
    Package(
        "cache",
        ("v7.2.0+1",),
        _plain("cache", "cache.yaml", scope="Namespaced"),
        {"cache.yaml": [_config_map("cache", size="64mb"), _service("cache"), _deployment("cache")]},
    ),
    Package("part", ("v1.0.0+1",), _helm("part", scope="Namespaced")),
    Package("suite", ("v1.0.0+1",), {**_plain("suite"), "components": [{"name": "part"}]}),
    Package("broken", ("v0.1.0+1",), _helm("broken")),
    Package("stubborn", ("v0.1.0+1",), _helm("stubborn")),
    Package("obstinate", ("v0.1.0+1",), _helm("obstinate", "stubborn", scope="Namespaced")),
    Package(
        "glasskube-autoupdater",
        ("v0.26.1",),
        _plain("glasskube-autoupdater", "manifest.yaml", defaultNamespace="glasskube-system"),
        {"manifest.yaml": _AUTO_UPDATER},
    ),
    Package(
        "elsewhere",
        ("v1.0.0+1",),
        _plain("elsewhere", "elsewhere.yaml"),
        {"elsewhere.yaml": [_config_map("elsewhere", origin="extra")]},
    ),
)

PACKAGES: Mapping[str, Package] = {package.name: package for package in _PACKAGES}

REPOSITORIES: Mapping[str, frozenset[str]] = {
    DEFAULT_URL: frozenset(PACKAGES) - {"elsewhere"},
    SLOW_URL: frozenset(PACKAGES) - {"elsewhere"},
    EXTRA_URL: frozenset({"elsewhere"}),
}


def copy(objects: Sequence[Object]) -> list[Object]:
    """Objects of the table, free to be changed."""
    result: list[Object] = json.loads(json.dumps(list(objects)))
    return result
