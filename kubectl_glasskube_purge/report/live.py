"""A few lines at the end of the screen that are drawn over and over, while everything else goes above them.

Rich's live display counts the rows it wrote and moves up by as many: when the
terminal gets narrower the rows become more, and what was there is smeared over
the screen. Here the cursor waits at the start of the first line instead. A
terminal keeps the cursor where its text went, so the next frame begins at the
right place, whatever the terminal did in between. Only what it pushes out of the
screen is out of reach: so lines are kept short, and rarely have to be wrapped.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
from typing import Any, TextIO, cast

from rich.text import Text

from kubectl_glasskube_purge.kube.wording import printable

from .layout import Screen, console, drawn

FRAMES_PER_SECOND = 10

WIDTH = 60
"""Columns that are used at most. A window that stays wider never wraps a line."""

_HIDE_CURSOR = "\x1b[?25l"
_SHOW_CURSOR = "\x1b[?25h"
_CUT_LINES = "\x1b[?7l"
_WRAP_LINES = "\x1b[?7h"
"""For as long as the terminal knows of a new size and this program doesn't yet, its lines may be too long."""
_ERASE_LINE = "\x1b[K"
_ERASE_BELOW = "\x1b[J"

_shown: list[Live] = []
"""The one that is shown, if any: a terminal has room for one."""


def is_possible(stream: TextIO) -> bool:
    """Whether a stream is a terminal that can move its cursor."""
    return stream.isatty() and os.environ.get("TERM") != "dumb" and not console(stream).legacy_windows


class Live:
    """Draws lines until it is stopped; a context manager.

    `lines` is asked for them, at a width and a height, from a thread of its own.
    With `stays` the last frame remains on the screen. While it is shown,
    `sys.stdout` and `sys.stderr` write above it, where they are terminals.
    """

    def __init__(self, stream: TextIO, lines: Callable[[int, int], Sequence[Text]], *, stays: bool = True) -> None:
        self._stream = stream
        self._console: Screen = console(stream)
        self._lines = lines
        self._stays = stays
        self._lock = threading.RLock()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="display", daemon=True)
        self._before: tuple[TextIO, TextIO] = (sys.stdout, sys.stderr)
        self._suspend: Any = None
        self._visible = False
        self._drawn: object = None
        """The last frame and the size it was drawn for."""

    def __enter__(self) -> Live:
        _shown.append(self)
        self._before = (sys.stdout, sys.stderr)
        for name, stream in zip(("stdout", "stderr"), self._before, strict=True):
            if stream.isatty():
                setattr(sys, name, cast("TextIO", _Above(stream, self)))
        self._suspend = _on_suspend(self)
        self.resume()
        self._thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._stopped.set()
        self._thread.join()
        sys.stdout, sys.stderr = self._before
        if self._suspend is not None:
            signal.signal(signal.SIGTSTP, self._suspend)
        self.leave()
        _shown.remove(self)

    def draw(self) -> None:
        """Draws a frame now, if it differs from the one before."""
        with self._lock:
            size = self._size()
            frame = self._rendered(*size)
            if self._visible and (frame, size) != self._drawn:
                self._drawn = (frame, size)
                up = f"\x1b[{len(frame) - 1}A" if len(frame) > 1 else ""
                lines = f"{_ERASE_LINE}\r\n".join(frame) + _ERASE_LINE + _ERASE_BELOW
                self._put(f"\r{_CUT_LINES}{lines}{_WRAP_LINES}{up}\r")

    @contextlib.contextmanager
    def above(self) -> Iterator[None]:
        """Makes room: what is written meanwhile stands above the lines."""
        with self._lock:
            self._erase()
            yield
            self.draw()

    def leave(self, *, stays: bool | None = None) -> None:
        """Puts the cursor below the last frame, or where that was, and shows it again."""
        with self._lock:
            if self._visible:
                self._erase()
                if self._stays if stays is None else stays:
                    self._put("".join(f"{line}\r\n" for line in self._rendered(*self._size())))
                self._put(_SHOW_CURSOR)
                self._visible = False

    def resume(self) -> None:
        """Begins, or goes on after `leave`."""
        with self._lock:
            self._visible = True
            self._put(_HIDE_CURSOR)
            self.draw()

    def _erase(self) -> None:
        if self._visible:
            self._put(f"\r{_ERASE_BELOW}")
        self._drawn = None

    def _run(self) -> None:
        while not self._stopped.wait(1 / FRAMES_PER_SECOND):
            self.draw()

    def _rendered(self, width: int, height: int) -> tuple[str, ...]:
        lines = list(self._lines(width, height))[: max(height - 1, 1)]
        for line in lines:
            # The last column stays free: a character there leaves the cursor between two lines.
            line.truncate(width - 1)
        with self._console.capture() as captured:
            for line in lines:
                self._console.print(line, soft_wrap=True)
        return tuple(captured.get().removesuffix("\n").split("\n"))

    def _size(self) -> tuple[int, int]:
        try:
            size = os.get_terminal_size(self._stream.fileno())
        except OSError:
            return WIDTH, 24
        return min(size.columns or WIDTH, WIDTH), size.lines or 24

    def _put(self, text: str) -> None:
        drawn(self._stream)(text)
        self._stream.flush()


class _Above:
    """A stream whose lines go above the live ones. Unfinished lines wait until they are finished."""

    def __init__(self, stream: TextIO, live: Live) -> None:
        self._stream = stream
        self._live = live
        self._pending = ""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, content: str) -> int:
        return self.drawn(printable(content, "\n"))

    def drawn(self, content: str) -> int:
        """Writes what was laid out, codes included."""
        finished, newline, self._pending = (self._pending + content).rpartition("\n")
        if newline:
            with self._live.above():
                drawn(self._stream)(finished + newline)
                self._stream.flush()
        return len(content)

    def flush(self) -> None:
        """Nothing is held back but an unfinished line."""


def restore() -> None:
    """Leaves the terminal as it was found, for an end of the process at any moment."""
    for shown in _shown:
        shown.leave()


@contextlib.contextmanager
def paused() -> Iterator[None]:
    """Gives the terminal away, e.g. to a program that asks for a password."""
    for shown in _shown:
        shown.leave(stays=False)
    try:
        yield
    finally:
        for shown in _shown:
            shown.resume()


def _on_suspend(live: Live) -> Any:
    """Makes Ctrl-Z leave the terminal in order. Returns the handler from before; None where there is no Ctrl-Z."""
    if not hasattr(signal, "SIGTSTP") or threading.current_thread() is not threading.main_thread():
        return None

    def suspend(number: int, frame: FrameType | None) -> None:
        live.leave(stays=False)
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)
        signal.signal(number, suspend)
        live.resume()

    return signal.signal(signal.SIGTSTP, suspend)
