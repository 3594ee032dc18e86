"""What stays although its owner goes: what is marked so, what others use, and what holds such a thing. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from kubectl_glasskube_purge.glasskube import facts
from kubectl_glasskube_purge.kube.objects import Found, Ref
from kubectl_glasskube_purge.kube.wording import displayed, some
from kubectl_glasskube_purge.purge.model.kinds import BINDINGS, CLUSTER_ROLE, DEFINITION, NAMESPACE
from kubectl_glasskube_purge.purge.model.plan import Protection
from kubectl_glasskube_purge.purge.model.survey import Survey

from .brought import default_instances
from .foreign import strangers, unseen_in_namespaces
from .ownership import (
    consequences,
    drawing_from,
    foreign_claims,
    helm_release_made_by,
    helm_release_of,
    helm_releases_of,
    is_steered,
    loses_last_owner,
    orphans,
    own_consequences,
    source_of,
)
from .usage import bindings_of


def protections(
    survey: Survey, roots: Iterable[Found], handed: Mapping[Ref, Protection], include_foreign: Collection[str] = ()
) -> Mapping[Ref, Protection]:
    """What must not go with `roots` and the orphans: what is marked so, what others use, and what holds such a thing.

    A namespace that holds a kept object, the CRD of a kept instance, the
    HelmRelease of a kept chart object and its source are kept for its sake. What is
    `handed` over stays in any case.
    """
    roots = list(roots)
    protected = dict(handed)
    while True:
        orphaned = [found for found in orphans(survey) if found.ref not in protected]
        own = own_consequences(survey, [*roots, *orphaned], protected).keys() | {found.ref for found in orphaned}
        use = _Use(survey, own, include_foreign)
        going = {found.ref: found for found in orphaned}
        going |= {c.found.ref: c.found for c in consequences(survey, [*roots, *orphaned], protected).values()}
        judged = [_marked(found) or _needed_by_others(found, use) for found in going.values()]
        judged += _claims(use, [*roots, *going.values()])
        reasons = {reason.found.ref: reason for reason in judged if reason is not None}
        for protection in protected.values():
            reasons |= {holder.found.ref: holder for holder in _holders(survey, protection, going)}
        if not reasons.keys() - protected.keys():
            return protected
        protected |= {ref: reason for ref, reason in reasons.items() if ref not in protected}


SYSTEM_NAMESPACES = frozenset({"default", "kube-system", "kube-public", "kube-node-lease"})
"""Kubernetes' own: the API server makes them, and their end would be the cluster's."""


def keep_annotations(found: Found) -> tuple[str, ...]:
    """The annotations on an object that say it is to be kept."""
    return tuple(name for name, value in facts.KEEP_ANNOTATIONS.items() if found.annotations.get(name) == value)


def _marked(found: Found) -> Protection | None:
    if not (names := keep_annotations(found)):
        return None
    return Protection(found, f"protected by its annotation {names[0]}: {found.annotations[names[0]]}")


# -- who else needs it


@dataclass(frozen=True)
class _Use:
    """What separates use by others from the packages' own."""

    survey: Survey
    own: Collection[Ref]
    """What the packages own or their charts installed."""
    include_foreign: Collection[str]
    """Namespaces of which everything may go."""


def _claims(use: _Use, going: Iterable[Found]) -> Iterator[Protection]:
    """What would be deleted with `going` only because it claims to be a package's."""
    survey, uids = use.survey, {found.uid for found in going}
    for ref, why in foreign_claims(survey).items():
        found = survey.objects[ref]
        consented = ref.namespace in use.include_foreign
        if not consented and found.owned_by(uids) and loses_last_owner(found, uids, survey.existing):
            yield Protection(found, why)


def _needed_by_others(found: Found, use: _Use) -> Protection | None:
    check = _BY_KIND.get(found.ref.group_kind)
    return check(found, use) if check is not None else None


def _namespace(found: Found, use: _Use) -> Protection | None:
    if found.ref.name in SYSTEM_NAMESPACES:
        return Protection(found, "a namespace of Kubernetes itself: never deleted, whatever claims to own it")
    if unseen := unseen_in_namespaces(use.survey):
        return Protection(found, f"what is in it can't all be read ({unseen}), and may be another user's")
    foreign = () if found.ref.name in use.include_foreign else strangers(use.survey, found.ref.name, use.own)
    return _for(foreign, found, f"holds what no package owns (--include-foreign={found.ref.name})") if foreign else None


def _definition(found: Found, use: _Use) -> Protection | None:
    kind = use.survey.defines.get(found.ref.name)
    if kind is None:
        return None
    if any(one.what == found.ref.name for one in use.survey.unreadable):
        return Protection(found, "its instances can't be read, and may be another user's")
    defaults = default_instances(use.survey)
    instances = use.survey.of_kind(kind)
    foreign = [one for one in instances if one.ref not in use.own and one.uid not in defaults]
    return _for(foreign, found, "has instances that no package owns") if foreign else None


def _cluster_role(found: Found, use: _Use) -> Protection | None:
    return granted_by_others(use.survey, found, use.own)


def _source(found: Found, use: _Use) -> Protection | None:
    drawing = drawing_from(use.survey, found.ref, use.own)
    return _for(drawing, found, "others draw from it") if drawing else None


def _helm_release(found: Found, use: _Use) -> Protection | None:
    """One whose controller would uninstall the Helm release of another owner."""
    if is_steered(found, use.survey):
        release = "/".join(helm_release_made_by(found))
        return Protection(found, f"its spec names Helm release {release}, whose objects don't show that it made them")
    return None


_BY_KIND: Mapping[tuple[str, str], Callable[[Found, _Use], Protection | None]] = {
    NAMESPACE: _namespace,
    DEFINITION: _definition,
    CLUSTER_ROLE: _cluster_role,
    **dict.fromkeys((kind.group_kind for kind in facts.SOURCE_KINDS), _source),
    facts.HELM_RELEASE.group_kind: _helm_release,
}


def granted_by_others(survey: Survey, role: Found, own: Collection[Ref]) -> Protection | None:
    """Why a ClusterRole is kept that others grant; None if no others do."""
    if bindings := bindings_of(survey, role.ref, own):
        return _for(bindings, role, "granted by bindings of others")
    if hidden := survey.hidden(*BINDINGS):
        return Protection(role, f"who is granted it can't be read ({some(one.what for one in hidden)})")
    return None


def _for(others: Iterable[Found], found: Found, why: str) -> Protection:
    refs = tuple(other.ref for other in others)
    return Protection(found, f"{why}: {displayed(refs)}", refs)


# -- what has to stay for its sake


def _holders(survey: Survey, protection: Protection, going: Mapping[Ref, Found]) -> Iterator[Protection]:
    """Its namespace, the CRD of its kind, and what its chart needs to go on."""
    kept = protection.found.ref
    definitions = [Ref(*DEFINITION, "", name) for name, kind in survey.defines.items() if kind == kept.group_kind]
    for ref in (Ref(*NAMESPACE, "", kept.namespace), *definitions, *_chart_needs(survey, protection.found)):
        if ref in going:
            yield Protection(going[ref], f"holds {kept.display}, which stays", (kept,))


def _chart_needs(survey: Survey, kept: Found) -> Iterator[Ref]:
    """The HelmRelease that installed an object, and the source of a HelmRelease."""
    if kept.ref.group_kind == facts.HELM_RELEASE.group_kind:
        yield source_of(kept)
    elif (made := helm_release_of(kept)) is not None and kept.ref not in survey.helm_keeps:
        for helm_release in survey.of_kind(facts.HELM_RELEASE.group_kind):
            if made in helm_releases_of(helm_release):
                yield helm_release.ref
