"""Who relies on what a package brought: instances, classes, APIs, sources, roles. One evidence, one function. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from kubectl_glasskube_purge.glasskube import facts
from kubectl_glasskube_purge.kube.objects import Found, Ref
from kubectl_glasskube_purge.purge.model.kinds import (
    API_SERVICE,
    AUTOSCALER,
    BINDINGS,
    CLAIM,
    CLUSTER_ROLE,
    CSI_DRIVER,
    DEFINITION,
    GATEWAY,
    GATEWAY_CLASS,
    INGRESS,
    INGRESS_CLASS,
    POD,
    PRIORITY_CLASS,
    RUNTIME_CLASS,
    STORAGE_CLASS,
    VOLUME,
)
from kubectl_glasskube_purge.purge.model.plan import Use
from kubectl_glasskube_purge.purge.model.survey import Package, Survey

from .brought import brought, default_instances
from .ownership import drawing_from


@dataclass(frozen=True)
class Others:
    """What separates others' objects from those of a package, and of the packages that go."""

    survey: Survey
    own: Collection[Ref]
    """The packages that go, what they brought, and what the package in question did."""

    def of_kind(self, *kinds: tuple[str, str]) -> Iterator[Found]:
        """The objects of others."""
        return (found for found in self.survey.of_kind(*kinds) if found.ref not in self.own)


def uses(package: Package, others: Others) -> tuple[Use, ...]:
    """Everything that others rely on of what a package brought."""
    own = brought(others.survey)[package.ref].values()
    found = [use for check in CHECKS for use in check(package, own, others)]
    return tuple(Use(what, tuple(sorted(users))) for what, users in found if users)


Uses = Iterator[tuple[str, list[Ref]]]


def instances(package: Package, own: Collection[Found], others: Others) -> Uses:
    """Instances of its kinds that others made."""
    defaults = default_instances(others.survey)
    for definition in own:
        kind = others.survey.defines.get(definition.ref.name) if definition.ref.group_kind == DEFINITION else None
        if any(one.what == definition.ref.name for one in others.survey.unreadable):
            yield f"instances of {definition.ref.name}, which can't be read", [definition.ref]
        elif kind is not None:
            theirs = [one.ref for one in others.of_kind(kind) if one.uid not in defaults]
            yield f"instances of {definition.ref.name}", theirs


def classes(package: Package, own: Iterable[Found], others: Others) -> Uses:
    """Whatever chooses a class of its, or a driver."""
    for found in own:
        for kind, name_of in _CHOICES.get(found.ref.group_kind, ()):
            choosing = [one for one in others.of_kind(kind) if name_of(one) == found.ref.name]
            yield f"{found.ref}", [one.ref for one in choosing if not _is_bound(one, others)]
            yield from _unread(found, others, kind)


def apis(package: Package, own: Iterable[Found], others: Others) -> Uses:
    """Autoscalers, if it serves metrics: other clients of an API leave no trace in objects."""
    for found in own:
        if found.ref.group_kind == API_SERVICE and found.ref.name.endswith("metrics.k8s.io"):
            yield f"{found.ref}", [one.ref for one in others.of_kind(AUTOSCALER)]
            yield from _unread(found, others, AUTOSCALER)


def sources(package: Package, own: Iterable[Found], others: Others) -> Uses:
    """HelmReleases and HelmCharts that draw from a source of its."""
    for found in sorted(own, key=lambda found: found.ref):
        if found.ref.group == facts.SOURCE_GROUP:
            yield found.ref.display, [one.ref for one in drawing_from(others.survey, found.ref, others.own)]
            yield from _unread(found, others, facts.HELM_CHART.group_kind)


def _unread(found: Found, others: Others, kind: tuple[str, str]) -> Uses:
    """A kind that can't be listed may have users."""
    for one in others.survey.hidden(kind):
        yield f"{found.ref.display}, because {one.what} can't be read", [found.ref]


def roles(package: Package, own: Iterable[Found], others: Others) -> Uses:
    """Bindings that grant a ClusterRole of its."""
    for found in own:
        if found.ref.group_kind == CLUSTER_ROLE:
            yield f"{found.ref}", [one.ref for one in bindings_of(others.survey, found.ref, others.own)]


def dependents(package: Package, own: Iterable[Found], others: Others) -> Uses:
    """Packages that stay and depend on it."""
    depending = [one.ref for one in others.survey.packages if package.ref in one.requires]
    yield "the package itself", [ref for ref in depending if ref not in others.own]


CHECKS: tuple[Callable[[Package, Collection[Found], Others], Uses], ...] = (
    instances,
    classes,
    apis,
    sources,
    roles,
    dependents,
)


def bindings_of(survey: Survey, role: Ref, own: Collection[Ref]) -> tuple[Found, ...]:
    """The bindings that grant a ClusterRole to anybody, without the `own` ones."""
    return tuple(
        binding
        for binding in survey.of_kind(*BINDINGS)
        if binding.get("roleRef", "kind") == "ClusterRole"
        and binding.get("roleRef", "name") == role.name
        and binding.ref not in own
    )


def missed(going: Collection[Ref]) -> Iterator[str]:
    """What goes and may be missed without a trace of who relies on it, in words."""
    for ref in sorted(going):
        if ref.group_kind == API_SERVICE:
            yield f"{ref.display} goes, and with it an API that others may call"
        if ref.group == "admissionregistration.k8s.io" and ref.name != facts.WEBHOOK_CONFIGURATION:
            yield f"{ref.display} goes: it no longer checks or changes what others create"


# -- who chooses a class


def _ingress_class(ingress: Found) -> str:
    """The class by which an Ingress chooses its controller; the annotation is the older way."""
    return str(ingress.get("spec", "ingressClassName") or ingress.annotations.get("kubernetes.io/ingress.class") or "")


def _at(*path: str) -> Callable[[Found], str]:
    return lambda found: str(found.get(*path) or "")


_CHOICES: Mapping[tuple[str, str], tuple[tuple[tuple[str, str], Callable[[Found], str]], ...]] = {
    INGRESS_CLASS: ((INGRESS, _ingress_class),),
    GATEWAY_CLASS: ((GATEWAY, _at("spec", "gatewayClassName")),),
    STORAGE_CLASS: ((CLAIM, _at("spec", "storageClassName")), (VOLUME, _at("spec", "storageClassName"))),
    CSI_DRIVER: ((VOLUME, _at("spec", "csi", "driver")),),
    RUNTIME_CLASS: ((POD, _at("spec", "runtimeClassName")),),
    PRIORITY_CLASS: ((POD, _at("spec", "priorityClassName")),),
}


def _is_bound(found: Found, others: Others) -> bool:
    """Whether a volume belongs to a claim of a package that goes."""
    claim = found.get("spec", "claimRef") or {}
    return Ref(*CLAIM, str(claim.get("namespace")), str(claim.get("name"))) in others.own
