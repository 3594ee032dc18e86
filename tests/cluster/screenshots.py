"""`make screenshots`: draws the pictures in docs/images anew, from a purge that really runs.

Glasskube is installed in the test cluster as most people have it, with an operator
that isn't Ready, and purged in a terminal of 80 columns; what that shows becomes an
SVG, character by character. Only what says nothing is replaced: the server's port,
and the moment in the name of the backup.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from xml.sax.saxutils import escape

from pyte.screens import Char, Screen

from tests.cluster.controlplane import ControlPlane
from tests.cluster.plugin import command, environment
from tests.report.terminal import Terminal

from . import install

IMAGES = Path(__file__).parents[2] / "docs" / "images"
TYPED = "kubectl glasskube purge --offline"
PACKAGES = (
    install.WantedPackage("ClusterPackage", "app"),  # brings gateway, and that brings certs
    install.WantedPackage("ClusterPackage", "dashboard"),
    install.WantedPackage("ClusterPackage", "database"),
    install.WantedPackage("Package", "orders", "shop", package="postgres"),
)

COLUMNS, LINES = 80, 120
CELL, LINE, MARGIN = 8.4, 18, 16
"""Pixels. A cell is as wide as monospaced fonts of 14 pixels are, nearly enough."""
BACKGROUND, FOREGROUND = "#161b22", "#d0d7de"
COLOURS = {
    "default": FOREGROUND,
    "black": "#6e7681",
    "red": "#ff7b72",
    "green": "#56d364",
    "brown": "#e3b341",  # what terminals call yellow
    "blue": "#79c0ff",
    "magenta": "#d2a8ff",
    "cyan": "#56d4dd",
    "white": "#ffffff",
}

REPLACED = (
    (re.compile(r"(?<=https://127\.0\.0\.1:)\d+"), "6443"),
    (re.compile(r"(?<=testbed-)\d{8}T\d{6}Z"), "20261123T091142Z"),
)

Style = tuple[str, bool]
Row = list[tuple[str, Style]]
"""A line as pieces of text, each with its colour and whether it is bold."""


@dataclass(frozen=True)
class Seen:
    """What was on the screen: until the question, and from the answer on."""

    preview: list[Row]
    purge: list[Row]


def look(cluster: ControlPlane) -> Seen:
    """Purges in a terminal, and watches. Raises `TimeoutError` and `AssertionError` where that isn't a clean end."""
    home = cluster.directory / "home"
    env = environment(cluster, {"XDG_STATE_HOME": str(home / ".local" / "state"), "COLORTERM": None})
    terminal = Terminal(command(*TYPED.split()[3:]), env, COLUMNS, LINES)
    try:
        terminal.wait(lambda: "[y/N]" in terminal.text, timeout=120)
        asked = len(rows(terminal.screen))
        terminal.type("y\n")
        code = terminal.end(timeout=600)
        assert code == 0, terminal.text
        everything = rows(terminal.screen)
    finally:
        terminal.close()
    prompt: Row = [("$ ", ("#6e7681", False)), (TYPED, (FOREGROUND, True))]
    return Seen([prompt, *everything[:asked]], everything[asked - 1 :])


def rows(screen: Screen) -> list[Row]:
    """The lines of a screen, without empty ones at the end."""
    lines = [list(pieces([screen.buffer[line][column] for column in range(COLUMNS)])) for line in range(LINES)]
    while lines and not lines[-1]:
        lines.pop()
    return lines


def pieces(characters: Sequence[Char]) -> Iterator[tuple[str, Style]]:
    """A line's text by style, blanks at its end left out."""
    width = len("".join(one.data for one in characters).rstrip())
    for style, run in groupby(characters[:width], key=lambda one: (COLOURS.get(one.fg, f"#{one.fg}"), one.bold)):
        yield "".join(one.data for one in run), style


def svg(lines: Sequence[Row], title: str) -> str:
    """A picture of lines. Everything is in it; which font it is written in is up to who looks at it."""
    width, height = round(COLUMNS * CELL + 2 * MARGIN), len(lines) * LINE + 2 * MARGIN
    drawn = [
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {width} {height}" width="{width}"'
        f' height="{height}" font-family="ui-monospace, Menlo, Consolas, \'DejaVu Sans Mono\', monospace"'
        ' font-size="14">',
        f"<title>{escape(title)}</title>",
        f'<rect width="100%" height="100%" rx="8" fill="{BACKGROUND}"/>',
    ]
    for number, line in enumerate(lines):
        column, spans = 0, []
        for text, (colour, bold) in replaced(line):
            weight = ' font-weight="bold"' if bold else ""
            # Wherever there is more than a blank, a new piece, in its place whatever the font: columns stay columns.
            for part in re.finditer(r"\S+(?: \S+)*", text):
                place = f'x="{MARGIN + (column + part.start()) * CELL:.1f}"'
                size = f'textLength="{len(part[0]) * CELL:.1f}"'
                spans.append(f'<tspan {place} {size} fill="{colour}"{weight}>{escape(part[0])}</tspan>')
            column += len(text)
        if spans:
            drawn.append(f'<text y="{MARGIN + (number + 1) * LINE - 5}">{"".join(spans)}</text>')
    return "\n".join([*drawn, "</svg>"]) + "\n"


def replaced(line: Row) -> Row:
    """A line without what is another at every run. Never longer than it was."""
    made = []
    for text, style in line:
        for pattern, instead in REPLACED:
            text = pattern.sub(instead, text)  # noqa: PLW2901
        made.append((text, style))
    return made


def main() -> int:
    """Draws the pictures."""
    with ControlPlane() as cluster:
        cluster.start_node()
        install.ensure_namespace(cluster, "shop")
        install.install(cluster)
        install.install_packages(cluster, PACKAGES)
        install.make_operator_unready(cluster)
        seen = look(cluster)
    IMAGES.mkdir(exist_ok=True)
    for name, lines, title in (
        ("preview", seen.preview, "The preview of a purge, and the question"),
        ("purge", seen.purge, "The purge: five stages, and what was found afterwards"),
    ):
        (IMAGES / f"{name}.svg").write_text(svg(lines, title), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
