"""The SSL context of a connection.

kr8s makes its own: it writes keys from the kubeconfig into temporary files that
it never removes, and trusts no CA at all where a client certificate comes
without one. OpenSSL, as Python has it, reads keys from files only. So a key gets
to it by a file that exists in memory alone; where the system has no such files,
by one that is encrypted with a password only this process knows, in a folder
only this user may enter, removed at once. Killed at any moment, the process
leaves no usable key behind.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import os
import ssl
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kubectl_glasskube_purge.kube.config.kubeconfig import reason
from kubectl_glasskube_purge.kube.errors import ConfigError

if TYPE_CHECKING:
    from kubectl_glasskube_purge.kube.config.client_config import Cluster


@dataclass(frozen=True)
class ClientCertificate:
    """A certificate chain and its private key, both PEM."""

    certificate: bytes = field(repr=False)
    key: bytes = field(repr=False)


def context(cluster: Cluster, certificate: ClientCertificate | None) -> ssl.SSLContext:
    """The SSL context for this cluster, with the client's certificate where there is one.

    Raises `ConfigError` for a CA, a certificate or a key that can't be used.
    """
    result = _Context(ssl.PROTOCOL_TLS_CLIENT)
    result.server_name = cluster.tls_server_name
    result.minimum_version = ssl.TLSVersion.TLSv1_2
    result.hostname_checks_common_name = False
    # As in Go: whatever the CA file holds is trusted as it is, be it an intermediate or the server's own certificate,
    # and a CA without key identifiers, which Python refuses from 3.13 on, is a CA nevertheless.
    result.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    result.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if cluster.insecure_skip_tls_verify:
        result.check_hostname = False
        result.verify_mode = ssl.CERT_NONE
    else:
        _trust(result, cluster)
    if certificate:
        _present(result, certificate)
    return result


def authority(cluster: Cluster) -> bytes:
    """The cluster's CA bundle, PEM; empty where the system's CAs are meant. Raises `ConfigError`."""
    data, path = cluster.certificate_authority_data, cluster.certificate_authority
    return embedded("certificate-authority", data, path, cluster.name) if data or path else b""


def embedded(name: str, data: str, path: str, owner: str) -> bytes:
    """What a kubeconfig has either in Base64, in the field `name`-data, or in the file that `name` names.

    Raises `ConfigError` if it isn't Base64, or can't be read.
    """
    if not data:
        return read(path, f"unable to read {name} {path} for {owner} due to ")
    try:
        return base64.b64decode("".join(data.split()), validate=True)
    except (binascii.Error, ValueError):
        raise ConfigError(f"{name}-data: illegal base64 data") from None


def read(path: str, problem: str = "") -> bytes:
    """The content of a file that the kubeconfig or a flag names.

    Raises `ConfigError` where it can't be read; `problem` is what its message begins with.
    """
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise ConfigError(f"{problem}open {path}: {reason(error)}") from None


class _Context(ssl.SSLContext):
    """Asks for, and checks, `server_name` instead of the host that was dialled.

    httpx's own `sni_hostname`, which kr8s uses, is ignored behind an HTTP proxy.
    """

    server_name = ""

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        return super().wrap_bio(incoming, outgoing, server_side, self.server_name or server_hostname, session)


def _trust(result: ssl.SSLContext, cluster: Cluster) -> None:
    bundle = authority(cluster)
    if not bundle:
        result.load_default_certs()
        paths = ssl.get_default_verify_paths()
        if os.name != "nt" and not paths.cafile and not paths.capath:
            import certifi  # Pythons from python.org don't find the system's CAs on macOS

            result.load_verify_locations(certifi.where())
        return
    try:
        result.load_verify_locations(cadata=bundle.decode("ascii", "ignore"))
    except (ssl.SSLError, ValueError):
        raise ConfigError("unable to load root certificates: unable to parse bytes as PEM block") from None


def _present(result: ssl.SSLContext, certificate: ClientCertificate) -> None:
    problem = ""
    if b"-----BEGIN" not in certificate.certificate:
        problem = "tls: failed to find any PEM data in certificate input"
    elif b"-----BEGIN" not in certificate.key:
        problem = "tls: failed to find any PEM data in key input"
    else:
        try:
            with _files(certificate) as (chain, key, password):
                result.load_cert_chain(chain, key, password)
        except ssl.SSLError as error:
            problem = (
                "tls: private key does not match public key"
                if error.reason == "KEY_VALUES_MISMATCH"
                else "tls: failed to parse the client certificate or its private key"
            )
        except (ValueError, TypeError):  # from `_encrypted`
            problem = "tls: failed to parse private key"
    if problem:
        raise ConfigError(problem, hint="Check client-certificate and client-key of the kubeconfig's user.")


@contextlib.contextmanager
def _files(certificate: ClientCertificate) -> Iterator[tuple[str, str, bytes]]:
    """Paths of the chain and of the key, and the key's password.

    An empty password isn't used for a key that needs none; without one, OpenSSL
    would ask for an encrypted key's on the terminal.
    """
    with contextlib.ExitStack() as stack:
        try:
            yield (
                stack.enter_context(_memory_file(certificate.certificate)),
                stack.enter_context(_memory_file(certificate.key)),
                b"",
            )
            return
        except NotImplementedError:
            pass
    password = base64.b64encode(os.urandom(32))
    with tempfile.TemporaryDirectory() as folder:  # 0700
        chain, key = os.path.join(folder, "tls.crt"), os.path.join(folder, "tls.key")
        for path, content in ((chain, certificate.certificate), (key, _encrypted(certificate.key, password))):
            with open(path, "wb") as file:
                file.write(content)
        yield chain, key, password


@contextlib.contextmanager
def _memory_file(content: bytes) -> Iterator[str]:
    """The path of a file in memory. Raises `NotImplementedError` where the system has none."""
    try:
        descriptor = os.memfd_create("tls", os.MFD_CLOEXEC)
    except (AttributeError, OSError):
        raise NotImplementedError from None
    try:
        path = f"/proc/self/fd/{descriptor}"
        if not os.path.exists(path):
            raise NotImplementedError
        with open(descriptor, "wb", closefd=False) as file:
            file.write(content)
        yield path
    finally:
        os.close(descriptor)


def _encrypted(key: bytes, password: bytes) -> bytes:
    """The key, encrypted. Raises `ValueError` or `TypeError` where it is none, or is encrypted already."""
    from cryptography.hazmat.primitives import serialization

    return serialization.load_pem_private_key(key, None).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(password)
    )
