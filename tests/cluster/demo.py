"""`make demo`: a throwaway cluster, Glasskube in it, and its purge before one's eyes.

Runs in the terminal's foreground and asks as the tool asks; where there is no
terminal it answers for itself. The cluster lives in a temporary folder, listens
on 127.0.0.1 and ends with this process.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tests.cluster.controlplane import ControlPlane
from tests.cluster.dump import dump, settled_difference
from tests.cluster.plugin import command, environment

from . import build, install

VERSION = "v0.26.1"

STAYS = ("PersistentVolumeClaim shop/data-*", "PersistentVolume pvc-*")
"""A StatefulSet's volumes outlive their chart, in a namespace that isn't Glasskube's."""


def main() -> int:
    """Runs the demo; returns 0 where nothing of Glasskube was left and nothing else had changed."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--healthy", action="store_true", help="an operator that is Ready, as it hardly is any more")
    parser.add_argument("arguments", nargs="*", help="handed on to the purge, e.g. -- --flux=keep")
    chosen = parser.parse_args()
    with step("Looking for the control plane's binary (built once, about 5 minutes)"):
        binary = build.binary()
    with ControlPlane(binary) as cluster:
        with step("Starting etcd, kube-apiserver and kube-controller-manager on 127.0.0.1"):
            cluster.start_node()
            install.ensure_namespace(cluster, "shop")
            before = dump(cluster)
        with step(f"Installing Glasskube {VERSION} with Flux, and ten packages"):
            install.install(cluster, VERSION, "aio")
            install.install_packages(cluster)
        if not chosen.healthy:
            with step("Starting the operator's Pod anew: one of its images is gone, as everywhere"):
                install.make_operator_unready(cluster)
        say("\n$ kubectl get clusterpackages,packages -A")
        sys.stdout.write(cluster.kubectl("get", "clusterpackages,packages", "-A").stdout)
        ended = run(cluster, purge_arguments(chosen.arguments))
        if ended != 0:
            return ended
        left = run(cluster, ["verify"])
        with step("Comparing every object of the cluster with what it was before Glasskube came"):
            difference = settled_difference(cluster, before, STAYS)
        for line in difference:
            say(f"  {line}")
        say("Not as before." if difference else "Nothing is left, and nothing else was touched.")
        return 1 if difference else left


def purge_arguments(more: Sequence[str]) -> list[str]:
    """The purge's own arguments: offline, and without a question where nobody could answer it."""
    asked = [] if sys.stdin.isatty() else ["--yes"]
    return ["--offline", *asked, *more]


def run(cluster: ControlPlane, arguments: Sequence[str]) -> int:
    """Runs the plugin in the foreground, on this terminal."""
    say(f"\n$ kubectl glasskube purge {' '.join(arguments)}")
    env = environment(cluster, {name: os.environ.get(name) for name in ("TERM", "COLUMNS", "NO_COLOR", "COLORTERM")})
    return subprocess.run(command(*arguments), env=env, check=False).returncode


@contextmanager
def step(what: str) -> Iterator[None]:
    """Says what is done and how long it took."""
    say(f"{what} …")
    started = time.monotonic()
    yield
    say(f"  {time.monotonic() - started:.1f}s")


def say(text: str) -> None:
    """A line on stdout, at once."""
    print(text, flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
