"""Ctrl-C, SIGTERM and a terminal that went away, while a flow runs.

The first signal is a wish to stop: the flow's task is cancelled, unless the
execution has taken the signals over to end in order (`run.stoppable`). Whoever
asks again is not made to wait: the next one cancels whatever is left to do, and
the one after that ends the process. The exit code is the shell's, 128 and the
signal's number.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterator
from types import FrameType, TracebackType
from typing import Any

from kubectl_glasskube_purge.flows.run import ENDING_SIGNALS

BEAT = 0.25
"""Seconds after which a signal is seen at the latest while the loop waits."""


class Signals:
    """Handles signals for one run; a context manager. Ignored signals stay ignored: `nohup` means it."""

    def __init__(self, last: Callable[[], None] = lambda: None) -> None:
        self.number = 0
        """The signal that came, 0 as long as none did."""
        self._last = last
        self._before: dict[int, Any] = {}
        self._task: asyncio.Task[Any] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._blocking = False

    def __enter__(self) -> Signals:
        for number in ENDING_SIGNALS:
            handler = signal.getsignal(number)
            if handler is not signal.SIG_IGN:
                self._before[number] = handler
                signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)

    def watch(self) -> None:
        """From now on a signal cancels the task that calls this."""
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        self._beat()

    def _beat(self) -> None:
        """Wakes the loop now and then. Python calls a handler between two of its instructions: a signal that comes
        right before the loop begins to wait would be handled only when the waiting ends."""
        if self._loop is not None:
            self._loop.call_later(BEAT, self._beat)

    @contextlib.contextmanager
    def blocking(self) -> Iterator[None]:
        """While the event loop stands still, at a question, a signal raises `KeyboardInterrupt`."""
        self._blocking = True
        try:
            yield
        finally:
            self._blocking = False

    def _handle(self, number: int, frame: FrameType | None) -> None:
        again = self.number != 0
        self.number = number
        if again:
            self._last()
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        elif self._blocking or self._loop is None or self._task is None:
            raise KeyboardInterrupt
        else:
            self._loop.call_soon_threadsafe(self._task.cancel)
