"""Dumps a cluster whole and says in what two dumps differ.

Proves that a purge touched nothing but what it should: every object of every
kind that can be listed, managed fields and resourceVersions included. What is
ignored is little, and says why.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from tests.cluster.api import ApiError, Kind, Object
from tests.cluster.controlplane import ControlPlane

Dump = dict[str, Object]
"""Key as `key()` makes it to the object."""

IGNORED_KINDS = {
    ("", "Event"): "a log of what happened, which a purge adds to; expires by itself",
    ("events.k8s.io", "Event"): "the same objects under another group",
    ("coordination.k8s.io", "Lease"): "renewed every few seconds by whoever holds it",
    ("", "ComponentStatus"): "no object: the API server asks the components when it is listed",
}

IGNORED_FIELDS: Mapping[str, tuple[tuple[str, ...], str]] = {
    f"ClusterRole.rbac.authorization.k8s.io {name}": (
        ("metadata.resourceVersion", "metadata.managedFields"),
        "rewritten whenever a role that is aggregated into it comes or goes; its rules count",
    )
    for name in ("admin", "edit", "view")
}

LATE_KINDS = {
    ("apiregistration.k8s.io", "APIService"): "the API server takes a CRD's group out a moment after the CRD",
    ("", "PersistentVolume"): "a provisioner deletes a volume after its claim",
    ("discovery.k8s.io", "EndpointSlice"): "collected after its Service",
    ("", "Endpoints"): "collected after its Service",
    ("networking.k8s.io", "IPAddress"): "given back after its Service",
}
"""Kinds that the control plane itself cleans up after an object is gone, without anybody being able to wait for it."""


def key(kind: Kind, item: Mapping[str, Any]) -> str:
    """What an object is called in a dump: `Deployment.apps shop/web`, `Namespace shop`."""
    namespace = item["metadata"].get("namespace")
    name = item["metadata"]["name"]
    group = f".{kind.group}" if kind.group else ""
    return f"{kind.kind}{group} {namespace}/{name}" if namespace else f"{kind.kind}{group} {name}"


def dump(cluster: ControlPlane) -> Dump:
    """All objects of all kinds that can be listed, as the API server has them now."""
    found: Dump = {}
    for kind in cluster.api.kinds():
        if "list" not in kind.verbs or (kind.group, kind.kind) in IGNORED_KINDS:
            continue
        try:
            items = cluster.api.request("GET", kind.path())["items"]
        except ApiError as error:
            if error.code == 404:  # its CRD went between discovery and the list
                continue
            raise
        for item in items:
            found[key(kind, item)] = {"apiVersion": kind.api_version, "kind": kind.kind, **item}
    return found


def difference(before: Dump, after: Dump, kept: Collection[str] = ()) -> list[str]:
    """In what two dumps differ, a line for each object; [] where they don't.

    `kept` are patterns of keys that may be new in `after`, such as
    `PersistentVolumeClaim shop/data-*`.
    """
    lines = [f"gone     {name}" for name in before.keys() - after.keys()]
    lines += [
        f"new      {name}"
        for name in after.keys() - before.keys()
        if not any(fnmatchcase(name, pattern) for pattern in kept)
    ]
    for name in before.keys() & after.keys():
        ignored = IGNORED_FIELDS.get(name, ((), ""))[0]
        changes = [path for path in _changes(before[name], after[name]) if not path.startswith(ignored or ("\0",))]
        if changes:
            lines.append(f"changed  {name}: {', '.join(changes)}")
    return sorted(lines)


def settled_difference(cluster: ControlPlane, before: Dump, kept: Collection[str] = ()) -> list[str]:
    """The difference between `before` and now, when the control plane has cleaned up after itself.

    Waits as long as an aggregated role isn't as before, or nothing but `LATE_KINDS` differs, ten seconds at most.
    """
    late = tuple(f"{kind}{'.' + group if group else ''} " for group, kind in LATE_KINDS)
    result: list[str] = []

    def settled() -> bool | None:
        result[:] = difference(before, dump(cluster), kept)
        if any(line[9:].partition(":")[0] in IGNORED_FIELDS for line in result):
            return None  # the controller manager takes rules out of a role after the role they came from is gone
        waiting = bool(result) and all(line.startswith("new") and line[9:].startswith(late) for line in result)
        return None if waiting else True

    try:
        cluster.wait("the control plane to clean up", settled, timeout=10)
    except TimeoutError:
        pass  # the difference says what is left
    return result


def _changes(before: Any, after: Any, path: str = "") -> Iterator[str]:
    if isinstance(before, dict) and isinstance(after, dict):
        for name in sorted(before.keys() | after.keys()):
            yield from _changes(before.get(name), after.get(name), f"{path}.{name}" if path else name)
    elif before != after:
        yield f"{path} was {_short(before)}, is {_short(after)}" if not path.endswith("managedFields") else path


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 80 else f"{text[:80]}…"
