"""stdout and stderr whose readers may go away: `| head -1`, a terminal that was closed.

What a run does must not depend on who reads along: a purge that is under way
goes on when nothing reads it any more, and its exit code says what became
of it. Python would raise `BrokenPipeError` in the middle of it, and once more at
the interpreter's end.

Everything else in the program writes by `out`, `err` and `document`, or has `report` lay it out: a text from outside
is one line and has nothing in it that a terminal obeys. What a library writes has its line ends, and nothing more.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Sequence
from typing import Any, TextIO, cast

from kubectl_glasskube_purge.kube.wording import printable

_GONE = frozenset({errno.EPIPE, errno.EIO, errno.ECONNRESET, errno.ESHUTDOWN})
"""What writing to a closed pipe, a lost terminal or a closed socket ends in."""


class Tolerant:
    """A text stream that swallows what is no longer read. Anything else that goes wrong is raised: a full disk."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.gone = False
        """Whether the reader went away. From then on nothing is written."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Writes what is fit for a terminal, unless the reader is gone. The rest is escaped."""
        return self.drawn(printable(text, "\n"))

    def drawn(self, text: str) -> int:
        """Writes what was laid out, codes included, unless the reader is gone."""
        if not self.gone:
            try:
                self._stream.write(text)
            except OSError as error:
                self._leave(error)
        return len(text)

    def flush(self) -> None:
        """Flushes, unless the reader is gone."""
        if not self.gone:
            try:
                self._stream.flush()
            except OSError as error:
                self._leave(error)

    def _leave(self, error: OSError) -> None:
        if error.errno not in _GONE:
            raise error
        self.gone = True
        # What is still buffered goes nowhere, instead of failing again when the interpreter ends.
        with contextlib.suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)


def out(*lines: str) -> None:
    """Writes lines to stdout, each fit for a terminal. Raises `OSError`."""
    _put(sys.stdout, lines)


def err(*lines: str, end: str = "\n") -> None:
    """Writes lines to stderr, each fit for a terminal. Raises `OSError`."""
    _put(sys.stderr, lines, end)


def document(text: str) -> None:
    """Writes to stdout what has lines of its own: its writer has escaped what isn't its own. Raises `OSError`."""
    out(*text.removesuffix("\n").split("\n"))


def _put(stream: TextIO, lines: Sequence[str], end: str = "\n") -> None:
    if lines:
        stream.write("\n".join(map(printable, lines)) + end)
        stream.flush()


def install() -> None:
    """Makes stdout and stderr tolerant, and able to write every character."""
    for name in ("stdout", "stderr"):
        stream: TextIO | None = getattr(sys, name)
        if isinstance(stream, Tolerant):
            continue
        if stream is None:  # closed by whoever started this: `>&-`
            stream = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - lives as long as the process
        _encode(stream)
        setattr(sys, name, cast("TextIO", Tolerant(stream)))


def _encode(stream: TextIO) -> None:
    """A pipe or file gets UTF-8, which is what JSON is; a terminal what it can show."""
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is None or "PYTHONIOENCODING" in os.environ:
        return
    if stream.isatty():
        reconfigure(errors="replace")
    else:
        reconfigure(encoding="utf-8")


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a user sits there. False for a stream that was closed."""
    try:
        return stream is not None and stream.isatty()
    except ValueError:
        return False
