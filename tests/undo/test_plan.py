"""What a restore does with files, with a cluster, and with what the user wants."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubectl_glasskube_purge.glasskube import inventory
from kubectl_glasskube_purge.kube.objects import Found, Ref
from kubectl_glasskube_purge.undo import order, restore, sidecar
from kubectl_glasskube_purge.undo.errors import NothingSelected
from kubectl_glasskube_purge.undo.restore import Options, Restore
from kubectl_glasskube_purge.undo.selection import Contents, Entry
from kubectl_glasskube_purge.undo.text import Backup
from tests.undo.samples import Object, document, live

GONE = "gcr.io/kubebuilder/kube-rbac-proxy:v0.15.0"
MOVED = "registry.k8s.io/kubebuilder/kube-rbac-proxy"

NAMESPACE = document("v1", "Namespace", "glasskube-system")
SPACE = document("v1", "Namespace", "shop")
PACKAGE = document("packages.glasskube.dev/v1alpha1", "ClusterPackage", "app", spec={"suspend": False})
DEFINITION = document(
    "apiextensions.k8s.io/v1",
    "CustomResourceDefinition",
    "clusterpackages.packages.glasskube.dev",
    spec={"group": "packages.glasskube.dev", "names": {"kind": "ClusterPackage"}},
)
MINE = document("v1", "ConfigMap", "mine", "shop", data={"a": "b"})
JOB = document("batch/v1", "Job", "import", "shop", spec={"template": {}})


def operator(image: str = GONE) -> Object:
    containers = [{"name": "manager", "image": "m"}, {"name": "kube-rbac-proxy", "image": image}]
    spec = {"template": {"spec": {"containers": containers}}}
    return document("apps/v1", "Deployment", "glasskube-controller-manager", "glasskube-system", spec=spec)


def backup(*restored: Object, remade: tuple[Object, ...] = ()) -> Backup:
    return Backup(Contents(tuple(map(Entry, restored)), tuple(map(Entry, remade))))


def planned(*restored: Object, existing: tuple[Found, ...] = (), **options: Any) -> Restore:
    chosen = Options(**options)
    entries = restore.merged([backup(*restored)], chosen)
    return restore.plan(entries, {found.ref: found for found in existing}, chosen, reason="in the backup")


def applied(decided: Restore) -> list[str]:
    return [action.ref.name for stage in decided.plan.stages for action in stage.actions]


def names(entries: tuple[Entry, ...]) -> list[str]:
    return [entry.ref.name for entry in entries]


def test_stages_come_in_the_order_in_which_things_need_each_other() -> None:
    decided = planned(MINE, PACKAGE, operator(), DEFINITION, NAMESPACE)
    assert [stage.name for stage in decided.plan.stages] == [
        "namespaces",
        "definitions",
        "configuration",
        "controllers",
        "packages",
    ]


@given(st.permutations([NAMESPACE, SPACE, PACKAGE, DEFINITION, MINE, JOB, operator()]))
def test_the_order_of_a_file_doesnt_matter_but_among_equals(shuffled: list[Object]) -> None:
    entries = restore.merged([backup(*shuffled)], Options())
    ranks = [order.rank(entry.ref) for entry in entries]
    assert ranks == sorted(ranks)
    assert sorted(names(entries)) == sorted(item["metadata"]["name"] for item in shuffled)


def test_every_object_of_every_release_has_its_place_before_the_others() -> None:
    assert {order.stage_of(ref) for ref in inventory.every_object()} == {
        order.NAMESPACES,
        order.DEFINITIONS,
        order.CONFIGURATION,
        order.CONTROLLERS,
    }


def test_of_an_object_in_several_files_the_first_files_is_taken() -> None:
    later = {**MINE, "data": {"a": "changed"}}
    (entry,) = restore.merged([backup(MINE), backup(later)], Options())
    assert entry.document == MINE
    assert names(restore.merged([backup(MINE), backup(PACKAGE)], Options())) == ["mine", "app"]


def test_what_exists_is_left_alone() -> None:
    decided = planned(SPACE, MINE, existing=(live(SPACE),))
    assert applied(decided) == ["mine"]
    assert [kept.ref.name for kept in decided.plan.kept] == ["shop"]
    assert not decided.forced


def test_overwriting_takes_all_that_exists_but_jobs_which_cant_be_changed() -> None:
    decided = planned(MINE, JOB, existing=(live(MINE), live(JOB)), overwrite=True)
    assert applied(decided) == ["mine"]
    assert Ref("", "ConfigMap", "shop", "mine") in decided.forced
    assert [kept.ref.kind for kept in decided.plan.kept] == ["Job"]


@pytest.mark.parametrize("holder", [SPACE, MINE])
def test_what_is_being_deleted_doesnt_count_as_there(holder: Object) -> None:
    leaving = live({**holder, "metadata": {**holder["metadata"], "deletionTimestamp": "2025-02-11T08:00:00Z"}})
    existing = (leaving,) if holder is MINE else (leaving, live(MINE))
    assert "mine" in applied(planned(SPACE, MINE, existing=existing))


def test_instances_of_a_crd_that_is_being_deleted_dont_count_as_there() -> None:
    metadata = {**DEFINITION["metadata"], "deletionTimestamp": "2025-02-11T08:00:00Z"}
    decided = planned(DEFINITION, PACKAGE, existing=(live({**DEFINITION, "metadata": metadata}), live(PACKAGE)))
    assert applied(decided) == ["clusterpackages.packages.glasskube.dev", "app"]


def test_a_gone_image_is_told_of_and_never_changed_silently() -> None:
    decided = planned(operator())
    assert [warning.code for warning in decided.plan.warnings] == [restore.SIDECAR_WARNING]
    (entry,) = decided.entries.values()
    assert entry.document == operator()


@pytest.mark.parametrize(
    ("address", "image"),
    [
        (MOVED, f"{MOVED}:v0.15.0"),
        ("mirror.example.com:5000/proxy", "mirror.example.com:5000/proxy:v0.15.0"),
        ("mirror.example.com/proxy:v0.16.0", "mirror.example.com/proxy:v0.16.0"),
        ("mirror.example.com/proxy@sha256:ab", "mirror.example.com/proxy@sha256:ab"),
    ],
)
def test_the_image_comes_from_where_the_user_says(address: str, image: str) -> None:
    decided = planned(operator(), sidecar_image=address)
    assert not decided.plan.warnings
    (entry,) = decided.entries.values()
    assert [container["image"] for container in sidecar.containers(entry.document)] == ["m", image]


def test_an_operator_that_waits_for_the_gone_image_gets_the_other_one() -> None:
    decided = planned(operator(), existing=(live(operator()),), sidecar_image=MOVED)
    assert applied(decided) == ["glasskube-controller-manager"]
    assert len(decided.forced) == 1
    healthy = live(operator("mirror.example.com/proxy:v0.15.0"))
    assert applied(planned(operator(), existing=(healthy,), sidecar_image=MOVED)) == []


def test_a_rollback_overwrites_what_the_purge_changed_and_nothing_else() -> None:
    changed = frozenset({Ref("", "ConfigMap", "shop", "mine")})
    decided = planned(SPACE, MINE, existing=(live(SPACE), live(MINE)), changed=changed)
    assert applied(decided) == ["mine"]
    assert decided.forced == changed


def test_a_rollback_recreates_packages_before_the_operator_and_its_webhook() -> None:
    one = backup(operator(), PACKAGE, SPACE)
    assert names(restore.merged([one], Options()))[-1] == "app"
    assert names(restore.merged([one], Options(rollback=True))) == ["shop", "app", "glasskube-controller-manager"]


def test_a_part_brings_along_what_it_cant_be_without() -> None:
    one = backup(NAMESPACE, SPACE, DEFINITION, MINE, operator(), PACKAGE)
    assert names(restore.merged([one], Options(only=("ConfigMap/mine",)))) == ["shop", "mine"]
    assert names(restore.merged([one], Options(only=("clusterpackage/app",)))) == [
        "clusterpackages.packages.glasskube.dev",
        "app",
    ]


def test_what_controllers_make_is_had_by_name_and_never_as_a_part() -> None:
    made = document("v1", "ConfigMap", "made", "shop")
    one = backup(SPACE, MINE, remade=(made,))
    assert names(restore.merged([one], Options(only=("ConfigMap/made",)))) == ["shop", "made"]
    assert names(restore.merged([one], Options(only=("packages",)))) == ["shop", "mine"]
    assert names(restore.merged([one], Options())) == ["shop", "mine"]


@pytest.mark.parametrize("only", ["flux", "ConfigMap/nothing", "nonsense"])
def test_what_matches_nothing_is_an_error(only: str) -> None:
    with pytest.raises(NothingSelected, match=only):
        restore.merged([backup(MINE)], Options(only=(only,)))


def test_a_suspended_package_is_put_back_suspended_and_said_so() -> None:
    decided = planned({**PACKAGE, "spec": {"suspend": True}})
    assert [warning.code for warning in decided.plan.warnings] == ["package-suspended"]


def release(version: str, variant: str) -> list[Object]:
    return [document(ref.api_version, ref.kind, ref.name, ref.namespace) for ref in inventory.objects(version, variant)]


def parts(entries: tuple[Entry, ...]) -> Mapping[str, int]:
    flux = inventory.flux_objects("v0.26.1")
    return {
        "flux": sum(entry.ref in flux for entry in entries),
        "operator": sum(entry.ref not in flux for entry in entries),
    }


def test_a_release_brings_flux_only_where_there_is_none_or_it_is_asked_for() -> None:
    aio = release("v0.26.1", "aio")
    assert parts(restore.from_release(aio, (), flux_exists=False)) == {"flux": 21, "operator": 27}
    assert parts(restore.from_release(aio, (), flux_exists=True)) == {"flux": 0, "operator": 27}
    assert parts(restore.from_release(aio, ("flux",), flux_exists=True)) == {"flux": 21, "operator": 27}


def test_a_namespace_that_a_release_uses_and_doesnt_bring_is_added() -> None:
    entries = restore.from_release(release("v0.0.1-alpha.5", "aio"), (), flux_exists=False)
    namespaces = {entry.ref.name for entry in entries if entry.ref.kind == "Namespace"}
    assert namespaces == {"flux-system", "glasskube-system"}


@pytest.mark.parametrize("runs_anew", [True, False])
def test_a_webhook_trusts_the_certificate_that_exists_unless_the_job_runs_anew(runs_anew: bool) -> None:
    """After a purge that came no further than the first stage, the Job that made the certificate is still there."""
    kind = ("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration")
    name = "glasskube-validating-webhook-configuration"
    configuration = document(*kind, name, webhooks=[{"name": "a", "clientConfig": {"service": {"name": "s"}}}])
    job = document("batch/v1", "Job", "glasskube-webhook-cert-init", "glasskube-system", spec={"template": {}})
    secret = live(document("v1", "Secret", "glasskube-webhook-tls", "glasskube-system", data={"tls.crt": "YQ=="}))
    there = () if runs_anew else (live(NAMESPACE), live(job))
    decided = planned(NAMESPACE, configuration, job, existing=(*there, secret))
    written = decided.entries[Ref.of(configuration)].document["webhooks"][0]["clientConfig"]
    assert written.get("caBundle") == (None if runs_anew else "YQ==")
