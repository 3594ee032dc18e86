"""How durations, moments, objects and files are written."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Iterable
from datetime import datetime, timezone
from pathlib import Path

from kubectl_glasskube_purge.kube.objects import Ref


def seconds(value: float) -> str:
    """A duration as people read it: `9.1s`, `2m05s`."""
    if value < 60:
        return f"{value:.1f}s"
    return f"{int(value) // 60}m{int(value) % 60:02d}s"


def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC, to the second."""
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def file_name(context: str, moment: datetime, suffix: str) -> str:
    """`prod-eu-20261123T091142Z.yaml`: a context's name made safe to be a file's.

    Contexts are called `arn:aws:eks:…:cluster/prod`, `../../etc` or nothing at all.
    """
    safe = re.sub(r"[^A-Za-z0-9._-]+", "-", context).strip("-.")[:80] or "cluster"
    return f"{safe}-{moment.astimezone(timezone.utc).strftime('%Y%m%dT%H%M%SZ')}{suffix}"


def short(ref: Ref) -> str:
    """`postgres -n shop`: an object's name where its kind is beside it."""
    return f"{ref.name} -n {ref.namespace}" if ref.namespace else ref.name


def tilde(path: str) -> str:
    """A path as people write it, with `~` for their home."""
    home = str(Path.home())
    return f"~{path[len(home) :]}" if path.startswith(home + os.sep) else path


def typed(path: str) -> str:
    """A path as people type it. The shell reads the `~`, so it is outside of any quotes."""
    written = tilde(path)
    return f"~/{shlex.quote(written[2:])}" if written.startswith("~/") else shlex.quote(path)


NOT_TO_UNDO = frozenset({"dry-run", "declined", "refused", "rolled-back"})
"""Outcomes after which there is nothing to restore."""


def restore_command(backups: Iterable[str], write: Callable[[str], str] = typed) -> str:
    """The command that restores what these files hold."""
    return f"kubectl glasskube purge restore {' '.join(map(write, backups))}"
