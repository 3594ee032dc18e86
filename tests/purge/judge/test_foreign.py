"""What in a namespace is somebody else's, and what is only there because something else is."""

from __future__ import annotations

from kubectl_glasskube_purge.glasskube import facts, inventory
from kubectl_glasskube_purge.kube.objects import Ref
from kubectl_glasskube_purge.purge.judge.foreign import foreign_in
from tests.purge.clusters import installed


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
