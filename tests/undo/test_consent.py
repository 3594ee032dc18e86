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


def package(name: str, **info: str) -> Entry:
    return Entry({**document(f"{facts.GROUP}/v1alpha1", "ClusterPackage", name), "spec": {"packageInfo": info}})


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
        *(Ref(*kind, "", "x", facts.VERSION) for kind in facts.GLASSKUBE_GROUP_KINDS),
    ],
)
def test_rights_webhooks_and_workloads_are_asked_for_whatever_they_are_called(ref: Ref) -> None:
    assert reason(ref)


@pytest.mark.parametrize(
    "ref",
    [
        Ref("", "Namespace", "", facts.NAMESPACE, "v1"),
        *(ref for ref in sorted(inventory.every_object()) if ref.kind == "CustomResourceDefinition"),
    ],
)
def test_what_glasskube_consists_of_besides_is_not_asked_for(ref: Ref) -> None:
    assert not reason(ref)


def test_packages_are_asked_for_unless_an_own_backup_brings_them_just_so() -> None:
    """The operator installs whatever a repository serves, with rights over everything."""
    known, planted, changed = (package("known"), package("planted"), package("changed", version="v1"))
    own = Backup(Contents(restored=(known, package("changed", version="v0"))))
    file = Backup(Contents(restored=(known, planted, changed)))
    asked = separately(decided(file), [file], [own])
    assert {one.message.partition(" ")[0].rpartition("/")[2] for one in asked} == {"changed", "planted"}
    assert all("installs" in one.message for one in asked)


def decided(file: Backup) -> Plan:
    return plan(merged([file], Options()), {}, Options(), reason="in the backup").plan


def test_only_what_is_applied_from_a_file_in_doubt_is_asked_for() -> None:
    role = document(f"{RBAC}/v1", "ClusterRole", "x")
    file = Backup(Contents(restored=(Entry(role),)))
    assert [one.code for one in separately(decided(file), [file])] == ["asked-separately"]
    assert separately(decided(file), []) == ()
    assert separately(Plan(), [file]) == ()
