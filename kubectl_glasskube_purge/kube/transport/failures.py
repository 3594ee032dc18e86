"""What it means that no answer came, in the words kubectl has for it.

httpx, httpcore, anyio, asyncio and ssl each wrap the failures of the one below;
the meaning is in the innermost. Messages of theirs are repeated only where they
can't hold a credential.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import ssl
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from kubectl_glasskube_purge.kube.config.client_config import Cluster
from kubectl_glasskube_purge.kube.errors import BadCertificate, KubeError, NobodyThere, NotKubernetes, Unreachable

if TYPE_CHECKING:
    import httpx

# OpenSSL's X509_V_ERR_…
_NOT_YET_VALID = 9
_EXPIRED = 10
_UNKNOWN_AUTHORITY = frozenset({2, 18, 19, 20, 21})
_WRONG_NAME = frozenset({62, 64})

_BROKEN = {
    "ReadError": "it was closed while reading",
    "WriteError": "it was closed while writing",
    "RemoteProtocolError": "the server ended it without a complete answer",
    "ConnectError": "it could not be made",
}
_CLIENT_REFUSED = ("ALERT_BAD_CERTIFICATE", "ALERT_CERTIFICATE", "ALERT_UNKNOWN_CA", "ALERT_ACCESS_DENIED")


@contextlib.contextmanager
def translated(cluster: Cluster, silence: float | None) -> Iterator[None]:
    """Raises the project's own errors for those of httpx; any other error passes.

    `silence` is how long the server may say nothing, in seconds; None for ever.
    """
    import httpx
    from kr8s import APITimeoutError

    try:
        yield
    except (APITimeoutError, httpx.TimeoutException) as error:
        connecting = isinstance(error.__cause__ or error, httpx.ConnectTimeout)
        raise timed_out(cluster, None if connecting else silence) from None
    except httpx.RequestError as error:
        raise _error(error, cluster) from None


def timed_out(cluster: Cluster, seconds: float | None) -> KubeError:
    """The project's error for an answer that didn't come in time."""
    within = f" within {seconds:g} s" if seconds else " in time"
    return Unreachable(
        f"the server {_host(cluster.server)} didn't answer{within}",
        hint="Check that it is up, or pass a longer --request-timeout.",
    )


def _error(error: httpx.RequestError, cluster: Cluster) -> KubeError:
    server = cluster.server
    chain = list(causes(error))
    for cause in chain:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return _untrusted(cause, cluster.tls_server_name or urlsplit(server).hostname or "")
    for cause in chain:
        if isinstance(cause, ssl.SSLError):
            return _tls(cause)
        if isinstance(cause, OSError) and (found := _network(cause, server)):
            return found
    name = type(error).__name__
    if name == "RemoteProtocolError" and str(error).startswith("illegal"):
        return NotKubernetes(f"{_host(server)} answered, but not in HTTP")
    if name in ("DecodingError", "TooManyRedirects"):
        return NotKubernetes(f"{_host(server)} answered, but not as a Kubernetes API server does")
    if name == "ProxyError":
        return Unreachable(f"the proxy refused to connect: {error}", hint="Check proxy-url, or HTTPS_PROXY.")
    return Unreachable(f"the connection to the server {_host(server)} broke: {_BROKEN.get(name, name)}")


def causes(error: BaseException) -> Iterator[BaseException]:
    """The error and all that led to it, outermost first; groups' members too."""
    waiting, seen = [error], set[int]()
    while waiting:
        current = waiting.pop(0)
        if id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        waiting += getattr(current, "exceptions", ())
        waiting += [cause for cause in (current.__cause__, current.__context__) if cause is not None]


def _untrusted(error: ssl.SSLCertVerificationError, name: str) -> KubeError:
    prefix = "tls: failed to verify certificate: x509: "
    code = error.verify_code
    if code in _UNKNOWN_AUTHORITY:
        return BadCertificate(f"{prefix}certificate signed by unknown authority")
    if code in _WRONG_NAME:
        return BadCertificate(
            f"{prefix}certificate is not valid for {name}",
            hint="Use a name that the certificate has, with --server or --tls-server-name.",
        )
    if code in (_EXPIRED, _NOT_YET_VALID):
        return BadCertificate(
            f"{prefix}certificate has expired or is not yet valid",
            hint="Check this machine's clock, and have the API server's certificate renewed.",
        )
    return BadCertificate(f"{prefix}{error.verify_message}")


def _tls(error: ssl.SSLError) -> KubeError:
    reason = error.reason or ""
    if reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNEXPECTED_MESSAGE"):
        return NotKubernetes("http: server gave HTTP response to HTTPS client")
    if any(alert in reason for alert in _CLIENT_REFUSED):
        return BadCertificate(
            f"remote error: tls: {reason.partition('ALERT_')[2].replace('_', ' ').lower()}",
            hint="The server refuses the client's certificate: log in again, or check client-certificate.",
        )
    return Unreachable(f"tls: {reason.replace('_', ' ').lower() or 'handshake failure'}")


def _network(error: OSError, server: str) -> KubeError | None:
    host = _host(server)
    if isinstance(error, socket.gaierror):
        return NobodyThere(f"dial tcp: lookup {urlsplit(server).hostname}: no such host")
    if error.errno == errno.ECONNREFUSED:
        return NobodyThere(f"The connection to the server {host} was refused - did you specify the right host or port?")
    if error.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ETIMEDOUT, errno.ECONNRESET, errno.EPIPE):
        return Unreachable(f"dial tcp {host}: {(error.strerror or '').lower()}")
    return None


def _host(server: str) -> str:
    return urlsplit(server).netloc.rpartition("@")[2]
