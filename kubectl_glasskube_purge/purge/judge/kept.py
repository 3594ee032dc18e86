"""What stays, and why: one reason, one small function, the more exact ones first. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace

from kubectl_glasskube_purge.glasskube import facts
from kubectl_glasskube_purge.kube.objects import Found, Ref
from kubectl_glasskube_purge.kube.wording import displayed
from kubectl_glasskube_purge.purge.model.kinds import CLAIM, DEFINITION, NAMESPACE
from kubectl_glasskube_purge.purge.model.plan import Kept, Plan

from .case import Case
from .foreign import made_from_template
from .installation import Installation
from .ownership import installed_by, is_suspended

Reasons = Iterator[tuple[Found, str]]


def kept(case: Case, installed: Installation, going: Collection[Ref]) -> tuple[Kept, ...]:
    """Whatever a reason names that isn't among what is `going`, with the first reason that does."""
    reasons: dict[Ref, Kept] = {}
    for check in REASONS:
        for found, why in check(case, installed, going):
            if found.ref not in going:
                reasons.setdefault(found.ref, Kept(found.ref, why, found.uid))
    return tuple(reasons[ref] for ref in sorted(reasons))


def protected(case: Case, installed: Installation, going: Collection[Ref]) -> Reasons:
    """What is marked so, handed over, or used by others."""
    for protection in (*case.protected.values(), *installed.granted.values()):
        yield protection.found, protection.why


def flux(case: Case, installed: Installation, going: Collection[Ref]) -> Reasons:
    """Flux, where anything speaks against deleting it."""
    if case.flux == "keep":
        why = next((evidence.text for evidence in case.verdict.evidence if evidence.against), "--flux=keep")
        if case.needs_flux:
            why = f"{displayed(case.needs_flux)} needs it"
        for found in case.verdict.objects:
            yield found, f"Flux stays: {why}"


def namespace(case: Case, installed: Installation, going: Collection[Ref]) -> Reasons:
    """What others put into Glasskube's namespace, and the namespace for its sake, or for what can't be read."""
    for found in installed.foreign:
        yield found, f"not Glasskube's: its namespace {facts.NAMESPACE} is kept because of it"
    home = case.survey.namespace
    if home is not None and installed.foreign:
        uids = {found.uid for found in installed.foreign}
        theirs = displayed(found.ref for found in installed.foreign if not found.owned_by(uids))
        yield home, f"holds what isn't Glasskube's: {theirs} (--include-foreign deletes it)"
    if home is not None and installed.unseen:
        yield home, f"what is in it can't all be read ({installed.unseen}), and may be another user's"


def charts(case: Case, installed: Installation, going: Collection[Ref]) -> Reasons:
    """The objects of charts that stay installed although their HelmRelease is deleted."""
    for helm_release in (*case.abandoned, *case.suspended):
        if helm_release.ref.group_kind == facts.HELM_RELEASE.group_kind:
            why = "it is suspended" if is_suspended(helm_release) else "its stored release doesn't prove it"
            for found in installed_by(helm_release, case.survey):
                yield found, f"is kept: no controller uninstalls the chart of {helm_release.ref.display} ({why})"


def left_by_helm(case: Case, installed: Installation, going: Collection[Ref]) -> Reasons:
    """What Helm leaves by its own rules."""
    for found in case.left.values():
        if found.ref.group_kind == DEFINITION:
            how = f"kubectl delete crd {found.ref.name}, or --delete-crds if it has no instances"
            yield found, f"Helm leaves it at every uninstall; to delete it: {how}"
        else:
            yield found, "its chart says that Helm keeps it (helm.sh/resource-policy: keep)"


def unattended(case: Case, installed: Installation, going: Collection[Ref]) -> Reasons:
    """What relies on packages that go all the same."""
    for one in case.decisions:
        for use in one.uses if one.decision != "keep" else ():
            for user in use.users:
                if (found := case.survey.get(user)) is not None:
                    yield found, f"no controller acts on it any more: it relies on {one.package.display}, which goes"


def homes(case: Case, installed: Installation, going: Collection[Ref]) -> Reasons:
    """The namespaces that Packages are in."""
    for name in sorted({package.ref.namespace for package in case.survey.packages} - {""}):
        if home := case.survey.get(Ref(*NAMESPACE, "", name)):
            yield home, "not Glasskube's; no package is left in it afterwards"


def volumes(case: Case, installed: Installation, going: Collection[Ref]) -> Reasons:
    """Claims that StatefulSets made."""
    sets = [ref for ref in going if ref.kind == "StatefulSet"]
    for claim in case.survey.of_kind(CLAIM):
        beside = [ref.name for ref in sets if ref.namespace == claim.ref.namespace]
        if any(made_from_template(claim.ref.name, name) for name in beside):
            yield claim, "a StatefulSet's volumes outlive their chart"


def labelled(case: Case, installed: Installation, going: Collection[Ref]) -> Reasons:
    """What carries Glasskube's labels without being a package's."""
    for found in case.survey.labelled:
        if not found.owners:
            yield found, "labelled as Glasskube's, but owned by no package: not proven to be Glasskube's"


def named(case: Case, installed: Installation, going: Collection[Ref]) -> Reasons:
    """What is only called as if it were Glasskube's."""
    for found in case.survey.objects.values():
        if found.ref.name.startswith("glasskube-") and not found.owners:
            yield found, "not in any Glasskube release"


REASONS: tuple[Callable[[Case, Installation, Collection[Ref]], Reasons], ...] = (
    protected,
    flux,
    namespace,
    charts,
    left_by_helm,
    unattended,
    homes,
    volumes,
    labelled,
    named,
)


def stayed_after_all(plan: Plan, why: Mapping[Ref, str]) -> Plan:
    """The plan as it was carried out: with what stayed, by the user's consent, among what is kept."""
    stages = tuple(
        replace(stage, consequences=tuple(c for c in stage.consequences if c.found.ref not in why))
        for stage in plan.stages
    )
    uids = {ref: found.uid for ref, found in plan.going.items()}
    after_all = (*plan.kept, *(Kept(ref, reason, uids.get(ref, "")) for ref, reason in why.items()))
    return replace(plan, stages=stages, kept=tuple(sorted(after_all, key=lambda one: one.ref)))
