"""What a package's own programs wrote at run time: webhook certificates, initial passwords, default instances. Pure.

The API server notes who wrote an object: by default the client's program, as Go's client libraries name themselves
after it. Whoever writes an object can choose another name, and then only hides what is their own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from kubectl_glasskube_purge.kube.objects import Found

_COMMON = frozenset({"", "app", "controller", "main", "manager", "operator", "server", "sh", "bash", "kubectl", "helm"})
"""Names of programs that tell nothing: many are called so."""


def programs_of(pods: Iterable[Found]) -> frozenset[str]:
    """The programs that Pods run, by their images and commands. The Pods have to be read whole."""
    named: set[str] = set()
    for pod in pods:
        for container in (*(pod.get("spec", "containers") or ()), *(pod.get("spec", "initContainers") or ())):
            image = str(container.get("image") or "").partition("@")[0].rpartition("/")[2].partition(":")[0]
            words = [*(container.get("command") or ()), *(container.get("args") or ())][:2]
            named |= {image, *(str(word).rpartition("/")[2] for word in words if not str(word).startswith("-"))}
    return frozenset(named - _COMMON)


def wrote_alone(programs: Collection[str], found: Found) -> bool:
    """Whether nobody but these programs wrote an object."""
    return bool(found.managers) and set(found.managers) <= set(programs)
