"""Reasons not to begin, on a real control plane: what is found is named, and nothing is changed."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from kubectl_glasskube_purge.flows.explain import ExplainRequest, Wanted, answer
from kubectl_glasskube_purge.flows.run import new_record
from kubectl_glasskube_purge.kube.client import Client
from kubectl_glasskube_purge.kube.connect import Flags, connect
from kubectl_glasskube_purge.kube.objects import Ref
from kubectl_glasskube_purge.purge.act.claim import Claimed, claimed
from kubectl_glasskube_purge.purge.judge.explain import Explanation
from kubectl_glasskube_purge.purge.model.claim import CLAIM_ANNOTATION
from tests.cluster.api import Object
from tests.cluster.controlplane import ADMIN, ControlPlane
from tests.cluster.dump import difference, dump, key, settled_difference
from tests.cluster.faults import faults
from tests.cluster.install import WantedPackage
from tests.cluster.plugin import Result, purge, start_purge
from tests.cluster.test_crash import PURGE, end_of
from tests.cluster.test_guard import helm_release
from tests.cluster.test_purge import report

from . import install

PACKAGES = (
    WantedPackage("ClusterPackage", "app"),  # a chart that brings another one, and that brings plain manifests
    WantedPackage("ClusterPackage", "dashboard"),
)


def changes(cluster: ControlPlane, position: int, user: str = ADMIN) -> list[str]:
    """What the plugin asked to be changed since then as that user: verb, object, and whether it was only tried."""
    return [
        f"{entry['verb']} {entry['objectRef']['resource']}/{entry['objectRef'].get('name', '')}"
        + (" tried" if "dryRun" in f"{entry['requestURI']} {entry.get('requestObject')}" else "")
        for entry in cluster.audit(position, user=user)
        if entry["userAgent"].startswith("kubectl-glasskube-purge")
        and entry["verb"] not in ("get", "list", "watch")
        # Questions about oneself are asked by POST; the API server stores nothing of them.
        and not entry["objectRef"]["resource"].startswith("selfsubject")
    ]


@contextlib.contextmanager
def nothing_changes(cluster: ControlPlane, user: str = ADMIN) -> Iterator[None]:
    """Nothing was asked to be changed meanwhile, and nothing has changed that nobody else has written."""
    position = cluster.audit_position()
    before = dump(cluster)
    yield
    assert changes(cluster, position, user) == []
    left = settled_difference(cluster, before, kept=("*",))
    others = written_by_others(cluster, position)
    assert [line for line in left if line.split(maxsplit=1)[1].partition(": ")[0] not in others] == []


def written_by_others(cluster: ControlPlane, position: int) -> set[str]:
    """What the controllers, and the doubles, have written since then: they go on while somebody looks."""
    kinds = {(kind.group, kind.plural): kind for kind in cluster.api.kinds()}
    found = set()
    for entry in cluster.audit(position):
        reference = entry.get("objectRef", {})
        kind = kinds.get((reference.get("apiGroup", ""), reference.get("resource", "")))
        if kind is None or entry["verb"] in ("get", "list", "watch"):
            continue
        if not entry["userAgent"].startswith("kubectl-glasskube-purge"):
            metadata = {"name": reference.get("name", "")}
            if kind.namespaced:
                metadata["namespace"] = reference.get("namespace", "")
            found.add(key(kind, {"metadata": metadata}))
    return found


def refusal(cluster: ControlPlane, *arguments: str, code: str) -> Object:
    """A purge that refuses for that reason and leaves everything as it is; the error of its report."""
    with nothing_changes(cluster):
        result = purge(cluster, *PURGE, *arguments)
    assert result.returncode == 3, result
    document = report(result)
    assert document["outcome"] == "refused"
    assert document["error"]["code"] == code, result
    error: Object = document["error"]
    return error


def mark(cluster: ControlPlane, item: Object, **metadata: Any) -> None:
    """Writes into an object's metadata as its manager would, and returns when the server has it."""
    cluster.api.patch(item, {"metadata": metadata})


def named(api_version: str, kind: str, name: str, namespace: str = "") -> Object:
    metadata = {"name": name, "namespace": namespace} if namespace else {"name": name}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata}


NAMESPACE = named("v1", "Namespace", install.NAMESPACE)
DASHBOARD = named(install.GROUP, "ClusterPackage", "dashboard")
REPOSITORY = named(install.GROUP, "PackageRepository", "glasskube")
OPERATOR = named("apps/v1", "Deployment", install.OPERATOR, install.NAMESPACE)
PROXY_ROLE = named("rbac.authorization.k8s.io/v1", "ClusterRole", "glasskube-proxy-role")


def warnings(document: Object) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for one in document["warnings"]:
        found.setdefault(one["code"], []).append(one["message"])
    return found


# -- what somebody would put back


def test_whoever_would_put_it_back_is_named_and_nothing_is_deleted_without_consent(
    cluster: ControlPlane, assert_clean: Callable[..., None]
) -> None:
    before = dump(cluster)
    install.install(cluster, gitops=True)
    install.install_packages(cluster, install.TEN_PACKAGES[:1])
    mark(cluster, OPERATOR, annotations={"argocd.argoproj.io/tracking-id": "platform:apps/Deployment:a/b"})
    mark(cluster, PROXY_ROLE, labels={"argocd.argoproj.io/instance": "rbac"})
    kustomization = {"kustomize.toolkit.fluxcd.io/name": "packages", "kustomize.toolkit.fluxcd.io/namespace": "gitops"}
    mark(cluster, DASHBOARD, labels=kustomization)
    release = {"meta.helm.sh/release-name": "repositories", "meta.helm.sh/release-namespace": "ops"}
    mark(cluster, REPOSITORY, annotations=release)

    error = refusal(cluster, code="gitops")

    for theirs, ours in (
        ("Argo CD Application platform", "deployment.apps/glasskube-controller-manager -n glasskube-system"),
        ("Argo CD Application rbac", "clusterrole.rbac.authorization.k8s.io/glasskube-proxy-role"),
        ("Flux Kustomization gitops/packages", "clusterpackage.packages.glasskube.dev/dashboard"),
        ("Helm release ops/repositories", "packagerepository.packages.glasskube.dev/glasskube"),
    ):
        assert f"{theirs} manages {ours}" in error["message"]
    assert "--ignore-gitops" in error["hint"]
    # Not even then where it is the operator that would be started again.
    error = refusal(cluster, "--ignore-gitops", code="gitops")
    assert "platform manages deployment.apps/glasskube-controller-manager -n glasskube-system" in error["message"]
    mark(cluster, OPERATOR, annotations={"argocd.argoproj.io/tracking-id": None})

    result = purge(cluster, *PURGE, "--ignore-gitops")

    assert result.returncode == 0, result
    assert "gitops mode" in warnings(report(result))["gitops-mode"][0]
    assert_clean(cluster, before)


# -- what others put into Glasskube's namespace


def test_foreign_objects_in_glasskubes_namespace_stay_and_the_namespace_with_them(
    cluster: ControlPlane, assert_clean: Callable[..., None]
) -> None:
    before = dump(cluster)
    install.install(cluster)
    cluster.kubectl("create", "configmap", "-n", install.NAMESPACE, "mine", "--from-literal=a=b")
    web = ("-n", install.NAMESPACE, "web")
    cluster.kubectl("create", "deployment", *web, "--image=registry.example.com/web:1.0.0")
    cluster.kubectl("rollout", "status", "deployment", *web)
    installed = dump(cluster)
    foreign = [
        name for name in installed if f" {install.NAMESPACE}/mine" in name or f" {install.NAMESPACE}/web" in name
    ]
    kinds = {"ConfigMap", "Deployment.apps", "ReplicaSet.apps", "Pod"}
    assert {name.partition(" ")[0] for name in foreign} == kinds

    with nothing_changes(cluster):
        preview = purge(cluster, "--offline", "--dry-run")
    assert preview.returncode == 0, preview
    theirs = "configmap/mine -n glasskube-system, deployment.apps/web -n glasskube-system (--include-foreign"
    assert theirs in " ".join(preview.stdout.split()), preview
    result = purge(cluster, *PURGE)

    document = report(result)
    assert result.returncode == 0, result
    assert document["outcome"] == "clean"
    kept = {(one["kind"], one["name"]) for one in document["kept"]}
    assert {("ConfigMap", "mine"), ("Deployment", "web"), ("Namespace", install.NAMESPACE)} <= kept
    after = dump(cluster)
    assert {name: content(after[name]) for name in foreign} == {name: content(installed[name]) for name in foreign}
    # Nothing is left on the namespace of what was written there for the time of the purge.
    assert content(after["Namespace glasskube-system"]) == content(installed["Namespace glasskube-system"])
    furniture = ("ConfigMap glasskube-system/kube-root-ca.crt", "ServiceAccount glasskube-system/default")
    assert_clean(cluster, before, kept=(*foreign, *furniture, "Namespace glasskube-system"))

    again = purge(cluster, *PURGE, "--include-foreign")

    assert again.returncode == 0, again
    assert_clean(cluster, before)


def content(item: Object) -> Object:
    """An object without what every write to it changes, and what its controller says of it."""
    volatile = ("resourceVersion", "managedFields")
    metadata = {name: value for name, value in item["metadata"].items() if name not in volatile}
    return {**{name: value for name, value in item.items() if name != "status"}, "metadata": metadata}


# -- why an object goes or stays


def explained(cluster: ControlPlane, *objects: str) -> dict[str, Explanation]:
    """What `explain` says of each, named as kubectl's users name it."""
    found: dict[str, Explanation] = {}
    for name in objects:
        kind, _, rest = name.partition("/")
        namespace, _, short = rest.rpartition("/")
        wanted = ExplainRequest(Wanted(kind, short, namespace), Flags(kubeconfig=str(cluster.kubeconfig)))
        found[name] = asyncio.run(answer(wanted, new_record()))
    return found


def test_of_any_object_it_can_be_asked_why_it_goes_or_stays(cluster: ControlPlane) -> None:
    install.installed(cluster, packages=PACKAGES)
    cluster.kubectl("create", "configmap", "-n", install.NAMESPACE, "mine", "--from-literal=a=b")
    install.ensure_namespace(cluster, "shop")
    cluster.api.create(helm_release("mine", "shop"))
    position = cluster.audit_position()

    said = explained(
        cluster,
        "deploy/glasskube-controller-manager",
        "clusterpackage/dashboard",
        "deploy/dashboard",
        "crd/helmreleases.helm.toolkit.fluxcd.io",
        "helmrelease/shop/mine",
        "cm/glasskube-system/mine",
        "ns/glasskube-system",
        "cm/shop/kube-root-ca.crt",
    )

    verdicts = {name: (one.verdict, one.stage) for name, one in said.items()}
    assert verdicts == {
        "deploy/glasskube-controller-manager": ("deleted", "controllers"),
        "clusterpackage/dashboard": ("deleted", "packages"),
        "deploy/dashboard": ("goes-along", "packages"),
        "crd/helmreleases.helm.toolkit.fluxcd.io": ("stays", ""),
        "helmrelease/shop/mine": ("stays", ""),
        "cm/glasskube-system/mine": ("stays", ""),
        "ns/glasskube-system": ("stays", ""),
        "cm/shop/kube-root-ca.crt": ("stays", ""),
    }
    assert "in the release manifest" in said["deploy/glasskube-controller-manager"].reasons[0]
    assert "clusterpackage.packages.glasskube.dev/dashboard is deleted" in said["deploy/dashboard"].reasons[-1]
    shared = said["crd/helmreleases.helm.toolkit.fluxcd.io"]
    assert "helmrelease.helm.toolkit.fluxcd.io/mine -n shop" in shared.reasons[0]
    assert "not Glasskube's" in said["cm/glasskube-system/mine"].reasons[0]
    assert "configmap/mine" in said["ns/glasskube-system"].reasons[0]
    assert "nothing connects it with Glasskube" in said["cm/shop/kube-root-ca.crt"].reasons[0]
    missing = purge(cluster, "explain", "deploy/no-such-thing", "-n", "shop")
    assert missing.returncode == 1, missing
    assert 'deployments.apps "no-such-thing" not found' in missing.stderr
    assert changes(cluster, position) == []


# -- what is under way


def running_job(name: str, namespace: str, **metadata: Any) -> Object:
    """A Job whose Pod runs until it is deleted."""
    template = {
        "metadata": {"annotations": {"testbed/exit": "never"}},
        "spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "registry.example.com/job:1"}]},
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": namespace, **metadata},
        "spec": {"template": template},
    }


def pod_with_claim(name: str, namespace: str, claim: str) -> Object:
    spec = {
        "containers": [{"name": "main", "image": "registry.example.com/reader:1"}],
        "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": claim}}],
    }
    return {**named("v1", "Pod", name, namespace), "spec": spec}


def at_work(cluster: ControlPlane) -> None:
    """Packages at work, and other people's work beside it; returns when all of it shows in the cluster."""
    # Whoever shares a namespace with a package: a running Job, and a chart that is being installed.
    cluster.configure_node(unpullable=["*/ingress-ingress:*", "*/theirs:*"])
    cluster.api.create(running_job("report", "shop"))
    source = {**named("source.toolkit.fluxcd.io/v1", "HelmRepository", "theirs", "shop")}
    cluster.api.create({**source, "spec": {"url": "https://charts.example.org", "interval": "1h"}})
    theirs = helm_release("theirs", "shop")
    theirs["spec"]["suspend"] = False
    theirs["spec"]["chart"]["spec"]["chart"] = "ingress"
    cluster.api.create(theirs)
    # A package that isn't installed yet, a Job of one that is, and a volume of one that somebody else's Pod uses.
    install.install_package(cluster, "ClusterPackage", "ingress")
    tools = cluster.api.get(install.GROUP, "ClusterPackage", "tools")
    assert tools is not None
    reference = {"apiVersion": install.GROUP, "kind": "ClusterPackage", "name": "tools"}
    owner = {**reference, "uid": tools["metadata"]["uid"]}
    cluster.api.create(running_job("migration", "tools", ownerReferences=[owner]))
    cluster.api.create(pod_with_claim("reader", "tools", "tools"))

    def shown() -> bool | None:
        jobs = [cluster.api.get("batch/v1", "Job", *one) for one in (("report", "shop"), ("migration", "tools"))]
        releases = [
            cluster.api.get("helm.toolkit.fluxcd.io/v2", "HelmRelease", *one)
            for one in (("ingress-ingress", "ingress"), ("theirs", "shop"))
        ]
        ready = all((job or {}).get("status", {}).get("ready") for job in jobs)
        installing = all(
            install.has_condition(one, "Reconciling") and install.has_condition(one, "Ready", "Unknown")
            for one in releases
        )
        pod = cluster.api.get("v1", "Pod", "reader", "tools")
        package = cluster.api.get(install.GROUP, "ClusterPackage", "ingress")
        pending = install.has_condition(package, "Ready", "Unknown")
        return True if ready and installing and pending and install.has_condition(pod, "Ready") else None

    cluster.wait("all of it to be at work", shown)


def test_work_under_way_is_shown_and_waited_for_and_that_of_others_is_not(cluster: ControlPlane) -> None:
    install.install(cluster)
    install.install_packages(
        cluster, [WantedPackage("ClusterPackage", "tools"), WantedPackage("Package", "sessions", "shop", "cache")]
    )
    at_work(cluster)

    error = refusal(cluster, "--wait-idle=1s", code="busy")

    for words in (
        "work is still under way after 1 s",
        "clusterpackage.packages.glasskube.dev/ingress is being installed",
        "helmrelease.helm.toolkit.fluxcd.io/ingress-ingress -n ingress is being reconciled",
        "job.batch/migration -n tools is running",
        "persistentvolumeclaim/tools -n tools is in use by pod/reader -n tools, which stays",
    ):
        assert words in error["message"]
    assert "shop" not in error["message"]
    assert "--ignore-busy" in error["hint"]
    with nothing_changes(cluster):
        shown = purge(cluster, "--offline", "--dry-run", "--ignore-busy", "-o", "json")
    assert shown.returncode == 0, shown
    lost = {one["name"]: one["what"] for one in report(shown)["lost"]}
    assert "pod/reader -n tools" in lost["tools"]

    def end_it() -> None:
        cluster.configure_node()
        cluster.api.delete(named("batch/v1", "Job", "migration", "tools"))
        cluster.api.delete(named("v1", "Pod", "reader", "tools"))

    theirs = ("Job.batch shop/report", "HelmRelease.helm.toolkit.fluxcd.io shop/theirs")
    before = dump(cluster)
    result = when_said(cluster, "Waiting for work under way", end_it, *PURGE, "--wait-idle=5m")

    assert result.returncode == 0, result
    assert "The work under way has ended: going on." in result.stderr
    document = report(result)
    assert document["outcome"] == "clean"
    assert document["flux"]["decision"] == "keep"
    after = dump(cluster)
    assert {after[name]["metadata"]["uid"] for name in theirs} == {before[name]["metadata"]["uid"] for name in theirs}
    assert after[theirs[0]]["status"]["ready"] == 1


def when_said(cluster: ControlPlane, words: str, then: Callable[[], None], *arguments: str) -> Result:
    """A purge to its end; `then` is done once it has said the words on stderr."""
    path = cluster.directory / "stderr"
    with path.open("w") as stderr:
        process = start_purge(cluster, *arguments, stderr=stderr)
        try:
            cluster.wait(f"{words!r} to be said", lambda: True if words in path.read_text() else None)
            then()
        except BaseException:
            process.kill()
            raise
        stdout, _ = end_of(process)
    return Result(process.returncode, stdout, path.read_text())


# -- another purge


def test_of_purges_that_begin_at_once_one_gets_the_claim(cluster: ControlPlane) -> None:
    install.ensure_namespace(cluster, install.NAMESPACE)
    position = cluster.audit_position()
    said: list[str] = []

    async def race() -> list[str]:
        async with connect(Flags(kubeconfig=str(cluster.kubeconfig))) as connection:
            client = Client(connection)
            await client.discover()
            namespace = await client.get(Ref("", "Namespace", "", install.NAMESPACE))
            others_lost = asyncio.Event()
            refused: list[str] = []

            async def one() -> None:
                try:
                    async with claimed(client, namespace, said.append):
                        await others_lost.wait()
                except Claimed as error:
                    refused.append(error.message)
                    if len(refused) == 3:
                        others_lost.set()

            await asyncio.wait_for(asyncio.gather(*(one() for _ in range(4))), 60)
            return refused

    refused = asyncio.run(race())

    assert len(refused) == 3
    assert all("another purge is at work (process " in message for message in refused)
    assert all("has claimed this cluster" in message for message in said)
    # What made the difference is the precondition, and not who looked first.
    writes = [
        entry["requestObject"]
        for entry in cluster.audit(position, user=ADMIN)
        if entry["verb"] == "patch" and entry["objectRef"]["resource"] == "namespaces"
    ]
    assert writes
    assert all({"/metadata/uid", "/metadata/resourceVersion"} <= compared_by(write) for write in writes)
    namespace = cluster.api.get("v1", "Namespace", install.NAMESPACE)
    assert namespace is not None
    assert CLAIM_ANNOTATION not in namespace["metadata"].get("annotations", {})


def compared_by(patch: Any) -> set[str]:
    """What a JSON patch tests before it changes anything."""
    return {operation["path"] for operation in patch if operation["op"] == "test"}


def test_an_abandoned_claim_is_waited_out_visibly_and_a_living_one_is_respected(
    cluster: ControlPlane, assert_clean: Callable[..., None]
) -> None:
    before = dump(cluster)
    install.install(cluster, variant="slim")
    abandoned = {"process": 4711, "token": "x", "renewal": 3}
    mark(cluster, NAMESPACE, annotations={CLAIM_ANNOTATION: json.dumps(abandoned)})
    held = ["example.com/hold"]
    mark(cluster, REPOSITORY, finalizers=held)
    preview = purge(cluster, "--offline", "--dry-run", "-o", "json")
    assert "process 4711" in warnings(report(preview))["claimed"][0]
    second = f"--kubeconfig={cluster.kubeconfig_for('second', ['system:masters'])}"
    refused: list[Result] = []

    def meet_another() -> None:
        deleting = "the first purge to be at work"
        cluster.wait(deleting, lambda: True if terminating(cluster, REPOSITORY) else None)
        position = cluster.audit_position()
        refused.append(purge(cluster, *PURGE, second))
        assert changes(cluster, position, "second") == []
        mark(cluster, REPOSITORY, finalizers=None)

    result = when_said(cluster, "has claimed this cluster", meet_another, *PURGE)

    assert result.returncode == 0, result
    assert "(process 4711) has claimed this cluster; watching for 12 s" in result.stderr
    assert "its claim has expired: going on" in result.stderr
    assert refused[0].returncode == 3, refused[0]
    error = report(refused[0])["error"]
    assert error["code"] == "claimed"
    assert "another purge is at work (process " in error["message"]
    assert "has claimed this cluster" in refused[0].stderr
    assert_clean(cluster, before)


def terminating(cluster: ControlPlane, item: Object) -> bool:
    metadata = item["metadata"]
    found = cluster.api.get(item["apiVersion"], item["kind"], metadata["name"], metadata.get("namespace", ""))
    return found is not None and "deletionTimestamp" in found["metadata"]


# -- what the user may do


def test_who_lacks_rights_gets_a_role_that_makes_the_same_purge_succeed(
    cluster: ControlPlane, assert_clean: Callable[..., None], tmp_path: Path
) -> None:
    before = install.installed(cluster, packages=PACKAGES)
    # Who may not even look: what there is to be deleted isn't known, and the role is made for what a release has.
    everything = role_from_refusal(cluster, "nobody")
    cluster.kubectl("apply", "-f", "-", input=everything)
    wait_for_rights(cluster, "nobody", everything)
    tried = ("--offline", "--dry-run=server", "-o", "json", "--wait-idle=2m")
    enough = purge(cluster, *as_user(cluster, "nobody"), *tried)
    assert enough.returncode == 0, enough
    assert "server-refuses" not in warnings(report(enough))

    # Who may read all but Secrets, and change nothing.
    plurals = [kind for kind in cluster.api.kinds() if kind.plural != "secrets"]
    rules = [
        {"apiGroups": [kind.group], "resources": [kind.plural], "verbs": ["get", "list", "watch"]} for kind in plurals
    ]
    grant(cluster, "reader", rules)
    missing = role_from_refusal(cluster, "reader")
    assert missing != everything
    granted = {
        (resource, verb, name)
        for rule in yaml.safe_load(missing.partition("---\n")[0])["rules"]
        for resource, verb, name in itertools.product(rule["resources"], rule["verbs"], rule.get("resourceNames", [""]))
    }
    assert {one for one in granted if not one[2]} == {("secrets", verb, "") for verb in ("get", "list", "watch")}
    ends = {name for resource, verb, name in granted if (resource, verb) == ("namespaces", "delete")}
    assert ends == {"flux-system", "glasskube-system"}
    packages = [item["metadata"]["name"] for item in cluster.api.list(install.GROUP, "ClusterPackage")]
    assert {one for one in granted if one[0] == "clusterpackages"} == {
        ("clusterpackages", verb, name) for verb in ("delete", "patch") for name in packages
    }

    # What a dry run of somebody with more rights writes is enough, too, and names whatever it changes.
    file = tmp_path / "role.yaml"
    dry = purge(cluster, "--offline", "--dry-run", f"--role={file}", "--wait-idle=2m")
    assert dry.returncode == 0, dry
    role, to_admin = yaml.safe_load_all(file.read_text("utf-8"))
    reading, *changing = role["rules"]
    assert reading["verbs"] == ["get", "list", "watch"]
    assert all(rule["resourceNames"] for rule in changing)
    to_admin["subjects"][0] = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "reader"}
    written = yaml.safe_dump_all([role, to_admin])
    cluster.kubectl("apply", "-f", "-", input=written)
    wait_for_rights(cluster, "reader", written)

    result = purge(cluster, *as_user(cluster, "reader"), *PURGE)

    assert result.returncode == 0, result
    assert report(result)["flux"]["decision"] == "delete"
    cluster.kubectl("delete", "clusterroles,clusterrolebindings", "reader", name_of(everything), name_of(written))
    assert_clean(cluster, before)


def as_user(cluster: ControlPlane, user: str) -> tuple[str, ...]:
    return (f"--kubeconfig={cluster.kubeconfig_for(user)}",)


def role_from_refusal(cluster: ControlPlane, user: str) -> str:
    """The role that is on the screen, which is 80 columns wide, when that user is refused."""
    with nothing_changes(cluster, user):
        result = purge(cluster, *as_user(cluster, user), "--offline", "--yes", "--wait-idle=2m")
    assert result.returncode == 3, result
    assert f"you ({user}) lack" in result.stderr
    found = re.search(r"kubectl apply -f - <<'EOF'\n(.*)^EOF$", result.stderr, re.DOTALL | re.MULTILINE)
    assert found is not None, result
    return found[1]


def grant(cluster: ControlPlane, user: str, rules: Sequence[Object]) -> None:
    group = "rbac.authorization.k8s.io"
    role = {"apiVersion": f"{group}/v1", "kind": "ClusterRole", "metadata": {"name": user}, "rules": list(rules)}
    binding = {
        "apiVersion": f"{group}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": user},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": user},
        "subjects": [{"apiGroup": group, "kind": "User", "name": user}],
    }
    install.apply(cluster, [role, binding], manager="kubectl")


def name_of(role: str) -> str:
    return str(yaml.safe_load(role.partition("---\n")[0])["metadata"]["name"])


def wait_for_rights(cluster: ControlPlane, user: str, role: str) -> None:
    """Waits until the authorizer knows a role: it learns of it a moment after the API server stored it."""
    rule = yaml.safe_load(role.partition("---\n")[0])["rules"][-1]
    what = f"{rule['resources'][0]}.{rule['apiGroups'][0]}".rstrip(".")
    what += "".join(f"/{name}" for name in rule.get("resourceNames", ())[:1])

    def granted() -> bool | None:
        asked = cluster.kubectl("auth", "can-i", rule["verbs"][0], what, "-A", user=user, check=False)
        return True if asked.stdout.startswith("yes") else None

    cluster.wait("the authorizer to know the role", granted)


def test_a_dry_run_on_the_server_shows_what_admission_says(cluster: ControlPlane) -> None:
    install.installed(cluster, packages=PACKAGES)
    policy(cluster, "keep-the-proxy", "object == null && oldObject.metadata.name != 'glasskube-proxy-role'")
    tried = ("delete", "clusterrole", "glasskube-proxy-role", "--dry-run=server")

    def in_force() -> bool | None:
        return True if "keep-the-proxy" in cluster.kubectl(*tried, check=False).stderr else None

    cluster.wait("the policy to be in force", in_force)
    position = cluster.audit_position()
    before = dump(cluster)

    result = purge(cluster, "--offline", "--dry-run=server", "--wait-idle=2m", "-o", "json")

    assert result.returncode == 0, result
    asked = changes(cluster, position)
    assert "delete clusterroles/glasskube-proxy-role tried" in asked
    assert all(one.endswith(" tried") for one in asked), asked
    others = written_by_others(cluster, position)
    left = difference(before, dump(cluster))
    assert [line for line in left if line.split(maxsplit=1)[1].partition(": ")[0] not in others] == []
    document = report(result)
    assert len(asked) > 50
    said = warnings(document)
    assert [message.partition(" would be refused: ")[0] for message in said["server-refuses"]] == [
        "clusterrole.rbac.authorization.k8s.io/glasskube-proxy-role"
    ]
    assert "keep-the-proxy" in said["server-refuses"][0]


def policy(cluster: ControlPlane, name: str, expression: str) -> None:
    """Admission that refuses to delete a ClusterRole where the expression doesn't hold."""
    head = {"apiVersion": "admissionregistration.k8s.io/v1", "metadata": {"name": name}}
    rule = {"apiGroups": ["rbac.authorization.k8s.io"], "apiVersions": ["v1"], "resources": ["clusterroles"]}
    spec = {
        "failurePolicy": "Fail",
        "matchConstraints": {"resourceRules": [{**rule, "operations": ["DELETE"]}]},
        "validations": [{"expression": expression, "message": "it stays"}],
    }
    bound = {"policyName": name, "validationActions": ["Deny"]}
    cluster.api.create({**head, "kind": "ValidatingAdmissionPolicy", "spec": spec})
    cluster.api.create({**head, "kind": "ValidatingAdmissionPolicyBinding", "spec": bound})


# -- what isn't what was seen


@pytest.mark.crash
def test_whatever_took_the_name_of_what_was_seen_is_left_alone(
    cluster: ControlPlane, assert_clean: Callable[..., None]
) -> None:
    before = install.installed(cluster, packages=PACKAGES)

    def replaced(item: Object, make: Callable[[], Object]) -> None:
        """A purge in whose midst, right before its first delete, another object takes a name."""
        what = (item["apiVersion"], item["kind"], item["metadata"]["name"])
        made: list[Object] = []

        def replace() -> None:
            cluster.api.delete(item)
            cluster.wait("it to be gone", lambda: True if cluster.api.get(*what) is None else None)
            made.append(make())

        with faults(cluster) as proxy:
            proxy.after_change(1, replace, last=False)
            arguments = (*PURGE, "--wait-idle=2m")
            result = purge(cluster, *arguments, env={"KUBECONFIG": str(proxy.kubeconfig)})
        assert result.returncode == 5, result
        document = report(result)
        present = cluster.api.get(*what)
        assert present is not None
        assert present["metadata"]["uid"] == made[0]["metadata"]["uid"]
        assert "deletionTimestamp" not in present["metadata"]
        # Seen by a watch before its turn came, or by the delete itself: it depends on who was faster.
        left = [one["name"] for one in document["leftovers"]]
        assert item["metadata"]["name"] in left
        assert document["error"]["code"] in ("not-deleted", "appeared-meanwhile", "leftovers")

    replaced(DASHBOARD, lambda: install.install_package(cluster, "ClusterPackage", "dashboard"))
    role = {**PROXY_ROLE, "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]}
    replaced(PROXY_ROLE, lambda: cluster.api.create(role))

    result = purge(cluster, *PURGE)

    assert result.returncode == 0, result
    assert_clean(cluster, before)
