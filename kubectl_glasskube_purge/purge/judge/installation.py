"""What Glasskube's releases installed: what of it goes after the packages, in which stage and why. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from kubectl_glasskube_purge.glasskube import facts, inventory
from kubectl_glasskube_purge.kube.objects import Found, Ref
from kubectl_glasskube_purge.purge.model.kinds import CLUSTER_ROLE, DEFINITION, NAMESPACE
from kubectl_glasskube_purge.purge.model.plan import Action, Protection, Stage
from kubectl_glasskube_purge.purge.model.survey import Survey

from .case import Case
from .foreign import MADE_BY_OPERATOR, foreign_in, unseen_in_namespaces
from .protection import granted_by_others

_STAGE_OF = {DEFINITION: "definitions", NAMESPACE: "namespaces"}
"""All other kinds go with the controllers."""


@dataclass(frozen=True)
class Installation:
    """What of the releases' objects goes, and what of them stays for the sake of others."""

    going: tuple[Found, ...]
    granted: Mapping[Ref, Protection]
    """Glasskube's own ClusterRoles that others grant; Flux's are evidence about Flux."""
    foreign: tuple[Found, ...]
    """What keeps Glasskube's namespace, because it isn't Glasskube's."""
    unseen: str
    """The kinds that keep it, because they can't be listed."""


def installation(case: Case, packages: Stage) -> Installation:
    """What of the releases' objects the `packages` stage doesn't take; Flux's only where Flux goes."""
    survey = case.survey
    taken = {found.ref for found in packages.going}.union(case.protected)
    spared = {found.ref for found in case.verdict.objects if case.flux != "delete"}
    evident = inventory.every_object() - taken - spared
    ours = [found for ref, found in sorted(survey.objects.items()) if ref in evident]
    granted = _granted(survey, ours, taken)
    ours = [found for found in ours if found.ref not in granted]
    foreign = () if facts.NAMESPACE in case.options.include_foreign else foreign_in(survey, facts.NAMESPACE, ours)
    unseen = unseen_in_namespaces(survey)
    if foreign or unseen:
        ours = [found for found in ours if found.ref != Ref(*NAMESPACE, "", facts.NAMESPACE)]
        ours += [found for ref in MADE_BY_OPERATOR if (found := survey.get(ref))]
    return Installation(tuple(ours), granted, foreign, unseen)


def _granted(survey: Survey, ours: Iterable[Found], taken: Collection[Ref]) -> Mapping[Ref, Protection]:
    ours = list(ours)
    own = {*taken, *(found.ref for found in ours)}
    of_flux = inventory.every_flux_object()
    roles = [found for found in ours if found.ref.group_kind == CLUSTER_ROLE and found.ref not in of_flux]
    judged = {role.ref: granted_by_others(survey, role, own) for role in roles}
    return {ref: protection for ref, protection in judged.items() if protection is not None}


def installed_actions(case: Case, going: Iterable[Found], manifest: Collection[Ref]) -> Mapping[str, list[Action]]:
    """The deletes of the last three stages, in their order. `manifest` is that of the installed version."""
    stages: dict[str, list[Action]] = {"controllers": [], "definitions": [], "namespaces": []}
    for found in going:
        stage = stages[_STAGE_OF.get(found.ref.group_kind, "controllers")]
        stage.append(Action("delete", found, _reason(found, case, manifest)))
    return stages


def _reason(found: Found, case: Case, manifest: Collection[Ref]) -> str:
    if found.ref in inventory.every_flux_object():
        if case.verdict.proven:
            return "Flux, brought by Glasskube and used by nothing else"
        return "Flux, which isn't proven to be Glasskube's alone (--delete-shared-flux)"
    if found.ref in MADE_BY_OPERATOR:
        return "made by the operator"
    version = case.survey.version.version
    if found.ref in manifest:
        return f"in the release manifest of {version}"
    return "in release manifests of Glasskube" + (f", if not of {version}" if version else "")
