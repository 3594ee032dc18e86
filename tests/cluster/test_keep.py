"""--keep-packages: Glasskube leaves, and what it installed runs on."""

from __future__ import annotations

import pytest

from tests.cluster import install
from tests.cluster.controlplane import ControlPlane
from tests.cluster.plugin import purge, start_purge
from tests.cluster.test_purge import report

HELM_RELEASES = ("helm.toolkit.fluxcd.io/v2", "HelmRelease")


def running_pods(cluster: ControlPlane) -> dict[str, str]:
    """What the packages run, by name, with the UIDs that a restart would change."""
    return {
        f"{pod['metadata']['namespace']}/{pod['metadata']['name']}": pod["metadata"]["uid"]
        for pod in cluster.api.list("v1", "Pod")
        if pod["metadata"]["namespace"] not in ("glasskube-system", "flux-system")
    }


def helm_releases(cluster: ControlPlane) -> set[str]:
    """The releases that `helm list -A` shows: it reads these Secrets."""
    return {
        f"{secret['metadata']['namespace']}/{secret['metadata']['labels']['name']}"
        for secret in cluster.api.list("v1", "Secret", labelSelector="owner=helm")
    }


def assert_glasskube_is_gone(cluster: ControlPlane) -> None:
    names = {one["metadata"]["name"] for one in cluster.api.list("apiextensions.k8s.io/v1", "CustomResourceDefinition")}
    assert not [name for name in names if name.endswith("packages.glasskube.dev")]
    assert cluster.api.get("v1", "Namespace", install.NAMESPACE) is None
    again = purge(cluster, "verify", "-o", "json")
    assert again.returncode == 0, again


@pytest.mark.parametrize("whom", ["helm", "flux"])
def test_what_packages_installed_runs_on(cluster: ControlPlane, whom: str) -> None:
    install.install(cluster)
    install.install_packages(cluster)
    pods, releases = running_pods(cluster), helm_releases(cluster)
    assert releases

    result = purge(cluster, "--offline", "--yes", "-o", "json", f"--keep-packages={whom}")

    document = report(result)
    assert result.returncode == 0, result
    assert document["outcome"] == "clean"
    assert running_pods(cluster) == pods
    assert helm_releases(cluster) == releases
    assert_glasskube_is_gone(cluster)
    kept = {(one["kind"], one["name"]) for one in document["kept"]}
    assert ("Deployment", "dashboard") in kept
    if whom == "helm":
        assert document["flux"]["decision"] == "delete"
        assert cluster.api.get("v1", "Namespace", "flux-system") is None
    else:
        assert document["flux"]["decision"] == "keep"
        found = cluster.api.list(*HELM_RELEASES)
        assert len(found) == len(releases)
        for one in found:
            assert "ownerReferences" not in one["metadata"]
            assert install.has_condition(one, "Ready")
            assert not one["spec"].get("suspend")


@pytest.mark.parametrize("whom", ["helm", "flux"])
def test_an_interrupted_hand_over_never_ends_in_an_uninstall(cluster: ControlPlane, whom: str) -> None:
    install.install(cluster)
    install.install_packages(cluster)
    pods, releases = running_pods(cluster), helm_releases(cluster)
    process = start_purge(cluster, "--offline", "--yes", f"--keep-packages={whom}")

    def some_are_handed_over() -> bool | None:
        left = cluster.api.list(*HELM_RELEASES)
        touched = [one for one in left if one["spec"].get("suspend") or "ownerReferences" not in one["metadata"]]
        return True if touched or len(left) < len(releases) else None

    cluster.wait("the hand-over to begin", some_are_handed_over)
    process.kill()
    process.communicate()

    result = purge(cluster, "--offline", "--yes", "-o", "json", f"--keep-packages={whom}")

    assert result.returncode == 0, result
    assert report(result)["outcome"] == "clean"
    assert running_pods(cluster) == pods
    assert helm_releases(cluster) == releases
    assert_glasskube_is_gone(cluster)


def test_flux_stays_with_what_is_handed_over_to_it(cluster: ControlPlane) -> None:
    install.install(cluster)
    install.install_packages(cluster, install.TEN_PACKAGES[2:3])

    result = purge(cluster, "--offline", "--yes", "-o", "json", "--keep-packages=flux", "--flux=delete")

    document = report(result)
    assert result.returncode == 3, result
    assert document["error"]["code"] == "flux-needed"
