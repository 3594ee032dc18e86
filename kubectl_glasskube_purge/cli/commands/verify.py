"""`verify`: what of Glasskube is in the cluster."""

from __future__ import annotations

from kubectl_glasskube_purge.cli import running
from kubectl_glasskube_purge.cli.arguments import Line
from kubectl_glasskube_purge.cli.options import GLASSKUBE_VERSION
from kubectl_glasskube_purge.flows import purge as flow
from kubectl_glasskube_purge.kube.connect import Flags


def run(line: Line) -> int:
    """Says what of Glasskube is in the cluster. Changes nothing."""
    request = flow.Request(flags=line.fill(Flags), version=line[GLASSKUBE_VERSION])
    show = line.fill(running.Show, verifying=True)
    return running.run(lambda screen, record: flow.look(request, record), show)
