"""The backup on a real control plane: nothing is deleted before it is complete, and none is ever lost."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from kubectl_glasskube_purge.flows.run import connected, new_record
from kubectl_glasskube_purge.kube.client import Client
from kubectl_glasskube_purge.kube.connect import Flags
from kubectl_glasskube_purge.kube.objects import Found
from kubectl_glasskube_purge.undo import backup, text
from kubectl_glasskube_purge.undo.content import content
from tests.cluster.api import ApiError, Object
from tests.cluster.controlplane import ControlPlane
from tests.cluster.dump import difference, dump
from tests.cluster.faults import faults
from tests.cluster.plugin import environment, purge, start_purge
from tests.cluster.restored import comparable, not_ready

from . import install

TWO_PACKAGES = (
    install.WantedPackage("ClusterPackage", "dashboard"),
    install.WantedPackage("ClusterPackage", "ingress"),
)


def deletions(cluster: ControlPlane, since: int) -> list[str]:
    """What the plugin's user deleted."""
    entries = cluster.audit(since, user="admin")
    return [entry["requestURI"] for entry in entries if entry["verb"] in ("delete", "deletecollection")]


def as_broken(cluster: ControlPlane, breakage: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs the plugin in an interpreter in which something was broken first."""
    run = "runpy.run_module('kubectl_glasskube_purge', None, '__main__')"
    program = f"import os, resource, runpy, signal, sys\n{breakage}\n{run}"
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        # Bytecode that is cut off on the full disk would break the next run instead.
        env=environment(cluster, {"PYTHONDONTWRITEBYTECODE": "1"}),
        timeout=120,
        check=False,
    )


@pytest.mark.crash
def test_a_backup_interrupted_at_any_byte_never_leads_to_a_delete(cluster: ControlPlane, tmp_path: Path) -> None:
    install.installed(cluster, variant="slim")
    since = cluster.audit_position()
    file = tmp_path / "backups" / "backup.yaml"
    full_disk = "resource.setrlimit(resource.RLIMIT_FSIZE, ({0}, {0}))"
    killed = "os.{0} = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)"
    for breakage in (
        *(full_disk.format(bytes_) for bytes_ in (0, 1, 4096, 16_384)),
        *(killed.format(call) for call in ("fsync", "link")),
    ):
        result = as_broken(cluster, breakage, "--yes", "--offline", f"--backup={file}")
        assert result.returncode in (1, -9), (breakage, result)
        assert not file.exists(), breakage
        assert deletions(cluster, since) == [], breakage
    result = as_broken(cluster, full_disk.format(1 << 20), "--yes", "--offline", f"--backup={file}")
    assert result.returncode == 0, result
    assert deletions(cluster, since)
    head = text.load(file.read_text("utf-8"), "file").head
    kube_system = cluster.api.get("v1", "Namespace", "kube-system")
    assert head is not None
    assert kube_system is not None
    assert head.cluster == kube_system["metadata"]["uid"]


def test_by_default_it_has_a_file_of_its_own_that_the_report_and_the_last_line_name(cluster: ControlPlane) -> None:
    install.installed(cluster, variant="slim")
    dry = purge(cluster, "--dry-run", "--offline")
    assert "Backup" in dry.stdout
    home = cluster.directory / "home"
    assert not list(home.rglob("*.yaml"))
    document = purge(cluster, "--yes", "--offline", "-o", "json").document
    assert document["outcome"] == "clean"
    (file,) = home.rglob("*.yaml")
    assert document["backup"] == {"file": str(file), "files": [str(file)]}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.name.startswith("testbed-")


def test_the_backups_of_an_interrupted_run_and_the_next_are_one(cluster: ControlPlane, tmp_path: Path) -> None:
    install.installed(cluster, packages=TWO_PACKAGES)
    before = comparable(cluster)
    first, second = tmp_path / "first.yaml", tmp_path / "second.yaml"
    with faults(cluster) as proxy:
        command = ("--yes", "--offline", f"--backup={first}", f"--kubeconfig={proxy.kubeconfig}")
        process = start_purge(cluster, *command)
        proxy.after_change(12, process.kill)
        process.communicate(timeout=120)
    assert text.load(first.read_text("utf-8"), "first").contents.restored
    result = purge(cluster, "--yes", "--offline", f"--backup={second}", "-o", "json")
    assert result.returncode == 0, result
    assert result.document["backup"]["files"] == [str(first), str(second)]
    # The first was taken by the proxy's address: the cluster is the same one all the same.
    result = purge(cluster, "restore", str(first), str(second), "--yes")
    assert result.returncode == 0, result
    assert not not_ready(cluster)
    assert difference(before, comparable(cluster)) == []


def test_what_cant_be_read_stops_the_purge_unless_no_backup_is_wanted(cluster: ControlPlane, tmp_path: Path) -> None:
    install.installed(cluster, variant="slim")
    may_not_read_secrets(cluster, "limited")
    limited = f"--kubeconfig={cluster.kubeconfig_for('limited')}"
    file = tmp_path / "backup.yaml"
    since = cluster.audit_position()
    result = purge(cluster, "--yes", "--offline", f"--backup={file}", limited, "-o", "json")
    assert result.returncode == 3, result
    assert result.document["error"]["code"] == "backup-impossible"
    assert "secret/glasskube-webhook-tls" in result.document["error"]["message"]
    assert not file.exists()
    assert not [entry for entry in cluster.audit(since, user="limited") if entry["verb"] == "delete"]
    result = purge(cluster, "--yes", "--offline", "--no-backup", limited)
    assert result.returncode == 0, result


def may_not_read_secrets(cluster: ControlPlane, user: str) -> None:
    """Everything but `get` on Secrets: they may be listed and deleted."""
    kinds = cluster.api.kinds()
    groups = sorted({kind.group for kind in kinds} - {""})
    core = sorted(kind.plural for kind in kinds if kind.group == "" and kind.plural != "secrets")
    others = ["list", "watch", "create", "update", "patch", "delete"]
    rules: list[Object] = [
        {"apiGroups": ["*"], "resources": ["*"], "verbs": others},
        {"apiGroups": groups, "resources": ["*"], "verbs": ["get"]},
        {"apiGroups": [""], "resources": core, "verbs": ["get"]},
        {"nonResourceURLs": ["*"], "verbs": ["get"]},
    ]
    rbac = "rbac.authorization.k8s.io"
    role = {"apiVersion": f"{rbac}/v1", "kind": "ClusterRole", "metadata": {"name": user}, "rules": rules}
    binding = {
        "apiVersion": f"{rbac}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": user},
        "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": user},
        "subjects": [{"apiGroup": rbac, "kind": "User", "name": user}],
    }
    install.apply(cluster, [role, binding], manager="kubectl")


async def test_many_of_a_kind_are_read_by_lists_and_only_the_objects_that_were_seen(cluster: ControlPlane) -> None:
    for number in range(30):
        config_map(cluster, f"ours-{number:02}")
    for number in range(150):
        config_map(cluster, f"theirs-{number:03}")
    async with connected(Flags(kubeconfig=str(cluster.kubeconfig)), new_record()) as client:
        kinds = await client.discover()
        resource = kinds.find("", "ConfigMap")
        assert resource is not None
        listed = await client.list(resource, namespace="default")
        ours = [found for found in listed.items if found.ref.name.startswith("ours-")]
        few = [found for found in listed.items if found.ref.name.startswith("theirs-")][-10:]
        # One goes, and another one comes in the place of a third.
        for number in (7, 8):
            cluster.kubectl("delete", "configmap", f"ours-{number:02}")
        config_map(cluster, "ours-08")
        still = [found for number, found in enumerate(ours) if number not in (7, 8)]

        since = cluster.audit_position()
        read = await backup.read_whole(client, ours)
        asked = requests(cluster, since)
        assert (asked["get"], asked["list"]) == (2, 3), "the two that no page had, by name"
        await same_as_one_by_one(client, still, read)

        # A list in which most is others' isn't read to its end.
        since = cluster.audit_position()
        read = await backup.read_whole(client, few)
        asked = requests(cluster, since)
        assert (asked["get"], asked["list"]) == (10, 1)
        await same_as_one_by_one(client, few, read)


def config_map(cluster: ControlPlane, name: str) -> None:
    metadata = {"name": name, "namespace": "default"}
    cluster.api.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"name": name}})


def requests(cluster: ControlPlane, since: int) -> Counter[str]:
    """What the plugin's user asked for, of ConfigMaps."""
    entries = cluster.audit(since, user="admin")
    return Counter(entry["verb"] for entry in entries if entry.get("objectRef", {}).get("resource") == "configmaps")


async def same_as_one_by_one(client: Client, wanted: Sequence[Found], read: Sequence[Found | backup.Unread]) -> None:
    by_name = {one.ref.name: one for one in read}
    assert len(by_name) == len(read)
    bodies = {found.ref.name: await client.get(found.ref, whole=True) for found in wanted}
    assert by_name == bodies
    # Lists leave out which fields a manager has: no backup has that either.
    assert {name: content(one.body) for name, one in by_name.items() if isinstance(one, Found)} == {
        name: content(found.body) for name, found in bodies.items() if found is not None
    }


def test_it_may_go_to_stdout_and_to_no_file_that_exists(cluster: ControlPlane, tmp_path: Path) -> None:
    install.installed(cluster, variant="slim")
    since = cluster.audit_position()
    file = tmp_path / "backup.yaml"
    file.write_text("mine")
    assert purge(cluster, "--yes", "--offline", f"--backup={file}").returncode == 3
    assert file.read_text() == "mine"
    assert purge(cluster, "--yes", "--offline", "--backup=-", "-o", "json").returncode == 2
    assert purge(cluster, "--yes", "--offline", "--no-backup", f"--backup={file}").returncode == 2
    assert deletions(cluster, since) == []
    result = purge(cluster, "--yes", "--offline", "--backup=-")
    assert result.returncode == 0, result
    assert text.load(result.stdout, "stdout").head is not None
    assert "is gone from" in result.stderr


@pytest.mark.crash
def test_a_purge_that_fails_early_is_undone_where_the_user_wants_it(cluster: ControlPlane, tmp_path: Path) -> None:
    install.installed(cluster, packages=TWO_PACKAGES)
    let_nobody_delete(cluster, "packages.glasskube.dev", "packagerepositories")
    before = comparable(cluster)
    # Whoever can annotate the namespace must not choose what a rollback applies.
    hostile = tmp_path / "hostile.yaml"
    hostile.write_text(
        '{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "planted", "namespace": "default"}}'
    )
    hostile.chmod(0o600)
    claims = {"digest": backup.digest_of(hostile.read_bytes()), "file": str(hostile), "name": hostile.name}
    note = f"{backup.ANNOTATION}={json.dumps([claims])}"
    cluster.kubectl("annotate", "namespace", install.NAMESPACE, note)
    # The packages go, and then the records can't.
    options = ("--wait-idle=2m", "--rollback-on-failure", f"--backup={tmp_path / 'backup.yaml'}")
    result = purge(cluster, "--yes", "--offline", "-o", "json", *options)
    document = result.document
    assert result.returncode == 1, document["rollback"]
    assert document["outcome"] == "rolled-back"
    assert document["error"]["code"] == "not-deleted"
    assert "nobody may delete this" in document["error"]["message"]
    assert {one["outcome"] for one in document["stages"][0]["objects"]} == {"applied", "deleted"}
    assert document["rollback"]["outcome"] == "done"
    assert str(hostile) not in result.stdout + result.stderr
    (warning,) = [one["message"] for one in document["warnings"] if one["code"] == "backup-not-found"]
    assert hostile.name in warning
    assert document["backup"]["files"] == [str(tmp_path / "backup.yaml")]
    assert cluster.api.get("v1", "ConfigMap", "planted", "default") is None
    assert not not_ready(cluster)
    assert difference(before, comparable(cluster)) == []


def test_a_purge_that_fails_is_undone_though_its_operator_was_never_ready(cluster: ControlPlane) -> None:
    install.installed(cluster, packages=TWO_PACKAGES, operator="unready")

    let_nobody_delete(cluster, "packages.glasskube.dev", "packagerepositories")

    def packaged() -> set[str]:
        return {name for name in dump(cluster) if ".glasskube.dev " in name or name.startswith("HelmRelease.")}

    before = packaged()

    result = purge(cluster, "--yes", "--offline", "-o", "json", "--wait-idle=2m", "--rollback-on-failure")

    document = result.document
    assert document["error"]["code"] == "not-deleted"
    assert document["outcome"] == "rolled-back", document["rollback"]
    operator = cluster.api.get("apps/v1", "Deployment", install.OPERATOR, install.NAMESPACE)
    assert operator is not None
    assert operator["spec"]["replicas"] == 1
    assert install.webhook_state(cluster) != "absent"
    cluster.wait("what the packages consist of", lambda: True if before <= packaged() else None)


def let_nobody_delete(cluster: ControlPlane, group: str, resource: str) -> None:
    """An admission policy against it, in force when this returns."""
    api_version = "admissionregistration.k8s.io/v1"
    rule = {"apiGroups": [group], "apiVersions": ["*"], "operations": ["DELETE"], "resources": [resource]}
    policy: Object = {
        "apiVersion": api_version,
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": "no-deletes"},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {"resourceRules": [rule]},
            "validations": [{"expression": "false", "message": "nobody may delete this"}],
        },
    }
    binding: Object = {
        "apiVersion": api_version,
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": "no-deletes"},
        "spec": {"policyName": "no-deletes", "validationActions": ["Deny"]},
    }
    install.apply(cluster, [policy, binding], manager="kubectl")
    (kind,) = [one for one in cluster.api.kinds() if (one.group, one.plural) == (group, resource)]
    probe = cluster.api.list(kind.api_version, kind.kind)[0]

    def refused() -> bool | None:
        try:
            cluster.api.delete({"apiVersion": kind.api_version, "kind": kind.kind, **probe}, dryRun=["All"])
        except ApiError as error:
            return True if "nobody may delete this" in error.message else None
        return None

    cluster.wait("the admission policy", refused)
