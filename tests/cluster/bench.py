"""`make bench`: how long a purge takes beside `kubectl delete`, and what a survey costs on a large cluster.

Measures whole processes on the test bed, in turn, so that a machine that gets
slower slows both. Prints each figure's minimum, median and maximum, and the
ratio pair by pair; judges nothing.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import yaml

from tests.cluster.controlplane import ControlPlane
from tests.cluster.plugin import command, environment

from . import install

VERSION = "v0.26.1"


def main() -> None:
    """Runs the benchmark and prints its figures."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--runs", type=int, default=3, help="pairs to measure (default: %(default)s)")
    parser.add_argument("--objects", type=int, default=5000, help="ConfigMaps in the crowd (default: %(default)s)")
    chosen = parser.parse_args()
    start_up(10 * chosen.runs)
    with ControlPlane() as cluster:
        cluster.start_node()
        pairs(cluster, chosen.runs)
        packages(cluster)
        large(cluster, chosen.objects)


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


def packages(cluster: ControlPlane) -> None:
    """An aio install with ten packages."""
    install.install(cluster, VERSION, "aio")
    install.install_packages(cluster)
    row("kubectl glasskube purge, aio and ten packages (s)", [purge(cluster)])


def large(cluster: ControlPlane, objects: int) -> None:
    """A survey of a cluster with many objects that are nobody's business."""
    cluster.kubectl("create", "namespace", "crowd")
    for start in range(0, objects, 500):
        documents = [
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"c{number}", "namespace": "crowd"}}
            for number in range(start, min(start + 500, objects))
        ]
        cluster.kubectl("create", "-f", "-", input=yaml.safe_dump_all(documents))
    row(f"kubectl glasskube purge verify, {objects} foreign objects (s)", [purge(cluster, "verify") for _ in range(3)])


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
