"""Plays a purge to the display, line by line of stdin: `python -m tests.report.stage_play [--plain]`.

Each line is an order: `go STAGE`, `gone N`, `wait`, `say WORDS`, `log WORDS`, `finish`, `end`, `crash`.
"""

from __future__ import annotations

import sys

from kubectl_glasskube_purge.kube.problem import Problem
from kubectl_glasskube_purge.purge.model.events import ObjectDone, StageFinished, StageStarted, Waiting
from kubectl_glasskube_purge.purge.model.plan import Stage
from kubectl_glasskube_purge.report import live
from kubectl_glasskube_purge.report.progress import Progress
from tests.report.plans import cluster, decided


def main() -> None:
    plan = decided(cluster("argo-cd", "cert-manager", "shop/postgres"))
    plain = "--plain" in sys.argv
    stages: dict[str, Stage] = {stage.name: stage for stage in plan.stages}
    current, done = plan.stages[0], 0
    shown = live.is_possible(sys.stderr) and not plain
    sys.stderr.write("before\n")
    with Progress(plan, "delete", sys.stderr, live=shown, plain=plain) as progress:
        for order in sys.stdin:
            word, _, rest = order.strip().partition(" ")
            followers = [(c.found, False) for c in current.consequences]
            everything = [(action.found, True) for action in current.deletes] + followers
            if word == "go":
                current, done = stages[rest], 0
                progress.take(StageStarted(rest, len(current.deletes)))
            elif word == "gone":
                for found, direct in everything[done : done + int(rest)]:
                    progress.take(ObjectDone(current.name, found.ref, found.uid, "delete", "deleted", direct=direct))
                done += int(rest)
            elif word == "wait":
                ref = everything[-1][0].ref
                why = "keeps finalizer finalizers.fluxcd.io; helm-controller has no ready Pod"
                progress.take(Waiting(current.name, ref, why, 48.0))
            elif word == "say":
                progress.take(Problem("code", rest))
            elif word == "log":
                sys.stderr.write(f"{rest}\n")
            elif word == "finish":
                progress.take(StageFinished(current.name, 1.5, True))
            elif word == "crash":
                raise SystemExit(9)
            else:
                break
    sys.stderr.write("after\n")


if __name__ == "__main__":
    main()
