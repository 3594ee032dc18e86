"""What it takes to carry a plan out, and the role that grants it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ruamel.yaml import YAML

from kubectl_glasskube_purge.glasskube import facts
from kubectl_glasskube_purge.purge.act.rights import Rule, rights, role_for, rules_for
from kubectl_glasskube_purge.purge.judge.plan import plan
from kubectl_glasskube_purge.purge.model.plan import Options
from tests.report.plans import cluster, found, having


def test_what_may_have_to_be_patched_is_asked_for_before_it_has_to() -> None:
    survey = cluster("argo-cd", "shop/postgres")
    wanted = rights(plan(survey, Options()))
    for kind, namespace in ((facts.CLUSTER_PACKAGE, ""), (facts.PACKAGE, "shop")):
        assert {verb for verb, what, where, _ in wanted if (what, where) == (kind.group_kind, namespace)} >= {
            "get",
            "delete",
            "patch",
        }
    # Uninstalled by helm-controller in any case, as the release's Secret is in a namespace that stays.
    assert not [one for one in wanted if one[:3] == ("delete", ("apps", "Deployment"), "shop")]
    handed = rights(plan(survey, Options(keep_packages="helm")))
    release = {verb for verb, what, where, _ in handed if (what, where) == (facts.HELM_RELEASE.group_kind, "shop")}
    assert {"get", "patch", "delete"} <= release


def test_whoever_consents_to_drop_finalizers_of_others_has_to_be_allowed_to() -> None:
    calm = cluster("argo-cd")
    (held,) = (one for one in calm.of_kind(("apps", "Deployment")) if one.ref.namespace == "argo-cd")
    having_it = having(calm, replace(held, finalizers=("example.com/backup",)))
    right = ("patch", ("apps", "Deployment"), "argo-cd", held.ref.name)
    assert right in rights(plan(having_it, Options(force_finalizers=("example.com/backup",))))
    assert right not in rights(plan(having_it, Options()))


def test_dropping_the_finalizer_of_a_helmrelease_takes_the_right_to_delete_its_chart() -> None:
    survey = having(
        cluster("argo-cd"),
        found(*facts.HELM_CHART.group_kind, "argo-cd-argo-cd-argo-cd", "argo-cd", managers=["helm-controller"]),
    )
    right = ("delete", facts.HELM_CHART.group_kind, "argo-cd", "argo-cd-argo-cd-argo-cd")
    assert right in rights(plan(survey, Options(force_finalizers=(facts.FLUX_FINALIZER,))))
    assert right not in rights(plan(survey, Options()))


def test_what_may_have_to_be_uninstalled_here_is_deleted_by_name() -> None:
    marks = {facts.HELM_RELEASE_NAME_ANNOTATION: "argo-cd-argo-cd", facts.HELM_RELEASE_NAMESPACE_ANNOTATION: "argo-cd"}
    role = found("rbac.authorization.k8s.io", "Role", "leader", "kube-system", annotations=marks)
    wanted = rights(plan(having(cluster("argo-cd"), role), Options(force_finalizers=(facts.FLUX_FINALIZER,))))
    assert ("delete", role.ref.group_kind, "kube-system", "leader") in wanted
    assert not [one for one in wanted if one[:3] == ("delete", ("apps", "Deployment"), "argo-cd")]


def delete(resource: str) -> list[Rule]:
    return rules_for([("", resource, "delete", "")])


def test_rules_name_objects_unless_the_whole_kind_is_needed() -> None:
    namespaces = [("", "namespaces", verb, name) for verb in ("delete", "patch") for name in ("b", "a")]
    assert rules_for([*namespaces, ("", "pods", "list", ""), ("", "pods", "list", "a")]) == [
        {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["delete", "patch"], "resourceNames": ["a", "b"]},
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]},
    ]


def test_a_role_adds_to_an_earlier_one_and_never_takes_its_place() -> None:
    first, second = delete("pods"), delete("secrets")
    names = {
        document["metadata"]["name"]
        for rules in (first, first, second)
        for document in YAML(typ="safe").load_all(role_for(rules, "me"))
    }
    assert len(names) == 2


@pytest.mark.parametrize("user", ["on", "0123", "1e3", "null", "a: b", "#x", "oidc:jane@example.com", "Zoë", "~"])
def test_a_user_is_bound_by_a_name_that_is_nothing_else_in_yaml(user: str) -> None:
    text = role_for(delete("pods"), user)
    assert f'name: "{user}"\n' in text
    _, binding = YAML(typ="safe").load_all(text)
    assert binding["subjects"][0]["name"] == user


def test_a_service_account_is_bound_as_one() -> None:
    text = role_for(delete("pods"), "system:serviceaccount:ops:purger")
    _, binding = YAML(typ="safe").load_all(text)
    assert binding["subjects"] == [{"kind": "ServiceAccount", "namespace": "ops", "name": "purger"}]
