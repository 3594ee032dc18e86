"""The workflows: checked by actionlint, pinned, without rights they don't need, and made of what runs locally too."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
EACH = pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)

MOVING = {"pypa/gh-action-pypi-publish@release/v1"}
"""Its maintainers publish the current version under this name."""


def workflow(file: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(file.read_text("utf-8"))
    loaded["on"] = loaded.pop(True)  # YAML 1.1 reads `on` so
    return loaded


def steps(file: Path) -> Iterator[dict[str, Any]]:
    for job in workflow(file)["jobs"].values():
        yield from job.get("steps", ())


def test_actionlint_has_no_complaint() -> None:
    actionlint = shutil.which("actionlint", path=os.pathsep.join([str(ROOT / "build" / "tools"), os.environ["PATH"]]))
    if actionlint is None:
        pytest.skip("there is no actionlint: `make workflows` brings it, where Go is installed")
    done = subprocess.run([actionlint], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@EACH
def test_actions_of_others_are_pinned_to_a_commit(file: Path) -> None:
    for line in re.findall(r"uses: (.*)", file.read_text("utf-8")):
        action = line.split()[0]
        if action.startswith("./") or action in MOVING:
            continue
        assert re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), line


def test_an_action_is_the_same_everywhere() -> None:
    used = {line.split()[0] for file in WORKFLOWS for line in re.findall(r"uses: (.*)", file.read_text("utf-8"))}
    names = [action.partition("@")[0] for action in used]
    assert len(names) == len(set(names))


@EACH
def test_a_job_has_the_rights_it_names_and_no_others(file: Path) -> None:
    loaded = workflow(file)
    assert loaded["permissions"] == {}
    for name, job in loaded["jobs"].items():
        assert job.get("permissions"), name
        assert job.get("timeout-minutes") or job.get("uses"), name
        if job["permissions"].get("contents") == "write":
            assert name == "publish"


@EACH
def test_no_script_has_text_from_outside_pasted_into_it(file: Path) -> None:
    for step in steps(file):
        for pasted in re.findall(r"\$\{\{(.*?)\}\}", step.get("run", "")):
            assert pasted.strip().startswith("matrix."), pasted


@EACH
def test_a_checkout_keeps_no_credentials(file: Path) -> None:
    for step in steps(file):
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


@EACH
def test_every_target_that_is_made_exists(file: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    for step in steps(file):
        for line in step.get("run", "").splitlines():
            for words in re.findall(r"\bmake ((?:--silent )?[a-z-]+)", line):
                assert words.split()[-1] in targets, line


def test_every_platform_of_the_manifest_is_built() -> None:
    manifest = yaml.safe_load((ROOT / "plugin.yaml").read_text("utf-8"))
    wanted = {"_".join(platform["selector"]["matchLabels"].values()) for platform in manifest["spec"]["platforms"]}
    artifacts = workflow(ROOT / ".github" / "workflows" / "artifacts.yml")
    assert {entry["platform"] for entry in artifacts["jobs"]["archive"]["strategy"]["matrix"]["include"]} == wanted


def test_every_python_that_is_promised_is_tested() -> None:
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    promised = set(re.findall(r"Programming Language :: Python :: (3\.\d+)", project))
    tested = workflow(ROOT / ".github" / "workflows" / "test.yml")["jobs"]["test"]["strategy"]["matrix"]["python"]
    assert promised <= set(tested)
    (oldest,) = re.findall(r'requires-python = ">=(3\.\d+)"', project)
    assert oldest == tested[0]


def test_nothing_is_published_before_everything_passed() -> None:
    jobs = workflow(ROOT / ".github" / "workflows" / "release.yml")["jobs"]
    assert set(jobs["publish"]["needs"]) == {"test", "artifacts"}
    for name in ("pypi", "image", "krew"):
        assert jobs[name]["needs"] == "publish"
