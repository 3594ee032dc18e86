"""What counts as work under way, and what doesn't: judged from a survey alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from kubectl_glasskube_purge.glasskube import facts
from kubectl_glasskube_purge.kube.objects import Found, Owner, Ref
from kubectl_glasskube_purge.purge.judge import busy
from kubectl_glasskube_purge.purge.model.survey import Survey
from tests.report.plans import cluster, found, having

MOMENT = "2026-11-23T09:11:42Z"


def package(version: str = "v1", installed: str = "", **conditions: str) -> Found:
    """A ClusterPackage that wants a version, has one, and says how it is."""
    stated = [{"type": kind, "status": status, "lastTransitionTime": MOMENT} for kind, status in conditions.items()]
    status: dict[str, Any] = {"conditions": stated, **({"version": installed} if installed else {})}
    body = {"spec": {"packageInfo": {"name": "web", "version": version}}, "status": status}
    return found(*facts.CLUSTER_PACKAGE.group_kind, "web", body=body)


def surveyed(*objects: Found) -> Survey:
    """An install whose controllers run, with more objects in it."""
    made = having(cluster(), *objects)
    running = replace(made.helm_controller, running=True)
    return replace(made, taken=MOMENT, helm_controller=running)


def reasons(*objects: Found, going: bool = True) -> tuple[str, ...]:
    survey = surveyed(*objects)
    assert survey.operator.running
    return busy.busy(survey, {one.ref for one in objects} if going else ())


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
    said = reasons(seen)
    assert len(said) == bool(says)
    assert says in "".join(said)


def test_a_package_that_is_pending_for_long_is_stuck_and_not_at_work() -> None:
    survey = replace(surveyed(package(Ready="Unknown")), taken="2026-11-23T09:22:00Z")
    assert busy.busy(survey, ()) == ()


RECONCILING = {
    "status": {"conditions": [{"type": "Reconciling", "status": "True"}, {"type": "Ready", "status": "Unknown"}]}
}
RUNNING = {"status": {"ready": 1}}


def test_only_what_a_purge_takes_along_counts_as_its_work() -> None:
    release = found(*facts.HELM_RELEASE.group_kind, "web", "shop", body=RECONCILING)
    job = found("batch", "Job", "report", "shop", body=RUNNING)
    assert len(reasons(release, job)) == 2
    assert reasons(release, job, going=False) == ()


def test_a_job_of_glasskubes_own_says_what_is_under_way() -> None:
    init = found("batch", "Job", "glasskube-webhook-cert-init", facts.NAMESPACE, body=RUNNING)
    owner = Owner("batch", "CronJob", facts.AUTOUPDATER, "uid")
    update = replace(found("batch", "Job", "glasskube-autoupdate-1", facts.NAMESPACE, body=RUNNING), owners=(owner,))
    (installing,), (updating,) = reasons(init), reasons(update)
    assert installing != updating
    assert {*reasons(init, update)} == {installing, updating}


def pod(name: str, claim: str, node: str = "one") -> Found:
    volumes = [{"name": "config", "configMap": {}}, {"name": "data", "persistentVolumeClaim": {"claimName": claim}}]
    return found("", "Pod", name, "shop", body={"spec": {"nodeName": node, "volumes": volumes}})


def test_a_volume_holds_a_purge_up_only_where_a_pod_uses_it_that_stays() -> None:
    claim = found("", "PersistentVolumeClaim", "data", "shop", body={})
    mine, unscheduled = pod("mine", "data"), pod("unscheduled", "data", node="")
    survey = surveyed(claim, mine, unscheduled)
    assert dict(busy.volume_users(survey)) == {claim.ref: (mine.ref,)}
    assert busy.busy(survey, {claim.ref, mine.ref}) == ()
    (reason,) = busy.busy(survey, {claim.ref})
    assert all(ref.display in reason for ref in (claim.ref, mine.ref))


def test_a_claim_is_shown_with_its_holder() -> None:
    value = '{"process": 4711, "renewal": 2, "token": "x"}'
    namespace = found("", "Namespace", facts.NAMESPACE, annotations={"glasskube-purge/claim": value})
    survey = surveyed(namespace)
    assert survey.get(Ref("", "Namespace", "", facts.NAMESPACE)) is namespace
    assert "(process 4711)" in busy.claimed_by(survey)
    assert busy.claimed_by(cluster()) == ""
