"""Objects of three packages: a chart with values, one of plain manifests that it needs, and a dependency alone."""

from __future__ import annotations

from typing import Any

SECRET = "s3cr3t"
PACKAGE = "packages.glasskube.dev/v1alpha1"


def document(api_version: str, kind: str, name: str, namespace: str = "", **rest: Any) -> dict[str, Any]:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {}), **rest.pop("metadata", {})}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **rest}


def owned(*objects: dict[str, Any]) -> list[dict[str, str]]:
    refs = []
    for one in objects:
        group, _, version = one["apiVersion"].rpartition("/")
        namespace = one["metadata"].get("namespace", "")
        refs.append(
            {
                "group": group,
                "version": version,
                "kind": one["kind"],
                "namespace": namespace,
                "name": one["metadata"]["name"],
            }
        )
    return refs


def chart(name: str, namespace: str, url: str = "https://charts.example.com/", **spec: Any) -> list[dict[str, Any]]:
    """A HelmRepository and a HelmRelease, as the operator makes them."""
    labels = {"app.kubernetes.io/managed-by": "glasskube"}
    server = {"labels": labels, "uid": f"uid-{name}", "resourceVersion": "7", "managedFields": [{"manager": "x"}]}
    source = {"chart": name, "version": "1.x", "sourceRef": {"kind": "HelmRepository", "name": name}}
    return [
        document("source.toolkit.fluxcd.io/v1", "HelmRepository", name, namespace, metadata=server, spec={"url": url}),
        document(
            "helm.toolkit.fluxcd.io/v2",
            "HelmRelease",
            name,
            namespace,
            metadata={**server, "finalizers": ["finalizers.fluxcd.io"]},
            spec={"chart": {"spec": source}, "interval": "5m", **spec},
            status={"history": [{"name": name, "namespace": namespace, "chartVersion": "1.2.3"}]},
        ),
    ]


def package(
    name: str, *objects: dict[str, Any], values: dict[str, Any] | None = None, **metadata: Any
) -> dict[str, Any]:
    return document(
        PACKAGE,
        "ClusterPackage",
        name,
        metadata=metadata,
        spec={"packageInfo": {"name": name, "version": "v1"}, "values": values or {}},
        status={"ownedResources": owned(*objects), "conditions": [{"type": "Ready", "status": "True", "reason": "Ok"}]},
    )


def info(name: str, **manifest: Any) -> dict[str, Any]:
    spec = {"name": name, "version": "v1"}
    return document(PACKAGE, "PackageInfo", f"{name}--v1", spec=spec, status={"manifest": {"name": name, **manifest}})


def target(path: str, chart_name: str = "web") -> dict[str, Any]:
    return {"targets": [{"chartName": chart_name, "patch": {"op": "add", "path": path}}]}


def cluster() -> list[dict[str, Any]]:
    helm = chart(
        "web", "web", values={"auth": {"password": SECRET, "user": "me"}, "replicas": 2, "other": {"on": True}}
    )
    space = document("v1", "Namespace", "web")
    secret = document("v1", "Secret", "key", "base", data={"key": SECRET}, type="Opaque")
    config = document("v1", "ConfigMap", "settings", "base", data={"a": "yes"}, metadata={"uid": "1"})
    values = {
        "password": {"valueFrom": {"secretRef": {"name": "login", "namespace": "web", "key": "pw"}}},
        "replicas": {"value": "2"},
    }
    definitions = {"password": target("/auth/password"), "replicas": target("/replicas")}
    dependency = {"packages.glasskube.dev/installed-as-dependency": "true"}
    return [
        package("web", space, *helm, values=values),
        info("web", valueDefinitions=definitions, dependencies=[{"name": "base"}]),
        package("base", secret, config, annotations=dependency),
        info("base"),
        space,
        *helm,
        secret,
        config,
    ]
