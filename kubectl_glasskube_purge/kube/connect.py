"""The connection to the API server: transport, TLS, credentials, impersonation.

kr8s carries the requests. What it can't do for kubectl's users is laid around it
here: every way to log in, one renewal of credentials for all requests that were
refused, limits of time, a log. Retries, lists, watches and what a status means
are the client's, which sits on top.

kr8s and httpx take a quarter of a second to import, so nothing here imports them
before `connect` is entered: `--help` doesn't pay for them.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import anyio

from .config.client_config import ClientConfig, Flags, Impersonation, Target, reread, resolve
from .transport import failures, request_log
from .transport.credentials import Credentials, Identity

if TYPE_CHECKING:
    import httpx

    from .transport.session import Session

__all__ = ["Connection", "Flags", "Target", "connect"]

SILENCE_SECONDS = 90.0
"""How long a server may say nothing in a request: it ends all but watches by itself after 60 s."""


@contextlib.asynccontextmanager
async def connect(flags: Flags) -> AsyncIterator[Connection]:
    """A connection as kubectl would make it with these flags.

    Reads all credentials, and runs an exec plugin, but sends no request. Raises
    `ConfigError` where kubeconfig, flags or credentials can't be used.
    """
    config = resolve(flags)
    credentials = Credentials(config, lambda: reread(flags, config))
    connection = Connection(config, credentials, flags.request_timeout)
    try:
        await connection.prepare()
        yield connection
    finally:
        with anyio.CancelScope(shield=True):
            await connection.close()


class Connection:
    """Sends requests to one API server as one user. Made by `connect`."""

    def __init__(self, config: ClientConfig, credentials: Credentials, request_timeout: float | None) -> None:
        self.target: Target = config.target
        self._cluster = config.cluster
        self._credentials = credentials
        self._request_timeout = request_timeout
        self._impersonation = _headers(config.impersonation)
        self._sessions: list[Session] = []

    def __repr__(self) -> str:
        return f"<Connection to {self.target}>"

    async def prepare(self) -> None:
        """Gets credentials and sets up TLS, so that what is wrong with them shows before the first request."""
        await self._session(await self._credentials.current())

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
        timeout: float | None = None,  # noqa: ASYNC109 - --request-timeout has to be able to replace it
    ) -> httpx.Response:
        """One request; returns the response with its body read, whatever its status.

        Bytes are sent as the `body` as they are, anything else as JSON, None as no body.
        `timeout` limits, in seconds, the whole of it; `--request-timeout`, where it
        was given, stands in its place. A 401 is returned only after credentials
        were renewed, or where there are no others.

        Raises `Unreachable`, `BadCertificate` or `NotKubernetes` where no answer
        comes, and `ConfigError` where credentials can't be renewed.
        """
        limit = timeout if self._request_timeout is None else self._request_timeout or None
        options = {"params": params, "content" if isinstance(body, bytes) else "json": body}
        async with self._send(method, path, headers, limit, SILENCE_SECONDS, options) as response:
            await response.aread()
            request_log.bodies(response)
            return response

    @contextlib.asynccontextmanager
    async def stream(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - it limits silence, not the whole
    ) -> AsyncIterator[httpx.Response]:
        """As `request`, but the body is left to be read: for watches.

        `timeout` limits, in seconds, how long the server may say nothing; None
        trusts in TCP's keep-alive alone. `--request-timeout` doesn't end a watch.
        What fails while the body is read leaves the context as `request` raises it.
        """
        async with self._send(method, path, headers, None, timeout, {"params": params}) as response:
            yield response

    async def close(self) -> None:
        """Closes everything. Requests under way fail."""
        await self._credentials.close()
        for session in self._sessions:
            await session.close()

    @contextlib.asynccontextmanager
    async def _send(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None,
        limit: float | None,
        silence: float | None,
        options: Mapping[str, Any],
    ) -> AsyncIterator[httpx.Response]:
        sent = [*_encoded((headers or {}).items()), *self._impersonation]
        identity = await self._credentials.current()
        for attempt in (1, 2):
            session = await self._session(identity)
            started = time.perf_counter()
            with failures.translated(self._cluster, silence), anyio.move_on_after(limit) as scope:
                async with session.call(method, path, identity, headers=sent, silence=silence, **options) as response:
                    request_log.response(response, time.perf_counter() - started)
                    if response.status_code != 401 or attempt == 2:
                        yield response
                        return
                    await response.aread()
            if scope.cancelled_caught:
                raise failures.timed_out(self._cluster, limit)
            # Outside the limit of time: renewing may mean that somebody logs in by hand.
            renewed = await self._credentials.after_refusal(identity)
            if renewed == identity:
                yield response
                return
            identity = renewed

    async def _session(self, identity: Identity) -> Session:
        """The session that presents this identity's certificate; requests on the one before may end in peace."""
        for session in self._sessions:
            if session.certificate == identity.certificate:
                return session
        from .transport.session import Session

        made = Session(self._cluster, identity.certificate)
        retired, self._sessions = self._sessions, [made]
        self._sessions += [session for session in retired if not session.idle]
        for session in retired:
            if session.idle:
                await session.close()
        return made


def _headers(impersonation: Impersonation) -> list[tuple[bytes, bytes]]:
    if not impersonation.user:
        return []
    headers = [("Impersonate-User", impersonation.user)]
    if impersonation.uid:
        headers.append(("Impersonate-Uid", impersonation.uid))
    headers += [("Impersonate-Group", group) for group in impersonation.groups]
    for key, values in impersonation.extra.items():
        headers += [(f"Impersonate-Extra-{quote(key, safe='')}", value) for value in values]
    return _encoded(headers)


def _encoded(headers: Iterable[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    """Headers as bytes: httpx would refuse the name of a user who isn't written in ASCII."""
    return [(name.encode(), value.encode()) for name, value in headers]
