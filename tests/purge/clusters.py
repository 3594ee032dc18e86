"""Clusters for the promises' tests: Glasskube in all states, among what other people have.

A cluster is an install, packages, and a few *features*, each of which adds one
thing that a purge has to cope with. Whoever adds a thing says what it is: whose
it is, what it casts doubt on, what it protects. The tests hold the plan against
these words, never against what the code makes of the objects.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import strategies as st

from kubectl_glasskube_purge.glasskube import facts, inventory
from kubectl_glasskube_purge.kube.objects import Found, Owner, Ref
from kubectl_glasskube_purge.kube.resources import Resource
from kubectl_glasskube_purge.purge.look.compose import compose
from kubectl_glasskube_purge.purge.look.relevant import FIRST, ROOTS, relevant
from kubectl_glasskube_purge.purge.model.plan import GONE, Options, package_name
from kubectl_glasskube_purge.purge.model.survey import PassedOver, StoredRelease, Survey, Unreadable
from tests.definitions import definitions
from tests.purge.kubernetes import DEFINITION, NAMESPACE, World

VERSION = "v0.26.1"
RBAC = "rbac.authorization.k8s.io"
KEEP = tuple(facts.KEEP_ANNOTATIONS.items())
GADGET = ("gadgets.example.com", "Gadget")
"""What the packages' CRDs define, one group a package."""

GATEWAY = ("gateway.networking.k8s.io", "Gateway")
WEBHOOK = ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration")
CLUSTER_SCOPED = ("ClusterPackage", "ClusterRoleBinding", "CustomResourceDefinition", "Namespace", "PersistentVolume")

FLUX_IMAGES = {facts.HELM_CONTROLLER: "v1.0.1", facts.SOURCE_CONTROLLER: "v1.3.0"}
"""What v0.26.1 brings, as its release manifest says."""


@dataclass(eq=False)
class Cluster:
    """A cluster, and the truth about it."""

    objects: dict[str, Found] = field(default_factory=dict)
    charts: dict[str, tuple[str, ...]] = field(default_factory=dict)
    left: dict[str, set[str]] = field(default_factory=dict)
    """UID of a HelmRelease → those of what its uninstall leaves."""
    fetched: dict[str, str] = field(default_factory=dict)
    helm_keeps: set[str] = field(default_factory=set)
    """UIDs of what the release's stored manifest says is kept."""
    defines: dict[str, tuple[str, str]] = field(default_factory=dict)
    hidden: dict[tuple[str, str], str] = field(default_factory=dict)
    """Kinds that can't be listed, with what they are called."""
    foreign: set[str] = field(default_factory=set)
    """UIDs of what is somebody else's."""
    needed: set[str] = field(default_factory=set)
    """UIDs of what somebody else uses, or protected."""
    relied_on: set[tuple[str, str]] = field(default_factory=set)
    """UIDs of a package and of what relies on it."""
    doubts: list[str] = field(default_factory=list)
    """Why nobody can be sure that Flux is Glasskube's alone."""
    homes: set[str] = field(default_factory=set)
    """Namespaces that packages brought, and Glasskube's own: what --include-foreign is about."""
    packages: list[Found] = field(default_factory=list)
    requires: set[tuple[str, str]] = field(default_factory=set)
    """UIDs of packages: the first needs the second."""
    whole_flux: bool = False
    helm_runs: bool = True
    features: tuple[str, ...] = ()

    def add(
        self,
        group: str,
        kind: str,
        name: str,
        namespace: str = "",
        *,
        owners: Iterable[Found] = (),
        managers: Sequence[str] = (facts.FIELD_MANAGER,),
        labels: Mapping[str, str] | None = None,
        annotations: Mapping[str, str] | None = None,
        finalizers: Sequence[str] = (),
        body: Mapping[str, Any] | None = None,
        named: bool = True,
    ) -> Found:
        """Puts an object in, unless one of its name is there. Its package names it, as the operator sees to."""
        ref = Ref(group, kind, namespace, name, "v1")
        for found in self.objects.values():
            if found.ref == ref:
                return found
        made = Found(
            ref,
            f"uid-{len(self.objects)}",
            "1",
            labels=labels or {},
            annotations=annotations or {},
            owners=tuple(Owner(one.ref.group, one.ref.kind, one.ref.name, one.uid) for one in owners),
            finalizers=tuple(finalizers),
            managers=tuple(managers),
            body=body or {},
        )
        self.objects[made.uid] = made
        for owner in owners if named else ():
            if owner.ref.group_kind in facts.PACKAGE_GROUP_KINDS:
                self.name(self.objects[owner.uid], ref)
        return made

    def name(self, package: Found, ref: Ref) -> None:
        """Lets a package's status say that the operator made an object for it."""
        resource = {"group": ref.group, "kind": ref.kind, "namespace": ref.namespace, "name": ref.name}
        status = package.body["status"]
        status = {**status, "ownedResources": [*status.get("ownedResources", ()), resource]}
        self.change(package, body={**package.body, "status": status})

    def theirs(self, group: str, kind: str, name: str, namespace: str = "", **more: Any) -> Found:
        """Puts an object in that is somebody else's."""
        if namespace and not self.find("", "Namespace", namespace):
            home = self.add("", "Namespace", namespace, managers=["kubectl-create"])
            if namespace != facts.NAMESPACE:  # whose name says whose it is, whoever made it
                self.foreign.add(home.uid)
        made = self.add(
            group, kind, name, namespace, **{"managers": ["kubectl-client-side-apply"], "named": False, **more}
        )
        self.foreign.add(made.uid)
        return made

    def change(self, found: Found, **fields: Any) -> Found:
        """Replaces an object by itself with other fields."""
        made = self.objects[found.uid] = replace(self.objects[found.uid], **fields)
        return made

    def find(self, group: str, kind: str, name: str, namespace: str = "") -> Found | None:
        """An object by name."""
        ref = Ref(group, kind, namespace, name)
        return next((found for found in self.objects.values() if found.ref == ref), None)

    def of(self, *kinds: tuple[str, str]) -> list[Found]:
        """All objects of these kinds."""
        return [found for found in self.objects.values() if found.ref.group_kind in kinds]

    def brought_by(self, package: str) -> set[str]:
        """UIDs of everything that a package brought: what it owns, directly or not, and its charts' objects."""
        brought, pending = set[str](), [package]
        while pending:
            owner = pending.pop()
            more = {found.uid for found in self.objects.values() if found.owned_by({owner})} - self.foreign
            more |= {*self.charts.get(owner, ()), *self.left.get(owner, ())}
            pending += more - brought
            brought |= more
        return brought

    def flux(self) -> list[Found]:
        """What of Glasskube's Flux is there."""
        known = inventory.flux_objects(VERSION)
        return [found for found in self.objects.values() if found.ref in known]

    @property
    def world(self) -> World:
        """The cluster as it really is."""
        return World(dict(self.objects), dict(self.defines), dict(self.charts), dict(self.fetched), self.helm_runs)

    def survey(self, *, all_of_flux: bool = False) -> Survey:
        """What a survey sees of it: what can be listed and may matter, as a real one sorts it out."""
        seen = {f.ref: f for f in self.objects.values() if f.ref.group_kind not in self.hidden}
        resources = [
            Resource(group, "v1", kind, name.partition(".")[0], True) for name, (group, kind) in self.defines.items()
        ]
        roots = {ref: found for ref, found in seen.items() if ref.group_kind in ROOTS}
        keep = relevant(roots, resources, frozenset())
        entire = ROOTS if all_of_flux else FIRST
        kept = {ref: found for ref, found in seen.items() if ref.group_kind in entire or keep(found)}
        passed_over: dict[tuple[str, str], PassedOver] = {}
        for ref in (ref for ref in roots if ref not in kept):
            passed_over[ref.group_kind] = passed_over.get(ref.group_kind, PassedOver()).and_(ref)
        survey = compose(
            kept,
            defines=self.defines,
            uids=[found.uid for found in seen.values()],
            unreadable=[
                Unreadable(what, "forbidden", kind, kind[1] not in CLUSTER_SCOPED) for kind, what in self.hidden.items()
            ],
        )
        releases = {
            self.objects[uid].ref: StoredRelease(frozenset(self.objects[one].ref for one in {*own} - self.helm_keeps))
            for uid, own in self.charts.items()
            if uid in self.objects
        }
        keeps = frozenset(self.objects[uid].ref for uid in self.helm_keeps)
        return replace(survey, helm_keeps=keeps, releases=releases, passed_over=passed_over)


# -- Glasskube and its Flux


def _deployment(name: str, containers: Sequence[tuple[str, str]]) -> dict[str, Any]:
    named = [{"name": container, "image": image} for container, image in containers]
    return {
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": name}},
            "template": {"spec": {"containers": named}},
        },
        "status": {"readyReplicas": 1},
    }


def _pod(cluster: Cluster, deployment: Found, running: bool, containers: Sequence[Mapping[str, str]] = ()) -> None:
    replicas = cluster.add(
        "apps", "ReplicaSet", f"{deployment.ref.name}-1", deployment.ref.namespace, owners=[deployment]
    )
    state: dict[str, Any] = {"running": {}} if running else {"waiting": {"reason": "ImagePullBackOff"}}
    statuses = [{"name": "manager", "ready": running, "state": state}]
    cluster.add(
        "",
        "Pod",
        f"{deployment.ref.name}-1-x",
        deployment.ref.namespace,
        owners=[replicas],
        labels={"app": deployment.ref.name},
        body={"spec": {"containers": list(containers)}, "status": {"containerStatuses": statuses}},
    )


def _put(cluster: Cluster, ref: Ref, *, running: bool, manager: str = facts.FIELD_MANAGER) -> None:
    images = {facts.OPERATOR_DEPLOYMENT: f"{facts.OPERATOR_IMAGE}:{VERSION}"}
    images |= {name: f"fluxcd/{name}:{tag}" for name, tag in FLUX_IMAGES.items()}
    body: dict[str, Any] = {}
    if ref.kind == "Deployment":
        body = {**_deployment(ref.name, [("manager", images[ref.name])]), "status": {"readyReplicas": int(running)}}
    elif ref.kind == "ClusterRoleBinding":
        account = {"kind": "ServiceAccount", "name": "helm-controller", "namespace": facts.FLUX_NAMESPACE}
        role = ref.name if ref.name == "crd-controller" else "cluster-admin"
        body = {"roleRef": {"kind": "ClusterRole", "name": role}, "subjects": [account]}
    bare = ref.kind in ("Namespace", "ServiceAccount")
    found = cluster.add(*ref.group_kind, ref.name, ref.namespace, managers=() if bare else (manager,), body=body)
    if ref.kind == "Deployment":
        _pod(cluster, found, running)
    if ref.kind == "CustomResourceDefinition":
        defined = definitions(VERSION)[ref.name]
        cluster.defines[ref.name] = (defined.group, defined.kind)


def _glasskube(cluster: Cluster, state: str, running: bool) -> None:
    """`whole`, `no operator` (upstream's purge was here), or `definitions` alone."""
    for ref in inventory.objects(VERSION, inventory.SLIM):
        definition = ref.kind == "CustomResourceDefinition"
        if state == "whole" or definition or (state == "no operator" and ref.kind not in ("Deployment", "Job")):
            _put(cluster, ref, running=running)
    if state != "definitions":
        cluster.add("coordination.k8s.io", "Lease", facts.LEASE, facts.NAMESPACE)
        cluster.add("", "Secret", facts.WEBHOOK_SECRET, facts.NAMESPACE, managers=["package-operator-cert-manager"])
        cluster.add("", "ConfigMap", "kube-root-ca.crt", facts.NAMESPACE, managers=["kube-controller-manager"])


def _flux(cluster: Cluster, state: str, running: bool) -> None:
    """`whole`, or `definitions` alone."""
    for ref in sorted(inventory.flux_objects(VERSION)):
        if state == "whole" or ref.kind == "CustomResourceDefinition":
            _put(cluster, ref, running=running)
    cluster.whole_flux = state == "whole"
    cluster.helm_runs = running


# -- packages


def _package(cluster: Cluster, number: int, namespaced: bool, parts: frozenset[str]) -> Found:
    name = f"pkg{number}"
    spec = {
        "packageInfo": {"name": name, "version": "v1", "repositoryName": "glasskube"},
        "suspend": "suspended" in parts,
    }
    home = "shop" if namespaced else f"{name}-home"
    status = {"conditions": [{"type": "Ready", "status": "True"}]}
    kind = facts.PACKAGE if namespaced else facts.CLUSTER_PACKAGE
    held = [] if "free" in parts else [facts.PACKAGE_FINALIZER]  # the operator may not have come to it
    if namespaced:
        package = cluster.add(*kind.group_kind, name, home, finalizers=held, body={"spec": spec, "status": status})
    else:
        package = cluster.add(*kind.group_kind, name, finalizers=held, body={"spec": spec, "status": status})
        cluster.add("", "Namespace", home, owners=[package])
        cluster.homes.add(home)
    cluster.packages.append(package)
    cluster.add(
        *facts.PACKAGE_INFO.group_kind,
        f"glasskube--{name}--v1",
        body={"spec": {"name": name, "version": "v1", "repositoryUrl": "glasskube"}},
    )
    operator = ["packages.glasskube.dev/package-controller"]
    if "plain" in parts:
        cluster.add("", "ConfigMap", f"{name}-plain", home, owners=[package], managers=operator)
        cluster.add(RBAC, "ClusterRole", f"{name}-plain", owners=[package], managers=operator)
        cluster.add(RBAC, "Role", f"{name}-plain", "kube-system", owners=[package], managers=operator)
    if "crd" in parts:
        _definition(cluster, name, owners=[package], managers=operator)
    if "operator" in parts:
        _operator(cluster, name, home, package)
    if "helm" in parts and "helmreleases.helm.toolkit.fluxcd.io" in cluster.defines:
        _helm(cluster, name, home, package, parts)
    return package


def _operator(cluster: Cluster, name: str, home: str, package: Found) -> None:
    """A controller with its webhook, and a custom resource that it made itself, where it has a kind of its own."""
    managers = ["packages.glasskube.dev/package-controller"]
    container = [("main", f"registry.example.com/{name}-operator:1")]
    body = _deployment(f"{name}-operator", container)
    made = cluster.add("apps", "Deployment", f"{name}-operator", home, owners=[package], managers=managers, body=body)
    _pod(cluster, made, True, [{"image": image} for _, image in container])
    cluster.add("", "Service", f"{name}-operator", home, owners=[package], managers=managers)
    cluster.add(*WEBHOOK, f"{name}-operator", owners=[package], managers=managers)
    kind = cluster.defines.get(f"gadgets.{name}.{GADGET[0]}")
    if kind is not None:
        cluster.add(*kind, "default", home, managers=[f"{name}-operator"])


def _definition(cluster: Cluster, name: str, **more: Any) -> Found:
    group = f"{name}.{GADGET[0]}"
    cluster.defines[f"gadgets.{group}"] = (group, GADGET[1])
    return cluster.add(*DEFINITION, f"gadgets.{group}", **more)


def noted(name: str, namespace: str) -> dict[str, Any]:
    """What helm-controller notes of the release that it made, from v0.37 on."""
    return {"storageNamespace": namespace, "history": [{"name": name, "namespace": namespace, "version": 1}]}


def _helm(cluster: Cluster, name: str, home: str, package: Found, parts: frozenset[str]) -> None:
    operator = ["package-operator"]
    cluster.add(*facts.HELM_REPOSITORY.group_kind, f"{name}-{name}", home, owners=[package], managers=operator)
    source = {"kind": "HelmRepository", "name": f"{name}-{name}"}
    spec = {"chart": {"spec": {"chart": name, "sourceRef": source}}, "suspend": "suspended release" in parts}
    release = cluster.add(
        *facts.HELM_RELEASE.group_kind,
        f"{name}-{name}",
        home,
        owners=[package],
        managers=operator,
        finalizers=[facts.FLUX_FINALIZER],
        body={"spec": spec, "status": noted(f"{name}-{name}", home)},
    )
    chart = cluster.add(
        *facts.HELM_CHART.group_kind,
        f"{home}-{name}-{name}",
        home,
        managers=["helm-controller"],
        body={"spec": {"sourceRef": source}},
    )
    cluster.fetched[release.uid] = chart.uid
    marks = {facts.HELM_RELEASE_NAME_ANNOTATION: f"{name}-{name}", facts.HELM_RELEASE_NAMESPACE_ANNOTATION: home}
    helm = {"annotations": marks, "managers": ["helm-controller"]}
    web = cluster.add("apps", "Deployment", f"{name}-web", home, **helm, body=_deployment(name, [("main", "web:1")]))
    cluster.add("apps", "ReplicaSet", f"{name}-web-1", home, owners=[web], managers=["kube-controller-manager"])
    installed = [web, cluster.add(RBAC, "ClusterRole", f"{name}-chart", **helm)]
    if "chart crd" in parts:
        installed.append(_definition(cluster, f"{name}-chart", **helm))
    labels = {"owner": "helm", "name": f"{name}-{name}", "version": "1"}
    secret = f"sh.helm.release.v1.{name}-{name}.v1"
    installed.append(cluster.add("", "Secret", secret, home, labels=labels, managers=["helm-controller"]))
    if "volume" in parts:
        installed.append(cluster.add("", "PersistentVolumeClaim", f"{name}-data", home, **helm))
    cluster.charts[release.uid] = tuple(one.uid for one in installed)


PARTS = ("helm", "plain", "crd", "operator", "chart crd", "volume", "suspended", "suspended release", "free")


# -- what other people have: each feature adds one thing, and says what it is

Feature = Callable[[Cluster, int], None]


def _some(found: Sequence[Found], number: int) -> Found | None:
    return found[number % len(found)] if found else None


def _of_packages(cluster: Cluster) -> list[Found]:
    """What packages own or their charts installed, the namespaces and definitions among them."""
    packages = {package.uid for package in cluster.packages}
    installed = {uid for uids in cluster.charts.values() for uid in uids}
    return [f for f in cluster.objects.values() if f.owned_by(packages) or f.uid in installed]


def their_config_map(cluster: Cluster, number: int) -> None:
    namespaces = sorted({"shop", "default", "kube-system", *cluster.homes, facts.FLUX_NAMESPACE})
    present = [name for name in namespaces if cluster.find("", "Namespace", name)]
    home = present[number % len(present)]
    cluster.theirs("", "ConfigMap", "mine", home)
    if home == facts.FLUX_NAMESPACE:
        cluster.doubts.append("a ConfigMap of theirs in flux-system")


def their_secret_where_secrets_are_forbidden(cluster: Cluster, number: int) -> None:
    home = _some(sorted((f for f in cluster.of(NAMESPACE) if f.ref.name in cluster.homes), key=lambda f: f.ref), number)
    if home is not None:
        cluster.theirs("", "Secret", "mine", home.ref.name)
    cluster.hidden["", "Secret"] = "secrets"
    cluster.doubts.append("Secrets can't be listed")


def their_helm_release(cluster: Cluster, number: int) -> None:
    if "helmreleases.helm.toolkit.fluxcd.io" not in cluster.defines:
        return
    names = ["shop", facts.NAMESPACE, facts.FLUX_NAMESPACE, *sorted(cluster.homes)]
    present = [name for name in names if cluster.find("", "Namespace", name)]
    source = {"chart": {"spec": {"chart": "x", "sourceRef": {"kind": "HelmRepository", "name": "x"}}}}
    home = present[number % len(present)]
    cluster.theirs(
        *facts.HELM_RELEASE.group_kind, "mine", home, body={"spec": source}, finalizers=[facts.FLUX_FINALIZER]
    )
    cluster.doubts.append(f"a HelmRelease of theirs in {home}")


def their_source(cluster: Cluster, number: int) -> None:
    kind = facts.FLUX_KINDS[1 + number % 5]
    if kind.crd in cluster.defines:
        cluster.theirs(*kind.group_kind, "mine", "shop")
        cluster.doubts.append(f"a {kind.kind} of theirs")


def their_flux_controller(cluster: Cluster, number: int) -> None:
    name = ("kustomize-controller", "notification-controller", "flux-operator")[number % 3]
    home = "flux-system" if number % 2 and cluster.find("", "Namespace", "flux-system") else "tools"
    cluster.theirs("apps", "Deployment", name, home)
    cluster.doubts.append(f"{name} runs")


def their_kustomization(cluster: Cluster, number: int) -> None:
    kind = (facts.FLUX_OTHER_KINDS[3], facts.FLUX_INSTANCE)[number % 2]
    cluster.theirs(*DEFINITION, kind.crd)
    cluster.defines[kind.crd] = kind.group_kind
    cluster.theirs(*kind.group_kind, "mine", "shop")
    cluster.doubts.append(f"a {kind.kind}")


def their_flux_manager(cluster: Cluster, number: int) -> None:
    found = _some([f for f in cluster.flux() if f.ref.kind not in ("Namespace", "ServiceAccount")], number)
    if found is not None:
        theirs = ("kubectl-client-side-apply", "flux", "kustomize-controller", "argocd-controller", "helm")[number % 5]
        both = (facts.FIELD_MANAGER, theirs) if number % 3 else (theirs,)
        cluster.change(found, managers=both)
        cluster.doubts.append(f"{theirs} applied {found.ref.display}")


def their_mark_on_flux(cluster: Cluster, number: int) -> None:
    found = _some(cluster.flux(), number)
    if found is None:
        return
    labels = [
        {facts.ARGOCD_INSTANCE_LABEL: "root"},
        {facts.FLUX_KUSTOMIZATION_LABEL: "flux-system", facts.FLUX_KUSTOMIZATION_NAMESPACE_LABEL: "flux-system"},
        {facts.PART_OF_LABEL: "flux"},
        {"fluxcd.controlplane.io/name": "flux"},
    ]
    annotations = [{facts.HELM_RELEASE_NAME_ANNOTATION: "flux2"}, {facts.ARGOCD_TRACKING_ANNOTATION: "root:apps/x"}]
    marks = [*({"labels": one} for one in labels), *({"annotations": one} for one in annotations)]
    cluster.change(found, **marks[number % len(marks)])
    cluster.doubts.append(f"marks of others on {found.ref.display}")


def another_flux_version(cluster: Cluster, number: int) -> None:
    name = facts.FLUX_DEPLOYMENTS[number % 2]
    found = cluster.find("apps", "Deployment", name, facts.FLUX_NAMESPACE)
    if found is not None:
        cluster.change(found, body=_deployment(name, [("manager", f"ghcr.io/fluxcd/{name}:v1.9.{number % 3}")]))
        cluster.doubts.append(f"another version of {name}")


def their_binding(cluster: Cluster, number: int) -> None:
    """Somebody grants a ClusterRole that may go: a package's, a chart's, Flux's or Glasskube's."""
    roles = [found for found in cluster.of((RBAC, "ClusterRole")) if found.uid not in cluster.foreign]
    role = _some(roles, number)
    if role is None:
        return
    reference = {"apiGroup": RBAC, "kind": "ClusterRole", "name": role.ref.name}
    kind, home = (("RoleBinding", "shop"), ("ClusterRoleBinding", ""))[number % 2]
    found = cluster.theirs(
        RBAC,
        kind,
        f"grants-{role.ref.name}",
        home,
        body={"roleRef": reference, "subjects": [{"kind": "User", "name": "ann"}]},
    )
    if role in cluster.flux():
        cluster.doubts.append(f"they grant {role.ref.name}")
    else:
        cluster.needed.add(role.uid)
        _rely(cluster, role, found)


def their_subject(cluster: Cluster, number: int) -> None:
    found = cluster.find(RBAC, "ClusterRoleBinding", ("crd-controller", "cluster-reconciler")[number % 2])
    if found is not None:
        subjects = [*found.body["subjects"], {"kind": "ServiceAccount", "name": "deployer", "namespace": "shop"}]
        cluster.change(found, body={**found.body, "subjects": subjects})
        cluster.doubts.append(f"a subject of theirs in {found.ref.name}")


def their_instance(cluster: Cluster, number: int) -> None:
    """Of a CRD that a package brought."""
    names = sorted(name for name in cluster.defines if name.endswith(GADGET[0]))
    if names:
        name = names[number % len(names)]
        found = cluster.theirs(
            *cluster.defines[name], "mine", ["shop", *sorted(cluster.homes)][number % (1 + len(cluster.homes))]
        )
        definition = cluster.find(*DEFINITION, name)
        assert definition is not None
        _rely(cluster, definition, found)


def _rely(cluster: Cluster, brought: Found, user: Found) -> None:
    for package in cluster.packages:
        if brought.uid in cluster.brought_by(package.uid):
            cluster.relied_on.add((package.uid, user.uid))


def _at(*path: str) -> Callable[[str], dict[str, Any]]:
    """A body with a name there."""

    def body(name: str) -> dict[str, Any]:
        value: Any = name
        for key in reversed(path):
            value = {key: value}
        return dict(value)

    return body


BY_CHOICE: Sequence[tuple[tuple[str, str], tuple[str, str], Callable[[str], dict[str, Any]]]] = (
    (("networking.k8s.io", "IngressClass"), ("networking.k8s.io", "Ingress"), _at("spec", "ingressClassName")),
    (("gateway.networking.k8s.io", "GatewayClass"), GATEWAY, _at("spec", "gatewayClassName")),
    (("storage.k8s.io", "StorageClass"), ("", "PersistentVolumeClaim"), _at("spec", "storageClassName")),
    (("storage.k8s.io", "StorageClass"), ("", "PersistentVolume"), _at("spec", "storageClassName")),
    (("storage.k8s.io", "CSIDriver"), ("", "PersistentVolume"), _at("spec", "csi", "driver")),
    (("node.k8s.io", "RuntimeClass"), ("", "Pod"), _at("spec", "runtimeClassName")),
    (("scheduling.k8s.io", "PriorityClass"), ("", "Pod"), _at("spec", "priorityClassName")),
    (("apiregistration.k8s.io", "APIService"), ("autoscaling", "HorizontalPodAutoscaler"), lambda _: {}),
)
"""What a package may bring, and who relies on it, with the body that says so."""


def _choosing(cluster: Cluster, number: int, **more: Any) -> Found | None:
    """A package brings a class, a driver or an API, and an object relies on that."""
    package = _some(cluster.packages, number)
    if package is None:
        return None
    (group, kind), user, body = BY_CHOICE[number % len(BY_CHOICE)]
    name = f"v1beta1.{package.ref.name}.metrics.k8s.io" if kind == "APIService" else f"{package.ref.name}-class"
    brought = cluster.add(group, kind, name, owners=[package], body={"spec": {}})
    home = "" if user[1] == "PersistentVolume" else "shop"
    put, prefix = (cluster.add, "package-uses") if "owners" in more else (cluster.theirs, "uses")
    found = put(*user, f"{prefix}-{name}", home, body=body(name), **more)
    _rely(cluster, brought, found)
    return found


def their_choice(cluster: Cluster, number: int) -> None:
    """Somebody's Ingress, Gateway, volume, Pod or autoscaler relies on what a package brought."""
    _choosing(cluster, number)


def a_packages_choice(cluster: Cluster, number: int) -> None:
    """Likewise, of another package: it relies on the first only if it stays."""
    user = _some(cluster.packages, number + 1)
    if user is not None:
        _choosing(cluster, number, owners=[user])


def their_choice_where_users_are_forbidden(cluster: Cluster, number: int) -> None:
    """Likewise, and the kind can't be listed."""
    found = _choosing(cluster, number)
    if found is not None:
        cluster.hidden[found.ref.group_kind] = found.ref.kind.lower() + "s"
        cluster.doubts.append(f"{found.ref.kind}s can't be listed")


def a_packages_instance(cluster: Cluster, number: int) -> None:
    """A package brings an instance of a kind that another one brought, without requiring that."""
    names = sorted(name for name in cluster.defines if name.endswith(GADGET[0]))
    user = _some(cluster.packages, number)
    if names and user is not None:
        name = names[number % len(names)]
        definition = cluster.find(*DEFINITION, name)
        assert definition is not None
        _rely(cluster, definition, cluster.add(*cluster.defines[name], "of-package", "shop", owners=[user]))


def drawn_from(cluster: Cluster, number: int) -> None:
    """A HelmRelease of theirs draws from a package's source."""
    packages = {package.uid for package in cluster.packages}
    source = _some([f for f in cluster.of(facts.HELM_REPOSITORY.group_kind) if f.owned_by(packages)], number)
    if source is not None:
        named = {"kind": "HelmRepository", "name": source.ref.name, "namespace": source.ref.namespace}
        body = {"spec": {"chart": {"spec": {"chart": "x", "sourceRef": named}}}}
        found = cluster.theirs(
            *facts.HELM_RELEASE.group_kind,
            f"draws-{source.ref.name}",
            "shop",
            body=body,
            finalizers=[facts.FLUX_FINALIZER],
        )
        cluster.needed.add(source.uid)
        cluster.doubts.append("a HelmRelease of theirs draws from a package's source")
        _rely(cluster, source, found)


def their_converted_instance(cluster: Cluster, number: int) -> None:
    """Likewise, of a CRD whose versions a Service of a package converts."""
    their_instance(cluster, number)
    names = sorted(name for name in cluster.defines if name.endswith(GADGET[0]))
    package = _some(cluster.packages, number)
    if names and package is not None:
        home = package.ref.namespace or f"{package.ref.name}-home"
        cluster.add("", "Service", "convert", home, owners=[package])
        conversion = {"webhook": {"clientConfig": {"service": {"name": "convert", "namespace": home}}}}
        versions = [{"name": name, "served": True, "schema": name if number % 2 else "same"} for name in ("v1", "v2")]
        definition = cluster.find(*DEFINITION, names[number % len(names)])
        assert definition is not None
        cluster.change(definition, body={"spec": {"conversion": conversion, "versions": versions}})


def protected(cluster: Cluster, number: int) -> None:
    """Somebody put a keep annotation on what a package brought."""
    candidates = [f for f in _of_packages(cluster) if f.uid not in cluster.helm_keeps]
    found = _some(candidates, number)
    if found is not None:
        annotation, value = KEEP[number % len(KEEP)]
        cluster.change(found, annotations={**found.annotations, annotation: value})
        cluster.needed.add(found.uid)


def protected_by_helm(cluster: Cluster, number: int) -> None:
    """The chart itself says that Helm leaves it."""
    installed = sorted(uid for uids in cluster.charts.values() for uid in uids)
    found = _some([cluster.objects[uid] for uid in installed if cluster.objects[uid].ref.kind != "Secret"], number)
    if found is not None:
        cluster.change(found, annotations={**found.annotations, "helm.sh/resource-policy": "keep"})
        cluster.helm_keeps.add(found.uid)
        cluster.needed.add(found.uid)
        for release, uids in list(cluster.charts.items()):
            cluster.charts[release] = tuple(uid for uid in uids if uid != found.uid)
            if found.uid in uids:
                cluster.left.setdefault(release, set()).add(found.uid)


def protected_of_glasskube(cluster: Cluster, number: int) -> None:
    """Somebody put a keep annotation on what isn't a package's."""
    others = {one.uid for one in _of_packages(cluster)}
    found = _some([f for f in cluster.objects.values() if f.uid not in others], number)
    if found is not None:
        annotation, value = KEEP[number % len(KEEP)]
        cluster.change(found, annotations={**found.annotations, annotation: value})
        cluster.needed.add(found.uid)


def their_claim(cluster: Cluster, number: int) -> None:
    """An object of theirs names a package, or something of Flux that a package owns, as its owner."""
    flux = (facts.HELM_RELEASE, facts.HELM_REPOSITORY)
    packages = {package.uid for package in cluster.packages}
    of_flux = [found for found in cluster.of(*(kind.group_kind for kind in flux)) if found.owned_by(packages)]
    owner = _some([*cluster.packages, *of_flux], number)
    kinds: list[tuple[str, str]] = [("", "ConfigMap"), (RBAC, "Role")]
    kinds += [kind.group_kind for kind in flux if kind.crd in cluster.defines]
    if owner is not None:
        group, kind = kinds[number % len(kinds)]
        made = cluster.theirs(group, kind, "claims", ("shop", "kube-system")[number % 2], owners=[owner])
        if (group, kind) in facts.FLUX_GROUP_KINDS:
            cluster.doubts.append(f"{made.ref.display} is theirs")


def another_owner(cluster: Cluster, number: int) -> None:
    """Something of a package has a second owner, who stays."""
    packages = {package.uid for package in cluster.packages}
    found = _some([f for f in cluster.objects.values() if f.owned_by(packages)], number)
    if found is not None:
        theirs = cluster.theirs("example.com", "Tenant", "mine")
        cluster.change(found, owners=(*found.owners, Owner("example.com", "Tenant", "mine", theirs.uid)))
        cluster.foreign.add(found.uid)
        if found.ref.group_kind in {kind.group_kind for kind in facts.FLUX_KINDS}:
            cluster.doubts.append(f"{found.ref.display} is owned by somebody else, too")


def owners_in_two_stages(cluster: Cluster, number: int) -> None:
    """Something is owned by a package and by the operator, which goes later."""
    package = _some(cluster.packages, number)
    operator = cluster.find(RBAC, "ClusterRole", "glasskube-manager-role") or cluster.find(
        RBAC, "ClusterRole", "glasskube-proxy-role"
    )
    if package is not None and operator is not None:
        cluster.add("example.com", "Widget", "of-both", owners=[package, operator])


def owned_by_the_operator(cluster: Cluster, number: int) -> None:
    """Something protected is owned by what only a later stage deletes."""
    operator = _some(cluster.of((RBAC, "ClusterRole")), number)
    if operator is not None and operator.uid not in cluster.foreign:
        found = cluster.add("example.com", "Widget", "of-operator", owners=[operator])
        if number % 2:
            annotation, value = KEEP[number % len(KEEP)]
            cluster.change(found, annotations={annotation: value})
            cluster.needed.add(found.uid)


def system_namespace_owned(cluster: Cluster, number: int) -> None:
    package = _some(cluster.packages, number)
    found = cluster.find("", "Namespace", ("kube-system", "default", "kube-node-lease")[number % 3])
    if package is not None and found is not None:
        cluster.change(found, owners=(Owner(*package.ref.group_kind, package.ref.name, package.uid),))


def leftovers_of_a_package(cluster: Cluster, number: int) -> None:
    """What a package owned that is gone: the garbage collector hasn't come by yet."""
    cluster.add("", "Namespace", "gone-home")
    kind = facts.PACKAGE_KINDS[number % 2]
    found = cluster.add("", "ConfigMap", "of-a-gone-package", "gone-home")
    cluster.change(found, owners=(Owner(kind.group, kind.kind, "gone", "uid-gone"),))


def unreadable(cluster: Cluster, number: int) -> None:
    """A kind can't be listed, and nobody knows what there is of it."""
    kinds = [
        (*facts.PACKAGE.group_kind, facts.PACKAGE.crd),
        (*facts.CLUSTER_PACKAGE.group_kind, facts.CLUSTER_PACKAGE.crd),
        (*facts.HELM_RELEASE.group_kind, facts.HELM_RELEASE.crd),
        ("", "Namespace", "namespaces"),
        ("apps", "Deployment", "deployments.apps"),
        ("", "ConfigMap", "configmaps"),
        (RBAC, "ClusterRoleBinding", f"clusterrolebindings.{RBAC}"),
        (*DEFINITION, "customresourcedefinitions.apiextensions.k8s.io"),
        ("metrics.k8s.io", "PodMetrics", "pods.metrics.k8s.io"),
    ]
    kinds += [(*kind, name) for name, kind in sorted(cluster.defines.items()) if name.endswith(GADGET[0])]
    group, kind, name = kinds[number % len(kinds)]
    cluster.hidden[group, kind] = name
    cluster.doubts.append(f"{name} can't be listed")


def managed_by_argo(cluster: Cluster, number: int) -> None:
    found = _some([*cluster.packages, *cluster.of(("", "Namespace"))], number)
    if found is not None:
        if found in cluster.flux():
            cluster.doubts.append("Argo CD has flux-system")
        cluster.change(found, labels={**found.labels, facts.ARGOCD_INSTANCE_LABEL: "root"})


FEATURES: Mapping[str, Feature] = {
    one.__name__: one
    for one in (
        their_config_map,
        their_secret_where_secrets_are_forbidden,
        their_helm_release,
        their_source,
        their_flux_controller,
        their_kustomization,
        their_flux_manager,
        their_mark_on_flux,
        another_flux_version,
        their_binding,
        their_subject,
        their_instance,
        their_converted_instance,
        their_choice,
        a_packages_choice,
        their_choice_where_users_are_forbidden,
        a_packages_instance,
        drawn_from,
        protected,
        protected_by_helm,
        protected_of_glasskube,
        their_claim,
        another_owner,
        owners_in_two_stages,
        owned_by_the_operator,
        system_namespace_owned,
        leftovers_of_a_package,
        unreadable,
        managed_by_argo,
    )
}
ADDITIONS = (
    "their_config_map",
    "their_helm_release",
    "their_source",
    "their_flux_controller",
    "their_kustomization",
    "their_binding",
    "their_instance",
    "their_choice_where_users_are_forbidden",
    "drawn_from",
    "their_claim",
    "unreadable",
)
"""Features that only add what isn't Glasskube's, or hide something."""


# -- the strategies


@dataclass(frozen=True)
class Recipe:
    """What a cluster is made of: the same recipe makes the same cluster."""

    glasskube: str
    flux: str
    operator_runs: bool
    helm_runs: bool
    packages: tuple[tuple[bool, frozenset[str]], ...]
    requires: frozenset[tuple[int, int]]
    features: tuple[tuple[str, int], ...]


def made(recipe: Recipe) -> Cluster:
    """The cluster of a recipe."""
    cluster = Cluster()
    for name in ("default", "kube-system", "kube-node-lease", "shop"):
        cluster.theirs("", "Namespace", name, managers=["kubectl-create"])
    cluster.homes.add(facts.NAMESPACE)
    _glasskube(cluster, recipe.glasskube, recipe.operator_runs)
    if recipe.flux != "absent":
        _flux(cluster, recipe.flux, recipe.helm_runs)
    for number, (namespaced, parts) in enumerate(recipe.packages):
        _package(cluster, number, namespaced, parts)
    for one, other in recipe.requires:
        if max(one, other) < len(cluster.packages) and one != other:
            _require(cluster, cluster.packages[one], cluster.packages[other])
    for name, number in recipe.features:
        FEATURES[name](cluster, number)
    cluster.features = tuple(name for name, _ in recipe.features)
    return cluster


def installed(*parts: str, packages: int = 0, glasskube: str = "whole") -> Cluster:
    """v0.26.1 with Flux and packages that have these parts."""
    return made(Recipe(glasskube, "whole", True, True, ((False, frozenset(parts)),) * packages, frozenset(), ()))


def _require(cluster: Cluster, package: Found, needed: Found) -> None:
    cluster.requires.add((package.uid, needed.uid))
    now = cluster.objects[package.uid]
    owned = [*(now.get("status", "ownedPackages") or ()), {"name": needed.ref.name, "namespace": needed.ref.namespace}]
    cluster.change(now, body={**now.body, "status": {**now.body["status"], "ownedPackages": owned}})


def recipes(max_features: int = 3) -> st.SearchStrategy[Recipe]:
    """All kinds of clusters."""
    number = st.integers(0, 59)
    package = st.tuples(st.booleans(), st.frozensets(st.sampled_from(PARTS)))
    return st.builds(
        Recipe,
        glasskube=st.sampled_from(["whole", "whole", "no operator", "definitions"]),
        flux=st.sampled_from(["whole", "whole", "whole", "definitions", "absent"]),
        operator_runs=st.booleans(),
        helm_runs=st.sampled_from([True, True, False]),
        packages=st.lists(package, max_size=4).map(tuple),
        requires=st.frozensets(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=5),
        features=st.lists(st.tuples(st.sampled_from(sorted(FEATURES)), number), max_size=max_features).map(tuple),
    )


def chosen(cluster: Cluster, options: Options) -> Options:
    """The options with the names of the packages to keep, which are drawn by number."""
    names = [package_name(package.ref) for package in cluster.packages]
    return replace(options, keep=tuple(names[int(one) % len(names)] for one in options.keep if names))


USES = (
    "their_binding",
    "their_instance",
    "their_converted_instance",
    "their_choice",
    "a_packages_choice",
    "their_choice_where_users_are_forbidden",
    "a_packages_instance",
    "drawn_from",
)
"""Features that make use of a package."""


def shared() -> st.SearchStrategy[Recipe]:
    """Clusters with several packages, of which others, or one another, make use."""
    some = st.frozensets(st.sampled_from([part for part in PARTS if "suspended" not in part]), min_size=1)
    pair = st.tuples(st.integers(0, 3), st.integers(0, 3))
    return st.builds(
        Recipe,
        glasskube=st.just("whole"),
        flux=st.just("whole"),
        operator_runs=st.booleans(),
        helm_runs=st.sampled_from([True, True, True, False]),
        packages=st.lists(st.tuples(st.booleans(), some), min_size=2, max_size=4).map(tuple),
        requires=st.frozensets(pair, max_size=3),
        features=st.lists(st.tuples(st.sampled_from(USES), st.integers(0, 59)), max_size=3).map(tuple),
    )


def options() -> st.SearchStrategy[Options]:
    """Every consent and choice; `keep` has numbers."""
    rarely = st.sampled_from([False, False, True])
    none: st.SearchStrategy[dict[str, Any]] = st.just({})
    keep = st.fixed_dictionaries(
        {
            "keep": st.sampled_from([("0",), ("1",), ("0", "2"), ("1", "2")]),
            "hand_over": st.sampled_from(["", "flux", "helm"]),
            "delete_in_use": st.booleans(),
        }
    )
    by_use = st.fixed_dictionaries({"keep_in_use": st.sampled_from(["auto", "flux", "helm"])})
    everything = st.fixed_dictionaries({"keep_packages": st.sampled_from(["auto", "flux", "helm"])})
    packages = st.one_of(none, st.just({"delete_in_use": True}), keep, by_use, everything)
    homes = [(), (), (facts.NAMESPACE,), (facts.NAMESPACE, "pkg0-home"), ("pkg1-home",)]
    return st.builds(
        lambda packages, **others: Options(**packages, **others),
        packages,
        flux=st.sampled_from(["auto", "auto", "keep", "delete"]),
        delete_shared_flux=rarely,
        include_foreign=st.sampled_from(homes),
        ignore_gitops=st.booleans(),
        ignore_busy=st.booleans(),
        force_finalizers=st.sampled_from([(), (), (GONE,), (facts.FLUX_FINALIZER,)]),
        delete_crds=rarely,
    )


def additions() -> st.SearchStrategy[tuple[str, int]]:
    """One more thing of somebody else's, or one kind less that can be read."""
    return st.tuples(st.sampled_from(ADDITIONS), st.integers(0, 59))
