"""A purge that ends in the middle, however it ends: the next one finishes the job.

All crash points are gone through by `make test-crash`; the ordinary run takes one
purge that is killed again and again.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from tests.cluster.controlplane import ControlPlane
from tests.cluster.dump import Dump, settled_difference
from tests.cluster.faults import Faults, faults
from tests.cluster.install import WantedPackage
from tests.cluster.plugin import Result, command, environment, purge, start_purge
from tests.report.terminal import terminal

from . import install

FIVE_PACKAGES = (
    WantedPackage("ClusterPackage", "app"),  # brings gateway, and that brings certs
    WantedPackage("ClusterPackage", "dashboard"),
    WantedPackage("Package", "orders", "shop", package="postgres"),
)
"""Plain and Helm, a chain of three, one in a user's namespace."""

OUTLIVES = ("PersistentVolumeClaim shop/data-*", "PersistentVolume pvc-*")
"""A StatefulSet's volumes outlive their chart in a namespace that stays."""

PURGE = ("--offline", "--yes", "-o", "json")
"""The first one of a test also waits until the operator, started anew with the cluster, has looked at everything."""


def stopped_after(
    cluster: ControlPlane, change: int, *signals: int, arguments: Sequence[str] = (*PURGE, "--wait-idle=2m")
) -> tuple[Result, Faults]:
    """A purge that gets these signals, one after the other, when its n-th change was answered; and the proxy it used.

    SIGKILL lets nothing through any more that changes something; after other
    signals what is under way may finish.
    """
    with faults(cluster) as proxy:
        process = start_purge(cluster, *arguments, env={"KUBECONFIG": str(proxy.kubeconfig)})

        def stop() -> None:
            for number in signals:
                os.kill(process.pid, number)

        proxy.after_change(change, stop, last=signal.SIGKILL in signals)
        stdout, stderr = end_of(process)
    return Result(process.returncode, stdout, stderr), proxy


def end_of(process: subprocess.Popen[str], timeout: float = 240) -> tuple[str, str]:
    """What it printed. Raises `AssertionError` with that if it doesn't end in time, in seconds."""
    try:
        return process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        raise AssertionError(f"not ended in {timeout:.0f} s: {process.communicate()}") from None


def finish(cluster: ControlPlane, before: Dump) -> None:
    """The next run is clean, and the cluster as if Glasskube had never been there."""
    result = purge(cluster, *PURGE)
    assert result.returncode == 0, str(result)
    assert result.document["outcome"] in ("clean", "nothing-to-do")
    assert result.document["outcome"] == "nothing-to-do" or result.document["flux"]["decision"] != "keep", str(result)
    left = settled_difference(cluster, before, OUTLIVES)
    assert not left, "\n".join(["the cluster isn't as before:", *left])


def crash_and_finish(cluster: ControlPlane, change: int) -> bool:
    """Kills a purge after its n-th change and lets the next one finish. False: there was no n-th change."""
    before = install.installed(cluster, packages=FIVE_PACKAGES)
    result, proxy = stopped_after(cluster, change, signal.SIGKILL)
    if proxy.changes < change:
        assert result.returncode == 0, str(result)
        return False
    assert result.returncode == -signal.SIGKILL, result
    finish(cluster, before)
    return True


SHARES = range(8)
"""The tests that all crash points are divided among, so that they run side by side."""


def sweep(share: int, survives: Callable[[int], bool]) -> int:
    """Goes through a share of the crash points, up to the first that isn't there. Returns how many there were."""
    points = 0
    while survives(change := share + 1 + points * len(SHARES)):
        print(f"survived a crash after change {change}")  # shown if the next one isn't
        points += 1
    return points


@pytest.mark.crash
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("share", SHARES)
def test_the_next_run_finishes_after_a_crash_at_any_point(cluster: ControlPlane, share: int) -> None:
    assert sweep(share, lambda change: crash_and_finish(cluster, change)) > 5


@pytest.mark.crash
def test_a_purge_that_is_killed_again_and_again_comes_to_its_end(cluster: ControlPlane) -> None:
    before = install.installed(cluster, packages=FIVE_PACKAGES)
    crashes = 0
    while True:
        result, _ = stopped_after(cluster, 9 + crashes, signal.SIGKILL)
        if result.returncode != -signal.SIGKILL:
            break
        crashes += 1
    assert result.returncode == 0, str(result)
    assert result.document["outcome"] == "clean"
    assert crashes >= 4
    finish(cluster, before)


def test_whoever_interrupts_it_is_told_that_it_goes_on_where_it_stopped(cluster: ControlPlane) -> None:
    before = install.installed(cluster, packages=FIVE_PACKAGES)

    once, proxy = stopped_after(cluster, 7, signal.SIGINT)
    assert once.returncode == 130, once
    assert once.document["outcome"] == "interrupted"
    assert "goes on where it stopped" in once.document["error"]["hint"]
    assert claims(cluster) == [], "the claim wasn't given back"
    # What was under way finishes; the pending ones aren't begun.
    pending = [one for stage in once.document["stages"] for one in stage["objects"] if one["outcome"] == "pending"]
    assert len(pending) > 20
    assert proxy.changes < 20

    ended, _ = stopped_after(cluster, 9, signal.SIGTERM)
    assert ended.returncode == 143, ended
    assert ended.document["outcome"] == "interrupted"

    twice, _ = stopped_after(cluster, 9, signal.SIGINT, signal.SIGINT)
    assert twice.returncode in (130, -signal.SIGINT), twice

    finish(cluster, before)


def terminal_lost_after(cluster: ControlPlane, change: int) -> int:
    """Exit code of a purge whose terminal goes away when its n-th change was answered."""
    reached, lost = threading.Event(), threading.Event()

    def stop() -> None:
        reached.set()
        lost.wait(60)  # the answer isn't passed on before

    with faults(cluster) as proxy:
        proxy.after_change(change, stop, last=False)
        env = environment(cluster, {"KUBECONFIG": str(proxy.kubeconfig)})
        with terminal(*command("--offline", "--yes", "--wait-idle=2m")[1:], env=env) as window:
            window.wait(reached.is_set, timeout=240)
            window.hang_up()
            lost.set()
            return window.process.wait(120)


def claims(cluster: ControlPlane) -> list[str]:
    """The claims on Glasskube's namespace."""
    namespace = cluster.api.get("v1", "Namespace", install.NAMESPACE) or {"metadata": {}}
    annotations: dict[str, Any] = namespace["metadata"].get("annotations") or {}
    return [value for name, value in annotations.items() if name == "glasskube-purge/claim"]


def test_an_interruption_changes_nothing_before_the_first_delete_and_a_lost_terminal_ends_in_order_after_it(
    cluster: ControlPlane,
) -> None:
    before = install.installed(cluster, packages=FIVE_PACKAGES)
    with faults(cluster) as proxy:
        process = start_purge(cluster, *PURGE, env={"KUBECONFIG": str(proxy.kubeconfig)})
        cluster.wait("the survey to begin", lambda: True if len(proxy.exchanges) > 5 else None)
        os.kill(process.pid, signal.SIGINT)
        stdout, stderr = end_of(process)
    result = Result(process.returncode, stdout, stderr)

    assert result.returncode == 130, result
    assert result.document["outcome"] == "interrupted"
    assert proxy.changes == 0

    assert terminal_lost_after(cluster, 8) == 128 + signal.SIGHUP
    assert cluster.api.get("v1", "Namespace", install.NAMESPACE) is not None
    assert claims(cluster) == [], "the claim wasn't given back"
    finish(cluster, before)
