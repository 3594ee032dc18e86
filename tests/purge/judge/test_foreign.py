"""What in a namespace is somebody else's, and what is only there because something else is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from kubectl_glasskube_purge.glasskube import facts, inventory
from kubectl_glasskube_purge.kube.objects import Ref
from kubectl_glasskube_purge.purge.judge.foreign import foreign_in, strangers
from kubectl_glasskube_purge.purge.judge.plan import plan
from kubectl_glasskube_purge.purge.model.kinds import PROJECT
from kubectl_glasskube_purge.purge.model.plan import Options
from tests.purge.clusters import RBAC, Cluster, installed


def test_what_others_own_is_not_incidental_and_what_nobody_owns_any_more_is() -> None:
    cluster = installed()
    tenant = cluster.theirs("example.com", "Tenant", "acme")
    theirs = cluster.theirs("", "ConfigMap", "of-tenant", facts.NAMESPACE, owners=[tenant])
    dangling = cluster.add("", "Pod", "ending", facts.NAMESPACE, owners=[tenant])
    cluster.change(dangling, owners=tuple(type(one)(one.group, one.kind, one.name, "gone") for one in dangling.owners))
    survey = cluster.survey()
    ours = [found for found in survey.objects.values() if found.ref in inventory.every_object()]
    foreign = {found.ref for found in foreign_in(survey, facts.NAMESPACE, ours)}
    assert foreign == {theirs.ref}
    assert Ref("", "Pod", facts.NAMESPACE, "ending") in survey.objects


OF_OPENSHIFT = (
    ("", "ServiceAccount", "builder", {}),
    ("", "ServiceAccount", "deployer", {}),
    (RBAC, "RoleBinding", "system:image-pullers", {}),
    (RBAC, "RoleBinding", "system:image-builders", {}),
    (RBAC, "RoleBinding", "system:deployers", {}),
    ("", "Secret", "builder-dockercfg-x7k2p", {"openshift.io/token-secret.name": "builder-token-9sd2k"}),
    ("", "Secret", "a-dockercfg-1", {"openshift.io/internal-registry-auth-token.service-account": "a"}),
)


@pytest.mark.parametrize("openshift", [True, False])
def test_what_openshift_puts_into_every_namespace_is_incidental_there_and_only_there(openshift: bool) -> None:
    cluster = installed()
    for group, kind, name, notes in OF_OPENSHIFT:
        cluster.theirs(group, kind, name, facts.NAMESPACE, annotations=notes)
    cluster.theirs("", "Secret", "my-dockercfg-1", facts.NAMESPACE)
    survey = cluster.survey()
    if openshift:
        survey = replace(survey, defines={**survey.defines, "projects.project.openshift.io": PROJECT})
    ours = [found for found in survey.objects.values() if found.ref in inventory.every_object()]
    foreign = {found.ref.name for found in foreign_in(survey, facts.NAMESPACE, ours)}
    assert foreign == {"my-dockercfg-1", *(() if openshift else (name for _, _, name, _ in OF_OPENSHIFT))}


def strange(cluster: Cluster, **seen: Any) -> set[str]:
    """What keeps a package's namespace."""
    survey = replace(cluster.survey(), **seen)
    own = {found.ref for found in survey.objects.values() if found.uid not in cluster.foreign}
    return {found.ref.name for found in strangers(survey, "pkg0-home", own)}


def test_what_an_incidental_object_owns_is_incidental() -> None:
    cluster = installed("plain", packages=1)
    account = cluster.theirs("", "ServiceAccount", "default", "pkg0-home")
    pull = cluster.theirs("", "Secret", "pull", "pkg0-home", owners=[account])
    cluster.theirs("wgpolicyk8s.io", "PolicyReport", "of-secret", "pkg0-home", owners=[pull])
    cluster.theirs("", "Secret", "mine", "pkg0-home")
    assert strange(cluster) == {"mine"}


@pytest.mark.parametrize("template", [True, False])
def test_a_claim_is_a_packages_only_if_it_is_made_from_a_template_of_its_statefulset(template: bool) -> None:
    """The control plane writes the claims of a user's StatefulSet, too, and they outlive it."""
    cluster = installed("plain", packages=1)
    if template:
        cluster.add("apps", "StatefulSet", "db", "pkg0-home", owners=cluster.packages)
    cluster.theirs("", "PersistentVolumeClaim", "data-db-0", "pkg0-home", managers=["kube-controller-manager"])
    assert strange(cluster) == (set() if template else {"data-db-0"})


@pytest.mark.parametrize("manager", sorted(facts.FIELD_MANAGERS))
def test_a_field_manager_that_anybody_may_choose_makes_nothing_a_packages(manager: str) -> None:
    cluster = installed("plain", packages=1)
    cluster.theirs("", "ConfigMap", "restored", "pkg0-home", managers=[manager])
    assert strange(cluster) == {"restored"}


@pytest.mark.parametrize(("name", "stays"), [("kube-prometheus-stack", False), ("kube-public", True)])
def test_only_kubernetes_own_namespaces_stay_for_their_name(name: str, stays: bool) -> None:
    cluster = installed("plain", packages=1)
    home = cluster.add("", "Namespace", name, owners=cluster.packages)
    assert (home.ref not in plan(cluster.survey(), Options(ignore_busy=True)).going) == stays


def test_what_a_packages_own_programs_made_at_run_time_keeps_no_namespace() -> None:
    """A webhook's certificate, an initial password: no manifest has them, and nobody else wrote them."""
    cluster = installed("plain", packages=1)
    containers = [{"name": "x", "image": "example.com/certs-webhook:v1@sha256:0"}]
    cluster.add("", "Pod", "x", "pkg0-home", owners=cluster.packages, body={"spec": {"containers": containers}})
    cluster.theirs("", "Secret", "webhook-ca", "pkg0-home", managers=["certs-webhook"])
    cluster.theirs("", "Secret", "edited", "pkg0-home", managers=["certs-webhook", "kubectl-edit"])
    cluster.theirs("", "Secret", "of-another", "pkg0-home", managers=["certs-controller"])
    assert strange(cluster) == {"edited", "of-another"}


@pytest.mark.parametrize("confirmed", [True, False])
def test_what_hooks_of_a_confirmed_release_made_keeps_no_namespace(confirmed: bool) -> None:
    """The Pods of a hook's Job are gone long since."""
    cluster = installed("helm", packages=1)
    if not confirmed:
        (package,) = cluster.packages
        cluster.change(package, body={**package.body, "status": {}})
    cluster.theirs("", "Secret", "admission", "pkg0-home", managers=["kube-webhook-certgen"])
    cluster.theirs("", "Secret", "edited", "pkg0-home", managers=["kube-webhook-certgen", "kubectl-edit"])
    programs = {
        ("pkg0-home", "pkg0-pkg0"): frozenset({"kube-webhook-certgen"}),
        ("elsewhere", "pkg0-pkg0"): frozenset({"kubectl-edit"}),
    }
    assert strange(cluster, hook_programs=programs) == ({"edited"} if confirmed else {"edited", "admission"})
