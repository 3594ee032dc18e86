"""The command line as typed: kubectl's ways of writing it are understood, and nothing mistyped ever purges."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubectl_glasskube_purge.cli.arguments import Line, UsageError, read
from kubectl_glasskube_purge.cli.commands import COMMANDS, PURGE
from kubectl_glasskube_purge.cli.commands.purge import check_deciding
from kubectl_glasskube_purge.cli.options import DRY_RUN, HELP, KUBECTL, OUTPUT, YES, Option, Output
from kubectl_glasskube_purge.purge.model.plan import Options as Decided

VALUES = {
    "--request-timeout": "30s",
    "--v": "6",
    "--timeout": "10m",
    "--wait-idle": "5m",
    "--namespace": "glasskube-system",
    "--force-finalizers": "example.com/x",
}


def understood(*words: str) -> Line:
    return read(words, COMMANDS)


def mistake(*words: str) -> str:
    with pytest.raises(UsageError) as raised:
        read(words, COMMANDS)
    return str(raised.value)


def value_of(option: Option[Any]) -> str:
    return option.values[0] if option.values else VALUES.get(option.name, "x")


def spelled(option: Option[Any]) -> st.SearchStrategy[list[str]]:
    """Every way to write an option that pflag knows."""
    value = value_of(option)
    if option.is_switch:
        forms = [[option.name], [f"{option.name}=true"]] + [[option.short]] * bool(option.short)
    elif option.bare:
        forms = [[option.name], [f"{option.name}={value}"]]
    else:
        forms = [[option.name, value], [f"{option.name}={value}"]]
        if option.short:
            forms += [[option.short, value], [f"{option.short}={value}"], [f"{option.short}{value}"]]
    return st.sampled_from(forms)


def some_options(command_name: str) -> st.SearchStrategy[list[list[str]]]:
    options = [
        option
        for _, section in COMMANDS[command_name].sections
        for option in section
        if option.name not in ("--help", "--version")
    ]
    return st.lists(st.sampled_from(options).flatmap(spelled), max_size=6)


# -- nothing mistyped ever purges


@given(some_options(""), st.text(min_size=1).filter(lambda word: not word.startswith("-")), st.integers(0, 6))
def test_a_word_that_is_no_command_never_purges_wherever_it_stands(
    options: list[list[str]], word: str, place: int
) -> None:
    words = [*options[:place], [word], *options[place:]]
    try:
        line = read([part for group in words for part in group], COMMANDS)
    except UsageError:
        return
    assert line.command is not PURGE


@given(st.data())
def test_options_mean_the_same_before_and_after_the_commands_name(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from([name for name in COMMANDS if name]))
    options = data.draw(some_options(name))
    place = data.draw(st.integers(0, len(options)))
    arguments = [list(COMMANDS[name].argument_values[:1]) or ["kind/name"]] * COMMANDS[name].least
    flat = [word for group in options for word in group]
    mixed = [word for group in [*options[:place], [name], *options[place:]] for word in group]
    more = [word for group in arguments for word in group]

    last = read([name, *more, *flat], COMMANDS)
    assert read([*mixed, *more], COMMANDS) == last
    assert read([*flat, name, *more], COMMANDS) == last


@given(
    st.lists(st.text(max_size=6) | st.sampled_from(["--dry-run", "--yes", "-o", "verify", "server", "--", "-", "json"]))
)
def test_any_words_are_understood_or_refused(words: list[str]) -> None:
    said = ""
    try:
        line = read(words, COMMANDS)
    except UsageError as error:
        said = str(error)
    assert said or line.command in COMMANDS.values()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--dry-run", "server"], "--dry-run takes its value behind an equals sign: --dry-run=server"),
        (["--dry-run", "client", "--yes"], "--dry-run takes its value behind an equals sign: --dry-run=client"),
        (["--keep-packages", "flux"], "--keep-packages takes its value behind an equals sign: --keep-packages=flux"),
        (["--yes", "--keep-packages", "helm"], "--keep-packages=helm"),
        (["--keep-packages=argo"], "must be one of auto, flux, helm"),
        (["--dry-run=none"], 'invalid argument "none" for "--dry-run" flag: must be one of client, server'),
        (["--dry-run="], "--dry-run= needs a value"),
        (["--flux=yes"], "must be one of auto, keep, delete"),
        (["purge"], 'unknown command "purge"'),
        (["verfiy"], "Did you mean 'verify'?"),
        (["--dryrun"], "Did you mean '--dry-run'?"),
        (["--flux=keeep"], "Did you mean 'keep'?"),
        (["xyz"], "there are: completion, explain"),
        ([""], 'unknown command ""'),
        (["-"], 'unknown command "-"'),
        (["--", "verify"], 'unknown command "verify"'),
        (["verify", "now"], 'verify takes no arguments, and there is "now" besides'),
        (["verify", "--yes"], "unknown flag: --yes for verify"),
        (["report"], "report needs FILE.json"),
        (["completion", "tcsh"], "SHELL is one of bash, zsh, fish, powershell"),
    ],
)
def test_what_was_meant_is_said(words: list[str], says: str) -> None:
    assert says in mistake(*words)


# -- as in kubectl


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--nonsense"], "unknown flag: --nonsense"),
        (["-z"], "unknown shorthand flag: 'z' in -z"),
        (["--context"], "flag needs an argument: --context"),
        (["-o"], "flag needs an argument: 'o' in -o"),
        (["--yes=perhaps"], 'invalid argument "perhaps" for "-y, --yes" flag'),
        (["-v", "much"], 'invalid argument "much" for "-v, --v" flag'),
        (["--request-timeout=soon"], "Invalid timeout value"),
        (["-n", "default"], "Glasskube is in glasskube-system"),
        (["--timeout=later"], "write a duration"),
        (["--timeout="], "write a duration"),
    ],
)
def test_mistakes_are_said_in_kubectls_words(words: list[str], says: str) -> None:
    assert says in mistake(*words)


@pytest.mark.parametrize("words", [["-v=6"], ["-v6"], ["-v", "6"], ["--v=6"], ["--v", "6"]])
def test_verbosity_is_written_as_everybody_writes_it(words: list[str]) -> None:
    assert understood(*words).values["--v"] == 6


@pytest.mark.parametrize("words", [["-ojson"], ["-o=json"], ["-o", "json"], ["-yo", "json"], ["-yojson"]])
def test_short_options_are_joined_as_in_kubectl(words: list[str]) -> None:
    assert understood(*words)[OUTPUT] is Output.json


def test_a_switch_can_be_switched_off_and_the_last_one_counts() -> None:
    assert not understood("--yes=false")[YES]
    assert not understood("--yes", "--yes=false")[YES]
    assert understood("--yes=0", "--yes=1")[YES]


def test_underscores_are_dashes_as_in_kubectl() -> None:
    assert understood("--dry_run=server")[DRY_RUN] == "server"


def test_an_option_takes_the_next_word_whatever_it_looks_like() -> None:
    line = understood("--context", "--yes")
    assert line.values["--context"] == "--yes"
    assert not line[YES]


def test_of_several_values_the_last_one_counts_and_groups_add_up() -> None:
    line = understood("--context=a", "--context=b", "--as-group=x,y", "--as-group", "z")
    assert line.values["--context"] == "b"
    assert line.values["--as-group"] == ("x,y", "z")


def test_a_bare_dry_run_is_one_on_the_client() -> None:
    assert understood("--dry-run")[DRY_RUN] == "client"
    assert understood("--dry-run", "verify", "--help").command.name == "verify"


def test_files_may_be_called_like_options() -> None:
    assert understood("restore", "--", "--yes", "-o").arguments == ("--yes", "-o")


@pytest.mark.parametrize("words", [["--yes", "--help"], ["-h", "--nonsense"], ["nonsense", "--help"], ["-yh"]])
def test_help_is_given_whatever_stands_beside_it(words: list[str]) -> None:
    assert understood(*words)[HELP]


def test_every_command_has_all_of_kubectls_flags() -> None:
    for command in COMMANDS.values():
        assert {option.name for option in KUBECTL} | {"--namespace", "--v", "--help"} <= command.options.keys(), (
            command.name
        )


def test_an_option_is_written_the_same_way_in_every_command() -> None:
    forms: dict[str, set[tuple[bool, bool]]] = {}
    for command in COMMANDS.values():
        for name, option in command.options.items():
            forms.setdefault(name, set()).add((option.is_switch, bool(option.bare)))
    assert {name for name, seen in forms.items() if len(seen) > 1} == set()


@pytest.mark.parametrize(
    "name", ["held", "kubernetes.io/pvc-protection", "batch.kubernetes.io/job-tracking", "a.k8s.io"]
)
def test_kubernetes_own_finalizers_cannot_be_forced(name: str) -> None:
    assert "Kubernetes' own finalizers are never dropped" in mistake(f"--force-finalizers={name}")


def test_finalizers_and_namespaces_are_named_several_times_and_by_comma() -> None:
    line = understood("--force-finalizers", "--force-finalizers=a.example.com/x,b.example.com/y", "--include-foreign")
    assert line.fill(Decided).force_finalizers == ("gone", "a.example.com/x", "b.example.com/y")
    assert line.fill(Decided).include_foreign == ("glasskube-system",)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("--keep-packages --keep=a", "--keep-packages keeps all packages"),
        ("--keep-packages --delete-in-use", "--keep-packages keeps all packages"),
        ("--keep-in-use --delete-in-use", "exclude each other"),
        ("--keep-in-use=flux --hand-over=helm", "in one run not to both"),
        ("--hand-over=helm", "nothing else is handed over"),
        ("--keep-packages=flux --flux=delete", "nothing can be handed over to flux"),
    ],
)
def test_what_contradicts_itself_is_a_usage_error(words: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        check_deciding(understood(*words.split()))
