"""A folder → an archive whose bytes depend on nothing but the files' names and contents.

Sorted entries, one date, no owners, fixed modes and no compression header that
names a time: building twice gives one hash. Regular files only: krew's unpacking
knows no links, so what a link leads to goes in.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import tarfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path


def pack(folder: Path, archive: Path, moment: int) -> str:
    """Packs `folder`, its own name included, into a .tar.gz or .zip; returns the SHA-256.

    `moment` is every entry's date, in seconds since 1970. Raises `ValueError` for
    names that krew refuses to unpack.
    """
    archive.parent.mkdir(parents=True, exist_ok=True)
    draft = archive.with_name(archive.name + ".part")
    write = _zip if archive.name.endswith(".zip") else _tar
    write(folder, draft, moment)
    draft.replace(archive)
    return sha256(archive)


def sha256(file: Path) -> str:
    """The hash of a file, in hex."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _files(folder: Path) -> Iterator[tuple[str, Path, int]]:
    """Name in the archive, file and mode of everything, sorted by name."""
    found = []
    for parent, _, names in os.walk(folder, followlinks=True):
        for name in names:
            path = Path(parent, name)
            inside = Path(folder.name, path.relative_to(folder)).as_posix()
            if ".." in inside:
                raise ValueError(f"krew takes {inside} for an attempt to leave its folder")
            found.append((inside, path, 0o755 if os.access(path, os.X_OK) else 0o644))
    return iter(sorted(found))


def _tar(folder: Path, archive: Path, moment: int) -> None:
    with (
        archive.open("wb") as file,
        gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=file, mtime=moment) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as tar,
    ):
        for name, path, mode in _files(folder):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime, entry.mode = path.stat().st_size, moment, mode
            with path.open("rb") as content:
                tar.addfile(entry, content)


def _zip(folder: Path, archive: Path, moment: int) -> None:
    date = time.gmtime(max(moment, 315532800))[:6]  # zip knows no year before 1980
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as packed:
        for name, path, mode in _files(folder):
            entry = zipfile.ZipInfo(name, date)
            entry.external_attr = (0o100000 | mode) << 16
            entry.create_system = 3
            entry.compress_type = zipfile.ZIP_DEFLATED
            packed.writestr(entry, path.read_bytes())
