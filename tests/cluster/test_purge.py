"""The purge from end to end on a real control plane: what goes, what stays, what is said."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jsonschema
import pytest

from kubectl_glasskube_purge.report.document import schema
from tests.cluster.controlplane import ControlPlane
from tests.cluster.dump import Dump, dump
from tests.cluster.plugin import Result, purge

from . import install

AssertClean = Callable[..., None]

OUTLIVES = ("PersistentVolumeClaim shop/data-*", "PersistentVolume pvc-*")
"""A StatefulSet's volumes outlive their chart in a namespace that stays."""


def report(result: Result) -> dict[str, Any]:
    """The report document on stdout, which has nothing else on it; valid against the schema."""
    document: dict[str, Any] = result.document
    jsonschema.validate(document, schema(), format_checker=jsonschema.FormatChecker())
    assert document["exitCode"] == result.returncode, result
    return document


def installed_with_packages(cluster: ControlPlane, **how: Any) -> Dump:
    """v0.26.1 aio with ten packages; returns what the cluster was like before, with the user's namespace in it."""
    install.ensure_namespace(cluster, "shop")
    cluster.kubectl("create", "configmap", "-n", "shop", "mine", "--from-literal=a=b")
    before = dump(cluster)
    install.install(cluster, **how)
    install.install_packages(cluster)
    return before


def test_nothing_of_glasskube_is_left_and_nothing_else_is_touched(
    cluster: ControlPlane, assert_clean: AssertClean
) -> None:
    before = installed_with_packages(cluster)

    result = purge(cluster, "--offline", "--yes", "-o", "json")

    document = report(result)
    assert result.returncode == 0, str(result)
    assert document["outcome"] == "clean"
    assert document["flux"]["decision"] == "delete"
    assert document["glasskube"] == {**document["glasskube"], "version": "v0.26.1"}
    assert not document["leftovers"]
    outcomes = {one["outcome"] for stage in document["stages"] for one in stage["objects"]}
    assert outcomes <= {"deleted", "absent", "applied"}, outcomes
    assert_clean(cluster, before, kept=OUTLIVES)

    again = purge(cluster, "--offline", "--yes", "-o", "json")
    assert again.returncode == 0, again
    assert report(again)["outcome"] == "nothing-to-do"


def test_an_operator_that_is_never_ready_makes_no_difference(cluster: ControlPlane, assert_clean: AssertClean) -> None:
    before = installed_with_packages(cluster)
    install.make_operator_unready(cluster)
    refused = cluster.kubectl("delete", "clusterpackage", "dashboard", check=False)
    assert "failed calling webhook" in refused.stderr

    result = purge(cluster, "--offline", "--yes", "-o", "json")

    assert result.returncode == 0, str(result)
    assert report(result)["outcome"] == "clean"
    assert_clean(cluster, before, kept=OUTLIVES)


def test_flux_stays_where_a_user_has_a_helmrelease(cluster: ControlPlane) -> None:
    installed_with_packages(cluster)
    flux_kinds = ("helm.toolkit.fluxcd.io/v2", "HelmRelease")
    cluster.api.create(
        {
            "apiVersion": flux_kinds[0],
            "kind": flux_kinds[1],
            "metadata": {"name": "mine", "namespace": "shop"},
            "spec": {
                "interval": "1h",
                "suspend": True,
                "chart": {"spec": {"chart": "x", "sourceRef": {"kind": "HelmRepository", "name": "x"}}},
            },
        }
    )
    flux = {
        name: item
        for name, item in dump(cluster).items()
        if " flux-system" in name or "fluxcd.io" in name.partition(" ")[2]
    }

    result = purge(cluster, "--offline", "--yes", "-o", "json")

    document = report(result)
    assert result.returncode == 0, str(result)
    assert document["flux"]["decision"] == "keep"
    assert any("helmrelease.helm.toolkit.fluxcd.io/mine -n shop" in text for text in document["flux"]["evidence"])
    after = dump(cluster)
    assert "HelmRelease.helm.toolkit.fluxcd.io shop/mine" in after
    assert {name: after.get(name, {}).get("metadata", {}).get("uid") for name in flux} == {
        name: item["metadata"]["uid"] for name, item in flux.items()
    }
    assert not [name for name in after if "packages.glasskube.dev" in name]


@pytest.mark.parametrize("choice", [pytest.param("keep", marks=pytest.mark.crash), "delete"])
def test_flux_is_kept_or_deleted_as_asked(cluster: ControlPlane, choice: str) -> None:
    install.install(cluster)

    result = purge(cluster, "--offline", "--yes", "-o", "json", f"--flux={choice}")

    assert result.returncode == 0, str(result)
    assert report(result)["flux"]["decision"] == choice
    names = {item["metadata"]["name"] for item in cluster.api.list("v1", "Namespace")}
    assert ("flux-system" in names) == (choice == "keep")
    assert "glasskube-system" not in names


def test_without_glasskube_there_is_nothing_to_do(cluster: ControlPlane, assert_clean: AssertClean) -> None:
    before = dump(cluster)
    position = cluster.audit_position()

    result = purge(cluster, "--yes", "-o", "json")

    assert result.returncode == 0, str(result)
    assert report(result)["outcome"] == "nothing-to-do"
    listed = [entry["requestURI"].split("?")[0] for entry in cluster.audit(position) if entry["verb"] == "list"]
    asked = [uri for uri in listed if "/apis/apps/v1/deployments" in uri]
    assert len(asked) == 1, "more than one survey"
    assert_clean(cluster, before)


def test_a_dry_run_changes_nothing(cluster: ControlPlane, assert_clean: AssertClean) -> None:
    installed_with_packages(cluster)
    before = dump(cluster)
    position = cluster.audit_position()

    for output in ("human", "json"):
        result = purge(cluster, "--offline", "--dry-run", "-o", output)
        assert result.returncode == 0, str(result)

    document = report(result)
    assert document["outcome"] == "dry-run"
    assert {one["outcome"] for stage in document["stages"] for one in stage["objects"]} == {"planned"}
    changing = [
        entry
        for entry in cluster.audit(position, user="admin")
        if entry["verb"] not in ("get", "list", "watch")
        and entry["userAgent"].startswith("kubectl-glasskube-purge")
        # Questions about oneself are asked by POST; the API server stores nothing of them.
        and not entry["objectRef"]["resource"].startswith("selfsubject")
    ]
    assert not changing
    assert_clean(cluster, before)


def test_the_preview_names_what_goes_and_what_is_lost(cluster: ControlPlane) -> None:
    installed_with_packages(cluster)

    result = purge(cluster, "--offline", "--dry-run")

    assert result.returncode == 0, str(result)
    for words in ("testbed", "v0.26.1", "Delete", "Keep", "Flux    deleted", "Lost", "reclaim policy Delete"):
        assert words in result.stdout
    assert len(result.stdout.splitlines()) <= 20


def test_without_a_terminal_it_refuses_instead_of_asking(cluster: ControlPlane, assert_clean: AssertClean) -> None:
    install.install(cluster, variant="slim")
    before = dump(cluster)

    result = purge(cluster, "--offline", "-o", "json", input="y\n")

    document = report(result)
    assert result.returncode == 3, result
    assert document["outcome"] == "refused"
    assert "--yes" in document["error"]["hint"]
    assert_clean(cluster, before)


def test_verify_says_what_is_there_and_changes_nothing(cluster: ControlPlane, assert_clean: AssertClean) -> None:
    empty = purge(cluster, "verify", "-o", "json")
    assert empty.returncode == 0, empty
    install.install(cluster)
    before = dump(cluster)

    result = purge(cluster, "verify", "-o", "json")

    document = report(result)
    assert result.returncode == 5, result
    left = {(one["kind"], one["name"]) for one in document["leftovers"]}
    assert ("CustomResourceDefinition", "clusterpackages.packages.glasskube.dev") in left
    assert ("Namespace", "flux-system") in left
    assert_clean(cluster, before)


def test_version_names_the_clusters_glasskube(cluster: ControlPlane) -> None:
    install.install(cluster, variant="slim", version="v0.20.1")

    result = purge(cluster, "version", "-o", "json")

    assert result.returncode == 0, str(result)
    assert result.document["glasskubeVersion"] == "v0.20.1"


def test_a_foreign_object_in_a_manifest_is_refused_before_anything_is_deleted(
    cluster: ControlPlane, assert_clean: AssertClean
) -> None:
    install.install(cluster, variant="slim")
    before = dump(cluster)
    manifest = cluster.directory / "manifest.yaml"
    manifest.write_text("apiVersion: v1\nkind: Namespace\nmetadata:\n  name: kube-system\n")

    result = purge(cluster, "--yes", "-o", "json", f"--manifest={manifest}")

    document = report(result)
    assert result.returncode == 3, result
    assert "kube-system" in document["error"]["message"]
    assert_clean(cluster, before)


def test_upstreams_half_done_purge_is_finished(cluster: ControlPlane, assert_clean: AssertClean) -> None:
    before = installed_with_packages(cluster)
    for item in reversed(install.manifest("v0.26.1", "slim")):
        namespaced = ("-n", item["metadata"]["namespace"]) if item["metadata"].get("namespace") else ()
        cluster.kubectl("delete", item["kind"], item["metadata"]["name"], *namespaced, "--wait=false", check=False)
    cluster.wait(
        "the operator's namespace to be gone",
        lambda: True if cluster.api.get("v1", "Namespace", install.NAMESPACE) is None else None,
    )

    result = purge(cluster, "--offline", "--yes", "-o", "json")

    assert result.returncode == 0, str(result)
    assert report(result)["outcome"] == "clean"
    assert_clean(cluster, before, kept=OUTLIVES)
