"""What fits where the cursor is: commands, options, values, names of the kubeconfig's entries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from kubectl_glasskube_purge.cli.arguments import Begun, begin
from kubectl_glasskube_purge.cli.commands import COMMANDS, Command
from kubectl_glasskube_purge.cli.options import Completes, Option
from kubectl_glasskube_purge.cli.topics import topics

NO_SPACE = 2
NO_FILES = 4
BY_EXTENSION = 8
"""Directives of Cobra's completion protocol, which kubectl and its scripts speak: no blank behind the word, no names
of files besides, and: what is offered are the extensions of the files to offer."""

_EXTENSIONS: Mapping[Completes, tuple[str, ...]] = {"json": ("json",), "html": ("html", "htm"), "yaml": ("yaml", "yml")}


class Offer(NamedTuple):
    """Words, each with a description, and what the shell may do with them."""

    words: tuple[tuple[str, str], ...] = ()
    directive: int = NO_FILES


def offer(words: Sequence[str], commands: Mapping[str, Command] = COMMANDS) -> Offer:
    """What the last of `words` may become; it may be empty, or begun. The others are finished."""
    *finished, begun = words or [""]
    line = begin(finished, commands)
    if line.broken:
        return Offer()
    command = commands[line.command]
    if line.waiting is not None:
        return _values(line.waiting, begun, line)
    if begun.startswith("-") and not line.options_over:
        name, sign, value = begun.partition("=")
        if sign:
            option = command.options.get(name)
            return _values(option, value, line) if option is not None else Offer()
        return Offer(tuple(_options(command, begun, line)))
    if not line.command and not line.options_over:
        named = [(name, other.summary) for name, other in commands.items() if name and name.startswith(begun)]
        return Offer(tuple(named))
    return _argument(command, begun, line)


def _options(command: Command, begun: str, line: Begun) -> Iterator[tuple[str, str]]:
    for _, options in command.sections:
        for option in options:
            if option.name in line.given and not option.repeated:
                continue
            names = [option.name] if begun.startswith("--") else [option.name, option.short]
            for name in names:
                if name and name.startswith(begun):
                    yield name, option.help
            if option.bare and option.name.startswith(begun) and begun != "-":
                yield from ((f"{option.name}={value}", option.help) for value in option.values if value != option.bare)


def _argument(command: Command, begun: str, line: Begun) -> Offer:
    if 0 <= command.most <= len(line.arguments):
        return Offer()
    if command.argument_values:
        return _chosen(command.argument_values, begun)
    if command.argument_completes == "topic":
        return _chosen([*filter(None, COMMANDS), *topics()], begun)
    return _files(command.argument_completes)


def _values(option: Option[Any], begun: str, line: Begun) -> Offer:
    if option.values:
        return _chosen(option.values, begun)
    if option.is_switch:
        return _chosen(("true", "false"), begun)
    if option.completes in ("context", "cluster", "user"):
        return Offer(tuple(_entries(option.completes, begun, line.given.get("--kubeconfig", ""))))
    return _files(option.completes)


def _chosen(values: Sequence[str], begun: str) -> Offer:
    return Offer(tuple((value, "") for value in values if value.startswith(begun)))


def _files(completes: Completes) -> Offer:
    if completes in _EXTENSIONS:
        return Offer(tuple((extension, "") for extension in _EXTENSIONS[completes]), BY_EXTENSION)
    return Offer((), 0) if completes == "file" else Offer()


def _entries(section: Completes, begun: str, kubeconfig: str) -> Iterator[tuple[str, str]]:
    """Names of the kubeconfig's entries; none where it can't be read: a completion shows no errors."""
    from kubectl_glasskube_purge.kube.config.kubeconfig import load
    from kubectl_glasskube_purge.kube.errors import ConfigError

    try:
        config = load(kubeconfig or None)
    except ConfigError:
        return
    names = {"context": config.contexts, "cluster": config.clusters, "user": config.users}[section]
    for name in names:
        if name.startswith(begun) and name.isprintable():
            yield name, "current" if section == "context" and name == config.current_context else ""
