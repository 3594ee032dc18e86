"""A user's machine for every test: a home of its own, and nothing of the real one's environment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from kubectl_glasskube_purge.kube import retries
from kubectl_glasskube_purge.kube.client import Client
from kubectl_glasskube_purge.kube.connect import Flags, connect
from kubectl_glasskube_purge.kube.discovery import Discovery
from tests.cluster.pki import Authority
from tests.kube.scripted import CONFIG_MAPS, DEFINITIONS, Server
from tests.kube.servers import FakeApi, fake_api

Kubeconfig = Callable[..., Path]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home, no proxies, no service account."""
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("USERPROFILE", str(folder))
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "kubeconfig"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    return folder


@pytest.fixture(scope="session")
def authority() -> Authority:
    """The CA of the fake API server."""
    return Authority.create("fake")


@pytest.fixture
def api(authority: Authority, tmp_path: Path) -> Iterator[FakeApi]:
    """A fake API server with a certificate for 127.0.0.1 and api.example.com; it knows client certificates."""
    pair = authority.server(["127.0.0.1", "api.example.com"])
    with fake_api(pair, client_ca=authority.certificate, folder=tmp_path) as server:
        yield server


@pytest.fixture
def ca_file(authority: Authority, tmp_path: Path) -> Path:
    path = tmp_path / "ca.crt"
    path.write_bytes(authority.certificate)
    return path


@pytest.fixture
def kubeconfig(api: FakeApi, ca_file: Path, tmp_path: Path) -> Kubeconfig:
    """Writes a kubeconfig for the fake API server: `kubeconfig(user={...}, cluster={...})`."""

    def write(user: dict[str, Any] | None = None, cluster: dict[str, Any] | None = None) -> Path:
        path = tmp_path / "kubeconfig"
        path.write_text(
            yaml.safe_dump(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "current-context": "prod",
                    "contexts": [{"name": "prod", "context": {"cluster": "prod", "user": "admin"}}],
                    "clusters": [
                        {
                            "name": "prod",
                            "cluster": {"server": api.url, "certificate-authority": str(ca_file), **(cluster or {})},
                        }
                    ],
                    "users": [{"name": "admin", "user": user or {}}],
                }
            )
        )
        return path

    return write


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    running = Server()
    listening = await asyncio.start_server(running.serve, "127.0.0.1", 0)
    running.port = listening.sockets[0].getsockname()[1]
    yield running
    listening.close()


@pytest.fixture
async def client(server: Server, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Client]:
    """A client of the server that knows ConfigMaps, and comes back sooner than in life."""
    monkeypatch.setattr(retries, "backoff", lambda tries: 0.01)
    async with connect(Flags(server=f"http://127.0.0.1:{server.port}")) as connection:
        made = Client(connection, retry_seconds=5)
        made.discovery = Discovery((CONFIG_MAPS, DEFINITIONS))
        yield made
