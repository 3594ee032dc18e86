"""A CRD that is kept never loses what makes its instances readable."""

from __future__ import annotations

from typing import Any

import pytest

from kubectl_glasskube_purge.kube.objects import Found
from kubectl_glasskube_purge.purge.judge.explain import explain
from kubectl_glasskube_purge.purge.judge.plan import plan
from kubectl_glasskube_purge.purge.model.kinds import DEFINITION
from kubectl_glasskube_purge.purge.model.plan import Options, Plan
from tests.purge.clusters import Cluster, installed

GROUP = "certs.example.com"
DEFINED = f"certificates.{GROUP}"
V1 = {"name": "v1", "served": True, "schema": {"openAPIV3Schema": {"type": "object"}}}
SAME = {**V1, "name": "v1beta1"}
DIFFERENT = {**SAME, "schema": {"openAPIV3Schema": {"type": "object", "properties": {"size": {"type": "string"}}}}}


def converted(*versions: dict[str, Any], stored: tuple[str, ...] = ("v1",), **more: Any) -> tuple[Cluster, Found]:
    """A package whose CRD has an instance of somebody else's, and is converted by a Service of the package."""
    cluster = installed("plain", packages=1)
    cluster.add("", "Service", "convert", "pkg0-home", owners=cluster.packages)
    service = {"name": "convert", "namespace": "pkg0-home"}
    conversion = {"strategy": "Webhook", "webhook": {"clientConfig": {"service": service}}}
    body = {"spec": {"versions": [V1, *versions], "conversion": conversion}, "status": {"storedVersions": [*stored]}}
    definition = cluster.add(*DEFINITION, DEFINED, **{"owners": cluster.packages, **more}, body=body)
    cluster.defines[DEFINED] = (GROUP, "Certificate")
    cluster.theirs(GROUP, "Certificate", "mine", "shop")
    return cluster, definition


def decided(cluster: Cluster, **options: Any) -> Plan:
    return plan(cluster.survey(), Options(ignore_busy=True, **options))


def changed(decided: Plan) -> list[str]:
    return [one.ref.name for one in decided.stages[0].actions if one.verb == "apply" and one.ref.kind == DEFINITION[1]]


@pytest.mark.parametrize(
    ("versions", "stored"),
    [((), ("v1",)), ((SAME,), ("v1", "v1beta1")), (({**DIFFERENT, "served": False},), ("v1",))],
    ids=["one version", "the same schema", "neither served nor stored"],
)
def test_a_kept_crd_whose_versions_have_the_same_schema_is_converted_by_none(
    versions: tuple[dict[str, Any], ...], stored: tuple[str, ...]
) -> None:
    cluster, definition = converted(*versions, stored=stored)
    consent = decided(cluster, delete_in_use=True)
    assert not consent.refusals
    actions = [one for one in consent.stages[0].actions if one.ref == definition.ref]
    assert [one.verb for one in sorted(actions, key=lambda one: one.level)] == ["apply", "detach"]
    assert "service/convert -n pkg0-home" in actions[-1].reason
    said = explain(cluster.survey(), consent, definition)
    assert any("strategy None" in reason for reason in said.reasons)


@pytest.mark.parametrize(
    ("version", "stored"),
    [(DIFFERENT, ("v1",)), ({**DIFFERENT, "served": False}, ("v1", "v1beta1"))],
    ids=["served", "stored"],
)
def test_a_package_that_converts_a_kept_crd_whose_schemas_differ_is_never_deleted(
    version: dict[str, Any], stored: tuple[str, ...]
) -> None:
    cluster, _ = converted(version, stored=stored)
    refused = decided(cluster, delete_in_use=True)
    (refusal,) = refused.refusals
    assert refusal.code == "conversion-needed"
    assert refusal.details == (
        f"customresourcedefinition.apiextensions.k8s.io/{DEFINED}: service/convert -n pkg0-home",
    )
    assert "--keep pkg0" in refusal.hint
    assert not changed(refused)
    assert [one.code for one in decided(cluster).refusals] == ["package-in-use", "conversion-needed"]
    assert not decided(cluster, keep=("pkg0",)).refusals


def test_a_kept_crd_whose_service_is_kept_is_unchanged() -> None:
    cluster, _ = converted(SAME)
    assert not changed(decided(cluster, keep=("pkg0",)))


def test_the_conversion_of_a_crd_that_is_deleted_or_has_no_instances_is_left_alone() -> None:
    cluster, _ = converted(DIFFERENT)
    (mine,) = cluster.of((GROUP, "Certificate"))
    del cluster.objects[mine.uid]
    gone = decided(cluster)
    assert not gone.refusals
    assert not changed(gone)


def test_a_crd_that_helm_leaves_and_that_is_converted_is_explained() -> None:
    marks = {"meta.helm.sh/release-name": "x", "meta.helm.sh/release-namespace": "pkg0-home"}
    cluster, definition = converted(SAME, owners=(), annotations=marks)
    consent = decided(cluster, delete_in_use=True)
    assert changed(consent) == [DEFINED]
    said = explain(cluster.survey(), consent, definition)
    assert said.verdict == "stays"
    assert any("strategy None" in reason for reason in said.reasons)
