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
        if action.startswith("./"):
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
def test_whatever_can_write_starts_nothing_privileged_and_builds_nothing(file: Path) -> None:
    for job in workflow(file)["jobs"].values():
        scripts = "\n".join(step.get("run", "") for step in job.get("steps", ()))
        assert "--privileged" not in scripts
        assert "binfmt" not in scripts
        if {"contents", "packages"} & {right for right, how in job["permissions"].items() if how == "write"}:
            assert not re.search(r"\b(docker build|buildx (build|create)|make dist|krew\.build|pip|go) ", scripts)


def test_images_are_named_by_their_digest() -> None:
    texts = [file.read_text("utf-8") for file in WORKFLOWS]
    containers = [name for text in texts for name in re.findall(r'container: "(.+?)"', text)]
    bases = re.findall(r"^FROM (\S+)", (ROOT / "Dockerfile").read_text("utf-8"), re.MULTILINE)
    assert containers
    assert bases
    for name in (*containers, *bases):
        assert re.fullmatch(r"[\w./:-]+@sha256:[0-9a-f]{64}", name), name
    assert "# syntax" not in (ROOT / "Dockerfile").read_text("utf-8")


def test_what_is_built_is_attested_there_and_verified_before_it_is_published() -> None:
    jobs = workflow(ROOT / ".github" / "workflows" / "artifacts.yml")["jobs"]
    for name, job in jobs.items():
        uses = [step.get("uses", "").partition("@")[0] for step in job["steps"]]
        assert uses[-2:] == ["actions/attest-build-provenance", "actions/upload-artifact"], name
        assert job["steps"][-2]["if"] == "github.ref_type == 'tag'"
    released = workflow(ROOT / ".github" / "workflows" / "release.yml")["jobs"]
    for name in ("publish", "pypi", "image", "krew"):
        steps = released[name]["steps"]
        (verified,) = (at for at, step in enumerate(steps) if "gh attestation verify" in step.get("run", ""))
        loaded = [at for at, step in enumerate(steps) if "download-artifact" in step.get("uses", "")]
        assert max(loaded) < verified < len(steps) - 1


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
