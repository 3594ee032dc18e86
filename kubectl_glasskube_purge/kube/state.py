"""What this machine remembers for the user: notes that only the user can have written.

An annotation is only a hint, because many can write it. What it claims about this machine counts only if a note here
confirms it. Each note is a separate file, so that two processes never edit the same one.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import stat
from pathlib import Path


def folder() -> Path:
    """The user's state folder."""
    from platformdirs import user_state_path

    return Path(user_state_path("kubectl-glasskube-purge", appauthor=False))


def note(topic: str, key: str, **values: str) -> None:
    """Notes values under a key of hexadecimal digits. Raises `OSError`."""
    file = _file(topic, key)
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    replace(file, json.dumps(values).encode(), 0o600)


def noted(topic: str, key: str) -> dict[str, str]:
    """What was noted under a key; empty if that is nothing, or not proven to be the user's."""
    if not re.fullmatch(r"[0-9a-f]{32,64}", key):
        return {}
    try:
        values = json.loads(read_own(_file(topic, key)))
        return {str(name): str(value) for name, value in values.items()}
    except (OSError, ValueError, AttributeError):
        return {}


def forget(topic: str, key: str) -> None:
    """Removes a note, if there is one."""
    with contextlib.suppress(OSError):
        _file(topic, key).unlink()


def replace(path: Path, data: bytes, mode: int = 0o666) -> None:
    """Lets a file appear with all its content, also in the place of another one. Raises `OSError`.

    A reader never sees half of the file, and a write that fails leaves what was there.
    """
    draft = path.with_name(f".{path.name[:80]}.{secrets.token_hex(4)}")
    try:
        with open(draft, "xb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def read_own(path: Path) -> bytes:
    """A regular file that belongs to the user and that no other user can write. Raises `OSError` for any other."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    with open(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        mine = os.name == "nt" or (status.st_uid == os.geteuid() and not status.st_mode & 0o022)
        if not mine or not stat.S_ISREG(status.st_mode):
            raise PermissionError(f"{path} is not a file that only the user can write")
        return file.read()


def _file(topic: str, key: str) -> Path:
    return folder() / topic / key
