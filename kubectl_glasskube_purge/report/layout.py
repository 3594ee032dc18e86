"""Lines for a terminal, a pipe or a screen reader, laid out to whatever width there is.

Rich's tables squeeze columns until nothing can be read in 40 columns, and pad
every line with blanks. What is here gives the right-hand column up before that
happens, puts it underneath, and leaves no blank at a line's end. Colours,
terminals and the width of characters are rich's. Plain strings may come from the
cluster, and are made safe to print.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Any, TextIO, cast

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.segment import Segment
from rich.text import Text

from kubectl_glasskube_purge.kube.wording import printable

_ENDLESS = 100_000
_LEAST = 24
"""Characters below which a right-hand column isn't worth having."""


def text(value: str, style: str = "") -> Text:
    """Text from the cluster, on one line and safe to print: control characters and rich's markup in it do nothing."""
    return Text(printable(value), style=style)


def joined(*parts: str | Text) -> Text:
    """One line of several parts, each as `text` makes it or made by it."""
    return Text.assemble(*map(_safe, parts))


def unbroken(line: str) -> Text:
    """A line to be copied as it stands, however wide: broken, it would be others."""
    return Text(printable(line), no_wrap=True, overflow="ignore")


def _safe(words: str | Text) -> Text:
    return words if isinstance(words, Text) else text(words)


class Screen(Console):
    """A rich console that also knows whether a screen reader is used."""

    plain: bool = False

    def print(self, *objects: Any, **how: Any) -> None:
        """Prints, and crops nothing: a terminal wraps a long name or command so that it can still be copied."""
        super().print(*objects, **{"crop": False, **how})

    def render_str(self, text: str, **_: object) -> Text:
        """A bare string is text from the cluster, too."""
        return _safe(text)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Whatever is printed is fit for a terminal, codes are rich's own alone, and no broken text begins a line."""
        whole = options is not None and options.no_wrap
        if isinstance(renderable, Text) and not (whole or renderable.no_wrap):
            renderable = Paragraph(renderable, following="  ")
        for words, style, control in super().render(renderable, options):
            yield Segment(words if control else printable(words, "\n"), style, control)


def drawn(stream: TextIO) -> Callable[[str], object]:
    """Writes what was laid out here, codes included, to a stream that makes everything else printable."""
    return cast("Callable[[str], object]", getattr(stream, "drawn", stream.write))


def console(stream: TextIO, *, plain: bool = False) -> Screen:
    """A console on a stream. Its width is the terminal's, or `COLUMNS`; nothing is wrapped into a pipe or a file.

    `plain` writes for ears: no colour and, in what is laid out here, no drawing.
    `NO_COLOR` is honoured by rich.
    """
    made = Screen(
        file=cast("IO[str]", _Stripped(stream)),
        highlight=False,
        markup=False,
        emoji=False,
        color_system=None if plain else "auto",
    )
    made.plain = plain
    if not stream.isatty() and "COLUMNS" not in os.environ:
        made.width = _ENDLESS
    return made


_BLANKS_AT_THE_END = re.compile(r" +((?:\x1b\[[0-9;]*m)*)$", re.MULTILINE)


class _Stripped:
    """Takes the blanks off the ends of lines: rich pads what it lays out."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, content: str) -> int:
        drawn(self._stream)(_BLANKS_AT_THE_END.sub(r"\1", content))
        return len(content)


def is_drawn(on: Console) -> bool:
    """Whether lines and marks may be drawn there: not for a screen reader, nor where there are only letters."""
    return not getattr(on, "plain", False) and on.encoding.lower().startswith("utf")


_COPIED = re.compile(r"\bkubectl (?:(?![.:](?: |$))[^;,()])+|\S+ -n \S+")
"""What a person copies: a command up to the end of its clause, and an object with its namespace."""

_GLUE = "\ue000"
"""A blank at which no line ends. Python, and so rich, also breaks lines at Unicode's own."""


def _breaks(line: str, width: int) -> Iterator[int]:
    """Where lines begin that are as long as `width` allows, and longer for a longer word."""
    column = 0
    for word in re.finditer(r"\S+\s*", line):
        if column and column + cell_len(word[0].rstrip()) > width:
            yield word.start()
            column = 0
        column += cell_len(word[0])


def wrapped(what: Text, width: int) -> list[Text]:
    """The lines of a text at a width. What can be copied is never broken, and so may be wider."""
    glued = what.copy()
    glued.plain = _COPIED.sub(lambda found: found[0].replace(" ", _GLUE), what.plain)
    parts = glued.split("\n", allow_blank=True)
    lines = [line for part in parts for line in part.divide(_breaks(part.plain, max(width, 8)))]
    for line in lines:
        line.rstrip()
        line.plain = line.plain.replace(_GLUE, " ")
    return lines


def _indented(prefix: Text, following: Text, lines: Iterable[Text]) -> Iterator[Text]:
    for number, line in enumerate(lines):
        yield Text.assemble(following if number else prefix, line, no_wrap=True, overflow="ignore")


@dataclass(frozen=True)
class Heading:
    """A line that begins a section, with an empty one before it."""

    what: str
    style: str = "bold"

    def __rich_console__(self, on: Console, options: ConsoleOptions) -> RenderResult:
        yield Text()
        yield text(self.what, self.style)


@dataclass(frozen=True)
class Paragraph:
    """Text, its further lines indented."""

    what: str | Text
    first: str = ""
    following: str = ""

    def __rich_console__(self, on: Console, options: ConsoleOptions) -> RenderResult:
        width = options.max_width - max(len(self.first), len(self.following))
        yield from _indented(Text(self.first), Text(self.following), wrapped(_safe(self.what), width))


@dataclass(frozen=True)
class Labelled:
    """Lines with a label before each; without one, it belongs to the line above."""

    lines: Sequence[tuple[str, str | Text]]

    def __rich_console__(self, on: Console, options: ConsoleOptions) -> RenderResult:
        column = max(len(label) for label, _ in self.lines) + 2
        for label, value in self.lines:
            head = Text(label.ljust(column), "bold")
            yield from _indented(head, Text(" " * column), wrapped(_safe(value), options.max_width - column))


@dataclass(frozen=True)
class Columns:
    """Indented lines of two columns, the second beneath the first where both don't fit."""

    pairs: Sequence[tuple[str | Text, str | Text]]
    indent: int = 2

    def __rich_console__(self, on: Console, options: ConsoleOptions) -> RenderResult:
        margin = Text(" " * self.indent)
        width = options.max_width - self.indent
        pairs = [(_safe(head), _safe(body)) for head, body in self.pairs]
        column = _column(pairs, width)
        for head, body in pairs:
            yield from _indented(margin, margin, _paired(head, body, column, width))


def _column(pairs: Iterable[tuple[Text, Text]], width: int) -> int:
    """Where the second column begins: behind the longest head that leaves it enough room, and what stands there."""
    fitting = [
        head.cell_len + 2
        for head, body in pairs
        if head.cell_len + 2 <= width * 0.55 and (_longest_word(body) <= width - head.cell_len - 2)
    ]
    return max(fitting, default=0)


def _longest_word(of: Text) -> int:
    return max((cell_len(word) for word in of.plain.split()), default=0)


def _paired(head: Text, body: Text, column: int, width: int) -> Iterator[Text]:
    if not body.plain:
        yield from wrapped(head, width)
    elif head.cell_len + 2 <= column and width - column >= _LEAST:
        first = Text.assemble(head, " " * (column - head.cell_len))
        yield from _indented(first, Text(" " * column), wrapped(body, width - column))
    else:
        yield from wrapped(head, width)
        fits = 0 < column <= width - max(_LEAST, _longest_word(body))
        margin = Text(" " * (column if fits else 2))
        yield from _indented(margin, margin, wrapped(body, width - margin.cell_len))


@dataclass(frozen=True)
class Node:
    """A line of a tree, what is said about it, and what hangs on it."""

    head: str | Text
    body: str | Text = ""
    children: Sequence[Node] = ()


@dataclass(frozen=True)
class Tree:
    """A tree. Drawn with lines; with dashes for a screen reader, and where the lines can't be shown."""

    nodes: Sequence[Node]
    indent: int = 2

    def __rich_console__(self, on: Console, options: ConsoleOptions) -> RenderResult:
        drawn = is_drawn(on)
        for node in self.nodes:
            margin = Text(" " * self.indent)
            width = options.max_width - self.indent
            yield from _indented(margin, margin, _paired(_safe(node.head), _safe(node.body), 0, width))
            yield from _branches(node.children, margin, options.max_width, drawn)


def _branches(nodes: Sequence[Node], margin: Text, width: int, drawn: bool) -> Iterator[Text]:
    room = width - margin.cell_len - 3
    pairs = [(_safe(node.head), _safe(node.body)) for node in nodes]
    column = _column(pairs, room)
    for number, (node, (head, body)) in enumerate(zip(nodes, pairs, strict=True)):
        last = number == len(nodes) - 1
        first, following = (("└─ " if last else "├─ "), ("   " if last else "│  ")) if drawn else ("-  ", "   ")
        below = Text.assemble(margin, (following, "dim"))
        yield from _indented(Text.assemble(margin, (first, "dim")), below, _paired(head, body, column, room))
        yield from _branches(node.children, below, width, drawn)
