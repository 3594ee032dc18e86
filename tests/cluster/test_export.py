"""`export`: the same files whatever is left of Glasskube, and nothing in the cluster changes."""

from __future__ import annotations

from pathlib import Path

from kubectl_glasskube_purge.export.formats import FORMATS
from tests.cluster.controlplane import ControlPlane
from tests.cluster.plugin import purge
from tests.cluster.test_keep import PACKAGES

from . import install


def exported(cluster: ControlPlane, folder: Path, form: str, *options: str) -> dict[str, str]:
    result = purge(cluster, "export", str(folder), f"--format={form}", *options)
    assert result.returncode == 0, result
    return written(folder)


def written(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_the_cluster_a_dead_operator_and_the_backup_give_the_same_files(cluster: ControlPlane, tmp_path: Path) -> None:
    install.installed(cluster, packages=PACKAGES)
    since = cluster.audit_position()
    live = {form: exported(cluster, tmp_path / "live" / form, form) for form in FORMATS}
    changing = {"create", "update", "patch", "delete", "deletecollection"}
    ours = [one for one in cluster.audit(since) if "kubectl-glasskube" in one.get("userAgent", "")]
    assert ours
    assert not [one for one in ours if one["verb"] in changing]
    assert {"gateway-gateway"} <= {
        line.split()[-2] for line in live["helm"]["install.sh"].splitlines() if " -- " in line
    }

    install.scale(cluster, install.NAMESPACE, "glasskube-controller-manager", 0)
    assert exported(cluster, tmp_path / "dead", "flux") == live["flux"]

    backup = tmp_path / "backup.yaml"
    own = ("--export", str(tmp_path / "own"), "--export-format=helm", f"--backup={backup}")
    gone = purge(cluster, "--offline", "--yes", "--keep-packages=helm", "--wait-idle=2m", *own)
    assert gone.returncode == 0, gone
    assert written(tmp_path / "own") == live["helm"]
    for form in FORMATS:
        assert exported(cluster, tmp_path / "backup" / form, form, f"--from={backup}") == live[form]
