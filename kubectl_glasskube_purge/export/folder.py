"""Writes an export into a folder, and never over anything."""

from __future__ import annotations

import os
from pathlib import Path

from kubectl_glasskube_purge.kube.problem import ProblemError

from .files import Files


class ExportExists(ProblemError):
    """The folder has something else in it."""

    code = "export-exists"
    hint = "Name another folder, or empty this one."
    ending = "refused"


class ExportImpossible(ProblemError):
    """What a package consists of can't be read completely."""

    code = "export-impossible"
    hint = "Get the rights to read it, or export from a backup with --from FILE."
    ending = "refused"


def write(folder: Path, files: Files, *, private: bool) -> None:
    """Writes the files, readable for the user alone if they are `private`. The same export may be there already.

    Raises `ExportExists`, and `OSError`.
    """
    if folder.is_dir() and not folder.is_symlink() and any(folder.iterdir()):
        there = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if not path.is_dir()}
        if there.keys() == files.keys() and all(there[name].read_bytes() == files[name].encode() for name in files):
            return
    if os.path.lexists(folder) and (not folder.is_dir() or any(folder.iterdir())):
        raise ExportExists(f"{folder} exists, and isn't this export")
    folder.mkdir(mode=0o700 if private else 0o777, parents=True, exist_ok=True)
    for name, text in sorted(files.items()):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        mode = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        with os.fdopen(os.open(path, mode, 0o600 if private else 0o666), "wb") as file:
            file.write(text.encode())
