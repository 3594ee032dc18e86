"""Which kinds the API server serves: asked in two requests, or group by group where it can't aggregate.

How a request is sent and tried again is the client's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .errors import KubeError
from .resources import Resource

AGGREGATED = (
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,"
    "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json"
)
"""The Accept header for aggregated discovery, with the list of groups or versions as second choice."""

Read = Callable[[str, str], Awaitable[Mapping[str, Any]]]
"""Reads the document at a path, accepting a media type."""


@dataclass(frozen=True)
class Discovery:
    """Which kinds the server serves, and which part of the answer is missing."""

    resources: tuple[Resource, ...]
    unreadable: tuple[str, ...] = ()
    """Group versions that an extension API server should serve and doesn't, e.g. `metrics.k8s.io/v1beta1`."""

    def find(self, group: str, kind: str) -> Resource | None:
        """The resource of a kind, None if the server doesn't serve it."""
        return next((r for r in self.resources if r.group == group and r.kind == kind), None)

    def named(self, name: str) -> Resource | None:
        """The resource that people mean, in any of kubectl's notations: `deploy`, `Deployment`, `deployments.v1.apps`.

        Of several, the first that the server names: the core group's, then in its own order.
        """
        kind, _, rest = name.lower().partition(".")
        for resource in self.resources:
            names = {resource.kind.lower(), resource.plural, *resource.short_names}
            places = {"", resource.group, f"{resource.version}.{resource.group}".rstrip(".")}
            if kind in names and rest in places:
                return resource
        return None


async def discover(read: Read) -> Discovery:
    """Asks which kinds there are. Aggregated discovery is on by default since Kubernetes 1.27.

    Raises `KubeError` if `/api` or `/apis` can't be read. Groups of extension
    API servers that don't answer are named in `unreadable`.
    """
    core, groups = await asyncio.gather(read("/api", AGGREGATED), read("/apis", AGGREGATED))
    resources: list[Resource] = []
    unreadable: list[str] = []
    for document in (core, groups):
        if document.get("kind") == "APIGroupDiscoveryList":
            parts = list(_aggregated(document))
        else:
            parts = await asyncio.gather(*(_read(read, *version) for version in _versions(document)))
        for group_version, readable, served in parts:
            resources += served
            if not readable:
                unreadable.append(group_version)
    return Discovery(_first_of_each(resources), tuple(unreadable))


def _aggregated(document: Mapping[str, Any]) -> Iterator[tuple[str, bool, list[Resource]]]:
    """Each group version of an aggregated document, whether it is up to date, and its kinds."""
    for group in document.get("items") or ():
        name = str(group["metadata"].get("name") or "")
        for version in group.get("versions") or ():
            resources = [
                _resource(name, str(version["version"]), entry, entry["responseKind"]["kind"], entry["resource"])
                for entry in version.get("resources") or ()
            ]
            yield f"{name}/{version['version']}", version.get("freshness") != "Stale", resources


def _versions(document: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Group, version and path of all that a document of `/api` or `/apis` names, preferred versions first."""
    for version in document.get("versions") or ():
        yield "", str(version), f"/api/{version}"
    for group in document.get("groups") or ():
        preferred = group.get("preferredVersion", {}).get("version")
        for version in sorted(group.get("versions") or (), key=lambda entry: entry["version"] != preferred):
            yield group["name"], version["version"], f"/apis/{version['groupVersion']}"


async def _read(read: Read, group: str, version: str, path: str) -> tuple[str, bool, list[Resource]]:
    """A group version, whether it can be read, and its kinds."""
    try:
        entries = (await read(path, "application/json")).get("resources") or ()
    except KubeError:
        return f"{group}/{version}", False, []
    served = [_resource(group, version, entry, entry["kind"], entry["name"]) for entry in entries]
    return f"{group}/{version}", True, served


def _resource(group: str, version: str, entry: Mapping[str, Any], kind: str, plural: str) -> Resource:
    return Resource(
        group=group,
        version=version,
        kind=str(kind),
        plural=str(plural),
        namespaced=entry.get("scope") == "Namespaced" or bool(entry.get("namespaced")),
        verbs=frozenset(entry.get("verbs") or ()),
        short_names=tuple(entry.get("shortNames") or ()),
    )


def _first_of_each(resources: Iterable[Resource]) -> tuple[Resource, ...]:
    """Each kind once, in the version that comes first: the server names its preferred version first."""
    first: dict[tuple[str, str], Resource] = {}
    for resource in resources:
        if "/" not in resource.plural:  # subresources aren't listed
            first.setdefault((resource.group, resource.plural), resource)
    return tuple(first.values())
