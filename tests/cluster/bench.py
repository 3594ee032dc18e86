"""`make bench`: how long a purge takes beside `kubectl delete`, and what a survey costs on a large cluster.

Measures whole processes on the test bed, in turn, so that a machine that gets
slower slows both. Prints each figure's minimum, median and maximum, and the
ratio pair by pair; judges nothing.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import yaml

from tests.cluster.api import Object
from tests.cluster.controlplane import ControlPlane
from tests.cluster.far import Far
from tests.cluster.plugin import command, environment

from . import install

VERSION = "v0.26.1"
DRY_RUN = ("--dry-run", "--offline", "--no-backup")
FAR = 1.5
"""Seconds of a round trip by which they are counted: so long that what else takes time hardly counts."""


def main() -> None:
    """Runs the benchmark and prints its figures."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--runs", type=int, default=3, help="pairs to measure (default: %(default)s)")
    parser.add_argument(
        "--objects", type=int, nargs="+", default=[1000, 50_000, 100_000], help="of others (default: %(default)s)"
    )
    chosen = parser.parse_args()
    start_up(10 * chosen.runs)
    with ControlPlane() as cluster:
        cluster.start_node()
        pairs(cluster, chosen.runs)
        install.install(cluster, VERSION, "aio")
        install.install_packages(cluster)
        reading(cluster, chosen.runs)
        row("kubectl glasskube purge, aio and ten packages (s)", [purge(cluster)])
        cluster.stop_node()
        install.apply(cluster, [one for one in install.manifest(VERSION, "aio") if "Webhook" not in one["kind"]])
        for total in chosen.objects:
            large(cluster, total, chosen.runs)


def start_up(runs: int) -> None:
    """What people and completion wait for before anything is done, beside the bare start of the interpreter."""
    bare: list[float] = []
    for arguments in ([], ["--version"], ["--help"], ["__complete", "--f"]):
        program = ["-m", "kubectl_glasskube_purge", *arguments] if arguments else ["-c", ""]
        seconds = []
        for _ in range(runs):
            started = time.monotonic()
            subprocess.run([sys.executable, *program], capture_output=True, check=True)
            seconds.append(time.monotonic() - started)
        bare = bare or seconds
        name = " ".join(arguments) or "bare interpreter"
        row(f"start-up: {name} (ms)", [1000 * second for second in seconds])
        if arguments:
            row(f"start-up: {name}, times the bare start", [statistics.median(seconds) / statistics.median(bare)])


def pairs(cluster: ControlPlane, runs: int) -> None:
    """An install without packages: `kubectl delete -f` and ours, in turn."""
    file = cluster.directory / "manifest-slim.yaml"
    file.write_text(yaml.safe_dump_all(install.manifest(VERSION, "slim")))
    theirs: list[float] = []
    ours: list[float] = []
    for _ in range(runs):
        theirs.append(after_install(cluster, lambda: delete_by_kubectl(cluster, file)))
        ours.append(after_install(cluster, lambda: purge(cluster)))
    row("kubectl delete -f manifest-slim.yaml, no packages (s)", theirs)
    row("kubectl glasskube purge, no packages (s)", ours)
    row("ratio ours/theirs, pair by pair", [mine / other for mine, other in zip(ours, theirs, strict=True)])


def reading(cluster: ControlPlane, runs: int) -> None:
    """A dry run of ten packages, near and 150 ms away."""
    both = [measured(command(*DRY_RUN), environment(cluster)) for _ in range(runs)]
    row("--dry-run, ten packages (s)", [seconds for seconds, _ in both])
    row("--dry-run, ten packages (MB)", [megabytes for _, megabytes in both])
    taken: dict[float, list[float]] = {0.0: [], 0.15: [], FAR: []}
    for _ in range(runs):
        for round_trip, seconds in taken.items():
            with Far(cluster, round_trip) as far:
                env = environment(cluster, {"KUBECONFIG": str(far.kubeconfig)})
                seconds.append(measured(command(*DRY_RUN), env)[0])
    row("--dry-run, ten packages, 150 ms away (s)", taken[0.15])
    trips = [(away - near) / FAR for near, away in zip(taken[0.0], taken[FAR], strict=True)]
    row(f"--dry-run, round trips ({far.connections} connections)", trips)


def large(cluster: ControlPlane, total: int, runs: int) -> None:
    """A dry run in a cluster where others have HelmReleases and ConfigMaps, beside kubectl's list of the former."""
    for number in range(20):
        install.ensure_namespace(cluster, f"crowd-{number}")
    cluster.fill({key: one for number in range(total) for key, one in [foreign(number)]})
    # Until a kind's first change the API server reads later pages from etcd, which is unlike any cluster in use.
    for kind, number in (("helmreleases.helm.toolkit.fluxcd.io", 0), ("configmaps", 2)):
        name = foreign(number)[1]["metadata"]["name"]
        cluster.kubectl("label", kind, name, "-n", f"crowd-{number}", f"used={total}", "--overwrite")
    listing = [str(cluster.binary), "kubectl", "get", "helmreleases.helm.toolkit.fluxcd.io", "-A", "-o", "name"]
    theirs, ours = [], []
    for _ in range(runs):
        theirs.append(measured(listing, environment(cluster)))
        ours.append(measured(command(*DRY_RUN), environment(cluster)))
    for who, both in (("kubectl get helmreleases -A -o name", theirs), ("--dry-run", ours)):
        row(f"{who}, {total} foreign objects (s)", [seconds for seconds, _ in both])
        row(f"{who}, {total} foreign objects (MB)", [megabytes for _, megabytes in both])
    row("ratio ours/theirs", [mine[0] / other[0] for mine, other in zip(ours, theirs, strict=True)])


def foreign(number: int) -> tuple[str, Object]:
    """An object of others, with its key in etcd: two HelmReleases to three ConfigMaps, in 20 namespaces."""
    namespace, name = f"crowd-{number % 20}", f"theirs-{number}"
    manager = {"manager": "kustomize-controller", "operation": "Apply", "fieldsType": "FieldsV1"}
    metadata = {
        "name": name,
        "namespace": namespace,
        "uid": str(uuid.UUID(int=number)),
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "managedFields": [{**manager, "apiVersion": "v1", "fieldsV1": {"f:spec": {"f:interval": {}, "f:chart": {}}}}],
    }
    if number % 5 > 1:
        one: Object = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"key": "value"}}
        return f"configmaps/{namespace}/{name}", one
    spec = {
        "interval": "10m",
        "chart": {"spec": {"chart": "web", "sourceRef": {"kind": "HelmRepository", "name": "w"}}},
    }
    kind = {"apiVersion": "helm.toolkit.fluxcd.io/v2", "kind": "HelmRelease"}
    return f"helm.toolkit.fluxcd.io/helmreleases/{namespace}/{name}", {**kind, "metadata": metadata, "spec": spec}


def measured(arguments: Sequence[str], env: Mapping[str, str]) -> tuple[float, float]:
    """Seconds of a process from start to end, and the most memory it had, in MB. Raises `CalledProcessError`."""
    started = time.monotonic()
    process = subprocess.Popen(arguments, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, arguments)
    return time.monotonic() - started, usage.ru_maxrss / 1000


def after_install(cluster: ControlPlane, measured: Callable[[], float]) -> float:
    """A measurement on a fresh install."""
    install.install(cluster, VERSION, "slim")
    return measured()


def delete_by_kubectl(cluster: ControlPlane, file: Path) -> float:
    """Seconds that kubectl takes, without the PackageRepository that would hold up its CRD."""
    kubectl = [str(cluster.binary), "kubectl", f"--kubeconfig={cluster.kubeconfig}"]
    return timed([*kubectl, "delete", "-f", str(file)], cluster)


def purge(cluster: ControlPlane, *arguments: str) -> float:
    """Seconds that ours takes, its start and its final survey included."""
    return timed(command(*(arguments or ("--offline", "--yes", "--no-backup"))), cluster)


def timed(arguments: Sequence[str], cluster: ControlPlane) -> float:
    """Seconds of a process from start to end. Raises `CalledProcessError` where it fails."""
    started = time.monotonic()
    subprocess.run(arguments, env=environment(cluster), check=True, capture_output=True)
    return time.monotonic() - started


def row(name: str, values: Sequence[float]) -> None:
    """One line of figures."""
    figures = (min(values), statistics.median(values), max(values))
    print(f"{name:<62}" + "".join(f"{figure:>8.2f}" for figure in figures), flush=True)


if __name__ == "__main__":
    print(f"{'':<62}{'min':>8}{'median':>8}{'max':>8}")
    sys.exit(main())
