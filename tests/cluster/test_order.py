"""The order of a purge: what needs a controller is gone before it, and the operator never comes back in between."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.cluster.controlplane import ControlPlane
from tests.cluster.doubles.catalog import GADGETS
from tests.cluster.dump import settled_difference
from tests.cluster.faults import faults
from tests.cluster.install import WantedPackage
from tests.cluster.plugin import Result, purge, start_purge
from tests.cluster.test_broken import HELD, clean, named, warnings
from tests.cluster.test_crash import OUTLIVES, PURGE, end_of, finish, stopped_after

from . import install

PACKAGES = (
    WantedPackage("ClusterPackage", "gadgets"),
    WantedPackage("ClusterPackage", "labeller"),
    WantedPackage("Package", "orders", "shop", package="postgres"),
)
"""An operator whose own instance keeps its finalizer; a chart with hooks; a chart in a user's namespace."""


def created(cluster: ControlPlane, since: int, kind: str) -> set[str]:
    """The names of the objects that were created since then, and accepted."""
    return {
        entry["objectRef"]["name"]
        for entry in cluster.audit(since)
        if entry["verb"] in ("create", "patch")
        and entry["objectRef"]["resource"] == kind
        and entry["responseStatus"]["code"] == 201
    }


def test_hooks_run_and_instances_are_finalized_before_their_controllers_are_deleted(cluster: ControlPlane) -> None:
    before = install.installed(cluster, packages=PACKAGES)
    since = cluster.audit_position()

    result = clean(cluster, before)

    assert {"labeller-labeller-pre-delete", "labeller-labeller-post-delete"} <= created(cluster, since, "jobs")
    assert not warnings(result, "finalizer-dropped")


@pytest.mark.crash
def test_it_goes_on_after_a_kill_while_namespaces_end_beside_other_stages(cluster: ControlPlane) -> None:
    before = install.installed(cluster, packages=PACKAGES)
    with faults(cluster) as proxy:
        process = start_purge(cluster, *PURGE, "--wait-idle=2m", env={"KUBECONFIG": str(proxy.kubeconfig)})

        def overlap() -> bool | None:
            ending = cluster.api.get("v1", "Namespace", "labeller")
            return True if ending is not None and "deletionTimestamp" in ending["metadata"] else None

        cluster.wait("a package's namespace to end", overlap, timeout=120)
        process.send_signal(signal.SIGKILL)
        end_of(process)
    finish(cluster, before)


def test_an_operator_that_is_started_again_ends_the_run_and_the_next_one_finishes(cluster: ControlPlane) -> None:
    before = install.installed(cluster, packages=PACKAGES)
    gadget = named(f"{GADGETS}/v1", "Gadget", "default", "gadgets")
    cluster.api.patch(gadget, {"metadata": {"finalizers": [HELD]}})
    process = start_purge(cluster, *PURGE, "--wait-idle=2m")

    def waits() -> bool | None:
        found = cluster.api.get(f"{GADGETS}/v1", "Gadget", "default", "gadgets")
        return True if found is not None and "deletionTimestamp" in found["metadata"] else None

    cluster.wait("the purge to wait for what is held", waits, timeout=120)
    cluster.kubectl("scale", "-n", install.NAMESPACE, f"deployment/{install.OPERATOR}", "--replicas=1")
    stdout, stderr = end_of(process)
    result = Result(process.returncode, stdout, stderr)

    assert result.returncode == 5, str(result)
    assert result.document["error"]["code"] == "operator-restarted"
    assert "kubectl" in result.document["error"]["message"]
    assert cluster.api.get(install.GROUP, "ClusterPackage", "gadgets") is not None
    cluster.api.patch(gadget, {"metadata": {"finalizers": []}})
    finish(cluster, before)


def test_an_interrupted_purge_is_undone_and_the_operator_started(cluster: ControlPlane, tmp_path: Path) -> None:
    before = install.installed(cluster, packages=PACKAGES)
    first, second = (str(tmp_path / f"{name}.yaml") for name in ("first", "second"))
    for file in (first, second):
        arguments = (*PURGE, "--wait-idle=2m", f"--backup={file}")
        result, _ = stopped_after(cluster, 7, signal.SIGINT, arguments=arguments)
        assert result.returncode == 130, result

    result = purge(cluster, "restore", first, second, "--yes", "--trust-file", "-o", "json")

    assert result.returncode == 0, result
    operator = cluster.api.get("apps/v1", "Deployment", install.OPERATOR, install.NAMESPACE)
    assert operator is not None
    assert operator["spec"]["replicas"] == 1
    assert not [key for key in install_notes(cluster) if key.startswith("glasskube-purge/")]
    clean(cluster, before)
    assert not settled_difference(cluster, before, OUTLIVES)


def install_notes(cluster: ControlPlane) -> dict[str, str]:
    namespace = cluster.api.get("v1", "Namespace", install.NAMESPACE)
    assert namespace is not None
    notes: dict[str, str] = namespace["metadata"].get("annotations") or {}
    return notes
