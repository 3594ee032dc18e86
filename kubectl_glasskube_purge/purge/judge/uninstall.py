"""How a chart is uninstalled here, where helm-controller is gone and the user consents to do without it. Pure.

Only what the release's stored manifest names and Helm's marks on the object confirm is deleted, and what ends with
its namespace is left to that. The stored release goes last but for the HelmRelease's finalizer: until then, a run that
is interrupted finds everything that proves what is left. Hooks aren't run.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

from kubectl_glasskube_purge.glasskube import facts
from kubectl_glasskube_purge.kube.objects import Found, Ref
from kubectl_glasskube_purge.purge.model.plan import Action
from kubectl_glasskube_purge.purge.model.survey import StoredRelease, Survey

from .ownership import helm_release_of, helm_releases_of, installed_by

_KINDS = (
    "APIService Ingress IngressClass Service CronJob Job StatefulSet HorizontalPodAutoscaler Deployment ReplicaSet "
    "ReplicationController Pod DaemonSet RoleBinding Role ClusterRoleBinding ClusterRole CustomResourceDefinition "
    "PersistentVolumeClaim PersistentVolume StorageClass ConfigMap Secret ServiceAccount PodDisruptionBudget "
    "LimitRange ResourceQuota NetworkPolicy"
)
_ORDER = {kind: place for place, kind in enumerate(_KINDS.split())}


def rank(ref: Ref) -> int:
    """Where a kind comes in Helm's order of uninstalling (pkg/releaseutil: UninstallOrder); unknown ones are last."""
    return _ORDER.get(ref.kind, len(_ORDER))


def uninstall(
    helm_release: Found,
    release: StoredRelease | None,
    survey: Survey,
    staying: Collection[Ref],
    ending: Collection[str],
    first: Action | None = None,
) -> Iterator[Action]:
    """The steps that take the place of helm-controller's, when `first` is sent, the delete of the HelmRelease itself.

    What is `staying` is left alone, and in the namespaces that are `ending`, all goes with these. Without a
    `release` that is read nothing is proven, and the chart stays.
    """
    level, after = (first.level, first.after) if first is not None else (0, frozenset())
    stored = helm_releases_of(helm_release)[1]
    named = release.installed if release is not None else frozenset()
    candidates = [
        one
        for one in installed_by(helm_release, survey)
        if one.ref not in staying and one.ref not in survey.helm_keeps and one.ref.namespace not in ending
    ]
    revisions = [one for one in candidates if helm_release_of(one) == stored]
    installed = [one for one in candidates if one.ref in named and one not in revisions]
    if release is None or release.problem:
        revisions = []  # nothing else proves what isn't read of them
    reason = f"installed by {helm_release.ref.display}; uninstalled here, because its controller can't do it"
    for found in installed:
        yield Action("delete", found, reason, level=level, after=after)
    after = after.union(found.uid for found in installed)
    for found in revisions:
        reason = f"stored for {helm_release.ref.display}; deleted after what it names"
        yield Action("delete", found, reason, level=level, after=after)
    after = after.union(found.uid for found in revisions)
    yield replace(without_controller(helm_release, survey), after=after)


def without_controller(found: Found, survey: Survey) -> Action:
    """The end of something of Flux's kinds whose controller doesn't end it."""
    controller = survey.flux_controller(found)
    state = "didn't manage" if controller.running else f"is {controller.state}"
    reason = f"{controller.ref.name} {state}, and --force-finalizers gives up what it would do"
    return Action("release-finalizer", found, reason, finalizer=facts.FLUX_FINALIZER)
