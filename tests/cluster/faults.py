"""A reverse proxy in front of the API server that has its bad days on a schedule.

Terminates TLS with the API server's own certificate, passes requests on one by
one, and does to some of them what busy, restarting or overloaded API servers and
the networks before them do: 429 with Retry-After, 500, 503, 504, connections reset
before or after the request got through, slow and truncated answers, watches cut
or expired, continue tokens expired, idle connections closed.

Which requests are hit depends on the seed, on what is asked, and on how often it
was asked before, never on the order in which concurrent requests arrive: a seed
that failed fails again.

Also stops a purge at an exact point: `after_change(k, do)` calls `do` when the
k-th request that changes something was answered, and may let no further one through.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import re
import socket
import ssl
import struct
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Literal, get_args
from urllib.parse import parse_qsl, urlencode, urlsplit

import h11
import yaml

from tests.cluster.api import private_file
from tests.cluster.controlplane import ADMIN, CONTEXT, ControlPlane

Kind = Literal[
    "429",  # with Retry-After, nothing was done
    "500",
    "503",
    "504",  # the request got through: what it asked for is done all the same
    "reset-before",
    "reset-after",  # as 504: the client can't know
    "slow",
    "truncated",
    "closed",  # answered, and the kept-alive connection closed behind it
    "cut",  # a watch ends by a reset, some events later
    "torn",  # a watch ends in the middle of an event
    "expired",  # 410: the watch's resourceVersion, or the list's continue token
    "expired-event",  # 410 as an event of a watch that was accepted
    "failing-event",  # 500 as an event
]

KINDS: tuple[Kind, ...] = get_args(Kind)
_OF_WATCHES: tuple[Kind, ...] = ("cut", "torn", "expired", "expired-event", "failing-event")
_OF_ALL: tuple[Kind, ...] = tuple(kind for kind in KINDS if kind not in _OF_WATCHES)
_OF_PAGES: tuple[Kind, ...] = (*_OF_ALL, "expired")
_BEFORE_AN_ANSWER: tuple[Kind, ...] = ("429", "500", "503", "504", "reset-before", "reset-after")

_SLOWEST = 1.5
"""Seconds that a slow answer takes at most; longer than that only tests the patience of whoever runs the tests."""

_REVIEWS = re.compile(r"/(selfsubject\w+|tokenreviews|subjectaccessreviews)$")
_PASSING = ("resourceVersion", "continue", "timeoutSeconds")
"""Parameters that differ from run to run."""


@dataclass(frozen=True)
class Request:
    """What a client asks for."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: tuple[tuple[bytes, bytes], ...] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def is_watch(self) -> bool:
        return self.query.get("watch") in ("1", "true")

    @property
    def changes(self) -> bool:
        """Whether it asks for a change: everything but reads and questions put by POST."""
        return self.method != "GET" and not _REVIEWS.search(self.path)

    @property
    def identity(self) -> str:
        """What makes it the same request in another run."""
        query = urlencode(sorted((name, value) for name, value in self.query.items() if name not in _PASSING))
        return f"{self.method} {self.path}?{query}"


@dataclass(frozen=True)
class Schedule:
    """Which requests fail, and how. The same seed hits the same requests."""

    seed: int = 0
    rate: float = 0.0
    """Share of requests that are hit, 0 to 1."""
    kinds: tuple[Kind, ...] = KINDS
    unreadable: tuple[str, ...] = ()
    """Ends of paths that nobody may read, whatever the API server says of anybody's rights."""

    def fault(self, request: Request, number: int) -> tuple[Kind | None, random.Random]:
        """What happens to a request that is asked for the `number`-th time, and the dice for how."""
        dice = random.Random(f"{self.seed} {number} {request.identity}")
        if dice.random() >= self.rate:
            return None, dice
        wanted = _OF_ALL
        if request.is_watch:
            wanted = (*_BEFORE_AN_ANSWER, *_OF_WATCHES)
        elif "continue" in request.query:
            wanted = _OF_PAGES
        possible = [kind for kind in wanted if kind in self.kinds]
        return (dice.choice(possible) if possible else None), dice


@dataclass(frozen=True)
class Exchange:
    """One request and what became of it."""

    request: Request
    fault: Kind | None
    status: int | None
    """What the API server answered; None where it wasn't asked."""


class Faults:
    """The proxy; a context manager. Runs in a thread of its own."""

    def __init__(self, cluster: ControlPlane, schedule: Schedule = Schedule(), *, page: int | None = None) -> None:
        """`page` makes every page of a list this small, so that continue tokens come up in small clusters, too."""
        self.cluster = cluster
        self.schedule = schedule
        self.page = page
        self.exchanges: list[Exchange] = []
        self.kubeconfig = Path()
        self.admits: Callable[[str], bool] | None = None
        """Whether a request's token is good; who has a good one is the admin. None leaves that to the API server."""
        self._asked: Counter[str] = Counter()
        self._changes = 0
        self._at: tuple[int, Callable[[], None], bool] | None = None
        self._one_change = asyncio.Lock()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="faults", daemon=True)
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._trusting = ssl.create_default_context(cafile=str(cluster.ca_file))

    @property
    def changes(self) -> int:
        """Requests that changed something and were answered so far."""
        return self._changes

    @property
    def hits(self) -> Counter[str]:
        """How often each fault struck."""
        return Counter(str(exchange.fault) for exchange in self.exchanges if exchange.fault)

    def after_change(self, number: int, do: Callable[[], None], *, last: bool = True) -> None:
        """Calls `do` once the `number`-th changing request was answered; none gets through after the `last` one."""
        self._at = (number, do, last)

    # Life

    def __enter__(self) -> Faults:
        self._thread.start()
        port = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(timeout=30)
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {
                    "name": CONTEXT,
                    "cluster": {
                        "server": f"https://127.0.0.1:{port}",
                        "certificate-authority": str(self.cluster.ca_file),
                    },
                }
            ],
            "users": [{"name": ADMIN, "user": {"token": self.cluster.token(ADMIN)}}],
            "contexts": [{"name": CONTEXT, "context": {"cluster": CONTEXT, "user": ADMIN}}],
            "current-context": CONTEXT,
        }
        self.kubeconfig = private_file(
            self.cluster.directory, f"kubeconfig-faults-{port}", yaml.safe_dump(config).encode()
        )
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
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        directory = self.cluster.directory
        context.load_cert_chain(directory / "apiserver.crt", directory / "apiserver.key")
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=context, backlog=256)
        return int(self._server.sockets[0].getsockname()[1])

    async def _end(self) -> None:
        assert self._server is not None
        self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    # One connection

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            with contextlib.suppress(OSError, EOFError, ssl.SSLError, h11.ProtocolError, asyncio.CancelledError):
                await _Conversation(self, reader, writer).run()
        finally:
            self._connections.discard(task)
            writer.transport.abort()

    def next_fault(self, request: Request) -> tuple[Kind | None, random.Random]:
        """What is to happen to this request now."""
        self._asked[request.identity] += 1
        return self.schedule.fault(request, self._asked[request.identity])

    @contextlib.asynccontextmanager
    async def turn(self, request: Request) -> AsyncIterator[bool]:
        """Lets changing requests through one at a time where a run is to be stopped at one; False: not any more."""
        if not request.changes or self._at is None or not self._at[2]:
            yield True
            return
        async with self._one_change:
            yield self._changes < self._at[0]

    def answered(self, request: Request) -> None:
        """Counts a change that the API server answered."""
        if request.changes:
            self._changes += 1
            if self._at is not None and self._changes == self._at[0]:
                self._at[1]()


class _Broken(Exception):
    """The connection to the client is to be reset now."""


class _Conversation:
    """One client's connection, and the one to the API server that goes with it."""

    def __init__(self, faults: Faults, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.faults = faults
        self.reader = reader
        self.writer = writer
        self.client = h11.Connection(h11.SERVER)

    async def run(self) -> None:
        while (request := await self._request()) is not None:
            fault, dice = self.faults.next_fault(request)
            status: int | None = None
            try:
                async with self.faults.turn(request) as through:
                    if not through:
                        raise _Broken
                    status = await self._do(request, fault, dice)
            except _Broken:
                _reset(self.writer)
                return
            finally:
                self.faults.exchanges.append(Exchange(request, fault, status))
            if fault == "closed" or self.client.our_state is not h11.DONE:
                return
            self.client.start_next_cycle()

    async def _request(self) -> Request | None:
        head: h11.Request | None = None
        body = b""
        while True:
            event = self.client.next_event()
            if event is h11.NEED_DATA:
                self.client.receive_data(await self.reader.read(65536))
            elif isinstance(event, h11.Request):
                head = event
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                assert head is not None
                parts = urlsplit(head.target.decode())
                query = dict(parse_qsl(parts.query, keep_blank_values=True))
                return Request(head.method.decode(), parts.path, query, tuple(head.headers), body)
            else:
                return None

    async def _do(self, request: Request, fault: Kind | None, dice: random.Random) -> int | None:
        """Answers a request; returns what the API server said. Raises `_Broken` where the client gets a reset."""
        if not self._authenticated(request):
            await self._answer(401, "Unauthorized", "Unauthorized")
            return None
        if request.method == "GET" and request.path.endswith(self.faults.schedule.unreadable):
            await self._answer(403, "Forbidden", f"{request.path} may not be listed")
            return None
        if fault == "429":
            await self._answer(429, "TooManyRequests", "the server has received too many requests", retry_after=1)
            return None
        if fault in ("500", "503"):
            # A load balancer's 503 has no Status object.
            reason = "InternalError" if fault == "500" else dice.choice(["ServiceUnavailable", ""])
            await self._answer(int(fault), reason, "etcdserver: leader changed")
            return None
        if fault == "expired":
            await self._answer(410, "Expired", "too old resource version, or an expired continue token")
            return None
        if fault == "reset-before":
            raise _Broken
        if fault == "slow":
            await asyncio.sleep(dice.uniform(0.2, _SLOWEST))
        async with self._asked(request) as upstream:
            status = await upstream.head()
            self.faults.answered(request)
            if fault in ("504", "reset-after"):
                if not request.is_watch:
                    await upstream.rest()
                if fault == "reset-after":
                    raise _Broken
                await self._answer(504, "Timeout", "the server was unable to return a response in the time allotted")
            elif fault == "truncated":
                await self._truncate(upstream, dice)
            elif request.is_watch and status == 200:
                await self._watch(upstream, fault, dice)
            else:
                await self._pass_on(upstream)
        return status

    def _authenticated(self, request: Request) -> bool:
        admits = self.faults.admits
        return admits is None or admits(_bearer(request))

    @contextlib.asynccontextmanager
    async def _asked(self, request: Request) -> AsyncIterator[_Upstream]:
        """The API server, with the request sent to it. A connection for each: they are local, and simple to end."""
        cluster = self.faults.cluster
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", cluster.ports["apiserver"], ssl=self.faults._trusting, server_hostname="127.0.0.1"
        )
        try:
            upstream = _Upstream(reader, writer)
            query = dict(request.query)
            if self.faults.page is not None and "limit" in query:
                query["limit"] = str(self.faults.page)
            headers = request.headers
            if self.faults.admits is not None:
                token = f"Bearer {cluster.token(ADMIN)}".encode()
                headers = tuple((n, token if n == b"authorization" else v) for n, v in headers)
            target = request.path + (f"?{urlencode(query)}" if query else "")
            await upstream.send(request.method, target, headers, request.body)
            yield upstream
        finally:
            writer.transport.abort()

    async def _send(self, event: h11.Event) -> None:
        if data := self.client.send(event):
            self.writer.write(data)
            await self.writer.drain()

    async def _answer(self, status: int, reason: str, message: str, retry_after: int = 0) -> None:
        document = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": message,
            "reason": reason,
            "code": status,
        }
        content = json.dumps(document).encode() if reason else b"upstream connect error or disconnect/reset"
        headers = [
            ("Content-Type", "application/json" if reason else "text/plain"),
            ("Content-Length", str(len(content))),
        ]
        if retry_after:
            headers.append(("Retry-After", str(retry_after)))
        await self._send(h11.Response(status_code=status, headers=headers))
        await self._send(h11.Data(data=content))
        await self._send(h11.EndOfMessage())

    async def _pass_on(self, upstream: _Upstream) -> None:
        await self._send(upstream.response)
        async for data in upstream.body():
            await self._send(h11.Data(data=data))
        await self._send(h11.EndOfMessage())

    async def _truncate(self, upstream: _Upstream, dice: random.Random) -> None:
        """Half an answer, then a closed connection, as a proxy's restart leaves it."""
        content = await upstream.rest()
        await self._send(upstream.response)
        await self._send(h11.Data(data=content[: int(len(content) * dice.random())]))
        raise _Broken

    async def _watch(self, upstream: _Upstream, fault: Kind | None, dice: random.Random) -> None:
        await self._send(upstream.response)
        code = {"expired-event": 410, "failing-event": 500}.get(fault or "")
        if code:
            reason = "Expired" if code == 410 else "InternalError"
            status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "code": code}
            event = {"type": "ERROR", "object": {**status, "message": f"the watch failed: {reason}"}}
            await self._send(h11.Data(data=json.dumps(event).encode() + b"\n"))
            await self._send(h11.EndOfMessage())
            return
        budget = dice.randrange(1, 3000) if fault in ("cut", "torn") else None
        patience = dice.uniform(0.1, 3.0) if budget is not None else None
        with contextlib.suppress(asyncio.TimeoutError):
            body = upstream.body()
            while True:
                part = await asyncio.wait_for(anext(body, b""), patience)
                if not part:
                    break
                if budget is not None and len(part) >= budget:
                    await self._send(h11.Data(data=part[:budget]))
                    break
                await self._send(h11.Data(data=part))
                budget = budget - len(part) if budget is not None else None
        if fault == "cut":
            raise _Broken
        await self._send(h11.EndOfMessage())


class _Upstream:
    """One request to the API server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.connection = h11.Connection(h11.CLIENT)
        self.response = h11.Response(status_code=200, headers=[])

    async def send(self, method: str, target: str, headers: tuple[tuple[bytes, bytes], ...], body: bytes) -> None:
        events = [h11.Request(method=method, target=target, headers=list(headers)), h11.Data(data=body)]
        for event in [*events, h11.EndOfMessage()]:
            self.writer.write(self.connection.send(event) or b"")
        await self.writer.drain()

    async def head(self) -> int:
        """Waits for the answer to begin; returns its status."""
        while True:
            event = await self._next()
            if isinstance(event, h11.Response):
                self.response = event
                return event.status_code

    async def body(self) -> AsyncIterator[bytes]:
        while True:
            event = await self._next()
            if isinstance(event, h11.Data):
                yield bytes(event.data)
            elif isinstance(event, (h11.EndOfMessage, h11.ConnectionClosed)):
                return

    async def rest(self) -> bytes:
        return b"".join([data async for data in self.body()])

    async def _next(self) -> object:
        while (event := self.connection.next_event()) is h11.NEED_DATA:
            self.connection.receive_data(await self.reader.read(65536))
        return event


def _bearer(request: Request) -> str:
    values = [value.decode() for name, value in request.headers if name == b"authorization"]
    return values[0].removeprefix("Bearer ") if values else ""


def _reset(writer: asyncio.StreamWriter) -> None:
    """Ends a connection by RST, as a crashed server's machine does; a plain close would be orderly."""
    connection: socket.socket | None = writer.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@contextlib.contextmanager
def faults(cluster: ControlPlane, **how: object) -> Iterator[Faults]:
    """A running proxy; `how` as in `Schedule`, and `page` as in `Faults`."""
    page = how.pop("page", None)
    with Faults(cluster, Schedule(**how), page=page) as running:  # type: ignore[arg-type]
        yield running
