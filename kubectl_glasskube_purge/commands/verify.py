"""`verify`: what of Glasskube is in the cluster."""

from __future__ import annotations

from kubectl_glasskube_purge import flow

from . import running
from .binding import Common
from .choices import Output


def run(*, common: Common, output: Output = Output.human, glasskube_version: str = "") -> int:
    """Says what of Glasskube is in the cluster. Changes nothing."""
    request = flow.Request(flags=common.flags, version=glasskube_version)
    return running.run(lambda screen, record: flow.look(request, record), running.Show(output, common, verifying=True))
