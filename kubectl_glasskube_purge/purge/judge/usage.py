"""Who uses what goes, of what is shared in the cluster: roles, ingress classes, APIs, webhooks. Pure."""

from __future__ import annotations

from collections.abc import Collection

from kubectl_glasskube_purge.glasskube import facts
from kubectl_glasskube_purge.kube.objects import Found, Ref
from kubectl_glasskube_purge.kube.wording import displayed
from kubectl_glasskube_purge.purge.model.kinds import BINDINGS, CLUSTER_ROLE, INGRESS
from kubectl_glasskube_purge.purge.model.survey import Survey


def bindings_of(survey: Survey, role: Ref, own: Collection[Ref]) -> tuple[Found, ...]:
    """The bindings that grant a ClusterRole to anybody, without the `own` ones."""
    return tuple(
        binding
        for binding in survey.of_kind(*BINDINGS)
        if binding.get("roleRef", "kind") == "ClusterRole"
        and binding.get("roleRef", "name") == role.name
        and binding.ref not in own
    )


def users(survey: Survey, going: Collection[Ref]) -> tuple[str, ...]:
    """Who uses cluster-wide things that go, in words: Ingresses their class, bindings a role, everybody an API."""
    return tuple(words for ref in sorted(going) if (words := _users_of(ref, survey, going)))


def _users_of(ref: Ref, survey: Survey, going: Collection[Ref]) -> str:
    if ref.group_kind == ("apiregistration.k8s.io", "APIService"):
        return f"{ref.display} goes, and with it an API that others may call"
    if ref.group == "admissionregistration.k8s.io" and ref.name != facts.WEBHOOK_CONFIGURATION:
        return f"{ref.display} goes: it no longer checks or changes what others create"
    if ref.group_kind == ("networking.k8s.io", "IngressClass"):
        users = [f.ref for f in survey.of_kind(INGRESS) if _ingress_class(f) == ref.name and f.ref not in going]
        return f"{ref.display} goes, and is used by {displayed(users)}" if users else ""
    if ref.group_kind == CLUSTER_ROLE:
        users = [binding.ref for binding in bindings_of(survey, ref, going)]
        return f"{ref.display} goes, and is granted by {displayed(users)}" if users else ""
    return ""


def _ingress_class(ingress: Found) -> str:
    """The class by which an Ingress chooses its controller; the annotation is the older way."""
    return str(ingress.get("spec", "ingressClassName") or ingress.annotations.get("kubernetes.io/ingress.class") or "")
