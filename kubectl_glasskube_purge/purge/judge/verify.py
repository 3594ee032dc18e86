"""What is left, judged by the cluster and not by what was sent. Pure, over a fresh Survey."""

from __future__ import annotations

from dataclasses import replace

from kubectl_glasskube_purge.glasskube import facts, inventory
from kubectl_glasskube_purge.kube.objects import Found, Ref
from kubectl_glasskube_purge.purge.model.plan import Plan
from kubectl_glasskube_purge.purge.model.record import Leftover, Verification
from kubectl_glasskube_purge.purge.model.survey import Survey

from . import flux, held

JUST_EXISTS = "exists"
"""Why something is left that nothing holds: nobody deleted it."""


def verify(after: Survey, plan: Plan | None = None) -> Verification:
    """Looks for what is left of Glasskube.

    With the plan that was carried out, what it kept is no leftover, and whatever
    it said would go has to be gone. Without one, all of Glasskube counts, and a
    Flux that is proven to be its.
    """
    verdict = flux.judge(after)
    kept = {kept.ref for kept in plan.kept} if plan else set()
    of_flux = {found.ref for found in verdict.objects}
    flux_should_go = plan.flux == "delete" if plan else verdict.proven
    promised = {found.uid for found in plan.going.values()} if plan else set()
    known = inventory.every_object()
    labelled = {found.ref for found in after.labelled}
    leftovers: dict[Ref, Leftover] = {}
    for found in sorted(after.objects.values(), key=lambda f: f.ref):
        if found.ref in kept:
            continue
        if found.uid in promised or found.ref.group_kind in facts.GLASSKUBE_GROUP_KINDS:
            leftovers[found.ref] = _left(found, after)
        elif found.ref in of_flux:
            if flux_should_go:
                leftovers[found.ref] = _left(found, after)
        elif found.ref in known or found.ref in labelled:
            leftovers[found.ref] = _left(found, after)
    return Verification(tuple(leftovers.values()), tuple(unreadable.what for unreadable in after.unreadable))


def _left(found: Found, survey: Survey) -> Leftover:
    return Leftover(found.ref, held.reason(found, survey) if found.terminating else JUST_EXISTS, found.uid)


def explained(verification: Verification, plan: Plan) -> Verification:
    """The same, where what a purge by this plan keeps is told with the reason for it."""
    why = {kept.ref: f"a purge keeps it: {kept.why}" for kept in plan.kept}
    leftovers = tuple(
        replace(left, why=why.get(left.ref, left.why)) if left.why == JUST_EXISTS else left
        for left in verification.leftovers
    )
    return replace(verification, leftovers=leftovers)
