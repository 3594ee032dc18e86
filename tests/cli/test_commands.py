"""The commands' functions and the table of the command line belong together."""

from __future__ import annotations

import contextlib
from dataclasses import fields
from importlib import import_module
from typing import Any

import pytest

from kubectl_glasskube_purge.cli import main, running
from kubectl_glasskube_purge.cli.arguments import Line, UsageError
from kubectl_glasskube_purge.cli.commands import COMMANDS, Command
from kubectl_glasskube_purge.cli.commands.explain import wanted
from kubectl_glasskube_purge.cli.options import COMMON, KUBECTL, Option, Output, duration
from kubectl_glasskube_purge.flows.explain import Wanted
from kubectl_glasskube_purge.kube.connect import Flags
from kubectl_glasskube_purge.kube.problem import ProblemError

DEALT_WITH_BEFORE = {"--help", "--version", "--namespace"}
ASK_NO_CLUSTER = {"report", "completion", "install-alias", "help", "options"}
"""They have what every command has, and no use for it."""

each_command = pytest.mark.parametrize("command", COMMANDS.values(), ids=lambda command: command.name or "purge")


def module_of(command: Command) -> Any:
    return import_module(f"kubectl_glasskube_purge.cli.commands.{command.module}")


def arguments_of(command: Command) -> list[str]:
    """As many as it needs, and one if it takes any."""
    return list(command.argument_values[:1]) or ["a/b"] * bool(command.most)


@each_command
def test_every_option_reaches_its_command(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: set[str] = set()
    filled: set[str] = set()

    class Watched(Line):
        def __getitem__(self, option: Option[Any]) -> Any:
            asked.add(option.name)
            return super().__getitem__(option)

        def fill(self, record: Any, **others: object) -> Any:
            filled.update({one.name for one in fields(record)} - others.keys())
            return super().fill(record, **others)

    monkeypatch.setattr(running, "run", lambda *_: 0)
    given = {option.name: option.default for option in command.options.values()}
    with contextlib.suppress(ProblemError):
        module_of(command).run(Watched(command, given, tuple(arguments_of(command))))

    offered = {name: option for name, option in command.options.items() if name == option.name}
    unused = {name for name, option in offered.items() if name not in asked and option.parameter not in filled}
    everywhere = {option.name for option in (*KUBECTL, *COMMON)} if command.name in ASK_NO_CLUSTER else set()
    assert unused <= DEALT_WITH_BEFORE | everywhere
    assert asked <= offered.keys()


@pytest.mark.parametrize(
    ("words", "again"),
    [
        ([], ""),
        (["--keep", "web", "-y", "--flux=keep", "--keep=shop/db"], " --keep=web --flux=keep --keep=shop/db"),
        (["--context", "a b;c", "--force-finalizers"], " '--context=a b;c' --force-finalizers"),
        (["--token=SECRET", "--backup=once.yaml", "-ojson", "--timeout=1m", "--no-backup=false"], " --no-backup=false"),
    ],
    ids=["bare", "decisions", "quoted", "once"],
)
def test_the_command_that_goes_on_has_the_options_that_decide(
    words: list[str], again: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[running.Show] = []
    monkeypatch.setattr(running, "run", lambda _, show: shown.append(show) or 0)
    assert main.run(words) == 0
    assert shown[0].again == f"kubectl glasskube purge{again}"


@each_command
def test_a_command_is_called_with_what_was_typed(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[Line] = []

    def spy(line: Line) -> int:
        called.append(line)
        return 7

    monkeypatch.setattr(module_of(command), "run", spy)
    words = [*[command.name] * bool(command.name), *arguments_of(command)]
    words += ["--context=there", "--as=me", "--as-group=a", "--as-group=b", "-v9", "--request-timeout=1m", "--plain"]

    assert main.run(words) == 7
    flags, show = called[0].fill(Flags), called[0].fill(running.Show)
    assert (flags.context, flags.as_user, flags.as_groups) == ("there", "me", ("a", "b"))
    assert (flags.request_timeout, show.verbosity, show.plain) == (60.0, 9, True)


def test_every_flag_of_a_connection_is_an_option() -> None:
    assert {one.name for one in fields(Flags)} == {option.parameter for option in KUBECTL}


def test_every_way_to_write_a_result_is_offered() -> None:
    every = {
        value for command in COMMANDS.values() if "-o" in command.options for value in command.options["-o"].values
    }
    assert {one.value for one in Output} == every


@pytest.mark.parametrize(("text", "seconds"), [("45", 45), ("90s", 90), ("10m", 600), ("1h30m", 5400), ("0.5m", 30)])
def test_durations_are_written_as_in_kubectl(text: str, seconds: float) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "m10", "-5s", "1d", "٣s", "10m\n"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="write a duration"):
        duration(text)


@pytest.mark.parametrize(
    ("words", "namespace", "expected"),
    [
        (["deployment.apps/web"], "", Wanted("deployment.apps", "web")),
        (["deployment.apps/web"], "shop", Wanted("deployment.apps", "web", "shop")),
        (["deploy/shop/web"], "", Wanted("deploy", "web", "shop")),
        (["deploy", "web"], "shop", Wanted("deploy", "web", "shop")),
    ],
)
def test_objects_are_named_as_in_kubectl(words: list[str], namespace: str, expected: Wanted) -> None:
    assert wanted(words, namespace) == expected


@pytest.mark.parametrize("words", [["web"], ["deploy/"], ["/web"], ["a/b/c/d"], ["deploy", "a/b"]])
def test_what_names_no_object_is_a_usage_error(words: list[str]) -> None:
    with pytest.raises(UsageError, match="KIND/NAME"):
        wanted(words, "")


def test_two_namespaces_for_one_object_are_a_usage_error() -> None:
    with pytest.raises(UsageError):
        wanted(["deploy/shop/web"], "other")
