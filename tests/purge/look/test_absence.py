"""A survey is complete, or says what it couldn't see."""

from __future__ import annotations

import gzip
import json
from base64 import b64encode
from dataclasses import replace
from typing import Any

import pytest

from kubectl_glasskube_purge.kube.client import Client
from kubectl_glasskube_purge.kube.objects import Ref
from kubectl_glasskube_purge.kube.resources import Resource
from kubectl_glasskube_purge.purge.judge.ownership import consequences, orphans
from kubectl_glasskube_purge.purge.look.held import on_lost_nodes
from kubectl_glasskube_purge.purge.look.helm_release import digest
from kubectl_glasskube_purge.purge.look.survey import survey
from tests.kube.scripted import Server, failure
from tests.purge.look import fake_api
from tests.purge.look.fake_api import (
    API_SERVICES,
    CONFIG_MAPS,
    CORE,
    DEPLOYMENTS,
    NAMESPACES,
    PACKAGES,
    SECRETS,
    TENANTS,
    VERBS,
    FakeApi,
)

PODS = Resource("", "v1", "Pod", "pods", True, VERBS)
NODES = Resource("", "v1", "Node", "nodes", False, VERBS)
PODS_OF_OURS = [PODS.ref("shop", name) for name in ("ends", "runs", "unscheduled")]

NO_LONGER_SERVED = failure(404, "the server could not find the requested resource", "NotFound")


@pytest.fixture
def api(server: Server, client: Client) -> FakeApi:
    """A cluster with Glasskube's own namespace."""
    client.retry_seconds = 0.1
    made = FakeApi()
    made.add(NAMESPACES, "glasskube-system")
    made.define(PACKAGES)
    server.script = [made]
    return made


async def test_a_survey_has_the_time_of_the_clusters_clock(api: FakeApi, client: Client) -> None:
    assert (await survey(client)).taken == "2033-11-15T08:12:31Z"


# -- lists that answer 404


async def test_a_built_in_kind_that_answers_404_is_unreadable(api: FakeApi, client: Client) -> None:
    """API servers of two versions behind one address: one of them doesn't know the kind."""
    api.failures[DEPLOYMENTS.path()] = NO_LONGER_SERVED

    assert [one.kind for one in (await survey(client)).unreadable] == [DEPLOYMENTS.group_kind]


@pytest.mark.parametrize("state", ["there", "terminating", "gone"])
async def test_a_custom_kind_that_answers_404_is_empty_only_if_its_crd_ends(
    api: FakeApi, client: Client, state: str
) -> None:
    api.kinds = (*CORE, TENANTS)
    api.failures[TENANTS.path()] = NO_LONGER_SERVED
    if state != "gone":
        ending = {"metadata": {"deletionTimestamp": "2033-11-15T08:12:00Z"}} if state == "terminating" else {}
        api.add(fake_api.DEFINITIONS, str(TENANTS), **ending)

    unreadable = [one.kind for one in (await survey(client)).unreadable]

    assert unreadable == ([TENANTS.group_kind] if state == "there" else [])


@pytest.mark.parametrize("registered", [True, False])
async def test_a_kind_of_an_extension_server_that_answers_404_is_empty_only_if_it_is_not_registered(
    api: FakeApi, client: Client, registered: bool
) -> None:
    projects = Resource("project.openshift.io", "v1", "Project", "projects", False, VERBS)
    api.kinds = (*CORE, projects)
    api.failures[projects.path()] = NO_LONGER_SERVED
    if registered:
        api.add(API_SERVICES, "v1.project.openshift.io", spec={"service": {"name": "api", "namespace": "openshift"}})

    unreadable = [one.kind for one in (await survey(client)).unreadable]

    assert unreadable == ([projects.group_kind] if registered else [])


async def test_a_kind_that_is_served_again_is_listed(api: FakeApi, client: Client) -> None:
    """An API server that has just started doesn't serve the kinds of CRDs yet."""
    client.retry_seconds = 5
    api.kinds = (*CORE, TENANTS)
    api.define(TENANTS)
    api.failures[TENANTS.path()] = [NO_LONGER_SERVED, NO_LONGER_SERVED, api._list(TENANTS, "")]

    found = await survey(client)

    assert not found.unreadable
    assert TENANTS.group_kind in found.listed


# -- owners


async def test_an_owner_of_a_kind_that_is_not_served_counts_as_existing(api: FakeApi, client: Client) -> None:
    """The garbage collector keeps such a dependent for ever."""
    owner = {"apiVersion": "gone.example.com/v1", "kind": "Vault", "metadata": {"name": "v", "uid": "unknown"}}
    api.add(SECRETS, "theirs", "glasskube-system", owners=[owner])

    assert "unknown" in (await survey(client)).existing


async def test_a_package_whose_kind_is_gone_counts_as_gone(api: FakeApi, client: Client) -> None:
    api.kinds = tuple(kind for kind in CORE if kind is not PACKAGES)
    owner = {"apiVersion": PACKAGES.api_version, "kind": PACKAGES.kind, "metadata": {"name": "p", "uid": "unknown"}}
    api.add(SECRETS, "left", "apps", owners=[owner])

    assert [found.ref.name for found in orphans(await survey(client))] == ["left"]


# -- namespaces that packages own indirectly


async def test_what_is_in_a_namespace_that_a_package_owns_indirectly_is_surveyed(api: FakeApi, client: Client) -> None:
    api.kinds = (*CORE, TENANTS)
    api.define(TENANTS)
    package = api.add(PACKAGES, "capsule")
    tenant = api.add(TENANTS, "team-a", owners=[package])
    api.add(NAMESPACES, "team-a-prod", owners=[tenant])
    nested = api.add(TENANTS, "team-a-prod-nested", owners=[tenant])
    api.add(NAMESPACES, "team-a-deep", owners=[nested])
    for namespace in ("team-a-prod", "team-a-deep", "elsewhere"):
        api.add(CONFIG_MAPS, "theirs", namespace)

    found = await survey(client)

    going = consequences(found, [package.found for package in found.packages])
    assert {ref.namespace for ref in going if ref.kind == "ConfigMap"} == {"team-a-prod", "team-a-deep"}
    assert Ref("", "ConfigMap", "elsewhere", "theirs") not in found.objects


# -- one object under two kinds, as OpenShift serves it

PROJECTS = Resource("project.openshift.io", "v1", "Project", "projects", False, VERBS)
RBAC = Resource("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings", True, VERBS)
OPENSHIFT_RBAC = Resource("authorization.openshift.io", "v1", "RoleBinding", "rolebindings", True, VERBS - {"watch"})
STREAMS = Resource("image.openshift.io", "v1", "ImageStream", "imagestreams", True, VERBS)
STREAM_TAGS = Resource("image.openshift.io", "v1", "ImageStreamTag", "imagestreamtags", True, VERBS - {"watch"})
REVIEWS = Resource("authorization.openshift.io", "v1", "SubjectRulesReview", "reviews", True, frozenset({"create"}))


@pytest.mark.parametrize("order", [1, -1])
async def test_one_object_under_two_kinds_counts_once(api: FakeApi, client: Client, order: int) -> None:
    kinds = (*CORE, PROJECTS, RBAC, OPENSHIFT_RBAC, STREAMS, STREAM_TAGS, REVIEWS)
    api.kinds = kinds[::order]
    package = api.add(PACKAGES, "app")
    api.add(NAMESPACES, "app", uid="1", owners=[package])
    api.add(PROJECTS, "app", uid="1", owners=[package])
    for kind in (RBAC, OPENSHIFT_RBAC):
        api.add(kind, "mine", "app", uid="2", roleRef={"kind": "Role", "name": "mine"})
    for kind, name in ((STREAMS, "web"), (STREAM_TAGS, "web:1"), (STREAM_TAGS, "web:2")):
        api.add(kind, name, "app", uid="3")

    found = await survey(client)

    going = consequences(found, [package.found for package in found.packages])
    assert sorted(ref.group_kind for ref in going) == [
        NAMESPACES.group_kind,
        STREAMS.group_kind,
        RBAC.group_kind,
    ]
    assert not found.unreadable


async def test_an_alias_explains_its_objects_owner(api: FakeApi, client: Client) -> None:
    """A dependent whose ownerReference names the alias is owned by the object: the UID decides."""
    api.kinds = (*CORE, PROJECTS)
    package = api.add(PACKAGES, "app")
    api.add(NAMESPACES, "app", uid="1", owners=[package])
    project = api.add(PROJECTS, "app", uid="1", owners=[package])
    api.add(SECRETS, "owned", "glasskube-system", owners=[project])

    found = await survey(client)

    assert replace(found, objects={}).existing >= {"1"}
    assert Ref("", "Secret", "glasskube-system", "owned") in consequences(found, [p.found for p in found.packages])


# -- extension API servers that don't answer


async def test_an_apiservice_that_is_unavailable_is_known_by_its_condition(api: FakeApi, client: Client) -> None:
    """The discovery leaves out one that has never answered."""
    for name, available in (("v1.dead.example.com", "False"), ("v1.alive.example.com", "True")):
        conditions = [{"type": "Available", "status": available}]
        api.add(API_SERVICES, name, spec={"service": {"name": "x"}}, status={"conditions": conditions})
    api.add(API_SERVICES, "v1.apps", status={"conditions": [{"type": "Available", "status": "False"}]})

    assert [ref.name for ref in (await survey(client)).unavailable] == ["v1.dead.example.com"]


# -- how CRDs are converted


@pytest.mark.parametrize("used", ["instance", "unreadable", "no instance", "nobody's"])
async def test_how_a_packages_crd_is_converted_is_read_if_it_has_instances(
    api: FakeApi, client: Client, used: str
) -> None:
    api.kinds = (*CORE, TENANTS)
    package = api.add(PACKAGES, "capsule")
    owners = [] if used == "nobody's" else [package]
    api.add(fake_api.DEFINITIONS, str(TENANTS), owners=owners, spec={"conversion": {"strategy": "Webhook"}})
    if used == "unreadable":
        api.failures[TENANTS.path()] = failure(403, "forbidden", "Forbidden")
    elif used != "no instance":
        api.add(TENANTS, "theirs")

    found = (await survey(client)).get(Ref(*fake_api.DEFINITIONS.group_kind, "", str(TENANTS)))

    assert found is not None
    strategy = found.get("spec", "conversion", "strategy")
    assert strategy == ("Webhook" if used in ("instance", "unreadable") else None)


# -- what Helm stores


HELM_RELEASES = Resource("helm.toolkit.fluxcd.io", "v2", "HelmRelease", "helmreleases", True, VERBS)
REPOSITORIES = Resource("source.toolkit.fluxcd.io", "v1", "HelmRepository", "helmrepositories", True, VERBS)


async def test_only_releases_that_a_helmrelease_made_are_read(api: FakeApi, client: Client) -> None:
    """Whoever may write Secrets and nothing else costs no time."""
    api.kinds = (*CORE, HELM_RELEASES)
    api.add(HELM_RELEASES, "made", "apps", owners=[api.add(PACKAGES, "made")])
    for name in ("made", "theirs"):
        notes = {
            "meta.helm.sh/release-name": name,
            "meta.helm.sh/release-namespace": "apps",
            "helm.sh/resource-policy": "keep",
        }
        api.add(CONFIG_MAPS, name, "apps", metadata={"annotations": notes})
        labels = {"owner": "helm", "name": name, "version": "1"}
        api.add(SECRETS, f"sh.helm.release.v1.{name}.v1", "apps", metadata={"labels": labels})

    assert (await survey(client)).undecoded == {("apps", "made"): "is not what Helm stores"}


@pytest.mark.parametrize("noted", [True, False])
async def test_what_hooks_run_is_read_of_a_release_that_helm_controller_noted(
    api: FakeApi, client: Client, noted: bool
) -> None:
    """And only if something in the package's namespace is unexplained."""
    api.kinds = (*CORE, HELM_RELEASES, PODS)
    job = "kind: Job\nspec: {template: {spec: {containers: [{image: example.com/certgen}]}}}\n"
    content = {"name": "web", "namespace": "apps", "manifest": "", "hooks": [{"manifest": job}]}
    stored = b64encode(b64encode(json.dumps(content).encode())).decode()
    package = api.add(PACKAGES, "web")
    for namespace in ("apps", "quiet"):
        api.add(NAMESPACES, namespace, owners=[package])
        history = [{"namespace": namespace, "name": "web", "digest": digest(content) if noted else "sha256:0"}]
        api.add(HELM_RELEASES, "web", namespace, owners=[package], status={"history": history})
        labels = {"owner": "helm", "name": "web", "version": "1"}
        api.add(SECRETS, "sh.helm.release.v1.web.v1", namespace, metadata={"labels": labels}, data={"release": stored})
    api.add(SECRETS, "admission", "apps", metadata={"managedFields": [{"manager": "certgen"}]})
    api.add(CONFIG_MAPS, "root", "quiet", metadata={"managedFields": [{"manager": "kube-controller-manager"}]})
    # Without a helm-controller all are read.
    api.add(NAMESPACES, "flux-system")
    api.add(DEPLOYMENTS, "helm-controller", "flux-system", spec={"selector": {"matchLabels": {"app": "helm"}}})
    running = {"containerStatuses": [{"name": "manager", "state": {"running": {}}}]}
    api.add(PODS, "helm-controller-1", "flux-system", metadata={"labels": {"app": "helm"}}, status=running)

    programs = (await survey(client)).hook_programs

    assert programs == ({("apps", "web"): {"certgen"}} if noted else {})


async def test_a_stored_release_is_read_where_it_is_stored_and_keeps_only_its_own(api: FakeApi, client: Client) -> None:
    api.kinds = (*CORE, HELM_RELEASES)
    history = [{"name": "made", "namespace": "apps"}]
    package = api.add(PACKAGES, "made")
    status = {"storageNamespace": "stores", "history": history}
    api.add(HELM_RELEASES, "made", "flux", owners=[package], status=status)
    keep = {"helm.sh/resource-policy": "keep"}
    for name, release in (("own", "made"), ("of-others", "theirs")):
        notes = {"meta.helm.sh/release-name": release, "meta.helm.sh/release-namespace": "apps", **keep}
        api.add(CONFIG_MAPS, name, "apps", metadata={"annotations": notes})
    heads = [{"name": name, "annotations": keep} for name in ("own", "of-others")]
    manifest = "".join(f"---\n{json.dumps({'apiVersion': 'v1', 'kind': 'ConfigMap', 'metadata': m})}\n" for m in heads)
    packed = b64encode(gzip.compress(json.dumps({"manifest": manifest}).encode()))
    data = {"release": b64encode(packed).decode()}
    labels = {"owner": "helm", "name": "made", "version": "1"}
    api.add(SECRETS, "sh.helm.release.v1.made.v1", "stores", metadata={"labels": labels}, data=data)

    assert (await survey(client)).helm_keeps == {Ref("", "ConfigMap", "apps", "own")}


# -- what others have of Flux's kinds


def draw(namespace: str) -> dict[str, Any]:
    """A HelmRelease's spec that draws from a source."""
    return {"chart": {"spec": {"sourceRef": {"kind": "HelmRepository", "name": "charts", "namespace": namespace}}}}


async def test_what_others_have_of_fluxs_kinds_is_counted_and_not_kept(api: FakeApi, client: Client) -> None:
    """There may be tens of thousands of them, and the survey's memory doesn't grow with them."""
    api.kinds = (*CORE, HELM_RELEASES)
    for name in "edcba":
        api.add(HELM_RELEASES, name, "apps", spec=draw("apps"))

    found = await survey(client)

    theirs = found.passed_over[HELM_RELEASES.group_kind]
    assert (theirs.count, [ref.name for ref in theirs.first]) == (5, ["a", "b", "c"])
    assert not found.of_kind(HELM_RELEASES.group_kind)
    kept = await survey(client, all_of_flux=True)
    assert len(kept.of_kind(HELM_RELEASES.group_kind)) == 5
    assert kept.passed_over[HELM_RELEASES.group_kind].count == 0


@pytest.mark.parametrize("named", [True, False])
async def test_what_others_draw_from_a_packages_source_is_kept_wherever_the_source_is(
    api: FakeApi, client: Client, named: bool
) -> None:
    """In a namespace that the package doesn't own, and that shows only when the source is read."""
    api.kinds = (*CORE, HELM_RELEASES, REPOSITORIES)
    owned = [{"group": REPOSITORIES.group, "kind": REPOSITORIES.kind, "namespace": "infra", "name": "charts"}]
    package = api.add(PACKAGES, "made", status={"ownedResources": owned} if named else {})
    api.add(HELM_RELEASES, "theirs", "apps", spec=draw("infra"))
    api.add(HELM_RELEASES, "of-nobody", "apps", spec=draw("apps"))
    api.add(REPOSITORIES, "charts", "infra", owners=[package])
    api.add(HELM_RELEASES, "made", "infra", owners=[package], spec={**draw("infra"), "targetNamespace": "target"})
    api.add(HELM_RELEASES, "inside", "target", spec=draw("apps"))
    api.add(CONFIG_MAPS, "inside", "target")

    found = await survey(client)

    names = {ref.name for ref in found.objects if ref.group_kind == HELM_RELEASES.group_kind}
    assert names == {"theirs", "made", "inside"}
    assert found.passed_over[HELM_RELEASES.group_kind].count == 1
    assert Ref("", "ConfigMap", "target", "inside") in found.objects


async def test_all_instances_of_a_crd_that_a_package_may_have_are_kept(api: FakeApi, client: Client) -> None:
    """They are what keeps the CRD."""
    api.kinds = (*CORE, HELM_RELEASES)
    api.add(fake_api.DEFINITIONS, str(HELM_RELEASES), owners=[api.add(PACKAGES, "flux")])
    api.add(HELM_RELEASES, "theirs", "apps")

    assert (await survey(client)).of_kind(HELM_RELEASES.group_kind)


# -- nodes that are lost


@pytest.mark.parametrize(
    ("status", "since", "lost"),
    [
        ("True", "2033-11-15T06:00:00Z", False),
        ("Unknown", "2033-11-15T08:10:00Z", False),
        ("Unknown", "2033-11-15T08:00:00Z", True),
        ("False", "2033-11-15T08:00:00Z", True),
        ("Unknown", "", False),
    ],
)
async def test_a_pod_is_lost_if_its_node_is_not_ready_for_long(
    api: FakeApi, client: Client, status: str, since: str, lost: bool
) -> None:
    api.kinds = (*CORE, PODS, NODES)
    ready = {"type": "Ready", "status": status, "lastTransitionTime": since}
    api.add(NODES, "mine", status={"conditions": [ready]})
    pod(api, "ends", "mine")
    pod(api, "runs", "mine", ends=False)
    pod(api, "unscheduled", "")
    await client.discover()
    assert await on_lost_nodes(client, PODS_OF_OURS) == ({PODS_OF_OURS[0]} if lost else set())


async def test_a_node_that_cant_be_read_is_not_lost_and_one_that_is_gone_is(api: FakeApi, client: Client) -> None:
    api.kinds = (*CORE, PODS, NODES)
    pod(api, "ends", "mine")
    await client.discover()
    assert await on_lost_nodes(client, PODS_OF_OURS[:1]) == {PODS_OF_OURS[0]}
    api.failures[NODES.path("", "mine")] = failure(403, "not yours", "Forbidden")
    assert await on_lost_nodes(client, PODS_OF_OURS[:1]) == set()


def pod(api: FakeApi, name: str, node: str, *, ends: bool = True) -> None:
    metadata = {"deletionTimestamp": "2033-11-15T08:00:00Z"} if ends else {}
    api.add(PODS, name, "shop", metadata=metadata, spec={"nodeName": node})
