"""What the server says of the kinds it serves, in one document or in many."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from kubectl_glasskube_purge.kube.discovery import AGGREGATED, discover
from kubectl_glasskube_purge.kube.errors import Busy

DEPLOYMENT = {"resource": "deployments", "responseKind": {"kind": "Deployment"}, "scope": "Namespaced"}
NODE_METRICS = {"resource": "nodes", "responseKind": {"kind": "NodeMetrics"}, "scope": "Cluster"}


def aggregated(name: str, *versions: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "APIGroupDiscoveryList", "items": [{"metadata": {"name": name}, "versions": list(versions)}]}


class Documents:
    """Answers each path with its document; a path without one fails."""

    def __init__(self, documents: Mapping[str, Mapping[str, Any]]) -> None:
        self.documents = documents
        self.asked: list[tuple[str, str]] = []

    async def __call__(self, path: str, accept: str) -> Mapping[str, Any]:
        self.asked.append((path, accept))
        if path not in self.documents:
            raise Busy("HTTP 503")
        return self.documents[path]


async def test_two_requests_tell_all_kinds_where_the_server_aggregates() -> None:
    beta = {"version": "v1beta1", "resources": [DEPLOYMENT]}
    documents = Documents(
        {
            "/api": aggregated("", {"version": "v1", "resources": []}),
            "/apis": aggregated("apps", {"version": "v1", "resources": [DEPLOYMENT]}, beta),
        }
    )

    discovery = await discover(documents)

    (deployment,) = discovery.resources
    assert (str(deployment), deployment.version, deployment.namespaced) == ("deployments.apps", "v1", True)
    assert discovery.unreadable == ()
    assert sorted(documents.asked) == [("/api", AGGREGATED), ("/apis", AGGREGATED)]


async def test_a_stale_group_is_unreadable_though_its_kinds_are_known() -> None:
    stale = aggregated("metrics.k8s.io", {"version": "v1", "freshness": "Stale", "resources": [NODE_METRICS]})

    discovery = await discover(Documents({"/api": aggregated(""), "/apis": stale}))

    assert [resource.kind for resource in discovery.resources] == ["NodeMetrics"]
    assert discovery.unreadable == ("metrics.k8s.io/v1",)


async def test_groups_are_read_one_by_one_where_the_server_does_not_aggregate() -> None:
    versions = [{"version": "v1beta1", "groupVersion": "apps/v1beta1"}, {"version": "v1", "groupVersion": "apps/v1"}]
    metrics = {"name": "metrics.k8s.io", "versions": [{"version": "v1", "groupVersion": "metrics.k8s.io/v1"}]}
    entries = [
        {"name": "deployments", "kind": "Deployment", "namespaced": True, "verbs": ["list"], "shortNames": ["deploy"]},
        {"name": "deployments/scale", "kind": "Scale", "namespaced": True},
    ]
    documents = Documents(
        {
            "/api": {"kind": "APIVersions", "versions": ["v1"]},
            "/apis": {
                "kind": "APIGroupList",
                "groups": [{"name": "apps", "preferredVersion": {"version": "v1"}, "versions": versions}, metrics],
            },
            "/api/v1": {"resources": [{"name": "pods", "kind": "Pod", "namespaced": True}]},
            "/apis/apps/v1": {"resources": entries},
            "/apis/apps/v1beta1": {"resources": entries},
        }
    )

    discovery = await discover(documents)

    assert [str(resource) for resource in discovery.resources] == ["pods", "deployments.apps"]
    assert discovery.find("apps", "Deployment") == discovery.named("deploy")
    assert discovery.resources[1].version == "v1"
    assert discovery.unreadable == ("metrics.k8s.io/v1",)


@pytest.mark.parametrize("missing", ["/api", "/apis"])
async def test_a_server_that_answers_for_half_of_its_kinds_is_an_error(missing: str) -> None:
    documents = {"/api": aggregated(""), "/apis": aggregated("apps")}
    del documents[missing]

    with pytest.raises(Busy):
        await discover(Documents(documents))
