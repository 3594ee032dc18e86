"""`label`: one label system on everything that is Glasskube's."""

from __future__ import annotations

from kubectl_glasskube_purge.cli import running
from kubectl_glasskube_purge.cli.arguments import Line
from kubectl_glasskube_purge.cli.options import DRY_RUN
from kubectl_glasskube_purge.flows import label as flow
from kubectl_glasskube_purge.kube.connect import Flags


def run(line: Line) -> int:
    """Puts one label system on everything that is Glasskube's, or takes it off."""
    request = line.fill(
        flow.LabelRequest,
        flags=line.fill(Flags),
        dry_run=bool(line[DRY_RUN]),
        dry_run_on_server=line[DRY_RUN] == "server",
    )
    show = line.fill(running.Show, dry_run=request.dry_run)
    return running.run(lambda screen, record: flow.label(request, screen, record), show)
