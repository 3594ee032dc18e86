"""A manifest's bytes from an http or https address, within limits, or why they can't be had.

A purge must work in a cluster without internet access, so what can't be had fails
soon: see `Patience`. Redirects never lead from what is protected to what isn't, and
nothing is unpacked. What the bytes are is for `manifest` to read; which addresses
are asked, and what a failure means, for `release`.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from kubectl_glasskube_purge import __version__
from kubectl_glasskube_purge.kube.transport.failures import causes

from .manifest import MAX_BYTES

if TYPE_CHECKING:
    import httpx
    from tenacity import RetryCallState

MAX_REDIRECTS = 5

_UNREACHABLE_ATTEMPTS = 2
"""Where there is no route, no name or no listener, a second look is enough."""
_TRANSIENT_ATTEMPTS = 4
_TRANSIENT_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True)
class Patience:
    """How long a download may take, in seconds."""

    connect_timeout: float = 4.0
    """Without any route, two attempts: a purge without internet access waits some 9 s at most."""
    read_timeout: float = 10.0
    """Silence on an open connection."""
    budget: float = 20.0
    """All attempts and pauses of one address together."""
    backoff: float = 0.5
    """The longest first pause between attempts; it doubles each time."""


class Unobtainable(Exception):
    """A download that came to nothing."""

    def __init__(self, why: str, *, attempts: int = 1, pause: float = 0.0) -> None:
        self.why = why
        self.attempts = attempts
        """How often to try in all where this is what happens; 1 where trying again can't help."""
        self.pause = pause
        """What the server asks to wait, in seconds."""


@contextlib.asynccontextmanager
async def connections(patience: Patience) -> AsyncIterator[httpx.AsyncClient]:
    """What `download` asks with. Raises `Unobtainable`.

    Honours HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY, SSL_CERT_FILE and SSL_CERT_DIR.
    """
    import httpx

    try:
        client = httpx.AsyncClient(
            timeout=httpx.Timeout(patience.read_timeout, connect=patience.connect_timeout),
            # The limits are on what arrives: what isn't compressed can't grow behind them.
            headers={"Accept-Encoding": "identity", "User-Agent": f"kubectl-glasskube-purge/{__version__}"},
            verify=_trusted(),
        )
    except (ImportError, ValueError) as error:
        # A SOCKS proxy without the extra package for it, or an address that is none.
        raise Unobtainable("the proxy settings in the environment can't be used") from error
    async with client:
        yield client


def _trusted() -> ssl.SSLContext:
    """The authorities httpx brings along, and the system's, which know what company proxies sign with."""
    import httpx

    context = httpx.create_ssl_context()
    context.load_default_certs()
    return context


async def download(client: httpx.AsyncClient, url: str, patience: Patience) -> bytes:
    """The body at `url`, tried as often as it is worth within the budget. Raises `Unobtainable`."""
    from tenacity import AsyncRetrying, retry_if_exception_type, stop_before_delay, wait_random_exponential

    # Full jitter, so that the purges of many clusters don't return together; never sooner than the server asks.
    jittered = wait_random_exponential(multiplier=patience.backoff, max=4)
    attempts = AsyncRetrying(
        retry=retry_if_exception_type(Unobtainable),
        wait=lambda state: max(_failure(state).pause, jittered(state)),
        stop=lambda state: (
            state.attempt_number >= _failure(state).attempts or stop_before_delay(patience.budget)(state)
        ),
        reraise=True,
    )
    try:
        return await asyncio.wait_for(attempts(_fetch, client, url), patience.budget)
    except asyncio.TimeoutError as error:
        raise Unobtainable(f"{_host(url)} took longer than {patience.budget:g} s") from error


def _failure(state: RetryCallState) -> Unobtainable:
    error = state.outcome.exception() if state.outcome else None
    assert isinstance(error, Unobtainable)
    return error


async def _fetch(client: httpx.AsyncClient, url: str) -> bytes:
    """One attempt, through all its redirects. Raises `Unobtainable`."""
    import httpx

    host = _host(url)
    try:
        request = client.build_request("GET", url)
        for _ in range(MAX_REDIRECTS + 1):
            host = request.url.host
            response = await client.send(request, stream=True)
            async with contextlib.aclosing(response):
                if response.next_request is None:
                    return await _body(response)
                _check_redirect(request.url, response.next_request.url)
                request = response.next_request
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError) as error:
        if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes(error)):
            raise Unobtainable(f"{host} shows a certificate that isn't trusted (see SSL_CERT_FILE)") from error
        why = str(error) or "no answer"
        raise Unobtainable(f"{host} can't be reached: {why}", attempts=_UNREACHABLE_ATTEMPTS) from error
    except httpx.TimeoutException as error:
        raise Unobtainable(f"{host} stopped answering", attempts=_TRANSIENT_ATTEMPTS) from error
    except (httpx.NetworkError, httpx.RemoteProtocolError) as error:
        raise Unobtainable(f"{host} broke the connection off", attempts=_TRANSIENT_ATTEMPTS) from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Unobtainable(f"{host}: {error}") from error
    raise Unobtainable(f"{_host(url)} redirects more than {MAX_REDIRECTS} times")


def _host(url: str) -> str:
    return urlsplit(url).hostname or url


def _check_redirect(origin: httpx.URL, target: httpx.URL) -> None:
    """Only http and https, and never from what is protected to what isn't."""
    if target.scheme not in ("http", "https") or (origin.scheme == "https" and target.scheme != "https"):
        raise Unobtainable(
            f"{origin.host} redirects from {origin.scheme} to {target.scheme or 'nowhere'}, which isn't followed"
        )


async def _body(response: httpx.Response) -> bytes:
    host, status = response.url.host, response.status_code
    if status in _TRANSIENT_STATUSES:
        pause = _retry_after(response.headers.get("Retry-After", ""))
        raise Unobtainable(f"{host} answers {status}", attempts=_TRANSIENT_ATTEMPTS, pause=pause)
    if status != 200:
        what = "doesn't have it (404)" if status == 404 else f"answers {status}"
        raise Unobtainable(f"{host} {what}")
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise Unobtainable(f"{host} sends it compressed, which wasn't asked for")
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > MAX_BYTES:
            raise Unobtainable(f"{host} sends more than {MAX_BYTES // 1024 // 1024} MiB")
    return bytes(body)


def _retry_after(value: str) -> float:
    """Seconds of a Retry-After header (RFC 9110: seconds or a date); 0 where there is none that can be read."""
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        when = parsedate_to_datetime(value)
    except ValueError:
        return 0.0
    when = when if when.tzinfo else when.replace(tzinfo=timezone.utc)
    return max(0.0, (when - datetime.now(timezone.utc)).total_seconds())
