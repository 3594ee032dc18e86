"""`explain` says what the plan decided, and leads from an object back to what is deleted."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from typing import get_args

import jsonschema
import pytest

from kubectl_glasskube_purge.glasskube import facts
from kubectl_glasskube_purge.kube.discovery import Discovery
from kubectl_glasskube_purge.kube.objects import Owner, Ref
from kubectl_glasskube_purge.kube.problem import Problem
from kubectl_glasskube_purge.kube.resources import Resource
from kubectl_glasskube_purge.purge.judge.explain import Explanation, Verdict, explain
from kubectl_glasskube_purge.purge.model.plan import Plan
from kubectl_glasskube_purge.purge.model.record import Record
from kubectl_glasskube_purge.purge.model.survey import Survey
from kubectl_glasskube_purge.report import document, explanation
from tests.report.plans import cluster, decided, found

SURVEY = cluster("argo-cd", "shop/postgres")
PLAN = decided(SURVEY)


def of(group: str, kind: str, name: str, namespace: str = "") -> Explanation:
    seen = SURVEY.get(Ref(group, kind, namespace, name))
    assert seen is not None
    return explain(SURVEY, PLAN, seen)


def test_what_is_deleted_has_its_stage_and_the_plans_reason() -> None:
    said = of(*facts.CLUSTER_PACKAGE.group_kind, "argo-cd")
    assert (said.verdict, said.stage) == ("deleted", "packages")
    assert said.reasons[0] == PLAN.deletes[said.ref].reason


def test_what_goes_along_is_led_back_to_what_is_deleted() -> None:
    said = of("apps", "Deployment", "postgres", "shop")
    assert (said.verdict, said.stage) == ("goes-along", "packages")
    first, second = said.reasons
    release = "helmrelease.helm.toolkit.fluxcd.io/postgres-postgres -n shop"
    assert release in first
    assert second.startswith(release)
    assert "package.packages.glasskube.dev/postgres -n shop" in second


def test_what_stays_by_decision_has_the_plans_reason() -> None:
    said = of("", "Namespace", "shop")
    assert (said.verdict, said.stage) == ("stays", "")
    assert said.reasons == tuple(kept.why for kept in PLAN.kept if kept.ref.name == "shop")


def test_why_flux_goes_or_stays_is_said_with_the_evidence() -> None:
    seen = SURVEY.get(Ref("", "Namespace", "", facts.FLUX_NAMESPACE))
    assert seen is not None
    goes, stays = explain(SURVEY, PLAN, seen), explain(SURVEY, decided(SURVEY, flux="keep"), seen)
    assert (goes.verdict, stays.verdict) == ("deleted", "stays")
    assert "Flux stays: --flux=keep" in stays.reasons
    for said in (goes, stays):
        assert any("field manager glasskube" in line for line in said.evidence)


def test_what_has_nothing_to_do_with_glasskube_is_said_to_have_nothing() -> None:
    stranger = found("", "ConfigMap", "mine", "shop", managers=("kubectl-create",))
    stranger = replace(stranger, owners=(Owner("apps", "Deployment", "web", "uid-of-somebody"),))
    said = explain(SURVEY, PLAN, stranger)
    assert said.verdict == "stays"
    assert "nothing connects it with Glasskube" in said.reasons
    assert "its owner stays: deployment/web" in said.reasons
    assert "namespace shop stays" in said.reasons
    assert "no Glasskube release contains an object of this kind and name" in said.reasons
    assert "applied by field manager kubectl-create" in said.evidence


def test_marks_of_others_and_finalizers_are_seen() -> None:
    marked = replace(
        found("", "ConfigMap", "mine", "shop", finalizers=("a/b",), deleted="2026-11-23T09:11:42Z"),
        labels={facts.ARGOCD_INSTANCE_LABEL: "root", facts.MANAGED_BY_LABEL: "argo"},
        annotations={"helm.sh/resource-policy": "keep"},
    )
    evidence = explain(SURVEY, PLAN, marked).evidence
    assert any("Application root" in line for line in evidence)
    assert "annotation helm.sh/resource-policy: keep" in evidence
    assert "finalizers a/b" in evidence
    assert any("2026-11-23T09:11:42Z" in line for line in evidence)


def test_an_object_of_the_releases_is_said_to_be_in_them() -> None:
    evidence = of("", "Namespace", facts.NAMESPACE).evidence
    assert any("v0.26.1" in line for line in evidence)


def test_what_a_volume_loses_is_said() -> None:
    evidence = of("", "PersistentVolumeClaim", "argo-cd-data", "argo-cd").evidence
    assert any("20Gi" in line for line in evidence)


def test_it_is_said_that_the_purge_would_not_begin() -> None:
    refused = replace(PLAN, refusals=(Problem("busy", "work is under way", "Wait.", ("a is running", "b, too")),))
    seen = SURVEY.objects[Ref("", "Namespace", "", facts.NAMESPACE)]
    (said,) = explain(SURVEY, refused, seen).refusals
    assert all(words in said for words in ("work is under way", "a is running", "b, too"))


@pytest.mark.parametrize("plan", [PLAN, decided(SURVEY, flux="keep"), decided(cluster("argo-cd", operator=False))])
def test_the_answer_is_never_another_than_the_plans(plan: Plan) -> None:
    survey: Survey = SURVEY
    for ref, seen in survey.objects.items():
        goes = explain(survey, plan, seen).verdict in ("deleted", "goes-along")
        assert goes == (ref in plan.going), ref


# -- how kubectl's users name things

RESOURCES = Discovery(
    (
        Resource("", "v1", "Pod", "pods", True, short_names=("po",)),
        Resource("apps", "v1", "Deployment", "deployments", True, short_names=("deploy",)),
        Resource("metrics.k8s.io", "v1beta1", "PodMetrics", "pods", True),
        Resource("packages.glasskube.dev", "v1alpha1", "Package", "packages", True),
    )
)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("deploy", "Deployment"),
        ("deployment", "Deployment"),
        ("Deployments", "Deployment"),
        ("deployment.apps", "Deployment"),
        ("deployments.v1.apps", "Deployment"),
        ("deployments.v1beta1.apps", None),
        ("po", "Pod"),
        ("pods", "Pod"),
        ("pods.metrics.k8s.io", "PodMetrics"),
        ("pods.v1", "Pod"),
        ("package.packages.glasskube.dev", "Package"),
        ("nonsense", None),
        ("", None),
    ],
)
def test_a_kind_is_found_in_any_of_kubectls_notations(name: str, kind: str | None) -> None:
    resource = RESOURCES.named(name)
    assert (resource.kind if resource else None) == kind


# -- for scripts


def test_a_script_gets_what_the_schema_says() -> None:
    validator = jsonschema.Draft202012Validator(document.schema("explanation.schema.json"))
    made = Record(datetime(2026, 11, 23, tzinfo=timezone.utc), context="prod-eu")
    verdicts = set()
    for action in (action for stage in PLAN.stages for action in stage.actions):
        answer = explanation.document(explain(SURVEY, PLAN, action.found), made)
        validator.validate(answer)
        verdicts.add(answer["verdict"])
    validator.validate(explanation.document(of("apps", "Deployment", "postgres", "shop"), made))
    assert "deleted" in verdicts
    made.error = Problem("not-found", "there is none", "")
    validator.validate(explanation.document(None, made))
    assert list(validator.iter_errors({"apiVersion": "glasskube-purge/v1", "kind": "Explanation", "context": ""}))
    said = {one["const"] for one in document.schema("explanation.schema.json")["properties"]["verdict"]["oneOf"]}
    assert said == set(get_args(Verdict))
