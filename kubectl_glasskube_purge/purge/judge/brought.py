"""What each package brought: by owner, by its charts, and what Helm leaves of these. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache

from kubectl_glasskube_purge.glasskube import facts
from kubectl_glasskube_purge.kube.objects import Found, Ref
from kubectl_glasskube_purge.purge.model.kinds import DEFINITION
from kubectl_glasskube_purge.purge.model.survey import Survey

from .ownership import helm_release_made_by, helm_release_of, own_consequences

Brought = Mapping[Ref, Found]


@lru_cache(maxsize=2)
def brought(survey: Survey) -> Mapping[Ref, Brought]:
    """Each package with everything that it brought, its CRDs and what an uninstall leaves among it."""
    definitions = survey.of_kind(DEFINITION)
    result: dict[Ref, Brought] = {}
    for package in survey.packages:
        own = {ref: one.found for ref, one in own_consequences(survey, [package.found]).items()}
        uids = {package.found.uid, *(found.uid for found in own.values())}
        kind = facts.HELM_RELEASE.group_kind
        releases = {helm_release_made_by(found) for found in own.values() if found.ref.group_kind == kind}
        own |= {one.ref: one for one in definitions if one.owned_by(uids) or helm_release_of(one) in releases}
        own |= left_by_helm(survey, own.values())
        result[package.ref] = own
    return result


def left_by_helm(survey: Survey, objects: Iterable[Found]) -> Brought:
    """What an uninstall of the HelmReleases among these objects leaves.

    That is what Helm's resource policy says, and the CRDs of a chart's `crds/`: helm-controller marks these with the
    origin labels alone, and Helm keeps no record of them.
    """
    helm_releases = [found for found in objects if found.ref.group_kind == facts.HELM_RELEASE.group_kind]
    releases = {helm_release_made_by(found) for found in helm_releases}
    origins = {(found.ref.namespace, found.ref.name) for found in helm_releases}
    if not origins:
        return {}
    policy = [found for ref in survey.helm_keeps if (found := survey.get(ref)) and helm_release_of(found) in releases]
    unnoted = (found for found in survey.of_kind(DEFINITION) if helm_release_of(found) is None)
    return {found.ref: found for found in (*policy, *(found for found in unnoted if origin_of(found) in origins))}


def origin_of(found: Found) -> tuple[str, str]:
    """Namespace and name of the HelmRelease that an object's labels name."""
    labels = found.labels
    return labels.get(facts.FLUX_HELM_RELEASE_NAMESPACE_LABEL, ""), labels.get(facts.FLUX_HELM_RELEASE_LABEL, "")
