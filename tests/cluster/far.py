"""A TCP proxy in front of the API server that is as far away as a test wants: delays both ways, resets connections.

It knows nothing of what it carries. A delay doesn't limit the throughput: what is sent in one go arrives in one go.
A connection is made on this machine at once, so the round trip that it takes elsewhere is waited for in front of its
first bytes. Which connections are reset, and after how much they have received, depends on the seed and their number.
"""

from __future__ import annotations

import asyncio
import random

from tests.cluster.controlplane import ControlPlane
from tests.cluster.proxy import Proxy, reset

_MOST_BYTES = 200_000
"""That a connection receives before it is reset: enough for a handshake and several lists."""


class Far(Proxy):
    """The proxy; a context manager."""

    def __init__(self, cluster: ControlPlane, round_trip: float, *, resets: float = 0.0, seed: int = 0) -> None:
        """`round_trip` in seconds; `resets` is the share of connections that are reset, 0 to 1."""
        super().__init__(cluster)
        self.round_trip = round_trip
        self.resets = resets
        self.connections = 0
        """Connections that were made so far."""
        self.reset = 0
        """Those that were reset."""
        self._dice = random.Random(seed)

    def config(self, port: int) -> str:
        """The cluster's own, with the proxy's address."""
        return self.cluster.kubeconfig.read_text().replace(self.cluster.server, f"https://127.0.0.1:{port}")

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carries a connection, which may be one to be reset."""
        self.connections += 1
        limit = self._dice.randrange(_MOST_BYTES) if self._dice.random() < self.resets else None
        await self._carry(reader, writer, limit)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, limit: int | None) -> None:
        theirs, ours = await asyncio.open_connection("127.0.0.1", self.cluster.ports["apiserver"])
        # The end of either direction is the end of both: HTTP needs no half of a connection.
        ways = [
            asyncio.create_task(self._one_way(reader, ours, self.round_trip)),
            asyncio.create_task(self._one_way(theirs, writer, 0.0, limit)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            ours.transport.abort()

    async def _one_way(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, opening: float, limit: int | None = None
    ) -> None:
        """Passes on what comes half a round trip later, and not before `opening` seconds. Resets after `limit`."""
        queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(maxsize=1000)
        clock = self._loop.time
        earliest = clock() + opening

        async def receive() -> None:
            while data := await reader.read(65536):
                await queue.put((max(clock(), earliest) + self.round_trip / 2, data))
            await queue.put((clock() + self.round_trip / 2, b""))

        receiving = asyncio.create_task(receive())
        try:
            while True:
                due, data = await queue.get()
                await asyncio.sleep(due - clock())
                if limit is not None:
                    limit -= len(data)
                    if limit < 0:
                        self.reset += 1
                        reset(writer)
                        return
                if not data:
                    return
                writer.write(data)
                await writer.drain()
        finally:
            receiving.cancel()
            await asyncio.gather(receiving, return_exceptions=True)
