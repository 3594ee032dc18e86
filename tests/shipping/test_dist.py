"""What is uploaded: a wheel and an sdist that the index takes, with all that belongs into them, and checksums that fit.

Made by the commands of the Makefile's targets, which are the release workflow's steps.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email import message_from_string
from pathlib import Path
from typing import Any

import pytest

import hatch_build
from kubectl_glasskube_purge import __version__

ROOT = Path(__file__).parents[2]
MAN = "share/man/man1/kubectl-glasskube-purge.1"
HOME = "https://example.com/someone/kubectl-glasskube-purge"
STEM = f"kubectl_glasskube_purge-{__version__}"
EXECUTABLES = {"kubectl-glasskube-purge", "kubectl-glasskube_purge"}


def run(*words: str | Path, cwd: Path = ROOT) -> str:
    env = {**os.environ, "SOURCE_DATE_EPOCH": "1700000000"}
    done = subprocess.run(words, cwd=cwd, env=env, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make dist` makes, once for all workers; of a copy, so that nobody else's build is in the way."""
    base = tmp_path_factory.getbasetemp()
    source = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "checkout"
    with (source.parent / "checkout.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not source.exists():
            _build(source)
    return source / "dist"


def _build(source: Path) -> None:
    draft = source.with_name("checkout.part")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir()
    for name in ("pyproject.toml", "hatch_build.py", "README.md", "CHANGELOG.md", "LICENSE"):
        shutil.copy(ROOT / name, draft)
    for folder in ("kubectl_glasskube_purge", "docs", "tests/krew"):
        shutil.copytree(ROOT / folder, draft / folder, ignore=shutil.ignore_patterns("__pycache__"))
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", "dist", cwd=draft)
    draft.rename(source)


@pytest.fixture
def wheel(dist: Path) -> Path:
    (made,) = dist.glob("*.whl")
    return made


def test_the_index_takes_it(dist: Path) -> None:
    names = {file.name for file in dist.iterdir()}
    assert names == {f"{STEM}-py3-none-any.whl", f"{STEM}.tar.gz"}
    run(sys.executable, "-m", "twine", "check", "--strict", *sorted(dist.iterdir()))


def files_of_the_package() -> set[str]:
    return {
        str(file.relative_to(ROOT))
        for file in (ROOT / "kubectl_glasskube_purge").rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }


def test_the_wheel_has_all_that_is_needed_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as packed:
        names = set(packed.namelist())
        entries = packed.read(f"kubectl_glasskube_purge-{__version__}.dist-info/entry_points.txt").decode()
        metadata = message_from_string(
            packed.read(f"kubectl_glasskube_purge-{__version__}.dist-info/METADATA").decode()
        )
    data = f"kubectl_glasskube_purge-{__version__}.data/data/{MAN}"
    assert files_of_the_package() | {data} == {name for name in names if ".dist-info/" not in name}
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert set(re.findall(r"^(kubectl-\S+) =", entries, re.MULTILINE)) == EXECUTABLES
    # Where it will be kept isn't known to the source; a wrong address would be worse than none.
    assert not metadata.get_all("Project-URL")
    assert not metadata.get_all("Home-page")
    assert metadata.get_payload() == (ROOT / "README.md").read_text("utf-8")
    assert metadata["Description-Content-Type"] == "text/markdown"


def test_a_release_shows_pictures_and_pages_of_its_version_wherever_the_readme_is_read() -> None:
    source = (ROOT / "README.md").read_text("utf-8")
    text = hatch_build.readme(source, HOME, "1.2.3")
    assert re.findall(r"!\[.*?\]\((.*?)\)", text) == [
        f"{HOME}/raw/v1.2.3/{file}" for file in re.findall(r"!\[.*?\]\((.*?)\)", source)
    ]
    assert f"({HOME}/blob/v1.2.3/docs/compatibility.md)" in text
    assert not re.findall(r"\]\((?!https://|#)", text)
    assert hatch_build.readme(source, "", "1.2.3") == source


def test_a_wheel_of_a_release_has_its_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOMEPAGE", f"{HOME}/")
    metadata: dict[str, Any] = {}
    hatch_build.Addresses(str(ROOT), {}).update(metadata)
    assert f"({HOME}/raw/v{__version__}/docs/images/purge.svg)" in metadata["readme"]["text"]
    assert metadata["urls"]["Homepage"] == HOME


def test_the_wheel_installs_and_runs_from_where_it_is_installed(wheel: Path, tmp_path: Path) -> None:
    install = (
        "-m",
        "pip",
        "install",
        "--ignore-installed",
        "--quiet",
        "--no-index",
        "--no-deps",
        "--disable-pip-version-check",
    )
    run(sys.executable, *install, "--prefix", tmp_path, wheel)
    assert (tmp_path / MAN).read_bytes() == (ROOT / "docs/man/kubectl-glasskube-purge.1").read_bytes()
    assert {file.name for file in (tmp_path / "bin").iterdir()} > EXECUTABLES
    (package,) = tmp_path.rglob("kubectl_glasskube_purge")
    program = tmp_path / "program.py"
    program.write_text(
        "import sys\n"
        "sys.path.insert(0, sys.argv.pop(1))\n"
        "from kubectl_glasskube_purge.report import document\n"
        "from kubectl_glasskube_purge.__main__ import main\n"
        "assert document.schema()\n"
        "print(document.__file__)\n"
        "main()\n"
    )
    said = run(sys.executable, "-I", program, package.parent, "--version", cwd=tmp_path).splitlines()
    assert Path(said[0]).is_relative_to(package)
    assert said[1] == f"kubectl-glasskube-purge {__version__}"


def test_the_sdist_has_no_tests_and_tells_nothing_of_who_packed_it(dist: Path) -> None:
    (made,) = dist.glob("*.tar.gz")
    with tarfile.open(made) as packed:
        members = packed.getmembers()
    tops = {Path(one.name).parts[1] for one in members}
    assert tops <= {
        "kubectl_glasskube_purge",
        "docs",
        "README.md",
        "CHANGELOG.md",
        "LICENSE",
        "pyproject.toml",
        "hatch_build.py",
        "PKG-INFO",
    }
    package = {name for one in members if "/kubectl_glasskube_purge/" in (name := one.name)}
    assert {name.partition("/")[2] for name in package} == files_of_the_package()
    assert {Path(one.name).parts[1:] for one in members if "docs" in one.name} == {
        ("docs", "man", "kubectl-glasskube-purge.1")
    }
    assert {(one.uid, one.gid, one.uname, one.gname) for one in members} == {(0, 0, "", "")}


def test_checksums_are_of_all_that_is_released(dist: Path, tmp_path: Path) -> None:
    if shutil.which("make") is None or shutil.which("sha256sum") is None:
        pytest.skip("there is no make, or no sha256sum")
    shutil.copytree(dist, tmp_path / "dist")
    for _ in range(2):  # the file itself isn't among them
        run("make", "--silent", f"--makefile={ROOT / 'Makefile'}", "checksums", cwd=tmp_path)
    lines = (tmp_path / "dist" / "SHA256SUMS").read_text("utf-8").splitlines()
    wanted = {f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}" for file in dist.iterdir()}
    assert set(lines) == wanted
    run("sha256sum", "--check", "--strict", "SHA256SUMS", cwd=tmp_path / "dist")
