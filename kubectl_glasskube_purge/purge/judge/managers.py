"""Who manages an object from elsewhere, and would recreate it: Argo CD, Flux, Helm. Pure, by their marks on it."""

from __future__ import annotations

from collections.abc import Iterable

from kubectl_glasskube_purge.glasskube import facts
from kubectl_glasskube_purge.kube.objects import Found
from kubectl_glasskube_purge.purge.model.survey import Survey


def gitops(objects: Iterable[Found]) -> tuple[str, ...]:
    """Which Argo CD Application, Flux Kustomization or Helm release manages which of these objects."""
    managers: dict[str, list[Found]] = {}
    for found in objects:
        if manager := managed_by(found) or _applied_by_argo(found):
            managers.setdefault(manager, []).append(found)
    return tuple(
        f"{manager} manages {members[0].ref.display}" + (f" and {len(members) - 1} more" if members[1:] else "")
        for manager, members in sorted(managers.items())
    )


def managed_by(found: Found) -> str:
    """Who manages an object from elsewhere, in words; `""` if it has no tool's mark."""
    labels, annotations = found.labels, found.annotations
    if tracking := annotations.get(facts.ARGOCD_TRACKING_ANNOTATION):
        return f"Argo CD Application {tracking.split(':', 1)[0]}"
    if instance := labels.get(facts.ARGOCD_INSTANCE_LABEL):
        return f"Argo CD Application {instance}"
    if name := labels.get(facts.FLUX_KUSTOMIZATION_LABEL):
        return f"Flux Kustomization {labels.get(facts.FLUX_KUSTOMIZATION_NAMESPACE_LABEL, '')}/{name}"
    if name := labels.get(facts.FLUX_HELM_RELEASE_LABEL):
        return f"Flux HelmRelease {labels.get(facts.FLUX_HELM_RELEASE_NAMESPACE_LABEL, '')}/{name}"
    if name := annotations.get(facts.HELM_RELEASE_NAME_ANNOTATION):
        return f"Helm release {annotations.get(facts.HELM_RELEASE_NAMESPACE_ANNOTATION, '')}/{name}"
    return ""


def _applied_by_argo(found: Found) -> str:
    """Argo CD by its field manager: tracking by its former default label, it leaves no other mark."""
    for manager in sorted(facts.ARGOCD_FIELD_MANAGERS.intersection(found.managers)):
        instance = found.labels.get(facts.INSTANCE_OF_LABEL)
        return f"Argo CD (field manager {manager}" + (f", {facts.INSTANCE_OF_LABEL}={instance})" if instance else ")")
    return ""


def gitops_mode(survey: Survey) -> bool:
    """Whether Glasskube's packages come from a Git repository."""
    value = survey.namespace.annotations.get(facts.GITOPS_MODE_ANNOTATION, "") if survey.namespace else ""
    return value in ("1", "t", "T", "true", "True", "TRUE")
