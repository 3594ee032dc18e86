"""Packages that others rely on, in the shapes of the real catalogue: they run on, or they go by consent."""

from __future__ import annotations

from collections.abc import Callable

from tests.cluster.api import Object
from tests.cluster.controlplane import ControlPlane
from tests.cluster.dump import Dump, dump
from tests.cluster.faults import faults
from tests.cluster.install import WantedPackage
from tests.cluster.plugin import purge, start_purge
from tests.cluster.test_crash import PURGE
from tests.cluster.test_preflight import nothing_changes
from tests.cluster.test_purge import report

from . import install

USED = ("balancer", "certs", "issuers", "monitors")
"""An ingress controller; plain manifests with a CRD; a chart whose CRDs Helm keeps; a chart with a `crds/` folder."""
PACKAGES = tuple(WantedPackage("ClusterPackage", name) for name in (*USED, "dashboard"))

DEFINITIONS = {
    "certs": "certificates.certs.example.com",
    "issuers": "issuers.issuers.example.com",
    "monitors": "monitors.monitors.example.com",
}
LEFT_BY_HELM = {DEFINITIONS["issuers"], DEFINITIONS["monitors"]}


def of_team(api_version: str, kind: str, **spec: object) -> Object:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": "mine", "namespace": "team"}, "spec": spec}


BACKEND = {"service": {"name": "web", "port": {"number": 80}}}
THEIRS = (
    of_team("networking.k8s.io/v1", "Ingress", ingressClassName="balancer", defaultBackend=BACKEND),
    of_team("certs.example.com/v1", "Certificate"),
    of_team("issuers.example.com/v1", "Issuer"),
    of_team("monitors.example.com/v1", "Monitor"),
)


def used_by_a_team(cluster: ControlPlane) -> Dump:
    """Everything as it is before the purge."""
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
    for name, kind in zip(USED, ("Ingress", "Certificate", "Issuer", "Monitor"), strict=True):
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
    assert "IngressClass.networking.k8s.io balancer" in after
    assert not of(after, "dashboard")
    assert not [key for key in after if "packages.glasskube.dev" in key or "glasskube-system" in key]


def convert(cluster: ControlPlane, package: str, **properties: object) -> None:
    """Serves a package's kind in a second version, with these properties, which the package's Service converts."""
    kind = ("apiextensions.k8s.io/v1", "CustomResourceDefinition")
    found = cluster.api.get(*kind, DEFINITIONS[package])
    assert found is not None
    first = found["spec"]["versions"][0]
    schema = {**first["schema"]["openAPIV3Schema"], **({"properties": properties} if properties else {})}
    second = {**first, "name": "v1beta1", "storage": False, "schema": {"openAPIV3Schema": schema}}
    service = {"name": f"{package}-{package}", "namespace": package, "path": "/convert"}
    webhook = {"conversionReviewVersions": ["v1"], "clientConfig": {"service": service}}
    spec = {"versions": [first, second], "conversion": {"strategy": "Webhook", "webhook": webhook}}
    cluster.api.patch({"apiVersion": kind[0], "kind": kind[1], "metadata": found["metadata"]}, {"spec": spec})


def test_by_consent_they_go_and_what_nobody_acts_on_any_more_is_named(cluster: ControlPlane) -> None:
    used_by_a_team(cluster)
    convert(cluster, "issuers")
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
    for kind in ("Ingress", "Certificate", "Issuer", "Monitor"):
        assert "nobody acts on it any more" in kept[kind, "mine"]
    assert any(one["code"] == "still-used" for one in result.document["warnings"])
    issuer = cluster.api.request("GET", "/apis/issuers.example.com/v1beta1/namespaces/team/issuers/mine")
    assert issuer["apiVersion"] == "issuers.example.com/v1beta1", "no webhook is asked any more"


def test_what_nobody_uses_goes_and_what_helm_leaves_is_named_or_goes_too(
    cluster: ControlPlane, assert_clean: Callable[..., None]
) -> None:
    before = install.installed(cluster, packages=PACKAGES)
    # What a Job of the chart's hooks made, whose Pod is gone.
    metadata = {"name": "monitors-admission", "namespace": "monitors"}
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
