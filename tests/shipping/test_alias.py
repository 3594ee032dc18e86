"""The second name: made beside krew's link, never over somebody's file, spoken of once."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from kubectl_glasskube_purge.cli import alias
from kubectl_glasskube_purge.cli import main as cli


@dataclass(frozen=True)
class Krew:
    """A krew root as krew lays it out, with the plugin installed."""

    root: Path

    @property
    def bin(self) -> Path:
        return self.root / "bin"

    @property
    def link(self) -> Path:
        return self.bin / "kubectl-glasskube_purge"

    @property
    def name(self) -> Path:
        return self.bin / "kubectl-glasskube-purge"

    def install(self, version: str) -> None:
        """Installs, or upgrades to, a version: krew renews the link and removes the old folder."""
        executable = self.root / "store" / "glasskube-purge" / version / "kubectl-glasskube_purge"
        executable.parent.mkdir(parents=True)
        executable.write_text(f"#!/bin/sh\necho {version} $0 $@\n")
        executable.chmod(0o755)
        old = self.link.resolve() if self.link.is_symlink() else None
        self.link.unlink(missing_ok=True)
        self.link.symlink_to(executable)
        if old is not None:
            old.unlink()


@pytest.fixture
def krew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Krew:
    root = tmp_path / "krew"
    (root / "bin").mkdir(parents=True)
    monkeypatch.setenv("PATH", f"{root / 'bin'}:/usr/bin:/bin")
    installed = Krew(root)
    installed.install("v0.1.0")
    return installed


def test_the_second_name_runs_the_plugin(krew: Krew) -> None:
    assert alias.install(str(krew.link)) == (krew.name, True)
    said = subprocess.run(["kubectl-glasskube-purge", "verify"], capture_output=True, text=True, check=True).stdout
    assert said.startswith("v0.1.0 ")
    assert said.endswith(" verify\n")
    assert alias.on_path(krew.name)


def test_the_second_name_outlives_an_upgrade(krew: Krew) -> None:
    alias.install(str(krew.link))
    krew.install("v0.2.0")
    said = subprocess.run(["kubectl-glasskube-purge"], capture_output=True, text=True, check=True).stdout
    assert said.startswith("v0.2.0 ")


def test_the_name_is_found_by_what_a_shell_passes(krew: Krew) -> None:
    assert alias.install("kubectl-glasskube_purge") == (krew.name, True)


def test_making_it_twice_is_no_error(krew: Krew) -> None:
    alias.install(str(krew.link))
    assert alias.install(str(krew.link)) == (krew.name, False)
    assert alias.install(str(krew.name)) == (krew.name, False)


def test_somebodys_file_is_left_alone(krew: Krew) -> None:
    krew.name.write_text("mine")
    with pytest.raises(alias.AliasError, match="is something else"):
        alias.install(str(krew.link))
    assert krew.name.read_text() == "mine"


def test_a_link_that_leads_nowhere_is_renewed(krew: Krew) -> None:
    krew.name.symlink_to(krew.root / "store" / "glasskube-purge" / "v0.0.9" / "gone")
    assert alias.install(str(krew.link)) == (krew.name, True)
    assert krew.name.exists()


def test_an_unwritable_folder_is_said(krew: Krew, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    with pytest.raises(alias.AliasError, match="Permission denied"):
        alias.install(str(krew.link))


def test_an_unpacked_archive_gets_its_second_name_too(tmp_path: Path) -> None:
    executable = tmp_path / "kubectl-glasskube_purge"
    executable.touch(mode=0o755)
    assert alias.install(str(executable)) == (tmp_path / "kubectl-glasskube-purge", True)


def test_a_module_run_has_no_executable_to_name(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "kubectl_glasskube_purge", "install-alias"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 1
    assert "by hand" in done.stderr


def test_the_hint_is_given_once_after_a_krew_install(krew: Krew, tmp_path: Path) -> None:
    state = tmp_path / "state"
    assert [alias.due(str(krew.link), state) for _ in range(3)] == [True, False, False]


def test_no_hint_where_the_second_name_is_there(krew: Krew, tmp_path: Path) -> None:
    alias.install(str(krew.link))
    assert not alias.due(str(krew.link), tmp_path)
    assert not alias.due(str(krew.name), tmp_path)
    assert list(tmp_path.iterdir()) == [krew.root]


def test_no_hint_where_krew_has_no_part_in_it(krew: Krew, tmp_path: Path) -> None:
    executable = tmp_path / "kubectl-glasskube_purge"
    executable.touch(mode=0o755)
    assert not alias.due(str(executable), tmp_path / "state")
    assert not alias.due("-c", tmp_path / "state")


def test_no_hint_where_it_could_not_be_remembered(krew: Krew, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert not alias.due(str(krew.link), tmp_path / "file" / "state")


def test_the_second_name_is_taken_away_again(krew: Krew) -> None:
    assert alias.remove(str(krew.link)) is None
    alias.install(str(krew.link))
    assert alias.remove(str(krew.link)) == krew.name
    assert sorted(krew.bin.iterdir()) == [krew.link]
    alias.install(str(krew.link))
    assert alias.remove(str(krew.name)) == krew.name, "called by the name that goes"
    assert krew.link.exists()


def test_somebody_elses_file_is_not_taken_away(krew: Krew) -> None:
    krew.name.write_text("mine")
    with pytest.raises(alias.AliasError, match="by hand"):
        alias.remove(str(krew.link))
    krew.name.unlink()
    krew.name.symlink_to("/bin/true")
    with pytest.raises(alias.AliasError, match="by hand"):
        alias.remove(str(krew.link))
    assert krew.name.is_symlink()


def test_where_pip_has_made_both_names_there_is_nothing_to_do(tmp_path: Path) -> None:
    for name in (alias.NAME, alias.KREW_NAME):
        (tmp_path / name).write_text("#!/usr/bin/python3\nimport sys; sys.exit(main())\n")
        (tmp_path / name).chmod(0o755)
    assert alias.install(str(tmp_path / alias.KREW_NAME)) == (tmp_path / alias.NAME, False)


@pytest.mark.parametrize("word", ["install-alias", "install-alias --remove"])
def test_the_command_says_what_it_did(krew: Krew, word: str, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    if word.endswith("--remove"):
        alias.install(str(krew.link))
    monkeypatch.setattr(sys, "argv", [str(krew.link), *word.split()])
    assert cli.run(word.split()) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"{krew.name} {'removed' if word.endswith('--remove') else 'made'}")
    assert ("install-alias --remove" in said) is (word == "install-alias")
