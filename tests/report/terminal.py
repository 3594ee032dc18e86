"""A terminal to watch a program in: a pseudo-terminal, and pyte for what is on its screen."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pyte

ROOT = Path(__file__).parents[2]


class Terminal:
    """A program in a terminal of its own. `screen` and `history` are what a person sees there."""

    def __init__(self, arguments: Sequence[str], env: Mapping[str, str], columns: int, lines: int) -> None:
        self.screen = pyte.HistoryScreen(columns, lines, history=5000)
        self._stream = pyte.ByteStream(self.screen)
        self._master, slave = pty.openpty()
        self._resize(columns, lines)
        self.process = subprocess.Popen(
            list(arguments),
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**env, "TERM": "xterm-256color", "PYTHONPATH": str(ROOT)},
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - the child's controlling terminal
        )
        os.close(slave)
        self.raw = b""
        self._lost = False

    def resize(self, columns: int, lines: int) -> None:
        """Makes the window smaller or larger, as a window manager does. pyte cuts lines, it doesn't wrap them anew."""
        self.pump()
        self._resize(columns, lines)
        self.screen.resize(lines, columns)

    def _resize(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def type(self, keys: str) -> None:
        """Types, e.g. `\\x03` for Ctrl-C."""
        os.write(self._master, keys.encode())

    def hang_up(self) -> None:
        """Closes the window, as a lost connection does: the program gets SIGHUP, and what it writes goes nowhere."""
        self._lost = True
        os.close(self._master)

    def pump(self, seconds: float = 0.0) -> bool:
        """Takes in what was written; False once the program has closed the terminal."""
        while select.select([self._master], [], [], seconds)[0]:
            try:
                content = os.read(self._master, 65536)
            except OSError:
                return False
            if not content:
                return False
            self.raw += content
            self._stream.feed(content)
            seconds = 0.0
        return True

    def wait(self, condition: Callable[[], bool], timeout: float = 30.0) -> None:
        """Waits until the screen is as wanted. Raises `TimeoutError` with what is on it."""
        deadline = time.monotonic() + timeout
        while not condition():
            if not self.pump(0.1) and not condition():
                raise TimeoutError(f"the program ended\n{self.text}")
            if time.monotonic() > deadline:
                raise TimeoutError(self.text)

    def end(self, timeout: float = 60.0) -> int:
        """Waits for the program's end and returns its exit code."""
        deadline = time.monotonic() + timeout
        while self.pump(0.1) and self.process.poll() is None:
            if time.monotonic() > deadline:
                raise TimeoutError(self.text)
        code = self.process.wait(timeout)
        self.pump(0.1)
        return code

    @property
    def history(self) -> list[str]:
        """Lines that were scrolled away, oldest first."""
        columns = range(self.screen.columns)
        return ["".join(line[column].data for column in columns).rstrip() for line in self.screen.history.top]

    @property
    def text(self) -> str:
        """All there is to see, also by scrolling back."""
        return "\n".join([*self.history, *(line.rstrip() for line in self.screen.display)]).rstrip()

    def close(self) -> None:
        """Ends the program, if it still runs."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        if not self._lost:
            os.close(self._master)


@contextlib.contextmanager
def terminal(
    *arguments: str, env: Mapping[str, str] | None = None, columns: int = 80, lines: int = 24
) -> Iterator[Terminal]:
    """A Python program in a terminal, e.g. `"-m", "package"`."""
    opened = Terminal([sys.executable, *arguments], {**os.environ, **(env or {})}, columns, lines)
    try:
        yield opened
    finally:
        opened.close()
