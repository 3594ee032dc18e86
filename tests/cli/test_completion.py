"""Completion: for kubectl's own mechanism, and in the shells themselves."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from kubectl_glasskube_purge.cli.commands import COMMANDS
from kubectl_glasskube_purge.cli.completion import protocol
from kubectl_glasskube_purge.cli.completion.offer import BY_EXTENSION, NO_FILES, offer

ARN = "arn:aws:eks:eu-central-1:123:cluster/prod"
ROOT = Path(__file__).parents[2]


@pytest.fixture
def kubeconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "kubeconfig"
    names = ["staging", ARN]
    content = {
        "current-context": "staging",
        "contexts": [{"name": name, "context": {"cluster": "c", "user": "u"}} for name in names],
        "clusters": [{"name": "c-one", "cluster": {}}],
        "users": [{"name": "u-one", "user": {"token": "SECRET"}}],
    }
    file.write_text(yaml.safe_dump(content))
    monkeypatch.setenv("KUBECONFIG", str(file))
    return file


def words(*typed: str) -> list[str]:
    return [word for word, _ in offer(typed).words]


def test_commands_are_offered_where_one_may_stand() -> None:
    assert words("") == [name for name in COMMANDS if name]
    assert words("ver") == ["verify", "version"]
    assert words("--yes", "--context", "x", "ver") == ["verify", "version"]
    assert words("verify", "") == []


def test_options_of_the_command_are_offered_but_not_twice() -> None:
    assert words("--fl") == ["--flux"]
    assert words("--flux", "keep", "--fl") == []
    assert words("verify", "--fl") == []
    assert words("--as-group", "a", "--as-g") == ["--as-group"]
    assert "-o" in words("-")
    assert "--yes" not in words("restore", "--", "--y")


def test_values_are_offered_in_both_forms() -> None:
    assert words("--flux", "") == words("--flux=") == ["auto", "keep", "delete"]
    assert words("-o", "j") == ["json", "jsonl"]
    assert words("version", "-o", "") == ["human", "json", "yaml"]
    assert words("--dry-run=") == ["client", "server"]
    assert words("restore", "--dry-run=") == ["client"]
    assert words("--dry-r") == ["--dry-run", "--dry-run=server"]
    assert words("completion", "z") == ["zsh"]
    assert words("help", "ver") == ["verify", "version"]
    assert words("help", "package-") == ["package-in-use"]


def test_names_come_from_the_kubeconfig(kubeconfig: Path) -> None:
    assert offer(("--context", "")).words == (("staging", "current"), (ARN, ""))
    assert words("--context=arn:aws") == [ARN]
    assert words("--cluster", "") == ["c-one"]
    assert words("--user", "") == ["u-one"]


def test_the_kubeconfig_that_was_named_is_read(kubeconfig: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text(yaml.safe_dump({"contexts": [{"name": "elsewhere", "context": {}}]}))
    assert words("--kubeconfig", str(other), "--context", "") == ["elsewhere"]


@pytest.mark.parametrize("content", ["{", "contexts: 5", ""])
def test_an_unreadable_kubeconfig_offers_nothing_and_complains_to_nobody(kubeconfig: Path, content: str) -> None:
    kubeconfig.write_text(content)
    assert words("--context", "") == []


def test_files_are_left_to_the_shell_by_their_kind() -> None:
    assert offer(("restore", "")).directive == BY_EXTENSION
    assert words("restore", "") == ["yaml", "yml"]
    assert words("report", "") == ["json"]
    assert words("--report", "") == ["html", "htm"]
    assert offer(("--kubeconfig", "")).directive == 0
    assert offer(("--token", "")).directive == NO_FILES


def test_after_a_mistake_nothing_is_offered() -> None:
    assert words("nonsense", "") == []
    assert words("--nonsense", "--fl") == []
    assert words("verify", "--dry-run", "server", "") == []


def test_descriptions_are_one_short_line() -> None:
    for line in protocol.answer(["--"]).splitlines():
        assert line.count("\t") <= 1
        assert len(line) < 160


# -- in processes: the executables, the shells


@pytest.fixture
def executables(tmp_path: Path, kubeconfig: Path) -> dict[str, str]:
    """The four executables that an install has, on a PATH, and the environment to call them in."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("glasskube_purge", "glasskube-purge"):
        for prefix in ("kubectl-", "kubectl_complete-"):
            file = folder / f"{prefix}{name}"
            started = f"import sys; sys.argv[0] = '{prefix}{name}'; "
            started += "from kubectl_glasskube_purge.__main__ import main; main()"
            file.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{started}" "$@"\n')
            file.chmod(0o755)
    work = tmp_path / "work"
    work.mkdir()
    for name in ("backup.yaml", "backup.txt", "purge.json"):
        (work / name).touch()
    return {
        **os.environ,
        "PATH": f"{folder}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "HOME": str(tmp_path),
        "PWD": str(work),
        "KUBECONFIG": str(kubeconfig),
    }


def run(*arguments: str, env: dict[str, str], stdin: str = "") -> str:
    done = subprocess.run(
        arguments, input=stdin, capture_output=True, text=True, env=env, cwd=env["PWD"], timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_executables_answer_kubectl(executables: dict[str, str]) -> None:
    said = run("kubectl_complete-glasskube_purge", "verify", "--out", env=executables)
    assert said == "--output\tHow the result is written to stdout\n:4\n"
    assert run("kubectl_complete-glasskube-purge", "--flux", "k", env=executables) == "keep\n:4\n"
    assert run("kubectl-glasskube_purge", "__complete", "--flux=k", env=executables) == "keep\n:4\n"


def in_bash(line: str, env: dict[str, str]) -> list[str]:
    script = f"""
        source <(kubectl-glasskube_purge completion bash)
        COMP_WORDBREAKS=$' \\t\\n"\\'><=;|&(:'
        COMP_LINE={line!r} COMP_POINT={len(line)}
        __kubectl_glasskube_purge kubectl-glasskube_purge
        printf '%s\\n' "${{COMPREPLY[@]}}"
        """
    return run("bash", "--norc", "-c", script, env=env).split()


def in_fish(line: str, env: dict[str, str]) -> list[str]:
    script = f"kubectl-glasskube_purge completion fish | source; complete -C {line!r}"
    offered = [one.partition("\t")[0] for one in run("fish", "--no-config", "-c", script, env=env).splitlines()]
    behind = line.rpartition(" ")[2].partition("=")
    return [one.removeprefix(f"{behind[0]}=") if behind[1] else one for one in offered]


def in_zsh(line: str, env: dict[str, str]) -> list[str]:
    """In a pseudo-terminal of zsh's own: completion only works where somebody types.

    The matches are taken where the completion hands them to zsh, not from the screen; the line is typed when the
    line editor has said that it reads.
    """
    inside = r"""
        PS1=
        autoload -U compinit; compinit -u -D
        source <(kubectl-glasskube_purge completion zsh)
        compadd() {
            local -a found
            # With these it only fills arrays for the functions that call it.
            if (( ! ${argv[(I)-[ADO]]} )); then
                builtin compadd -O found "$@"
                print -rn -- "<${(j:><:)found}>" > /dev/tty
            fi
            builtin compadd "$@"
        }
        offer() { _main_complete; print -r -- "{end}" > /dev/tty }
        zle -C offer list-choices offer
        bindkey "^I" offer
        zle-line-init() { print -r -- "{ready}" > /dev/tty }
        zle -N zle-line-init
        """
    script = r"""
        zmodload zsh/zpty
        zpty shell zsh -f -i
        zpty -w shell 'eval "$INSIDE"'
        zpty -r -m shell ready '*{ready}*'
        zpty -w -n shell "$LINE_TO_COMPLETE"$'\t'
        zpty -r -m shell seen '*{end}*'
        print -r -- "$seen"
        """
    more = {"LINE_TO_COMPLETE": line, "INSIDE": inside, "TERM": "dumb"}
    return re.findall("<([^<>]+)>", run("zsh", "-f", "-c", script, env={**env, **more}))


@pytest.mark.parametrize(
    ("shell", "complete"), [("bash", in_bash), ("fish", in_fish), ("zsh", in_zsh)], ids=["bash", "fish", "zsh"]
)
@pytest.mark.parametrize(
    ("line", "offered", "not_offered"),
    [
        ("ver", ["verify", "version"], ["restore"]),
        ("--flux=", ["auto", "keep", "delete"], ["backup.yaml"]),
        ("restore b", ["backup.yaml"], ["backup.txt"]),
        ("--context ", ["staging"], ["backup.yaml"]),
    ],
)
def test_the_shells_complete(
    shell: str,
    complete: Callable[[str, dict[str, str]], list[str]],
    executables: dict[str, str],
    line: str,
    offered: list[str],
    not_offered: list[str],
) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here")
    found = complete(f"kubectl-glasskube_purge {line}", executables)
    assert set(offered) <= set(found)
    assert not set(not_offered) & set(found)


def test_bash_completes_names_with_colons(executables: dict[str, str]) -> None:
    assert in_bash("kubectl-glasskube_purge --context arn:aws:", executables) == [ARN.removeprefix("arn:aws:")]
    assert in_bash("kubectl-glasskube_purge --context=arn:aws:", executables) == [ARN.removeprefix("arn:aws:")]


def test_powershell_gets_a_script_of_its_own(executables: dict[str, str]) -> None:
    script = run("kubectl-glasskube_purge", "completion", "powershell", env=executables)
    assert "Register-ArgumentCompleter -Native" in script
    if shutil.which("pwsh") is None:
        pytest.skip("no pwsh here to run it in")
    line = "kubectl-glasskube_purge ver"
    ask = f"(TabExpansion2 -inputScript '{line}' -cursorColumn {len(line)}).CompletionMatches.CompletionText"
    assert run("pwsh", "-NoProfile", "-Command", f"{script}\n{ask}", env=executables).split() == ["verify", "version"]
