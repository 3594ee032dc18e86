"""What is put back by hand, and what comes back by itself."""

from __future__ import annotations

from typing import Any

import pytest

from kubectl_glasskube_purge.kube.objects import Found, Ref
from kubectl_glasskube_purge.undo import selection
from kubectl_glasskube_purge.undo.selection import Contents
from tests.undo.samples import bodies, document, live, owner, plan

PACKAGE = live(document("packages.glasskube.dev/v1alpha1", "ClusterPackage", "shop"))
SPACE = live(
    document("v1", "Namespace", "shop", metadata={"ownerReferences": [owner(PACKAGE)]}), manager="package-operator"
)


def chosen(found: Found, rule: str = "namespace") -> str:
    """The role of something that goes with a package's namespace."""
    choices = selection.choose(plan(PACKAGE, taken={SPACE: (PACKAGE, "owner"), found: (SPACE, rule)}))
    return next((choice.role for choice in choices if choice.found is found), "by-product")


def in_namespace(kind: str, api_version: str = "v1", **rest: Any) -> Found:
    return live(document(api_version, kind, "thing", "shop", **rest))


def composed(*found: Found) -> Contents:
    return selection.contents(selection.choose(plan(*found)), bodies(*found))


def names(entries: Any) -> list[str]:
    return [f"{entry.ref.kind} {entry.ref.name}" for entry in entries]


def test_what_is_deleted_by_request_is_restored() -> None:
    assert [choice.role for choice in selection.choose(plan(PACKAGE))] == ["restored"]


def test_a_packages_namespace_is_restored_for_what_people_set_on_it() -> None:
    assert chosen(SPACE) == "restored"


def test_what_has_an_owner_comes_back_by_its_owner() -> None:
    assert (
        chosen(in_namespace("Deployment", "apps/v1", metadata={"ownerReferences": [owner(PACKAGE)]}), "owner")
        == "remade"
    )


def test_what_people_put_into_a_packages_namespace_is_restored() -> None:
    assert chosen(in_namespace("ConfigMap")) == "restored"
    assert chosen(in_namespace("Deployment", "apps/v1")) == "restored"


def test_what_is_changed_twice_and_stays_is_written_down_once() -> None:
    kept = live(document("apiextensions.k8s.io/v1", "CustomResourceDefinition", "gadgets.example.com"))
    choices = selection.choose(plan(PACKAGE, detached=(kept, kept)))
    assert [choice.found for choice in choices].count(kept) == 1


def test_a_charts_objects_come_back_with_their_chart() -> None:
    release = live(
        document(
            "helm.toolkit.fluxcd.io/v2", "HelmRelease", "web", "shop", metadata={"ownerReferences": [owner(PACKAGE)]}
        )
    )
    annotations = {"meta.helm.sh/release-name": "web", "meta.helm.sh/release-namespace": "shop"}
    part = in_namespace("Service", metadata={"annotations": annotations})
    other = live(
        document(
            "v1",
            "Service",
            "other",
            "shop",
            metadata={"annotations": {**annotations, "meta.helm.sh/release-name": "x"}},
        )
    )
    taken = {
        SPACE: (PACKAGE, "owner"),
        release: (PACKAGE, "owner"),
        part: (SPACE, "namespace"),
        other: (SPACE, "namespace"),
    }
    roles = {choice.found.ref.name: choice.role for choice in selection.choose(plan(PACKAGE, taken=taken))}
    assert roles["thing"] == "remade"
    assert roles["other"] == "restored"


@pytest.mark.parametrize(
    "found",
    [
        in_namespace("Pod", metadata={"ownerReferences": [owner(PACKAGE)]}),
        in_namespace("ReplicaSet", "apps/v1", metadata={"ownerReferences": [owner(PACKAGE)]}),
        in_namespace("Lease", "coordination.k8s.io/v1"),
        in_namespace("Secret", metadata={"labels": {"owner": "helm", "name": "web"}}, type="helm.sh/release.v1"),
        in_namespace("Secret", metadata={"annotations": {"kubernetes.io/service-account.name": "default"}}),
        live(document("v1", "ConfigMap", "kube-root-ca.crt", "shop")),
        live(document("v1", "ServiceAccount", "default", "shop")),
        live(document("v1", "Endpoints", "web", "shop"), manager="kube-controller-manager"),
        live(document("v1", "PersistentVolumeClaim", "data-db-0", "shop"), manager="kube-controller-manager"),
        in_namespace(
            "HelmChart", "source.toolkit.fluxcd.io/v1", metadata={"labels": {"helm.toolkit.fluxcd.io/name": "x"}}
        ),
        in_namespace("Job", "batch/v1", metadata={"ownerReferences": [{**owner(PACKAGE), "kind": "CronJob"}]}),
    ],
    ids=lambda found: found.ref.kind,
)
def test_by_products_of_running_arent_written_down(found: Found) -> None:
    assert chosen(found) == "by-product"


def test_endpoints_and_pods_that_people_made_are_restored() -> None:
    assert chosen(in_namespace("Endpoints")) == "restored"
    assert chosen(in_namespace("Pod")) == "restored"


def test_what_vanished_since_the_survey_is_left_out() -> None:
    choices = selection.choose(plan(PACKAGE))
    assert selection.contents(choices, {}) == Contents()


def test_secrets_that_do_harm_are_never_written_down() -> None:
    for harmful in ("helm.sh/release.v1", "kubernetes.io/service-account-token"):
        found = live(document("v1", "Secret", "s", "glasskube-system", type=harmful, data={"a": "Yg=="}))
        assert composed(found) == Contents()


def test_a_job_of_somebody_that_is_done_isnt_run_again() -> None:
    done = {"conditions": [{"type": "Complete", "status": "True"}]}
    mine = live(document("batch/v1", "Job", "migrate", "shop", spec={"template": {}}, status=done))
    running = live(document("batch/v1", "Job", "import", "shop", spec={"template": {}}))
    contents = composed(mine, running)
    assert names(contents.restored) == ["Job import"]
    assert names(contents.remade) == ["Job migrate"]


SECRET = live(document("v1", "Secret", "glasskube-webhook-tls", "glasskube-system", data={"tls.crt": "YQ=="}))
JOB = live(document("batch/v1", "Job", "glasskube-webhook-cert-init", "glasskube-system", spec={"template": {}}))
WEBHOOK = live(
    document(
        "admissionregistration.k8s.io/v1",
        "ValidatingWebhookConfiguration",
        "glasskube-validating-webhook-configuration",
        webhooks=[{"name": "a", "clientConfig": {"caBundle": "YQ==", "service": {"name": "s"}}}],
    )
)


def bundle(contents: Contents) -> bool:
    entry = next(entry for entry in contents.restored if entry.ref == WEBHOOK.ref)
    return "caBundle" in entry.document["webhooks"][0]["clientConfig"]


def test_certificate_and_ca_are_left_to_the_job_that_makes_both() -> None:
    contents = composed(SECRET, JOB, WEBHOOK)
    assert not bundle(contents)
    assert "Secret glasskube-webhook-tls" not in names(contents.restored)
    assert "Secret glasskube-webhook-tls" in names(contents.remade)


def test_certificate_and_ca_are_both_restored_where_no_job_makes_them() -> None:
    contents = composed(SECRET, WEBHOOK)
    assert bundle(contents)
    assert "Secret glasskube-webhook-tls" in names(contents.restored)


def test_a_ca_without_its_certificate_isnt_restored() -> None:
    assert not bundle(composed(WEBHOOK))


def test_dependencies_come_before_what_needs_them() -> None:
    kind = ("packages.glasskube.dev/v1alpha1", "ClusterPackage")
    first, second, third = (live(document(*kind, name)) for name in ("app", "gateway", "certs"))
    # The plan deletes dependents first.
    assert names(composed(first, second, third).restored) == [
        "ClusterPackage certs",
        "ClusterPackage gateway",
        "ClusterPackage app",
    ]


def test_everything_comes_after_what_it_needs() -> None:
    flux = "helm.toolkit.fluxcd.io/v2"
    everything = [
        live(document(flux, "HelmRelease", "theirs", "team")),
        live(document("source.toolkit.fluxcd.io/v1", "HelmRepository", "theirs", "team")),
        PACKAGE,
        live(document("packages.glasskube.dev/v1alpha1", "PackageInfo", "info")),
        live(document("packages.glasskube.dev/v1alpha1", "PackageRepository", "glasskube")),
        JOB,
        live(document("apps/v1", "Deployment", "glasskube-controller-manager", "glasskube-system")),
        WEBHOOK,
        live(document("v1", "ServiceAccount", "glasskube-controller-manager", "glasskube-system")),
        live(document("apiextensions.k8s.io/v1", "CustomResourceDefinition", "packages.packages.glasskube.dev")),
        live(document("v1", "Namespace", "glasskube-system")),
    ]
    assert [entry.ref for entry in composed(*everything).restored] == [found.ref for found in reversed(everything)]


def test_a_flux_of_somebody_else_doesnt_look_like_glasskubes_afterwards() -> None:
    theirs = live(document("apps/v1", "Deployment", "helm-controller", "flux-system"), manager="flux")
    ours = live(document("apps/v1", "Deployment", "source-controller", "flux-system"), manager="glasskube")
    operator = live(
        document("apps/v1", "Deployment", "glasskube-controller-manager", "glasskube-system"), manager="kubectl"
    )
    managers = {entry.ref.name: entry.manager for entry in composed(theirs, ours, operator).restored}
    assert managers == {
        "helm-controller": "flux",
        "source-controller": "glasskube",
        "glasskube-controller-manager": "glasskube",
    }


@pytest.mark.parametrize(
    ("only", "ref", "matched"),
    [
        ("flux", Ref("apps", "Deployment", "flux-system", "helm-controller"), True),
        ("flux", Ref("helm.toolkit.fluxcd.io", "HelmRelease", "team", "report"), True),
        ("flux", Ref("packages.glasskube.dev", "ClusterPackage", "", "app"), False),
        ("controllers", Ref("apps", "Deployment", "glasskube-system", "glasskube-controller-manager"), True),
        ("controllers", Ref("apps", "Deployment", "flux-system", "helm-controller"), False),
        ("packages", Ref("packages.glasskube.dev", "Package", "shop", "orders"), True),
        ("packages", Ref("", "Namespace", "", "app"), True),
        ("Deployment/web", Ref("apps", "Deployment", "shop", "web"), True),
        ("deployment.apps/web", Ref("apps", "Deployment", "shop", "web"), True),
        ("deployment/shop/web", Ref("apps", "Deployment", "shop", "web"), True),
        ("deployment/other/web", Ref("apps", "Deployment", "shop", "web"), False),
        ("deployment.extensions/web", Ref("apps", "Deployment", "shop", "web"), False),
        ("namespace/app", Ref("", "Namespace", "", "app"), True),
    ],
)
def test_only_means_a_part_or_an_object(only: str, ref: Ref, matched: bool) -> None:
    assert selection.matcher(only)(ref) is matched


@pytest.mark.parametrize("only", ["", "everything", "Deployment", "Deployment/", "/web", "a/b/c/d"])
def test_only_means_nothing_else(only: str) -> None:
    with pytest.raises(ValueError, match=only or "^$"):
        selection.matcher(only)
