"""`restore`: the way back."""

from __future__ import annotations

from kubectl_glasskube_purge.cli import running
from kubectl_glasskube_purge.cli.arguments import Line, UsageError
from kubectl_glasskube_purge.cli.options import DRY_RUN, MOVED, RELEASE, SIDECAR_IMAGE
from kubectl_glasskube_purge.flows import restore as flow
from kubectl_glasskube_purge.glasskube.facts import RBAC_PROXY_IMAGE_MOVED
from kubectl_glasskube_purge.glasskube.release import Sources
from kubectl_glasskube_purge.kube.connect import Flags
from kubectl_glasskube_purge.purge.model.events import Limits
from kubectl_glasskube_purge.undo.restore import Options


def run(line: Line) -> int:
    """Brings back what a purge removed, from its backup or from a release."""
    if bool(line.arguments) == bool(line[RELEASE]):
        raise UsageError("name the file that the purge wrote, or a release with --release")
    image = RBAC_PROXY_IMAGE_MOVED if line[SIDECAR_IMAGE] == MOVED else line[SIDECAR_IMAGE]
    request = line.fill(
        flow.RestoreRequest,
        flags=line.fill(Flags),
        files=line.arguments,
        sources=line.fill(Sources),
        options=line.fill(Options, sidecar_image=image),
        dry_run=bool(line[DRY_RUN]),
        limits=line.fill(Limits),
    )
    show = line.fill(running.Show, dry_run=request.dry_run)
    return running.run(lambda screen, record: flow.restore(request, screen, record), show)
