"""What becomes of a chart when its HelmRelease's finalizer is dropped during the run, because its uninstall failed."""

from __future__ import annotations

from kubectl_glasskube_purge.kube import errors
from kubectl_glasskube_purge.kube.objects import Found
from kubectl_glasskube_purge.purge.judge.ownership import chart_of, consequences, helm_release_made_by, stored_release
from kubectl_glasskube_purge.purge.judge.uninstall import uninstall
from kubectl_glasskube_purge.purge.look import helm_release
from kubectl_glasskube_purge.purge.look.survey import release_secret
from kubectl_glasskube_purge.purge.model.plan import Action
from kubectl_glasskube_purge.purge.model.survey import StoredRelease

from .run import Run


async def abandon(run: Run, found: Found) -> None:
    """Uninstalls the chart of a HelmRelease here instead, as far as its stored release proves what that is.

    The run stops waiting for the rest. Raises `KubeError`.
    """
    run.tracked[found.uid].abandoned = True
    found = run.survey.objects.get(found.ref, found)  # with its spec and status, which no watch brings
    kept = {one.ref for one in run.plan.kept}
    steps = list(uninstall(found, await _stored(run, found), run.survey, kept, run.plan.ending))
    if (chart := run.plan.going.get(chart_of(found))) is not None:
        steps.append(Action("delete", chart, f"made for {found.ref.display}, which goes"))
    abandoned = {tracked.found.ref for tracked in run.tracked.values() if tracked.abandoned}
    roots = [action.found for action in (*run.plan.deletes.values(), *run.waiting, *steps)]
    going = consequences(run.survey, roots, kept, abandoned).keys() | {root.ref for root in roots}
    for uid, tracked in [*run.tracked.items()]:
        ref = tracked.found.ref
        if not tracked.gone and ref not in going and ref in run.plan.going:
            run.settle(uid, "kept", "kept: its chart's stored release doesn't prove it")
    run.waiting += steps


async def _stored(run: Run, found: Found) -> StoredRelease | None:
    """What Helm stored of a HelmRelease; None if that can't be read, or isn't what helm-controller noted."""
    secret = release_secret(run.survey.objects, *stored_release(found))
    try:
        whole = await run.client.get(secret.ref, whole=True) if secret is not None else None
    except errors.Forbidden:
        return None
    if whole is None:
        return None
    (release,) = await helm_release.decode_all([(whole, helm_release_made_by(found)[0])])
    return None if release.problem or helm_release.mismatch(found, release) else release
