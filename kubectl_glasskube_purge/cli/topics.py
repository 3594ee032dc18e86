"""What `help CODE` prints: the troubleshooting page as plain text, which `make docs` writes beside this module."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.resources import files


def topics() -> tuple[str, ...]:
    """Every word that the page has something about: its headings, and the codes of errors."""
    return tuple(dict.fromkeys(word for names, _ in _sections() for word in names))


def topic(word: str) -> str:
    """What the page has about a heading or a code; `""` for an unknown word."""
    found = []
    for (heading, *codes), text in _sections():
        own = [paragraph for paragraph in text.split("\n\n") if paragraph.startswith(f"{word}: ")]
        if word != heading and own:
            found += own  # also of a word that is the code of another error, too
        elif word in (heading, *codes):
            found.append(f"{heading}\n\n{text}")
    return "\n".join(f"{one.strip()}\n" for one in found)


def _sections() -> Iterator[tuple[list[str], str]]:
    """Heading and codes, and the text of every section."""
    page = (files(__package__) / "troubleshooting.txt").read_text("utf-8")
    for section in re.split(r"^## ", page, flags=re.MULTILINE)[1:]:
        names, _, text = section.partition("\n")
        yield names.split(), text.strip() + "\n"
