"""Packages that others rely on, in the shapes of the real catalogue: they run on, or they go by consent."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest

from tests.cluster.api import Object
from tests.cluster.controlplane import ControlPlane
from tests.cluster.dump import Dump, dump
from tests.cluster.faults import faults
from tests.cluster.install import WantedPackage
from tests.cluster.plugin import purge, start_purge
from tests.cluster.test_crash import PURGE, SHARES, stopped_after, sweep
from tests.cluster.test_keep import uids
from tests.cluster.test_preflight import nothing_changes
from tests.cluster.test_purge import report

from . import install

USED = ("balancer", "certs", "disks", "issuers", "monitors", "routes")
"""An ingress controller with a webhook and hooks; plain manifests with a CRD; a CSI driver; a chart whose CRDs Helm
keeps; a chart with a `crds/` folder; a CRD alone."""
PACKAGES = tuple(WantedPackage("ClusterPackage", name) for name in (*USED, "dashboard", "labeller"))
"""With two that nobody uses; one of them has hooks before and after its deletion."""

DEFINITIONS = {
    "certs": "certificates.certs.example.com",
    "issuers": "issuers.issuers.example.com",
    "monitors": "monitors.monitors.example.com",
    "routes": "gateways.gateway.networking.k8s.io",
}
LEFT_BY_HELM = {DEFINITIONS["issuers"], DEFINITIONS["monitors"]}


def of_team(api_version: str, kind: str, **spec: object) -> Object:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": "mine", "namespace": "team"}, "spec": spec}


CLASSES = ("IngressClass", "StorageClass", "CSIDriver", "ValidatingWebhookConfiguration")
BACKEND = {"service": {"name": "web", "port": {"number": 80}}}
CLAIM = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, "storageClassName": "disks"}
THEIRS = (
    of_team("networking.k8s.io/v1", "Ingress", ingressClassName="balancer", defaultBackend=BACKEND),
    of_team("certs.example.com/v1", "Certificate"),
    of_team("v1", "PersistentVolumeClaim", **CLAIM),
    of_team("issuers.example.com/v1", "Issuer"),
    of_team("monitors.example.com/v1", "Monitor"),
    of_team("gateway.networking.k8s.io/v1", "Gateway"),
)
"""In the order of `USED`: what relies on each."""
KINDS = [one["kind"] for one in THEIRS]


def used_by_a_team(cluster: ControlPlane) -> Dump:
    """Everything as it is before the purge, once a team uses the packages."""
    install.installed(cluster, packages=PACKAGES)
    install.ensure_namespace(cluster, "team")
    install.apply(cluster, THEIRS, manager="kubectl")
    return dump(cluster)


def of(found: Dump, *namespaces: str) -> Dump:
    return {key: item for key, item in found.items() if item["metadata"].get("namespace") in namespaces}


def assert_the_teams_is_as_before(before: Dump, after: Dump) -> None:
    assert of(after, "team") == of(before, "team")


def kept_by(document: Object) -> dict[tuple[str, str], str]:
    return {(one["kind"], one["name"]): one["why"] for one in document["kept"]}


def test_what_a_team_relies_on_is_refused_and_runs_on_if_it_is_kept(cluster: ControlPlane) -> None:
    before = used_by_a_team(cluster)
    with nothing_changes(cluster, "admin"):
        refused = purge(cluster, *PURGE)
    assert refused.returncode == 3, refused
    error = report(refused)["error"]
    assert error["code"] == "package-in-use"
    decisions = {one["name"]: one for one in refused.document["packages"]}
    assert {name for name, one in decisions.items() if one["decision"] == "undecided"} == set(USED)
    for name, kind in zip(USED, KINDS, strict=True):
        (use,) = decisions[name]["usage"]
        assert (use["count"], use["namespaces"]) == (1, ["team"])
        assert (use["examples"][0]["kind"], use["examples"][0]["name"]) == (kind, "mine")
        assert f"{name}: 1 {kind} in team" in error["message"]
        assert f"--keep {name}" in error["hint"]

    # Killed on the way, and run again with the same option.
    with faults(cluster) as proxy:
        process = start_purge(cluster, *PURGE, "--keep-in-use", env={"KUBECONFIG": str(proxy.kubeconfig)})
        proxy.after_change(12, process.kill)
        process.communicate(timeout=240)
    assert proxy.changes >= 12
    kept = purge(cluster, *PURGE, "--keep-in-use")

    assert kept.returncode == 0, kept
    after = dump(cluster)
    assert_the_teams_is_as_before(before, after)
    for key, item in of(before, *USED).items():
        if key.startswith(("Deployment.", "Pod ", "ReplicaSet.", "ServiceAccount ", "ConfigMap ")):
            assert after[key]["metadata"]["uid"] == item["metadata"]["uid"], key
    assert {f"CustomResourceDefinition.apiextensions.k8s.io {name}" for name in DEFINITIONS.values()} <= after.keys()
    assert {key for key in before if key.split(".")[0] in CLASSES and "glasskube" not in key} <= after.keys()
    assert not of(after, "dashboard", "labeller")
    assert not [key for key in after if "packages.glasskube.dev" in key or "glasskube-system" in key]


def keeping_killed(cluster: ControlPlane, whom: str, change: int) -> bool:
    """Kills a purge that keeps a package after its n-th change, and repeats it. False: there was no n-th change."""
    install.installed(cluster, packages=[WantedPackage("ClusterPackage", name) for name in ("issuers", "dashboard")])
    install.ensure_namespace(cluster, "team")
    install.apply(cluster, THEIRS[3:4], manager="kubectl")
    before, uids_before = dump(cluster), uids(cluster)
    options = (*PURGE, "--keep=issuers", f"--hand-over={whom}")
    killed, proxy = stopped_after(cluster, change, signal.SIGKILL, arguments=(*options, "--wait-idle=2m"))
    if proxy.changes < change:
        assert killed.returncode == 0, killed
        return False
    result = purge(cluster, *options)
    assert result.returncode == 0, f"killed after change {change}: {result}"
    after, uids_after = dump(cluster), uids(cluster)
    assert_the_teams_is_as_before(before, after)
    lost = {key for key, uid in uids_before.items() if uids_after.get(key) != uid}
    assert all("dashboard" in key for key in lost), lost
    assert not [key for key in after if "dashboard" in key or "packages.glasskube.dev" in key]
    assert (("Namespace", "flux-system") in {(k.split()[0], k.split()[-1]) for k in after}) == (whom == "flux")
    return True


@pytest.mark.crash
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("whom", ["helm", "flux"])
@pytest.mark.parametrize("share", SHARES)
def test_no_crash_point_of_keeping_a_package_ends_in_an_uninstall(cluster: ControlPlane, whom: str, share: int) -> None:
    assert sweep(share, lambda change: keeping_killed(cluster, whom, change)) > 1


def convert(cluster: ControlPlane, package: str, url: str = "", **properties: object) -> None:
    """Serves a package's kind in a second version, with these properties, converted by the package or a URL."""
    kind = ("apiextensions.k8s.io/v1", "CustomResourceDefinition")
    found = cluster.api.get(*kind, DEFINITIONS[package])
    assert found is not None
    first = found["spec"]["versions"][0]
    schema = {**first["schema"]["openAPIV3Schema"], **({"properties": properties} if properties else {})}
    second = {**first, "name": "v1beta1", "storage": False, "schema": {"openAPIV3Schema": schema}}
    service = {"name": f"{package}-{package}", "namespace": package, "path": "/convert"}
    webhook = {"conversionReviewVersions": ["v1"], "clientConfig": {"url": url} if url else {"service": service}}
    spec = {"versions": [first, second], "conversion": {"strategy": "Webhook", "webhook": webhook}}
    cluster.api.patch({"apiVersion": kind[0], "kind": kind[1], "metadata": found["metadata"]}, {"spec": spec})


def test_by_consent_they_go_and_what_nobody_acts_on_any_more_is_named(cluster: ControlPlane) -> None:
    used_by_a_team(cluster)
    convert(cluster, "issuers")
    convert(cluster, "certs", url="https://converts.example.com/convert")
    convert(cluster, "monitors", size={"type": "string"})
    with nothing_changes(cluster, "admin"):
        refused = purge(cluster, *PURGE, "--delete-in-use")
    assert refused.returncode == 3, refused
    error = report(refused)["error"]
    assert error["code"] == "conversion-needed"
    assert "--keep monitors" in error["hint"]
    assert "issuers" not in error["message"]
    convert(cluster, "monitors")
    before = dump(cluster)

    result = purge(cluster, *PURGE, "--delete-in-use", "--delete-crds")

    assert result.returncode == 0, result
    after = dump(cluster)
    assert_the_teams_is_as_before(before, after)
    kept = kept_by(report(result))
    for name, definition in DEFINITIONS.items():
        key = f"CustomResourceDefinition.apiextensions.k8s.io {definition}"
        converted = {"conversion": {"strategy": "None"}} if name in ("issuers", "monitors") else {}
        assert after[key]["spec"] == {**before[key]["spec"], **converted}, key
        assert ("CustomResourceDefinition", definition) in kept
        assert not of(after, name)
    for kind in KINDS:
        assert "clusterpackage.packages.glasskube.dev/" in kept[kind, "mine"]
    assert any(one["code"] == "still-used" for one in result.document["warnings"])
    issuer = cluster.api.request("GET", "/apis/issuers.example.com/v1beta1/namespaces/team/issuers/mine")
    assert issuer["apiVersion"] == "issuers.example.com/v1beta1", "no webhook is asked any more"


def test_what_nobody_uses_goes_and_what_helm_leaves_is_named_or_goes_too(
    cluster: ControlPlane, assert_clean: Callable[..., None]
) -> None:
    before = install.installed(cluster, packages=PACKAGES)
    # What a Job of the chart's hooks made, whose Pod is gone.
    metadata = {"name": "balancer-admission", "namespace": "balancer"}
    cluster.api.create({"apiVersion": "v1", "kind": "Secret", "metadata": metadata}, manager="webhook-certgen")
    shown = report(purge(cluster, "--offline", "--dry-run", "-o", "json"))
    assert shown["outcome"] == "dry-run"
    kept = kept_by(shown)
    for name in LEFT_BY_HELM:
        assert f"kubectl delete crd {name}" in kept["CustomResourceDefinition", name]

    result = purge(cluster, *PURGE, "--delete-crds")

    assert result.returncode == 0, result
    assert report(result)["outcome"] == "clean"
    assert_clean(cluster, before)
