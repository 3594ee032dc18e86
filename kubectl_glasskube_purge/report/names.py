"""How durations, moments and file names are written, and what of a foreign text may reach a terminal."""

from __future__ import annotations

import re
from datetime import datetime, timezone


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


def printable(text: str) -> str:
    """Text from outside without control characters, which a terminal would obey."""
    return "".join(character if character.isprintable() else "�" for character in text)
