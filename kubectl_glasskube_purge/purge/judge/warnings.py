"""What the user should know although nothing is refused for it: one subject, one small function. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from kubectl_glasskube_purge.glasskube import facts
from kubectl_glasskube_purge.kube.objects import Ref
from kubectl_glasskube_purge.kube.problem import Problem
from kubectl_glasskube_purge.kube.wording import displayed
from kubectl_glasskube_purge.purge.model.claim import CLAIM_ANNOTATION, Claim
from kubectl_glasskube_purge.purge.model.plan import Plan
from kubectl_glasskube_purge.purge.model.survey import Survey

from . import held
from .busy import claimed_by
from .managers import gitops_mode
from .ownership import foreign_claims
from .usage import missed


def warnings(survey: Survey, plan: Plan) -> tuple[Problem, ...]:
    """What to know before the stages of a plan are carried out."""
    return tuple(warning for check in CHECKS for warning in check(survey, plan))


def unreadable(survey: Survey, plan: Plan) -> Iterator[Problem]:
    """What can't be read is doubt."""
    for one in survey.unreadable:
        yield Problem("unreadable", f"{one.what} can't be read ({one.why})")


def undecoded(survey: Survey, plan: Plan) -> Iterator[Problem]:
    """What isn't read of a Helm release proves nothing."""
    for (namespace, name), problem in survey.undecoded.items():
        yield Problem(
            "release-undecoded",
            f"the stored manifest of Helm release {namespace}/{name} {problem}: what it keeps isn't known",
        )


def foreign_claim(survey: Survey, plan: Plan) -> Iterator[Problem]:
    """What users can make look like a package's."""
    claims = foreign_claims(survey)
    if kept := sorted(claims.keys() - plan.going.keys()):
        details = tuple(f"{ref.display}: {claims[ref]}" for ref in kept)
        yield Problem(
            "foreign-claim",
            f"not a package's, although an ownerReference claims so: {displayed(kept)}",
            details=details,
        )


def version_ambiguous(survey: Survey, plan: Plan) -> Iterator[Problem]:
    """The version, where several releases have the same objects."""
    if survey.version.alternatives:
        others = ", ".join(survey.version.alternatives)
        yield Problem(
            "version-ambiguous",
            f"version {survey.version.version} was inferred from the installed objects; these match, too: {others}",
        )


def operator_not_ready(survey: Survey, plan: Plan) -> Iterator[Problem]:
    """An operator that is there and doesn't work."""
    if survey.operator.found is not None and survey.operator.state != "running":
        why = f" ({survey.operator.why})" if survey.operator.why else ""
        yield Problem("operator-not-ready", f"the operator is {survey.operator.state}{why}")


def claimed(survey: Survey, plan: Plan) -> Iterator[Problem]:
    """Another purge."""
    if words := claimed_by(survey):
        yield Problem("claimed", words)


def unreadable_claim(survey: Survey, plan: Plan) -> Iterator[Problem]:
    """A note on Glasskube's namespace that no purge wrote so."""
    if survey.namespace and CLAIM_ANNOTATION in survey.namespace.annotations and Claim.read(survey.namespace) is None:
        yield Problem("annotation-ignored", f"annotation {CLAIM_ANNOTATION} can't be read, and is ignored")


def in_gitops_mode(survey: Survey, plan: Plan) -> Iterator[Problem]:
    """A Git repository from which the packages come."""
    if gitops_mode(survey):
        yield Problem("gitops-mode", "Glasskube is in gitops mode: take its packages out of the Git repository, too")


def package_failed(survey: Survey, plan: Plan) -> Iterator[Problem]:
    """Packages that the operator couldn't install."""
    for package in survey.packages:
        if package.failed:
            yield Problem("package-failed", f"{package.ref.display} failed: {package.message or package.status}")


def still_used(survey: Survey, plan: Plan) -> Iterator[Problem]:
    """What others use and will miss."""
    for words in missed(plan.going):
        yield Problem("still-used", words)
    for one in plan.packages:
        for use in one.uses if one.decision == "delete" else ():
            words = (
                f"{one.package.display} is deleted (--delete-in-use), and with it what {displayed(use.users)} relies on"
            )
            yield Problem("still-used", f"{words}: {use.what}")


def stuck_already(survey: Survey, plan: Plan) -> Iterator[Problem]:
    """What is being deleted already and won't go by itself, so that it is no surprise when the purge can't finish."""
    own = {facts.PACKAGE_FINALIZER, facts.FLUX_FINALIZER}
    for _, found in sorted(plan.going.items()):
        if found.terminating and (held.is_hopeless(found, survey) or set(held.foreign_finalizers(found)) - own):
            yield Problem("held", f"{found.ref.display} {held.reason(found, survey)}")


def never_finalized(survey: Survey, plan: Plan) -> Iterator[Problem]:
    """What of Flux's kinds waits for a controller that isn't there, and without consent to do without it."""
    actions = [action for stage in plan.stages for action in stage.actions]
    settled = {
        action.ref for action in actions if action.finalizer == facts.FLUX_FINALIZER or action.verb == "hand-over"
    }
    waiting: dict[Ref, list[Ref]] = {}
    for ref, found in sorted(plan.going.items()):
        controller = survey.flux_controller(found)
        awaits = facts.FLUX_FINALIZER in found.finalizers and not found.terminating and ref not in settled
        if awaits and not (controller.running or controller.ready):
            waiting.setdefault(controller.ref, []).append(ref)
    controllers = {one.ref: one for one in (survey.helm_controller, survey.source_controller)}
    for name, refs in waiting.items():
        yield Problem(
            "controller-not-running",
            f"{name.name} is {controllers[name].state}, and only it drops {facts.FLUX_FINALIZER} of {displayed(refs)}: "
            "the purge can't finish without it, or without --force-finalizers",
        )


def hooks_not_run(survey: Survey, plan: Plan) -> Iterator[Problem]:
    """The hooks of charts that are uninstalled here."""
    for stage in plan.stages:
        for action in stage.actions:
            release = survey.releases.get(action.ref) if action.finalizer == facts.FLUX_FINALIZER else None
            if release is not None and release.hooks:
                hooks = ", ".join(release.hooks)
                yield Problem("hooks-not-run", f"{action.ref.display} is uninstalled without its hooks: {hooks}")


CHECKS: tuple[Callable[[Survey, Plan], Iterator[Problem]], ...] = (
    unreadable,
    undecoded,
    foreign_claim,
    version_ambiguous,
    operator_not_ready,
    claimed,
    unreadable_claim,
    in_gitops_mode,
    package_failed,
    still_used,
    stuck_already,
    never_finalized,
    hooks_not_run,
)
