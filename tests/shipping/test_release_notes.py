"""A release is what its tag, its version and the changelog say it is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from kubectl_glasskube_purge import __version__
from scripts.release_notes import NotReady, notes

CHANGELOG = """\
# Changelog

## Unreleased

## 1.2.3 - 2026-11-23

### Fixed

- One thing.

## 1.2.30

- Another.

## 1.2.2

"""


def test_the_notes_are_the_versions_section() -> None:
    assert notes("v1.2.3", "1.2.3", CHANGELOG) == "### Fixed\n\n- One thing.\n"
    assert notes("v1.2.30", "1.2.30", CHANGELOG) == "- Another.\n"


@pytest.mark.parametrize(
    ("tag", "version", "why"),
    [
        ("v1.2.4", "1.2.3", "the tag is v1.2.4"),
        ("1.2.3", "1.2.3", "the tag is 1.2.3"),
        ("v1.2.4", "1.2.4", "no section"),
        ("v1.2.2", "1.2.2", "says nothing"),
    ],
)
def test_what_does_not_agree_is_not_released(tag: str, version: str, why: str) -> None:
    with pytest.raises(NotReady, match=why):
        notes(tag, version, CHANGELOG)


def test_a_wrong_tag_fails_the_command() -> None:
    script = Path(__file__).parents[2] / "scripts" / "release_notes.py"
    done = subprocess.run([sys.executable, script, "v0.0.0"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"__version__ is {__version__}" in done.stderr
