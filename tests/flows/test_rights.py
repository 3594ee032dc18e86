"""What a user without the rights reads, and the role that grants them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from kubectl_glasskube_purge.flows import rights
from kubectl_glasskube_purge.kube.problem import Problem
from kubectl_glasskube_purge.kube.reviews import Review
from kubectl_glasskube_purge.report import human
from tests.purge.clusters import installed
from tests.report.plans import cluster, record
from tests.report.test_human import drawn

LACKED = (
    Review("delete", "namespaces", "", "", allowed=False, name="shop"),
    Review("delete", "namespaces", "", "", allowed=False, name="web"),
    Review("patch", "deployments", "apps", "shop", allowed=False, name="web"),
)


@pytest.fixture(autouse=True)
def _jane(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async def missing_rights(*_: object) -> tuple[Review, ...]:
        return LACKED

    async def who_am_i(_: object) -> str:
        return "jane"

    monkeypatch.setattr(rights, "missing_rights", missing_rights)
    monkeypatch.setattr(rights, "who_am_i", who_am_i)
    monkeypatch.chdir(tmp_path)


async def refusal(*, to_file: bool) -> Problem:
    client: Any = None
    (problem,) = await rights.lacking(client, installed("crd").survey(), to_file=to_file)
    return problem


def names(role: str) -> list[str]:
    return [one["kind"] for one in yaml.safe_load_all(role)]


async def test_at_a_terminal_the_role_is_in_a_file_and_one_command_applies_it(tmp_path: Path) -> None:
    problem = await refusal(to_file=True)
    assert problem.copied == ("kubectl apply -f ./purge-role.yaml",)
    assert names((tmp_path / "purge-role.yaml").read_text()) == ["ClusterRole", "ClusterRoleBinding"]
    assert "3 permissions on 2 kinds" in problem.message


async def test_no_file_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "purge-role.yaml").write_text("mine")
    (tmp_path / "purge-role-1.yaml").symlink_to(tmp_path / "elsewhere")
    problem = await refusal(to_file=True)
    assert problem.copied == ("kubectl apply -f ./purge-role-2.yaml",)
    assert (tmp_path / "purge-role.yaml").read_text() == "mine"
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("to_file", [True, False])
async def test_a_role_on_the_screen_is_between_its_command_and_its_end(
    to_file: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Also if no file can be written: what is copied is one whole command."""

    def full(*_: object, **__: object) -> None:
        raise OSError("read-only")

    monkeypatch.setattr("builtins.open", full)
    problem = await refusal(to_file=to_file)
    monkeypatch.undo()
    assert not os.listdir(tmp_path)
    screen = drawn(human.end(record(cluster("argo-cd"), outcome="refused", error=problem)))
    before, opening, rest = screen.partition("kubectl apply -f - <<'EOF'\n")
    role, closing, _ = rest.partition("\nEOF\n")
    assert opening
    assert closing
    assert "EOF" not in before
    assert names(role) == ["ClusterRole", "ClusterRoleBinding"]
