"""An API server in miniature: it serves the kinds and objects that a test names, and fails as it is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kubectl_glasskube_purge.kube.resources import Resource
from tests.kube.scripted import Asked, answer, failure

VERBS = frozenset({"get", "list", "watch", "delete", "patch"})

NAMESPACES = Resource("", "v1", "Namespace", "namespaces", False, VERBS)
SECRETS = Resource("", "v1", "Secret", "secrets", True, VERBS)
CONFIG_MAPS = Resource("", "v1", "ConfigMap", "configmaps", True, VERBS)
DEPLOYMENTS = Resource("apps", "v1", "Deployment", "deployments", True, VERBS)
DEFINITIONS = Resource(
    "apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", False, VERBS
)
API_SERVICES = Resource("apiregistration.k8s.io", "v1", "APIService", "apiservices", False, VERBS)
PACKAGES = Resource("packages.glasskube.dev", "v1alpha1", "ClusterPackage", "clusterpackages", False, VERBS)
TENANTS = Resource("capsule.example.com", "v1", "Tenant", "tenants", False, VERBS)

CORE = (NAMESPACES, SECRETS, CONFIG_MAPS, DEPLOYMENTS, DEFINITIONS, API_SERVICES, PACKAGES)

MOMENT = "Tue, 15 Nov 2033 08:12:31 GMT"
"""The time by this server's clock."""


@dataclass
class FakeApi:
    """Callable as an answer of `Server`'s script."""

    kinds: Sequence[Resource] = CORE
    objects: list[dict[str, Any]] = field(default_factory=list)
    failures: dict[str, Any] = field(default_factory=dict)
    """Path → what it answers instead; a list is answered in turn, the last one again and again."""

    def add(
        self,
        resource: Resource,
        name: str,
        namespace: str = "",
        *,
        uid: str = "",
        owners: Sequence[Mapping[str, Any]] = (),
        **more: Any,
    ) -> dict[str, Any]:
        """An object, with a body in `more`, and as an owner of others."""
        metadata = {
            "name": name,
            "uid": uid or f"{resource.plural}-{namespace}-{name}",
            "resourceVersion": "1",
            **({"namespace": namespace} if namespace else {}),
            **more.pop("metadata", {}),
            "ownerReferences": [
                {
                    "apiVersion": owner["apiVersion"],
                    "kind": owner["kind"],
                    "name": owner["metadata"]["name"],
                    "uid": owner["metadata"]["uid"],
                }
                for owner in owners
            ],
        }
        document = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata, **more}
        self.objects.append(document)
        return document

    def define(self, resource: Resource) -> None:
        """The CRD of a kind."""
        self.add(DEFINITIONS, str(resource))

    def __call__(self, asked: Asked) -> Any:
        if asked.path in self.failures:
            said = self.failures[asked.path]
            if callable(said):
                return said(asked)
            return said if not isinstance(said, list) else said.pop(0) if len(said) > 1 else said[0]
        if asked.path in ("/api", "/apis"):
            return answer(self._discovery(asked.path))
        for resource in self.kinds:
            namespaces = {"", *(o["metadata"].get("namespace", "") for o in self.objects), "glasskube-system"}
            for namespace in namespaces:
                if asked.path == resource.path(namespace):
                    return self._list(resource, namespace)
            for document in self._of(resource):
                if asked.path == resource.path(document["metadata"].get("namespace", ""), document["metadata"]["name"]):
                    return answer(document, Date=MOMENT)
        return failure(404, "not found", "NotFound")

    def _of(self, resource: Resource) -> list[dict[str, Any]]:
        return [o for o in self.objects if (o["apiVersion"], o["kind"]) == (resource.api_version, resource.kind)]

    def _list(self, resource: Resource, namespace: str) -> bytes:
        items = [o for o in self._of(resource) if namespace in ("", o["metadata"].get("namespace"))]
        return answer({"metadata": {"resourceVersion": "1"}, "items": items}, Date=MOMENT)

    def _discovery(self, path: str) -> dict[str, Any]:
        groups: dict[str, dict[str, list[dict[str, Any]]]] = {}
        for resource in self.kinds:
            if bool(resource.group) == (path == "/apis"):
                versions = groups.setdefault(resource.group, {})
                versions.setdefault(resource.version, []).append(
                    {
                        "resource": resource.plural,
                        "responseKind": {"kind": resource.kind},
                        "scope": "Namespaced" if resource.namespaced else "Cluster",
                        "verbs": sorted(resource.verbs),
                    }
                )
        items = [
            {
                "metadata": {"name": group},
                "versions": [{"version": version, "resources": served} for version, served in versions.items()],
            }
            for group, versions in groups.items()
        ]
        return {"kind": "APIGroupDiscoveryList", "items": items}
