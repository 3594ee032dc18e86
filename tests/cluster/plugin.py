"""Runs the plugin under test as a process, apart from everything of the user's.

Its home, its caches and its kubeconfig are those of the test cluster: nothing
of the machine's own kubeconfig, proxies or caches gets in.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from tests.cluster.controlplane import ControlPlane

_ROOT = Path(__file__).parents[2]
PLUGIN = "kubectl_glasskube_purge"
RENDERED = "tests.cluster.rendered"
"""The plugin for which the renditions are the releases."""
_KEPT = ("PATH", "LANG", "LC_ALL", "TZ", "TMPDIR", "VIRTUAL_ENV", "COVERAGE_PROCESS_START", "SYSTEMROOT")


@dataclass(frozen=True)
class Result:
    """What a run of the plugin left."""

    returncode: int
    stdout: str
    stderr: str

    @property
    def document(self) -> Any:
        """stdout as the one JSON document it has to be with `-o json`. Raises `ValueError`."""
        return json.loads(self.stdout)

    def __str__(self) -> str:
        return f"exit {self.returncode}\n--- stdout\n{self.stdout}\n--- stderr\n{self.stderr}"


def environment(cluster: ControlPlane, env: Mapping[str, str | None] | None = None) -> dict[str, str]:
    """The plugin's environment: an own home, the test cluster's kubeconfig, no proxies. `env` adds; None removes."""
    home = cluster.directory / "home"
    folders = {"HOME": home, "XDG_CACHE_HOME": home / "cache", "XDG_STATE_HOME": home / "state"}
    folders["XDG_CONFIG_HOME"] = home / "config"
    for folder in folders.values():
        folder.mkdir(parents=True, exist_ok=True)
    result: dict[str, str | None] = {
        **{name: os.environ[name] for name in _KEPT if name in os.environ},
        **{name: str(folder) for name, folder in folders.items()},
        "KUBECONFIG": str(cluster.kubeconfig),
        "PYTHONPATH": str(_ROOT),
        "PYTHONUNBUFFERED": "1",
        **(env or {}),
    }
    return {name: value for name, value in result.items() if value is not None}


def purge(
    cluster: ControlPlane,
    *arguments: str,
    input: str | None = None,
    env: Mapping[str, str | None] | None = None,
    timeout: float = 300,
    module: str = PLUGIN,
) -> Result:
    """Runs `kubectl-glasskube-purge` with `arguments` to its end; `module` may be `RENDERED`.

    stdin is `input`, or closed. Raises `subprocess.TimeoutExpired` after `timeout` seconds: a hang is a failure.
    """
    done = subprocess.run(
        command(*arguments, module=module),
        input="" if input is None else input,
        capture_output=True,
        text=True,
        env=environment(cluster, env),
        cwd=cluster.directory,
        timeout=timeout,
        check=False,
    )
    return Result(done.returncode, done.stdout, done.stderr)


def start_purge(
    cluster: ControlPlane,
    *arguments: str,
    env: Mapping[str, str | None] | None = None,
    stdout: int | IO[Any] = subprocess.PIPE,
    stderr: int | IO[Any] = subprocess.PIPE,
) -> subprocess.Popen[str]:
    """Starts the plugin and returns its process, for tests that interrupt it. In a process group of its own."""
    return subprocess.Popen(
        command(*arguments),
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        text=True,
        env=environment(cluster, env),
        cwd=cluster.directory,
        start_new_session=True,
    )


def command(*arguments: str, module: str = PLUGIN) -> list[str]:
    """The command line of the plugin."""
    return [sys.executable, "-m", module, *arguments]
