"""Why a plan must not be carried out as it is: one reason, one small function, and what the user can do. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Callable

from kubectl_glasskube_purge.glasskube import facts
from kubectl_glasskube_purge.kube.objects import Ref
from kubectl_glasskube_purge.kube.problem import Problem
from kubectl_glasskube_purge.kube.wording import displayed, plural, some
from kubectl_glasskube_purge.purge.model.kinds import DEFINITION, DEPLOYMENT, NAMESPACE, POD
from kubectl_glasskube_purge.purge.model.plan import BUSY, Decision, Plan

from .brought import brought
from .busy import busy
from .case import Case
from .conversion import is_dispensable, losing
from .decision import handed_over, unknown
from .managers import gitops
from .ownership import consequences, helm_release_of, helm_releases_of, orphans
from .protection import SYSTEM_NAMESPACES, keep_annotations


def refusals(case: Case, plan: Plan) -> tuple[Problem, ...]:
    """Every reason not to begin with the stages of a plan."""
    return tuple(refusal for check in CHECKS if (refusal := check(case, plan)) is not None)


_DECISIVE = (
    *facts.GLASSKUBE_GROUP_KINDS,
    facts.HELM_RELEASE.group_kind,
    NAMESPACE,
    DEFINITION,
    DEPLOYMENT,
    POD,
)
"""Kinds without which it is unknown what a purge would delete, too, or whether a controller is there to do its part."""


def unreadable(case: Case, plan: Plan) -> Problem | None:
    """A decisive kind that can't be listed looks like one without objects, and would be deleted unseen."""
    hidden = case.survey.hidden(*_DECISIVE)
    if not hidden:
        return None
    return Problem(
        "unreadable",
        f"{some(one.what for one in hidden)} can't be read, so what a purge would take along isn't known",
        "Get the right to list them, or fix what serves them, then run this again.",
        details=tuple(f"{one.what}: {one.why}" for one in hidden),
    )


def api_unavailable(case: Case, plan: Plan) -> Problem | None:
    """No namespace ends while an API server that Kubernetes would ask for its content doesn't answer."""
    unavailable = [ref for ref in case.survey.unavailable if ref not in plan.going]
    namespaces = [ref for ref in plan.going if ref.group_kind == NAMESPACE]
    if not unavailable or not namespaces:
        return None
    names = " ".join(ref.name for ref in unavailable)
    return Problem(
        "api-unavailable",
        f"{displayed(unavailable)} can't be reached, and until it can Kubernetes ends no namespace",
        f"Start the Service that it names: kubectl get apiservice {names}. "
        f"If its product is gone: kubectl delete apiservice {names}",
        details=(f"these namespaces would be left Terminating: {some(ref.name for ref in namespaces)}",),
    )


def shared_flux(case: Case, plan: Plan) -> Problem | None:
    """Flux was to go, and another user may need it."""
    if case.options.flux != "delete" or not case.verdict.present:
        return None
    if case.needs_flux:
        return Problem(
            "flux-needed",
            f"--flux=delete was asked for, but {displayed(case.needs_flux)} is kept and needs it",
            "Keep Flux with --flux=keep.",
        )
    if case.verdict.proven or case.options.delete_shared_flux:
        return None
    return Problem(
        "flux-shared",
        "--flux=delete was asked for, but it isn't proven that Glasskube brought Flux and nothing else uses it",
        "Keep Flux with --flux=keep, or delete it for all users with --flux=delete --delete-shared-flux.",
        details=tuple(evidence.text for evidence in case.verdict.evidence if evidence.against),
    )


def flux_at_work(case: Case, plan: Plan) -> Problem | None:
    """A finalizer whose controller isn't gone, and can't be stopped because others need it."""
    names = [controller.ref.name for controller in case.at_work]
    if not names or plan.flux == "delete":
        return None
    stop = " ".join(f"deployment/{name}" for name in names)
    return Problem(
        "controller-at-work",
        f"{some(names)} may act any moment on what --force-finalizers takes from it, and Flux stays",
        f"Fix it. Or stop it, then run this again: kubectl scale -n {facts.FLUX_NAMESPACE} --replicas=0 {stop}",
    )


def marked(case: Case, plan: Plan) -> Problem | None:
    """What a user protected and nothing could keep: Glasskube's own objects, and what goes with them."""
    own = {(ref, "helm.sh/resource-policy") for ref in case.left}  # the chart's: --delete-crds is about these
    marks = ((ref, name) for ref, found in plan.going.items() for name in keep_annotations(found))
    protected = [mark for mark in marks if mark not in own]
    if not protected:
        return None
    ref, mark = protected[0]
    typed = shlex.quote(str(ref)) + (f" -n {ref.namespace}" if ref.namespace else "")
    return Problem(
        "protected",
        f"protected by annotation: {displayed(ref for ref, _ in protected)}",
        f"If it may go, take the annotation off: kubectl annotate {typed} {mark}-",
        details=tuple(f"{ref.display} has annotation {name}" for ref, name in protected),
    )


def managed(case: Case, plan: Plan) -> Problem | None:
    """What another tool would recreate; what Flux made for a HelmRelease that goes, too, isn't recreated by anybody."""
    flux = facts.FLUX_GROUP_KINDS
    releases = [found for ref, found in plan.going.items() if ref.group_kind == facts.HELM_RELEASE.group_kind]
    charts = {name for found in releases for name in helm_releases_of(found)}
    deletes = [a.found for a in plan.deletes.values() if a.ref.group_kind not in flux and a.ref not in case.left]
    deletes = [found for found in deletes if helm_release_of(found) not in charts]
    if case.options.ignore_gitops:
        # An operator that is started again acts on what the purge deletes.
        deletes = [found for found in deletes if found.ref == case.survey.operator.ref]
    managers = gitops(deletes)
    if not managers:
        return None
    return Problem(
        "gitops",
        "another tool manages these objects and would recreate them",
        "Take Glasskube out of what manages it first."
        if case.options.ignore_gitops
        else "Take Glasskube out of what manages it first, or go on with --ignore-gitops.",
        details=managers,
    )


def under_way(case: Case, plan: Plan) -> Problem | None:
    """Work that would be cut off."""
    reasons = () if case.options.ignore_busy else busy(case.survey, plan.going)
    if not reasons:
        return None
    return Problem(
        BUSY,
        "work is under way",
        "Wait for it with --wait-idle=5m, or cut it off with --ignore-busy.",
        details=reasons,
    )


def not_a_package_namespace(case: Case, plan: Plan) -> Problem | None:
    """Consent to delete everything in a namespace that isn't the packages' to take. One that isn't there is none."""
    survey = case.survey
    owned = consequences(survey, [*survey.package_objects, *orphans(survey)])
    names = [
        name
        for name in case.options.include_foreign
        if (ref := Ref(*NAMESPACE, "", name)) in survey.objects
        and name != facts.NAMESPACE
        and (name in SYSTEM_NAMESPACES or ref not in owned)
    ]
    if not names:
        return None
    return Problem(
        "not-a-package-namespace",
        f"--include-foreign names what no package owns: {some(names)}",
        "Leave these namespaces out: they stay in any case.",
    )


def no_such_package(case: Case, plan: Plan) -> Problem | None:
    """A name that was to be kept, and that nothing has: a typing error must not delete what was meant."""
    missing = unknown(case.survey, case.options.keep)
    if not missing:
        return None
    names = [one.name for one in plan.packages]
    return Problem(
        "no-such-package",
        f"--keep names what isn't there: {some(missing)}",
        f"These packages are: {some(names, len(names))}." if names else "There are no packages.",
    )


def package_in_use(case: Case, plan: Plan) -> Problem | None:
    """Packages that others rely on, without a decision."""
    undecided = [one for one in plan.packages if one.decision == "undecided"]
    if not undecided:
        return None
    already = handed_over(case.survey)
    noted = f" An earlier run handed over {some(already)}." if already else ""
    keep = " ".join(f"--keep {one.name}" for one in undecided)
    return Problem(
        "package-in-use",
        f"others rely on {plural(len(undecided), 'package')}: {some(one.name for one in undecided)}",
        f"Keep them running: {keep} (or --keep-in-use). Delete them all the same: --delete-in-use.{noted}",
        details=tuple(text for one in undecided for text in _in_use(one)),
    )


def _in_use(one: Decision) -> list[str]:
    return [f"{one.name}: {use.words}" for use in one.uses] or [f"{one.name}: an earlier run began to hand it over"]


def conversion_needed(case: Case, plan: Plan) -> Problem | None:
    """CRDs that are kept, and whose instances could no longer be read without a Service that is deleted."""
    needed = {found.ref: service for found, service in losing(case.survey, plan.going) if not is_dispensable(found)}
    if not needed:
        return None
    owners = [one for one in plan.packages if not brought(case.survey)[one.package].keys().isdisjoint(needed.values())]
    keep = f"Keep what converts them running: {' '.join(f'--keep {one.name}' for one in owners)}. " if owners else ""
    return Problem(
        "conversion-needed",
        f"{displayed(needed)} is kept, and its instances can't be read without the Service that converts them",
        f"{keep}Or delete these instances first.",
        details=tuple(f"{ref.display}: {service.display}" for ref, service in needed.items()),
    )


CHECKS: tuple[Callable[[Case, Plan], Problem | None], ...] = (
    unreadable,
    api_unavailable,
    shared_flux,
    flux_at_work,
    marked,
    managed,
    under_way,
    not_a_package_namespace,
    no_such_package,
    package_in_use,
    conversion_needed,
)
