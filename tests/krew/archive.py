"""The archive of this checkout, built once and kept in the user's cache until something in it changes."""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import shutil
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import pytest
from platformdirs import user_cache_path

from krew.build import EXECUTABLE, FOLDER, MAN, ROOT, bill_of


@dataclass(frozen=True)
class Built:
    """An archive, and what is in it."""

    archive: Path
    folder: Path
    """Where it is unpacked."""

    @property
    def executable(self) -> Path:
        """What krew links."""
        return self.folder / EXECUTABLE

    @property
    def bill(self) -> Path:
        """Its bill of materials."""
        return bill_of(self.archive)


def built() -> Built:
    """Builds, or finds what was built of the same sources in the same environment. Skips where nothing can be built."""
    if not sys.platform.startswith("linux"):
        pytest.skip("the release builds and tries the archives of other systems")
    if importlib.util.find_spec("PyInstaller") is None:
        pytest.skip("PyInstaller isn't installed")
    cache = user_cache_path("kubectl-glasskube-purge", appauthor=False) / "archive"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        kept = cache / _key()
        if not kept.exists():
            for old in cache.iterdir():
                if old.is_dir():
                    shutil.rmtree(old)
            _build(kept)
    (archive,) = (file for file in kept.iterdir() if file.name.endswith((".tar.gz", ".zip")))
    return Built(archive, kept / "unpacked" / FOLDER)


def _key() -> str:
    digest = hashlib.sha256(sys.version.encode())
    for file in sorted(
        [*(ROOT / "kubectl_glasskube_purge").rglob("*"), *(ROOT / "krew").rglob("*"), ROOT / "LICENSE", MAN]
    ):
        if file.is_file() and "__pycache__" not in file.parts:
            digest.update(f"{file.relative_to(ROOT)}\0".encode() + file.read_bytes())
    for distribution in sorted(f"{d.metadata['Name']} {d.version}" for d in metadata.distributions()):
        digest.update(distribution.encode())
    return digest.hexdigest()[:20]


def _build(kept: Path) -> None:
    draft = kept.with_name(f"{kept.name}.part")
    command = [sys.executable, "-m", "krew.build", "--here", "--output", str(draft)]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (archive,) = draft.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        tar.extractall(draft / "unpacked", filter="fully_trusted")
    draft.rename(kept)


def names(archive: Path) -> dict[str, int]:
    """What is in an archive of either kind: names of files, and their modes."""
    if archive.name.endswith(".zip"):
        with zipfile.ZipFile(archive) as packed:
            return {entry.filename: entry.external_attr >> 16 & 0o777 for entry in packed.infolist()}
    with tarfile.open(archive) as tar:
        entries = tar.getmembers()
    assert all(entry.isreg() for entry in entries), "krew unpacks regular files only"
    return {entry.name: entry.mode for entry in entries}
