"""What in a namespace is a package's, what is incidental, and what is another user's. Pure.

What stays because of that is left to `protection`, and to `flux` for Flux's own namespace.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache

from kubectl_glasskube_purge.glasskube import facts
from kubectl_glasskube_purge.kube.objects import Found, Ref
from kubectl_glasskube_purge.kube.wording import some
from kubectl_glasskube_purge.purge.model.kinds import (
    BINDINGS,
    CLAIM,
    ENDPOINTS,
    POD,
    PROJECT,
    SECRET,
)
from kubectl_glasskube_purge.purge.model.plan import Consequence
from kubectl_glasskube_purge.purge.model.survey import Survey

from .ownership import helm_release_made_by, is_confirmed, orphans, own_consequences
from .programs import programs_of, wrote_alone

INCIDENTAL = frozenset(
    {
        ("", "ConfigMap", "kube-root-ca.crt"),
        ("", "ConfigMap", "istio-ca-root-cert"),
        ("", "ConfigMap", "openshift-service-ca.crt"),
        ("", "ServiceAccount", "default"),
    }
)
"""What the control plane and common add-ons put into every namespace: (group, kind, name)."""

INCIDENTAL_ON_OPENSHIFT = frozenset(
    {
        *(("", "ServiceAccount", name) for name in ("builder", "deployer")),
        *((*BINDINGS[1], f"system:{name}") for name in ("image-pullers", "image-builders", "deployers")),
    }
)
"""What OpenShift puts into every namespace: elsewhere these names are a user's."""

_DOCKERCFG_ANNOTATIONS = ("openshift.io/internal-registry-auth-token.service-account", "openshift.io/token-secret.name")
"""On the Secrets with which OpenShift's ServiceAccounts pull images."""

MADE_BY_OPERATOR = frozenset(
    {
        Ref("coordination.k8s.io", "Lease", facts.NAMESPACE, facts.LEASE),
        Ref("", "Secret", facts.NAMESPACE, facts.WEBHOOK_SECRET),
    }
)
"""What Glasskube's own programs make at run time, in its namespace."""

MADE_BY_FLUX = frozenset(
    Ref("coordination.k8s.io", "Lease", facts.FLUX_NAMESPACE, f"{name}-leader-election")
    for name in facts.FLUX_DEPLOYMENTS
)
"""What the controllers of `aio` make at run time, in their namespace."""

CONTROL_PLANE = frozenset({"kube-controller-manager", "kube-scheduler", "kubelet"})
"""Field managers of Kubernetes itself: what only they wrote follows from something else."""


@lru_cache(maxsize=2)
def packaged(survey: Survey) -> Mapping[Ref, Consequence]:
    """Everything that the packages own or their charts installed."""
    return own_consequences(survey, (*survey.package_objects, *orphans(survey)))


def foreign_in(survey: Survey, namespace: str, known: Iterable[Found]) -> tuple[Found, ...]:
    """Objects in a namespace that are neither `known`, nor follow from them, nor the packages', nor incidental."""
    known = list(known)
    explained = {found.ref for found in known} | own_consequences(survey, known).keys() | packaged(survey).keys()
    explained |= {package.ref for package in survey.packages} | MADE_BY_OPERATOR | MADE_BY_FLUX
    inside = [found for found in survey.in_namespace(namespace) if found.ref not in explained]
    return tuple(sorted((f for f in inside if not is_incidental(survey, f)), key=lambda f: f.ref))


def is_incidental(survey: Survey, found: Found) -> bool:
    """Whether an object is there only because its namespace, or a neighbour, is.

    Endpoints follow their Service, metrics their Pod, a token its ServiceAccount,
    a Lease its holder. What lost all its owners is about to go by itself.
    What such an object owns is incidental, too.
    """
    return found.uid in _incidental(survey)


@lru_cache(maxsize=2)
def _incidental(survey: Survey) -> frozenset[str]:
    """The UIDs of all that is incidental."""
    alone = [found for found in survey.objects.values() if _is_incidental_itself(survey, found)]
    return frozenset(found.uid for found in alone) | {c.found.uid for c in own_consequences(survey, alone).values()}


def _is_incidental_itself(survey: Survey, found: Found) -> bool:
    ref = found.ref
    if (ref.group, ref.kind, ref.name) in INCIDENTAL or ref.group == "metrics.k8s.io":
        return True
    if ref.group_kind in (ENDPOINTS, ("coordination.k8s.io", "Lease")):
        return True
    if found.annotations.get("kubernetes.io/service-account.name") and ref.group_kind == SECRET:
        return True
    if PROJECT in survey.defines.values() and _is_incidental_on_openshift(found):
        return True
    return bool(found.owners) and not found.owned_by(survey.existing)


def _is_incidental_on_openshift(found: Found) -> bool:
    ref = found.ref
    if ref.group_kind == SECRET:
        return "-dockercfg-" in ref.name and any(name in found.annotations for name in _DOCKERCFG_ANNOTATIONS)
    return (ref.group, ref.kind, ref.name) in INCIDENTAL_ON_OPENSHIFT


def unseen_in_namespaces(survey: Survey) -> str:
    """The kinds that couldn't be listed in any namespace; `""` where all could be listed.

    Metrics are computed when asked for, never stored. Where an API's server doesn't answer at all, Kubernetes
    itself ends no namespace.
    """
    return some(
        one.what
        for one in survey.unreadable
        if one.kind and one.namespaced and not one.kind[0].endswith("metrics.k8s.io")
    )


def strangers(survey: Survey, namespace: str, own: Collection[Ref]) -> tuple[Found, ...]:
    """What is in a package's namespace and neither the packages' `own` nor a by-product of it.

    A volume claim made from a StatefulSet's template counts as the StatefulSet's; any other
    outlives who made it. What only Kubernetes itself, or programs of the packages' own Pods
    and hooks there, wrote is a by-product, unless it has an owner that is kept. All else may be another user's.
    """
    inside = survey.in_namespace(namespace)
    unexplained = [f for f in inside if f.ref not in own]
    programs = CONTROL_PLANE | programs_of(f.get("spec") for f in inside if f.ref.group_kind == POD and f.ref in own)
    for found in survey.of_kind(facts.HELM_RELEASE.group_kind):
        if found.ref in own and is_confirmed(found, survey) and helm_release_made_by(found)[0] == namespace:
            programs |= survey.hook_programs.get(helm_release_made_by(found), frozenset())
    sets = [f.ref.name for f in inside if f.ref.kind == "StatefulSet" and f.ref in own]
    return tuple(
        found
        for found in sorted(unexplained, key=lambda f: f.ref)
        if not is_incidental(survey, found)
        and not (
            any(made_from_template(found.ref.name, name) for name in sets)
            if found.ref.group_kind == CLAIM
            else wrote_alone(programs, found) and not found.owned_by(survey.existing)
        )
    )


def made_from_template(claim: str, stateful_set: str) -> bool:
    """Whether a claim's name is one that a StatefulSet gives: `<template>-<set>-<ordinal>`."""
    head, _, ordinal = claim.rpartition("-")
    return ordinal.isdigit() and head.endswith(f"-{stateful_set}")
