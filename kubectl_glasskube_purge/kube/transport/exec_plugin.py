"""Credentials from a program: `client.authentication.k8s.io`, v1 and v1beta1.

kr8s runs such programs too, but without `KUBERNETES_EXEC_INFO`, interactive
mode, expiry, and install hint. What is done with a credential, and when the next
one is due, is `credentials`'. The protocol:
https://kubernetes.io/docs/reference/config-api/client-authentication.v1/
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import anyio

from kubectl_glasskube_purge.kube.config.client_config import Cluster
from kubectl_glasskube_purge.kube.config.kubeconfig import Entry, text
from kubectl_glasskube_purge.kube.errors import ConfigError

from .tls import ClientCertificate, authority

_VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")
_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d)(?:\.\d+)?([Zz]|[+-]\d\d:\d\d)")

around: Callable[[], AbstractContextManager[None]] = contextlib.nullcontext
"""Entered while a plugin runs. A screen that draws on the terminal adds here what hides it."""


@dataclass(frozen=True)
class ExecCredential:
    """What a plugin printed."""

    token: str = field(default="", repr=False)
    certificate: ClientCertificate | None = field(default=None, repr=False)
    expires: float | None = None
    """Seconds since the epoch; None where the plugin didn't say."""


async def run(plugin: Entry, cluster: Cluster) -> ExecCredential:
    """Runs the plugin; returns what it printed.

    What it writes to stderr goes to ours: it may be asking to open a browser.
    Raises `ConfigError` where it can't be run, fails, or prints no credential.
    """
    version = text(plugin.get("apiVersion"))
    if version not in _VERSIONS:
        raise ConfigError(f"exec plugin: invalid apiVersion {json.dumps(version)}")
    interactive = _interactive(plugin)
    environ = {
        **os.environ,
        **{text(pair.get("name")): text(pair.get("value")) for pair in plugin.get("env") or ()},
        "KUBERNETES_EXEC_INFO": json.dumps(_info(plugin, cluster, version, interactive)),
    }
    name = text(plugin.get("command"))
    command = _executable(name, plugin)
    try:
        with around():
            finished = await anyio.run_process(
                [command, *(text(argument) for argument in plugin.get("args") or ())],
                stdin=None if interactive else subprocess.DEVNULL,
                stderr=None,
                env=environ,
                check=False,
            )
    except OSError as error:
        raise ConfigError(f"getting credentials: exec: {name}: {(error.strerror or 'failed').lower()}") from None
    if finished.returncode:
        raise ConfigError(
            f"getting credentials: exec: executable {name} failed with exit code {finished.returncode}",
            hint="Its own message stands above. Log in again, or run it by hand.",
        )
    try:
        return _parse(finished.stdout, version)
    except ConfigError as error:
        raise ConfigError(f"getting credentials: {error.message}", hint=f"Run it by hand: {name}") from None


def _executable(name: str, plugin: Entry) -> str:
    """The program's file, searched for in our PATH as kubectl does, not in the plugin's.

    As Go's os/exec does, nothing is run that an empty or relative entry of PATH leads to: in the current folder
    others may have put it. Raises `ConfigError`.
    """
    found = shutil.which(name)
    if found is None:
        raise ConfigError(f"getting credentials: exec: executable {name} not found", hint=_install_hint(plugin))
    if os.path.isabs(found) or os.path.dirname(name):
        return found
    absolute = os.pathsep.join(filter(os.path.isabs, os.environ.get("PATH", "").split(os.pathsep)))
    if (found := shutil.which(name, path=absolute)) is None or not os.path.isabs(found):
        raise ConfigError(
            f"getting credentials: exec: executable {name} is found only relative to the current folder",
            hint="Remove empty and relative entries from PATH, or give the command's whole path in the kubeconfig.",
        )
    return found


def _interactive(plugin: Entry) -> bool:
    terminal = sys.stdin is not None and sys.stdin.isatty()
    mode = text(plugin.get("interactiveMode")) or "IfAvailable"
    if mode == "Always" and not terminal:
        raise ConfigError(
            "getting credentials: exec plugin cannot support interactive mode: standard input is not a terminal",
            hint="Run this in a terminal: the plugin wants to ask something.",
        )
    return terminal and mode != "Never"


def _info(plugin: Entry, cluster: Cluster, version: str, interactive: bool) -> dict[str, Any]:
    spec: dict[str, Any] = {"interactive": interactive}
    if plugin.get("provideClusterInfo"):
        optional = {
            "tls-server-name": cluster.tls_server_name,
            "insecure-skip-tls-verify": cluster.insecure_skip_tls_verify,
            "certificate-authority-data": base64.b64encode(authority(cluster)).decode(),
            "proxy-url": cluster.proxy_url,
            "disable-compression": cluster.disable_compression,
        }
        spec["cluster"] = {
            "server": cluster.server,
            **{key: value for key, value in optional.items() if value},
            "config": cluster.exec_config,
        }
    return {"kind": "ExecCredential", "apiVersion": version, "spec": spec}


def _install_hint(plugin: Entry) -> str:
    """The kubeconfig's own hint, on one line."""
    return (
        " ".join(text(plugin.get("installHint")).split())
        or "Install it, or check users[].user.exec.command in the kubeconfig."
    )


def _parse(output: bytes, version: str) -> ExecCredential:
    # What the plugin printed may be a credential, however malformed: no message repeats it.
    try:
        document = json.loads(output)
    except ValueError:
        raise ConfigError("decoding stdout: not JSON") from None
    if not isinstance(document, dict) or document.get("kind") != "ExecCredential":
        raise ConfigError("decoding stdout: not an ExecCredential")
    if document.get("apiVersion") != version:
        raise ConfigError(
            f"exec plugin is configured to use API version {version},"
            f" plugin returned version {text(document.get('apiVersion'))}"
        )
    status = document.get("status")
    if not isinstance(status, dict):
        raise ConfigError("exec plugin didn't return a status field")
    token, certificate, key = (text(status.get(name)) for name in ("token", "clientCertificateData", "clientKeyData"))
    if not token and not certificate and not key:
        raise ConfigError("exec plugin didn't return a token or cert/key pair")
    if bool(certificate) != bool(key):
        raise ConfigError("exec plugin returned only certificate or key, not both")
    return ExecCredential(
        token=token,
        certificate=ClientCertificate(certificate.encode(), key.encode()) if certificate else None,
        expires=_expires(text(status.get("expirationTimestamp"))),
    )


def _expires(timestamp: str) -> float | None:
    if not timestamp:
        return None
    match = _RFC3339.fullmatch(timestamp)
    if match is None:
        raise ConfigError("decoding stdout: expirationTimestamp is not an RFC 3339 time")
    # Python 3.10 reads neither `Z` nor nine digits of a second.
    moment, offset = match.groups()
    return datetime.fromisoformat(moment + ("+00:00" if offset in "Zz" else offset)).timestamp()
