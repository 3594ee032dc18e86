"""The purge: the command without a name."""

from __future__ import annotations

from pathlib import Path

from kubectl_glasskube_purge.cli import running
from kubectl_glasskube_purge.cli.arguments import UsageError
from kubectl_glasskube_purge.cli.binding import Common
from kubectl_glasskube_purge.cli.choices import DryRun, Flux, KeepPackages, Output
from kubectl_glasskube_purge.cli.options import duration
from kubectl_glasskube_purge.flows import purge as flow
from kubectl_glasskube_purge.glasskube.release import Sources
from kubectl_glasskube_purge.purge.model.events import Limits
from kubectl_glasskube_purge.purge.model.plan import Options


def run(
    *,
    common: Common,
    output: Output = Output.human,
    dry_run: DryRun | None = None,
    yes: bool = False,
    flux: Flux = Flux.auto,
    delete_shared_flux: bool = False,
    keep_packages: KeepPackages | None = None,
    include_foreign: bool = False,
    force_finalizers: bool = False,
    ignore_gitops: bool = False,
    ignore_busy: bool = False,
    wait_idle: str = "",
    backup: str = "",
    no_backup: bool = False,
    rollback: bool = False,
    timeout: str = "",
    glasskube_version: str = "",
    manifest: str | None = None,
    releases_url: str | None = None,
    offline: bool = False,
    report: Path | None = None,
) -> int:
    """Removes Glasskube from the cluster."""
    if backup and no_backup:
        raise UsageError("--backup and --no-backup exclude each other")
    if rollback and no_backup:
        raise UsageError("--rollback-on-failure needs the backup that --no-backup leaves out")
    if backup == flow.STDOUT and not output.is_for_people:
        raise UsageError(f"--backup=- and --output={output.value} both want stdout; name a file")
    request = flow.Request(
        flags=common.flags,
        options=Options(
            flux=flux.value,
            delete_shared_flux=delete_shared_flux,
            include_foreign=include_foreign,
            ignore_gitops=ignore_gitops,
            ignore_busy=ignore_busy,
            force_finalizers=force_finalizers,
            keep_packages=keep_packages.value if keep_packages else "",
        ),
        sources=Sources(manifest=manifest, releases_url=releases_url, offline=offline),
        version=glasskube_version,
        yes=yes,
        dry_run=dry_run is not None,
        dry_run_on_server=dry_run is DryRun.server,
        wait_idle=duration(wait_idle) if wait_idle else 0.0,
        backup=backup,
        no_backup=no_backup,
        rollback=rollback,
        limits=Limits(total=duration(timeout) if timeout else None),
    )
    show = running.Show(output, common, dry_run=request.dry_run, stdout_taken=backup == flow.STDOUT, page=report)
    return running.run(lambda screen, record: flow.purge(request, screen, record), show)
