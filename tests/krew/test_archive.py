"""The archive: nothing else is needed, nothing else is in it, and it purges."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packaging.utils import canonicalize_name
from PyInstaller.archive.readers import CArchiveReader

from krew.build import FOLDER, REQUIREMENTS, ROOT
from kubectl_glasskube_purge import __version__
from kubectl_glasskube_purge.report import document, page
from tests.cluster import install
from tests.cluster.controlplane import ControlPlane
from tests.cluster.dump import dump
from tests.cluster.plugin import environment
from tests.krew.archive import Built, names
from tests.report import samples


def run(archive: Built, *words: str, env: Mapping[str, str], input: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [archive.executable, *words], input=input, capture_output=True, text=True, env=env, timeout=300, check=False
    )


@pytest.fixture
def nothing(tmp_path: Path) -> dict[str, str]:
    """An environment without a single program on its PATH."""
    (tmp_path / "bin").mkdir()
    return {"PATH": str(tmp_path / "bin"), "HOME": str(tmp_path)}


def test_it_runs_where_there_is_no_python(archive: Built, nothing: dict[str, str]) -> None:
    assert shutil.which("python3", path=nothing["PATH"]) is None
    assert run(archive, "--version", env=nothing).stdout == f"kubectl-glasskube-purge {__version__}\n"
    assert run(archive, "version", "--client", env=nothing).stdout == f"kubectl-glasskube-purge {__version__}\n"


def test_it_runs_through_krews_link(archive: Built, nothing: dict[str, str], tmp_path: Path) -> None:
    link = tmp_path / "kubectl-glasskube_purge"
    link.symlink_to(archive.executable)
    done = subprocess.run([link, "--version"], capture_output=True, text=True, env=nothing, check=True)
    assert __version__ in done.stdout


def test_it_draws_the_same_page(archive: Built, nothing: dict[str, str]) -> None:
    done = run(archive, "report", "-", env=nothing, input=document.as_json(samples.purged()))
    assert done.returncode == 0, done.stderr
    assert done.stdout == page.render(samples.purged()) + "\n"


def test_it_unpacks_nothing_when_it_starts(archive: Built, nothing: dict[str, str], tmp_path: Path) -> None:
    scratch = tmp_path / "tmp"
    scratch.mkdir()
    run(archive, "--help", env={**nothing, "TMPDIR": str(scratch)})
    assert list(scratch.iterdir()) == []


def test_it_purges_the_cluster(archive: Built, cluster: ControlPlane, assert_clean: Callable[..., None]) -> None:
    install.ensure_namespace(cluster, "shop")
    before = dump(cluster)
    install.install(cluster)
    install.install_packages(cluster)
    env = environment(cluster, {"PATH": os.devnull, "PYTHONPATH": None, "VIRTUAL_ENV": None})

    preview = run(archive, "--offline", "--dry-run", env=env)
    assert preview.returncode == 0, preview.stderr
    assert "Plan: " in preview.stdout

    done = run(archive, "--offline", "--yes", "-o", "json", env=env)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["outcome"] == "clean"
    assert_clean(cluster, before, kept=("PersistentVolumeClaim shop/data-*", "PersistentVolume pvc-*"))


# -- what is in it


def test_krew_can_unpack_it(archive: Built) -> None:
    found = names(archive.archive)
    assert all(name.startswith(f"{FOLDER}/") and ".." not in name for name in found)
    assert found[f"{FOLDER}/kubectl-glasskube_purge"] == 0o755
    assert found[f"{FOLDER}/LICENSE"] == 0o644
    assert found[f"{FOLDER}/kubectl-glasskube-purge.1"] == 0o644


def test_the_licences_are_in_it(archive: Built) -> None:
    assert (archive.folder / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
    text = (archive.folder / "THIRD-PARTY-NOTICES.txt").read_text("utf-8")
    for name in ("CPython", "OpenSSL", "kr8s", "httpx", "typer", "rich", "ruamel", "certifi", "pyinstaller", "zlib"):
        assert name in text
    assert "PYTHON SOFTWARE FOUNDATION LICENSE" in text
    assert "UNKNOWN" not in text.partition("-" * 80)[0]


def test_developers_tools_are_not_in_it(archive: Built) -> None:
    reader = CArchiveReader(str(archive.executable))
    modules = {name.partition(".")[0] for name in reader.open_embedded_archive("PYZ.pyz").toc}
    assert {"kubectl_glasskube_purge", "kr8s", "json"} < modules
    assert not modules & {"tests", "krew", "setuptools", "pip", "tkinter", "unittest"}
    locked = {line.partition("==")[0] for line in REQUIREMENTS[0].read_text("utf-8").splitlines()}
    installed = metadata.packages_distributions()
    brought = {canonicalize_name(name) for module in modules for name in installed.get(module, ())}
    assert brought - {"kubectl-glasskube-purge"} <= locked
    assert not [name for name in names(archive.archive) if "dist-info" in name or name.endswith((".py", ".pyi"))]


def test_nothing_tells_where_it_was_built(archive: Built) -> None:
    files = [file for file in archive.folder.rglob("*") if file.is_file()]
    assert not [file for file in files if bytes(ROOT) in file.read_bytes()]


def test_the_bill_of_materials_is_one(archive: Built) -> None:
    text = archive.bill.read_text("utf-8")
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    listed = {part["name"] for part in json.loads(text)["components"]}
    notices = (archive.folder / "THIRD-PARTY-NOTICES.txt").read_text("utf-8")
    told = {line.split(":")[0].split()[0] for line in notices.partition("-" * 80)[0].splitlines()[3:] if line}
    assert {name.split()[0] for name in listed} == told
