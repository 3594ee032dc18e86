"""The text of --help, from the command line as data: grouped, with examples, in 80 columns.

Not typer's: that imports more than the answer is worth, and its parameters know
neither kubectl's groups nor examples.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from .commands import CONNECTION, Command
from .options import COMMON, KUBECTL, NAMESPACE, Option

PROGRAM = "kubectl glasskube purge"
WIDTH = 80
SHARED = (*COMMON, *KUBECTL, NAMESPACE)
"""Options of every command, said once: by `options`."""
_COLUMN = 30
"""Where descriptions begin."""


def usage(command: Command, commands: Mapping[str, Command]) -> str:
    """The help text of one command. The purge's names all the others."""
    return "\n".join(_lines(command, commands)) + "\n"


def invocation(command: Command) -> str:
    """What is typed for a command, without options."""
    return " ".join(part for part in (PROGRAM, command.name, command.argument) if part)


def see(command: str = "") -> str:
    """Where to look, as kubectl says it beneath an error."""
    return f"See '{f'{PROGRAM} {command}'.strip()} --help' for usage."


def _lines(command: Command, commands: Mapping[str, Command]) -> Iterator[str]:
    yield from textwrap.wrap(command.description, WIDTH)
    yield ""
    yield "Usage:"
    yield f"  {invocation(command)} [options]"
    if not command.name:
        yield f"  {PROGRAM} COMMAND [options]"
        yield ""
        yield "Commands (the purge itself has no name; no other one deletes anything):"
        for name, other in commands.items():
            if name:
                yield from _described(name, other.summary, 16)
    if command.examples:
        yield ""
        yield "Examples:"
        for number, (purpose, line) in enumerate(command.examples):
            if number:
                yield ""
            yield f"  # {purpose}"
            yield f"  {line}"
    for heading, options in command.sections:
        yield from _section(heading, [option for option in options if option not in SHARED])
    if not command.name:
        from kubectl_glasskube_purge.purge.model.outcome import EXIT_CODES

        yield ""
        yield "Exit codes:"
        for code, meaning in EXIT_CODES.items():
            yield from _described(code, meaning.replace("`", ""), 14)
    if command.name != "options":
        yield ""
        yield f'Use "{PROGRAM} options" for the global options.'


def global_options() -> str:
    """The options of every command."""
    lines = ["Every command has these options:"]
    lines += [*_section("Output", COMMON), *_section(CONNECTION, (*KUBECTL, NAMESPACE))]
    return "\n".join(lines) + "\n"


def _section(heading: str, options: Sequence[Option[Any]]) -> Iterator[str]:
    if options:
        yield ""
        yield f"{heading}:"
        yield from _options(options)


def _options(options: Iterable[Option[Any]]) -> Iterator[str]:
    for option in options:
        short = f"{option.short}, " if option.short else " " * 4
        yield from _described(f"{short}{option.name}{option.form}", option.help, _COLUMN)


def _described(what: str, words: str, column: int) -> Iterator[str]:
    lines = textwrap.wrap(words, WIDTH - column, break_on_hyphens=False)
    if len(what) > column - 4:
        yield f"  {what}"
    else:
        yield f"  {what:<{column - 2}}{lines.pop(0)}"
    for line in lines:
        yield " " * column + line
