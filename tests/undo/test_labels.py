"""Which labels an object gets, and which it keeps. Pure: the rest is shown on a cluster."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from kubectl_glasskube_purge.kube.objects import Found, Ref
from kubectl_glasskube_purge.purge.look.compose import compose
from kubectl_glasskube_purge.purge.model.survey import LABEL_MANAGER, Survey, Version
from kubectl_glasskube_purge.undo import labels as label
from tests.undo.samples import document, live

SURE = Version("v0.26.1", "image")
CRD = ("apiextensions.k8s.io/v1", "CustomResourceDefinition", "packages.packages.glasskube.dev")


def surveyed(*found: Found, version: Version = SURE) -> Survey:
    objects = {one.ref: one for one in found}
    survey = compose(objects, defines={})
    return replace(survey, version=version)


def definition(labels: dict[str, str] | None = None, manager: str = "glasskube") -> Found:
    return live(document(*CRD, metadata={"labels": labels or {}}), manager=manager)


def set_on(found: Found, version: Version = SURE) -> dict[str, Any] | None:
    (stage,) = label.plan(surveyed(found, version=version)).stages
    return dict(stage.actions[0].found.body["metadata"]["labels"]) if stage.actions else None


ALL = {
    "app.kubernetes.io/part-of": "glasskube",
    "app.kubernetes.io/component": "definition",
    "app.kubernetes.io/version": "v0.26.1",
}


def test_an_object_without_labels_gets_all_three() -> None:
    assert set_on(definition()) == ALL


def test_an_object_that_has_them_is_left_alone() -> None:
    assert set_on(definition(ALL)) is None


def test_a_label_of_somebody_else_is_never_contested() -> None:
    assert set_on(definition({"app.kubernetes.io/component": "theirs"})) == {
        key: value for key, value in ALL.items() if "component" not in key
    }


def test_the_version_follows_an_upgrade_where_it_is_ours_and_only_there() -> None:
    older = {**ALL, "app.kubernetes.io/version": "v0.25.0"}
    assert set_on(definition(older, manager=LABEL_MANAGER)) == ALL
    assert set_on(definition(older)) is None


def test_a_version_that_isnt_known_for_sure_is_no_label() -> None:
    wanted = {key: value for key, value in ALL.items() if "version" not in key}
    assert set_on(definition(), Version("v0.26.1", "the set of objects that exist", ("v0.26.0",))) == wanted
    assert set_on(definition(), Version()) == wanted


def test_every_label_names_the_object_that_was_seen() -> None:
    (stage,) = label.plan(surveyed(definition())).stages
    assert stage.actions[0].found.body["metadata"]["uid"] == definition().uid


def test_only_what_this_program_labelled_loses_its_labels() -> None:
    ours = definition(ALL, manager=LABEL_MANAGER)
    theirs = live(document("v1", "Namespace", "glasskube-system", metadata={"labels": ALL}))
    (stage,) = label.removal(surveyed(ours, theirs)).stages
    assert [action.ref for action in stage.actions] == [ours.ref]
    assert "labels" not in stage.actions[0].found.body["metadata"]


@pytest.mark.parametrize(
    ("ref", "word"),
    [
        (Ref("apps", "Deployment", "glasskube-system", "glasskube-controller-manager"), "manager"),
        (Ref("rbac.authorization.k8s.io", "ClusterRole", "", "glasskube-autoupdate"), "rbac"),
        (Ref("batch", "CronJob", "glasskube-system", "glasskube-autoupdate"), "auto-updater"),
        (Ref("", "ServiceAccount", "glasskube-system", "glasskube-webhook-cert"), "rbac"),
        (Ref("batch", "Job", "glasskube-system", "glasskube-webhook-cert-init"), "webhook"),
        (Ref("apps", "Deployment", "flux-system", "helm-controller"), "flux"),
        (Ref("packages.glasskube.dev", "Package", "shop", "orders"), "package"),
        (Ref("", "Namespace", "", "glasskube-system"), "manager"),
    ],
)
def test_the_component_says_what_an_object_is_for(ref: Ref, word: str) -> None:
    assert label.component(ref) == word
