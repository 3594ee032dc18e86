"""Small servers on 127.0.0.1 that say what reached them: an API server's outside, and two kinds of proxy.

What Kubernetes itself makes of a request is tested on a real API server, in
`tests/cluster`. These are for what a real one can't be made to do on demand:
refuse a token, be silent, end in the middle, present a certificate for another
name.
"""

from __future__ import annotations

import contextlib
import json
import socket
import socketserver
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.cluster.pki import Pair


@dataclass(frozen=True)
class Seen:
    """One request as it reached the server."""

    method: str
    path: str
    headers: list[tuple[str, str]]
    body: bytes
    client: str
    """Common name of the client's certificate, `""` without one."""
    connection: int
    """Which TCP connection it came on, by the client's port."""

    def header(self, name: str) -> str | None:
        values = self.all(name)
        return values[0] if values else None

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]


@dataclass
class Answer:
    """What the server answers with. `lines` are sent one by one, the last followed by silence until the server ends."""

    status: int = 200
    body: Any = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    lines: list[str] | None = None
    break_off: bool = False
    """Close the connection without an answer."""
    silent: bool = False
    """Never answer."""


class FakeApi:
    """An HTTPS server that records requests and answers as `answer` says."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.answer: Callable[[Seen], Answer] = lambda _: Answer()
        self.names: list[str | None] = []
        """Server names asked for in TLS handshakes."""
        self.port = 0
        self.scheme = "https"
        self.over = threading.Event()

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    @property
    def tokens(self) -> list[str | None]:
        """The Authorization headers seen, in order."""
        return [seen.header("Authorization") for seen in self.seen]


@contextlib.contextmanager
def fake_api(
    pair: Pair | None,
    client_ca: bytes = b"",
    folder: Path | None = None,
    newest: ssl.TLSVersion = ssl.TLSVersion.MAXIMUM_SUPPORTED,
) -> Iterator[FakeApi]:
    """A running `FakeApi`: TLS with `pair`, plain HTTP without; with `client_ca`, it asks for client certificates."""
    api = FakeApi()
    context = None
    if pair is not None:
        assert folder is not None
        certificate = folder / "server.pem"
        certificate.write_bytes(pair.certificate + pair.key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        context.maximum_version = newest
        context.sni_callback = lambda _socket, name, _context: api.names.append(name)
        if client_ca:
            context.verify_mode = ssl.CERT_OPTIONAL
            context.load_verify_locations(cadata=client_ca.decode())

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

        def get_request(self) -> tuple[socket.socket, Any]:
            connection, address = super().get_request()
            if context is not None:
                # The handshake is left to the handler's thread: one slow client may not hold up all.
                connection = context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
            return connection, address

        def handle_error(self, request: Any, client_address: Any) -> None:
            """Handshakes that the client breaks off are what some tests are about."""

    server = Server(("127.0.0.1", 0), _handler(api))
    api.port = server.server_port
    api.scheme = "http" if context is None else "https"
    with _serving(server):
        try:
            yield api
        finally:
            api.over.set()


def _handler(api: FakeApi) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        default_request_version = "HTTP/1.1"  # what isn't HTTP at all is refused in it, as by a real server

        def handle_any(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            seen = Seen(
                self.command,
                self.path,
                list(self.headers.items()),
                self.rfile.read(length),
                _common_name(self.connection),
                self.client_address[1],
            )
            api.seen.append(seen)
            answer = api.answer(seen)
            if answer.silent:
                api.over.wait()
            if answer.silent or answer.break_off:
                self.close_connection = True
                return
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            if answer.lines is None:
                content = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)
                return
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for line in answer.lines:
                content = f"{line}\n".encode()
                self.wfile.write(f"{len(content):x}\r\n".encode() + content + b"\r\n")
            api.over.wait()
            self.close_connection = True

        do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = handle_any

        def log_message(self, *arguments: Any) -> None:
            """Tests read `seen`."""

    return Handler


def _common_name(connection: Any) -> str:
    certificate: dict[str, Any] = {}
    if isinstance(connection, ssl.SSLSocket):
        certificate = dict(connection.getpeercert() or {})
    for part in certificate.get("subject", ()):
        for name, value in part:
            if name == "commonName":
                return str(value)
    return ""


@dataclass
class FakeProxy:
    """A proxy that carries every connection to one place, whatever was asked for."""

    url: str
    asked: list[str] = field(default_factory=list)
    """Where clients wanted to go, `host:port`."""
    credentials: list[str | None] = field(default_factory=list)


@contextlib.contextmanager
def http_proxy(port: int) -> Iterator[FakeProxy]:
    """A proxy for CONNECT that leads to `port` on 127.0.0.1."""
    proxy = FakeProxy("")

    class Handler(BaseHTTPRequestHandler):
        def do_CONNECT(self) -> None:
            proxy.asked.append(self.path)
            proxy.credentials.append(self.headers.get("Proxy-Authorization"))
            self.send_response(200)
            self.end_headers()
            _relay(self.connection, port)
            self.close_connection = True

        def log_message(self, *arguments: Any) -> None:
            """Tests read `asked`."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    proxy.url = f"http://127.0.0.1:{server.server_port}"
    with _serving(server):
        yield proxy


@contextlib.contextmanager
def socks_proxy(port: int) -> Iterator[FakeProxy]:
    """A SOCKS5 proxy without authentication that leads to `port` on 127.0.0.1."""
    proxy = FakeProxy("")

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            methods = self.rfile.read(2)[1]
            self.rfile.read(methods)
            self.wfile.write(b"\x05\x00")
            kind = self.rfile.read(4)[3]
            length = 4 if kind == 1 else self.rfile.read(1)[0]
            raw = self.rfile.read(length)
            host = socket.inet_ntoa(raw) if kind == 1 else raw.decode()
            (wanted,) = struct.unpack(">H", self.rfile.read(2))
            proxy.asked.append(f"{host}:{wanted}")
            self.wfile.write(b"\x05\x00\x00\x01" + bytes(6))
            _relay(self.connection, port)

    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    proxy.url = f"socks5://127.0.0.1:{server.server_address[1]}"
    with _serving(server):
        yield proxy


def _relay(client: socket.socket, port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as upstream:

        def pump(source: socket.socket, sink: socket.socket) -> None:
            with contextlib.suppress(OSError):
                while data := source.recv(65536):
                    sink.sendall(data)
            with contextlib.suppress(OSError):
                sink.shutdown(socket.SHUT_WR)

        back = threading.Thread(target=pump, args=(upstream, client), daemon=True)
        back.start()
        pump(client, upstream)
        back.join()


@contextlib.contextmanager
def _serving(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
