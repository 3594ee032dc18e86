"""A TCP proxy in front of the API server that is as far away as a test wants: delays both ways, resets connections.

It knows nothing of what it carries. A delay doesn't limit the throughput: what is sent in one go arrives in one go.
A connection is made on this machine at once, so the round trip that it takes elsewhere is waited for in front of its
first bytes. Which connections are reset, and after how much they have received, depends on the seed and their number.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
import threading
from pathlib import Path
from types import TracebackType

from tests.cluster.api import private_file
from tests.cluster.controlplane import ControlPlane

_MOST_BYTES = 200_000
"""That a connection receives before it is reset: enough for a handshake and several lists."""


class Far:
    """The proxy; a context manager. Runs in a thread of its own, on 127.0.0.1."""

    def __init__(self, cluster: ControlPlane, round_trip: float, *, resets: float = 0.0, seed: int = 0) -> None:
        """`round_trip` in seconds; `resets` is the share of connections that are reset, 0 to 1."""
        self.cluster = cluster
        self.round_trip = round_trip
        self.resets = resets
        self.connections = 0
        """Connections that were made so far."""
        self.reset = 0
        """Those that were reset."""
        self.kubeconfig = Path()
        self._dice = random.Random(seed)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="far", daemon=True)
        self._server: asyncio.Server | None = None
        self._carried: set[asyncio.Task[None]] = set()

    def __enter__(self) -> Far:
        self._thread.start()
        port = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(timeout=30)
        config = self.cluster.kubeconfig.read_text().replace(self.cluster.server, f"https://127.0.0.1:{port}")
        self.kubeconfig = private_file(self.cluster.directory, f"kubeconfig-far-{port}", config.encode())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(timeout=30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self.kubeconfig.unlink(missing_ok=True)

    async def _listen(self) -> int:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, backlog=256)
        return int(self._server.sockets[0].getsockname()[1])

    async def _end(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._carried:
            task.cancel()
        await asyncio.gather(*self._carried, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._carried.add(task)
        self.connections += 1
        limit = self._dice.randrange(_MOST_BYTES) if self._dice.random() < self.resets else None
        try:
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await self._carry(reader, writer, limit)
        finally:
            self._carried.discard(task)
            writer.transport.abort()

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
                        _reset(writer)
                        return
                if not data:
                    return
                writer.write(data)
                await writer.drain()
        finally:
            receiving.cancel()
            await asyncio.gather(receiving, return_exceptions=True)


def _reset(writer: asyncio.StreamWriter) -> None:
    """Ends a connection by RST; a plain close would be orderly."""
    connection: socket.socket | None = writer.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
