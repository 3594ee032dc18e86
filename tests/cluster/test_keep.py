"""--keep-packages: Glasskube leaves, and what it installed runs on."""

from __future__ import annotations

import pytest

from tests.cluster.controlplane import ControlPlane
from tests.cluster.dump import dump
from tests.cluster.faults import faults
from tests.cluster.plugin import Result, purge, start_purge
from tests.cluster.test_crash import SHARES, sweep
from tests.cluster.test_purge import report

from . import install

HELM_RELEASES = ("helm.toolkit.fluxcd.io/v2", "HelmRelease")

PACKAGES = (
    install.WantedPackage("ClusterPackage", "gateway"),  # Helm; brings certs: plain, with a CRD
    install.WantedPackage("ClusterPackage", "dashboard"),  # plain
    install.WantedPackage("Package", "orders", "shop", package="postgres"),  # Helm, with a volume
    install.WantedPackage("Package", "sessions", "shop", package="cache"),  # plain
)
"""Of each sort one, all with workloads that run."""


def uids(cluster: ControlPlane) -> dict[str, str]:
    """What the packages consist of, with the UIDs that a restart or an uninstall would change.

    Everything in the cluster but Glasskube's, Flux's and the control plane's own; Helm's releases among it.
    """
    return {
        key: item["metadata"]["uid"]
        for key, item in dump(cluster).items()
        if not any(word in key for word in ("glasskube", "fluxcd.io", "flux-system", "APIService.", "system:"))
        and not key.startswith(("ClusterRole", "IPAddress."))
    }


def pods(found: dict[str, str]) -> set[str]:
    return {key for key in found if key.startswith("Pod ")}


def helm_releases(cluster: ControlPlane) -> set[str]:
    """The releases that `helm list -A` shows: it reads these Secrets."""
    return {
        f"{secret['metadata']['namespace']}/{secret['metadata']['labels']['name']}"
        for secret in cluster.api.list("v1", "Secret", labelSelector="owner=helm,status=deployed")
    }


def handed_over(cluster: ControlPlane, whom: str, *options: str) -> Result:
    return purge(cluster, "--offline", "--yes", "-o", "json", "--wait-idle=2m", f"--keep-packages={whom}", *options)


def assert_all_runs_on(cluster: ControlPlane, before: dict[str, str], whom: str) -> None:
    """Glasskube is gone, and nothing else: every object that packages brought is the one that it was."""
    after = uids(cluster)
    assert {key: (uid, after.get(key)) for key, uid in before.items() if after.get(key) != uid} == {}
    assert pods(after) == pods(before), "nothing was started anew"
    assert helm_releases(cluster) == {"gateway/gateway-gateway", "shop/orders-postgres"}
    names = {one["metadata"]["name"] for one in cluster.api.list("apiextensions.k8s.io/v1", "CustomResourceDefinition")}
    assert not [name for name in names if name.endswith("packages.glasskube.dev")]
    assert cluster.api.get("v1", "Namespace", install.NAMESPACE) is None
    flux = cluster.api.get("v1", "Namespace", "flux-system")
    if whom == "helm":
        assert flux is None
        return
    assert flux is not None
    found = cluster.api.list(*HELM_RELEASES)
    assert len(found) == len(helm_releases(cluster))
    for one in found:
        assert "ownerReferences" not in one["metadata"]
        assert not one["spec"].get("suspend")

    def ready() -> bool | None:
        # Flux's controllers started anew with the cluster, and look at everything once more.
        return True if all(install.has_condition(one, "Ready") for one in cluster.api.list(*HELM_RELEASES)) else None

    cluster.wait("the HelmReleases to be Ready under Flux", ready)


@pytest.mark.parametrize("whom", ["helm", "flux"])
def test_what_packages_installed_runs_on(cluster: ControlPlane, whom: str) -> None:
    install.installed(cluster, packages=PACKAGES)
    before = uids(cluster)
    assert len(pods(before)) >= len(PACKAGES)

    result = handed_over(cluster, whom)

    document = report(result)
    assert result.returncode == 0, result
    assert document["outcome"] == "clean"
    assert_all_runs_on(cluster, before, whom)
    kept = {(one["kind"], one["name"]) for one in document["kept"]}
    assert ("Deployment", "dashboard") in kept
    assert document["flux"]["decision"] == ("delete" if whom == "helm" else "keep")
    again = purge(cluster, "verify", "-o", "json")
    assert again.returncode == 0, again


def hand_over_killed(cluster: ControlPlane, whom: str, change: int) -> bool:
    """Kills a hand-over after its n-th change and runs it again. False: there was no n-th change."""
    install.installed(cluster, packages=PACKAGES)
    before = uids(cluster)
    with faults(cluster) as proxy:
        command = ("--offline", "--yes", "--wait-idle=2m", f"--keep-packages={whom}")
        process = start_purge(cluster, *command, env={"KUBECONFIG": str(proxy.kubeconfig)})
        proxy.after_change(change, process.kill)
        process.communicate(timeout=240)
    if proxy.changes < change:
        return False
    result = handed_over(cluster, whom)
    assert result.returncode == 0, f"killed after change {change}: {result}"
    assert report(result)["outcome"] in ("clean", "nothing-to-do"), "the last change may have been all"
    assert_all_runs_on(cluster, before, whom)
    return True


@pytest.mark.crash
@pytest.mark.parametrize(("whom", "change"), [("helm", 9), ("flux", 14)])
def test_an_interrupted_hand_over_never_ends_in_an_uninstall(cluster: ControlPlane, whom: str, change: int) -> None:
    assert hand_over_killed(cluster, whom, change)


@pytest.mark.crash
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("whom", ["helm", "flux"])
@pytest.mark.parametrize("share", SHARES)
def test_no_crash_point_of_a_hand_over_ends_in_an_uninstall(cluster: ControlPlane, whom: str, share: int) -> None:
    assert sweep(share, lambda change: hand_over_killed(cluster, whom, change)) > len(PACKAGES)
