"""The way back on a real control plane: what a purge removed is there again, and works."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from kubectl_glasskube_purge.report.document import schema
from tests.cluster.api import Object
from tests.cluster.controlplane import ControlPlane, Snapshot
from tests.cluster.dump import Dump, difference
from tests.cluster.faults import faults
from tests.cluster.plugin import RENDERED, Result, purge, start_purge
from tests.cluster.restored import comparable, not_ready
from tests.cluster.test_crash import SHARES, sweep

from . import install

MISREAD = {
    "yes": "on",
    "off": "~",
    "1e3": "0x1F",
    "multi": "first\n---\nsecond: line\n",
    "moment": "2026-11-23T09:11:42Z",
    "picture": "\U0001f600 \u2028",
    "empty": "",
}
"""What readers of YAML take for something else."""


MISREAD_ANNOTATIONS = {f"example.com/{key}": value for key, value in MISREAD.items()}


@dataclass(frozen=True)
class Purged:
    """A cluster whose Glasskube is gone, what it was like before, and the backup."""

    before: Dump
    backup: str
    snapshot: Snapshot

    def file(self, folder: Path) -> Path:
        """The backup as a file."""
        path = folder / "backup.yaml"
        path.write_text(self.backup)
        return path


CONSENT = ("--yes", "--trust-file")
"""For a backup that comes with a snapshot: this machine has no note of it."""


def purged(cluster: ControlPlane, packages: Sequence[install.WantedPackage]) -> Purged:
    """Installs, adds what people add, and purges all of it; from the second time on it comes from a snapshot."""
    known: dict[str, Purged] = cluster.memory.setdefault("purged", {})
    key = repr(packages)
    if key in known:
        cluster.restore(known[key].snapshot)
        return known[key]
    install.installed(cluster, packages=packages, among_others=True)
    add_what_people_add(cluster)
    before = comparable(cluster)
    file = cluster.directory / "home" / "backup.yaml"
    result = purge(cluster, "--yes", "--offline", "--include-foreign", f"--backup={file}")
    assert result.returncode == 0, result
    known[key] = Purged(before, file.read_text("utf-8"), cluster.snapshot())
    return known[key]


def add_what_people_add(cluster: ControlPlane) -> None:
    """The auto-updater, and strings that are hard to write down in every place where a backup has to find them."""
    install.apply(cluster, install.manifest("v0.26.1", "autoupdater"))
    mine: Object = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "mine", "namespace": install.NAMESPACE, "annotations": {"note": "yes"}},
        "data": MISREAD,
    }
    cluster.api.create(mine, manager="somebody")
    repository = install.default_repository()
    repository["metadata"] = {"name": "extra", "annotations": MISREAD_ANNOTATIONS}
    cluster.api.create(repository, manager="glasskube")
    for namespace in ("dashboard", "app"):
        if found := cluster.api.get("v1", "Namespace", namespace):
            cluster.api.patch(found, {"metadata": {"labels": {"team": "on"}, "annotations": MISREAD_ANNOTATIONS}})


def report(result: Result) -> dict[str, Any]:
    """The report document, valid against the schema."""
    document: dict[str, Any] = result.document
    jsonschema.validate(document, schema(), format_checker=jsonschema.FormatChecker())
    assert document["kind"] == "RestoreReport"
    assert document["exitCode"] == result.returncode, result
    return document


def outcomes(document: dict[str, Any]) -> set[str]:
    """What became of the objects."""
    return {one["outcome"] for stage in document["stages"] for one in stage["objects"]}


PACKAGES = (
    install.WantedPackage("ClusterPackage", "dashboard"),
    install.WantedPackage("ClusterPackage", "app"),  # brings gateway, and that brings certs
    install.WantedPackage("Package", "orders", "shop", package="postgres"),
)
"""Plain and Helm, a chain of three, one in a user's namespace."""


def test_a_purged_install_with_packages_comes_back_as_it_was(cluster: ControlPlane, tmp_path: Path) -> None:
    was = purged(cluster, packages=PACKAGES)
    file = str(was.file(tmp_path))

    assert purge(cluster, "restore", file).returncode == 3, "nobody to ask"
    since = cluster.audit_position()
    document = report(purge(cluster, "restore", file, "--dry-run", "-o", "json"))
    assert (document["outcome"], outcomes(document)) == ("dry-run", {"planned"})
    changed = [entry for entry in cluster.audit(since, user="admin") if entry["verb"] not in ("get", "list", "watch")]
    assert changed == []

    document = report(purge(cluster, "restore", file, *CONSENT, "-o", "json"))
    assert (document["outcome"], outcomes(document)) == ("done", {"applied"})
    assert not not_ready(cluster)
    assert difference(was.before, comparable(cluster)) == []

    objects = sum(len(stage["objects"]) for stage in document["stages"])
    document = report(purge(cluster, "restore", file, *CONSENT, "-o", "json"))
    assert (document["outcome"], len(document["kept"])) == ("nothing-to-do", objects)


def test_kubectl_alone_puts_it_back_in_two_applies(cluster: ControlPlane, tmp_path: Path) -> None:
    was = purged(cluster, packages=PACKAGES)
    first = apply_by_kubectl(cluster, was.file(tmp_path))
    assert "no matches for kind" in first
    for wanted in PACKAGES:
        install.wait_ready(cluster, wanted.kind, wanted.name, wanted.namespace)
    assert difference(was.before, comparable(cluster)) == []


def apply_by_kubectl(cluster: ControlPlane, file: Path) -> str:
    """Applies a backup as its head says: twice. Returns what the first apply complained about."""
    apply = ("apply", "--server-side", "--field-manager=glasskube", "-f", str(file))
    first = cluster.kubectl(*apply, check=False)
    namespace = f"--namespace={install.NAMESPACE}"
    cluster.kubectl(namespace, "rollout", "status", f"deployment/{install.OPERATOR}", "--timeout=60s")
    cluster.kubectl(*apply)
    return first.stderr


def restore_killed(cluster: ControlPlane, was: Purged, file: Path, change: int) -> bool:
    """Kills a restore after its n-th change and runs it again. False: there was no n-th change."""
    cluster.restore(was.snapshot)
    with faults(cluster) as proxy:
        process = start_purge(cluster, "restore", str(file), *CONSENT, env={"KUBECONFIG": str(proxy.kubeconfig)})
        proxy.after_change(change, process.kill)
        process.communicate(timeout=240)
    if proxy.changes < change:
        return False
    result = purge(cluster, "restore", str(file), *CONSENT)
    assert result.returncode == 0, result
    assert not not_ready(cluster)
    assert difference(was.before, comparable(cluster)) == [], f"killed after change {change}"
    return True


def test_a_restore_that_was_killed_ends_in_the_same_state_when_run_again(cluster: ControlPlane, tmp_path: Path) -> None:
    was = purged(cluster, packages=PACKAGES)
    assert restore_killed(cluster, was, was.file(tmp_path), 60)


@pytest.mark.crash
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("share", SHARES)
def test_every_crash_point_of_a_restore_ends_in_the_same_state(
    cluster: ControlPlane, tmp_path: Path, share: int
) -> None:
    was = purged(cluster, packages=PACKAGES)
    file = was.file(tmp_path)
    points = sweep(share, lambda change: restore_killed(cluster, was, file, change))
    documents = range(was.backup.count("\n---\n"))
    assert points >= len(documents[share :: len(SHARES)]), "every document is a change"


def test_what_exists_is_left_alone_and_single_objects_can_be_had_by_name(cluster: ControlPlane, tmp_path: Path) -> None:
    was = purged(cluster, packages=PACKAGES)
    command = ("restore", str(was.file(tmp_path)), *CONSENT, "-o", "json")
    cluster.kubectl("create", "namespace", install.NAMESPACE)
    cluster.kubectl("create", "configmap", "mine", f"--namespace={install.NAMESPACE}", "--from-literal=yes=theirs")

    def mine() -> Any:
        return (cluster.api.get("v1", "ConfigMap", "mine", install.NAMESPACE) or {}).get("data")

    only = "--only=ConfigMap/mine"
    assert report(purge(cluster, *command, only))["outcome"] == "nothing-to-do"
    assert mine() == {"yes": "theirs"}
    assert report(purge(cluster, *command, only, "--overwrite"))["outcome"] == "done"
    assert mine() == MISREAD

    # What the operator makes is in the backup for reference, and whoever asks for it gets it.
    document = report(purge(cluster, *command, "--only=ConfigMap/dashboard/dashboard"))
    assert [one["kind"] for stage in document["stages"] for one in stage["objects"]] == ["Namespace", "ConfigMap"]
    assert cluster.api.get("v1", "ConfigMap", "dashboard", "dashboard") is not None
    assert report(purge(cluster, *command, "--only=nothing/such"))["error"]["code"] == "nothing-selected"


def test_slim_with_the_auto_updater_comes_back_with_a_sidecar_from_where_its_image_is_now(
    cluster: ControlPlane, tmp_path: Path
) -> None:
    key = "purged slim"
    install.installed(cluster, variant="slim")
    install.apply(cluster, install.manifest("v0.26.1", "autoupdater"))
    before = comparable(cluster)
    file = tmp_path / "backup.yaml"
    result = purge(cluster, "--yes", "--offline", f"--backup={file}")
    assert result.returncode == 0, result
    cluster.memory[key] = cluster.snapshot()
    assert purge(cluster, "restore", str(file), "--yes").returncode == 0
    assert difference(before, comparable(cluster)) == []

    cluster.restore(cluster.memory[key])
    apply_by_kubectl(cluster, file)
    assert difference(before, comparable(cluster)) == []

    cluster.restore(cluster.memory[key])
    install.configure_node(cluster, unpullable=["gcr.io/kubebuilder/kube-rbac-proxy:*"])
    result = purge(cluster, "restore", str(file), "--yes", "-o", "json")
    document = report(result)
    assert (document["outcome"], result.returncode) == ("incomplete", 5)
    assert document["error"]["code"] == "sidecar-image-gone"
    assert "--sidecar-image" in document["error"]["hint"]
    assert [one["code"] for one in document["warnings"]] == ["sidecar-image-gone"]
    document = report(purge(cluster, "restore", str(file), "--yes", "-o", "json", "--sidecar-image"))
    assert document["outcome"] == "done"
    operator = cluster.api.get("apps/v1", "Deployment", install.OPERATOR, install.NAMESPACE)
    assert operator is not None
    assert [one["image"] for one in operator["spec"]["template"]["spec"]["containers"]] == [
        "ghcr.io/glasskube/package-operator:v0.26.1",
        "registry.k8s.io/kubebuilder/kube-rbac-proxy:v0.15.0",
    ]


def manifest_file(folder: Path) -> str:
    """The release's manifest as a file."""
    path = folder / "manifest.yaml"
    path.write_text("\n---\n".join(json.dumps(one) for one in install.manifest("v0.26.1", "aio")))
    return str(path)


@pytest.mark.crash
def test_a_flux_that_others_turned_out_to_need_is_rebuilt_and_their_release_is_ready_again(
    cluster: ControlPlane, tmp_path: Path
) -> None:
    install.installed(cluster)
    install.foreign_release(cluster)
    file = tmp_path / "backup.yaml"
    result = purge(cluster, "--yes", "--offline", "--flux=delete", "--delete-shared-flux", f"--backup={file}")
    assert result.returncode == 0, result
    assert cluster.api.get("v1", "Service", "report", "team") is None
    without_flux = cluster.snapshot()

    document = report(purge(cluster, "restore", str(file), "--only=flux", "--yes", "-o", "json"))
    assert document["outcome"] == "done", document

    def ready() -> bool | None:
        found = cluster.api.list("helm.toolkit.fluxcd.io/v2", "HelmRelease", "team")
        return True if found and install.has_condition(found[0], "Ready") else None

    cluster.wait("the user's HelmRelease", ready)
    assert cluster.api.get("v1", "Service", "report", "team") is not None
    assert cluster.api.get("v1", "Namespace", install.NAMESPACE) is None

    # And where there is no backup.
    cluster.restore(without_flux)
    result = purge(cluster, "restore", "--release=v0.26.1", "--offline", "--only=flux", "--yes", "-o", "json")
    assert result.returncode == 3, result
    assert "--manifest" in report(result)["error"]["hint"]
    release = ("--release=v0.26.1", f"--manifest={manifest_file(tmp_path)}", "--only=flux")
    document = report(purge(cluster, "restore", *release, "--yes", "-o", "json", module=RENDERED))
    assert document["outcome"] == "done", document
    install.foreign_release(cluster)
    assert cluster.api.get("v1", "Namespace", install.NAMESPACE) is None


def test_a_release_rebuilds_glasskube_and_leaves_a_flux_that_exists_alone(
    cluster: ControlPlane, tmp_path: Path
) -> None:
    install.installed(cluster)
    assert purge(cluster, "--yes", "--offline", "--flux=keep", "--no-backup").returncode == 0
    file = manifest_file(tmp_path)
    options = ("--release=v0.26.1", f"--manifest={file}", "--yes", "-o", "json")
    genuine = Path(file).read_text()
    Path(file).write_text(genuine.replace("ghcr.io/glasskube/package-operator", "elsewhere.example/package-operator"))
    since = cluster.audit_position()
    document = report(purge(cluster, "restore", *options, module=RENDERED))
    assert (document["outcome"], document["error"]["code"]) == ("refused", "manifest-foreign-content")
    assert "deployment.apps/glasskube-controller-manager" in document["error"]["message"]
    assert "kubectl apply --server-side" in document["error"]["hint"]
    assert not [entry for entry in cluster.audit(since, user="admin") if entry["verb"] == "patch"]
    Path(file).write_text(genuine)
    refused = report(purge(cluster, "restore", *options))
    assert refused["error"]["code"] == "manifest-foreign-content", "a rendition isn't what was released"
    document = report(purge(cluster, "restore", *options, module=RENDERED))
    assert document["outcome"] == "done"
    assert "flux-exists" in [one["code"] for one in document["warnings"]]
    assert not [one for stage in document["stages"] for one in stage["objects"] if one["namespace"] == "flux-system"]
    install.apply(cluster, [install.default_repository()])
    install.install_package(cluster, "ClusterPackage", "dashboard")
    install.wait_ready(cluster, "ClusterPackage", "dashboard")


def test_what_a_file_from_elsewhere_could_do_harm_with_takes_its_own_consent(
    cluster: ControlPlane, tmp_path: Path
) -> None:
    group = "rbac.authorization.k8s.io"
    subject = {"kind": "ServiceAccount", "name": "default", "namespace": "default"}
    binding = {
        "apiVersion": f"{group}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "planted"},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [subject],
    }
    settings = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "planted", "namespace": "kube-system"}}
    file = tmp_path / "hostile.yaml"
    file.write_text(yaml.safe_dump_all([binding, settings]))
    words = ("restore", str(file), "--yes", "-o", "json")
    result = purge(cluster, *words)
    assert result.returncode == 3, result
    assert result.document["error"]["code"] == "untrusted-file"
    for name in ("clusterrolebinding.rbac.authorization.k8s.io/planted", "configmap/planted -n kube-system"):
        assert name in result.document["error"]["message"]
    assert cluster.api.get(f"{group}/v1", "ClusterRoleBinding", "planted") is None
    result = purge(cluster, *words, "--trust-file")
    assert result.returncode == 0, result
    assert cluster.api.get(f"{group}/v1", "ClusterRoleBinding", "planted") is not None
