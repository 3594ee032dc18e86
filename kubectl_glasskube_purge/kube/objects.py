"""Which object is meant, and what was seen of it.

A `Ref` names an object; a `Found` is what one look at the cluster saw of it.
Both are values: comparing, sorting and putting them into sets is what the rest
of the project does with them. How an object is reached over HTTP (its plural,
its served versions) is the client's knowledge, not theirs.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote


@dataclass(frozen=True, order=True)
class Ref:
    """Names one object of the cluster.

    The version is carried along for display and requests, but is no part of the
    identity: `apps/v1` and `apps/v1beta1` show the same Deployment.
    """

    group: str
    """API group, `""` for the core group."""
    kind: str
    namespace: str
    """`""` for cluster-scoped objects."""
    name: str
    version: str = field(default="", compare=False)

    @property
    def api_version(self) -> str:
        """`apiVersion` as it stands in a manifest."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def group_kind(self) -> tuple[str, str]:
        """The kind, unambiguously: `(group, kind)`."""
        return (self.group, self.kind)

    @property
    def display(self) -> str:
        """What people read, and may put behind `kubectl get`: `deployment.apps/source-controller -n flux-system`."""
        return f"{self} -n {self.namespace}" if self.namespace else str(self)

    @property
    def one_word(self) -> str:
        """What `-o name` prints: `deployment.apps/flux-system/source-controller`, `namespace/flux-system`.

        kubectl refuses two slashes (cli-runtime, `splitResourceTypeName`) instead of looking in another namespace.
        RBAC names may have blanks and quotes in them but no `%`: escaped by it, a name is no other object's.
        """
        name = quote(self.name, safe=":", errors="backslashreplace")
        name = "%2D" + name[1:] if name.startswith("-") else name
        return str(replace(self, name=f"{self.namespace}/{name}" if self.namespace else name))

    def __str__(self) -> str:
        """What `kubectl -o name` prints: `deployment.apps/glasskube-controller-manager`."""
        kind = self.kind.lower()
        return f"{kind}.{self.group}/{self.name}" if self.group else f"{kind}/{self.name}"

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Ref:
        """The Ref of an object as the API or a manifest has it.

        Raises `KeyError` where apiVersion, kind or metadata.name is missing.
        """
        metadata = document["metadata"]
        namespace = str(metadata.get("namespace") or "")
        return cls.named(str(document["apiVersion"]), str(document["kind"]), namespace, str(metadata["name"]))

    @classmethod
    def named(cls, api_version: str, kind: str, namespace: str, name: str) -> Ref:
        """The Ref of what these fields of a document name."""
        group, _, version = api_version.rpartition("/")
        return cls(group, kind, namespace, name, version)


@dataclass(frozen=True)
class Owner:
    """An ownerReference. The garbage collector goes by the UID; kind and name are for people."""

    group: str
    kind: str
    name: str
    uid: str
    controller: bool = False


@dataclass(frozen=True)
class Found:
    """An object as one look at the cluster saw it.

    `body` is the whole object where it was read whole, and empty where only its
    metadata was asked for.
    """

    ref: Ref
    uid: str
    resource_version: str
    labels: Mapping[str, str] = field(default_factory=dict, compare=False, hash=False)
    annotations: Mapping[str, str] = field(default_factory=dict, compare=False, hash=False)
    owners: tuple[Owner, ...] = ()
    finalizers: tuple[str, ...] = ()
    managers: tuple[str, ...] = ()
    """Field managers of `metadata.managedFields`, without those of subresources."""
    created: str = ""
    """creationTimestamp, RFC 3339."""
    deleted: str = ""
    """deletionTimestamp, RFC 3339; `""` where the object isn't being deleted."""
    body: Mapping[str, Any] = field(default_factory=dict, compare=False, hash=False, repr=False)

    @classmethod
    def of(cls, document: Mapping[str, Any], *, ref: Ref | None = None, whole: bool = True) -> Found:
        """Reads an object as the API server returns it.

        `ref` is given where the document doesn't say what it is: the items of a
        list have no kind, and PartialObjectMetadata have that for their kind.
        Without `whole` the body isn't kept: managedFields of 20,000 objects are
        most of the memory that listing them takes.
        """
        metadata = document["metadata"]
        return cls(
            ref=ref or Ref.of(document),
            uid=str(metadata.get("uid", "")),
            resource_version=str(metadata.get("resourceVersion", "")),
            labels=metadata.get("labels") or {},
            annotations=metadata.get("annotations") or {},
            owners=tuple(_owner(reference) for reference in metadata.get("ownerReferences") or ()),
            finalizers=tuple(metadata.get("finalizers") or ()),
            managers=_managers(metadata.get("managedFields") or ()),
            created=str(metadata.get("creationTimestamp") or ""),
            deleted=str(metadata.get("deletionTimestamp") or ""),
            body=document if whole else {},
        )

    @property
    def terminating(self) -> bool:
        """Whether a delete was accepted and something still holds the object."""
        return bool(self.deleted)

    def get(self, *path: str) -> Any:
        """The value at `path` in the body, or None where any step is missing."""
        value: Any = self.body
        for step in path:
            if not isinstance(value, Mapping):
                return None
            value = value.get(step)
        return value

    def owned_by(self, uids: Collection[str]) -> bool:
        """Whether any ownerReference names one of these UIDs."""
        return any(owner.uid in uids for owner in self.owners)


def _owner(reference: Mapping[str, Any]) -> Owner:
    group, _, _ = str(reference.get("apiVersion", "")).rpartition("/")
    return Owner(
        group=group,
        kind=str(reference.get("kind", "")),
        name=str(reference.get("name", "")),
        uid=str(reference.get("uid", "")),
        controller=bool(reference.get("controller")),
    )


def _managers(entries: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    named = (str(entry.get("manager", "")) for entry in entries if not entry.get("subresource"))
    return tuple(dict.fromkeys(name for name in named if name))
