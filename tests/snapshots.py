"""What a screen looked like, as plain text beside the tests; `make snapshots` writes it again."""

from __future__ import annotations

import os
from pathlib import Path

FOLDER = Path(__file__).parent / "report" / "snapshots"


def assert_as_before(name: str, screen: str) -> None:
    """Compares a screen with its snapshot."""
    file = FOLDER / f"{name}.txt"
    if os.environ.get("UPDATE_SNAPSHOTS"):
        FOLDER.mkdir(exist_ok=True)
        file.write_text(screen, "utf-8")
    assert screen == file.read_text("utf-8"), f"{name} has changed; if it should have, run: make snapshots"
