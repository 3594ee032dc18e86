"""`verify`: what of Glasskube is in the cluster."""

from __future__ import annotations

from kubectl_glasskube_purge.cli import running
from kubectl_glasskube_purge.cli.arguments import Line
from kubectl_glasskube_purge.cli.options import GLASSKUBE_VERSION
from kubectl_glasskube_purge.flows.verify import look
from kubectl_glasskube_purge.kube.connect import Flags


def run(line: Line) -> int:
    """Says what of Glasskube is in the cluster. Changes nothing."""
    show = line.fill(running.Show, verifying=True)
    flags, version = line.fill(Flags), line[GLASSKUBE_VERSION]
    return running.run(lambda screen, record: look(flags, record, version), show)
