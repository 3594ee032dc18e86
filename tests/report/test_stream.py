"""`-o jsonl`: one valid line for whatever happens, and the whole report at the end."""

from __future__ import annotations

import json
from typing import get_args

import jsonschema
import pytest

from kubectl_glasskube_purge.kube.objects import Ref
from kubectl_glasskube_purge.kube.problem import Problem
from kubectl_glasskube_purge.purge.model.events import Event, ObjectDone, StageFinished, StageStarted, Waiting
from kubectl_glasskube_purge.report import document, stream
from tests.report.plans import cluster, decided, record

REF = Ref("apps", "Deployment", "shop", "wéb", "v1")
HAPPENED = (
    StageStarted("packages", 3),
    ObjectDone("packages", REF, "uid", "delete", "deleted"),
    ObjectDone("packages", REF, "", "release-finalizer", "failed", "no", direct=False),
    Waiting("packages", REF, "keeps finalizer x", 48.01234),
    StageFinished("packages", 1.5, False),
    Problem("webhook-removed-early", "nothing answers it"),
)


def valid(made: stream.Document) -> dict[str, object]:
    text = stream.line(made)
    assert text.isprintable()
    parsed: dict[str, object] = json.loads(text)
    jsonschema.validate(parsed, document.schema("stream.schema.json"), format_checker=jsonschema.FormatChecker())
    return parsed


def test_there_is_an_example_of_every_event() -> None:
    assert {type(one) for one in HAPPENED} == set(get_args(Event))


@pytest.mark.parametrize("happened", HAPPENED, ids=lambda one: type(one).__name__)
def test_every_event_is_one_valid_line(happened: Event) -> None:
    valid(stream.event(happened))


def test_an_object_is_named_in_full() -> None:
    parsed = valid(stream.event(HAPPENED[1]))
    assert parsed["object"] == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "namespace": "shop",
        "name": "wéb",
        "uid": "uid",
    }
    assert parsed["requested"] is True


def test_the_plan_comes_first_and_the_whole_report_last() -> None:
    survey = cluster("argo-cd")
    plan = decided(survey)
    stages = valid(stream.plan(plan))["stages"]
    assert stages == [
        {"name": stage.name, "actions": len(stage.actions), "withThem": len(stage.consequences)}
        for stage in plan.stages
    ]
    report = document.document(record(survey, outcome="clean"))
    assert valid(stream.report(report))["report"] == report


def test_the_schema_itself_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(document.schema("stream.schema.json"))


@pytest.mark.parametrize("broken", [{"type": "object"}, {"type": "unknown"}, {"time": "yesterday"}])
def test_the_schema_refuses_what_isnt_an_event(broken: dict[str, str]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        valid({**stream.event(HAPPENED[0]), **broken})
