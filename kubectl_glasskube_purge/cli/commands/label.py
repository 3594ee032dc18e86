"""`label`: one label system on everything that is Glasskube's."""

from __future__ import annotations

from kubectl_glasskube_purge.cli import running
from kubectl_glasskube_purge.cli.binding import Common
from kubectl_glasskube_purge.cli.choices import DryRun, Output
from kubectl_glasskube_purge.flows import label as flow_label


def run(
    *,
    common: Common,
    output: Output = Output.human,
    dry_run: DryRun | None = None,
    yes: bool = False,
    remove: bool = False,
) -> int:
    """Puts one label system on everything that is Glasskube's, or takes it off."""
    request = flow_label.LabelRequest(
        flags=common.flags,
        remove=remove,
        yes=yes,
        dry_run=dry_run is not None,
        dry_run_on_server=dry_run is DryRun.server,
    )
    show = running.Show(output, common, dry_run=request.dry_run)
    return running.run(lambda screen, record: flow_label.label(request, screen, record), show)
