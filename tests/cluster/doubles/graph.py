"""The graph of packages by which the operator judges dependencies.

A package that is being deleted counts as not installed. What the operator's
webhook refuses, and in which words, comes from here.
"""

from __future__ import annotations

import operator
import re
from dataclasses import dataclass

from tests.cluster.api import Object
from tests.cluster.doubles.runtime import Key


@dataclass(frozen=True)
class Unmet:
    """A dependency that isn't met: missing where `version` is "", else of a version out of range."""

    package: str
    dependency: str
    constraint: str = ""
    version: str = ""

    def __str__(self) -> str:
        why = f"constraint {self.constraint} violated" if self.version else f"{self.dependency} not installed"
        return f"unmet dependency {self.package} -> {self.dependency}: {why}"


class Graph:
    """Which package needs which. A vertex is a key; ClusterPackages go by the name of what they install."""

    def __init__(self) -> None:
        self._versions: dict[Key, str] = {}
        self._manual: set[Key] = set()
        self._edges: dict[Key, list[tuple[Key, str, str]]] = {}
        self._names: dict[Key, str] = {}

    def add(self, vertex: Key, manifest: Object, version: str, manual: bool) -> None:
        """Adds an installed package with its dependencies and components."""
        self._names[vertex] = manifest["name"]
        self._versions[vertex] = version
        (self._manual.add if manual else self._manual.discard)(vertex)
        edges = [(("", one["name"]), one["name"], one.get("version", "")) for one in manifest.get("dependencies", ())]
        for one in manifest.get("components", ()):
            namespace = vertex[0] or manifest["defaultNamespace"]
            name = f"{vertex[1]}-{one.get('installedName') or one['name']}"
            edges.append(((namespace, name), one["name"], one.get("version", "")))
        self._edges[vertex] = edges

    def remove(self, vertex: Key) -> bool:
        """Takes a package out; whether it was in."""
        self._manual.discard(vertex)
        self._edges.pop(vertex, None)
        return self._versions.pop(vertex, None) is not None

    def remove_and_prune(self, vertex: Key) -> None:
        """Takes a package out, and what was installed for it alone."""
        if not self.remove(vertex):
            return
        pruned = True
        while pruned:
            needed = {to for edges in self._edges.values() for to, _, _ in edges}
            loose = [one for one in self._versions if one not in self._manual and one not in needed]
            for one in loose:
                self.remove(one)
            pruned = bool(loose)

    def version(self, vertex: Key) -> str | None:
        """The installed version, or None."""
        return self._versions.get(vertex)

    def errors(self) -> list[Unmet]:
        """All dependencies that aren't met."""
        found = []
        for vertex, edges in self._edges.items():
            for to, name, constraint in edges:
                version = self._versions.get(to)
                if version is None:
                    found.append(Unmet(self._names[vertex], name))
                elif not satisfies(version, constraint):
                    found.append(Unmet(self._names[vertex], name, constraint, version))
        return found


_COMPARISONS = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    "=": operator.eq,
    "": operator.eq,
}


def satisfies(version: str, constraint: str) -> bool:
    """Whether a version such as `v1.14.2+1` is in a range such as `>=1.14.0, <2.0.0`."""
    for part in filter(None, (one.strip() for one in constraint.split(","))):
        match = re.fullmatch(r"(>=|<=|>|<|=|)\s*v?([\d.]+)", part)
        if match is None or not _COMPARISONS[match[1]](_numbers(version), _numbers(match[2])):
            return False
    return True


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.lstrip("v").split("+")[0].split("-")[0].split("."))
