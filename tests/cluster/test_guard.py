"""What others need stays, on a real control plane."""

from __future__ import annotations

from typing import Any

from tests.cluster import install
from tests.cluster.controlplane import ControlPlane
from tests.cluster.dump import dump
from tests.cluster.plugin import purge
from tests.cluster.test_purge import report


def helm_release(name: str, namespace: str) -> dict[str, Any]:
    """A HelmRelease as a user writes it; suspended, so that nothing has to be fetched."""
    source = {"kind": "HelmRepository", "name": name}
    return {
        "apiVersion": "helm.toolkit.fluxcd.io/v2",
        "kind": "HelmRelease",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"interval": "1h", "suspend": True, "chart": {"spec": {"chart": name, "sourceRef": source}}},
    }


def test_what_users_put_into_a_packages_namespace_stays_with_the_namespace_and_flux(cluster: ControlPlane) -> None:
    install.install(cluster)
    install.install_packages(cluster, install.TEN_PACKAGES[:1])  # dashboard, in a namespace of its own
    cluster.kubectl("create", "configmap", "-n", "dashboard", "mine", "--from-literal=a=b")
    cluster.api.create(helm_release("mine", "dashboard"))
    before = dump(cluster)

    result = purge(cluster, "--offline", "--yes", "-o", "json")

    document = report(result)
    assert result.returncode == 0, result
    assert document["flux"]["decision"] == "keep"
    after = dump(cluster)
    assert after["ConfigMap dashboard/mine"] == before["ConfigMap dashboard/mine"]
    release = "HelmRelease.helm.toolkit.fluxcd.io dashboard/mine"
    assert after[release]["metadata"]["uid"] == before[release]["metadata"]["uid"]
    assert "deletionTimestamp" not in after[release]["metadata"]
    namespace = after["Namespace dashboard"]["metadata"]
    assert namespace["uid"] == before["Namespace dashboard"]["metadata"]["uid"]
    assert "ownerReferences" not in namespace
    assert "Deployment.apps dashboard/dashboard" not in after
    assert not [name for name in after if "packages.glasskube.dev" in name]
    kept = {(one["kind"], one["name"]) for one in document["kept"]}
    assert ("Namespace", "dashboard") in kept


def test_a_system_namespace_stays_whoever_claims_to_own_it(cluster: ControlPlane) -> None:
    install.install(cluster)
    install.install_packages(cluster, install.TEN_PACKAGES[:1])
    owner = cluster.api.get(install.GROUP, "ClusterPackage", "dashboard")
    assert owner is not None
    reference = {
        "apiVersion": install.GROUP,
        "kind": "ClusterPackage",
        "name": "dashboard",
        "uid": owner["metadata"]["uid"],
    }
    node_leases = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kube-node-lease"}}
    cluster.api.patch(node_leases, {"metadata": {"ownerReferences": [reference]}})

    result = purge(cluster, "--offline", "--yes", "-o", "json")

    assert result.returncode == 0, result
    found = cluster.api.get("v1", "Namespace", "kube-node-lease")
    assert found is not None
    assert "deletionTimestamp" not in found["metadata"]
    assert "ownerReferences" not in found["metadata"]
