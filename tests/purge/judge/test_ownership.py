"""What an object claims, and what has to confirm it."""

from __future__ import annotations

from typing import Any

import pytest

from kubectl_glasskube_purge.glasskube import facts
from kubectl_glasskube_purge.kube.objects import Found
from kubectl_glasskube_purge.purge.judge.plan import plan
from kubectl_glasskube_purge.purge.model.plan import Options, Plan
from tests.purge.clusters import RBAC, Cluster, installed

CILIUM = {"annotations": {facts.HELM_RELEASE_NAME_ANNOTATION: "cilium", facts.HELM_RELEASE_NAMESPACE_ANNOTATION: "net"}}
CLAIMS: dict[str, Any] = {"targetNamespace": "net", "releaseName": "cilium"}


def others(cluster: Cluster) -> tuple[Found, Found]:
    """What another user's Helm release installed."""
    config = cluster.theirs("", "ConfigMap", "cilium-config", "net", **CILIUM)
    return config, cluster.theirs(RBAC, "ClusterRole", "cilium", **CILIUM)


def decided(cluster: Cluster) -> Plan:
    return plan(cluster.survey(), Options(ignore_busy=True))


def forged(cluster: Cluster, namespace: str) -> Found:
    """A HelmRelease that carries all that its author can choose."""
    return cluster.add(
        *facts.HELM_RELEASE.group_kind,
        "forged",
        namespace,
        owners=[cluster.packages[0]],
        managers=[facts.FIELD_MANAGER],
        labels={facts.MANAGED_BY_LABEL: facts.MANAGED_BY},
        body={"spec": {**CLAIMS, "chart": {"spec": {"chart": "x", "sourceRef": {"kind": "HelmRepository"}}}}},
    )


@pytest.mark.parametrize("namespace", ["tenant", "pkg0-home"])
def test_a_release_that_a_forged_helmrelease_claims_is_not_deleted(namespace: str) -> None:
    cluster = installed("helm", packages=1)
    cluster.theirs("", "ConfigMap", "theirs", "tenant")
    release = forged(cluster, namespace)
    victims = others(cluster)
    decision = decided(cluster)
    assert not decision.going.keys() & {found.ref for found in victims}
    assert (release.ref in decision.going) == (namespace == "pkg0-home")


def test_a_helmrelease_that_its_package_does_not_name_is_detached() -> None:
    cluster = installed("helm", packages=1)
    cluster.theirs("", "ConfigMap", "theirs", "tenant")
    release = forged(cluster, "tenant")
    decision = decided(cluster)
    verbs = {action.verb for stage in decision.stages for action in stage.actions if action.ref == release.ref}
    assert verbs == {"detach"}
    assert not decision.refusals


def test_what_helm_controller_recorded_outweighs_a_spec_that_was_changed() -> None:
    cluster = installed("helm", packages=1)
    release = cluster.find(*facts.HELM_RELEASE.group_kind, "pkg0-pkg0", "pkg0-home")
    assert release is not None
    status = {"history": [{"name": "pkg0-pkg0", "namespace": "pkg0-home", "version": 1}]}
    cluster.change(release, body={"spec": {**release.body["spec"], **CLAIMS}, "status": status})
    victims = others(cluster)
    role = cluster.find(RBAC, "ClusterRole", "pkg0-chart")
    going = decided(cluster).going
    assert not going.keys() & {found.ref for found in victims}
    assert role is not None
    assert role.ref in going


def test_a_helmrelease_without_confirmation_takes_nothing_outside_of_its_namespace() -> None:
    """An operator that never wrote a status: what is in the package's namespace is deleted with it all the same."""
    cluster = installed("helm", packages=1)
    package = cluster.objects[cluster.packages[0].uid]
    cluster.change(package, body={**package.body, "status": {}})
    going = {(ref.kind, ref.name) for ref in decided(cluster).going}
    assert {("HelmRelease", "pkg0-pkg0"), ("Deployment", "pkg0-web"), ("Namespace", "pkg0-home")} <= going
    assert ("ClusterRole", "pkg0-chart") not in going
