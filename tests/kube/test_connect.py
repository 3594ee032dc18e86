"""Requests as they reach a server, and what is raised where none does."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import logging
import math
import os
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from kubectl_glasskube_purge.kube.connect import Flags, connect
from kubectl_glasskube_purge.kube.errors import (
    BadCertificate,
    ConfigError,
    NobodyThere,
    NotKubernetes,
    Unreachable,
)
from kubectl_glasskube_purge.kube.transport import request_log
from kubectl_glasskube_purge.kube.transport.credentials import Credentials, Identity
from tests.cluster.pki import Authority, Pair
from tests.kube.conftest import Kubeconfig
from tests.kube.servers import Answer, FakeApi, Seen, fake_api, http_proxy, socks_proxy


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


def certificate_user(pair: Pair) -> dict[str, str]:
    return {"client-certificate-data": encoded(pair.certificate), "client-key-data": encoded(pair.key)}


def exec_user(program: str, **settings: Any) -> dict[str, Any]:
    return {
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": sys.executable,
            "args": ["-c", program],
            "interactiveMode": "Never",
            **settings,
        }
    }


def printing(**status: Any) -> str:
    """A plugin's program that prints this status."""
    document = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status}
    return f"print({json.dumps(document)!r})"


def only(*tokens: str) -> Callable[[Seen], Answer]:
    """A server that knows nobody but the bearers of these tokens."""
    return lambda seen: Answer(200 if seen.header("Authorization") in [f"Bearer {token}" for token in tokens] else 401)


# Requests


async def test_a_request_goes_out_as_it_was_meant(api: FakeApi, kubeconfig: Kubeconfig) -> None:
    api.answer = lambda seen: Answer(201, {"kind": "Status"})
    flags = Flags(kubeconfig=str(kubeconfig({"token": "t"})))

    async with connect(flags) as connection:
        response = await connection.request(
            "PATCH",
            "/apis/apps/v1/namespaces/a%2Fb/deployments/x",
            params={"dryRun": "All"},
            headers={"Content-Type": "application/json-patch+json"},
            body=b"[]",
        )
        await connection.request("DELETE", "/api/v1/pods", body={"dryRun": ["All"]})

    assert (response.status_code, response.json()) == (201, {"kind": "Status"})
    patch, delete = api.seen
    assert (patch.method, patch.path) == ("PATCH", "/apis/apps/v1/namespaces/a%2Fb/deployments/x?dryRun=All")
    assert (patch.body, patch.all("Content-Type")) == (b"[]", ["application/json-patch+json"])
    assert patch.all("Authorization") == ["Bearer t"]
    assert json.loads(delete.body) == {"dryRun": ["All"]}
    assert delete.header(
        "User-Agent",
    ).startswith("kubectl-glasskube-purge/")  # type: ignore[union-attr]


@pytest.mark.parametrize("path", ["/version", "/api", "/apis"])
async def test_paths_of_one_part_work(api: FakeApi, kubeconfig: Kubeconfig, path: str) -> None:
    async with connect(Flags(kubeconfig=str(kubeconfig()))) as connection:
        await connection.request("GET", path)

    assert api.seen[0].path == path  # `/apis/` would be answered without aggregated discovery


async def test_a_server_behind_a_path_is_reached(api: FakeApi, kubeconfig: Kubeconfig) -> None:
    path = kubeconfig(cluster={"server": f"{api.url}/k8s/clusters/c-1"})

    async with connect(Flags(kubeconfig=str(path))) as connection:
        await connection.request("GET", "/api/v1/pods")

    assert api.seen[0].path == "/k8s/clusters/c-1/api/v1/pods"


@pytest.mark.parametrize("status", [400, 403, 404, 409, 410, 422, 429, 500, 503])
async def test_every_status_is_returned_and_none_makes_another_request(
    api: FakeApi, kubeconfig: Kubeconfig, status: int
) -> None:
    api.answer = lambda _: Answer(status, {"kind": "Status", "code": status})

    async with connect(Flags(kubeconfig=str(kubeconfig({"token": "t"})))) as connection:
        response = await connection.request("GET", "/api/v1/pods")

    assert (response.status_code, response.json()["code"], len(api.seen)) == (status, status, 1)


async def test_connecting_sends_nothing(api: FakeApi, kubeconfig: Kubeconfig) -> None:
    async with connect(Flags(kubeconfig=str(kubeconfig({"token": "t"})))) as connection:
        assert str(connection.target) == f"prod ({api.url}), as admin"

    assert api.seen == []


async def test_reading_follows_a_redirect_and_changing_does_not(api: FakeApi, kubeconfig: Kubeconfig) -> None:
    api.answer = lambda seen: Answer(302, headers={"Location": "/moved"}) if "here" in seen.path else Answer()

    async with connect(Flags(kubeconfig=str(kubeconfig()))) as connection:
        assert (await connection.request("GET", "/api/here")).status_code == 200
        assert (await connection.request("DELETE", "/api/here")).status_code == 302

    assert [(seen.method, seen.path) for seen in api.seen] == [
        ("GET", "/api/here"),
        ("GET", "/moved"),
        ("DELETE", "/api/here"),
    ]


async def test_compression_can_be_opted_out_of(api: FakeApi, kubeconfig: Kubeconfig) -> None:
    async with connect(Flags(kubeconfig=str(kubeconfig(cluster={"disable-compression": True})))) as connection:
        await connection.request("GET", "/api")
    async with connect(Flags(kubeconfig=str(kubeconfig()))) as connection:
        await connection.request("GET", "/api")

    assert api.seen[0].header("Accept-Encoding") == "identity"
    assert "gzip" in (api.seen[1].header("Accept-Encoding") or "")


# Impersonation


async def test_impersonation_is_sent_with_every_request(api: FakeApi, kubeconfig: Kubeconfig) -> None:
    path = kubeconfig({"token": "t", "as": "jane", "as-user-extra": {"Why/so": ["a", "b"]}})
    flags = Flags(kubeconfig=str(path), as_user="jürgen", as_groups=("x", "y, z"), as_uid="7")

    async with connect(flags) as connection:
        await connection.request("GET", "/api")
        async with connection.stream("GET", "/api/v1/pods") as response:
            await response.aread()

    for seen in api.seen:
        assert [value.encode("latin-1").decode() for value in seen.all("Impersonate-User")] == ["jürgen"]
        assert seen.all("Impersonate-Group") == ["x", "y, z"]
        assert seen.all("Impersonate-Uid") == ["7"]
        assert seen.all("Impersonate-Extra-Why%2Fso") == ["a", "b"]


# TLS


async def test_a_client_certificate_is_presented(api: FakeApi, kubeconfig: Kubeconfig, authority: Authority) -> None:
    async with connect(Flags(kubeconfig=str(kubeconfig(certificate_user(authority.client("jane")))))) as connection:
        await connection.request("GET", "/api")

    assert api.seen[0].client == "jane"


async def test_a_certificate_from_flags_is_presented(
    api: FakeApi, kubeconfig: Kubeconfig, authority: Authority, tmp_path: Path
) -> None:
    pair = authority.client("joe")
    (tmp_path / "joe.crt").write_bytes(pair.certificate)
    (tmp_path / "joe.key").write_bytes(pair.key)
    flags = Flags(
        kubeconfig=str(kubeconfig()),
        client_certificate=str(tmp_path / "joe.crt"),
        client_key=str(tmp_path / "joe.key"),
    )

    async with connect(flags) as connection:
        await connection.request("GET", "/api")

    assert api.seen[0].client == "joe"


async def test_no_credential_is_ever_in_a_temporary_file(
    api: FakeApi, kubeconfig: Kubeconfig, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))

    async with connect(Flags(kubeconfig=str(kubeconfig(certificate_user(authority.client("jane")))))) as connection:
        await connection.request("GET", "/api")
        assert list(folder.iterdir()) == []

    assert list(folder.iterdir()) == []


async def test_the_systems_cas_are_trusted_with_a_client_certificate_and_no_ca(
    api: FakeApi, kubeconfig: Kubeconfig, authority: Authority, ca_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(ca_file))
    path = kubeconfig(certificate_user(authority.client("jane")), {"certificate-authority": ""})

    async with connect(Flags(kubeconfig=str(path))) as connection:
        await connection.request("GET", "/api")

    assert api.seen[0].client == "jane"


async def test_a_ca_from_a_flag_is_trusted_instead(
    api: FakeApi, kubeconfig: Kubeconfig, ca_file: Path, tmp_path: Path
) -> None:
    (tmp_path / "wrong.crt").write_bytes(Authority.create("wrong").certificate)
    path = str(kubeconfig(cluster={"certificate-authority": "wrong.crt"}))

    with pytest.raises(BadCertificate):
        async with connect(Flags(kubeconfig=path)) as connection:
            await connection.request("GET", "/api")
    async with connect(Flags(kubeconfig=path, certificate_authority=str(ca_file))) as connection:
        assert (await connection.request("GET", "/api")).status_code == 200


async def test_insecure_reaches_any_server(api: FakeApi, kubeconfig: Kubeconfig) -> None:
    path = kubeconfig(
        {"token": "t"}, {"certificate-authority": "", "server": api.url.replace("127.0.0.1", "localhost")}
    )

    async with connect(Flags(kubeconfig=str(path), insecure_skip_tls_verify=True)) as connection:
        await connection.request("GET", "/api")

    assert api.tokens == ["Bearer t"]


async def test_the_servers_own_certificate_is_a_ca_as_in_go(tmp_path: Path) -> None:
    pair = Authority.create("somebody").server(["127.0.0.1"])
    (tmp_path / "server.crt").write_bytes(pair.certificate)
    with fake_api(pair, folder=tmp_path) as api:
        flags = Flags(server=api.url, certificate_authority=str(tmp_path / "server.crt"))
        async with connect(flags) as connection:
            assert (await connection.request("GET", "/api")).status_code == 200


@pytest.mark.parametrize("through", ["", "http", "socks5"])
async def test_tls_server_name_is_asked_for_and_checked(
    api: FakeApi, kubeconfig: Kubeconfig, authority: Authority, tmp_path: Path, through: str
) -> None:
    pair = authority.server(["api.example.com"])
    proxies = {"http": http_proxy, "socks5": socks_proxy}
    folder = tmp_path / "named"
    folder.mkdir()
    with fake_api(pair, folder=folder) as named, contextlib.ExitStack() as stack:
        proxy = stack.enter_context(proxies[through](named.port)) if through else None
        flags = Flags(kubeconfig=str(kubeconfig()), server=named.url, proxy_url=proxy.url if proxy else None)

        with pytest.raises(BadCertificate, match=r"certificate is not valid for 127\.0\.0\.1"):
            async with connect(flags) as connection:
                await connection.request("GET", "/api")
        async with connect(replace(flags, tls_server_name="api.example.com")) as connection:
            assert (await connection.request("GET", "/api")).status_code == 200

        assert named.names[-1] == "api.example.com"
        assert proxy is None or len(proxy.asked) == 2


# Proxies


async def test_the_clusters_proxy_is_gone_through(api: FakeApi, kubeconfig: Kubeconfig) -> None:
    with http_proxy(api.port) as proxy:
        url = proxy.url.replace("//", "//me:secret@")
        path = kubeconfig({"token": "t"}, {"proxy-url": url, "server": "https://api.example.com:6443"})
        async with connect(Flags(kubeconfig=str(path))) as connection:
            await connection.request("GET", "/api")

    assert proxy.asked == ["api.example.com:6443"]
    assert proxy.credentials == ["Basic " + encoded(b"me:secret")]
    assert api.tokens == ["Bearer t"]


async def test_a_socks_proxy_looks_names_up_itself(api: FakeApi, kubeconfig: Kubeconfig) -> None:
    with socks_proxy(api.port) as proxy:
        path = kubeconfig({"token": "t"}, {"proxy-url": proxy.url, "server": "https://api.example.com:6443"})
        async with connect(Flags(kubeconfig=str(path))) as connection:
            await connection.request("GET", "/api")

    assert proxy.asked == ["api.example.com:6443"]
    assert api.tokens == ["Bearer t"]


async def test_the_environments_proxy_is_gone_through_but_for_exceptions(
    api: FakeApi, kubeconfig: Kubeconfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(kubeconfig(cluster={"server": "https://api.example.com:6443"}))
    with http_proxy(api.port) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        async with connect(Flags(kubeconfig=path)) as connection:
            await connection.request("GET", "/api")
        async with connect(Flags(kubeconfig=path, server=api.url)) as connection:
            await connection.request("GET", "/api")

    assert proxy.asked == ["api.example.com:6443"]
    assert len(api.seen) == 2


# Renewal


async def test_a_rotated_token_file_is_read_when_the_old_token_is_refused(
    api: FakeApi, kubeconfig: Kubeconfig, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text("one")
    api.answer = only("one")

    async with connect(Flags(kubeconfig=str(kubeconfig({"tokenFile": "token"})))) as connection:
        assert (await connection.request("GET", "/api")).status_code == 200
        file.write_text("two")
        api.answer = only("two")
        assert (await connection.request("GET", "/api")).status_code == 200

    assert api.tokens == ["Bearer one", "Bearer one", "Bearer two"]


async def test_32_refused_requests_run_a_plugin_once(api: FakeApi, kubeconfig: Kubeconfig, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    program = (
        f"import json; runs = open({str(runs)!r}, 'a+'); runs.write('x'); runs.flush(); runs.seek(0);"
        " print(json.dumps({'apiVersion': 'client.authentication.k8s.io/v1', 'kind': 'ExecCredential',"
        " 'status': {'token': f't{len(runs.read())}'}}))"
    )
    api.answer = only("t1")
    async with connect(Flags(kubeconfig=str(kubeconfig(exec_user(program))))) as connection:
        assert (await connection.request("GET", "/api")).status_code == 200
        api.answer = only("t2")
        responses = await asyncio.gather(*(connection.request("GET", f"/api/{number}") for number in range(32)))

    assert {response.status_code for response in responses} == {200}
    assert runs.read_text() == "xx"


async def test_a_refusal_that_renewing_does_not_cure_is_returned(
    api: FakeApi, kubeconfig: Kubeconfig, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("t")
    api.answer = lambda _: Answer(401, {"kind": "Status", "reason": "Unauthorized"})

    for user in ({"token": "t"}, {"tokenFile": "token"}, exec_user(printing(token="t")), {}):
        async with connect(Flags(kubeconfig=str(kubeconfig(user)))) as connection:
            response = await connection.request("GET", "/api")
            async with connection.stream("GET", "/api") as stream:
                assert stream.json() == {"kind": "Status", "reason": "Unauthorized"}
        assert response.json() == {"kind": "Status", "reason": "Unauthorized"}

    assert len(api.seen) == 8  # none of them was sent twice: there was nothing else to send


async def test_a_plugin_that_fails_at_renewal_is_said_to(api: FakeApi, kubeconfig: Kubeconfig, tmp_path: Path) -> None:
    gone = str(tmp_path / "gone")
    program = f"import os, sys; os.path.exists({gone!r}) and sys.exit(3); " + printing(token="t")
    async with connect(Flags(kubeconfig=str(kubeconfig(exec_user(program))))) as connection:
        (tmp_path / "gone").touch()
        api.answer = lambda _: Answer(401)
        with pytest.raises(ConfigError, match="failed with exit code 3"):
            await connection.request("GET", "/api")


async def test_a_new_client_certificate_is_presented_on_new_connections(
    api: FakeApi, kubeconfig: Kubeconfig, authority: Authority, tmp_path: Path
) -> None:
    certificates = tmp_path / "credential.json"

    def rotate(name: str) -> None:
        pair = authority.client(name)
        status = {"clientCertificateData": pair.certificate.decode(), "clientKeyData": pair.key.decode()}
        certificates.write_text(
            json.dumps({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status})
        )

    rotate("one")
    user = exec_user(f"print(open({str(certificates)!r}).read())")
    async with connect(Flags(kubeconfig=str(kubeconfig(user)))) as connection:
        api.answer = lambda seen: Answer(lines=["first"]) if "watch" in seen.path else Answer()
        with pytest.raises(Unreachable, match="without a complete answer"):  # noqa: PT012
            async with connection.stream("GET", "/api/watch") as watch:
                lines = watch.aiter_lines()
                assert await anext(lines) == "first"
                rotate("two")
                api.answer = lambda seen: Answer(200 if seen.client == "two" else 401)

                assert (await connection.request("GET", "/api")).status_code == 200
                assert (await connection.request("GET", "/api")).status_code == 200
                api.over.set()  # the watch on the old certificate was left alone: it ends by the server's will
                await anext(lines)

    assert [seen.client for seen in api.seen] == ["one", "one", "two", "two"]


async def test_who_logs_in_again_meanwhile_is_heard(api: FakeApi, kubeconfig: Kubeconfig) -> None:
    api.answer = only("new")
    async with connect(Flags(kubeconfig=str(kubeconfig({"token": "old"})))) as connection:
        kubeconfig({"token": "new"})
        assert (await connection.request("GET", "/api")).status_code == 200


# Time


async def test_a_request_that_takes_too_long_is_given_up(api: FakeApi, kubeconfig: Kubeconfig) -> None:
    api.answer = lambda _: Answer(silent=True)
    path = str(kubeconfig())

    async with connect(Flags(kubeconfig=path)) as connection:
        with pytest.raises(Unreachable, match=r"didn't answer within 0.2 s"):
            await connection.request("GET", "/api", timeout=0.2)
    async with connect(Flags(kubeconfig=path, request_timeout=0.2)) as connection:
        with pytest.raises(Unreachable, match=r"didn't answer within 0.2 s"):
            await connection.request("GET", "/api", timeout=600)


async def test_a_body_that_never_ends_is_given_up(api: FakeApi, kubeconfig: Kubeconfig) -> None:
    api.answer = lambda _: Answer(lines=["{"])

    async with connect(Flags(kubeconfig=str(kubeconfig()), request_timeout=0.2)) as connection:
        with pytest.raises(Unreachable, match=r"didn't answer within 0.2 s"):
            await connection.request("GET", "/api")


async def test_a_request_timeout_of_zero_is_no_limit(
    api: FakeApi, kubeconfig: Kubeconfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits: list[float | None] = []

    def record(limit: float | None) -> anyio.CancelScope:
        limits.append(limit)
        return anyio.CancelScope()

    monkeypatch.setattr(anyio, "move_on_after", record)
    async with connect(Flags(kubeconfig=str(kubeconfig()), request_timeout=0)) as connection:
        await connection.request("GET", "/api", timeout=30)

    assert limits == [None]


async def test_a_silent_watch_is_ended_only_where_that_was_asked_for(api: FakeApi, kubeconfig: Kubeconfig) -> None:
    api.answer = lambda _: Answer(lines=["one"])
    async with connect(Flags(kubeconfig=str(kubeconfig()), request_timeout=0.1)) as connection:
        async with connection.stream("GET", "/api") as watch:
            lines = watch.aiter_lines()
            assert await anext(lines) == "one"
            nothing = asyncio.ensure_future(anext(lines))
            done, _ = await asyncio.wait([nothing], timeout=0.5)
            assert not done
            nothing.cancel()
            await asyncio.wait([nothing])
        with pytest.raises(Unreachable, match=r"within 0.2 s"):  # noqa: PT012
            async with connection.stream("GET", "/api", timeout=0.2) as watch:
                lines = watch.aiter_lines()
                assert await anext(lines) == "one"
                await anext(lines)


async def test_a_timeout_of_ones_own_is_left_alone(api: FakeApi, kubeconfig: Kubeconfig) -> None:
    api.answer = lambda _: Answer(silent=True)
    async with connect(Flags(kubeconfig=str(kubeconfig()))) as connection:
        with pytest.raises(TimeoutError), anyio.fail_after(0.2):
            await connection.request("GET", "/api", timeout=600)


async def test_logging_in_by_hand_takes_as_long_as_it_takes(
    api: FakeApi, kubeconfig: Kubeconfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit is for requests. A plugin may be waiting for somebody to type a password."""
    deadlines: list[float] = []
    renew = Credentials.after_refusal

    async def watched(self: Credentials, refused: Identity) -> Identity:
        deadlines.append(anyio.current_effective_deadline())
        return await renew(self, refused)

    monkeypatch.setattr(Credentials, "after_refusal", watched)
    api.answer = lambda _: Answer(401)
    async with connect(Flags(kubeconfig=str(kubeconfig({"token": "t"})), request_timeout=60)) as connection:
        await connection.request("GET", "/api")

    assert deadlines == [math.inf]


# Many at once


async def test_60_watches_and_32_requests_run_at_once(api: FakeApi, kubeconfig: Kubeconfig) -> None:
    together = threading.Barrier(32)

    def answer(seen: Seen) -> Answer:
        if "watch" in seen.path:
            return Answer(lines=["event"])
        together.wait(timeout=60)  # all 32 have to be under way before any is answered
        return Answer()

    api.answer = answer
    async with connect(Flags(kubeconfig=str(kubeconfig()))) as connection, contextlib.AsyncExitStack() as stack:
        for number in range(60):
            watch = await stack.enter_async_context(connection.stream("GET", f"/api/watch/{number}"))
            assert await anext(watch.aiter_lines()) == "event"
        responses = await asyncio.gather(*(connection.request("GET", f"/api/{number}") for number in range(32)))

    assert {response.status_code for response in responses} == {200}


async def test_connections_are_used_again(api: FakeApi, kubeconfig: Kubeconfig) -> None:
    async with connect(Flags(kubeconfig=str(kubeconfig()))) as connection:
        for _ in range(5):
            await connection.request("GET", "/api")

    assert len({seen.connection for seen in api.seen}) == 1


# Failures


async def failure(flags: Flags) -> Exception:
    with pytest.raises((Unreachable, NotKubernetes)) as caught:
        async with connect(flags) as connection:
            await connection.request("GET", "/api")
    return caught.value


def closed_port() -> int:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return int(unused.getsockname()[1])


async def test_a_refused_connection_is_said_in_kubectls_words() -> None:
    port = closed_port()

    error = await failure(Flags(server=f"https://127.0.0.1:{port}", token="t"))

    assert str(error) == (
        f"The connection to the server 127.0.0.1:{port} was refused - did you specify the right host or port?"
    )


async def test_an_unknown_host_is_said_in_kubectls_words() -> None:
    error = await failure(Flags(server="https://no-such-host.invalid", token="t"))

    assert str(error) == "dial tcp: lookup no-such-host.invalid: no such host"


async def test_an_unknown_authority_is_said_in_kubectls_words(api: FakeApi, tmp_path: Path) -> None:
    (tmp_path / "other.crt").write_bytes(Authority.create("other").certificate)
    for flags in (
        Flags(server=api.url),
        Flags(server=api.url, certificate_authority=str(tmp_path / "other.crt")),
    ):
        error = await failure(flags)
        assert isinstance(error, BadCertificate)
        assert str(error) == "tls: failed to verify certificate: x509: certificate signed by unknown authority"


async def test_an_expired_certificate_is_said_in_kubectls_words(
    authority: Authority, ca_file: Path, tmp_path: Path
) -> None:
    with fake_api(authority.server(["127.0.0.1"], days=-1), folder=tmp_path) as api:
        error = await failure(Flags(server=api.url, certificate_authority=str(ca_file)))

    assert str(error) == "tls: failed to verify certificate: x509: certificate has expired or is not yet valid"


async def test_a_client_certificate_that_tls_refuses_is_told_from_the_servers(
    authority: Authority, kubeconfig: Kubeconfig, tmp_path: Path
) -> None:
    """With TLS 1.2: in 1.3 the refusal comes after the handshake, and may be lost with the connection."""
    pair, stranger = authority.server(["127.0.0.1"]), Authority.create("stranger").client("jane")
    with fake_api(pair, authority.certificate, tmp_path, ssl.TLSVersion.TLSv1_2) as api:
        error = await failure(Flags(kubeconfig=str(kubeconfig(certificate_user(stranger))), server=api.url))

    assert isinstance(error, BadCertificate)
    assert "client's certificate" in error.hint


async def test_plain_http_where_tls_was_expected_is_said_in_kubectls_words() -> None:
    with fake_api(None) as api:
        error = await failure(Flags(server=api.url.replace("http:", "https:")))

    assert isinstance(error, NotKubernetes)
    assert str(error) == "http: server gave HTTP response to HTTPS client"


async def test_a_server_that_does_not_speak_http_is_no_kubernetes() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"220 mail.example.com ESMTP\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        error = await failure(Flags(server=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"))

    assert isinstance(error, NotKubernetes)


async def test_a_connection_that_breaks_may_be_worth_another_try(api: FakeApi, kubeconfig: Kubeconfig) -> None:
    api.answer = lambda _: Answer(break_off=True)

    error = await failure(Flags(kubeconfig=str(kubeconfig())))

    assert type(error) is Unreachable
    assert api.url.removeprefix("https://") in str(error)


async def test_a_proxy_that_is_not_there_is_no_answer(kubeconfig: Kubeconfig) -> None:
    error = await failure(Flags(kubeconfig=str(kubeconfig()), proxy_url=f"http://me:SECRET@127.0.0.1:{closed_port()}"))

    assert type(error) is NobodyThere
    assert "SECRET" not in str(error)


# Secrets


@pytest.fixture
def everything_logged(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    request_log.logger.setLevel(request_log.level(10))
    with caplog.at_level(1):
        yield caplog
    request_log.logger.setLevel(logging.NOTSET)


@pytest.mark.parametrize("kind", ["token", "tokenFile", "basic", "exec", "exec-certificate", "certificate"])
async def test_credentials_are_in_no_log_repr_error_or_traceback(
    api: FakeApi,
    kubeconfig: Kubeconfig,
    authority: Authority,
    tmp_path: Path,
    everything_logged: pytest.LogCaptureFixture,
    kind: str,
) -> None:
    pair = authority.client("jane")
    (tmp_path / "token").write_text("SECRET")
    key = pair.key.decode().splitlines()[1]
    user = {
        "token": {"token": "SECRET"},
        "tokenFile": {"tokenFile": "token"},
        "basic": {"username": "u", "password": "SECRET"},
        "exec": exec_user(printing(token="SECRET")),
        "exec-certificate": exec_user(
            printing(clientCertificateData=pair.certificate.decode(), clientKeyData=pair.key.decode())
        ),
        "certificate": certificate_user(pair),
    }[kind]
    secrets = ["SECRET", encoded(b"u:SECRET"), key, encoded(pair.key)]
    shown: list[str] = []

    def show(error: BaseException) -> None:
        lines = traceback.TracebackException.from_exception(error, capture_locals=True).format()
        shown.extend(line for line in lines if "tests/kube" not in line)

    for answer in (Answer(200), Answer(401), Answer(break_off=True)):
        api.answer = lambda _, answer=answer: answer  # type: ignore[misc]
        try:
            async with connect(Flags(kubeconfig=str(kubeconfig(user)))) as connection:
                shown += [repr(connection), repr(vars(connection)), str(connection.target)]
                await connection.request("GET", "/api/v1/pods")
        except Unreachable as error:
            show(error)

    assert [record for record in everything_logged.records if record.name.startswith("httpcore")]
    text = everything_logged.text + "".join(shown)
    assert [secret for secret in secrets if secret in text] == []


async def test_flags_do_not_show_the_token() -> None:
    assert "SECRET" not in repr(Flags(token="SECRET", password="SECRET"))


def test_nothing_heavy_is_imported_before_a_connection_is_made() -> None:
    program = (
        "import sys; import kubectl_glasskube_purge.kube.connect;"
        " print([name for name in ('httpx', 'kr8s', 'cryptography', 'yaml', 'ruamel.yaml') if name in sys.modules])"
    )

    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]
    )

    assert found.stdout.strip() == "[]"


async def test_kr8s_does_not_warn_of_versions(
    api: FakeApi, kubeconfig: Kubeconfig, recwarn: pytest.WarningsRecorder
) -> None:
    api.answer = lambda _: Answer(body={"gitVersion": "v1.99.0"})

    async with connect(Flags(kubeconfig=str(kubeconfig()))) as connection:
        await connection.request("GET", "/version")

    assert [warning for warning in recwarn if "kr8s" in str(warning.message)] == []
    assert os.environ.get("KUBECONFIG") is None
