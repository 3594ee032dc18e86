"""Packages that are kept: Glasskube goes, what it installed of them stays. Who gets what. Pure.

Handed over to Flux, a HelmRelease and its source lose their owner and go on as
they are. Handed over to Helm, a HelmRelease is suspended and deleted, which
leaves the chart's objects and its release Secret: an ordinary Helm release. The
objects of plain manifests, and the namespaces, have no owner afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from kubectl_glasskube_purge.glasskube import facts, inventory
from kubectl_glasskube_purge.kube.objects import Found, Ref
from kubectl_glasskube_purge.purge.model.kinds import NAMESPACE
from kubectl_glasskube_purge.purge.model.plan import KeepMode, Protection
from kubectl_glasskube_purge.purge.model.survey import Survey

from .foreign import packaged
from .ownership import chart_of, drawing_from, foreign_claims, stored_release, stray_charts


@dataclass(frozen=True)
class Kept:
    """The packages that are kept, of those that a survey saw."""

    survey: Survey
    packages: frozenset[str] = frozenset()
    """Their UIDs."""

    @cached_property
    def owned(self) -> tuple[Found, ...]:
        """What they own directly: all that the garbage collector would take, or its owner's controller."""
        owned = [found for found in self.survey.objects.values() if found.owned_by(self.packages)]
        return tuple(sorted(owned, key=lambda found: found.ref))

    def handed_over(self, mode: KeepMode) -> Mapping[Ref, Protection]:
        """What stays, with how it is managed from then on.

        Glasskube's own objects that came as a package, the auto-updater's, go all the same.
        Objects of Flux's kinds that others own or draw from, too, are not handed to Helm.
        """
        ours = inventory.every_object()
        alone = self._owned_alone() if mode == "helm" else ()
        to_helm = {found.ref for found in alone if found.ref.group_kind in facts.FLUX_GROUP_KINDS}
        claims, removed = foreign_claims(self.survey), self.removed(mode)
        claiming = [found for ref in claims if (found := self.survey.objects[ref]).owned_by(removed)]
        return {found.ref: Protection(found, claims[found.ref]) for found in claiming} | {
            found.ref: Protection(found, _managed_by(found, mode))
            for found in self.owned
            if mode and found.ref not in ours and found.ref not in to_helm
        }

    def removed(self, mode: KeepMode) -> frozenset[str]:
        """UIDs of what a hand-over to Helm deletes."""
        return frozenset(found.uid for found in (*self.helm_releases(), *self.sources()) if mode == "helm")

    def _owned_alone(self) -> tuple[Found, ...]:
        """What only packages own, not by its own word alone, and no other user draws from."""
        others, claims = self.survey.existing - self.survey.package_uids, foreign_claims(self.survey)
        own = packaged(self.survey).keys() | {chart.ref for chart in stray_charts(self.survey)}
        alone = (found for found in self.owned if not found.owned_by(others) and found.ref not in claims)
        return tuple(found for found in alone if not drawing_from(self.survey, found.ref, own))

    def helm_releases(self) -> tuple[Found, ...]:
        """The HelmReleases that only packages own."""
        return tuple(found for found in self._owned_alone() if found.ref.group_kind == facts.HELM_RELEASE.group_kind)

    def sources(self) -> tuple[Found, ...]:
        """What of Flux's kinds the packages own besides HelmReleases, with the charts that were fetched from it."""
        flux = facts.FLUX_GROUP_KINDS
        own = [f for f in self._owned_alone() if f.ref.group_kind in flux and f.ref.kind != facts.HELM_RELEASE.kind]
        charts = [chart for found in self.helm_releases() if (chart := self.survey.get(chart_of(found)))]
        return tuple({found.ref: found for found in (*own, *charts, *stray_charts(self.survey))}.values())


def _managed_by(found: Found, mode: KeepMode) -> str:
    if found.ref.group_kind == facts.HELM_RELEASE.group_kind:
        return f"handed over to Flux: kubectl get -n {found.ref.namespace} helmrelease/{found.ref.name}"
    if found.ref.group_kind in facts.FLUX_GROUP_KINDS:
        return "handed over to Flux"
    if found.ref.group_kind == NAMESPACE:
        return "stays with what runs in it"
    return "stays as it is: kubectl manages it from now on"


def reason(helm_release: Found) -> str:
    """Why and how a HelmRelease goes without its chart."""
    namespace, name = stored_release(helm_release)
    return f"handed over to Helm: helm status -n {namespace} {name}"
