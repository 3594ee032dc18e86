"""What is left, judged by the cluster and not by what was sent. Pure, over a fresh Survey."""

from __future__ import annotations

from dataclasses import replace

from kubectl_glasskube_purge.glasskube import facts, inventory
from kubectl_glasskube_purge.kube.objects import Found
from kubectl_glasskube_purge.purge.model.plan import Plan
from kubectl_glasskube_purge.purge.model.record import Leftover, Verification
from kubectl_glasskube_purge.purge.model.survey import Survey

from . import flux, held

JUST_EXISTS = "exists"
"""Why something is left that nothing holds: it was not deleted."""


def kinds_to_verify(before: Survey, plan: Plan) -> frozenset[tuple[str, str]]:
    """What `verify` needs to see of the cluster after a purge by this plan. What couldn't be read is tried again."""
    refs = {*inventory.every_object(), *plan.going}
    unreadable = {one.kind for one in before.unreadable if one.kind}
    return frozenset({ref.group_kind for ref in refs} | {*facts.GLASSKUBE_GROUP_KINDS} | unreadable)


def verify(after: Survey, plan: Plan | None = None) -> Verification:
    """Looks for what is left of Glasskube.

    With the plan that was carried out, what it kept is no leftover, and whatever
    it said would go has to be gone. Without one, all of Glasskube counts, and a
    Flux that is proven to be its.
    """
    verdict = flux.judge(after)
    decided = plan or Plan(flux="delete" if verdict.proven else "keep")
    kept = {one.ref for one in decided.kept}
    promised = {found.uid for found in decided.going.values()}
    spared = {found.ref for found in verdict.objects if decided.flux != "delete"}
    evident = inventory.every_object() - spared
    leftovers = tuple(
        _leftover(found, after)
        for ref, found in sorted(after.objects.items())
        if ref not in kept
        and (ref in evident or ref.group_kind in facts.GLASSKUBE_GROUP_KINDS or found.uid in promised)
    )
    return Verification(leftovers, tuple(unreadable.what for unreadable in after.unreadable))


def _leftover(found: Found, survey: Survey) -> Leftover:
    return Leftover(found.ref, held.reason(found, survey) if found.terminating else JUST_EXISTS, found.uid)


def explained(verification: Verification, plan: Plan) -> Verification:
    """The same, where what a purge by this plan keeps is listed with the reason for it."""
    why = {kept.ref: f"a purge keeps it: {kept.why}" for kept in plan.kept}
    leftovers = tuple(
        replace(leftover, why=why.get(leftover.ref, leftover.why)) if leftover.why == JUST_EXISTS else leftover
        for leftover in verification.leftovers
    )
    return replace(verification, leftovers=leftovers)
