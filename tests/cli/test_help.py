"""--help: grouped, with examples, in 80 columns; answered without anything that takes long to import."""

from __future__ import annotations

import subprocess
import sys

import pytest

from kubectl_glasskube_purge.cli import main
from kubectl_glasskube_purge.cli.arguments import read
from kubectl_glasskube_purge.cli.commands import COMMANDS, Command
from kubectl_glasskube_purge.cli.usage import PROGRAM, SHARED, global_options, usage
from kubectl_glasskube_purge.purge.model.outcome import EXIT_CODES
from kubectl_glasskube_purge.report import guide

SLOW = ("kr8s", "httpx", "typer", "rich", "pydantic", "ruamel", "asyncio")

each_command = pytest.mark.parametrize("command", COMMANDS.values(), ids=lambda command: command.name or "purge")


@each_command
def test_help_fits_80_columns_and_says_every_option(command: Command) -> None:
    text = usage(command, COMMANDS)
    assert max(map(len, text.splitlines())) <= 80
    assert not [line for line in text.splitlines() if line != line.rstrip()]
    for name in command.options:
        assert name in text + global_options()
    for heading, options in command.sections:
        assert (f"\n{heading}:\n" in text) == bool(set(options) - set(SHARED))


def test_an_option_of_every_command_is_in_the_help_of_options_alone() -> None:
    assert max(map(len, global_options().splitlines())) <= 80
    for option in SHARED:
        assert f"{option.name}{option.form}" in global_options()
        assert not any(
            f"  {option.name}" in usage(command, COMMANDS) for command in COMMANDS.values() if command.name != "explain"
        )


def test_the_purges_help_has_the_exit_codes() -> None:
    text = usage(COMMANDS[""], COMMANDS)
    for code, meaning in EXIT_CODES.items():
        assert f"\n  {code}" in text
        assert meaning.partition(" ")[0] in text


def test_help_prints_a_command_and_every_code(capsys: pytest.CaptureFixture[str]) -> None:
    for words, expected in (
        (["help"], usage(COMMANDS[""], COMMANDS)),
        (["help", "verify"], usage(COMMANDS["verify"], COMMANDS)),
        (["options"], global_options()),
    ):
        assert main.run(words) == 0
        assert capsys.readouterr().out == expected
    for code in {*guide.ANCHORS, *guide.ANCHORS.values()} - COMMANDS.keys():
        assert main.run(["help", code]) == 0
        assert len(capsys.readouterr().out) > 50
    assert main.run(["help", "package-in-use"]) == 0
    assert "gitops" not in capsys.readouterr().out


def test_help_of_an_unknown_word_names_the_one_that_is_meant(capsys: pytest.CaptureFixture[str]) -> None:
    for word, named in (("verfy", "verify"), ("pakage-in-use", "package-in-use")):
        assert main.run(["help", word]) == 2
        assert f"'{named}'" in capsys.readouterr().err


def test_a_code_of_two_errors_is_explained_twice(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["help", "busy"]) == 0
    said = capsys.readouterr().out
    assert "/readyz" in said
    assert "--wait-idle" in said


def test_no_code_is_called_like_a_command() -> None:
    assert not guide.ANCHORS.keys() & COMMANDS.keys()


@each_command
def test_examples_are_understood(command: Command) -> None:
    for _, line in command.examples:
        called = PROGRAM if PROGRAM in line else "kubectl glasskube-purge"
        start = line.index(called) + len(called)
        words = line[start:].split("|")[0].rstrip(")").split()
        assert read(words, COMMANDS).command is command


def test_the_purges_help_names_every_command() -> None:
    text = usage(COMMANDS[""], COMMANDS)
    for name, command in COMMANDS.items():
        if name:
            assert f"\n  {name}" in text
            assert " ".join(command.summary.split()[:3]) in text


def run(*words: str, code: str = "") -> subprocess.CompletedProcess[str]:
    program = f"import sys; sys.argv = ['x', *{list(words)!r}]\nfrom kubectl_glasskube_purge.__main__ import main\n"
    program += "try:\n    main()\nexcept SystemExit: pass\n" + code
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)


@pytest.mark.parametrize(
    "words",
    [
        ["--version"],
        ["--help"],
        ["restore", "-h"],
        ["--context", "x", "--version"],
        ["nonsense"],
        ["__complete", "--flux", ""],
        ["__complete", "--context", ""],
    ],
    ids=" ".join,
)
def test_nothing_slow_is_imported_for(words: list[str]) -> None:
    loaded = f"print('LOADED', *[name for name in {SLOW!r} if name in sys.modules])"
    assert run(*words, code=loaded).stdout.splitlines()[-1] == "LOADED"


def test_version_is_said_wherever_it_is_asked_for() -> None:
    said = run("--version").stdout
    assert said.startswith("kubectl-glasskube-purge ")
    assert run("--yes", "--version").stdout == said
    assert run("verify", "--version").stdout == said
