"""Clusters that are broken: the purge finishes, or ends in time and says who holds what, why, and what helps.

Each test breaks a cluster the way it breaks in life and states the end: clean, or exit 5 with exactly what is left.
Where a person's help is needed, the test helps as the message says, and the next run is clean.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import json
from collections.abc import Callable, Iterator, Mapping

import pytest

from tests.cluster.api import JSON, ApiError, Object
from tests.cluster.controlplane import ControlPlane
from tests.cluster.doubles import catalog, certificates
from tests.cluster.dump import Dump, settled_difference
from tests.cluster.install import WantedPackage
from tests.cluster.pki import Authority
from tests.cluster.plugin import Result, purge, start_purge
from tests.cluster.test_crash import FIVE_PACKAGES, OUTLIVES, PURGE, end_of

from . import install

FIRST = (*PURGE, "--wait-idle=2m")
"""A cluster that comes from a snapshot has its controllers started anew, and they look at everything once."""

HELD = "example.com/held"
"""A finalizer of somebody who is gone."""


def clean(cluster: ControlPlane, before: Dump, *arguments: str) -> Result:
    """A purge that ends clean, in a cluster that is as before then."""
    result = purge(cluster, *FIRST, *arguments)
    assert result.returncode == 0, str(result)
    assert result.document["outcome"] == "clean"
    left = settled_difference(cluster, before, OUTLIVES)
    assert not left, "\n".join(["the cluster isn't as before:", *left])
    return result


def unfinished(cluster: ControlPlane, says: Callable[[Result], bool], *arguments: str) -> Result:
    """A purge that doesn't come to its end in the time it is given, and says `says`.

    A slow machine may need more time to come as far as that: then it is given more. Another run goes on.
    """
    for seconds in (15, 30, 60, 120):
        result = purge(cluster, *PURGE, "--ignore-busy", f"--timeout={seconds}s", *arguments)
        assert result.returncode == 5, str(result)
        assert result.document["outcome"] == "incomplete"
        if says(result):
            return result
    raise AssertionError(str(result))


def left(result: Result) -> dict[str, str]:
    """The leftovers, `Kind namespace/name` to why."""
    return {f"{one['kind']} {one['namespace']}/{one['name']}": one["why"] for one in result.document["leftovers"]}


def warnings(result: Result, code: str) -> list[str]:
    return [one["message"] for one in result.document["warnings"] if one["code"] == code]


def error(result: Result) -> str:
    """Message and hint, as they are printed one after the other."""
    said = result.document["error"]
    return f"{said['message']} {said['hint']}"


def named(api_version: str, kind: str, name: str, namespace: str = "") -> Object:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata}


WEBHOOK = named(
    "admissionregistration.k8s.io/v1",
    "ValidatingWebhookConfiguration",
    "glasskube-validating-webhook-configuration",
)


def test_an_operator_that_crashes_again_and_again_is_not_waited_for(cluster: ControlPlane) -> None:
    before = install.installed(cluster, packages=FIVE_PACKAGES)
    install.become(cluster, "crashing")

    result = clean(cluster, before)

    assert "manager: CrashLoopBackOff" in warnings(result, "operator-not-ready")[0]


def test_packages_that_are_being_deleted_for_days_go_though_the_operator_is_scaled_to_zero(
    cluster: ControlPlane,
) -> None:
    before = install.installed(cluster, packages=FIVE_PACKAGES, repository=catalog.SLOW_URL)
    install.become(cluster, "scaled-down")
    with install.without_webhook(cluster):
        cluster.kubectl("delete", "clusterpackages,packages", "--all", "-A", "--wait=false")

    snapshot = cluster.snapshot()
    cluster.restore(
        dataclasses.replace(snapshot, stored={key: aged(key, value) for key, value in snapshot.stored.items()})
    )
    package = cluster.api.get(install.GROUP, "ClusterPackage", "app")
    assert package is not None
    assert package["metadata"]["deletionTimestamp"] == DAYS_AGO

    result = clean(cluster, before)

    assert "the operator is scaled to zero" in warnings(result, "operator-not-ready")[0]
    released = reasons(result, "release-finalizer")
    assert len(released) == 5, "with a slow repository those have a finalizer, too, that require others"
    assert all("guards nothing in a purge" in why for why in released.values())


def aged(key: str, value: str) -> str:
    """A stored package whose deletion began long ago: no request can make one."""
    if not base64.b64decode(key).startswith(
        (b"/registry/packages.glasskube.dev/clusterpackages/", b"/registry/packages.glasskube.dev/packages/")
    ):
        return value
    item = json.loads(base64.b64decode(value))
    item["metadata"]["deletionTimestamp"] = DAYS_AGO
    return base64.b64encode(json.dumps(item).encode()).decode()


DAYS_AGO = "2026-01-02T03:04:05Z"


def reasons(result: Result, action: str) -> dict[str, str]:
    """What was planned with this verb, `Kind namespace/name` to the reason."""
    objects = [one for stage in result.document["stages"] for one in stage["objects"] if one["action"] == action]
    return {f"{one['kind']} {one['namespace']}/{one['name']}": one["reason"] for one in objects}


@pytest.mark.crash
def test_suspended_packages_and_those_without_repository_go_whatever_version_and_certificate_the_operator_has(
    cluster: ControlPlane,
) -> None:
    before = install.installed(cluster, packages=FIVE_PACKAGES)
    cluster.api.patch(named(install.GROUP, "ClusterPackage", "dashboard"), {"spec": {"suspend": True}})
    with install.without_webhook(cluster):
        cluster.kubectl("delete", "packagerepository", "glasskube")
    operator = ("-n", install.NAMESPACE, f"deployment/{install.OPERATOR}")
    cluster.kubectl("set", "image", *operator, "manager=ghcr.io/glasskube/package-operator:v0.12.0")
    cluster.kubectl("rollout", "status", *operator, "--timeout=120s")
    authority = Authority.create("glasskube-webhook")
    pair = authority.server([f"{certificates.SERVICE}.{install.NAMESPACE}.svc"], days=-3)
    data = {"tls.crt": pair.certificate, "tls.key": pair.key}
    encoded = {name: base64.b64encode(value).decode() for name, value in data.items()}
    cluster.api.patch(named("v1", "Secret", certificates.SECRET, install.NAMESPACE), {"data": encoded})
    change_webhooks(cluster, dict.fromkeys(certificates.WEBHOOKS, ("caBundle", _bundle(authority))))
    wait_until_refused(cluster, "clusterpackage/app", "certificate has expired")

    result = clean(cluster, before)

    assert result.document["glasskube"]["version"] == "v0.12.0"


@contextlib.contextmanager
def may_be_gone() -> Iterator[None]:
    """Whatever is done in it may find that the object isn't there."""
    try:
        yield
    except ApiError as error:
        if error.code != 404:
            raise


def test_without_operator_and_its_crds_all_the_rest_goes(cluster: ControlPlane) -> None:
    before = install.installed(cluster, packages=FIVE_PACKAGES)
    # Scaled first: a deleted Deployment's Pod is at work for a moment, and would put finalizers on again.
    install.become(cluster, "scaled-down")
    cluster.kubectl("delete", "deployment", "-n", install.NAMESPACE, install.OPERATOR)
    cluster.api.delete(WEBHOOK)
    install.wait_for_webhook(cluster, "not called")
    definitions = [kind for kind in cluster.api.kinds() if kind.group == "packages.glasskube.dev"]
    cluster.kubectl("delete", "crd", "--wait=false", *(f"{kind.plural}.{kind.group}" for kind in definitions))
    for kind in ("ClusterPackage", "Package"):
        for item in cluster.api.list(install.GROUP, kind):
            with may_be_gone():  # what has no finalizer goes by itself
                cluster.api.patch(
                    {"apiVersion": install.GROUP, "kind": kind, **item}, {"metadata": {"finalizers": None}}
                )
    cluster.wait(
        "Glasskube's kinds to be gone",
        lambda: None if any(kind.group == "packages.glasskube.dev" for kind in cluster.api.kinds()) else True,
    )
    # The garbage collector keeps what is owned by a kind that isn't served, and takes half a minute to learn that one
    # isn't any more: a version that never was makes no difference to the purge.
    gone = {
        "apiVersion": "packages.glasskube.dev/v1",
        "kind": "ClusterPackage",
        "name": "gone",
        "uid": "gone",
    }
    for name in ("left", "left-and-used"):
        metadata = {"name": name, "ownerReferences": [gone]}
        cluster.api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    mine = {"name": "mine", "namespace": "left-and-used"}
    cluster.api.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": mine})

    result = purge(cluster, *FIRST)

    assert result.returncode == 0, str(result)
    assert result.document["flux"]["decision"] == "delete"
    (why,) = [one["why"] for one in result.document["kept"] if one["name"] == "left-and-used"]
    assert why.endswith(": configmap/mine -n left-and-used")
    home = cluster.api.get("v1", "Namespace", "left-and-used")
    assert home is not None
    assert not home["metadata"].get("ownerReferences")
    assert cluster.api.get("v1", "ConfigMap", "mine", "left-and-used")
    cluster.kubectl("delete", "namespace", "left-and-used")
    left = settled_difference(cluster, before, OUTLIVES)
    assert not left, "\n".join(["the cluster isn't as before:", *left])


def test_a_webhook_that_cant_be_called_is_taken_out_of_the_way(cluster: ControlPlane) -> None:
    """The operator is Ready, so that nothing but the first delete tells."""
    before = install.installed(cluster, packages=FIVE_PACKAGES)
    another, wrong = _bundle(Authority.create("another")), "certificate signed by unknown authority"
    change_webhooks(
        cluster,
        {
            "vclusterpackage.kb.io": ("caBundle", another),
            "vpackage.kb.io": ("service/name", "gone"),
            "vpackagerepository.kb.io": ("caBundle", another),
        },
    )
    wait_until_refused(cluster, "clusterpackage/app", wrong)
    wait_until_refused(cluster, "package/orders", 'service "gone" not found')
    wait_until_refused(cluster, "packagerepository/glasskube", wrong)

    clean(cluster, before)


def change_webhooks(cluster: ControlPlane, changes: Mapping[str, tuple[str, str]]) -> None:
    """Sets one field of each webhook's `clientConfig`."""
    configuration = cluster.api.get(WEBHOOK["apiVersion"], WEBHOOK["kind"], WEBHOOK["metadata"]["name"])
    assert configuration is not None
    patch = []
    for index, webhook in enumerate(configuration["webhooks"]):
        field, value = changes[webhook["name"]]
        patch.append({"op": "replace", "path": f"/webhooks/{index}/clientConfig/{field}", "value": value})
    cluster.api.patch(WEBHOOK, patch, kind=JSON)


def wait_until_refused(cluster: ControlPlane, what: str, said: str) -> None:
    """Waits until a delete is refused for that reason: the API server learns of changes a moment later."""

    def refused() -> bool | None:
        answer = cluster.kubectl("delete", "-n", "shop", what, "--dry-run=server", "--wait=false", check=False)
        return True if said in answer.stderr else None

    cluster.wait(f"the delete of {what} to be refused: {said}", refused)


def _bundle(authority: Authority) -> str:
    return base64.b64encode(authority.certificate).decode()


def test_an_unavailable_api_that_would_hold_the_namespaces_is_refused_beforehand(cluster: ControlPlane) -> None:
    before = install.installed(cluster, packages=FIVE_PACKAGES)
    service = {"name": "gone", "namespace": "default"}
    api = {"group": "broken.example.com", "version": "v1", "service": service, "groupPriorityMinimum": 1}
    spec = {**api, "versionPriority": 1, "insecureSkipTLSVerify": True}
    unavailable = {**named("apiregistration.k8s.io/v1", "APIService", "v1.broken.example.com"), "spec": spec}
    cluster.api.create(unavailable)

    def known() -> bool | None:
        found = cluster.api.get("apiregistration.k8s.io/v1", "APIService", "v1.broken.example.com")
        return True if install.has_condition(found, "Available", "False") else None

    cluster.wait("the API to be known as unavailable", known)

    for arguments in (PURGE, ("--offline", "--dry-run", "-o", "json")):
        refused = purge(cluster, *arguments, "--ignore-busy")
        assert refused.returncode == 3, str(refused)
        assert refused.document["error"]["code"] == "api-unavailable"
        assert "kubectl delete apiservice v1.broken.example.com" in error(refused)
        assert "kubectl glasskube purge help api-unavailable" in error(refused)
    assert cluster.api.get("v1", "Namespace", install.NAMESPACE) is not None

    cluster.kubectl("delete", "apiservice", "v1.broken.example.com")
    clean(cluster, before)


def test_whatever_somebody_holds_is_named_and_goes_by_consent(cluster: ControlPlane) -> None:
    """A finalizer of somebody's on an object and on a namespace, an uninstall that fails, a claim that a Pod uses."""
    packages = (
        WantedPackage("ClusterPackage", "tools"),
        WantedPackage("ClusterPackage", "dashboard"),
        WantedPackage("Package", "shy", "shop", package="obstinate"),
    )
    before = install.installed(cluster, packages=packages)
    cluster.api.patch(named("v1", "ConfigMap", "dashboard", "dashboard"), {"metadata": {"finalizers": [HELD]}})
    cluster.api.patch(named("v1", "Namespace", "dashboard"), {"metadata": {"finalizers": [HELD]}})
    claim = {"name": "data", "persistentVolumeClaim": {"claimName": "tools"}}
    spec = {"containers": [{"name": "main", "image": "registry.example.com/mine:1"}], "volumes": [claim]}
    cluster.api.create({**named("v1", "Pod", "mine", "tools"), "spec": spec})
    cluster.wait(
        "the Pod to run",
        lambda: True if install.has_condition(cluster.api.get("v1", "Pod", "mine", "tools"), "Ready") else None,
    )
    expected = {
        "ConfigMap dashboard/dashboard": HELD,
        "Namespace /dashboard": HELD,
        "HelmRelease shop/shy-obstinate": "BackoffLimitExceeded",
        "PersistentVolumeClaim tools/tools": "in use",
    }

    first = unfinished(cluster, lambda result: all(why in left(result).get(one, "") for one, why in expected.items()))
    assert error(first).startswith("not finished within")
    assert "shy-obstinate -n shop keeps finalizer finalizers.fluxcd.io" in error(first)

    process = start_purge(cluster, *PURGE, f"--force-finalizers={HELD},finalizers.fluxcd.io")
    cluster.wait("what is held to be let go", lambda: None if held(cluster) else True, timeout=180)
    cluster.kubectl("delete", "pod", "-n", "tools", "mine")
    stdout, stderr = end_of(process)
    second = Result(process.returncode, stdout, stderr)
    assert second.returncode == 0, str(second)
    behind = assert_only_what_is_listed_stays(cluster, before, first, second)
    assert "Namespace /tools" in behind
    assert not [what for what in behind if "obstinate" in what], behind
    dropped = warnings(second, "finalizer-dropped")
    for what in ("configmap/dashboard -n dashboard", "namespace/dashboard"):
        assert any(HELD in one and what in one for one in dropped), dropped


DERIVED = ("ControllerRevision", "EndpointSlice", "Endpoints", "IPAddress", "Pod", "ReplicaSet")
"""What other objects make for themselves, and what stays or goes with those."""
FURNITURE = ("ConfigMap */kube-root-ca.crt", "ServiceAccount */default")
"""What every namespace has."""


def assert_only_what_is_listed_stays(cluster: ControlPlane, before: Dump, *runs: Result) -> set[str]:
    """Whatever is in the cluster and wasn't before, one of the runs lists as kept. Returns that."""
    kept = {f"{one['kind']} {one['namespace']}/{one['name']}" for result in runs for one in result.document["kept"]}
    stays = set()
    for line in settled_difference(cluster, before, (*OUTLIVES, *FURNITURE)):
        how, kind, name = line.split(maxsplit=2)
        assert how == "new", line
        if kind.partition(".")[0] not in DERIVED:
            stays.add(f"{kind.partition('.')[0]} {name if '/' in name else '/' + name}")
    assert stays <= kept, stays - kept
    return stays


def held(cluster: ControlPlane) -> bool:
    return (
        cluster.api.get("v1", "Namespace", "dashboard") is not None
        or cluster.api.get("helm.toolkit.fluxcd.io/v2", "HelmRelease", "shy-obstinate", "shop") is not None
    )


def test_charts_that_nobody_else_uninstalls_are_uninstalled_here_by_consent(cluster: ControlPlane) -> None:
    packages = (
        WantedPackage("ClusterPackage", "scanner"),
        WantedPackage("Package", "orders", "shop", package="postgres"),
        WantedPackage("ClusterPackage", "labeller"),
    )
    before = install.installed(cluster, packages=packages)
    for name in ("helm-controller", "source-controller"):
        # By kubectl, as a person does: another field manager would be somebody who applied a Flux of their own.
        cluster.kubectl("scale", "-n", "flux-system", f"deployment/{name}", "--replicas=0")
        cluster.kubectl("wait", "-n", "flux-system", "pod", f"--selector=app={name}", "--for=delete", "--timeout=60s")

    first = unfinished(cluster, lambda result: "helm-controller is scaled to zero" in error(result))
    assert "kubectl scale -n flux-system deployment/helm-controller --replicas=1" in error(first)
    assert "kubectl glasskube purge help helmrelease-finalizer" in error(first)

    second = clean(cluster, before, "--force-finalizers")
    assert second.document["flux"]["decision"] == "delete", second.document["flux"]
    (hooks,) = warnings(second, "hooks-not-run")
    assert "job/labeller-labeller-pre-delete, job/labeller-labeller-post-delete" in hooks


def test_a_crd_whose_conversion_webhook_is_dead_is_kept_or_named(cluster: ControlPlane) -> None:
    before = install.installed(cluster, packages=FIVE_PACKAGES)
    install.become(cluster, "scaled-down")  # or it would put the CRD back as it was
    instance = {**named("certs.example.com/v1", "Certificate", "web", "app"), "spec": {}}
    cluster.api.create(instance)
    definition = named("apiextensions.k8s.io/v1", "CustomResourceDefinition", "certificates.certs.example.com")
    found = cluster.api.get(definition["apiVersion"], definition["kind"], definition["metadata"]["name"])
    assert found is not None
    versions = [{**found["spec"]["versions"][0], "storage": False}, {**found["spec"]["versions"][0], "name": "v2"}]
    service = {"namespace": "default", "name": "gone", "path": "/convert"}
    webhook = {"conversionReviewVersions": ["v1"], "clientConfig": {"service": service}}
    conversion = {"strategy": "Webhook", "webhook": webhook}
    cluster.api.patch(definition, {"spec": {"versions": versions, "conversion": conversion}})

    def broken() -> bool | None:
        answer = cluster.kubectl("get", "certificates.v2.certs.example.com", "-A", check=False)
        return True if "conversion webhook" in answer.stderr else None

    cluster.wait("the CRD's instances to be unreadable", broken)

    dry = purge(cluster, "--offline", "--dry-run", "-o", "json")
    (why,) = [one["why"] for one in dry.document["kept"] if one["name"] == "certificates.certs.example.com"]
    assert "its instances can't be read" in why

    refused = purge(cluster, *FIRST)
    assert refused.returncode == 3, str(refused)
    assert refused.document["error"]["code"] == "package-in-use"
    assert "certificates.certs.example.com, which can't be read" in error(refused)

    cluster.api.patch(definition, {"spec": {"conversion": {"strategy": "None", "webhook": None}}})
    cluster.wait("the CRD's instances to be readable", lambda: None if broken() else True)
    cluster.api.delete(instance)
    clean(cluster, before)


@pytest.mark.crash
def test_pods_of_a_node_that_is_lost_hold_up_their_namespace_alone(cluster: ControlPlane) -> None:
    install.installed(cluster, variant="slim")
    cluster.stop_node()
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "testbed"}}
    ready = {"type": "Ready", "status": "Unknown", "lastTransitionTime": "2026-01-01T00:00:00Z", "reason": "NodeLost"}
    cluster.api.patch(node, {"status": {"conditions": [ready]}}, subresource="status")

    def reaches_the_namespace(result: Result) -> bool:
        return bool(result.document["stages"][-1]["seconds"])

    result = unfinished(cluster, reaches_the_namespace)

    assert all(install.NAMESPACE in name for name in left(result)), left(result)
    cluster.start_node()
    result = purge(cluster, *FIRST)
    assert result.returncode == 0, str(result)
    assert result.document["outcome"] == "clean"
