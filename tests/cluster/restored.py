"""What of a dump has to be the same after a purge and a restore.

Everything but what a server or a controller fills in anew: identities, moments,
addresses, certificates. Written without the product's own idea of that, so that
the two can contradict each other.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from typing import Any

from tests.cluster import install
from tests.cluster.api import Object
from tests.cluster.controlplane import ControlPlane
from tests.cluster.doubles.operator import FINALIZER
from tests.cluster.dump import Dump, dump

_MADE = {
    "Pod": "made by workloads, under new names",
    "ReplicaSet.apps": "made by Deployments",
    "ControllerRevision.apps": "made by StatefulSets and DaemonSets",
    "EndpointSlice.discovery.k8s.io": "made for Services",
    "Endpoints": "made for Services",
    "IPAddress.networking.k8s.io": "made for Services",
    "PersistentVolume": "provisioned, under new names",
    "APIService.apiregistration.k8s.io": "made for CRDs",
    "Node": "the kubelet's",
}
"""Kinds that aren't compared."""

_METADATA = ("uid", "resourceVersion", "generation", "creationTimestamp", "managedFields")
_ANNOTATIONS = re.compile(
    r"pv\.kubernetes\.io/.*|volume(\.beta)?\.kubernetes\.io/.*|deployment\.kubernetes\.io/revision"
)
_RANDOM = {"Secret glasskube-system/glasskube-webhook-tls"}
"""Made anew by the certificate Job."""


def comparable(cluster: ControlPlane) -> Dump:
    """The cluster, once the operator has nothing left to do, without what may be another the second time."""
    install.wait_for_finalizers(cluster)
    return {key: _comparable(key, item) for key, item in dump(cluster).items() if key.split(" ")[0] not in _MADE}


def _comparable(key: str, found: Object) -> Object:
    item = copy.deepcopy(found)
    status = item.pop("status", None) or {}
    metadata = item["metadata"]
    if status.get("ownedPackages"):
        # There or not, as the operator came to it before it knew what is required.
        metadata["finalizers"] = [one for one in _finalizers(item) if one != FINALIZER]
    for field in _METADATA:
        metadata.pop(field, None)
    for owner in metadata.get("ownerReferences", ()):
        owner.pop("uid", None)
    if annotations := metadata.get("annotations"):
        metadata["annotations"] = {k: v for k, v in annotations.items() if not _ANNOTATIONS.fullmatch(k)}
    _without_empty(metadata, "annotations")
    spec = item.get("spec") or {}
    if item["kind"] == "Service" and spec.get("clusterIP") != "None":
        spec.pop("clusterIP", None)
        spec.pop("clusterIPs", None)
    if item["kind"] == "PersistentVolumeClaim":
        spec.pop("volumeName", None)
    if item["kind"] == "Job":
        spec.pop("selector", None)
        for labelled in (metadata, spec["template"].get("metadata", {})):
            labels = labelled.get("labels") or {}
            labelled["labels"] = {k: v for k, v in labels.items() if not k.endswith(("controller-uid", "job-name"))}
            _without_empty(labelled, "labels")
        _without_empty(spec["template"], "metadata")
    if item["kind"] == "ValidatingWebhookConfiguration":
        for webhook in item.get("webhooks", ()):
            webhook["clientConfig"].pop("caBundle", None)
    if key in _RANDOM or item.get("type") == "helm.sh/release.v1":
        item["data"] = sorted(item["data"])
        metadata.get("labels", {}).pop("modifiedAt", None)
    return item


def _without_empty(parent: dict[str, Any], field: str) -> None:
    if field in parent and not {k: v for k, v in (parent[field] or {}).items() if v is not None}:
        del parent[field]


def _finalizers(item: Mapping[str, Any]) -> list[str]:
    return list(item["metadata"].get("finalizers", ()))


def _packages(cluster: ControlPlane) -> list[Object]:
    """The packages that the operator looks at."""
    found = [
        item
        for kind in ("ClusterPackage", "Package")
        for item in cluster.api.list("packages.glasskube.dev/v1alpha1", kind)
    ]
    return [item for item in found if not item["spec"].get("suspend")]


def not_ready(cluster: ControlPlane) -> list[str]:
    """The packages that aren't Ready, with what they say."""
    return [f"{item['metadata']['name']}: {item.get('status')}" for item in _packages(cluster) if not _is_ready(item)]


def _is_ready(item: Mapping[str, Any]) -> bool:
    conditions = item.get("status", {}).get("conditions", ())
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
