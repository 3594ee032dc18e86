"""A cluster in OpenShift's shapes: objects that are served twice, kinds without watch, accounts in every namespace."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.cluster.api import Object
from tests.cluster.controlplane import ControlPlane
from tests.cluster.install import WantedPackage
from tests.cluster.pki import Authority
from tests.cluster.plugin import purge
from tests.cluster.test_backup import deletions
from tests.cluster.test_broken import named
from tests.cluster.test_crash import PURGE
from tests.kube.servers import Answer, Seen, fake_api

from . import install

RBAC = "rbac.authorization.k8s.io/v1"
ALIASES = {
    "/apis/project.openshift.io/v1": ("/api/v1", "projects", "namespaces", "Project"),
    "/apis/authorization.openshift.io/v1": (f"/apis/{RBAC}", "rolebindings", "rolebindings", "RoleBinding"),
}
"""Where an alias is served: where the object is, both plurals, and the alias's kind."""
PULL = "openshift.io/internal-registry-auth-token.service-account"


def served_twice(cluster: ControlPlane) -> Callable[[Seen], Answer]:
    """Serves namespaces and RoleBindings a second time, as OpenShift's API servers do: the same UIDs, and no watch."""

    def answer(seen: Seen) -> Answer:
        at = next((path for path in ALIASES if seen.path.startswith(path)), "")
        if not at:
            return Answer(404)
        root, alias, plural, kind = ALIASES[at]
        version = at.removeprefix("/apis/")
        if seen.path.partition("?")[0] == at:
            verbs = ["delete", "get", "list", "patch"]
            resource = {"name": alias, "kind": kind, "namespaced": alias == plural, "verbs": verbs}
            return json_of(200, {"kind": "APIResourceList", "groupVersion": version, "resources": [resource]})
        accepted = ",".join(one for one in (seen.header("Accept") or "").split(",") if "json" in one)
        path = root + seen.path.removeprefix(at).replace(f"/{alias}", f"/{plural}")
        done = cluster.api.http.request(
            seen.method,
            path,
            content=seen.body,
            headers={"Accept": accepted, "Content-Type": seen.header("Content-Type") or "application/json"},
        )
        made = done.json()
        if made["kind"] not in ("Status", "PartialObjectMetadata", "PartialObjectMetadataList"):
            made |= {"apiVersion": version, "kind": f"{kind}List" if "items" in made else kind}
        return json_of(done.status_code, made)

    return answer


def json_of(status: int, body: Object) -> Answer:
    return Answer(status, body, {"Content-Type": "application/json"})


@contextlib.contextmanager
def openshift(cluster: ControlPlane, folder: Path) -> Iterator[None]:
    """The cluster, while it serves these aliases."""
    authority = Authority.create("openshift")
    with fake_api(authority.server(["localhost", "api.openshift.svc"]), folder=folder) as server:
        server.answer = served_twice(cluster)
        install.ensure_namespace(cluster, "openshift")
        service = {"type": "ExternalName", "externalName": "localhost", "ports": [{"port": server.port}]}
        cluster.api.create({**named("v1", "Service", "api", "openshift"), "spec": service})
        groups = [path.split("/")[2] for path in ALIASES]
        for group in groups:
            where = {"namespace": "openshift", "name": "api", "port": server.port}
            spec = {"group": group, "version": "v1", "service": where, "insecureSkipTLSVerify": True}
            spec |= {"groupPriorityMinimum": 1, "versionPriority": 1}
            cluster.api.create({**named("apiregistration.k8s.io/v1", "APIService", f"v1.{group}"), "spec": spec})
        cluster.wait("the aliases", lambda: {one.group for one in cluster.api.kinds()} >= set(groups) or None)
        yield
        cluster.kubectl("delete", "apiservice", *(f"v1.{group}" for group in groups))
        cluster.kubectl("delete", "namespace", "openshift")


def of_openshift(namespace: str) -> Iterator[Object]:
    """What its controllers put into every namespace."""
    for name in ("builder", "deployer"):
        yield named("v1", "ServiceAccount", name, namespace)
        secret = named("v1", "Secret", f"{name}-dockercfg-x7k2p", namespace)
        secret["metadata"]["annotations"] = {PULL: name}
        yield secret
        role = {"apiGroup": RBAC.partition("/")[0], "kind": "ClusterRole", "name": f"system:{name}"}
        subjects = [{"kind": "ServiceAccount", "name": name, "namespace": namespace}]
        binding = named(
            RBAC, "RoleBinding", "system:deployers" if name == "deployer" else "system:image-builders", namespace
        )
        yield {**binding, "roleRef": role, "subjects": subjects}


def test_a_purge_of_openshift_deletes_each_object_once_and_keeps_none_of_its_namespaces(
    cluster: ControlPlane, tmp_path: Path, assert_clean: Callable[..., None]
) -> None:
    before = install.installed(cluster, packages=(WantedPackage("ClusterPackage", "dashboard"),))
    with openshift(cluster, tmp_path):
        project = cluster.api.get("project.openshift.io/v1", "Project", "dashboard")
        namespace = cluster.api.get("v1", "Namespace", "dashboard")
        assert project is not None
        assert namespace is not None
        assert project["metadata"]["uid"] == namespace["metadata"]["uid"]
        for home in ("dashboard", install.NAMESPACE):
            for one in of_openshift(home):
                cluster.api.create(one)
        since = cluster.audit_position()

        result = purge(cluster, *PURGE, "--wait-idle=2m")

        assert result.returncode == 0, result
        assert result.document["outcome"] == "clean"
        planned = {one["apiVersion"] for stage in result.document["stages"] for one in stage["objects"]}
        assert not [version for version in planned if "openshift.io" in version]
        assert not [uri for uri in deletions(cluster, since) if "openshift.io" in uri]
        assert purge(cluster, "verify").returncode == 0
    assert_clean(cluster, before)
