"""krew's manifest: made from the archives that exist, and nothing in it for krew's validator to complain of."""

from __future__ import annotations

import copy
import hashlib
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from krew import render
from krew.build import ROOT, archive_name
from kubectl_glasskube_purge import __version__
from tests.krew.rules import complaints

HOME = "https://example.com/someone/kubectl-glasskube-purge"
SIX = [(system, machine) for system in ("linux", "darwin", "windows") for machine in ("amd64", "arm64")]
FILE = "glasskube-purge.yaml"


def archives(folder: Path, *platforms: tuple[str, str], version: str = __version__) -> Path:
    for system, machine in platforms:
        (folder / archive_name(version, system, machine)).write_text(f"{system} {machine}")
    return folder


def rendered(folder: Path, **how: Any) -> dict[str, Any]:
    manifest: dict[str, Any] = yaml.safe_load(render.render(folder, HOME, **how))
    return manifest


def test_krews_validator_has_no_complaint(tmp_path: Path) -> None:
    assert list(complaints(FILE, rendered(archives(tmp_path, *SIX), complete=True))) == []
    one = tmp_path / "one"
    one.mkdir()
    assert list(complaints(FILE, rendered(archives(one, SIX[0])))) == []


def test_each_platform_has_the_hash_and_the_address_of_its_archive(tmp_path: Path) -> None:
    platforms = rendered(archives(tmp_path, *SIX))["spec"]["platforms"]
    found = {tuple(platform["selector"]["matchLabels"].values()): platform for platform in platforms}
    assert list(found) == SIX
    for (system, machine), platform in found.items():
        name = archive_name(__version__, system, machine)
        assert platform["sha256"] == hashlib.sha256(f"{system} {machine}".encode()).hexdigest()
        assert platform["uri"] == f"{HOME}/releases/download/v{__version__}/{name}"
        assert platform["bin"].endswith(".exe") is (system == "windows")


def test_a_platform_without_an_archive_is_left_out(tmp_path: Path) -> None:
    platforms = rendered(archives(tmp_path, ("linux", "arm64"), ("windows", "amd64")))["spec"]["platforms"]
    assert [tuple(p["selector"]["matchLabels"].values()) for p in platforms] == [
        ("linux", "arm64"),
        ("windows", "amd64"),
    ]


def test_a_release_wants_all_platforms(tmp_path: Path) -> None:
    with pytest.raises(render.RenderError, match="windows_arm64"):
        render.render(archives(tmp_path, *SIX[:5]), HOME, complete=True)
    with pytest.raises(render.RenderError):
        render.render(tmp_path / "absent", HOME)


def test_archives_of_another_version_do_not_count(tmp_path: Path) -> None:
    with pytest.raises(render.RenderError):
        render.render(archives(tmp_path, *SIX, version="0.0.9"), HOME)


def test_no_hash_and_no_version_is_kept_in_the_repository() -> None:
    template = (ROOT / "plugin.yaml").read_text("utf-8")
    assert not re.search(r"[0-9a-f]{40}", template)
    assert __version__ not in template
    assert "http" not in template


def test_the_name_keeps_krews_naming_guide(tmp_path: Path) -> None:
    manifest = rendered(archives(tmp_path, SIX[0]))
    name, spec = manifest["metadata"]["name"], manifest["spec"]
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name)
    assert name.startswith("glasskube-")
    assert "kube-" not in name.removeprefix("glasskube-")
    assert len(spec["shortDescription"]) <= 50
    assert not spec["shortDescription"].endswith(".")
    assert "kubectl" not in spec["shortDescription"].lower()
    assert max(map(len, (spec["description"] + spec["caveats"]).splitlines())) <= 80


def test_the_command_writes_the_file_under_the_plugins_name(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "krew.render",
        "--archives",
        str(archives(tmp_path, *SIX)),
        "--homepage",
        HOME + "/",
    ]
    subprocess.run(command, check=True, cwd=ROOT, capture_output=True)
    assert list(complaints(FILE, yaml.safe_load((tmp_path / FILE).read_text("utf-8")))) == []


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda m: m.update(apiVersion="v1"), "apiVersion"),
        (lambda m: m["metadata"].update(name="a b"), "isn't safe"),
        (lambda m: m["metadata"].update(name="other"), "the file is"),
        (lambda m: m["spec"].update(version="0.1.0"), "semantic version"),
        (lambda m: m["spec"].update(version="v1.0"), "semantic version"),
        (lambda m: m["spec"].update(shortDescription="a\nb"), "shortDescription"),
        (lambda m: m["spec"].update(platforms=[]), "no platform"),
        (lambda m: m["spec"]["platforms"].append(copy.deepcopy(m["spec"]["platforms"][0])), "two platforms"),
        (lambda m: m["spec"]["platforms"][0].update(sha256="ABC"), "sha256"),
        (lambda m: m["spec"]["platforms"][0].update(bin="../x"), "bin"),
        (lambda m: m["spec"]["platforms"][0].update(files=[]), "files"),
        (lambda m: m["spec"]["platforms"][0].update(selector={}), "empty selector"),
        (lambda m: m["spec"]["platforms"][0]["selector"]["matchLabels"].update(os="beos"), "no system is"),
        (lambda m: m["spec"]["platforms"][0]["selector"]["matchLabels"].update(libc="musl"), "libc"),
    ],
)
def test_the_rules_notice_what_krew_would(tmp_path: Path, spoil: Any, said: str) -> None:
    manifest = rendered(archives(tmp_path, *SIX))
    spoil(manifest)
    assert any(said in complaint for complaint in complaints(FILE, manifest))
