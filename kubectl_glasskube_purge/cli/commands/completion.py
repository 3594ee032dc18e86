"""`completion`: the script that makes a shell complete the plugin's own name."""

from __future__ import annotations

import sys
from importlib.resources import files

from kubectl_glasskube_purge.cli.binding import Common

_FILES = {"bash": "bash.sh", "zsh": "zsh.sh", "fish": "fish.fish", "powershell": "powershell.ps1"}


def run(*, common: Common, shell: str) -> int:
    """Prints a shell's script."""
    script = files("kubectl_glasskube_purge.cli.completion").joinpath("shells").joinpath(_FILES[shell])
    sys.stdout.write(script.read_text("utf-8"))
    return 0
