"""What a plan is decided from: what was seen, what is wanted, and what follows from the two at once. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property

from kubectl_glasskube_purge.glasskube import facts
from kubectl_glasskube_purge.kube.objects import Found, Ref
from kubectl_glasskube_purge.purge.model.plan import FluxDecision, FluxVerdict, KeepMode, Options, Protection
from kubectl_glasskube_purge.purge.model.survey import Survey

from . import flux, handover, held
from .ownership import consequences, is_suspended, orphans
from .protection import protections


@dataclass(frozen=True)
class Case:
    """What every decision about a purge goes by."""

    survey: Survey
    options: Options
    verdict: FluxVerdict
    mode: KeepMode
    """Whom what the packages installed is handed over to; `""` where it goes with them."""
    protected: Mapping[Ref, Protection]
    """What stays although its owner goes."""
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
        owned = handover.owned(self.survey) if self.mode else ()
        return frozenset(self.protected).union(found.ref for found in owned)

    @cached_property
    def without_chart(self) -> frozenset[Ref]:
        """What of Flux's kinds goes and takes no chart along."""
        handed = handover.helm_releases(self.survey) if self.mode else ()
        return frozenset(found.ref for found in (*self.abandoned, *self.suspended, *handed))


def consider(survey: Survey, options: Options) -> Case:
    """What follows from a survey and the options before any action is planned."""
    verdict = flux.judge(survey)
    if mode := _keep_mode(verdict, options):
        return Case(survey, options, verdict, mode, handover.handed_over(survey, mode))
    packages = survey.package_objects
    protected = protections(survey, packages, include_foreign=options.include_foreign)
    orphaned = [found for found in orphans(survey) if found.ref not in protected]
    following = consequences(survey, [*packages, *orphaned], protected).values()
    going = sorted((*orphaned, *(consequence.found for consequence in following)), key=lambda found: found.ref)
    abandoned = tuple(found for found in going if options.force_finalizers and _is_abandoned(found, survey))
    return Case(survey, options, verdict, mode, protected, abandoned, tuple(filter(is_suspended, going)))


def _is_abandoned(found: Found, survey: Survey) -> bool:
    """Whether it keeps a finalizer that its controller, not running or failing, won't drop."""
    of_flux = found.ref.group_kind in facts.FLUX_GROUP_KINDS
    return of_flux and facts.FLUX_FINALIZER in found.finalizers and held.is_hopeless(found, survey)


def _keep_mode(verdict: FluxVerdict, options: Options) -> KeepMode:
    if options.keep_packages != "auto":
        return options.keep_packages
    return "helm" if _flux_decision(verdict, options) == "delete" else "flux"


def _flux_decision(verdict: FluxVerdict, options: Options, needed_by: Collection[Ref] = ()) -> FluxDecision:
    if not verdict.present:
        return "absent"
    if options.flux == "keep" or needed_by:
        return "keep"
    if verdict.proven or (options.flux == "delete" and options.delete_shared_flux):
        return "delete"
    return "keep"
