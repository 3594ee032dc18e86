"""A server that answers, byte for byte, what a test wants, and a client of it."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from kubectl_glasskube_purge.kube.objects import Ref
from kubectl_glasskube_purge.kube.resources import Resource

CONFIG_MAPS = Resource("", "v1", "ConfigMap", "configmaps", True, frozenset({"list", "delete"}))
DEFINITIONS = Resource("apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", False)
MINE = Ref("", "ConfigMap", "shop", "mine", "v1")


@dataclass(frozen=True)
class Asked:
    """One request, parsed."""

    method: str
    path: str
    query: dict[str, str]
    body: Any


@dataclass
class Server:
    """Answers in turn with what `script` has; the last answer is given again and again."""

    script: list[Any] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    port: int = 0

    def next(self) -> Any:
        return self.script.pop(0) if len(self.script) > 1 else self.script[0]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                length = next((int(x.split(":")[1]) for x in head.lower().split("\r\n") if "content-length" in x), 0)
                body = await reader.readexactly(length)
                method, target, _ = head.split(" ", 2)
                parts = urlsplit(target)
                query = {name: values[0] for name, values in parse_qs(parts.query).items()}
                self.asked.append(Asked(method, parts.path, query, json.loads(body) if body else None))
                answer = self.next()
                if callable(answer):
                    answer = answer(self.asked[-1])
                if isinstance(answer, Awaitable):
                    answer = await answer
                if answer is None:
                    return
                data, ends = answer if isinstance(answer, tuple) else (answer, False)
                writer.write(data)
                await writer.drain()
                if ends:
                    return


def answer(document: Any, status: int = 200, **headers: str) -> bytes:
    body = json.dumps(document).encode() if not isinstance(document, bytes) else document
    kind = "application/json" if not isinstance(document, bytes) else "text/plain"
    lines = [f"HTTP/1.1 {status} X", f"Content-Type: {kind}", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def failure(code: int, message: str = "no", reason: str = "", **headers: str) -> bytes:
    status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code}
    return answer({**status, "message": message, "reason": reason}, code, **headers)


def item(name: str, version: int = 1, **metadata: Any) -> dict[str, Any]:
    meta = {"name": name, "namespace": "shop", "uid": f"uid-{name}", "resourceVersion": str(version), **metadata}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta}


def page(*names: str, version: int = 1, token: str = "") -> bytes:
    return answer(
        {"metadata": {"resourceVersion": str(version), "continue": token}, "items": [item(name) for name in names]}
    )


def watched(*events: tuple[str, Any], cut: int | None = None) -> tuple[bytes, bool]:
    """A watch that says this and is then ended by the server; with `cut`, that many bytes before the end of it."""
    content = b"".join(json.dumps({"type": kind, "object": document}).encode() + b"\n" for kind, document in events)
    if cut is not None:
        content = content[: len(content) - cut]
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = f"{len(content):x}\r\n".encode() + content + b"\r\n" if content else b""
    return head + chunk + (b"0\r\n\r\n" if cut is None else b""), True
