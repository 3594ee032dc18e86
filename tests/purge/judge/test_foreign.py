"""What in a namespace is somebody else's, and what is only there because something else is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kubectl_glasskube_purge.glasskube import facts, inventory
from kubectl_glasskube_purge.kube.objects import Ref
from kubectl_glasskube_purge.purge.judge.foreign import foreign_in
from kubectl_glasskube_purge.purge.model.kinds import PROJECT
from tests.purge.clusters import RBAC, installed


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
