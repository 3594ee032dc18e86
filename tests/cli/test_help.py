"""--help: grouped, with examples, in 80 columns; answered without anything that takes long to import."""

from __future__ import annotations

import subprocess
import sys

import pytest

from kubectl_glasskube_purge.cli.arguments import read
from kubectl_glasskube_purge.cli.commands import COMMANDS, Command
from kubectl_glasskube_purge.cli.usage import PROGRAM, usage

SLOW = ("kr8s", "httpx", "typer", "rich", "pydantic", "ruamel", "asyncio")

each_command = pytest.mark.parametrize("command", COMMANDS.values(), ids=lambda command: command.name or "purge")


@each_command
def test_help_fits_80_columns_and_says_every_option(command: Command) -> None:
    text = usage(command, COMMANDS)
    assert max(map(len, text.splitlines())) <= 80
    assert not [line for line in text.splitlines() if line != line.rstrip()]
    for name in command.options:
        assert name in text
    for heading, _ in command.sections:
        assert f"\n{heading}:\n" in text


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
