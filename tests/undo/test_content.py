"""What of an object is worth putting back."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from kubectl_glasskube_purge.undo.content import content
from tests.undo.samples import document, live


def kept(item: dict[str, Any]) -> dict[str, Any]:
    return content(live(item).body)


def test_what_the_server_fills_in_is_left_out() -> None:
    item = document("v1", "ConfigMap", "a", "shop", data={"k": "v"}, status={"x": 1})
    assert kept(item) == document("v1", "ConfigMap", "a", "shop", data={"k": "v"})


def test_the_object_itself_stays_as_it_is() -> None:
    found = live(document("v1", "Service", "a", "shop", spec={"clusterIP": "10.0.0.7"}))
    before = copy.deepcopy(found.body)
    content(found.body)
    assert found.body == before


def test_no_owner_reference_is_kept_for_its_uid_is_of_yesterday() -> None:
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "o", "uid": "u"}
    assert (
        "ownerReferences"
        not in kept(document("v1", "Secret", "a", "x", metadata={"ownerReferences": [reference]}))["metadata"]
    )


def test_labels_and_annotations_that_people_set_are_kept() -> None:
    metadata = {
        "labels": {"pod-security.kubernetes.io/enforce": "baseline", "team": "yes"},
        "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}", "note": "~"},
    }
    assert kept(document("v1", "ConfigMap", "a", "x", metadata=metadata))["metadata"] == {
        "name": "a",
        "namespace": "x",
        **metadata,
    }


def test_what_controllers_and_this_program_note_on_an_object_is_left_out() -> None:
    annotations = {
        "deployment.kubernetes.io/revision": "7",
        "pv.kubernetes.io/bind-completed": "yes",
        "volume.kubernetes.io/storage-provisioner": "x",
        "glasskube-purge/version": "v0.26.1",
        "glasskube-purge/claim": "{}",
    }
    assert (
        "annotations"
        not in kept(document("apps/v1", "Deployment", "a", "x", metadata={"annotations": annotations}))["metadata"]
    )


@pytest.mark.parametrize(
    ("finalizers", "left"),
    [
        (["packages.glasskube.dev/packageDeletion"], None),
        (["finalizers.fluxcd.io"], None),
        (["kubernetes.io/pvc-protection", "foregroundDeletion"], None),
        (["service.kubernetes.io/load-balancer-cleanup"], None),
        (["customresourcecleanup.apiextensions.k8s.io"], None),
        (["example.com/mine", "kubernetes.io/pvc-protection"], ["example.com/mine"]),
    ],
)
def test_finalizers_that_a_controller_sets_are_left_to_it(finalizers: list[str], left: list[str] | None) -> None:
    metadata = kept(document("v1", "ConfigMap", "a", "x", metadata={"finalizers": finalizers}))["metadata"]
    assert metadata.get("finalizers") == left


def test_a_service_gets_a_new_address_unless_it_wants_none() -> None:
    spec = {"clusterIP": "10.0.0.7", "clusterIPs": ["10.0.0.7"], "ports": [{"port": 80, "nodePort": 30080}]}
    assert kept(document("v1", "Service", "a", "x", spec=spec))["spec"] == {"ports": [{"port": 80, "nodePort": 30080}]}
    headless = {"clusterIP": "None", "clusterIPs": ["None"]}
    assert kept(document("v1", "Service", "a", "x", spec=headless))["spec"] == headless


def test_a_job_runs_anew_under_its_own_labels() -> None:
    made = {
        "batch.kubernetes.io/controller-uid": "u",
        "controller-uid": "u",
        "job-name": "a",
        "batch.kubernetes.io/job-name": "a",
    }
    spec = {
        "selector": {"matchLabels": {"batch.kubernetes.io/controller-uid": "u"}},
        "template": {"metadata": {"labels": {**made, "mine": "1"}}, "spec": {}},
    }
    job = kept(document("batch/v1", "Job", "a", "x", metadata={"labels": made}, spec=spec))
    assert "labels" not in job["metadata"]
    assert job["spec"] == {"template": {"metadata": {"labels": {"mine": "1"}}, "spec": {}}}


def test_a_jobs_own_selector_is_kept() -> None:
    spec = {"manualSelector": True, "selector": {"matchLabels": {"a": "b"}}, "template": {"spec": {}}}
    assert kept(document("batch/v1", "Job", "a", "x", spec=spec))["spec"] == spec


def test_a_claim_isnt_bound_to_a_volume_of_yesterday() -> None:
    claim = document("v1", "PersistentVolumeClaim", "a", "x", spec={"volumeName": "pvc-1", "storageClassName": "fast"})
    assert kept(claim)["spec"] == {"storageClassName": "fast"}


def test_a_namespace_is_its_name_and_what_people_set_on_it() -> None:
    labels = {"kubernetes.io/metadata.name": "a", "istio-injection": "enabled"}
    namespace = document("v1", "Namespace", "a", metadata={"labels": labels}, spec={"finalizers": ["kubernetes"]})
    assert kept(namespace) == document("v1", "Namespace", "a", metadata={"labels": {"istio-injection": "enabled"}})


def test_an_account_keeps_its_pull_secrets_and_loses_its_tokens() -> None:
    account = document(
        "v1",
        "ServiceAccount",
        "a",
        "x",
        secrets=[{"name": "a-token-x7kq2"}, {"name": "a-dockercfg-abcde"}, {"name": "mine"}],
        imagePullSecrets=[{"name": "registry"}],
    )
    assert kept(account)["secrets"] == [{"name": "mine"}]
    assert kept(account)["imagePullSecrets"] == [{"name": "registry"}]


def test_rules_that_a_controller_collects_are_left_to_it() -> None:
    rules = [{"verbs": ["get"]}]
    role = document("rbac.authorization.k8s.io/v1", "ClusterRole", "a", rules=rules)
    assert kept(role)["rules"] == rules
    assert "rules" not in kept({**role, "aggregationRule": {"clusterRoleSelectors": []}})


def test_a_pod_of_its_own_goes_to_any_node_with_a_token_of_its_own() -> None:
    token = {"name": "kube-api-access-abcde"}
    spec = {
        "nodeName": "n1",
        "volumes": [token, {"name": "data"}],
        "containers": [{"name": "c", "volumeMounts": [{**token, "mountPath": "/t"}]}],
    }
    assert kept(document("v1", "Pod", "a", "x", spec=spec))["spec"] == {
        "volumes": [{"name": "data"}],
        "containers": [{"name": "c"}],
    }


def test_api_version_kind_and_metadata_come_first() -> None:
    found = live({"data": {"a": "b"}, **document("v1", "ConfigMap", "a", "x")})
    assert list(content(found.body)) == ["apiVersion", "kind", "metadata", "data"]
