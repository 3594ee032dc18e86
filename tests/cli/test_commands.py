"""The commands' functions and the table of the command line belong together."""

from __future__ import annotations

import inspect
from importlib import import_module
from typing import Any

import pytest

from kubectl_glasskube_purge.cli import binding
from kubectl_glasskube_purge.cli.arguments import UsageError, read
from kubectl_glasskube_purge.cli.binding import Common
from kubectl_glasskube_purge.cli.choices import DryRun, Flux, Output
from kubectl_glasskube_purge.cli.commands.explain import wanted
from kubectl_glasskube_purge.cli.options import COMMANDS, Command, duration
from kubectl_glasskube_purge.flows.explain import Wanted

DEALT_WITH_BEFORE = {"help", "version", "namespace"}

each_command = pytest.mark.parametrize("command", COMMANDS.values(), ids=lambda command: command.name or "purge")


def function_of(command: Command) -> Any:
    return import_module(f"kubectl_glasskube_purge.cli.commands.{command.module}").run


@each_command
def test_every_option_reaches_its_command(command: Command) -> None:
    taken = {*inspect.signature(function_of(command)).parameters, *inspect.signature(binding.common).parameters}
    offered = {option.parameter for option in command.options.values()}
    assert offered - taken <= DEALT_WITH_BEFORE
    arguments = {"file", "files", "objects", "shell"} if command.argument else set()
    assert taken - offered <= {"common"} | arguments


@each_command
def test_a_command_is_called_with_what_was_typed(command: Command) -> None:
    called: dict[str, Any] = {}
    real = function_of(command)

    def spy(**values: Any) -> int:
        called.update(values)
        return 7

    spy.__signature__ = inspect.signature(real, eval_str=True)  # type: ignore[attr-defined]
    argument = list(command.argument_values[:1]) or ["a/b"]
    words = [command.name] * bool(command.name) + argument * command.least
    words += ["--context=there", "--as=me", "--as-group=a", "--as-group=b", "-v9", "--request-timeout=1m", "--plain"]

    assert binding.call(spy, read(words, COMMANDS)) == 7
    common: Common = called["common"]
    assert (common.flags.context, common.flags.as_user, common.flags.as_groups) == ("there", "me", ("a", "b"))
    assert (common.flags.request_timeout, common.verbosity, common.plain) == (60.0, 9, True)


def test_choices_have_the_tables_values() -> None:
    purge = COMMANDS[""].options
    assert [one.value for one in Flux] == list(purge["--flux"].values)
    assert [one.value for one in DryRun] == list(purge["--dry-run"].values)
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
