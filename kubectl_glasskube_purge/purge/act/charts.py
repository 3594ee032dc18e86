"""What a chart leaves behind if helm-controller doesn't uninstall it, or not completely.

A package's namespace may be deleted before helm-controller has read the release's Secret in it. helm-controller then
takes the release for uninstalled, and what the chart put outside of that namespace is left. The stored manifest
proves whose those objects are, so it is read before the first delete.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from kubectl_glasskube_purge.glasskube import facts
from kubectl_glasskube_purge.kube import errors
from kubectl_glasskube_purge.kube.objects import Found
from kubectl_glasskube_purge.kube.problem import Problem
from kubectl_glasskube_purge.purge.judge.ownership import (
    consequences,
    helm_release_made_by,
    noted_release,
    stored_release,
)
from kubectl_glasskube_purge.purge.look import helm_release
from kubectl_glasskube_purge.purge.look.survey import release_secret
from kubectl_glasskube_purge.purge.model.kinds import NAMESPACE
from kubectl_glasskube_purge.purge.model.plan import Consequence, Plan, Stage

from .run import Run, Tracked, all_of


def may_be_left(plan: Plan, stage: Stage) -> Sequence[Consequence]:
    """What charts installed outside of the namespaces that are deleted, if one of these has the stored release.

    If that is deleted first, nothing uninstalls the rest.
    """
    namespaces = {ref.name for ref in plan.going if ref.group_kind == NAMESPACE}
    return [
        one
        for one in stage.consequences
        if one.rule == "helm"
        and one.found.ref.namespace not in namespaces
        and stored_release(plan.going[one.because])[0] in namespaces
    ]


async def read_charts(run: Run, stage: Stage) -> None:
    """Reads whose chart the objects are that an uninstall may leave. Raises `KubeError`.

    If a Secret may not be read, nothing is proven, and what is left is reported at the end.
    """
    outside = may_be_left(run.plan, stage)
    releases = [found for ref in sorted({c.because for c in outside}) if (found := run.survey.get(ref)) is not None]
    secrets = await all_of(_secret(run, release) for release in releases)
    stored = [(release, secret) for release, secret in zip(releases, secrets, strict=True) if secret is not None]
    decoded = await helm_release.decode_all([(secret, helm_release_made_by(release)[0]) for release, secret in stored])
    for (release, secret), content in zip(stored, decoded, strict=True):
        problem = content.problem or mismatch(release, content)
        if problem:
            run.emit(Problem("release-undecoded", f"{secret.ref.display} {problem}: it proves nothing"))
            continue
        for consequence in outside:
            if consequence.because == release.ref and consequence.found.ref in content.installed:
                run.tracked[consequence.found.uid].chart_of = release.uid


def mismatch(release: Found, content: helm_release.Release) -> str:
    """Why a stored release isn't the one that helm-controller noted of a HelmRelease, in words; `""` if it is.

    Controllers before v0.37 note nothing: then there is nothing to compare with.
    """
    noted = str(noted_release(release).get("digest") or "")
    return "isn't what helm-controller noted of it" if noted and noted != content.digest else ""


async def _secret(run: Run, release: Found) -> Found | None:
    """The Secret of a HelmRelease's newest revision; None if there is none, or it may not be read."""
    secret = release_secret(run.survey.objects, *stored_release(release))
    try:
        return await run.client.get(secret.ref, whole=True) if secret is not None else None
    except errors.Forbidden:
        return None


async def delete_left_of_charts(run: Run, pending: Iterable[Tracked]) -> None:
    """Deletes what a chart left behind once its HelmRelease is gone. Raises `KubeError`."""

    async def delete(found: Found) -> None:
        if await run.client.delete(found.ref, uid=found.uid) == "accepted":
            message = (
                f"{found.ref.display} was left by its chart's uninstall; the release's manifest proves whose it is"
            )
            run.emit(Problem("left-by-chart", message))

    await all_of(
        delete(tracked.found)
        for tracked in pending
        if not tracked.found.terminating and (release := run.tracked.get(tracked.chart_of)) is not None and release.gone
    )


async def leave_charts(run: Run) -> None:
    """Stops waiting for what only an uninstall removes, and deletes the HelmCharts of abandoned HelmReleases.

    Raises `KubeError`.
    """
    kept = {one.ref for one in run.plan.kept}
    roots = [action.found for stage in run.plan.stages for action in stage.deletes]
    abandoned = {tracked.found.ref for tracked in run.tracked.values() if tracked.abandoned}
    going = consequences(run.survey, roots, kept, abandoned).keys() | {found.ref for found in roots}
    for uid, tracked in list(run.tracked.items()):
        ref = tracked.found.ref
        if tracked.gone or ref in going or ref not in run.plan.going:
            continue
        if ref.group_kind == facts.HELM_CHART.group_kind:
            await run.client.delete(ref, uid=uid)
        else:
            run.settle(uid, "kept", "stays behind: nobody uninstalls the chart it came with")
