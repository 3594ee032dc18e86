"""Installs Glasskube and packages in a test cluster, the way users do.

`glasskube bootstrap` is the ordinary way: server-side apply under the field
manager `glasskube`, one object after the other in the manifest's order, then
the default PackageRepository. `kubectl apply` and other managers are possible,
because who applied what decides what a purge may take.
"""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml

from tests.cluster.api import ApiError, Object
from tests.cluster.controlplane import ControlPlane, Snapshot
from tests.cluster.doubles import catalog
from tests.cluster.doubles.operator import FINALIZER
from tests.cluster.dump import Dump, dump

from . import rendition

RELEASES = Path(__file__).parents[3] / "shared" / "glasskube-releases"
"""Optional folder with the real release manifests, `<version>/manifest-<variant>.yaml`."""

OperatorState = Literal["ready", "unready", "absent", "crashing", "scaled-down"]
"""What became of the operator, once it had been ready:

- `ready`: runs, and answers the webhook
- `unready`: its Pod was started anew and the sidecar's image can't be pulled: the operator runs, nobody reaches the
  webhook. What became of most installs since March 2026.
- `absent`: its Pod was started anew and none of its images can be pulled: nothing runs
- `crashing`: `manager` is in CrashLoopBackOff
- `scaled-down`: replicas 0
"""

WebhookState = Literal["answers", "unreachable", "not called"]

GROUP = "packages.glasskube.dev/v1alpha1"
NAMESPACE = "glasskube-system"
OPERATOR = "glasskube-controller-manager"
_OPERATOR_SELECTOR = "control-plane=controller-manager"
_SIDECAR_IMAGE = "gcr.io/kubebuilder/kube-rbac-proxy:*"
_OPERATOR_IMAGE = "*/package-operator:*"


@dataclass(frozen=True)
class WantedPackage:
    """A package to install: what a user writes. `name` is the package's, too, unless `package` says another."""

    kind: str
    name: str
    namespace: str = ""
    package: str = ""
    version: str = ""
    repository: str = "glasskube"
    suspend: bool = False
    annotations: Mapping[str, str] = field(default_factory=dict)

    @property
    def document(self) -> Object:
        """The object to apply."""
        metadata: Object = {"name": self.name}
        if self.namespace:
            metadata["namespace"] = self.namespace
        if self.annotations:
            metadata["annotations"] = dict(self.annotations)
        package = self.package or self.name
        info: Object = {"name": package, "version": self.version or catalog.PACKAGES[package].versions[0]}
        if self.repository:
            info["repositoryName"] = self.repository
        spec = {"packageInfo": info, "suspend": self.suspend}
        return {"apiVersion": GROUP, "kind": self.kind, "metadata": metadata, "spec": spec}


TEN_PACKAGES: tuple[WantedPackage, ...] = (
    WantedPackage("ClusterPackage", "dashboard"),
    WantedPackage("ClusterPackage", "app"),  # brings gateway, and that brings certs
    WantedPackage("ClusterPackage", "ingress"),
    WantedPackage("ClusterPackage", "metrics"),
    WantedPackage("ClusterPackage", "database"),
    WantedPackage("ClusterPackage", "tools"),
    WantedPackage("Package", "orders", "shop", package="postgres"),
    WantedPackage("Package", "sessions", "shop", package="cache"),
)
"""With the two dependencies of `app` ten packages: plain and Helm, a chain of three, two in a user's namespace."""


def manifest(version: str, variant: str, source: Literal["rendition", "release"] = "rendition") -> list[Object]:
    """The objects of a release, rendered from the inventory or read from the real manifest.

    Raises `FileNotFoundError` where the real one isn't at hand.
    """
    if source == "rendition":
        return rendition.render(version, variant)
    parsed: list[Object] = json.loads(_parsed(RELEASES / version / f"manifest-{variant}.yaml"))
    return parsed


@functools.lru_cache(maxsize=8)
def _parsed(path: Path) -> str:
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return json.dumps([item for item in yaml.load_all(path.read_text(), loader) if item])


def install(
    cluster: ControlPlane,
    version: str = "v0.26.1",
    variant: str = "aio",
    *,
    source: Literal["rendition", "release"] = "rendition",
    operator: OperatorState = "ready",
    manager: str = "glasskube",
    repository: str = catalog.DEFAULT_URL,
    gitops: bool = False,
) -> list[Object]:
    """Installs a release and returns what was applied, when all of it is as `operator` says.

    `repository` is the URL of the default PackageRepository. With `catalog.SLOW_URL` the packages that require others
    get the operator's finalizer, too.
    `manager="kubectl"` applies with kubectl's client-side apply; any other
    name is the field manager of a server-side apply.
    """
    objects = manifest(version, variant, source)
    for item in objects:
        if item["kind"] == "Namespace" and item["metadata"]["name"] == NAMESPACE and manager == "glasskube":
            annotations = item["metadata"].setdefault("annotations", {})
            annotations["packages.glasskube.dev/telemetry-enabled"] = "false"
            if gitops:
                annotations["packages.glasskube.dev/gitops-mode-enabled"] = "true"
    _ensure_namespaces(cluster, objects)
    first = [one for one in objects if one["kind"] in ("Namespace", "CustomResourceDefinition")]
    rest = [one for one in objects if one not in first]
    apply(cluster, first, manager)
    definitions = [one["metadata"]["name"] for one in first if one["kind"] == "CustomResourceDefinition"]
    cluster.wait("the CRDs to be Established", lambda: _established(cluster, definitions))
    # Otherwise nothing is collected that a package owns for the next half minute.
    cluster.restart_controller_manager()
    apply(cluster, rest, manager)
    if "packagerepositories.packages.glasskube.dev" in definitions:
        default = default_repository(repository)
        apply(cluster, [default], manager)
        objects = [*objects, default]
    _wait_for_workloads(cluster, objects)
    cluster.wait_settled()
    become(cluster, operator)
    return objects


def become(cluster: ControlPlane, operator: OperatorState) -> None:
    """Brings the operator of an install that is ready into another state, and returns when it is in it."""
    if operator == "scaled-down":
        scale(cluster, NAMESPACE, OPERATOR, 0)
    elif operator == "crashing":
        cluster.configure_node(crashing=[_OPERATOR_IMAGE])
        _wait_for_operator(cluster, "manager", "CrashLoopBackOff")
    elif operator in ("unready", "absent"):
        missing = [_SIDECAR_IMAGE] if operator == "unready" else [_SIDECAR_IMAGE, _OPERATOR_IMAGE]
        cluster.configure_node(unpullable=missing)
        cluster.kubectl("delete", "pod", "-n", NAMESPACE, "-l", _OPERATOR_SELECTOR, "--wait=true")
        container = "kube-rbac-proxy" if operator == "unready" else "manager"
        _wait_for_operator(cluster, container, "ImagePullBackOff")


def make_operator_unready(cluster: ControlPlane) -> None:
    """Starts the operator's Pod anew without its sidecar's image: what became of most installs since March 2026."""
    become(cluster, "unready")


def _wait_for_operator(cluster: ControlPlane, container: str, reason: str) -> None:
    """Waits until a container waits for that reason, the others are up, and no endpoint is left of the webhook."""

    def settled() -> bool | None:
        pods = cluster.api.list("v1", "Pod", NAMESPACE, labelSelector=_OPERATOR_SELECTOR)
        statuses = {one["name"]: one for pod in pods for one in pod.get("status", {}).get("containerStatuses", ())}
        waiting = {name: one["state"].get("waiting", {}).get("reason") for name, one in statuses.items()}
        if waiting.get(container) != reason or any(why == "ContainerCreating" for why in waiting.values()):
            return None
        if any(why is None and not statuses[name]["ready"] for name, why in waiting.items()):
            return None
        return None if _ready_endpoints(cluster) else True

    try:
        cluster.wait(f"the operator's {container} to be in {reason}", settled, watching="node")
    except TimeoutError as error:
        raise TimeoutError(f"{error}\n{logs(cluster)}") from error


def _ready_endpoints(cluster: ControlPlane) -> list[Object]:
    query = {"labelSelector": "kubernetes.io/service-name=glasskube-webhook-service"}
    slices = cluster.api.list("discovery.k8s.io/v1", "EndpointSlice", NAMESPACE, **query)
    return [one for item in slices for one in item.get("endpoints") or () if one["conditions"].get("ready")]


def installed(
    cluster: ControlPlane,
    version: str = "v0.26.1",
    variant: str = "aio",
    *,
    packages: Sequence[WantedPackage] = (),
    operator: OperatorState = "ready",
    among_others: bool = False,
    repository: str = catalog.DEFAULT_URL,
) -> Dump:
    """A pristine cluster with a release and packages in it; returns the dump of it without them.

    The same as `bystanders` (where `among_others`), `dump`, `install` and `install_packages`, but from the second
    time on it comes from a snapshot, in a fifth of the time.
    """
    key = repr((version, variant, tuple(packages), operator, among_others, repository))
    known: dict[str, tuple[Snapshot, Dump]] = cluster.memory.setdefault("installed", {})
    if key in known:
        snapshot, before = known[key]
        cluster.restore(snapshot)
        _wait_for_webhook_of(cluster, operator)
        return _as_restored(before, dump(cluster))
    if among_others:
        bystanders(cluster)
    for one in packages:
        if one.namespace:
            ensure_namespace(cluster, one.namespace)
    before = dump(cluster)
    install(cluster, version, variant, repository=repository)
    install_packages(cluster, packages)
    become(cluster, operator)
    _wait_for_webhook_of(cluster, operator)
    known[key] = (cluster.snapshot(), before)
    return dict(before)


def _as_restored(before: Dump, present: Dump) -> Dump:
    """A dump with the resourceVersions that its objects have since they were written anew."""
    return {
        name: {
            **item,
            "metadata": {**item["metadata"], "resourceVersion": present[name]["metadata"]["resourceVersion"]},
        }
        if name in present
        else item
        for name, item in before.items()
    }


def apply(cluster: ControlPlane, objects: Sequence[Object], manager: str = "glasskube") -> None:
    """Applies objects under a field manager; `kubectl` means client-side apply by kubectl itself."""
    if manager == "kubectl":
        cluster.kubectl("apply", "-f", "-", input=yaml.safe_dump_all(objects))
        return
    for item in objects:
        cluster.api.apply(item, manager)


def default_repository(url: str = catalog.DEFAULT_URL) -> Object:
    """The PackageRepository that bootstrap makes."""
    return {
        "apiVersion": GROUP,
        "kind": "PackageRepository",
        "metadata": {"name": "glasskube", "annotations": {"packages.glasskube.dev/default-repository": "true"}},
        "spec": {"url": url},
    }


def install_package(cluster: ControlPlane, kind: str, name: str, namespace: str = "", **more: Any) -> Object:
    """Creates one package, as `glasskube install` does. `more` as in `WantedPackage`; returns what the server has."""
    wanted = WantedPackage(kind, name, namespace, **more)
    if namespace:
        ensure_namespace(cluster, namespace)
    return cluster.wait(f"{kind} {name} to be accepted", functools.partial(_accepted, cluster, wanted))


def install_packages(cluster: ControlPlane, packages: Sequence[WantedPackage] = TEN_PACKAGES) -> None:
    """Creates packages, the default is `TEN_PACKAGES`, and waits until all and their dependencies are Ready.

    And until the operator has written its finalizers, and their Jobs have ended: nothing changes by itself afterwards.
    """
    for one in packages:
        if one.namespace:
            ensure_namespace(cluster, one.namespace)
        cluster.wait(f"{one.kind} {one.name} to be accepted", functools.partial(_accepted, cluster, one))
    for one in packages:
        if not one.suspend:
            wait_ready(cluster, one.kind, one.name, one.namespace)
    wait_for_finalizers(cluster)
    # A package of plain manifests is Ready while its Job runs, whose end is written later.
    head = {"apiVersion": "batch/v1", "kind": "Job"}
    jobs = cluster.api.list(*head.values(), labelSelector="app.kubernetes.io/managed-by=glasskube")
    _wait_for_workloads(cluster, [{**job, **head} for job in jobs])


def wait_for_finalizers(cluster: ControlPlane) -> None:
    """Waits until the operator has put its finalizer on the packages that are still to get it.

    It says Ready first, and puts the finalizer on in the next look. Where a package requires others, it comes to that
    before it says Ready or never.
    """

    def missing() -> list[Object]:
        return [
            item
            for kind in ("ClusterPackage", "Package")
            for item in cluster.api.list(GROUP, kind)
            if not item["spec"].get("suspend")
            and FINALIZER not in item["metadata"].get("finalizers", ())
            and not item.get("status", {}).get("ownedPackages")
        ]

    cluster.wait("the operator's finalizers", lambda: None if missing() else True)


def _accepted(cluster: ControlPlane, wanted: WantedPackage) -> Object | None:
    try:
        return cluster.api.create(wanted.document, manager="glasskube")
    except ApiError as error:
        # The API server learns of a webhook's endpoint and certificate a moment after they are there.
        if _unreachable(error):
            return None
        raise


def _unreachable(error: ApiError) -> bool:
    return error.code == 500 and "failed calling webhook" in error.message


def wait_ready(cluster: ControlPlane, kind: str, name: str, namespace: str = "", condition: str = "Ready") -> Object:
    """Waits until a package has a condition with status True, `Ready` or `Failed`; returns the package."""

    def ready() -> Object | None:
        found = cluster.api.get(GROUP, kind, name, namespace)
        return found if has_condition(found, condition) else None

    try:
        return cluster.wait(f"{kind} {namespace}/{name} to be {condition}", ready)
    except TimeoutError as error:
        found = cluster.api.get(GROUP, kind, name, namespace)
        status = json.dumps((found or {}).get("status"), indent=1)
        raise TimeoutError(f"{error}\n{status}\n{logs(cluster)}") from error


def has_condition(item: Mapping[str, Any] | None, kind: str, status: str = "True") -> bool:
    """Whether an object has a condition with this status, of its present generation where it says which."""
    conditions = ((item or {}).get("status") or {}).get("conditions") or ()
    return any(one["type"] == kind and one["status"] == status for one in conditions)


@contextlib.contextmanager
def without_webhook(cluster: ControlPlane) -> Iterator[None]:
    """Takes the webhook configuration away for a moment: so get packages in that the webhook would refuse."""
    kind = ("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration")
    name = "glasskube-validating-webhook-configuration"
    present = cluster.api.get(*kind, name)
    assert present is not None
    before = webhook_state(cluster)
    cluster.api.delete(present)
    wait_for_webhook(cluster, "not called")
    yield
    head = {"apiVersion": kind[0], "kind": kind[1]}
    clients = {one["name"]: one["clientConfig"] for one in present["webhooks"]}
    webhooks = [{**one, "clientConfig": {"service": clients[one["name"]]["service"]}} for one in present["webhooks"]]
    metadata = {"name": name, "labels": present["metadata"].get("labels", {})}
    cluster.api.apply({**head, "metadata": metadata, "webhooks": webhooks}, "glasskube")
    bundles = [{"name": one, "clientConfig": {"caBundle": client["caBundle"]}} for one, client in clients.items()]
    cluster.api.apply({**head, "metadata": {"name": name}, "webhooks": bundles}, "package-operator-cert-manager")
    wait_for_webhook(cluster, before)


def webhook_state(cluster: ControlPlane) -> WebhookState:
    """What becomes of a package that is created now: tried as a dry run, with one that the webhook refuses."""
    wanted = WantedPackage("ClusterPackage", "probe", package="dashboard", repository="no-such-repository")
    path = cluster.api.kind_of(wanted.document).path()
    try:
        cluster.api.request("POST", path, params={"dryRun": "All"}, json=wanted.document)
    except ApiError as error:
        if _unreachable(error):
            return "unreachable"
        if "no-such-repository" in error.message:
            return "answers"
        raise
    return "not called"


def wait_for_webhook(cluster: ControlPlane, state: WebhookState) -> None:
    """Waits for a state of the webhook: the API server goes by a configuration a moment after it was written."""
    cluster.wait(f"the webhook: {state}", lambda: True if webhook_state(cluster) == state else None)


def _wait_for_webhook_of(cluster: ControlPlane, operator: OperatorState) -> None:
    """Waits until the API server reaches the webhook, or doesn't, as it is with an operator in this state.

    It learns of a Pod's new address a moment after the Pod is Ready. Releases without ClusterPackages can't be asked.
    """
    if any(kind.kind == "ClusterPackage" for kind in cluster.api.kinds()):
        wait_for_webhook(cluster, "answers" if operator == "ready" else "unreachable")


def configure_node(cluster: ControlPlane, *, unpullable: Sequence[str] = (), crashing: Sequence[str] = ()) -> None:
    """As `ControlPlane.configure_node`."""
    cluster.configure_node(unpullable=unpullable, crashing=crashing)


def scale(cluster: ControlPlane, namespace: str, name: str, replicas: int) -> None:
    """Scales a Deployment and waits until its Pods are there and Ready, or gone."""
    metadata = {"name": name, "namespace": namespace}
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata}
    found = cluster.api.patch(deployment, {"spec": {"replicas": replicas}})
    selector = ",".join(f"{key}={value}" for key, value in found["spec"]["selector"]["matchLabels"].items())

    def settled() -> bool | None:
        pods = cluster.api.list("v1", "Pod", namespace, labelSelector=selector)
        ready = [pod for pod in pods if has_condition(pod, "Ready")]
        return True if len(pods) == len(ready) == replicas else None

    cluster.wait(f"{namespace}/{name} to have {replicas} Pods", settled)


def ensure_namespace(cluster: ControlPlane, name: str, manager: str = "kubectl-create", **metadata: Any) -> None:
    """Makes a namespace as a user would, if it isn't there."""
    if cluster.api.get("v1", "Namespace", name) is None:
        document = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, **metadata}}
        cluster.api.create(document, manager=manager)
        cluster.wait(f"what every namespace gets, in {name}", lambda: _is_furnished(cluster, name))


def _is_furnished(cluster: ControlPlane, namespace: str) -> bool | None:
    """Whether the controller manager has put into a namespace what it puts into each."""
    account = cluster.api.get("v1", "ServiceAccount", "default", namespace)
    authority = cluster.api.get("v1", "ConfigMap", "kube-root-ca.crt", namespace)
    return True if account and authority else None


def bystanders(cluster: ControlPlane) -> None:
    """What other people have in the cluster and nobody may touch: workloads, a volume, a CRD with an instance, RBAC."""
    ensure_namespace(cluster, "shop")
    head = {"name": "storefront", "namespace": "shop"}
    template = {
        "metadata": {"labels": {"app": "storefront"}},
        "spec": {"containers": [{"name": "main", "image": "registry.example.com/storefront:3.1"}]},
    }
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    group = "widgets.example.com"
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"}
    rbac = "rbac.authorization.k8s.io"
    documents: list[Object] = [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": head, "data": {"currency": "EUR"}},
        {"apiVersion": "v1", "kind": "Secret", "metadata": head, "stringData": {"token": "only-for-tests"}},
        {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": head, "spec": claim},
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": head,
            "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "storefront"}}, "template": template},
        },
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": f"widgets.{group}"},
            "spec": {"group": group, "scope": "Namespaced", "names": names, "versions": [version]},
        },
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "ClusterRole",
            "metadata": {"name": "storefront"},
            "rules": [{"apiGroups": [group], "resources": ["widgets"], "verbs": ["get"]}],
        },
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "storefront"},
            "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": "storefront"},
            "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": "shop"}],
        },
    ]
    apply(cluster, documents, manager="kubectl")
    cluster.wait("the CRD to be Established", lambda: _established(cluster, [f"widgets.{group}"]))
    widget = {"apiVersion": f"{group}/v1", "kind": "Widget", "metadata": head, "spec": {"colour": "red"}}
    apply(cluster, [widget], manager="kubectl")

    def settled() -> bool | None:
        deployment = cluster.api.get("apps/v1", "Deployment", "storefront", "shop")
        bound = cluster.api.get("v1", "PersistentVolumeClaim", "storefront", "shop")
        ready = has_condition(deployment, "Available")
        return True if ready and bound is not None and bound.get("status", {}).get("phase") == "Bound" else None

    cluster.wait("the bystanders to run", settled)


def foreign_release(
    cluster: ControlPlane, namespace: str = "team", name: str = "report", chart: str = "ingress"
) -> Object:
    """A HelmRelease of somebody who uses the cluster's Flux without Glasskube, Ready."""
    ensure_namespace(cluster, namespace)
    versions = {
        kind.kind: kind.api_version for kind in cluster.api.kinds() if kind.kind in ("HelmRelease", "HelmRepository")
    }
    metadata = {"name": name, "namespace": namespace}
    source = {
        "apiVersion": versions["HelmRepository"],
        "kind": "HelmRepository",
        "metadata": metadata,
        "spec": {"url": "https://charts.example.org", "interval": "1h"},
    }
    template = {"chart": chart, "version": "*", "sourceRef": {"kind": "HelmRepository", "name": name}}
    release = {
        "apiVersion": versions["HelmRelease"],
        "kind": "HelmRelease",
        "metadata": metadata,
        "spec": {"interval": "10m", "chart": {"spec": template}},
    }
    apply(cluster, [source, release], manager="kubectl")

    def ready() -> Object | None:
        found = cluster.api.get(versions["HelmRelease"], "HelmRelease", name, namespace)
        return found if has_condition(found, "Ready") else None

    return cluster.wait(f"HelmRelease {namespace}/{name} to be Ready", ready)


def logs(cluster: ControlPlane) -> str:
    """The ends of the doubles' logs, for a failure's message."""
    parts = []
    for path in sorted(cluster.directory.glob("*.log")):
        if not path.name.startswith(("etcd", "kube-", "audit")):
            lines = path.read_text(errors="replace").splitlines()[-25:]
            parts.append(f"--- {path.name}\n" + "\n".join(lines))
    return "\n".join(parts)


def _ensure_namespaces(cluster: ControlPlane, objects: Sequence[Object]) -> None:
    """One release's manifest uses a namespace that it doesn't bring."""
    brought = {one["metadata"]["name"] for one in objects if one["kind"] == "Namespace"}
    for namespace in {one["metadata"].get("namespace", "") for one in objects} - brought - {""}:
        ensure_namespace(cluster, namespace)


def _established(cluster: ControlPlane, names: Sequence[str]) -> bool | None:
    for name in names:
        found = cluster.api.get("apiextensions.k8s.io/v1", "CustomResourceDefinition", name)
        if not has_condition(found, "Established"):
            return None
    # Established and served are two moments: discovery is what clients go by.
    served = {f"{kind.plural}.{kind.group}" for kind in cluster.api.kinds()}
    return True if served.issuperset(names) else None


def _wait_for_workloads(cluster: ControlPlane, objects: Sequence[Object]) -> None:
    for item in objects:
        if item["kind"] in ("Deployment", "Job"):
            namespace, name = item["metadata"]["namespace"], item["metadata"]["name"]
            what = f"{item['kind']} {namespace}/{name} to be up"
            try:
                cluster.wait(what, functools.partial(_is_up, cluster, item), watching="node")
            except TimeoutError as error:
                raise TimeoutError(f"{error}\n{logs(cluster)}") from error


def _is_up(cluster: ControlPlane, item: Object) -> bool | None:
    found = cluster.api.get(item["apiVersion"], item["kind"], item["metadata"]["name"], item["metadata"]["namespace"])
    if item["kind"] == "Job":
        return True if has_condition(found, "Complete") else None
    return True if (found or {}).get("status", {}).get("readyReplicas") else None
