"""`install-alias`: the second name of the executable, after an install by krew."""

from __future__ import annotations

import sys

from kubectl_glasskube_purge import alias

from .binding import Common
from .running import say_error


def run(*, common: Common) -> int:
    """Makes `kubectl glasskube purge` work."""
    try:
        path, new = alias.install(sys.argv[0])
    except alias.AliasError as error:
        say_error(str(error))
        return 1
    print(f"{path} {'made' if new else 'is there already'}: kubectl glasskube purge")
    if not alias.on_path(path):
        say_error(f"kubectl doesn't find it there: {path.parent} isn't on the PATH, or another one comes first")
        return 1
    return 0
