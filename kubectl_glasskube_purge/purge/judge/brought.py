"""What each package brought: by owner, by its charts, and what Helm leaves of these. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache

from kubectl_glasskube_purge.glasskube import facts
from kubectl_glasskube_purge.kube.objects import Found, Ref
from kubectl_glasskube_purge.purge.model.kinds import DEFINITION, POD
from kubectl_glasskube_purge.purge.model.survey import Survey

from .ownership import helm_release_of, installed_by, origin_of, own_consequences
from .programs import programs_of, wrote_alone

Brought = Mapping[Ref, Found]


@lru_cache(maxsize=2)
def brought(survey: Survey) -> Mapping[Ref, Brought]:
    """Each package with everything that it brought, its CRDs and what an uninstall leaves among it."""
    definitions = survey.of_kind(DEFINITION)
    result: dict[Ref, Brought] = {}
    for package in survey.packages:
        own = {ref: one.found for ref, one in own_consequences(survey, [package.found]).items()}
        uids = {package.found.uid, *(found.uid for found in own.values())}
        charts = [found for one in own.values() for found in _installed(one, survey)]
        own |= {one.ref: one for one in definitions if one.owned_by(uids)}
        own |= {one.ref: one for one in charts if one.ref.group_kind == DEFINITION}
        own |= left_by_helm(survey, own.values())
        result[package.ref] = own
    return result


def _installed(found: Found, survey: Survey) -> list[Found]:
    return installed_by(found, survey) if found.ref.group_kind == facts.HELM_RELEASE.group_kind else []


@lru_cache(maxsize=2)
def default_instances(survey: Survey) -> frozenset[str]:
    """UIDs of the instances that a package's own programs made by default of a kind that it brought.

    What they made for an object of others has that as its owner, directly or not.
    """
    made: dict[str, Found] = {}
    brought_by_any: set[str] = set()
    for own in brought(survey).values():
        programs = programs_of(found.get("spec") for found in own.values() if found.ref.group_kind == POD)
        kinds = {kind for ref in own if (kind := survey.defines.get(ref.name)) and ref.group_kind == DEFINITION}
        made |= {one.uid: one for one in survey.of_kind(*sorted(kinds)) if wrote_alone(programs, one)}
        brought_by_any |= {found.uid for found in own.values()}
    others = survey.existing - brought_by_any - survey.package_uids - made.keys()
    while theirs := {uid for uid, found in made.items() if found.owned_by(others)}:
        others |= theirs
        made = {uid: found for uid, found in made.items() if uid not in theirs}
    return frozenset(made)


def left_by_helm(survey: Survey, objects: Iterable[Found]) -> Brought:
    """What an uninstall of the HelmReleases among these objects leaves.

    That is what Helm's resource policy says, and the CRDs of a chart's `crds/`: helm-controller marks these with the
    origin labels alone, and Helm keeps no record of them.
    """
    objects = list(objects)
    origins = {(f.ref.namespace, f.ref.name) for f in objects if f.ref.group_kind == facts.HELM_RELEASE.group_kind}
    if not origins:
        return {}
    policy = [one for found in objects for one in _installed(found, survey) if one.ref in survey.helm_keeps]
    unnoted = (found for found in survey.of_kind(DEFINITION) if helm_release_of(found) is None)
    return {found.ref: found for found in (*policy, *(found for found in unnoted if origin_of(found) in origins))}
