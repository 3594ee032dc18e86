"""kr8s's session, with a transport such as kubectl makes.

The one place that reaches into kr8s. Its factory `kr8s.asyncio.api()` can't be
used: before it returns it asks for `/version`, through an SSL context and a
proxy of its choice, fails where that one path is forbidden, and warns of
Kubernetes versions that can't be changed here. Nor is there a public way to give it
an SSL context, the size of the pool, or a path that it leaves as it is. So
`_create_session` and `_construct_url`, which are private, are overridden, and
pyproject.toml allows only the versions that this was tested with; what is used
besides is `call_api`, kr8s's public way to send a request.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import socket
import sys
from collections.abc import AsyncIterator, Generator, Iterator, Sequence
from types import ModuleType
from typing import Any

import httpx

from kubectl_glasskube_purge import __version__
from kubectl_glasskube_purge.kube.config.client_config import Cluster

from . import proxy, tls
from .credentials import Identity
from .tls import ClientCertificate


class _Later(ModuleType):
    """Stands for a module until something of it is used."""

    def __getattr__(self, name: str) -> Any:
        return getattr(importlib.import_module(self.__name__), name)


@contextlib.contextmanager
def _later(*names: str) -> Iterator[None]:
    """Imports inside get these modules only when they use them. None of them is reached by what is used of kr8s."""
    absent = [name for name in names if name not in sys.modules]
    sys.modules.update((name, _Later(name)) for name in absent)
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]


# A third of kr8s's time and two thirds of its memory: WebSockets, JSONPath, and reading certificates.
with _later("cryptography.x509", "httpx_ws", "jsonpath"):
    import kr8s.asyncio

CONNECT_SECONDS = 30.0
"""For a connection to be made: client-go's dial timeout."""

POOL = 128
"""Connections at once: a watch for each of about 60 kinds holds one, and 32 requests run besides."""


class Session:
    """Connections to one server, made with one client certificate."""

    def __init__(self, cluster: Cluster, certificate: ClientCertificate | None) -> None:
        """Raises `ConfigError` for a CA, a certificate or a key that can't be used."""
        self.certificate = certificate
        self._client = _client(cluster, certificate)
        self._api = _Api(cluster.server, self._client)
        self._requests = 0

    @property
    def idle(self) -> bool:
        """Whether no request is under way."""
        return self._requests == 0

    @contextlib.asynccontextmanager
    async def call(
        self,
        method: str,
        path: str,
        identity: Identity,
        *,
        headers: Sequence[tuple[bytes, bytes]],
        silence: float | None,
        **options: Any,
    ) -> AsyncIterator[httpx.Response]:
        """One request through kr8s, its response's body left to be read.

        `silence` is how long the server may say nothing, in seconds; None for ever.
        """
        self._requests += 1
        try:
            async with self._api.call_api(
                method,
                version="",
                base=path,
                raise_for_status=False,
                stream=True,
                auth=_Authorization(identity),
                headers=headers,
                # Redirected, a DELETE would become a GET, and its 200 look like success.
                follow_redirects=method == "GET",
                timeout=httpx.Timeout(silence, connect=CONNECT_SECONDS, pool=None),
                **options,
            ) as response:
                yield response
        finally:
            self._requests -= 1

    async def close(self) -> None:
        """Closes all connections."""
        await self._client.aclose()


class _Api(kr8s.asyncio.Api):
    """kr8s on a client that was made elsewhere. It is never awaited, which would load a kubeconfig."""

    def __init__(self, server: str, client: httpx.AsyncClient) -> None:
        super().__init__(bypass_factory=True, url=server)
        self._client = client

    async def _create_session(self) -> None:
        self._session = self._client

    def _construct_url(self, version: str = "", base: str = "", namespace: str | None = None, url: str = "") -> str:
        # kr8s's own ends `/apis` in a slash, and the API server answers `/apis/` without aggregated discovery.
        return base


class _Authorization(httpx.Auth):
    """Puts the identity's header on a request; keeps httpx from looking for others in the URL."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        if self._identity.authorization:
            request.headers["Authorization"] = self._identity.authorization
        yield request


def _client(cluster: Cluster, certificate: ClientCertificate | None) -> httpx.AsyncClient:
    context = tls.context(cluster, certificate)
    through = cluster.proxy_url or proxy.from_environment(cluster.server, os.environ)
    headers = {"Accept": "application/json", "User-Agent": f"kubectl-glasskube-purge/{__version__}"}
    if cluster.disable_compression:
        headers["Accept-Encoding"] = "identity"
    return httpx.AsyncClient(
        base_url=cluster.server,
        headers=headers,
        transport=httpx.AsyncHTTPTransport(
            verify=context,
            limits=httpx.Limits(max_connections=POOL, max_keepalive_connections=POOL),
            # An https:// proxy is checked against the cluster's CA, as in Go.
            proxy=httpx.Proxy(through, ssl_context=context if through.startswith("https:") else None)
            if through
            else None,
            socket_options=_KEEP_ALIVE,
        ),
        trust_env=False,  # neither its rules for proxies nor ~/.netrc are kubectl's
    )


# A watch may be silent for long: TCP itself has to notice that the other side is gone.
_KEEP_ALIVE = [
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    *(
        (socket.IPPROTO_TCP, getattr(socket, option), value)
        for option, value in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3))
        if hasattr(socket, option)
    ),
]
