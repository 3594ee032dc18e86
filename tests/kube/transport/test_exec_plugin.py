"""Exec plugins: what they are told, what they may answer, what is said when they can't."""

from __future__ import annotations

import io
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kubectl_glasskube_purge.kube.config.client_config import Cluster
from kubectl_glasskube_purge.kube.errors import ConfigError
from kubectl_glasskube_purge.kube.transport import exec_plugin

V1 = "client.authentication.k8s.io/v1"
V1BETA1 = "client.authentication.k8s.io/v1beta1"
CLUSTER = Cluster(
    "https://10.0.0.1:6443", certificate_authority_data="Q0E=", tls_server_name="api", exec_config={"a": 1}
)

Plugin = Callable[..., dict[str, Any]]


@pytest.fixture
def plugin(tmp_path: Path) -> Plugin:
    """Makes a plugin that notes what it was told and prints what it is given to print."""

    def make(prints: object, version: str = V1, exit_code: int = 0, **settings: Any) -> dict[str, Any]:
        output = prints if isinstance(prints, str) else json.dumps(prints)
        script = tmp_path / "plugin.py"
        script.write_text(
            "import json, os, sys\n"
            f"told = {{'info': json.loads(os.environ['KUBERNETES_EXEC_INFO']), 'argv': sys.argv[1:],"
            " 'mark': os.environ.get('MARK'), 'stdin': sys.stdin.read() if not sys.stdin.isatty() else 'terminal'}\n"
            f"json.dump(told, open({str(tmp_path / 'told.json')!r}, 'w'))\n"
            f"print({output!r})\n"
            f"sys.exit({exit_code})\n"
        )
        return {
            "apiVersion": version,
            "command": sys.executable,
            "args": [str(script), "get-token"],
            "interactiveMode": "Never",
            **settings,
        }

    return make


@pytest.fixture
def told(tmp_path: Path) -> Callable[[], dict[str, Any]]:
    """What the plugin was told."""

    def read() -> dict[str, Any]:
        result: dict[str, Any] = json.loads((tmp_path / "told.json").read_text())
        return result

    return read


def credential(version: str = V1, **status: Any) -> dict[str, Any]:
    return {"apiVersion": version, "kind": "ExecCredential", "status": status}


@pytest.mark.parametrize("version", [V1, V1BETA1])
async def test_a_token_is_taken_in_both_versions(plugin: Plugin, version: str) -> None:
    found = await exec_plugin.run(plugin(credential(version, token="t"), version), CLUSTER)

    assert (found.token, found.certificate, found.expires) == ("t", None, None)


async def test_a_certificate_and_an_expiry_are_taken(plugin: Plugin) -> None:
    status = {
        "clientCertificateData": "CERT",
        "clientKeyData": "KEY",
        "expirationTimestamp": "2033-05-18T03:33:20.123456789Z",
    }

    found = await exec_plugin.run(plugin(credential(**status)), CLUSTER)

    assert found.certificate is not None
    assert (found.certificate.certificate, found.certificate.key) == (b"CERT", b"KEY")
    assert found.expires == 2_000_000_000


async def test_an_offset_in_an_expiry_is_understood(plugin: Plugin) -> None:
    found = await exec_plugin.run(
        plugin(credential(token="t", expirationTimestamp="2033-05-18T05:33:20+02:00")), CLUSTER
    )

    assert found.expires == 2_000_000_000


async def test_a_plugin_is_told_its_version_arguments_and_environment(
    plugin: Plugin, told: Callable[[], dict[str, Any]]
) -> None:
    await exec_plugin.run(plugin(credential(token="t"), env=[{"name": "MARK", "value": "here"}]), CLUSTER)

    assert told() == {
        "info": {"apiVersion": V1, "kind": "ExecCredential", "spec": {"interactive": False}},
        "argv": ["get-token"],
        "mark": "here",
        "stdin": "",
    }


async def test_a_plugin_that_wants_to_know_the_cluster_is_told_of_it(
    plugin: Plugin, told: Callable[[], dict[str, Any]]
) -> None:
    await exec_plugin.run(plugin(credential(token="t"), provideClusterInfo=True), CLUSTER)

    assert told()["info"]["spec"]["cluster"] == {
        "server": "https://10.0.0.1:6443",
        "tls-server-name": "api",
        "certificate-authority-data": "Q0E=",
        "config": {"a": 1},
    }


@pytest.mark.skipif(os.name == "nt", reason="pseudo-terminals")
@pytest.mark.parametrize(
    ("mode", "interactive"), [("Never", False), ("IfAvailable", True), ("Always", True), ("", True)]
)
async def test_in_a_terminal_a_plugin_may_ask_where_its_mode_lets_it(
    plugin: Plugin,
    told: Callable[[], dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
    mode: str,
    interactive: bool,
) -> None:
    _, terminal = os.openpty()
    saved = os.dup(0)
    os.dup2(terminal, 0)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.FileIO(0, closefd=False)))
    try:
        await exec_plugin.run(plugin(credential(V1BETA1, token="t"), V1BETA1, interactiveMode=mode or None), CLUSTER)
    finally:
        os.dup2(saved, 0)

    assert told()["info"]["spec"]["interactive"] is interactive
    assert told()["stdin"] == ("terminal" if interactive else "")


@pytest.mark.parametrize("stdin", [io.StringIO(), None])
async def test_without_a_terminal_a_plugin_may_not_ask(
    plugin: Plugin, told: Callable[[], dict[str, Any]], monkeypatch: pytest.MonkeyPatch, stdin: io.StringIO | None
) -> None:
    monkeypatch.setattr(sys, "stdin", stdin)

    await exec_plugin.run(plugin(credential(token="t"), interactiveMode="IfAvailable"), CLUSTER)
    assert told()["info"]["spec"]["interactive"] is False

    with pytest.raises(ConfigError, match="standard input is not a terminal"):
        await exec_plugin.run(plugin(credential(token="t"), interactiveMode="Always"), CLUSTER)


async def test_a_missing_plugin_is_named_with_its_install_hint_on_one_line() -> None:
    hint = "Install \x1b[31mit\x1b[0m:\n  brew install no-such-plugin"

    with pytest.raises(ConfigError) as caught:
        await exec_plugin.run(
            {"apiVersion": V1, "command": "no-such-plugin", "interactiveMode": "Never", "installHint": hint}, CLUSTER
        )

    assert caught.value.message == "getting credentials: exec: executable no-such-plugin not found"
    assert caught.value.hint == "Install \x1b[31mit\x1b[0m: brew install no-such-plugin"


async def test_a_plugin_is_looked_for_in_our_path_and_not_in_its_own(
    plugin: Plugin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    settings = plugin(credential(token="t"), env=[{"name": "PATH", "value": "/nowhere"}])

    found = await exec_plugin.run({**settings, "command": Path(sys.executable).name}, CLUSTER)

    assert found.token == "t"


@pytest.mark.skipif(os.name == "nt", reason="a file is made executable")
@pytest.mark.parametrize("entry", ["", ".", "bin"])
async def test_a_plugin_is_never_run_from_a_folder_relative_to_the_current_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entry: str
) -> None:
    """Whoever can write a file where the user works must not be able to run a program as the user."""
    planted = tmp_path / entry / "get-token"
    planted.parent.mkdir(exist_ok=True)
    planted.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    planted.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"/nowhere{os.pathsep}{entry}{os.pathsep}/bin")

    with pytest.raises(ConfigError, match="executable get-token is found only relative to the current folder"):
        await exec_plugin.run({"apiVersion": V1, "command": "get-token", "interactiveMode": "Never"}, CLUSTER)

    assert not (tmp_path / "ran").exists()


@pytest.mark.skipif(os.name == "nt", reason="a file is made executable")
async def test_a_plugin_is_found_behind_an_entry_of_path_that_is_relative(
    plugin: Plugin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{os.pathsep}.{os.pathsep}{Path(sys.executable).parent}")
    settings = {**plugin(credential(token="t")), "command": Path(sys.executable).name}

    assert (await exec_plugin.run(settings, CLUSTER)).token == "t"


async def test_a_plugin_that_fails_is_named_with_its_exit_code(plugin: Plugin) -> None:
    with pytest.raises(ConfigError, match=r"exec: executable .*python\S* failed with exit code 7"):
        await exec_plugin.run(plugin("", exit_code=7), CLUSTER)


@pytest.mark.parametrize(
    ("prints", "message"),
    [
        ("SECRET", "decoding stdout: not JSON"),
        ('["SECRET"]', "decoding stdout: not an ExecCredential"),
        ({"apiVersion": V1, "kind": "Pod", "status": {"token": "SECRET"}}, "decoding stdout: not an ExecCredential"),
        (
            credential(V1BETA1, token="SECRET"),
            f"exec plugin is configured to use API version {V1}, plugin returned version {V1BETA1}",
        ),
        ({"apiVersion": V1, "kind": "ExecCredential"}, "exec plugin didn't return a status field"),
        (credential(), "exec plugin didn't return a token or cert/key pair"),
        (credential(clientKeyData="SECRET"), "exec plugin returned only certificate or key, not both"),
        (
            credential(token="SECRET", expirationTimestamp="tomorrow"),
            "decoding stdout: expirationTimestamp is not an RFC 3339 time",
        ),
    ],
)
async def test_a_wrong_answer_is_said_without_showing_it(plugin: Plugin, prints: object, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        await exec_plugin.run(plugin(prints), CLUSTER)

    assert caught.value.message == f"getting credentials: {message}"
    assert "SECRET" not in caught.value.message + caught.value.hint


async def test_a_version_nobody_knows_is_refused() -> None:
    with pytest.raises(
        ConfigError, match=r'exec plugin: invalid apiVersion "client\.authentication\.k8s\.io/v1alpha1"'
    ):
        await exec_plugin.run({"apiVersion": "client.authentication.k8s.io/v1alpha1", "command": "x"}, CLUSTER)


async def test_what_a_plugin_printed_is_not_shown(plugin: Plugin) -> None:
    found = await exec_plugin.run(
        plugin(credential(token="SECRET", clientCertificateData="SECRET", clientKeyData="SECRET")), CLUSTER
    )

    assert "SECRET" not in repr(found)


async def test_expiry_is_in_the_clock_of_this_machine(plugin: Plugin) -> None:
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))

    found = await exec_plugin.run(plugin(credential(token="t", expirationTimestamp=stamp)), CLUSTER)

    assert found.expires is not None
    assert abs(found.expires - time.time() - 3600) < 60
