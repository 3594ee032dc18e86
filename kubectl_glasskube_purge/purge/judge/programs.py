"""What a package's own programs wrote at run time: webhook certificates, initial passwords, default instances. Pure.

It is known of the Pods that exist, and of the hooks of a chart, whose Pods are gone.

The API server notes who wrote an object: by default the client's program, as Go's client libraries name themselves
after it. A user who writes an object can choose another name, but then only hides that object.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from kubectl_glasskube_purge.kube.objects import Found

_COMMON = frozenset({"", "app", "controller", "main", "manager", "operator", "server", "sh", "bash", "kubectl", "helm"})
"""Names of programs that tell nothing: many are called so."""


def programs_of(specs: Iterable[Mapping[str, Any] | None]) -> frozenset[str]:
    """The programs that Pods with these specs run, by their images and commands; None of a Pod that isn't read."""
    named: set[str] = set()
    for spec in filter(None, specs):
        for container in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ())):
            image = str(container.get("image") or "").partition("@")[0].rpartition("/")[2].partition(":")[0]
            words = [*(container.get("command") or ()), *(container.get("args") or ())][:2]
            named |= {image, *(str(word).rpartition("/")[2] for word in words if not str(word).startswith("-"))}
    return frozenset(named - _COMMON)


def wrote_alone(programs: Collection[str], found: Found) -> bool:
    """Whether only these programs wrote an object."""
    return bool(found.managers) and set(found.managers) <= set(programs)
