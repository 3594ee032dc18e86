"""Whatever a cluster's text is, and wherever it stands: a screen shows it, on lines of this program's own."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from unittest import mock

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from kubectl_glasskube_purge.cli import running, streams
from kubectl_glasskube_purge.cli.options import Output
from kubectl_glasskube_purge.cli.screen import TerminalScreen
from kubectl_glasskube_purge.flows.run import refused
from kubectl_glasskube_purge.kube.objects import Ref
from kubectl_glasskube_purge.kube.problem import Problem
from kubectl_glasskube_purge.purge.judge.explain import explain
from kubectl_glasskube_purge.purge.judge.plan import plan
from kubectl_glasskube_purge.purge.judge.verify import explained, verify
from kubectl_glasskube_purge.purge.model.events import ObjectDone, StageStarted, Waiting
from kubectl_glasskube_purge.purge.model.plan import Options
from kubectl_glasskube_purge.purge.model.record import Record
from kubectl_glasskube_purge.purge.model.survey import Survey
from kubectl_glasskube_purge.report import explanation
from kubectl_glasskube_purge.report.layout import console
from tests.purge import clusters
from tests.purge.clusters import Recipe
from tests.report.plans import TARGET

FORGED = "FORGED"
ALPHABET = "\n\r\t\0\x1b\x07\x7f\x85\x9b\xad\u200b\u200f\u2028\u2029\u202e\u2066\ufeff\ud800[2J aé界"
CLUSTERS = settings(
    max_examples=60,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    phases=(Phase.explicit, Phase.generate),
)


def hostile() -> st.SearchStrategy[str]:
    """Text that is obeyed, hidden, turned around, or long enough to be broken before its last word."""
    codes = st.text(alphabet=ALPHABET, min_size=1, max_size=12)
    padding = st.sampled_from(["", "x" * 70 + " ", f"words {FORGED} " * 300, "\n" * 30])
    return st.builds(lambda codes, padding: f"{codes}{padding}{FORGED} \n{FORGED}{codes}\r\n{FORGED}", codes, padding)


def poisoned(recipe: Recipe, text: str) -> Survey:
    """A cluster where each text that an object's author chooses is this one."""
    cluster = clusters.made(recipe)
    for found in list(cluster.objects.values()):
        theirs = found.uid in cluster.foreign and found.ref.kind != "Namespace"
        condition = {"type": "Failed", "status": "True", "reason": text, "message": text}
        cluster.change(
            found,
            ref=replace(found.ref, name=found.ref.name + text) if theirs else found.ref,
            labels={**found.labels, "app.kubernetes.io/managed-by": text},
            annotations={**found.annotations, "helm.sh/resource-policy": text} if theirs else found.annotations,
            finalizers=(*found.finalizers, text) if theirs else found.finalizers,
            managers=(*found.managers, text),
            body={**found.body, "status": {**(found.get("status") or {}), "conditions": [condition]}},
        )
    survey = cluster.survey()
    return replace(survey, unreadable=tuple(replace(one, why=text) for one in survey.unreadable))


def said_by(work: Callable[[], object]) -> tuple[str, str]:
    """What it writes to stdout and stderr, through the streams of a real run."""
    out, err = io.StringIO(), io.StringIO()
    with (
        mock.patch.object(sys, "stdout", streams.Tolerant(out)),
        mock.patch.object(sys, "stderr", streams.Tolerant(err)),
    ):
        work()
    return out.getvalue(), err.getvalue()


def assert_harmless(work: Callable[[], object]) -> None:
    for said in said_by(work):
        assert not {character for character in said if not character.isprintable()} - {"\n"}
        assert not [line for line in said.split("\n") if line.startswith(FORGED)]


def purging(survey: Survey, options: Options, text: str) -> running.Work:
    """A dry run that goes on to an execution, to show all that either can."""
    decided = plan(survey, options)

    async def work(screen: TerminalScreen, record: Record) -> None:
        record.survey, record.plan = survey, decided
        screen.preview(TARGET, survey, decided, text, "")
        stage = decided.stages[0].name
        with screen.progress(decided) as show:
            show(StageStarted(stage, 1))
            show(Waiting(stage, Ref("", "Secret", "", text), text, 11.0))
            show(ObjectDone(stage, Ref("", "Secret", "", text), "uid", "delete", "failed", text))
            show(Problem("note", text))
        screen.note(text)
        record.outcome = "dry-run"
        if decided.refusals:
            refused(record, *decided.refusals)

    return work


@CLUSTERS
@given(clusters.recipes(), clusters.options(), hostile(), st.sampled_from(Output))
def test_hostile_text_in_any_place_begins_no_line_and_controls_no_screen(
    recipe: Recipe, options: Options, text: str, output: Output
) -> None:
    survey = poisoned(recipe, text)
    assert_harmless(lambda: running.run(purging(survey, options, text), running.Show(output, dry_run=True)))

    async def verifying(_: TerminalScreen, record: Record) -> None:
        record.survey, record.outcome = survey, "incomplete"
        record.verification = explained(verify(survey), plan(survey, Options()))
        record.error = Problem("leftovers", text, text)

    assert_harmless(lambda: running.run(verifying, running.Show(output, verifying=True)))


@CLUSTERS
@given(clusters.recipes(), clusters.options(), hostile(), st.randoms())
def test_hostile_text_in_an_explanation_begins_no_line(recipe: Recipe, options: Options, text: str, at: Any) -> None:
    survey = poisoned(recipe, text)
    decided = plan(survey, options)
    for found in at.sample(sorted(survey.objects.values(), key=lambda one: one.uid), min(5, len(survey.objects))):
        answer = explain(survey, decided, found)
        assert_harmless(lambda answer=answer: console(sys.stdout).print(explanation.human(answer)))
        made = explanation.document(answer, Record(None))  # type: ignore[arg-type]
        for output in (Output.json, Output.yaml):
            assert_harmless(lambda made=made, output=output: running.put(made, output))
