"""An object as the API server returns it → what of it is worth putting back. Pure.

Left out is what the server, Kubernetes' own controllers and those of Glasskube
and Flux fill in by themselves: kept, it would be wrong (a UID of yesterday, an IP
address that another object has now, a finalizer whose controller isn't there yet)
or refused. ownerReferences go, too: they name owners by UID, a restored owner has
a new one, and the garbage collector deletes whatever has no living owner.

Which objects are restored at all is `selection`'s to decide.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping
from typing import Any

from kubectl_glasskube_purge.glasskube import facts

Document = dict[str, Any]
"""An object as a manifest has it: JSON's types and nothing else."""

OWN_PREFIX = "glasskube-purge/"
"""Of annotations that this program writes: they speak of a purge under way, not of the object."""

_METADATA = (
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "selfLink",
    "managedFields",
    "ownerReferences",
)

_CONTROLLERS_FINALIZERS = frozenset({facts.PACKAGE_FINALIZER, facts.FLUX_FINALIZER, "orphan", "foregroundDeletion"})
"""Put on by controllers as soon as they take charge, or by a deletion."""

_ANNOTATIONS = re.compile(
    r"(?:deployment\.kubernetes\.io/revision"
    r"|deprecated\.daemonset\.template\.generation"
    r"|endpoints\.kubernetes\.io/.*"
    r"|pv\.kubernetes\.io/.*"
    r"|volume(?:\.beta)?\.kubernetes\.io/(?:storage-provisioner|selected-node)"
    rf"|{re.escape(OWN_PREFIX)}.*)"
)
"""Written by Kubernetes' controllers, or by this program."""

_JOB_LABELS = ("controller-uid", "job-name", "batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name")
_TOKEN_VOLUME = "kube-api-access-"  # noqa: S105 - the name of a volume
"""Prefix of the volume that admission puts into every Pod."""


def content(found: Mapping[str, Any]) -> Document:
    """What a manifest of this object would say. The object itself is left as it is."""
    document: Document = copy.deepcopy(dict(found))
    document.pop("status", None)
    _clean_metadata(document["metadata"])
    clean = _BY_KIND.get((document["apiVersion"].rpartition("/")[0], document["kind"]))
    if clean is not None:
        clean(document)
    # apiVersion, kind and metadata first, as everybody writes it.
    head = {key: document.pop(key) for key in ("apiVersion", "kind", "metadata")}
    return head | document


def without_certificates(webhook_configuration: Mapping[str, Any]) -> Document:
    """A webhook configuration without the CA of its service's certificate."""
    document: Document = copy.deepcopy(dict(webhook_configuration))
    for webhook in document.get("webhooks") or ():
        (webhook.get("clientConfig") or {}).pop("caBundle", None)
    return document


def with_certificate(webhook_configuration: Mapping[str, Any], certificate: str) -> Document:
    """A webhook configuration that trusts its service's certificate itself (base64 of PEM), where it has no CA.

    The API server accepts a certificate that is among the roots (Go's crypto/x509, Certificate.Verify).
    """
    document: Document = copy.deepcopy(dict(webhook_configuration))
    for webhook in document.get("webhooks") or ():
        webhook.setdefault("clientConfig", {}).setdefault("caBundle", certificate)
    return document


def _clean_metadata(metadata: Document) -> None:
    for field in _METADATA:
        metadata.pop(field, None)
    _retain(metadata, "annotations", lambda key: not _ANNOTATIONS.fullmatch(key))
    finalizers = [one for one in metadata.get("finalizers") or () if not _is_controllers(one)]
    metadata.pop("finalizers", None)
    if finalizers:
        metadata["finalizers"] = finalizers


def _is_controllers(finalizer: str) -> bool:
    domain = finalizer.partition("/")[0]
    return (
        finalizer in _CONTROLLERS_FINALIZERS
        or domain == "kubernetes.io"
        or domain.endswith((".kubernetes.io", ".k8s.io"))
    )


def _retain(parent: Document, field: str, keep: Callable[[str], bool]) -> None:
    """Keeps some entries of a mapping, and the mapping itself only where any are left."""
    if field in parent:
        entries = {key: value for key, value in (parent[field] or {}).items() if keep(key)}
        parent.pop(field)
        if entries:
            parent[field] = entries


# -- what differs by kind


def _namespace(document: Document) -> None:
    document.pop("spec", None)  # its finalizers, which the server sets
    _retain(document["metadata"], "labels", lambda key: key != "kubernetes.io/metadata.name")


def _service(document: Document) -> None:
    spec = document.get("spec") or {}
    if spec.get("clusterIP") != "None":
        spec.pop("clusterIP", None)
        spec.pop("clusterIPs", None)
    spec.pop("healthCheckNodePort", None)


def _service_account(document: Document) -> None:
    generated = re.compile(rf"{re.escape(document['metadata']['name'])}-(?:token|dockercfg)-[a-z0-9]{{5}}")
    secrets = [one for one in document.get("secrets") or () if not generated.fullmatch(str(one.get("name")))]
    document.pop("secrets", None)
    if secrets:
        document["secrets"] = secrets


def _cluster_role(document: Document) -> None:
    if document.get("aggregationRule"):
        document.pop("rules", None)  # collected by a controller


def _claim(document: Document) -> None:
    # A volume that is gone, or is bound to a claim that is: either way the new claim would wait for ever.
    (document.get("spec") or {}).pop("volumeName", None)


def _job(document: Document) -> None:
    spec = document.get("spec") or {}
    if spec.get("manualSelector"):
        return
    spec.pop("selector", None)
    template = (spec.get("template") or {}).get("metadata") or {}
    for metadata in (document["metadata"], template):
        _retain(metadata, "labels", lambda key: key not in _JOB_LABELS)


def _pod(document: Document) -> None:
    spec = document.get("spec") or {}
    spec.pop("nodeName", None)
    for parent in (spec, *(spec.get("containers") or ()), *(spec.get("initContainers") or ())):
        for field in ("volumes", "volumeMounts"):
            if field in parent:
                parent[field] = [one for one in parent[field] if not str(one["name"]).startswith(_TOKEN_VOLUME)]
                if not parent[field]:
                    del parent[field]


_BY_KIND: Mapping[tuple[str, str], Callable[[Document], None]] = {
    ("", "Namespace"): _namespace,
    ("", "Service"): _service,
    ("", "ServiceAccount"): _service_account,
    ("", "PersistentVolumeClaim"): _claim,
    ("", "Pod"): _pod,
    ("batch", "Job"): _job,
    ("rbac.authorization.k8s.io", "ClusterRole"): _cluster_role,
}
