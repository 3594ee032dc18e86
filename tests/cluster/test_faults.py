"""The API server's moods: a purge outlasts them, and touches nothing it didn't plan, whatever it wasn't told.

Faults come by a seed (`faults.py`). All twenty seeds run by `make test-crash`.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml

from tests.cluster.controlplane import ControlPlane
from tests.cluster.dump import settled_difference
from tests.cluster.far import Far
from tests.cluster.faults import Faults, faults
from tests.cluster.plugin import Result, purge, start_purge
from tests.cluster.test_crash import FIVE_PACKAGES, OUTLIVES, PURGE, end_of, finish

from . import install

FIRST = (*PURGE, "--wait-idle=2m")
SEEDS = 20
Touched = tuple[str, str, str, str]
"""Group, plural, namespace and name."""


def planned(cluster: ControlPlane) -> set[Touched]:
    """What a purge of this cluster would touch, as its preview says."""
    result = purge(cluster, "--offline", "--dry-run", "--ignore-busy", "-o", "json")
    assert result.returncode == 0, result
    plurals = {(kind.group, kind.kind): kind.plural for kind in cluster.api.kinds()}
    found: set[Touched] = set()
    for stage in result.document["stages"]:
        for one in stage["objects"]:
            group = one["apiVersion"].rpartition("/")[0]
            found.add((group, plurals[group, one["kind"]], one["namespace"], one["name"]))
    return found


def changes(cluster: ControlPlane, position: int) -> Iterator[tuple[str, Touched]]:
    """What the purges since then asked to be changed, as the API server's audit log has it: verb and object."""
    for entry in cluster.audit(position):
        reads = entry["verb"] in ("get", "list", "watch")
        if reads or not entry["userAgent"].startswith("kubectl-glasskube-purge"):
            continue
        object_ref = entry.get("objectRef", {})
        if object_ref.get("resource", "").startswith("selfsubject"):
            continue
        namespace = object_ref.get("namespace", "") if object_ref["resource"] != "namespaces" else ""
        named = (object_ref.get("apiGroup", ""), object_ref["resource"], namespace, object_ref.get("name", ""))
        yield entry["verb"], named


def outlasts(cluster: ControlPlane, seed: int) -> None:
    before = install.installed(cluster, packages=FIVE_PACKAGES)
    wanted = planned(cluster)
    position = cluster.audit_position()

    with faults(cluster, seed=seed, rate=0.2, page=20) as proxy:
        result = purge(cluster, *FIRST, env={"KUBECONFIG": str(proxy.kubeconfig)}, timeout=400)
        hit = proxy.hits

    assert result.returncode == 0, f"seed {seed}: {result}"
    assert result.document["outcome"] == "clean"
    asked = list(changes(cluster, position))
    assert len({named for verb, named in asked if verb == "delete"}) > 30
    strangers = [one for one in asked if one[1] not in wanted]
    assert not strangers, f"seed {seed}: touched and not planned: {strangers}"
    assert sum(hit.values()) > 30
    assert len(hit) > 8, hit
    left = settled_difference(cluster, before, OUTLIVES)
    assert not left, "\n".join([f"seed {seed}: the cluster isn't as before:", *left])


@pytest.mark.crash
@pytest.mark.parametrize("seed", range(1, SEEDS + 1))
def test_with_every_fifth_request_failing_it_is_clean_and_touches_what_it_planned(
    cluster: ControlPlane, seed: int
) -> None:
    outlasts(cluster, seed)


@pytest.mark.crash
def test_a_far_server_whose_connections_are_reset_is_purged_as_it_should(cluster: ControlPlane) -> None:
    """300 ms away, with 2 % of the connections reset: of this seed the first one, and one of the first dozen."""
    before = install.installed(cluster, packages=FIVE_PACKAGES)
    with Far(cluster, 0.3, resets=0.02, seed=184907) as far:
        result = purge(cluster, *FIRST, env={"KUBECONFIG": str(far.kubeconfig)})
        assert far.reset >= 2

    assert result.document["outcome"] == "clean", result
    left = settled_difference(cluster, before, OUTLIVES)
    assert not left, left


def when_under_way(cluster: ControlPlane, count: int = 10) -> Callable[[], None]:
    """Waits until a purge that was started since has sent that many changes."""
    position = cluster.audit_position()

    def wait() -> None:
        cluster.wait(
            "the purge to be under way",
            lambda: True if len(list(changes(cluster, position))) >= count else None,
        )

    return wait


def test_an_api_server_that_restarts_is_waited_for(cluster: ControlPlane) -> None:
    before = install.installed(cluster, packages=FIVE_PACKAGES)
    under_way = when_under_way(cluster)
    process = start_purge(cluster, *FIRST)
    under_way()

    cluster.restart_apiserver()
    stdout, stderr = end_of(process)

    result = Result(process.returncode, stdout, stderr)
    assert result.returncode == 0, result
    assert result.document["outcome"] == "clean"
    left = settled_difference(cluster, before, OUTLIVES)
    assert not left, left


@pytest.mark.crash
def test_an_api_server_that_stays_away_is_not_waited_for_longer_than_asked(cluster: ControlPlane) -> None:
    before = install.installed(cluster, packages=FIVE_PACKAGES)

    under_way = when_under_way(cluster)
    # Long enough to be under way on a slow machine, too: the survey counts.
    process = start_purge(cluster, *PURGE, "--ignore-busy", "--timeout=60s")
    under_way()
    cluster.stop_apiserver()
    stdout, stderr = end_of(process, timeout=180)
    late = Result(process.returncode, stdout, stderr)
    assert late.returncode == 5, late
    assert late.document["outcome"] == "incomplete"
    assert late.document["error"]["code"] == "timeout"
    assert "refused" in late.document["error"]["message"]

    cluster.start_apiserver()
    finish(cluster, before)


@pytest.mark.crash
def test_whoever_interrupts_while_nobody_answers_is_not_made_to_wait(cluster: ControlPlane) -> None:
    before = install.installed(cluster, packages=FIVE_PACKAGES)
    under_way = when_under_way(cluster)
    process = start_purge(cluster, *FIRST)
    under_way()

    cluster.stop_apiserver()
    os.kill(process.pid, signal.SIGINT)
    stdout, stderr = end_of(process, timeout=60)
    stopped = Result(process.returncode, stdout, stderr)
    assert stopped.returncode == 130, stopped
    assert stopped.document["outcome"] == "interrupted"

    cluster.start_apiserver()
    finish(cluster, before)


def with_tokens(cluster: ControlPlane, proxy: Faults) -> Callable[[str], None]:
    """Makes the proxy's kubeconfig log in by an exec plugin; returns how to set the token it gives."""
    file = cluster.directory / "token"
    credential = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential"}
    program = (
        f"import json; token = open({str(file)!r}).read(); "
        f"print(json.dumps({{**{credential!r}, 'status': {{'token': token}}}}))"
    )
    plugin = {
        "apiVersion": credential["apiVersion"],
        "command": sys.executable,
        "args": ["-c", program],
        "interactiveMode": "Never",
    }
    config: dict[str, Any] = yaml.safe_load(proxy.kubeconfig.read_text())
    config["users"][0]["user"] = {"exec": plugin}
    proxy.kubeconfig.write_text(yaml.safe_dump(config))
    return lambda token: file.write_text(token) and None


def test_a_token_that_expires_in_the_middle_is_renewed_or_asked_for(cluster: ControlPlane) -> None:
    before = install.installed(cluster, packages=FIVE_PACKAGES)
    with faults(cluster) as proxy:
        give = with_tokens(cluster, proxy)
        good = {"first"}
        proxy.admits = lambda token: token in good
        give("first")

        proxy.after_change(8, good.clear, last=False)
        refused = purge(cluster, *FIRST, env={"KUBECONFIG": str(proxy.kubeconfig)})
        assert refused.returncode == 1, refused
        assert refused.document["outcome"] == "failed"
        assert refused.document["error"]["code"] == "unauthorized"
        assert "Log in again" in refused.document["error"]["hint"]

        def expire() -> None:
            give("third")
            good.remove("second")
            good.add("third")

        give("second")
        good.add("second")
        proxy.after_change(proxy.changes + 12, expire, last=False)
        renewed = purge(cluster, *PURGE, env={"KUBECONFIG": str(proxy.kubeconfig)})
        assert renewed.returncode == 0, renewed
        assert good == {"third"}
    finish(cluster, before)


@pytest.mark.crash
def test_a_network_that_is_lost_for_a_moment_is_waited_for(cluster: ControlPlane) -> None:
    """Nothing answers and nothing refuses, as after a laptop's sleep."""
    before = install.installed(cluster, packages=FIVE_PACKAGES)
    under_way = when_under_way(cluster)
    process = start_purge(cluster, *FIRST)
    under_way()

    cluster.send_signal("kube-apiserver", signal.SIGSTOP)
    threading.Timer(12, cluster.send_signal, ("kube-apiserver", signal.SIGCONT)).start()
    stdout, stderr = end_of(process)

    result = Result(process.returncode, stdout, stderr)
    assert result.returncode == 0, result
    left = settled_difference(cluster, before, OUTLIVES)
    assert not left, left
