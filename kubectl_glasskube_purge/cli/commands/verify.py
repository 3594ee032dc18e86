"""`verify`: what of Glasskube is in the cluster."""

from __future__ import annotations

from kubectl_glasskube_purge.cli import running
from kubectl_glasskube_purge.cli.binding import Common
from kubectl_glasskube_purge.cli.choices import Output
from kubectl_glasskube_purge.flows import purge as flow


def run(*, common: Common, output: Output = Output.human, glasskube_version: str = "") -> int:
    """Says what of Glasskube is in the cluster. Changes nothing."""
    request = flow.Request(flags=common.flags, version=glasskube_version)
    return running.run(lambda screen, record: flow.look(request, record), running.Show(output, common, verifying=True))
