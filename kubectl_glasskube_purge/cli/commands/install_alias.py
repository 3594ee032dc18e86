"""`install-alias`: the second name of the executable, after an install by krew."""

from __future__ import annotations

import sys

from kubectl_glasskube_purge.cli import alias
from kubectl_glasskube_purge.cli.binding import Common
from kubectl_glasskube_purge.cli.running import say_error


def run(*, common: Common, remove: bool = False) -> int:
    """Makes `kubectl glasskube purge` work, or takes that away again."""
    try:
        return _remove() if remove else _install()
    except alias.AliasError as error:
        say_error(str(error))
        return 1


def _install() -> int:
    path, new = alias.install(sys.argv[0])
    print(f"{path} {'made' if new else 'is there already'}: kubectl glasskube purge")
    if new and alias.linked_by_krew(path.with_name(alias.KREW_NAME + path.suffix)):
        print(alias.AFTERWARDS)
    if not alias.on_path(path):
        say_error(f"kubectl doesn't find it there: {path.parent} isn't on the PATH, or another one comes first")
        return 1
    return 0


def _remove() -> int:
    path = alias.remove(sys.argv[0])
    print(f"{path} removed" if path else "there is no second name")
    return 0
