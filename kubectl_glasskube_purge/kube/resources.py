"""Kinds as the API server serves them, and their URLs.

Which kinds there are is `discovery`'s; what is sent to a URL is the client's.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import quote

from .objects import Ref

BUILT_IN_GROUPS = frozenset(
    {
        *("", "apps", "autoscaling", "batch", "policy"),
        *(
            f"{name}.k8s.io"
            for name in (
                *("admissionregistration", "apiextensions", "apiregistration", "authentication", "authorization"),
                *("certificates", "coordination", "discovery", "events", "flowcontrol.apiserver"),
                *("internal.apiserver", "networking", "node", "rbac.authorization", "resource", "scheduling"),
                *("storage", "storagemigration"),
            )
        ),
    }
)
"""API groups that the API server itself serves (k8s.io/api); no CRD and no APIService ends one."""


@dataclass(frozen=True, order=True)
class Resource:
    """One kind as the server serves it, in the version it prefers."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool
    verbs: frozenset[str] = field(default_factory=frozenset, compare=False)
    short_names: tuple[str, ...] = field(default=(), compare=False)

    @property
    def api_version(self) -> str:
        """`apiVersion` of the kind's objects."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def group_kind(self) -> tuple[str, str]:
        """`(group, kind)`."""
        return (self.group, self.kind)

    def __str__(self) -> str:
        """As kubectl names a resource: `deployments.apps`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def path(self, namespace: str = "", name: str = "") -> str:
        """The URL path of the collection, or of one object in it."""
        parts = ["/apis", self.group, self.version] if self.group else ["/api", self.version]
        if namespace and self.namespaced:
            parts += ["namespaces", quote(namespace, safe="")]
        parts.append(self.plural)
        if name:
            parts.append(quote(name, safe=""))
        return "/".join(parts)

    def ref(self, namespace: str, name: str) -> Ref:
        """Names an object of this kind."""
        return Ref(self.group, self.kind, namespace if self.namespaced else "", name, self.version)
