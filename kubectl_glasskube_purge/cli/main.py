"""Words → a command → an exit code. Nothing about Kubernetes.

What the commands and their options are stands in `commands` and `options`, how they
are separated in `arguments`; a command's module is imported once it is known which.
What is unforeseen ends here, in two lines and not in a traceback.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

from kubectl_glasskube_purge import __version__
from kubectl_glasskube_purge.kube.problem import ProblemError

from . import streams
from .arguments import Line, UsageError, read
from .commands import COMMANDS
from .options import DEBUG, HELP, VERSION
from .usage import PROGRAM, see, usage


def run(words: Sequence[str]) -> int:
    """Runs a command line and returns its exit code."""
    try:
        line = read(words, COMMANDS)
        if line[HELP]:
            streams.document(usage(line.command, COMMANDS))
            return 0
        if line[VERSION]:
            streams.out(f"kubectl-glasskube-purge {__version__}")
            return 0
        return _run(line)
    except UsageError as error:
        error.hint = see(error.command)
        return _failed(error)


def _run(line: Line) -> int:
    try:
        return _call(line)
    except UsageError as error:
        error.command = line.command.name
        raise
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        if line[DEBUG] and not isinstance(error, ProblemError):
            raise
        return _failed(error)


def _failed(error: Exception) -> int:
    from .problems import fail

    return fail(error)


def _call(line: Line) -> int:
    """Has typer run the command. Its values have their types already: typer has no words left to read."""
    import typer

    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    command = import_module(f".commands.{line.command.module}", __package__)

    @app.command(add_help_option=False)
    def called() -> int:
        code: int = command.run(line)
        return code

    code: int = typer.main.get_command(app).main([], prog_name=PROGRAM, standalone_mode=False)
    return code
