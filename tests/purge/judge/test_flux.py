"""Each piece of evidence about Flux, alone: what speaks against deleting it, and what doesn't."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from kubectl_glasskube_purge.glasskube import facts, inventory
from kubectl_glasskube_purge.kube.objects import Found
from kubectl_glasskube_purge.purge.judge import flux
from kubectl_glasskube_purge.purge.model.survey import LABEL_MANAGER
from tests.purge.clusters import RBAC, Cluster, installed


def against(cluster: Cluster) -> list[str]:
    return [evidence.text for evidence in flux.judge(cluster.survey()).evidence if evidence.against]


def of_flux(cluster: Cluster, kind: str, name: str) -> Found:
    return next(found for found in cluster.flux() if (found.ref.kind, found.ref.name) == (kind, name))


def test_a_flux_that_glasskube_brought_and_nobody_uses_is_proven_and_every_finding_is_said() -> None:
    verdict = flux.judge(installed("helm", packages=2).survey())
    assert verdict.proven
    said = "\n".join(evidence.text for evidence in verdict.evidence)
    for words in (
        "applied by Glasskube (field manager glasskube)",
        "of the version that Glasskube ships: helm-controller v1.0.1, source-controller v1.3.0",
        "2 HelmReleases, all owned by packages",
        "no other Flux controller",
    ):
        assert words in said


# -- who applied it


def test_who_applied_another_flux_over_it_is_seen_by_the_field_manager() -> None:
    for manager in ("flux", "kubectl-client-side-apply", "argocd-controller", "kustomize-controller", "helm"):
        cluster = installed()
        found = of_flux(cluster, "Deployment", "helm-controller")
        cluster.change(found, managers=(facts.FIELD_MANAGER, manager))
        (text,) = against(cluster)
        assert manager in text
        assert "deployment.apps/helm-controller -n flux-system" in text


def test_handwork_with_kubectl_and_the_control_plane_are_no_use_of_flux() -> None:
    cluster = installed()
    for found in cluster.flux():
        if found.managers:
            others = ("kubectl-edit", "kubectl-rollout", "kube-controller-manager", LABEL_MANAGER, flux.PURGE_MANAGER)
            cluster.change(found, managers=(*found.managers, *others))
    assert not against(cluster)


@pytest.mark.parametrize(
    ("marks", "said"),
    [
        ({"labels": {facts.ARGOCD_INSTANCE_LABEL: "root"}}, "Argo CD Application root manages"),
        ({"annotations": {facts.ARGOCD_TRACKING_ANNOTATION: "root:apps/x"}}, "Argo CD Application root manages"),
        (
            {"labels": {facts.FLUX_KUSTOMIZATION_LABEL: "fleet", facts.FLUX_KUSTOMIZATION_NAMESPACE_LABEL: "ops"}},
            "Flux Kustomization ops/fleet manages",
        ),
        (
            {
                "annotations": {
                    facts.HELM_RELEASE_NAME_ANNOTATION: "flux2",
                    facts.HELM_RELEASE_NAMESPACE_ANNOTATION: "x",
                }
            },
            "Helm release x/flux2 manages",
        ),
        (
            {"labels": {facts.PART_OF_LABEL: "flux"}},
            "an ordinary install of Flux (label app.kubernetes.io/part-of=flux)",
        ),
        ({"labels": {facts.FLUX_OPERATOR_LABEL: "flux"}}, "the Flux Operator's FluxInstance flux manages"),
    ],
)
def test_the_marks_of_other_tools_are_read(marks: dict[str, Any], said: str) -> None:
    cluster = installed()
    cluster.change(of_flux(cluster, "ClusterRole", "flux-view"), **marks)
    (text,) = against(cluster)
    assert text.startswith(said)
    assert "flux-view" in text


# -- which version


def image(cluster: Cluster, name: str, value: str) -> None:
    found = of_flux(cluster, "Deployment", name)
    template = {"spec": {"containers": [{"name": "manager", "image": value}]}}
    cluster.change(found, body={**found.body, "spec": {**found.body["spec"], "template": template}})


@pytest.mark.parametrize(
    "other",
    ["ghcr.io/fluxcd/helm-controller:v1.3.0", "fluxcd/helm-controller", "fluxcd/helm-controller@sha256:00", "x:v1.0.1"],
)
def test_flux_of_another_version_or_of_none_that_can_be_told_is_somebody_elses(other: str) -> None:
    cluster = installed()
    image(cluster, "helm-controller", other)
    (text,) = against(cluster)
    assert text.startswith("helm-controller ")
    assert "v0.37.2, v0.37.4" in text


def test_a_mirror_and_a_digest_beside_the_tag_make_no_difference() -> None:
    cluster = installed()
    image(cluster, "helm-controller", "registry.example.com:5000/mirror/helm-controller:v1.0.1@sha256:00")
    assert not against(cluster)


def test_the_flux_of_an_earlier_release_is_glasskubes_and_that_of_a_later_one_is_not() -> None:
    older, newer = inventory.flux_versions("v0.1.0"), inventory.flux_versions("v0.26.1")
    assert older != newer
    assert older["helm-controller"] in flux.flux_versions("v0.26.1")["helm-controller"]
    assert newer["helm-controller"] not in flux.flux_versions("v0.1.0")["helm-controller"]
    assert newer["helm-controller"] in flux.flux_versions("")["helm-controller"]


# -- who uses it


def their_flux_operator(cluster: Cluster) -> str:
    cluster.theirs("apps", "Deployment", "flux-operator", "operators")
    return "flux-operator"


def their_flux_instance(cluster: Cluster) -> str:
    cluster.theirs(*facts.FLUX_INSTANCE.group_kind, "flux", "operators")
    return "fluxinstance.fluxcd.controlplane.io/flux"


def their_controller_elsewhere(cluster: Cluster) -> str:
    cluster.theirs("apps", "Deployment", "source-controller", "gitops")
    return "source-controller -n gitops"


def their_definition(cluster: Cluster) -> str:
    cluster.theirs("apiextensions.k8s.io", "CustomResourceDefinition", "kustomizations.kustomize.toolkit.fluxcd.io")
    return "kustomizations.kustomize.toolkit.fluxcd.io"


def their_release_in_glasskubes_namespace(cluster: Cluster) -> str:
    cluster.theirs(*facts.HELM_RELEASE.group_kind, "mine", facts.NAMESPACE)
    return "1 HelmRelease that no package owns"


def their_bucket(cluster: Cluster) -> str:
    cluster.theirs(*facts.BUCKET.group_kind, "mine", "shop")
    return "1 Bucket that no package owns: bucket.source.toolkit.fluxcd.io/mine -n shop"


def their_secret(cluster: Cluster) -> str:
    cluster.theirs("", "Secret", "mine", facts.FLUX_NAMESPACE)
    return "foreign objects in namespace flux-system: secret/mine"


def their_role_binding(cluster: Cluster) -> str:
    role = {"kind": "ClusterRole", "name": "flux-edit"}
    cluster.theirs(RBAC, "RoleBinding", "developers", "shop", body={"roleRef": role, "subjects": []})
    return "flux-edit is granted by rolebinding.rbac.authorization.k8s.io/developers -n shop"


def their_cluster_role_binding(cluster: Cluster) -> str:
    role = {"kind": "ClusterRole", "name": "crd-controller"}
    cluster.theirs(RBAC, "ClusterRoleBinding", "robots", body={"roleRef": role, "subjects": []})
    return "crd-controller is granted by clusterrolebinding.rbac.authorization.k8s.io/robots"


def their_subject(cluster: Cluster) -> str:
    found = of_flux(cluster, "ClusterRoleBinding", "cluster-reconciler")
    theirs = {"kind": "ServiceAccount", "name": "deployer", "namespace": "shop"}
    cluster.change(found, body={**found.body, "subjects": [*found.body["subjects"], theirs]})
    return "cluster-reconciler grants something to serviceaccount/deployer"


def hidden_ingresses(cluster: Cluster) -> str:
    cluster.hidden["networking.k8s.io", "Ingress"] = "ingresses.networking.k8s.io"
    return "not everything could be read (ingresses.networking.k8s.io)"


@pytest.mark.parametrize(
    "happens",
    [
        their_flux_operator,
        their_flux_instance,
        their_controller_elsewhere,
        their_definition,
        their_release_in_glasskubes_namespace,
        their_bucket,
        their_secret,
        their_role_binding,
        their_cluster_role_binding,
        their_subject,
        hidden_ingresses,
    ],
    ids=lambda happens: happens.__name__,
)
def test_anybodys_use_of_flux_is_said_and_keeps_it(happens: Callable[[Cluster], str]) -> None:
    cluster = installed("helm", packages=1)
    assert not against(cluster)
    expected = happens(cluster)
    assert any(expected in text for text in against(cluster)), against(cluster)
    assert not flux.judge(cluster.survey()).proven


def test_accounts_of_controllers_that_only_an_ordinary_flux_has_prove_nothing() -> None:
    """Glasskube's own manifest names them in its bindings."""
    cluster = installed()
    found = of_flux(cluster, "ClusterRoleBinding", "crd-controller")
    accounts = [{"kind": "ServiceAccount", "name": n, "namespace": "flux-system"} for n in facts.FLUX_OTHER_DEPLOYMENTS]
    cluster.change(found, body={**found.body, "subjects": accounts})
    assert not against(cluster)


def test_bindings_to_a_role_of_flux_by_a_package_are_the_packages() -> None:
    cluster = installed("plain", packages=1)
    role = {"kind": "ClusterRole", "name": "flux-view"}
    cluster.add(RBAC, "ClusterRoleBinding", "of-package", owners=cluster.packages, body={"roleRef": role})
    assert not against(cluster)
