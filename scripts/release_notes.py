"""Prints what the changelog says of a version, after making sure that it is the one about to be released.

    python scripts/release_notes.py v1.2.3

Fails where tag, `__version__` and changelog don't agree: a release under a wrong
name can't be taken back.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


class NotReady(Exception):
    """This can't be released as it is. The message says why."""


def notes(tag: str, version: str, changelog: str) -> str:
    """The changelog's section of a version, without its heading. Raises `NotReady`."""
    if tag != f"v{version}":
        raise NotReady(f"the tag is {tag}, and __version__ is {version}")
    found = re.search(
        rf"^## \[?{re.escape(version)}\]?( [^\n]*)?\n(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL
    )
    if found is None:
        raise NotReady(f"the changelog has no section for {version}")
    if not found[2].strip():
        raise NotReady(f"the changelog says nothing of {version}")
    return found[2].strip() + "\n"


def main() -> int:
    """Prints the notes; the exit code is 1 where there are none to print."""
    if len(sys.argv) != 2:
        print("usage: release_notes.py TAG", file=sys.stderr)
        return 2
    source = (ROOT / "kubectl_glasskube_purge" / "__init__.py").read_text("utf-8")
    (version,) = re.findall(r'^__version__ = "(.+)"$', source, re.MULTILINE)
    try:
        print(notes(sys.argv[1], version, (ROOT / "CHANGELOG.md").read_text("utf-8")), end="")
    except NotReady as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
