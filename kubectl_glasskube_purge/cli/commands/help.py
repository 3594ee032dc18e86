"""`help`: of a command, or of an error's code."""

from __future__ import annotations

from kubectl_glasskube_purge.cli import streams
from kubectl_glasskube_purge.cli.arguments import Line, UsageError, meant
from kubectl_glasskube_purge.cli.commands import COMMANDS
from kubectl_glasskube_purge.cli.topics import topic, topics
from kubectl_glasskube_purge.cli.usage import usage


def run(line: Line) -> int:
    """Prints the help. Raises `UsageError` for a word that is neither a command nor a code."""
    word = "".join(line.arguments)
    text = usage(COMMANDS[word], COMMANDS) if word in COMMANDS else topic(word)
    if not text:
        known = [*filter(None, COMMANDS), *topics()]
        raise UsageError(f'there is no help for "{word}"{meant(word, known) or "; write a command or a code"}')
    streams.document(text)
    return 0
