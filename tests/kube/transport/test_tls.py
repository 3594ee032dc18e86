"""SSL contexts: whom they trust, and that keys leave nothing behind."""

from __future__ import annotations

import base64
import os
import signal
import ssl
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from kubectl_glasskube_purge.kube.config.client_config import Cluster
from kubectl_glasskube_purge.kube.errors import ConfigError
from kubectl_glasskube_purge.kube.transport import tls
from kubectl_glasskube_purge.kube.transport.tls import ClientCertificate
from tests.cluster.pki import Authority, Pair

CLUSTER = Cluster("https://127.0.0.1:6443")


def certificate(pair: Pair) -> ClientCertificate:
    return ClientCertificate(pair.certificate, pair.key)


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The system's folder for temporary files, empty."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def no_memory_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on macOS and Windows."""
    monkeypatch.delattr(os, "memfd_create", raising=False)


def test_a_ca_of_the_clusters_own_is_the_only_one_trusted(authority: Authority) -> None:
    data = base64.b64encode(authority.certificate).decode()

    context = tls.context(Cluster("https://h", certificate_authority_data=data), None)

    assert len(context.get_ca_certs()) == 1
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname


def test_without_a_ca_the_systems_are_trusted_also_with_a_client_certificate(
    authority: Authority, ca_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(ca_file))

    context = tls.context(CLUSTER, certificate(authority.client("jane")))

    assert [ca["serialNumber"] for ca in context.get_ca_certs()] != []
    assert context.verify_mode == ssl.CERT_REQUIRED


def test_insecure_trusts_everybody() -> None:
    context = tls.context(Cluster("https://h", insecure_skip_tls_verify=True), None)

    assert context.verify_mode == ssl.CERT_NONE
    assert not context.check_hostname


@pytest.mark.parametrize("memory_files", [True, False])
def test_a_client_key_leaves_no_file_behind(
    authority: Authority, temporary: Path, monkeypatch: pytest.MonkeyPatch, memory_files: bool
) -> None:
    if not memory_files:
        no_memory_files(monkeypatch)

    tls.context(CLUSTER, certificate(authority.client("jane")))
    with pytest.raises(ConfigError, match="private key does not match public key"):
        tls.context(CLUSTER, ClientCertificate(authority.client("jane").certificate, authority.client("joe").key))

    assert list(temporary.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="the system has no files in memory")
def test_where_files_can_be_in_memory_no_other_is_ever_made(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object, **named: object) -> None:
        raise AssertionError("a file on disk")

    monkeypatch.setattr(tempfile, "TemporaryDirectory", refuse)

    tls.context(CLUSTER, certificate(authority.client("jane")))


def test_killed_while_a_key_is_on_disk_nothing_usable_is_left(authority: Authority, temporary: Path) -> None:
    pair = authority.client("jane")
    (temporary.parent / "pair.crt").write_bytes(pair.certificate)
    (temporary.parent / "pair.key").write_bytes(pair.key)
    program = textwrap.dedent("""
        import os, signal, ssl, sys, tempfile
        from pathlib import Path
        from kubectl_glasskube_purge.kube.transport import tls
        from kubectl_glasskube_purge.kube.config.client_config import Cluster
        tempfile.tempdir = sys.argv[1]
        if hasattr(os, "memfd_create"):
            del os.memfd_create
        class Killer(tls._Context):
            def load_cert_chain(self, *arguments):
                os.kill(os.getpid(), signal.SIGKILL)
        tls._Context = Killer
        here = Path(sys.argv[1]).parent
        pair = tls.ClientCertificate((here / "pair.crt").read_bytes(), (here / "pair.key").read_bytes())
        tls.context(Cluster("https://h"), pair)
    """)

    killed = subprocess.run([sys.executable, "-c", program, str(temporary)], check=False, cwd=Path(__file__).parents[3])

    assert killed.returncode == -signal.SIGKILL
    left = [path for path in temporary.rglob("*") if path.is_file()]
    assert {path.name for path in left} == {"tls.crt", "tls.key"}
    assert all(path.parent.stat().st_mode & 0o077 == 0 for path in left)
    (key,) = (path.read_bytes() for path in left if path.name == "tls.key")
    assert b"ENCRYPTED PRIVATE KEY" in key
    with pytest.raises(TypeError, match="encrypted"):
        serialization.load_pem_private_key(key, None)


@pytest.mark.parametrize("memory_files", [True, False])
def test_an_encrypted_key_is_refused_and_nobody_is_asked_for_its_password(
    authority: Authority, monkeypatch: pytest.MonkeyPatch, memory_files: bool
) -> None:
    if not memory_files:
        no_memory_files(monkeypatch)
    pair = authority.client("jane")
    encrypted = serialization.load_pem_private_key(pair.key, None).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"password"),
    )

    with pytest.raises(ConfigError, match="tls: failed to parse"):
        tls.context(CLUSTER, ClientCertificate(pair.certificate, encrypted))


@pytest.mark.parametrize("memory_files", [True, False])
def test_certificate_and_key_may_stand_in_one_file(
    authority: Authority, monkeypatch: pytest.MonkeyPatch, memory_files: bool
) -> None:
    if not memory_files:
        no_memory_files(monkeypatch)
    pair = authority.client("jane")
    both = pair.certificate + pair.key

    tls.context(CLUSTER, ClientCertificate(both, both))


@pytest.mark.parametrize(
    ("chain", "key", "message"),
    [
        (b"SECRET", b"SECRET", "tls: failed to find any PEM data in certificate input"),
        (b"-----BEGIN CERTIFICATE-----\nSECRET", b"SECRET", "tls: failed to find any PEM data in key input"),
        (b"-----BEGIN CERTIFICATE-----\nSECRET", b"-----BEGIN PRIVATE KEY-----\nSECRET", "tls: failed to parse"),
    ],
)
def test_what_is_no_certificate_is_said_without_showing_it(chain: bytes, key: bytes, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        tls.context(CLUSTER, ClientCertificate(chain, key))

    assert caught.value.message.startswith(message)
    assert "SECRET" not in caught.value.message + caught.value.hint + repr(ClientCertificate(chain, key))


def test_a_ca_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_text("nonsense")

    with pytest.raises(ConfigError, match="unable to load root certificates"):
        tls.context(Cluster("https://h", certificate_authority=str(tmp_path / "ca.crt")), None)
    with pytest.raises(ConfigError, match="certificate-authority-data: illegal base64 data"):
        tls.context(Cluster("https://h", certificate_authority_data="%"), None)
    with pytest.raises(ConfigError, match=r"unable to read certificate-authority /no/ca\.crt .* no such file"):
        tls.context(Cluster("https://h", certificate_authority="/no/ca.crt"), None)


def test_data_may_be_wrapped_over_several_lines() -> None:
    assert tls.embedded("client-key", "Q0\nE=\n", "", "me") == b"CA"
