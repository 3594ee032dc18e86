"""Of a release's manifest only what a release of Glasskube does is applied."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from kubectl_glasskube_purge.glasskube import inventory
from kubectl_glasskube_purge.glasskube.content import ForeignContent, check
from kubectl_glasskube_purge.glasskube.manifest import ForeignObjects
from tests.cluster import install, rendition

RELEASE = "v0.26.1"
Object = dict[str, Any]


@pytest.mark.parametrize("release", inventory.releases())
def test_what_the_releases_contain_is_let_through(release: str) -> None:
    for variant in inventory.variants(release):
        try:
            objects = install.manifest(release, variant, "release")
        except FileNotFoundError:
            pytest.skip("the real manifests aren't here")
        check(objects, release, "the manifest")


@pytest.mark.parametrize("variant", inventory.variants(RELEASE))
def test_the_test_clusters_release_is_let_through(variant: str) -> None:
    check(rendition.render(RELEASE, variant), RELEASE, "the manifest")


def pod(item: Object) -> Object:
    """The Pods' spec of a workload."""
    spec = item["spec"]
    found: Object = (spec["jobTemplate"]["spec"] if "jobTemplate" in spec else spec)["template"]["spec"]
    return found


def container(item: Object) -> Object:
    first: Object = pod(item)["containers"][0]
    return first


OPERATOR = ("Deployment", "glasskube-controller-manager")
MANAGER = ("ClusterRoleBinding", "glasskube-manager-rolebinding")
PROXY = ("ClusterRoleBinding", "glasskube-proxy-rolebinding")
FLUX_VIEW = ("ClusterRole", "flux-view")
WEBHOOKS = ("ValidatingWebhookConfiguration", "glasskube-validating-webhook-configuration")
PACKAGES = ("CustomResourceDefinition", "packages.packages.glasskube.dev")
SERVICE = ("Service", "glasskube-webhook-service")
URL = {"url": "https://elsewhere.example/x"}
EVERYTHING = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}
HOST = {"name": "host", "hostPath": {"path": "/"}}

Tampering = tuple[tuple[str, str], Callable[[Object], object], str]
TAMPERINGS: list[Tampering] = [
    (OPERATOR, lambda it: container(it).update(image="elsewhere.example/package-operator:v0.26.1"), "the image"),
    (OPERATOR, lambda it: container(it).update(image="package-operator:v0.26.1"), "the image"),
    (("Deployment", "helm-controller"), lambda it: container(it).update(image="x/fluxcd/helm-controller"), "the image"),
    (("Job", "glasskube-webhook-cert-init"), lambda it: container(it).update(image="alpine"), "the image"),
    (("CronJob", "glasskube-webhook-cert"), lambda it: container(it).update(command=["sh", "-c", "x"]), "the command"),
    (OPERATOR, lambda it: container(it).update(securityContext={"privileged": True}), "securityContext.privileged"),
    (
        OPERATOR,
        lambda it: container(it).update(securityContext={"allowPrivilegeEscalation": True}),
        "securityContext.allowPrivilegeEscalation True",
    ),
    (
        OPERATOR,
        lambda it: container(it).update(securityContext={"capabilities": {"add": ["SYS_ADMIN"]}}),
        "securityContext.capabilities.add",
    ),
    (OPERATOR, lambda it: container(it).update(lifecycle={"postStart": {}}), "lifecycle"),
    (OPERATOR, lambda it: container(it).update(ports=[{"containerPort": 1, "hostPort": 1}]), "ports.hostPort"),
    (
        OPERATOR,
        lambda it: container(it).update(env=[{"name": "A", "valueFrom": {"secretKeyRef": {}}}]),
        "a variable from elsewhere, A",
    ),
    (OPERATOR, lambda it: container(it).update(livenessProbe={"exec": {"command": ["x"]}}), "livenessProbe.exec"),
    (OPERATOR, lambda it: pod(it).update(volumes=[HOST]), "a volume of type hostPath"),
    (
        OPERATOR,
        lambda it: pod(it).update(volumes=[{"name": "x", "secret": {"secretName": "other"}}]),
        "a volume with the Secret 'other'",
    ),
    (OPERATOR, lambda it: pod(it).update(hostNetwork=True), "the Pods' hostNetwork"),
    (OPERATOR, lambda it: pod(it).update(hostPID=True), "the Pods' hostPID"),
    (OPERATOR, lambda it: pod(it).update(initContainers=[{"name": "x", "image": "x"}]), "the Pods' initContainers"),
    (OPERATOR, lambda it: pod(it).update(serviceAccountName="admin"), "the ServiceAccount 'admin'"),
    (OPERATOR, lambda it: pod(it).update(containers="none"), "a Deployment that is none"),
    (PROXY, lambda it: it["roleRef"].update(name="cluster-admin"), "the role ClusterRole cluster-admin"),
    (MANAGER, lambda it: it["roleRef"].update(name="system:node"), "the role ClusterRole system:node"),
    (MANAGER, lambda it: it["subjects"].append({"kind": "User", "name": "eve"}), "the subject User eve"),
    (
        ("ClusterRoleBinding", "cluster-reconciler"),
        lambda it: it["subjects"][0].update(name="source-controller"),
        "the subject ServiceAccount source-controller",
    ),
    (MANAGER, lambda it: it["subjects"][0].update(namespace="default"), "the subject ServiceAccount"),
    (FLUX_VIEW, lambda it: it["rules"].append(EVERYTHING), "the right to * */*"),
    (
        FLUX_VIEW,
        lambda it: it["rules"].append({"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}),
        "the right to get secrets",
    ),
    (FLUX_VIEW, lambda it: it.update(aggregationRule={}), "the field aggregationRule"),
    (
        ("ClusterRole", "glasskube-webhook-cert-role"),
        lambda it: it["rules"].append({"apiGroups": [""], "resources": ["secrets"], "verbs": ["create"]}),
        "the right to create secrets",
    ),
    (
        ("ClusterRole", "glasskube-proxy-role"),
        lambda it: it["metadata"].update(labels={"rbac.authorization.k8s.io/aggregate-to-view": "true"}),
        "the label rbac.authorization.k8s.io/aggregate-to-view",
    ),
    (("ServiceAccount", "helm-controller"), lambda it: it.update(secrets=[{"name": "x"}]), "the field secrets"),
    (
        ("ServiceAccount", "helm-controller"),
        lambda it: it["metadata"].update(annotations={"cloud.example/role": "admin"}),
        "the annotation cloud.example/role",
    ),
    (OPERATOR, lambda it: it["metadata"].update(ownerReferences=[]), "the field metadata.ownerReferences"),
    (WEBHOOKS, lambda it: it["webhooks"][0].update(clientConfig=URL), "the field clientConfig.url"),
    (WEBHOOKS, lambda it: it["webhooks"][0]["rules"][0].update(apiGroups=["*"]), "a webhook for * objects"),
    (
        PACKAGES,
        lambda it: it["spec"].update(conversion={"strategy": "Webhook", "webhook": {"clientConfig": URL}}),
        "the field spec.conversion.webhook.clientConfig.url",
    ),
    (SERVICE, lambda it: it["spec"].update(type="LoadBalancer"), "the type 'LoadBalancer'"),
    (SERVICE, lambda it: it["spec"].update(externalIPs=["10.0.0.1"]), "the field spec.externalIPs"),
]


@pytest.mark.parametrize(("which", "tamper", "said"), TAMPERINGS, ids=[f"{one[0][0]}: {one[2]}" for one in TAMPERINGS])
def test_what_no_release_contains_is_refused_and_named(
    which: tuple[str, str], tamper: Callable[[Object], object], said: str
) -> None:
    objects = copy.deepcopy(rendition.render(RELEASE, "aio"))
    (item,) = [one for one in objects if (one["kind"], one["metadata"]["name"]) == which]
    tamper(item)
    with pytest.raises(ForeignContent) as caught:
        check(objects, RELEASE, "the manifest")
    (found,) = caught.value.found
    assert said in found
    assert which[1] in found
    assert found in caught.value.message


def test_the_first_releases_operator_is_no_cluster_admin() -> None:
    objects = rendition.render("v0.0.1-alpha.5", "slim")
    (binding,) = [one for one in objects if one["metadata"]["name"] == MANAGER[1]]
    check([binding], "v0.0.1-alpha.5", "the manifest")
    binding["roleRef"]["name"] = "cluster-admin"
    check([binding], RELEASE, "the manifest")
    with pytest.raises(ForeignContent):
        check([binding], "v0.0.1-alpha.5", "the manifest")


def test_an_object_that_no_release_has_is_refused_here_too() -> None:
    stranger = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "namespace": "default"}}
    with pytest.raises(ForeignObjects):
        check([stranger], RELEASE, "the manifest")
