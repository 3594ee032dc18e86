"""The label system on a real control plane: it shows the install, touches nothing else, and goes again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jsonschema
import pytest

from kubectl_glasskube_purge.report.document import schema
from tests.cluster.controlplane import ControlPlane
from tests.cluster.dump import Dump, dump
from tests.cluster.plugin import Result, purge

from . import install

PART_OF = "app.kubernetes.io/part-of"
COMPONENT = "app.kubernetes.io/component"
VERSION = "app.kubernetes.io/version"
OURS = {PART_OF, COMPONENT, VERSION}


def report(result: Result) -> dict[str, Any]:
    """The report document, valid against the schema."""
    document: dict[str, Any] = result.document
    jsonschema.validate(document, schema(), format_checker=jsonschema.FormatChecker())
    assert document["kind"] == "LabelReport"
    assert document["exitCode"] == result.returncode, result
    return document


def identity(item: Mapping[str, Any]) -> tuple[str, str, str]:
    """Kind, namespace and name."""
    return item["kind"], item["metadata"].get("namespace", ""), item["metadata"]["name"]


def labels_of(item: Mapping[str, Any]) -> dict[str, str]:
    """An object's labels."""
    return dict(item["metadata"].get("labels") or {})


def labels(found: Dump) -> dict[str, dict[str, str]]:
    """The labels of every object."""
    return {key: labels_of(item) for key, item in found.items()}


def without_labels(found: Dump) -> dict[str, Any]:
    """Every object without its labels and what changes with them."""
    result = {}
    for key, item in found.items():
        dropped = ("labels", "resourceVersion", "managedFields")
        result[key] = {**item, "metadata": {k: v for k, v in item["metadata"].items() if k not in dropped}}
    return result


def steady(cluster: ControlPlane) -> Dump:
    """What is compared: all but what copies the labels of its Service."""
    copies = ("Endpoints ", "EndpointSlice.", "IPAddress.")
    return {key: item for key, item in dump(cluster).items() if not key.startswith(copies)}


def test_the_labels_show_the_install_and_go_again(cluster: ControlPlane) -> None:
    packages = (
        install.WantedPackage("ClusterPackage", "dashboard"),
        install.WantedPackage("Package", "orders", "shop", package="postgres"),
    )
    install.installed(cluster, packages=packages, among_others=True)
    before = steady(cluster)

    since = cluster.audit_position()
    document = report(purge(cluster, "label", "--dry-run", "-o", "json"))
    assert document["outcome"] == "dry-run"
    asked = [entry for entry in cluster.audit(since, user="admin") if entry["verb"] not in ("get", "list", "watch")]
    assert asked == []
    assert report(purge(cluster, "label", "--dry-run=server", "-o", "json"))["outcome"] == "dry-run"
    assert labels(steady(cluster)) == labels(before)

    document = report(purge(cluster, "label", "--yes", "-o", "json"))
    assert document["outcome"] == "done", document
    after = steady(cluster)
    assert without_labels(after) == without_labels(before)
    labelled = {identity(item) for item in after.values() if labels_of(item).get(PART_OF) == "glasskube"}
    own = {("ClusterPackage", "", "dashboard"), ("Package", "shop", "orders"), ("PackageRepository", "", "glasskube")}
    infos = {identity(item) for item in after.values() if item["kind"] == "PackageInfo"}
    made = {("Secret", install.NAMESPACE, "glasskube-webhook-tls")}
    assert labelled == {*map(identity, install.manifest("v0.26.1", "aio")), *own, *infos, *made}
    for key, have in labels(after).items():
        had = labels(before)[key]
        added = {name for name in have if name not in had}
        assert added <= OURS
        assert {name: have[name] for name in had} == had, "what others set stays as it is"
        if added:
            # A version of Glasskube's on Flux would look as if somebody had installed another Flux.
            assert have.get(VERSION) == (None if have[COMPONENT] == "flux" else "v0.26.1")
    again = report(purge(cluster, "label", "--yes", "-o", "json"))
    assert again["outcome"] == "nothing-to-do"
    flux = purge(cluster, "--dry-run", "--offline", "-o", "json").document["flux"]
    assert flux["decision"] == "delete", flux
    assert any(one.startswith("labelled as Glasskube's") for one in flux["evidence"])

    assert report(purge(cluster, "label", "--remove", "--yes", "-o", "json"))["outcome"] == "done"
    assert labels(steady(cluster)) == labels(before)
    managers = {
        entry["manager"] for item in steady(cluster).values() for entry in item["metadata"].get("managedFields", ())
    }
    assert "glasskube-purge-label" not in managers
    assert purge(cluster, "--dry-run", "--offline", "-o", "json").document["flux"]["decision"] == "delete"


def test_what_is_shared_with_others_isnt_labelled(cluster: ControlPlane) -> None:
    install.installed(cluster)
    install.foreign_release(cluster)
    before = labels(steady(cluster))
    document = report(purge(cluster, "label", "--yes", "-o", "json"))
    assert document["outcome"] == "done"
    after = labels(steady(cluster))
    flux = [key for key in before if "flux-system" in key or ".fluxcd.io" in key]
    assert flux
    assert {key: after[key] for key in flux} == {key: before[key] for key in flux}
    assert any("not labelled" in one["why"] for one in document["kept"])


@pytest.mark.crash
def test_a_label_of_somebody_else_stays_and_an_object_that_vanished_isnt_made(cluster: ControlPlane) -> None:
    install.installed(cluster, variant="slim")
    service = cluster.api.get("v1", "Service", "glasskube-webhook-service", install.NAMESPACE)
    assert service is not None
    cluster.api.patch(service, {"metadata": {"labels": {VERSION: "mine"}}}, manager="somebody")
    assert report(purge(cluster, "label", "--yes", "-o", "json"))["outcome"] == "done"
    service = cluster.api.get("v1", "Service", "glasskube-webhook-service", install.NAMESPACE)
    assert service is not None
    assert service["metadata"]["labels"][VERSION] == "mine"
    result = purge(cluster, "verify", "-o", "json")
    assert result.returncode == 5, result
    result = purge(cluster, "--yes", "--offline", "--no-backup", "-o", "json")
    assert result.returncode == 0, result
    assert report(purge(cluster, "label", "--yes", "-o", "json"))["outcome"] == "nothing-to-do"


def test_labels_that_nobody_lets_through_are_a_failure(cluster: ControlPlane) -> None:
    packages = (install.WantedPackage("ClusterPackage", "dashboard"),)
    install.installed(cluster, variant="aio", packages=packages, operator="unready")
    result = purge(cluster, "label", "--yes", "-o", "json")
    document = report(result)
    assert (document["outcome"], result.returncode) == ("incomplete", 5)
    failed = [one["name"] for stage in document["stages"] for one in stage["objects"] if one["outcome"] == "failed"]
    assert failed == ["dashboard", "glasskube"]
