"""Every screen, at 80 columns, as plain text in `snapshots`."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
from rich.console import Group, RenderableType
from rich.text import Text

from kubectl_glasskube_purge.cli.commands import COMMANDS
from kubectl_glasskube_purge.cli.usage import global_options, usage
from kubectl_glasskube_purge.kube.objects import Ref
from kubectl_glasskube_purge.kube.problem import Problem
from kubectl_glasskube_purge.purge.judge.explain import explain
from kubectl_glasskube_purge.purge.judge.verify import JUST_EXISTS
from kubectl_glasskube_purge.purge.model.events import ObjectDone, StageFinished, StageStarted, Waiting
from kubectl_glasskube_purge.purge.model.plan import Plan
from kubectl_glasskube_purge.purge.model.record import Leftover, Record, Verification
from kubectl_glasskube_purge.report import changes, explanation, human
from kubectl_glasskube_purge.report.layout import console, text
from kubectl_glasskube_purge.report.preview import folded, preview, question
from kubectl_glasskube_purge.report.progress import Progress
from tests.report.plans import HEADER, TARGET, cluster, decided, record
from tests.report.test_human import drawn
from tests.snapshots import assert_as_before

PACKAGES = "argo-cd cert-manager cloudnative-pg gateway-api ingress-nginx kube-prometheus-stack kubetail quickwit"
SURVEY = cluster(*PACKAGES.split(), "shop/postgres", "tools/redis")
LEFT = (
    Leftover(Ref("helm.toolkit.fluxcd.io", "HelmRelease", "shop", "postgres-postgres"), "keeps finalizer x"),
    *(Leftover(Ref("", "ConfigMap", "shop", f"settings-{number}"), JUST_EXISTS) for number in range(9)),
)
FIX = Problem("no-progress", "helm-controller is scaled to zero", "Start it: kubectl scale -n flux-system deploy/x")

LACKING = Problem(
    "rights",
    "you (jane) lack 66 permissions on 17 kinds",
    "The role is written to ./purge-role.yaml. An admin runs this command:",
    copied=("kubectl apply -f ./purge-role.yaml",),
)


def ended(outcome: str, **more: Any) -> RenderableType:
    backups = ["/backups/prod-eu-20261123T091142Z.yaml"]
    made: Record = record(SURVEY, outcome=outcome, stage_seconds={"packages": 16.2}, backups=backups, **more)
    return human.end(made)


def progress(plan: Plan) -> list[Text]:
    """The live display in the middle of a run, on a clock that stands still after 12.3 seconds."""
    clock = [0.0]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rich.console.monotonic", lambda: clock[0])
        stages = [stage for stage in plan.stages if stage.actions]
        saved = frozenset(found.ref for found in stages[0].going), 0.4
        shown = Progress(plan, "delete", io.StringIO(), live=True, plain=False, saved=saved)
        for stage, done in zip(stages[:2], (len(stages[0].going), 3), strict=True):
            shown.take(StageStarted(stage.name, len(stage.deletes)))
            for found in list(stage.going)[:done]:
                shown.take(ObjectDone(stage.name, found.ref, found.uid, "delete", "deleted"))
            if stage is stages[0]:
                clock[0] = 9.1
                shown.take(StageFinished(stage.name, 9.1, True))
        clock[0] = 12.3
        shown.take(Waiting(stages[1].name, list(stages[1].going)[3].ref, "its Pod is still terminating", 2.1))
        return list(shown.lines(80, 24))


def screens() -> dict[str, RenderableType]:
    plan = decided(SURVEY)
    kept = decided(SURVEY, keep=("argo-cd",))
    actions = Plan(stages=plan.stages[:1], kept=plan.kept, warnings=plan.warnings)
    flux = explain(SURVEY, plan, SURVEY.objects[Ref("", "Namespace", "", "flux-system")])
    return {
        "preview": Group(preview(HEADER, SURVEY, plan), question(plan, "prod-eu")),
        "preview-wide": preview(HEADER, SURVEY, plan, wide=True),
        "preview-keep": preview(HEADER, SURVEY, kept),
        "progress": Group(*progress(plan)),
        "end": ended("clean"),
        "declined": ended("declined"),
        "refused": ended("refused", error=LACKING),
        "not-finished": ended(
            "incomplete", again="kubectl glasskube purge --flux=delete", error=FIX, verification=Verification(LEFT, ())
        ),
        "failed": ended("failed", error=FIX),
        "verify": human.verification(record(SURVEY, outcome="incomplete", verification=Verification(LEFT, ("pods",)))),
        "restore": changes.preview(TARGET, actions, changes.RESTORE, ["/backups/prod.yaml"]),
        "explain": explanation.human(flux),
    }


@pytest.mark.parametrize("name", screens())
def test_a_screen_is_as_it_was(name: str) -> None:
    assert_as_before(name, drawn(screens()[name]))


@pytest.mark.parametrize("command", COMMANDS.values(), ids=lambda command: command.name or "purge")
def test_the_help_of_a_command_is_as_it_was(command: Any) -> None:
    assert_as_before(f"help-{command.name or 'purge'}", usage(command, COMMANDS))


def test_preview_progress_and_end_have_the_same_numbers() -> None:
    plan = decided(SURVEY)
    planned = re.search(r"Plan: (\d+) to delete and (\d+) with them", drawn(preview(HEADER, SURVEY, plan)))
    ended_with = re.search(r"(\d+) objects, and (\d+) with them", drawn(ended("clean"), 200))
    assert planned is not None
    assert ended_with is not None
    assert planned.groups() == ended_with.groups()
    going = sum(map(int, planned.groups()))
    counts = [tuple(map(int, found)) for found in re.findall(r"(\d+)/(\d+)", drawn(Group(*progress(plan))))]
    assert counts[-1][1] == going == sum(total for _, total in counts[1:-1])


def test_the_global_options_are_as_they_were() -> None:
    assert_as_before("options", global_options())


def test_a_preview_of_ten_packages_has_at_most_20_lines() -> None:
    assert len(drawn(preview(HEADER, SURVEY, decided(SURVEY))).splitlines()) <= 20


def test_warnings_of_one_kind_are_one_line_with_a_count() -> None:
    alike = [Problem("dead-webhook", f"{number}") for number in range(11)]
    assert len(list(folded(alike))) == 1
    assert len(list(folded(alike, wide=True))) == 11


def test_failures_of_one_kind_are_said_once_with_a_count() -> None:
    stage = next(stage for stage in decided(SURVEY).stages if len(stage.actions) > 3)
    stream = io.StringIO()
    with Progress(decided(SURVEY), "delete", stream, live=False) as shown:
        shown.take(StageStarted(stage.name, 3))
        for action in stage.deletes[:3]:
            message = f'"{action.ref.name}" was refused by a webhook'
            shown.take(ObjectDone(stage.name, action.ref, action.found.uid, "delete", "failed", message))
    assert stream.getvalue().count("was refused by a webhook") == 1
    assert "2 more messages" in stream.getvalue()


def test_what_can_be_copied_is_never_broken() -> None:
    command = "kubectl scale -n flux-system deployment/helm-controller --replicas=1"
    thing = "helmrelease.helm.toolkit.fluxcd.io/postgres-postgres -n shop"
    said = drawn(text(f"Start the controller, for example: {command}. Then wait for {thing} to end"), 40)
    assert command in said
    assert thing in said


def test_nothing_is_wrapped_into_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    stream = io.StringIO()
    console(stream).print("word " * 100)
    assert len(stream.getvalue().splitlines()) == 1
