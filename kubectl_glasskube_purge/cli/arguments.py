"""The command line as typed → what is meant. Pure, and the gate in front of the purge.

kubectl's users write options before or after the command's name, `-v=6`, `-ojson`,
`--yes=false`, `--dry-run` with and without a value; click, and so typer, reads none
of these. So the words are read here, once, by the rules of pflag, which kubectl uses,
with its messages, and every value gets its type from the table of options. Nothing
that was meant as a value or as a command ever starts a purge: a word that is neither
an option, nor an option's value, nor a command is an error, and so is a value that an
option doesn't have.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple, TypeVar

from kubectl_glasskube_purge.kube.problem import ProblemError

from .commands import Command
from .options import HELP, Option

T = TypeVar("T")


class UsageError(ProblemError):
    """The command line makes no sense."""

    ending = "usage"
    command = ""
    """Whose help says how it is written."""


@dataclass(frozen=True)
class Line:
    """A command line that was understood."""

    command: Command
    values: Mapping[str, Any] = field(default_factory=dict)
    """Option's name → its value, for those that were given. A switch that is off isn't there."""
    arguments: tuple[str, ...] = ()
    options: tuple[tuple[str, str], ...] = ()
    """Each option's name, and it as it is typed: `--keep=web`."""

    def __getitem__(self, option: Option[T]) -> T:
        """The value of an option, its default if it wasn't given."""
        value: T = self.values.get(option.name, option.default)
        return value

    def fill(self, record: Callable[..., T], **others: object) -> T:
        """A dataclass, its fields filled by the options that are called like them; `others` come from elsewhere."""
        wanted = {one.name for one in fields(record)}  # type: ignore[arg-type]
        given = {self.command.options[name].parameter: value for name, value in self.values.items()}
        return record(**{name: value for name, value in given.items() if name in wanted} | others)


# Tuples here: completion waits at every keypress until a dataclass is made, which takes three times as long.
class _Given(NamedTuple):
    """An option as it stands in the words. `value` is None where none stands behind a `=`, nor at a short one."""

    option: Option[Any]
    value: str | None
    shown: str


def read(words: Sequence[str], commands: Mapping[str, Command]) -> Line:
    """Understands a command line. `commands` are all there are, by name; `""` is meant where none is named.

    Raises `UsageError`, but not for what stands beside a `--help`.
    """
    split = _split(words, commands)
    command = commands[split.command]
    if any(one.option is HELP for one in split.given):
        return Line(command, {HELP.name: True})
    try:
        return _line(split, command)
    except UsageError as error:
        error.command = command.name
        raise


def _line(split: _Split, command: Command) -> Line:
    if split.mistake is not None:
        raise split.mistake
    values: dict[str, Any] = {}
    options = command.options
    for one in split.given:
        option = options.get(one.option.name)
        if option is None:
            raise UsageError(f"unknown flag: {one.shown}" + (f" for {command.name}" if command.name else ""))
        value = _converted(option, one.value)
        if option.repeated:
            value = (*values.get(option.name, ()), *(value if isinstance(value, tuple) else (value,)))
        values[option.name] = value
    _count(command, split.arguments)
    named = [(one.option.name, one.value) for one in split.given]
    typed = tuple((name, name if value is None else f"{name}={value}") for name, value in named)
    given = {name: value for name, value in values.items() if value is not False}
    return Line(command, given, tuple(split.arguments), typed)


class Begun(NamedTuple):
    """A command line that isn't finished yet."""

    command: str
    waiting: Option[Any] | None
    """The option that takes the next word as its value."""
    given: Mapping[str, str]
    """Options that are there already, by name, with the last value of each."""
    arguments: tuple[str, ...]
    options_over: bool
    """Whether a `--` ended them."""
    broken: bool
    """Whether something in it makes no sense, so that nothing that follows can."""


def begin(words: Sequence[str], commands: Mapping[str, Command]) -> Begun:
    """Understands the beginning of a command line: what the next word would be."""
    split = _split([*words, _NEXT], commands)
    split.arguments = [argument for argument in split.arguments if argument != _NEXT]
    waiting = next((one.option for one in split.given if one.value == _NEXT), None)
    if waiting is not None:
        waiting = commands[split.command].options.get(waiting.name, waiting)
    return Begun(
        command=split.command,
        waiting=waiting,
        given={one.option.name: one.value or "" for one in split.given if one.value != _NEXT},
        arguments=tuple(split.arguments),
        options_over=split.options_over,
        broken=split.mistake is not None and _NEXT not in str(split.mistake),
    )


_NEXT = "\0"
"""Stands for the word that isn't there yet. No command line can contain it."""


@dataclass
class _Split:
    command: str = ""
    given: list[_Given] = field(default_factory=list)
    arguments: list[str] = field(default_factory=list)
    mistake: UsageError | None = None
    """The first one. Kept rather than raised: a `--help` further on may make up for it."""
    options_over: bool = False
    """Whether a `--` ended the options."""


def _split(words: Sequence[str], commands: Mapping[str, Command]) -> _Split:
    """Separates options, their values, the command and its arguments."""
    known = {name: option for command in commands.values() for name, option in command.options.items()}
    split = _Split()
    rest = list(words)
    while rest:
        word = rest.pop(0)
        try:
            if word == "--":
                split.options_over = True
                if rest and not split.command:
                    raise _unknown_command(rest[0], commands)
                split.arguments += rest
                break
            if len(word) > 1 and word.startswith("-"):
                split.given += _options(word, rest, known)
                continue
            meant_for = _meant_for(word, split.given[-1:], commands)
            if meant_for:
                raise UsageError(f"{meant_for} takes its value behind an equals sign: {meant_for}={word}")
            if split.command:
                split.arguments.append(word)
            elif word and word in commands:
                split.command = word
            else:
                raise _unknown_command(word, commands)
        except UsageError as error:
            split.mistake = split.mistake or error
    return split


def _options(word: str, rest: list[str], known: Mapping[str, Option[Any]]) -> Iterator[_Given]:
    """The options in one word; takes the value of the last one out of `rest` where it is the next word."""
    if word.startswith("--"):
        name, sign, value = word.partition("=")
        name = "--" + name[2:].replace("_", "-")  # as kubectl does
        if name not in known:
            raise UsageError(f"unknown flag: {name}{meant(name, known)}")
        yield _given(known[name], value if sign else None, name, rest)
        return
    letters = word[1:]
    while letters:
        letter, letters = letters[0], letters[1:]
        if f"-{letter}" not in known:
            raise UsageError(f"unknown shorthand flag: '{letter}' in {word}")
        option = known[f"-{letter}"]
        if letters.startswith("="):
            yield _given(option, letters[1:], option.shown, rest)
            return
        if letters and not option.is_switch:
            yield _given(option, letters, option.shown, rest)
            return
        yield _given(option, None, f"'{letter}' in {word}", rest)


def _given(option: Option[Any], value: str | None, shown: str, rest: list[str]) -> _Given:
    if value is None and not option.is_switch and not option.bare:
        if not rest:
            raise UsageError(f"flag needs an argument: {shown}")
        value = rest.pop(0)
    return _Given(option, value, shown)


def _converted(option: Option[Any], word: str | None) -> Any:
    """The value that a word is, or that stands for none. Raises `UsageError` if the option can't have it."""
    if word is None:
        word = option.bare or "true"
    elif option.bare and not word:
        raise UsageError(f"{option.name}= needs a value behind the sign")
    elif option.values and word not in option.values:
        raise _invalid(option, word, f"must be one of {', '.join(option.values)}{meant(word, option.values)}")
    try:
        return option.convert(word)
    except (ValueError, ProblemError) as error:
        raise _invalid(option, word, str(error)) from None


def _invalid(option: Option[Any], value: str, why: str) -> UsageError:
    return UsageError(f'invalid argument "{value}" for "{option.shown}" flag: {why}')


def _meant_for(word: str, before: Iterable[_Given], commands: Mapping[str, Command]) -> str:
    """The option that takes its value behind `=` only and that a word was meant as the value of; `""` for none."""
    for one in before:
        same = [c.options[one.option.name] for c in commands.values() if one.option.name in c.options]
        if one.value is None and any(word in option.values for option in same):
            return one.option.name
    return ""


def _unknown_command(word: str, commands: Iterable[str]) -> UsageError:
    known = sorted(name for name in commands if name)
    return UsageError(f'unknown command "{word}"{meant(word, known) or "; there are: " + ", ".join(known)}')


def meant(word: str, known: Iterable[str]) -> str:
    """`. Did you mean 'verify'?`, or `""` if nothing is similar."""
    import difflib

    similar = difflib.get_close_matches(word, list(known), 1)
    return f". Did you mean '{similar[0]}'?" if similar else ""


def _count(command: Command, arguments: Sequence[str]) -> None:
    if len(arguments) < command.least:
        raise UsageError(f"{command.name} needs {command.argument}")
    if command.most >= 0 and len(arguments) > command.most:
        over = arguments[command.most]
        takes = f"takes {command.argument}" if command.most else "takes no arguments"
        raise UsageError(f'{command.name or "the purge"} {takes}, and there is "{over}" besides')
    if command.argument_values:
        for argument in arguments:
            if argument not in command.argument_values:
                raise UsageError(
                    f'{command.argument} is one of {", ".join(command.argument_values)}, not "{argument}"'
                    + meant(argument, command.argument_values)
                )
