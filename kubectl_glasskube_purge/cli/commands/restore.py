"""`restore`: the way back."""

from __future__ import annotations

from kubectl_glasskube_purge.cli import running
from kubectl_glasskube_purge.cli.arguments import UsageError
from kubectl_glasskube_purge.cli.binding import Common
from kubectl_glasskube_purge.cli.choices import DryRun, Output
from kubectl_glasskube_purge.cli.options import MOVED, duration
from kubectl_glasskube_purge.flows import restore as flow_undo
from kubectl_glasskube_purge.glasskube.facts import RBAC_PROXY_IMAGE_MOVED
from kubectl_glasskube_purge.glasskube.release import Sources
from kubectl_glasskube_purge.purge.model.events import Limits
from kubectl_glasskube_purge.undo.restore import Options


def run(
    *,
    common: Common,
    files: list[str] | None = None,
    output: Output = Output.human,
    dry_run: DryRun | None = None,
    yes: bool = False,
    only: list[str] | None = None,
    overwrite: bool = False,
    sidecar_image: str = "",
    release: str = "",
    timeout: str = "",
    manifest: str | None = None,
    releases_url: str | None = None,
    offline: bool = False,
) -> int:
    """Brings back what a purge removed, from its backup or from a release."""
    if bool(files) == bool(release):
        raise UsageError("name the file that the purge wrote, or a release with --release")
    image = RBAC_PROXY_IMAGE_MOVED if sidecar_image == MOVED else sidecar_image
    request = flow_undo.RestoreRequest(
        flags=common.flags,
        files=tuple(files or ()),
        release=release,
        sources=Sources(manifest=manifest, releases_url=releases_url, offline=offline),
        options=Options(only=tuple(only or ()), overwrite=overwrite, sidecar_image=image),
        yes=yes,
        dry_run=dry_run is not None,
        limits=Limits(total=duration(timeout) if timeout else None),
    )
    show = running.Show(output, common, dry_run=request.dry_run)
    return running.run(lambda screen, record: flow_undo.restore(request, screen, record), show)
