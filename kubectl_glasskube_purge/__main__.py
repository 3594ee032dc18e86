"""The executables and `python -m`: answers at once what can be, leaves the rest to `cli`.

Scripts ask for the version, and shells for completions, more often than anybody
purges a cluster: nothing is imported for them that isn't needed.
"""

from __future__ import annotations

import os
import sys

from kubectl_glasskube_purge.cli import completion

from . import __version__


def main() -> None:
    """Runs the command line and exits with its code."""
    if sys.argv[1:] == ["--version"]:
        print(f"kubectl-glasskube-purge {__version__}")
        return
    if sys.argv[1:2] == [completion.WORD] or os.path.basename(sys.argv[0]).startswith(completion.PREFIX):
        from kubectl_glasskube_purge.cli.completion.protocol import main as complete

        complete()
        return
    from kubectl_glasskube_purge.cli import streams
    from kubectl_glasskube_purge.cli.main import run

    streams.install()
    code = run(sys.argv[1:])
    if streams.is_terminal(sys.stderr):
        _say_how_to_be_called()
    sys.stdout.flush()
    sys.exit(code)


def _say_how_to_be_called() -> None:
    """Says once, after an install by krew, how to get the name that the documentation uses."""
    from platformdirs import user_state_path

    from kubectl_glasskube_purge.cli import alias, streams

    if alias.due(sys.argv[0], user_state_path("kubectl-glasskube-purge", appauthor=False)):
        streams.err(alias.HINT)


if __name__ == "__main__":
    main()
