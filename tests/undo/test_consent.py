"""What a restore asks for separately."""

from __future__ import annotations

import pytest

from kubectl_glasskube_purge.glasskube import facts, inventory
from kubectl_glasskube_purge.kube.objects import Ref
from kubectl_glasskube_purge.purge.model.plan import Plan
from kubectl_glasskube_purge.undo.consent import reason, separately
from kubectl_glasskube_purge.undo.restore import Options, merged, plan
from kubectl_glasskube_purge.undo.selection import Contents, Entry
from kubectl_glasskube_purge.undo.text import Backup
from tests.undo.samples import document

RBAC = "rbac.authorization.k8s.io"


@pytest.mark.parametrize(
    "ref",
    [
        *(ref for ref in sorted(inventory.every_object()) if ref.group == RBAC),
        Ref("admissionregistration.k8s.io", "MutatingWebhookConfiguration", "", "x", "v1"),
        Ref("apps", "DaemonSet", "shop", "x", "v1"),
        Ref("apps", "Deployment", facts.NAMESPACE, facts.OPERATOR_DEPLOYMENT, "v1"),
        Ref("", "Pod", "kube-system", "x", "v1"),
        Ref("", "ConfigMap", facts.NAMESPACE, "x", "v1"),
        Ref("", "Secret", "shop", "x", "v1"),
    ],
)
def test_rights_webhooks_and_workloads_are_asked_for_whatever_they_are_called(ref: Ref) -> None:
    assert reason(ref)


@pytest.mark.parametrize(
    "ref",
    [
        Ref("", "Namespace", "", facts.NAMESPACE, "v1"),
        Ref(facts.GROUP, facts.CLUSTER_PACKAGE.kind, "", "argo-cd", facts.VERSION),
        Ref(facts.GROUP, facts.PACKAGE_REPOSITORY.kind, "", "glasskube", facts.VERSION),
        *(ref for ref in sorted(inventory.every_object()) if ref.kind == "CustomResourceDefinition"),
    ],
)
def test_what_glasskube_consists_of_besides_is_not_asked_for(ref: Ref) -> None:
    assert not reason(ref)


def decided(file: Backup) -> Plan:
    return plan(merged([file], Options()), {}, Options(), reason="in the backup").plan


def test_only_what_is_applied_from_a_file_in_doubt_is_asked_for() -> None:
    role = document(f"{RBAC}/v1", "ClusterRole", "x")
    file = Backup(Contents(restored=(Entry(role),)))
    assert [one.code for one in separately(decided(file), [file])] == ["asked-separately"]
    assert separately(decided(file), []) == ()
    assert separately(Plan(), [file]) == ()
