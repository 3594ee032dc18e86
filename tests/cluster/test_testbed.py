"""Holds the test bed to what is known of Glasskube, Flux and Kubernetes.

The doubles are only worth something if they are as unkind as what they stand
in for. Each test here is a fact that was observed on a real cluster.
"""

from __future__ import annotations

import functools
import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kubectl_glasskube_purge.glasskube import inventory
from tests.cluster.api import ApiError, Object
from tests.cluster.controlplane import ControlPlane
from tests.cluster.doubles import catalog
from tests.cluster.dump import Dump, difference, dump
from tests.cluster.install import (
    GROUP,
    NAMESPACE,
    OPERATOR,
    RELEASES,
    TEN_PACKAGES,
    OperatorState,
    WantedPackage,
    become,
    has_condition,
    install,
    install_package,
    install_packages,
    installed,
    manifest,
    scale,
    wait_for_finalizers,
    wait_for_webhook,
    wait_ready,
    without_webhook,
)

ROOT = Path(__file__).parents[2]

FINALIZER = "packages.glasskube.dev/packageDeletion"
HELM_RELEASE = ("helm.toolkit.fluxcd.io/v2", "HelmRelease")


def named(kind: str, name: str, namespace: str = "", api_version: str = GROUP) -> Object:
    metadata = {"name": name, "namespace": namespace} if namespace else {"name": name}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata}


def gone(cluster: ControlPlane, item: Object, timeout: float = 120) -> None:
    metadata = item["metadata"]
    place = (item["apiVersion"], item["kind"], metadata["name"], metadata.get("namespace", ""))
    cluster.wait(
        f"{item['kind']} {metadata['name']} to be gone",
        lambda: True if cluster.api.get(*place) is None else None,
        timeout=timeout,
    )


def test_install_of_the_real_kind_is_ready_and_guarded(cluster: ControlPlane) -> None:
    install(cluster)

    def ready() -> Object | None:
        found = cluster.api.get(GROUP, "PackageRepository", "glasskube")
        return found if has_condition(found, "Ready") else None

    repository = cluster.wait("the repository to be Ready", ready)
    managers = {one["manager"] for one in repository["metadata"]["managedFields"]}
    assert "glasskube" in managers
    with pytest.raises(ApiError, match=r"PackageRepository\.packages\.glasskube\.dev \"nowhere\" not found"):
        install_package(cluster, "ClusterPackage", "dashboard", repository="nowhere")


def test_packages_bring_along_what_they_own(cluster: ControlPlane) -> None:
    install(cluster)
    install_packages(cluster)
    packages = cluster.api.list(GROUP, "ClusterPackage") + cluster.api.list(GROUP, "Package")
    assert len(packages) == 10
    by_name = {one["metadata"]["name"]: one for one in packages}
    for name in ("gateway", "certs"):
        annotations = by_name[name]["metadata"]["annotations"]
        assert annotations["packages.glasskube.dev/installed-as-dependency"] == "true"
    app = by_name["app"]
    assert [one["name"] for one in app["status"]["ownedPackages"]] == ["gateway"]
    assert [one["name"] for one in app["status"]["ownedPackageInfos"]] == ["glasskube--app--v1.3.0--1"]
    assert {one["kind"] for one in app["status"]["ownedResources"]} == {"Namespace", "HelmRepository", "HelmRelease"}
    release = cluster.api.get(*HELM_RELEASE, "app-app", "app")
    assert release is not None
    assert release["metadata"]["finalizers"] == ["finalizers.fluxcd.io"]
    assert release["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "glasskube"
    (owner,) = release["metadata"]["ownerReferences"]
    assert owner["uid"] == app["metadata"]["uid"]
    assert owner["blockOwnerDeletion"] is True
    secret = cluster.api.get("v1", "Secret", "sh.helm.release.v1.app-app.v1", "app")
    assert secret is not None
    assert secret["type"] == "helm.sh/release.v1"
    info = cluster.api.get(GROUP, "PackageInfo", "glasskube--app--v1.3.0--1")
    assert info is not None
    assert "ownerReferences" not in info["metadata"]


def test_namespace_that_was_there_before_is_used_but_not_owned(cluster: ControlPlane) -> None:
    cluster.api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ingress"}})
    install(cluster)
    install_package(cluster, "ClusterPackage", "ingress")
    wait_ready(cluster, "ClusterPackage", "ingress")
    namespace = cluster.api.get("v1", "Namespace", "ingress")
    assert namespace is not None
    assert "ownerReferences" not in namespace["metadata"]
    assert "app.kubernetes.io/managed-by" not in namespace["metadata"]["labels"]


def test_webhook_refuses_what_others_depend_on_until_they_go(cluster: ControlPlane) -> None:
    install(cluster)
    install_packages(cluster, [WantedPackage("ClusterPackage", "app")])
    with pytest.raises(ApiError, match="dependency conflict: unmet dependency gateway -> certs") as refused:
        cluster.api.delete(named("ClusterPackage", "certs"))
    assert refused.value.code == 403
    with pytest.raises(ApiError, match="dependent package"):
        cluster.api.delete(named("PackageRepository", "glasskube"))
    # Dependents first, all are accepted at once.
    for name in ("app", "gateway", "certs"):
        cluster.api.delete(named("ClusterPackage", name))
    for name in ("app", "gateway", "certs"):
        gone(cluster, named("ClusterPackage", name))
        gone(cluster, named("Namespace", name, api_version="v1"))
    # What has the finalizer takes its PackageInfo along; what requires others doesn't, and those hold the repository.
    left = cluster.api.list(GROUP, "PackageInfo")
    assert {one["spec"]["name"] for one in left} == {"app", "gateway"}
    with pytest.raises(ApiError, match="dependent package"):
        cluster.api.delete(named("PackageRepository", "glasskube"))
    for one in left:
        cluster.api.delete(named("PackageInfo", one["metadata"]["name"]))
    cluster.api.delete(named("PackageRepository", "glasskube"))


@pytest.mark.crash
def test_operator_prunes_what_was_only_a_dependency(cluster: ControlPlane) -> None:
    install(cluster, repository=catalog.SLOW_URL)  # so that packages that require others have the finalizer
    install_packages(cluster, [WantedPackage("ClusterPackage", "app"), WantedPackage("ClusterPackage", "dashboard")])
    packages = cluster.api.list(GROUP, "ClusterPackage")
    assert {one["metadata"]["name"] for one in packages} == {"app", "gateway", "certs", "dashboard"}
    assert all(one["metadata"]["finalizers"] == [FINALIZER] for one in packages)
    cluster.api.delete(named("ClusterPackage", "app"))
    for name in ("app", "gateway", "certs"):
        gone(cluster, named("ClusterPackage", name))
    assert [one["metadata"]["name"] for one in cluster.api.list(GROUP, "ClusterPackage")] == ["dashboard"]
    assert [one["spec"]["name"] for one in cluster.api.list(GROUP, "PackageInfo")] == ["dashboard"]


@pytest.mark.parametrize(
    "operator",
    ["unready", "absent", *(pytest.param(one, marks=pytest.mark.crash) for one in ("scaled-down", "crashing"))],
)
def test_deletes_fail_where_nobody_answers_the_webhook(cluster: ControlPlane, operator: OperatorState) -> None:
    install(cluster, operator=operator)
    with pytest.raises(ApiError, match=r"failed calling webhook .*connection refused") as refused:
        cluster.api.delete(named("PackageRepository", "glasskube"))
    assert refused.value.code == 500
    cluster.api.delete(
        named(
            "ValidatingWebhookConfiguration",
            "glasskube-validating-webhook-configuration",
            api_version="admissionregistration.k8s.io/v1",
        )
    )
    wait_for_webhook(cluster, "not called")
    cluster.api.delete(named("PackageRepository", "glasskube"))


@pytest.mark.crash
def test_operator_whose_pod_is_not_ready_reconciles_and_cannot_write_finalizers(cluster: ControlPlane) -> None:
    install(cluster, operator="unready")
    with without_webhook(cluster):
        install_package(cluster, "ClusterPackage", "dashboard")
        wait_ready(cluster, "ClusterPackage", "dashboard")
    with pytest.raises(ApiError, match="failed calling webhook"):
        cluster.api.delete(named("ClusterPackage", "dashboard"))
    with pytest.raises(ApiError, match="failed calling webhook"):
        cluster.api.patch(named("ClusterPackage", "dashboard"), {"metadata": {"finalizers": []}})


@pytest.mark.crash
def test_suspended_package_keeps_its_finalizer(cluster: ControlPlane) -> None:
    install(cluster)
    install_packages(cluster, [WantedPackage("ClusterPackage", "dashboard")])
    cluster.api.patch(named("ClusterPackage", "dashboard"), {"spec": {"suspend": True}})
    install_package(cluster, "ClusterPackage", "ingress")
    cluster.api.delete(named("ClusterPackage", "dashboard"))
    cluster.api.delete(named("ClusterPackage", "ingress"))
    gone(cluster, named("ClusterPackage", "ingress"))
    suspended = cluster.api.get(GROUP, "ClusterPackage", "dashboard")
    assert suspended is not None
    assert suspended["metadata"]["finalizers"] == [FINALIZER]
    # Only finalizers changed: the webhook lets it through, and nothing is lost by it.
    cluster.api.patch(named("ClusterPackage", "dashboard"), {"metadata": {"finalizers": []}})
    gone(cluster, named("Namespace", "dashboard", api_version="v1"))


@pytest.mark.crash
def test_only_packages_that_require_no_others_get_their_finalizer_again(cluster: ControlPlane) -> None:
    install(cluster)
    install_packages(cluster, [WantedPackage("ClusterPackage", "gateway")])  # brings certs
    operator = f"system:serviceaccount:{NAMESPACE}:{OPERATOR}"

    def written(name: str, version: str, since: int) -> bool | None:
        """Whether the operator has looked at that very version of a package, and has written what it had to."""
        return (
            any(
                entry["verb"] == "update"
                and entry["responseStatus"]["code"] == 200
                and entry.get("objectRef", {}).get("resource") == "clusterpackages"
                and entry["objectRef"].get("name") == name
                and entry["requestObject"]["metadata"]["resourceVersion"] == version
                for entry in cluster.audit(since, user=operator)
            )
            or None
        )

    for name, expected in (("certs", [FINALIZER]), ("gateway", [])):
        since = cluster.audit_position()
        patched = cluster.api.patch(
            named("ClusterPackage", name), {"metadata": {"finalizers": [], "annotations": {"example.com/look": name}}}
        )
        version = patched["metadata"]["resourceVersion"]
        what = f"the operator to write {name}"
        cluster.wait(what, functools.partial(written, name, version, since))
        found = cluster.api.get(GROUP, "ClusterPackage", name)
        assert found is not None
        assert found["metadata"].get("finalizers", []) == expected


@pytest.mark.crash
def test_helm_release_keeps_its_finalizer_while_helm_controller_is_down(cluster: ControlPlane) -> None:
    install(cluster)
    install_packages(cluster, [WantedPackage("ClusterPackage", "ingress")])
    scale(cluster, "flux-system", "helm-controller", 0)
    cluster.api.delete(named("ClusterPackage", "ingress"))
    gone(cluster, named("ClusterPackage", "ingress"))

    def hangs() -> Object | None:
        namespace = cluster.api.get("v1", "Namespace", "ingress")
        return namespace if has_condition(namespace, "NamespaceFinalizersRemaining") else None

    message = [one["message"] for one in cluster.wait("the namespace to hang", hangs)["status"]["conditions"]]
    assert any("finalizers.fluxcd.io" in one for one in message)
    scale(cluster, "flux-system", "helm-controller", 1)
    gone(cluster, named("Namespace", "ingress", api_version="v1"))


def test_suspended_helm_release_goes_without_an_uninstall(cluster: ControlPlane) -> None:
    cluster.api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ingress"}})
    install(cluster)
    install_packages(cluster, [WantedPackage("ClusterPackage", "ingress")])
    scale(cluster, NAMESPACE, OPERATOR, 0)
    release = named("HelmRelease", "ingress-ingress", "ingress", HELM_RELEASE[0])
    cluster.api.patch(release, {"spec": {"suspend": True}})
    cluster.api.delete(release)
    gone(cluster, release)
    assert cluster.api.get("apps/v1", "Deployment", "ingress-ingress", "ingress") is not None
    assert cluster.api.get("v1", "Secret", "sh.helm.release.v1.ingress-ingress.v1", "ingress") is not None
    assert cluster.api.get("source.toolkit.fluxcd.io/v1", "HelmChart", "ingress-ingress-ingress", "ingress") is not None


def test_operator_puts_a_changed_helm_release_back(cluster: ControlPlane) -> None:
    install(cluster)
    install_packages(cluster, [WantedPackage("ClusterPackage", "ingress")])
    release = named("HelmRelease", "ingress-ingress", "ingress", HELM_RELEASE[0])
    cluster.api.patch(release, {"spec": {"interval": "1h"}})

    def back() -> bool | None:
        found = cluster.api.get(*HELM_RELEASE, "ingress-ingress", "ingress")
        return True if found is not None and found["spec"]["interval"] == "5m0s" else None

    cluster.wait("the operator to put the interval back", back)


def test_uninstall_that_fails_holds_the_release(cluster: ControlPlane) -> None:
    install(cluster)
    install_packages(cluster, [WantedPackage("ClusterPackage", "stubborn")])
    cluster.api.delete(named("ClusterPackage", "stubborn"))

    def failed() -> Object | None:
        found = cluster.api.get(*HELM_RELEASE, "stubborn-stubborn", "stubborn")
        return found if has_condition(found, "Released", "False") else None

    release = cluster.wait("the uninstall to fail", failed)
    assert release["metadata"]["finalizers"] == ["finalizers.fluxcd.io"]


def test_failing_package_has_its_finalizer_and_says_why(cluster: ControlPlane) -> None:
    install(cluster)
    install_package(cluster, "ClusterPackage", "broken")
    package = wait_ready(cluster, "ClusterPackage", "broken", condition="Failed")
    message = next(one["message"] for one in package["status"]["conditions"] if one["type"] == "Failed")
    assert "Helm install failed" in message
    wait_for_finalizers(cluster)
    found = cluster.api.get(GROUP, "ClusterPackage", "broken")
    assert found is not None
    assert found["metadata"]["finalizers"] == [FINALIZER]


def test_package_whose_repository_is_gone_makes_the_webhook_refuse_every_delete(cluster: ControlPlane) -> None:
    install(cluster)
    install_packages(cluster, [WantedPackage("ClusterPackage", "dashboard")])
    with without_webhook(cluster):
        install_package(cluster, "ClusterPackage", "elsewhere", repository="extra")
        wait_ready(cluster, "ClusterPackage", "elsewhere", condition="Failed")
        # The operator fails the other packages, too, at their next look, and goes on.
        cluster.api.patch(named("ClusterPackage", "dashboard"), {"metadata": {"labels": {"team": "platform"}}})
        wait_ready(cluster, "ClusterPackage", "dashboard", condition="Failed")
    with pytest.raises(ApiError, match=r'denied the request: PackageRepository.* "extra" not found') as refused:
        cluster.api.delete(named("ClusterPackage", "dashboard"))
    # The very code that says elsewhere that an object is gone.
    assert refused.value.code == 404
    assert cluster.api.get(GROUP, "ClusterPackage", "dashboard") is not None


def test_controllers_live_and_have_rights_as_long_as_their_pods(cluster: ControlPlane) -> None:
    install(cluster)
    since = cluster.audit_position()
    assert len(processes(cluster.directory, "helm_controller")) == 1
    scale(cluster, "flux-system", "helm-controller", 0)
    assert not processes(cluster.directory, "helm_controller")
    scale(cluster, "flux-system", "helm-controller", 1)
    assert len(processes(cluster.directory, "helm_controller")) == 1
    assert any(cluster.audit(since, user="system:serviceaccount:flux-system:helm-controller"))


def test_orphaned_objects_stay_and_run_on(cluster: ControlPlane) -> None:
    install(cluster)
    install_packages(cluster, [WantedPackage("ClusterPackage", "ingress")])
    scale(cluster, NAMESPACE, OPERATOR, 0)
    package = named("ClusterPackage", "ingress")
    with without_webhook(cluster):
        cluster.api.delete(package, propagationPolicy="Orphan")

        def only_ours() -> bool | None:
            found = cluster.api.get(GROUP, "ClusterPackage", "ingress")
            return True if found is not None and found["metadata"]["finalizers"] == [FINALIZER] else None

        cluster.wait("the garbage collector to have orphaned", only_ours)
        cluster.api.patch(package, {"metadata": {"finalizers": []}})
        gone(cluster, package)
    for place in ((*HELM_RELEASE, "ingress-ingress", "ingress"), ("v1", "Namespace", "ingress")):
        left = cluster.api.get(*place)
        assert left is not None
        assert "ownerReferences" not in left["metadata"]
        assert "deletionTimestamp" not in left["metadata"]


def test_finalizer_dropped_by_hand_loses_nothing(cluster: ControlPlane) -> None:
    install(cluster)
    install_packages(cluster, [WantedPackage("Package", "orders", "shop", package="postgres")])
    scale(cluster, NAMESPACE, OPERATOR, 0)
    package = named("Package", "orders", "shop")
    with without_webhook(cluster):
        cluster.api.delete(package)
        cluster.api.patch(package, {"metadata": {"finalizers": []}})
        gone(cluster, named("HelmRelease", "orders-postgres", "shop", HELM_RELEASE[0]))
    assert cluster.api.list("apps/v1", "StatefulSet", "shop") == []
    assert cluster.api.list("v1", "Secret", "shop") == []
    # What a StatefulSet claimed outlives it, and so does the PackageInfo.
    assert len(cluster.api.list("v1", "PersistentVolumeClaim", "shop")) == 1
    assert len(cluster.api.list(GROUP, "PackageInfo")) == 1


@pytest.mark.parametrize(
    "release",
    # The last one is what nearly every other test installs.
    ["v0.0.1-alpha.5", "v0.1.0", "v0.5.0", "v0.17.0", pytest.param("v0.26.1", marks=pytest.mark.crash)],
)
def test_every_kind_of_release_installs_and_runs(cluster: ControlPlane, release: str) -> None:
    install(cluster, release)
    pods = cluster.api.list("v1", "Pod", NAMESPACE)
    assert {one["status"]["phase"] for one in pods} <= {"Running", "Succeeded"}


def test_rendition_is_in_all_that_matters_like_the_real_manifest() -> None:
    if not RELEASES.is_dir():
        pytest.skip(f"no real release manifests in {RELEASES}")
    for release in inventory.releases():
        # Flux is the larger part and changed twice in all these releases.
        with_flux = release in ("v0.0.1-alpha.5", "v0.4.0", "v0.26.1")
        for variant in inventory.variants(release):
            if variant != inventory.AIO or with_flux:
                rendered, real = (manifest(release, variant, source) for source in ("rendition", "release"))
                assert essence(rendered) == essence(real), f"{release} {variant}"


def test_nothing_outlives_a_test_run_that_is_killed(tmp_path: Path) -> None:
    script = "\n".join(
        (
            "from tests.cluster.controlplane import ControlPlane",
            "cluster = ControlPlane()",
            "cluster.start()",
            "cluster.start_node()",
            "print(cluster.directory, flush=True)",
            "input()",
        )
    )
    run = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert run.stdout is not None
    said = run.stdout.readline().strip()
    assert said
    directory = Path(said)
    assert len(processes(directory)) >= 5
    run.kill()
    run.communicate()
    end = time.monotonic() + 20
    while processes(directory) and time.monotonic() < end:
        time.sleep(0.1)
    assert processes(directory) == []
    assert not directory.exists()


@pytest.mark.crash
def test_cluster_comes_back_to_a_snapshot_whatever_happened(cluster: ControlPlane) -> None:
    pristine = cluster.snapshot()
    before = dump(cluster)
    install(cluster)
    install_packages(cluster, TEN_PACKAGES[:3])
    become(cluster, "unready")
    complete = cluster.snapshot()
    assert difference(before, dump(cluster))
    cluster.stop_apiserver()
    cluster.restore(pristine)
    assert difference(before, dump(cluster)) == []
    cluster.restore(complete)
    wait_for_webhook(cluster, "unreachable")  # the API server learns of the configuration a moment later
    with pytest.raises(ApiError, match="connection refused"):
        cluster.api.delete(named("ClusterPackage", "dashboard"))
    cluster.configure_node()
    scale(cluster, NAMESPACE, OPERATOR, 1)
    wait_for_webhook(cluster, "answers")
    with pytest.raises(ApiError, match="dependency conflict"):
        cluster.api.delete(named("ClusterPackage", "gateway"))
    cluster.api.delete(named("ClusterPackage", "dashboard"))
    gone(cluster, named("Namespace", "dashboard", api_version="v1"))


@pytest.mark.crash
def test_prepared_install_is_the_same_each_time(cluster: ControlPlane) -> None:
    packages = (WantedPackage("ClusterPackage", "ingress"), WantedPackage("Package", "orders", "shop", "postgres"))
    before = installed(cluster, packages=packages, among_others=True)
    first = {key: one["metadata"]["uid"] for key, one in dump(cluster).items() if not key.startswith("IPAddress")}
    cluster.api.delete(named("ClusterPackage", "ingress"))
    gone(cluster, named("Namespace", "ingress", api_version="v1"))
    again_before = installed(cluster, packages=packages, among_others=True)
    assert without_versions(again_before) == without_versions(before)
    again = dump(cluster)
    assert {key: again[key]["metadata"]["uid"] for key in first} == first
    assert "Widget.widgets.example.com shop/storefront" in before
    # Flux's roles are aggregated into those of the cluster; nothing else of what was there has changed.
    changed = [line for line in difference(before, again) if not line.startswith("new")]
    assert all(line.startswith("changed  ClusterRole.rbac") for line in changed), changed


def without_versions(found: Dump) -> Dump:
    """A dump without resourceVersions: what is put back is written anew, what a Pod's new process says, too."""
    return {name: {**one, "metadata": {**one["metadata"], "resourceVersion": ""}} for name, one in found.items()}


def processes(directory: Path, text: str = "") -> list[str]:
    """The processes that have something to do with a cluster's folder."""
    listed = subprocess.run(["ps", "-axww", "-o", "args"], capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if str(directory) in line and text in line]


def essence(objects: list[Object]) -> dict[str, Object]:
    """Of each object what a purge looks at."""
    return {
        f"{one['kind']} {one['metadata'].get('namespace', '')}/{one['metadata']['name']}": {
            "apiVersion": one["apiVersion"],
            "images": sorted(re.findall(r'"image": "([^"]+(?:/package-operator:|rbac-proxy)[^"]*)"', json.dumps(one))),
            "part-of": one["metadata"].get("labels", {}).get("app.kubernetes.io/part-of"),
            "scope": one.get("spec", {}).get("scope"),
            "versions": [version["name"] for version in one.get("spec", {}).get("versions", ())],
            "roleRef": one.get("roleRef"),
            "webhooks": [
                (hook["name"], hook["rules"], hook["clientConfig"]["service"], hook["failurePolicy"])
                for hook in one.get("webhooks", ())
            ],
        }
        for one in objects
    }
