"""When a request that failed is sent again, and after which pause.

Every request of the client is safe to send twice, so one rule holds for all of
them: a request that meets a temporary error is sent again, after growing pauses,
until the time is up or a stop is requested.
"""

from __future__ import annotations

import asyncio
import contextlib
import random

from . import errors


def backoff(tries: int) -> float:
    """Seconds before the next try: doubling from 0.2 to 8, jittered so that many clients don't come back as one."""
    return float(min(8.0, 0.2 * 2 ** min(tries - 1, 10)) * random.uniform(0.5, 1.0))


class Tries:
    """The tries of one request, or of a watch that is opened again and again."""

    def __init__(self, seconds: float, hurry: asyncio.Event) -> None:
        """`seconds` limits the time without an answer; `hurry`, once set, ends all tries and pauses."""
        self.count = 0
        """Tries in a row without a result."""
        self._seconds = seconds
        self._hurry = hurry
        self._clock = asyncio.get_running_loop().time
        self._answered = self._clock()

    def answered(self) -> None:
        """Notes that the server answered: the time without an answer begins again."""
        self._answered = self._clock()

    async def again(self, error: errors.KubeError) -> None:
        """Waits until the next try. Raises `error` if it isn't temporary, the time is up, or a stop is requested."""
        if not isinstance(error, (errors.Unreachable, errors.Busy)) or isinstance(error, errors.BadCertificate):
            raise error
        self.count += 1
        seconds = max(backoff(self.count), error.retry_after)
        if self._clock() + seconds - self._answered > self._seconds:
            raise error
        await self._sleep(seconds)
        if self._hurry.is_set():
            raise error

    async def pause(self) -> None:
        """Waits the longer the more tries were without a result, and not at all after one that had a result."""
        if self.count:
            await self._sleep(backoff(self.count))

    async def _sleep(self, seconds: float) -> None:
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._hurry.wait(), seconds)
