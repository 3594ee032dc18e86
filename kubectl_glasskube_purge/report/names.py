"""How durations, moments, objects and files are written."""

from __future__ import annotations

import os
import re
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
    """`shop/postgres`: an object's name where its kind stands beside it."""
    return f"{ref.namespace}/{ref.name}" if ref.namespace else ref.name


def tilde(path: str) -> str:
    """A path as people write it, with `~` for their home."""
    home = str(Path.home())
    return f"~{path[len(home) :]}" if path.startswith(home + os.sep) else path
