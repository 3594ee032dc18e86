"""`completion`: the script that makes a shell complete the plugin's own name."""

from __future__ import annotations

from importlib.resources import files

from kubectl_glasskube_purge.cli import streams
from kubectl_glasskube_purge.cli.arguments import Line

_FILES = {"bash": "bash.sh", "zsh": "zsh.sh", "fish": "fish.fish", "powershell": "powershell.ps1"}


def run(line: Line) -> int:
    """Prints a shell's script."""
    script = files("kubectl_glasskube_purge.cli.completion").joinpath("shells").joinpath(_FILES[line.arguments[0]])
    streams.document(script.read_text("utf-8"))
    return 0
