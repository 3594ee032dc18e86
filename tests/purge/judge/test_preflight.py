"""What counts as work under way, who manages what, and what a purge takes: judged from a survey alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ruamel.yaml import YAML

from kubectl_glasskube_purge.glasskube import facts
from kubectl_glasskube_purge.kube.objects import Found, Owner, Ref
from kubectl_glasskube_purge.kube.reviews import Review
from kubectl_glasskube_purge.purge.judge import preflight
from kubectl_glasskube_purge.purge.judge.plan import plan
from kubectl_glasskube_purge.purge.look.compose import compose
from kubectl_glasskube_purge.purge.model.plan import Options
from kubectl_glasskube_purge.purge.model.survey import Survey
from tests.report.plans import cluster, found

MOMENT = "2026-11-23T09:11:42Z"


def package(version: str = "v1", installed: str = "", **conditions: str) -> Found:
    """A ClusterPackage that wants a version, has one, and says how it is."""
    stated = [{"type": kind, "status": status, "lastTransitionTime": MOMENT} for kind, status in conditions.items()]
    status: dict[str, Any] = {"conditions": stated, **({"version": installed} if installed else {})}
    body = {"spec": {"packageInfo": {"name": "web", "version": version}}, "status": status}
    return found(*facts.CLUSTER_PACKAGE.group_kind, "web", body=body)


def having(survey: Survey, *objects: Found) -> Survey:
    """The same, with more objects in it, or others in their places."""
    there = {**survey.objects, **{one.ref: one for one in objects}}
    return compose(there, defines=survey.defines)


def surveyed(*objects: Found) -> Survey:
    """An install whose controllers run, with more objects in it."""
    made = having(cluster(), *objects)
    running = replace(made.helm_controller, running=True)
    return replace(made, taken=MOMENT, helm_controller=running)


def busy(*objects: Found, going: bool = True) -> tuple[str, ...]:
    survey = surveyed(*objects)
    assert survey.operator.running
    return preflight.busy(survey, {one.ref for one in objects} if going else ())


@pytest.mark.parametrize(
    ("seen", "says"),
    [
        pytest.param(package(Ready="Unknown"), "is being installed", id="mid-install"),
        pytest.param(package(), "is being installed (no status yet)", id="not looked at yet"),
        pytest.param(package("v2", "v1", Ready="Unknown"), "is being updated from v1 to v2", id="mid-update"),
        pytest.param(package("v2", "v1", Ready="True"), "is being updated from v1 to v2", id="an update not begun"),
        pytest.param(package("v1", "v1", Ready="True"), "", id="installed"),
        pytest.param(package("v1", Ready="True"), "", id="installed by a release that has no status.version"),
        pytest.param(package("v1", "v1", Ready="Unknown"), "", id="installed, and its Pods restart"),
        pytest.param(package("v2", "v1", Failed="True", Ready="False"), "", id="failed"),
        pytest.param(replace(package(Ready="Unknown"), deleted=MOMENT), "", id="being deleted"),
    ],
)
def test_a_package_is_at_work_until_the_version_is_installed_that_is_wanted(seen: Found, says: str) -> None:
    reasons = busy(seen)
    assert len(reasons) == bool(says)
    assert says in "".join(reasons)


def test_a_package_that_is_pending_for_long_is_stuck_and_not_at_work() -> None:
    survey = replace(surveyed(package(Ready="Unknown")), taken="2026-11-23T09:22:00Z")
    assert preflight.busy(survey, ()) == ()


RECONCILING = {
    "status": {"conditions": [{"type": "Reconciling", "status": "True"}, {"type": "Ready", "status": "Unknown"}]}
}
RUNNING = {"status": {"ready": 1}}


def test_only_what_a_purge_takes_along_counts_as_its_work() -> None:
    release = found(*facts.HELM_RELEASE.group_kind, "web", "shop", body=RECONCILING)
    job = found("batch", "Job", "report", "shop", body=RUNNING)
    assert len(busy(release, job)) == 2
    assert busy(release, job, going=False) == ()


def test_a_job_of_glasskubes_own_says_what_is_under_way() -> None:
    init = found("batch", "Job", "glasskube-webhook-cert-init", facts.NAMESPACE, body=RUNNING)
    owner = Owner("batch", "CronJob", facts.AUTOUPDATER, "uid")
    update = replace(found("batch", "Job", "glasskube-autoupdate-1", facts.NAMESPACE, body=RUNNING), owners=(owner,))
    assert any("Glasskube is being installed" in reason for reason in busy(init, update))
    assert any("auto-updater is at work" in reason for reason in busy(init, update))


def pod(name: str, claim: str, node: str = "one") -> Found:
    volumes = [{"name": "config", "configMap": {}}, {"name": "data", "persistentVolumeClaim": {"claimName": claim}}]
    return found("", "Pod", name, "shop", body={"spec": {"nodeName": node, "volumes": volumes}})


def test_a_volume_holds_a_purge_up_only_where_a_pod_uses_it_that_stays() -> None:
    claim = found("", "PersistentVolumeClaim", "data", "shop", body={})
    mine, unscheduled = pod("mine", "data"), pod("unscheduled", "data", node="")
    survey = surveyed(claim, mine, unscheduled)
    assert dict(preflight.volume_users(survey)) == {claim.ref: (mine.ref,)}
    assert preflight.busy(survey, {claim.ref, mine.ref}) == ()
    (reason,) = preflight.busy(survey, {claim.ref})
    assert "persistentvolumeclaim/data -n shop is in use by pod/mine -n shop, which stays" in reason


@pytest.mark.parametrize(
    ("labels", "annotations", "managers", "says"),
    [
        ({}, {facts.ARGOCD_TRACKING_ANNOTATION: "shop:apps/Deployment:a/b"}, (), "Argo CD Application shop"),
        ({facts.ARGOCD_INSTANCE_LABEL: "shop"}, {}, (), "Argo CD Application shop"),
        ({"app.kubernetes.io/instance": "shop"}, {}, ("argocd-controller",), "Argo CD (field manager"),
        ({"app.kubernetes.io/instance": "shop"}, {}, ("kubectl",), ""),
        ({facts.FLUX_KUSTOMIZATION_LABEL: "a", facts.FLUX_KUSTOMIZATION_NAMESPACE_LABEL: "b"}, {}, (), "b/a"),
        ({}, {facts.HELM_RELEASE_NAME_ANNOTATION: "a", facts.HELM_RELEASE_NAMESPACE_ANNOTATION: "b"}, (), "b/a"),
        ({}, {}, (facts.FIELD_MANAGER,), ""),
    ],
)
def test_whose_an_object_is_is_told_by_its_marks(
    labels: dict[str, str], annotations: dict[str, str], managers: tuple[str, ...], says: str
) -> None:
    seen = found("", "Namespace", "a", managers=managers, labels=labels, annotations=annotations)
    managed = preflight.gitops([seen])
    assert len(managed) == bool(says)
    assert says in "".join(managed)


def test_what_may_have_to_be_patched_is_asked_for_before_it_has_to() -> None:
    survey = cluster("argo-cd", "shop/postgres")
    wanted = preflight.rights(plan(survey, Options()))
    for kind, namespace in ((facts.CLUSTER_PACKAGE, ""), (facts.PACKAGE, "shop")):
        assert {verb for verb, what, where in wanted if (what, where) == (kind.group_kind, namespace)} >= {
            "get",
            "delete",
            "patch",
        }
    # Uninstalled by helm-controller in any case, as the release's Secret is in a namespace that stays.
    assert ("delete", ("apps", "Deployment"), "shop") not in wanted
    handed = preflight.rights(plan(survey, Options(keep_packages="helm")))
    release = {verb for verb, what, where in handed if (what, where) == (facts.HELM_RELEASE.group_kind, "shop")}
    assert {"get", "patch", "delete"} <= release


def test_whoever_consents_to_drop_finalizers_of_others_has_to_be_allowed_to() -> None:
    calm = cluster("argo-cd")
    (held,) = (one for one in calm.of_kind(("apps", "Deployment")) if one.ref.namespace == "argo-cd")
    decided = plan(having(calm, replace(held, finalizers=("example.com/backup",))), Options(force_finalizers=True))
    right = ("patch", ("apps", "Deployment"), "argo-cd")
    assert right in preflight.rights(decided, force_finalizers=True)
    assert right not in preflight.rights(decided)


def test_what_a_chart_may_leave_outside_of_its_namespace_is_deleted_by_name() -> None:
    marks = {facts.HELM_RELEASE_NAME_ANNOTATION: "argo-cd-argo-cd", facts.HELM_RELEASE_NAMESPACE_ANNOTATION: "argo-cd"}
    role = found("rbac.authorization.k8s.io", "Role", "leader", "kube-system", annotations=marks)
    wanted = preflight.rights(plan(having(cluster("argo-cd"), role), Options()))
    assert ("delete", role.ref.group_kind, "kube-system") in wanted
    assert ("delete", ("apps", "Deployment"), "argo-cd") not in wanted


def review(verb: str, resource: str, group: str = "") -> Review:
    return Review(verb, resource, group, "", allowed=False)


def test_a_role_adds_to_an_earlier_one_and_never_takes_its_place() -> None:
    first, second = [review("delete", "pods")], [review("delete", "secrets")]
    names = {
        document["metadata"]["name"]
        for reviews in (first, first, second)
        for document in YAML(typ="safe").load_all(preflight.role_for(reviews, "me"))
    }
    assert len(names) == 2


@pytest.mark.parametrize("user", ["on", "0123", "1e3", "null", "a: b", "#x", "oidc:jane@example.com", "Zoë", "~"])
def test_a_user_is_bound_by_a_name_that_is_nothing_else_in_yaml(user: str) -> None:
    text = preflight.role_for([review("delete", "pods")], user)
    assert f'name: "{user}"\n' in text
    _, binding = YAML(typ="safe").load_all(text)
    assert binding["subjects"][0]["name"] == user


def test_a_service_account_is_bound_as_one() -> None:
    text = preflight.role_for([review("delete", "pods")], "system:serviceaccount:ops:purger")
    _, binding = YAML(typ="safe").load_all(text)
    assert binding["subjects"] == [{"kind": "ServiceAccount", "namespace": "ops", "name": "purger"}]


def test_a_claim_is_shown_with_its_holder() -> None:
    value = '{"host": "laptop/1", "process": 4711, "renewal": 2, "token": "x"}'
    namespace = found("", "Namespace", facts.NAMESPACE, annotations={"glasskube-purge/claim": value})
    survey = surveyed(namespace)
    assert survey.get(Ref("", "Namespace", "", facts.NAMESPACE)) is namespace
    assert "process 4711 on laptop" in preflight.claimed_by(survey)
    assert preflight.claimed_by(cluster()) == ""
