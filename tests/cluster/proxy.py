"""What proxies in front of the API server share: a server on 127.0.0.1, in a thread and an event loop of its own."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
import threading
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from tests.cluster.api import private_file
from tests.cluster.controlplane import ControlPlane

Self = TypeVar("Self", bound="Proxy")


class Proxy(ABC):
    """A context manager; ends its connections and takes its kubeconfig away."""

    tls: ssl.SSLContext | None = None
    """What it answers with; None if it doesn't look into what it carries."""

    def __init__(self, cluster: ControlPlane) -> None:
        self.cluster = cluster
        self.kubeconfig = Path()
        """One that leads through the proxy, while it runs."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    @abstractmethod
    def config(self, port: int) -> str:
        """The kubeconfig's text."""

    @abstractmethod
    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Deals with one client's connection until that ends."""

    def __enter__(self: Self) -> Self:
        self._thread.start()
        port = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(timeout=30)
        self.kubeconfig = private_file(self.cluster.directory, f"kubeconfig-{port}", self.config(port).encode())
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
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=self.tls, backlog=256)
        return int(self._server.sockets[0].getsockname()[1])

    async def _end(self) -> None:
        assert self._server is not None
        self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await self.serve(reader, writer)
        finally:
            self._connections.discard(task)
            writer.transport.abort()


def reset(writer: asyncio.StreamWriter) -> None:
    """Ends a connection by RST, as a crashed server's machine does; a plain close would be orderly."""
    connection: socket.socket | None = writer.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
