"""`install-alias`: the second name of the executable, after an install by krew."""

from __future__ import annotations

import sys

from kubectl_glasskube_purge.cli import alias, streams
from kubectl_glasskube_purge.cli.arguments import Line
from kubectl_glasskube_purge.cli.options import REMOVE


def run(line: Line) -> int:
    """Makes `kubectl glasskube purge` work, or takes that away again. Raises `AliasError`."""
    if line[REMOVE]:
        removed = alias.remove(sys.argv[0])
        streams.out(f"{removed} removed" if removed else "there is no second name")
    else:
        _install()
    return 0


def _install() -> None:
    path, new = alias.install(sys.argv[0])
    streams.out(f"{path} {'made' if new else 'is there already'}: kubectl glasskube purge")
    if new and alias.linked_by_krew(path.with_name(alias.KREW_NAME + path.suffix)):
        streams.out(alias.AFTERWARDS)
    if not alias.on_path(path):
        raise alias.AliasError(
            f"kubectl doesn't find it there: {path.parent} isn't on the PATH, or another one comes first"
        )
