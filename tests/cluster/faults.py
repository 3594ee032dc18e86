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
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args
from urllib.parse import parse_qsl, urlencode, urlsplit

import h11
import yaml

from tests.cluster.controlplane import ADMIN, CONTEXT, ControlPlane
from tests.cluster.proxy import Proxy, reset

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


class Faults(Proxy):
    """The proxy; a context manager."""

    def __init__(self, cluster: ControlPlane, schedule: Schedule = Schedule(), *, page: int | None = None) -> None:
        """`page` makes every page of a list this small, so that continue tokens come up in small clusters, too."""
        super().__init__(cluster)
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(cluster.directory / "apiserver.crt", cluster.directory / "apiserver.key")
        self.schedule = schedule
        self.page = page
        self.exchanges: list[Exchange] = []
        self.admits: Callable[[str], bool] | None = None
        """Whether a request's token is good; who has a good one is the admin. None leaves that to the API server."""
        self._asked: Counter[str] = Counter()
        self._changes = 0
        self._at: tuple[int, Callable[[], None], bool] | None = None
        self._one_change = asyncio.Lock()
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

    def config(self, port: int) -> str:
        """One with the admin's token: the proxy ends TLS, and so client certificates."""
        content = {
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
        return yaml.safe_dump(content)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Passes requests on, or does to them what the schedule says."""
        with contextlib.suppress(EOFError, ssl.SSLError, h11.ProtocolError):
            await _Conversation(self, reader, writer).run()

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
                reset(self.writer)
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


@contextlib.contextmanager
def faults(cluster: ControlPlane, **how: object) -> Iterator[Faults]:
    """A running proxy; `how` as in `Schedule`, and `page` as in `Faults`."""
    page = how.pop("page", None)
    with Faults(cluster, Schedule(**how), page=page) as running:  # type: ignore[arg-type]
        yield running
