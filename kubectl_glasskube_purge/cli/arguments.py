"""The command line as typed → what is meant. Pure, and the gate in front of the purge.

kubectl's users write options before or after the command's name, `-v=6`, `-ojson`,
`--yes=false`, `--dry-run` with and without a value; typer reads none of these. So
the words are read here by the rules of pflag, which kubectl uses, with its
messages, and handed on in one canonical form. Nothing that was meant as a value
or as a command ever starts a purge: a word that is neither an option, nor an
option's value, nor a command is an error, and so is a value that an option
doesn't have.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from kubectl_glasskube_purge.kube.problem import ProblemError

from .options import Command, Option


class UsageError(ProblemError):
    """The command line makes no sense."""

    ending = "usage"
    command = ""
    """Whose help says how it is written."""


@dataclass(frozen=True)
class Line:
    """A command line that was understood."""

    command: Command
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Option's name → its values in the order given. A switch that is on has the value `true`."""
    arguments: tuple[str, ...] = ()

    def has(self, switch: str) -> bool:
        """Whether a switch is on."""
        return switch in self.values

    def last(self, name: str) -> str:
        """The value of an option that counts; `""` where it wasn't given."""
        return self.values.get(name, ("",))[-1]

    @property
    def words(self) -> tuple[str, ...]:
        """The same once more, in the one form that typer reads as it is meant."""
        options = self.command.options
        given = [
            name if options[name].is_switch else f"{name}={value}"
            for name, values in self.values.items()
            for value in (values if options[name].repeated else values[-1:])
        ]
        return (*given, "--", *self.arguments) if self.arguments else tuple(given)


@dataclass(frozen=True)
class _Given:
    """An option as it stands in the words. `value` is None where none stands behind a `=`, nor at a short one."""

    option: Option
    value: str | None
    shown: str


def read(words: Sequence[str], commands: Mapping[str, Command]) -> Line:
    """Understands a command line. `commands` are all there are, by name; `""` is meant where none is named.

    Raises `UsageError`, but not for what stands beside a `--help`.
    """
    split = _split(words, commands)
    command = commands[split.command]
    if any(one.option.name == "--help" for one in split.given):
        return Line(command, {"--help": ("true",)})
    try:
        return _line(split, command)
    except UsageError as error:
        error.command = command.name
        raise


def _line(split: _Split, command: Command) -> Line:
    if split.mistake is not None:
        raise split.mistake
    values: dict[str, tuple[str, ...]] = {}
    for one in split.given:
        option = command.options.get(one.option.name)
        if option is None:
            raise UsageError(f"unknown flag: {one.shown}" + (f" for {command.name}" if command.name else ""))
        value = _checked(option, one.value)
        if option.is_switch:
            values.pop(option.name, None)
            if value == "true":
                values[option.name] = (value,)
        else:
            values[option.name] = (*values.get(option.name, ()), value)
    _count(command, split.arguments)
    return Line(command, values, tuple(split.arguments))


@dataclass(frozen=True)
class Begun:
    """A command line that isn't finished yet."""

    command: str = ""
    waiting: Option | None = None
    """The option that takes the next word as its value."""
    given: Mapping[str, str] = field(default_factory=dict)
    """Options that are there already, by name, with the last value of each."""
    arguments: tuple[str, ...] = ()
    options_over: bool = False
    """Whether a `--` ended them."""
    broken: bool = False
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
    """Tells options, their values, the command and its arguments apart."""
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


def _options(word: str, rest: list[str], known: Mapping[str, Option]) -> Iterator[_Given]:
    """The options in one word; takes the value of the last one out of `rest` where it is the next word."""
    if word.startswith("--"):
        name, sign, value = word.partition("=")
        name = "--" + name[2:].replace("_", "-")  # as kubectl does
        if name not in known:
            raise UsageError(f"unknown flag: {name}")
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


def _given(option: Option, value: str | None, shown: str, rest: list[str]) -> _Given:
    if value is None and not option.is_switch and not option.bare:
        if not rest:
            raise UsageError(f"flag needs an argument: {shown}")
        value = rest.pop(0)
    return _Given(option, value, shown)


def _checked(option: Option, value: str | None) -> str:
    """The value, or what stands for none. Raises `UsageError` where the option can't have it."""
    if value is None:
        return option.bare or "true"
    if option.is_switch:
        if value in _TRUE or value in _FALSE:
            return "true" if value in _TRUE else "false"
        raise _invalid(option, value, "write true or false")
    if option.bare and not value:
        raise UsageError(f"{option.name}= needs a value behind the sign")
    if option.values and value not in option.values:
        raise _invalid(option, value, f"must be one of {', '.join(option.values)}")
    if option.check is not None:
        try:
            option.check(value)
        except ValueError as error:
            raise _invalid(option, value, str(error)) from None
    return value


_TRUE = frozenset({"1", "t", "T", "true", "True", "TRUE"})
_FALSE = frozenset({"0", "f", "F", "false", "False", "FALSE"})
"""What Go's flags take for a boolean."""


def _invalid(option: Option, value: str, why: str) -> UsageError:
    return UsageError(f'invalid argument "{value}" for "{option.shown}" flag: {why}')


def _meant_for(word: str, before: Iterable[_Given], commands: Mapping[str, Command]) -> str:
    """The option that takes its value behind `=` only and that a word was meant as the value of; `""` for none."""
    for one in before:
        same = [c.options[one.option.name] for c in commands.values() if one.option.name in c.options]
        if one.value is None and any(word in option.values for option in same):
            return one.option.name
    return ""


def _unknown_command(word: str, commands: Iterable[str]) -> UsageError:
    known = ", ".join(sorted(name for name in commands if name))
    return UsageError(f'unknown command "{word}"; there are: {known}')


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
                raise UsageError(f'{command.argument} is one of {", ".join(command.argument_values)}, not "{argument}"')
