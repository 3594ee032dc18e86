"""Who uses what goes, of what is shared in the cluster."""

from __future__ import annotations

from kubectl_glasskube_purge.purge.judge.usage import users
from tests.purge.clusters import RBAC, installed


def test_who_uses_what_a_package_brought_is_named() -> None:
    cluster = installed("plain", packages=1)
    group = "networking.k8s.io"
    brought = [
        cluster.add(group, "IngressClass", "web", owners=cluster.packages),
        cluster.add("apiregistration.k8s.io", "APIService", "v1.api.example.com", owners=cluster.packages),
        cluster.add("admissionregistration.k8s.io", "MutatingWebhookConfiguration", "sets", owners=cluster.packages),
    ]
    cluster.theirs(group, "Ingress", "mine", "shop", body={"spec": {"ingressClassName": "web"}})
    cluster.theirs(group, "Ingress", "old", "shop", annotations={"kubernetes.io/ingress.class": "web"})
    cluster.theirs(group, "Ingress", "another", "shop", body={"spec": {"ingressClassName": "other"}})
    said = users(cluster.survey(), {found.ref for found in brought})
    assert len(said) == 3
    of_class = next(text for text in said if "ingressclass.networking.k8s.io/web goes" in text)
    assert "mine -n shop" in of_class
    assert "old -n shop" in of_class
    assert "another" not in of_class
    assert any("v1.api.example.com goes, and with it an API" in text for text in said)
    assert any("sets goes: it no longer checks or changes" in text for text in said)


def test_what_goes_itself_is_no_user() -> None:
    cluster = installed("plain", packages=1)
    going = cluster.add("networking.k8s.io", "IngressClass", "web", owners=cluster.packages)
    own = cluster.add("networking.k8s.io", "Ingress", "own", "shop", body={"spec": {"ingressClassName": "web"}})
    assert not users(cluster.survey(), {going.ref, own.ref})


def test_a_role_of_the_same_name_in_a_namespace_is_another_one() -> None:
    cluster = installed("plain", packages=1)
    role = cluster.add(RBAC, "ClusterRole", "reader", owners=cluster.packages)
    cluster.theirs(RBAC, "RoleBinding", "mine", "shop", body={"roleRef": {"kind": "Role", "name": "reader"}})
    assert not users(cluster.survey(), {role.ref})
