"""Words → a command → an exit code. Nothing about Kubernetes.

What the commands and their options are stands in `options`, how they are told
apart in `arguments`; each command is a module of `commands`, imported once it is
known which. What nobody foresaw ends here, in two lines and not in a traceback.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

from kubectl_glasskube_purge import __version__
from kubectl_glasskube_purge.kube.problem import ProblemError

from .arguments import Line, UsageError, read
from .options import COMMANDS


def run(words: Sequence[str]) -> int:
    """Runs a command line and returns its exit code."""
    from . import problems, usage

    try:
        line = read(words, COMMANDS)
        if line.has("--help"):
            sys.stdout.write(usage.usage(line.command, COMMANDS))
            return 0
        if line.has("--version"):
            sys.stdout.write(f"kubectl-glasskube-purge {__version__}\n")
            return 0
        return _run(line)
    except UsageError as error:
        error.hint = usage.see(error.command)
        return problems.fail(error)


def _run(line: Line) -> int:
    from . import binding, problems

    command = import_module(f".commands.{line.command.module}", __package__)
    try:
        return binding.call(command.run, line)
    except UsageError as error:
        error.command = line.command.name
        raise
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        if line.has("--debug") and not isinstance(error, ProblemError):
            raise
        return problems.fail(error)
