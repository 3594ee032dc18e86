"""What a plan is decided from: what was seen, what is wanted, and what follows from the two at once. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property

from kubectl_glasskube_purge.glasskube import facts
from kubectl_glasskube_purge.kube.objects import Found, Ref
from kubectl_glasskube_purge.purge.model.plan import (
    GONE,
    Decision,
    FluxDecision,
    FluxVerdict,
    KeepMode,
    Options,
    Protection,
)
from kubectl_glasskube_purge.purge.model.survey import Controller, Survey

from . import flux, handover
from .brought import brought, left_by_helm
from .decision import decide
from .ownership import consequences, is_suspended, orphans
from .protection import protections


@dataclass(frozen=True)
class Case:
    """What every decision about a purge goes by."""

    survey: Survey
    options: Options
    verdict: FluxVerdict
    mode: KeepMode
    """The tool that what the kept packages installed is handed over to; `""` if no package is kept."""
    decisions: tuple[Decision, ...]
    handed: handover.Kept
    protected: Mapping[Ref, Protection]
    """What stays although its owner goes."""
    going: tuple[Found, ...]
    """What goes with the packages, and what packages that are gone left, sorted."""
    abandoned: tuple[Found, ...] = ()
    """What of Flux's kinds goes without its controller, by `--force-finalizers`, sorted.

    Also of packages that are gone: a run before this one, or upstream's purge, may have come as far as that.
    """
    suspended: tuple[Found, ...] = ()
    """HelmReleases that go and are suspended, sorted: helm-controller lets them go, and leaves their charts."""

    @cached_property
    def needs_flux(self) -> tuple[Ref, ...]:
        """HelmReleases and sources that stay."""
        return tuple(ref for ref in self.protected if ref.group_kind in facts.FLUX_GROUP_KINDS)

    @property
    def flux(self) -> FluxDecision:
        """What becomes of Flux."""
        return _flux_decision(self.verdict, self.options, self.needs_flux)

    @cached_property
    def staying(self) -> frozenset[Ref]:
        """What doesn't go because its owner does: packages that are handed over are deleted without their dependents,
        and what they own is kept, handed over, or deleted by itself."""
        return frozenset(self.protected).union(found.ref for found in self.handed.owned)

    @cached_property
    def at_work(self) -> tuple[Controller, ...]:
        """Flux's controllers that aren't seen to be gone, and of whose objects finalizers are dropped."""
        of = self.survey.flux_controller
        controllers = {of(found).ref: of(found) for found in self.abandoned}
        return tuple(one for one in controllers.values() if not one.gone)

    @cached_property
    def left(self) -> Mapping[Ref, Found]:
        """What Helm leaves of the packages that go."""
        left: dict[Ref, Found] = {}
        for one in self.decisions:
            if one.decision != "keep":
                left |= left_by_helm(self.survey, brought(self.survey)[one.package].values())
        return left

    @cached_property
    def without_chart(self) -> frozenset[Ref]:
        """What of Flux's kinds goes and takes no chart along."""
        return frozenset(found.ref for found in (*self.abandoned, *self.suspended, *self.handed.helm_releases()))


def consider(survey: Survey, options: Options) -> Case:
    """What follows from a survey and the options before any action is planned."""
    verdict = flux.judge(survey)
    decisions = decide(survey, options)
    kept = {one.package for one in decisions if one.decision == "keep"}
    mode = _keep_mode(verdict, options) if kept or options.keep_packages else ""
    handed = handover.Kept(survey, frozenset(one.found.uid for one in survey.packages if one.ref in kept))
    packages = [package.found for package in survey.packages if package.ref not in kept]
    protected = {**handed.handed_over(mode)}
    protected |= protections(survey, packages, protected, options.include_foreign)
    staying = protected.keys() | {found.ref for found in handed.owned}
    orphaned = [found for found in orphans(survey) if found.ref not in protected]
    following = consequences(survey, [*packages, *orphaned], staying).values()
    going = tuple(sorted((*orphaned, *(one.found for one in following)), key=lambda found: found.ref))
    abandoned = tuple(found for found in going if _is_abandoned(found, survey, options.force_finalizers))
    suspended = tuple(filter(is_suspended, going))
    return Case(survey, options, verdict, mode, decisions, handed, protected, going, abandoned, suspended)


def _is_abandoned(found: Found, survey: Survey, consent: Collection[str]) -> bool:
    """Whether it keeps a finalizer that its controller won't drop, and that may be dropped.

    A controller that isn't seen to be gone may start at any moment: that takes a consent by name, and it is stopped.
    """
    if found.ref.group_kind not in facts.FLUX_GROUP_KINDS or facts.FLUX_FINALIZER not in found.finalizers:
        return False
    controller = survey.flux_controller(found)
    return (GONE in consent and controller.gone) or (facts.FLUX_FINALIZER in consent and not controller.running)


def _keep_mode(verdict: FluxVerdict, options: Options) -> KeepMode:
    for choice in (options.hand_over, options.keep_packages, options.keep_in_use):
        if choice in ("flux", "helm"):
            return choice
    return "helm" if _flux_decision(verdict, options) == "delete" else "flux"


def _flux_decision(verdict: FluxVerdict, options: Options, needed_by: Collection[Ref] = ()) -> FluxDecision:
    if not verdict.present:
        return "absent"
    if options.flux == "keep" or needed_by:
        return "keep"
    if verdict.proven or (options.flux == "delete" and options.delete_shared_flux):
        return "delete"
    return "keep"
