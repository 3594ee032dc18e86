"""What an object claims, and what has to confirm it."""

from __future__ import annotations

from typing import Any

import pytest

from kubectl_glasskube_purge.glasskube import facts
from kubectl_glasskube_purge.kube.objects import Found, Ref
from kubectl_glasskube_purge.purge.judge.plan import plan
from kubectl_glasskube_purge.purge.model.plan import Options, Plan
from tests.purge.clusters import DEFINITION, RBAC, Cluster, installed

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
        named=False,
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
    assert not decision.going.keys() & {release.ref, *(found.ref for found in victims)}


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


RECORD = {"history": [{"name": "pkg0-pkg0", "namespace": "pkg0-home", "version": 1}]}
ORIGIN = {facts.FLUX_HELM_RELEASE_LABEL: "pkg0-pkg0", facts.FLUX_HELM_RELEASE_NAMESPACE_LABEL: "pkg0-home"}


def without_record(spec: dict[str, Any], labelled: bool = True) -> Cluster:
    """A package whose HelmRelease was made by a controller before v0.37, which noted nothing."""
    cluster = installed("helm", packages=1)
    release = cluster.find(*facts.HELM_RELEASE.group_kind, "pkg0-pkg0", "pkg0-home")
    assert release is not None
    cluster.change(release, body={"spec": {**release.body["spec"], **spec}})
    for uid in cluster.charts[release.uid] if labelled else ():
        if cluster.objects[uid].ref.kind != "Secret":
            cluster.change(cluster.objects[uid], labels=ORIGIN)
    return cluster


CHART_OBJECTS = {
    ("Deployment", "pkg0-web"),
    ("ClusterRole", "pkg0-chart"),
    ("Secret", "sh.helm.release.v1.pkg0-pkg0.v1"),
}


def test_without_a_record_origin_labels_confirm_what_a_chart_installed() -> None:
    going = decided(without_record({})).going
    assert {(ref.kind, ref.name) for ref in going} >= CHART_OBJECTS


@pytest.mark.parametrize("spec", [CLAIMS, {"targetNamespace": "net"}, {"releaseName": "cilium"}])
def test_a_spec_without_a_record_steers_nothing(spec: dict[str, Any]) -> None:
    """helm-controller before v0.37 uninstalls what the spec names, so such a HelmRelease must not be deleted."""
    cluster = without_record(spec)
    name = spec.get("releaseName", "net-pkg0-pkg0")
    home = spec.get("targetNamespace", "pkg0-home")
    marks = {facts.HELM_RELEASE_NAME_ANNOTATION: name, facts.HELM_RELEASE_NAMESPACE_ANNOTATION: home}
    role = cluster.theirs(RBAC, "ClusterRole", "cilium", annotations=marks)
    kept = cluster.theirs(*DEFINITION, "nets.cilium.io", annotations=marks)
    cluster.defines["nets.cilium.io"] = ("cilium.io", "Net")
    stored = cluster.theirs("", "Secret", f"sh.helm.release.v1.{name}.v1", home, labels={"owner": "helm", "name": name})
    release = Ref(*facts.HELM_RELEASE.group_kind, "pkg0-home", "pkg0-pkg0")
    decision = plan(cluster.survey(), Options(ignore_busy=True, delete_in_use=True, delete_crds=True))
    assert not decision.going.keys() & {release, role.ref, kept.ref, stored.ref}
    assert [one.why for one in decision.kept if one.ref == release and "spec names" in one.why]


def test_a_stored_release_elsewhere_that_no_object_confirms_steers_nothing() -> None:
    cluster = without_record({"storageNamespace": "net", "releaseName": "cilium"}, labelled=False)
    labels = {"owner": "helm", "name": "cilium"}
    stored = cluster.theirs("", "Secret", "sh.helm.release.v1.cilium.v1", "net", labels=labels)
    release = Ref(*facts.HELM_RELEASE.group_kind, "pkg0-home", "pkg0-pkg0")
    assert not decided(cluster).going.keys() & {release, stored.ref}


def test_a_stored_release_is_looked_for_where_helm_controller_stored_it() -> None:
    cluster = installed("helm", packages=1)
    release = cluster.find(*facts.HELM_RELEASE.group_kind, "pkg0-pkg0", "pkg0-home")
    assert release is not None
    cluster.change(release, body={**release.body, "status": {**RECORD, "storageNamespace": "shop"}})
    labels = {"owner": "helm", "name": "pkg0-pkg0", "version": "1"}
    stored = cluster.add("", "Secret", "sh.helm.release.v1.pkg0-pkg0.v1", "shop", labels=labels)
    other = cluster.theirs("", "Secret", "sh.helm.release.v1.pkg0-pkg0.v1", "net", labels=labels)
    decision = decided(cluster)
    assert stored.ref in decision.going
    assert other.ref not in decision.going
    handed = plan(cluster.survey(), Options(ignore_busy=True, keep_packages="helm"))
    (reason,) = [one.reason for stage in handed.stages for one in stage.actions if one.ref == release.ref]
    assert "helm status -n shop pkg0-pkg0" in reason


# -- ownerReferences that the operator can't have made


def tenants(cluster: Cluster, group: str, kind: str, namespace: str, owner: Found, name: str = "claim") -> Found:
    """An object of another user that claims an owner, and holds on to what deletes it."""
    held = ["example.com/hold"]
    return cluster.theirs(group, kind, name, namespace, owners=[owner], finalizers=held)


def owner_of(cluster: Cluster, kind: str) -> Found:
    (owner,) = [f for f in cluster.objects.values() if f.ref.kind == kind and f.ref.name.startswith("pkg0")]
    return owner


CLAIMING = [
    ("", "ConfigMap", "tenant"),
    ("apps", "Deployment", "kube-system"),
    (RBAC, "ClusterRole", ""),
    ("", "Namespace", ""),
    (*DEFINITION, ""),
    (*facts.HELM_REPOSITORY.group_kind, "tenant"),
]


@pytest.mark.parametrize("owner", ["ClusterPackage", "HelmRelease", "HelmRepository"])
@pytest.mark.parametrize(("group", "kind", "namespace"), CLAIMING)
def test_what_only_claims_to_be_a_packages_is_detached_and_reported(
    owner: str, group: str, kind: str, namespace: str
) -> None:
    cluster = installed("helm", packages=1)
    found = tenants(cluster, group, kind, namespace, owner_of(cluster, owner))
    decision = decided(cluster)
    assert found.ref not in decision.going
    verbs = {action.verb for stage in decision.stages for action in stage.actions if action.ref == found.ref}
    assert verbs == {"detach"}
    assert [one.why for one in decision.kept if one.ref == found.ref and "status.ownedResources" in one.why]
    (warning,) = [one for one in decision.warnings if one.code == "foreign-claim"]
    assert found.ref.display in warning.message
    assert not decision.refusals
    assert decision.packages[0].decision == "delete"
    assert owner_of(cluster, "ClusterPackage").ref in decision.going


def test_what_a_package_brought_is_never_taken_for_a_claim() -> None:
    """Plain manifests, what controllers derive from them, and what a package's own operator made."""
    cluster = installed("helm", "plain", "crd", packages=1)
    package = cluster.packages[0]
    operator = cluster.add("apps", "Deployment", "pkg0-operator", "kube-system", owners=[package])
    of_it = [
        cluster.add("apps", "ReplicaSet", "pkg0-operator-1", "kube-system", owners=[operator]),
        cluster.add("", "Secret", "pkg0-certificate", "kube-system", owners=[operator]),
        cluster.add("discovery.k8s.io", "EndpointSlice", "pkg0-x", "kube-system", owners=[operator]),
    ]
    of_it.append(cluster.add("", "Pod", "pkg0-operator-1-x", "kube-system", owners=of_it[:1]))
    of_it.append(cluster.add("", "ConfigMap", "of-an-own-controller", "pkg0-home", owners=[package], named=False))
    of_it.append(cluster.add("", "ConfigMap", "of-the-release", "pkg0-home", owners=[owner_of(cluster, "HelmRelease")]))
    decision = decided(cluster)
    assert decision.going.keys() >= {operator.ref, *(found.ref for found in of_it)}
    assert not [one for one in decision.warnings if one.code == "foreign-claim"]
    assert not [action for stage in decision.stages for action in stage.actions if action.verb == "detach"]


@pytest.mark.parametrize(
    "status",
    [
        {"conditions": [{"type": "Failed", "status": "True"}]},
        {"ownedResources": []},
        {"version": "v0"},
    ],
)
def test_a_package_that_is_not_wholly_installed_names_not_all_that_it_brought(status: dict[str, Any]) -> None:
    """The operator names plain manifests once all of them are applied."""
    cluster = installed("plain", packages=1)
    role = cluster.add(RBAC, "ClusterRole", "half-installed", owners=[cluster.packages[0]], named=False)
    package = cluster.objects[cluster.packages[0].uid]
    cluster.change(package, body={**package.body, "status": {**package.body["status"], **status}})
    decision = decided(cluster)
    assert role.ref in decision.going
    assert not [one for one in decision.warnings if one.code == "foreign-claim"]


def test_a_claim_in_glasskubes_namespace_keeps_it_unless_the_user_consents() -> None:
    cluster = installed("helm", packages=1)
    found = tenants(cluster, "", "ConfigMap", facts.NAMESPACE, cluster.packages[0])
    home = Ref("", "Namespace", "", facts.NAMESPACE)
    assert not decided(cluster).going.keys() & {found.ref, home}
    consented = plan(cluster.survey(), Options(ignore_busy=True, include_foreign=(facts.NAMESPACE,)))
    assert consented.going.keys() >= {found.ref, home}


@pytest.mark.parametrize("kind", [facts.HELM_RELEASE, facts.HELM_REPOSITORY])
def test_what_claims_a_kept_package_is_not_deleted_by_handing_it_over_to_helm(kind: facts.Kind) -> None:
    cluster = installed("helm", packages=1)
    found = tenants(cluster, *kind.group_kind, "tenant", cluster.packages[0])
    handed = plan(cluster.survey(), Options(ignore_busy=True, keep_packages="helm"))
    assert found.ref not in handed.going
    assert {one.verb for stage in handed.stages for one in stage.actions if one.ref == found.ref} == {"hand-over"}


@pytest.mark.parametrize("owner", ["HelmRelease", "HelmRepository"])
def test_what_claims_something_of_flux_is_detached_before_a_hand_over_to_helm_deletes_that(owner: str) -> None:
    cluster = installed("helm", packages=1)
    found = tenants(cluster, "", "ConfigMap", "tenant", owner_of(cluster, owner))
    handed = plan(cluster.survey(), Options(ignore_busy=True, keep_packages="helm"))
    assert {one.verb for stage in handed.stages for one in stage.actions if one.ref == found.ref} == {"detach"}
    left = plan(cluster.survey(), Options(ignore_busy=True, keep_packages="flux"))
    assert not [one for stage in left.stages for one in stage.actions if one.ref == found.ref]
