"""Survey and Plan → why one object goes or stays, in sentences. Pure.

Says nothing that the plan didn't decide: the answer is read from the same
actions, consequences and reasons that the purge carries out. What the plan has
no word for stays because nothing connects it with Glasskube, and then it is said
what was looked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from kubectl_glasskube_purge.glasskube import facts, inventory
from kubectl_glasskube_purge.kube.objects import Found, Ref
from kubectl_glasskube_purge.kube.problem import Problem
from kubectl_glasskube_purge.kube.wording import plural, some
from kubectl_glasskube_purge.purge.model.kinds import DEFINITION, NAMESPACE
from kubectl_glasskube_purge.purge.model.plan import Action, Consequence, Plan, Stage
from kubectl_glasskube_purge.purge.model.survey import Survey

from .managers import managed_by
from .protection import keep_annotations

Verdict = Literal["deleted", "goes-along", "detached", "stays"]


@dataclass(frozen=True)
class Explanation:
    """What a purge would do with an object, and why."""

    ref: Ref
    verdict: Verdict
    stage: str = ""
    """In which it goes; `""` where it stays."""
    reasons: tuple[str, ...] = ()
    """One leads to the next: the object's own first, that of what it goes with behind it."""
    evidence: tuple[str, ...] = ()
    """What was seen of it that has to do with the answer."""
    refusals: tuple[str, ...] = ()
    """Why the purge would not begin at all, as things are."""


def explain(survey: Survey, plan: Plan, found: Found) -> Explanation:
    """Why the purge that `plan` describes would delete or keep an object. `found` needs not be in the survey."""
    verdict, stage, reasons = _decision(survey, plan, found)
    return Explanation(
        found.ref,
        verdict,
        stage.name if stage else "",
        tuple(reasons),
        tuple(_evidence(survey, plan, found)),
        tuple(_in_full(refusal) for refusal in plan.refusals),
    )


def _in_full(refusal: Problem) -> str:
    return refusal.message + (f": {some(refusal.details)}" if refusal.details else "")


def _decision(survey: Survey, plan: Plan, found: Found) -> tuple[Verdict, Stage | None, Iterable[str]]:
    for stage in plan.stages:
        named = (action for action in stage.actions if action.ref == found.ref)
        actions = sorted(named, key=lambda action: action.verb == "release-finalizer")
        if any(action.verb == "delete" for action in actions):
            return "deleted", stage, [action.reason for action in actions]
        if any(action.verb == "detach" for action in actions):
            return "detached", None, [action.reason for action in actions]
        for consequence in stage.consequences:
            if consequence.found.ref == found.ref:
                return "goes-along", stage, _chain(plan, consequence)
    kept = [kept.why for kept in plan.kept if kept.ref == found.ref]
    changed = [action.reason for stage in plan.stages for action in stage.actions if action.ref == found.ref]
    return "stays", None, [*kept, *changed] or _nothing_connects(survey, plan, found)


def _chain(plan: Plan, consequence: Consequence) -> Iterator[str]:
    """From the object back to what is deleted by request."""
    consequences: Mapping[Ref, Consequence] = {c.found.ref: c for stage in plan.stages for c in stage.consequences}
    actions: Mapping[Ref, Action] = plan.deletes
    seen: set[Ref] = set()
    step: Consequence | None = consequence
    while step is not None and step.found.ref not in seen:
        subject = step.found.ref.display if seen else "it"
        seen.add(step.found.ref)
        yield f"{subject} is {step.reason}"
        if step.because in actions:
            yield f"{step.because.display} is deleted: {actions[step.because].reason}"
            return
        step = consequences.get(step.because)


def _nothing_connects(survey: Survey, plan: Plan, found: Found) -> Iterator[str]:
    going = plan.going
    uids = {other.uid for other in going.values()}
    owners = [owner for owner in found.owners if owner.uid not in uids]
    yield "nothing connects it with Glasskube"
    if owners:
        names = some(f"{owner.kind.lower()}/{owner.name}" for owner in owners)
        yield f"its owner stays: {names}"
    elif not found.owners:
        yield "no package, nor anything else that goes, owns it"
    if found.ref.namespace and Ref(*NAMESPACE, "", found.ref.namespace) not in going:
        yield f"namespace {found.ref.namespace} stays"
    definition = next((name for name, kind in survey.defines.items() if kind == found.ref.group_kind), "")
    if survey.get(Ref(*DEFINITION, "", definition)) and Ref(*DEFINITION, "", definition) not in going:
        yield f"the definition of its kind stays, {definition}"
    if found.ref not in inventory.every_object():
        yield "no Glasskube release contains an object of this kind and name"


def _evidence(survey: Survey, plan: Plan, found: Found) -> Iterator[str]:
    if found.managers:
        yield f"applied by field manager {some(found.managers)}"
    for label in (facts.MANAGED_BY_LABEL, facts.PART_OF_LABEL):
        if value := found.labels.get(label):
            yield f"label {label}={value}"
    if manager := managed_by(found):
        yield f"managed by {manager}"
    for decision in plan.packages:
        if decision.package == found.ref:
            yield from (f"others rely on it: {use.words}" for use in decision.uses)
    for name in keep_annotations(found):
        yield f"annotation {name}: {found.annotations[name]}"
    if found.ref in inventory.every_object():
        yield f"named in release manifests of Glasskube: {_releases(found.ref, survey.version.version)}"
    if found.ref in inventory.every_flux_object():
        yield from (evidence.text for evidence in plan.verdict.evidence)
    for lost in plan.lost:
        if lost.ref == found.ref:
            yield f"no backup brings its data back: {lost.what}"
    if found.finalizers:
        yield f"finalizers {some(found.finalizers)}"
    if found.terminating:
        yield f"is being deleted since {found.deleted}"


def _releases(ref: Ref, installed: str) -> str:
    """In how many releases an object is named, and whether the installed one is among them."""
    releases = [r for r in inventory.releases() if any(ref in inventory.objects(r, v) for v in inventory.variants(r))]
    others = len(releases) - (installed in releases)
    if installed not in releases:
        return plural(others, "release") + (f", but not {installed}" if installed else "")
    return f"{installed} and {plural(others, 'other release')}" if others else installed
