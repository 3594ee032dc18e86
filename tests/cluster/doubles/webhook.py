"""An HTTPS server for admission reviews, as small as the protocol allows.

asyncio for the connections, h11 for HTTP. The API server keeps connections
open and sends one review at a time on each.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import h11

from tests.cluster.api import Object
from tests.cluster.doubles.runtime import log


class Refused(Exception):
    """The webhook's answer: no. The rest is as in the Status it returns, which the API server hands on."""

    def __init__(
        self, message: str, code: int = 403, reason: str = "Forbidden", details: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status: dict[str, Any] = {"status": "Failure", "code": code, "reason": reason, "message": message}
        if details:
            self.status["details"] = dict(details)


Review = Callable[[str, Object], Awaitable[None]]
"""Called with the URL path and the request of an AdmissionReview; raises `Refused`."""


async def serve(context: Callable[[], ssl.SSLContext], review: Review) -> asyncio.Server:
    """Listens on a free port of 127.0.0.1. `context` is asked for each new connection: certificates are renewed."""
    first = context()

    def renew(connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        connection.context = context()

    first.sni_callback = renew

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(OSError, ssl.SSLError, h11.RemoteProtocolError):
            await _talk(reader, writer, review)

    return await asyncio.start_server(talk, "127.0.0.1", 0, ssl=first)


async def _talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, review: Review) -> None:
    connection = h11.Connection(h11.SERVER)
    while True:
        path, body = "", b""
        while not isinstance(event := connection.next_event(), h11.EndOfMessage):
            if event is h11.NEED_DATA:
                connection.receive_data(await reader.read(65536))
            elif isinstance(event, h11.Request):
                path = event.target.decode().partition("?")[0]
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.ConnectionClosed):
                return
        answer = json.dumps(await _answer(path, json.loads(body), review)).encode()
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(answer)))]
        for part in (h11.Response(status_code=200, headers=headers), h11.Data(data=answer), h11.EndOfMessage()):
            writer.write(connection.send(part) or b"")
        await writer.drain()
        if connection.our_state is h11.MUST_CLOSE:
            return
        connection.start_next_cycle()


async def _answer(path: str, document: Object, review: Review) -> Object:
    request = document["request"]
    response: dict[str, Any] = {"uid": request["uid"], "allowed": True}
    try:
        await review(path, request)
    except Refused as error:
        log.info("refused: %s", error)
        response["allowed"] = False
        response["status"] = error.status
    return {"apiVersion": document["apiVersion"], "kind": "AdmissionReview", "response": response}
