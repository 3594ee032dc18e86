"""`options`: those that every command has."""

from __future__ import annotations

from kubectl_glasskube_purge.cli import streams
from kubectl_glasskube_purge.cli.arguments import Line
from kubectl_glasskube_purge.cli.usage import global_options


def run(line: Line) -> int:
    """Prints the global options."""
    streams.document(global_options())
    return 0
