"""What others need stays, on a real control plane."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.cluster.controlplane import ControlPlane
from tests.cluster.dump import Dump, dump
from tests.cluster.faults import faults
from tests.cluster.install import WantedPackage
from tests.cluster.plugin import purge
from tests.cluster.test_crash import PURGE
from tests.cluster.test_purge import report

from . import install


def helm_release(name: str, namespace: str) -> dict[str, Any]:
    """A HelmRelease as a user writes it; suspended, so that nothing has to be fetched."""
    source = {"kind": "HelmRepository", "name": name}
    return {
        "apiVersion": "helm.toolkit.fluxcd.io/v2",
        "kind": "HelmRelease",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"interval": "1h", "suspend": True, "chart": {"spec": {"chart": name, "sourceRef": source}}},
    }


def test_what_users_put_into_a_packages_namespace_stays_with_the_namespace_and_flux(cluster: ControlPlane) -> None:
    install.install(cluster)
    install.install_packages(cluster, install.TEN_PACKAGES[:1])  # dashboard, in a namespace of its own
    cluster.kubectl("create", "configmap", "-n", "dashboard", "mine", "--from-literal=a=b")
    cluster.api.create(helm_release("mine", "dashboard"))
    before = dump(cluster)

    result = purge(cluster, *PURGE)

    document = report(result)
    assert result.returncode == 0, result
    assert document["flux"]["decision"] == "keep"
    after = dump(cluster)
    assert after["ConfigMap dashboard/mine"] == before["ConfigMap dashboard/mine"]
    release = "HelmRelease.helm.toolkit.fluxcd.io dashboard/mine"
    assert after[release]["metadata"]["uid"] == before[release]["metadata"]["uid"]
    assert "deletionTimestamp" not in after[release]["metadata"]
    namespace = after["Namespace dashboard"]["metadata"]
    assert namespace["uid"] == before["Namespace dashboard"]["metadata"]["uid"]
    assert "ownerReferences" not in namespace
    assert "Deployment.apps dashboard/dashboard" not in after
    assert not [name for name in after if "packages.glasskube.dev" in name]
    kept = {(one["kind"], one["name"]) for one in document["kept"]}
    assert ("Namespace", "dashboard") in kept


def test_what_users_put_into_a_namespace_that_a_package_owns_indirectly_is_kept(cluster: ControlPlane) -> None:
    """A tenant, for which a ClusterRole stands here, owns namespaces: only content shows whose they are."""
    install.install(cluster)
    install.install_packages(cluster, install.TEN_PACKAGES[:1])
    home = cluster.api.get("v1", "Namespace", "dashboard")
    tenant = cluster.api.create(
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": "team-a", "ownerReferences": [owner_of(home)]},
        }
    )
    for name in ("team-a-prod", "team-a-empty"):
        metadata = {"name": name, "ownerReferences": [owner_of(tenant)]}
        cluster.api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    cluster.api.create(config_map("mine", "team-a-prod"))

    consented = report(purge(cluster, "--offline", "--dry-run", "--include-foreign=team-a-prod", "-o", "json"))
    shown = {(one["kind"], one["name"]) for stage in consented["stages"] for one in stage["objects"]}
    assert {("ConfigMap", "mine"), ("Namespace", "team-a-prod"), ("Namespace", "team-a-empty")} <= shown

    result = purge(cluster, *PURGE)

    assert result.returncode == 0, result
    after = dump(cluster)
    assert "ConfigMap team-a-prod/mine" in after
    assert "ownerReferences" not in after["Namespace team-a-prod"]["metadata"]
    assert "Namespace team-a-empty" not in after
    assert ("Namespace", "team-a-prod") in {(one["kind"], one["name"]) for one in report(result)["kept"]}


def owner_of(owner: Any) -> dict[str, str]:
    metadata = owner["metadata"]
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": metadata["name"],
        "uid": metadata["uid"],
    }


def test_a_system_namespace_stays_whoever_claims_to_own_it(cluster: ControlPlane) -> None:
    install.install(cluster)
    install.install_packages(cluster, install.TEN_PACKAGES[:1])
    owner = cluster.api.get(install.GROUP, "ClusterPackage", "dashboard")
    assert owner is not None
    reference = {
        "apiVersion": install.GROUP,
        "kind": "ClusterPackage",
        "name": "dashboard",
        "uid": owner["metadata"]["uid"],
    }
    node_leases = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kube-node-lease"}}
    cluster.api.patch(node_leases, {"metadata": {"ownerReferences": [reference]}})

    result = purge(cluster, *PURGE)

    assert result.returncode == 0, result
    found = cluster.api.get("v1", "Namespace", "kube-node-lease")
    assert found is not None
    assert "deletionTimestamp" not in found["metadata"]
    assert "ownerReferences" not in found["metadata"]


RBAC = "rbac.authorization.k8s.io"
AMONG_OTHERS = (
    install.WantedPackage("ClusterPackage", "dashboard"),
    install.WantedPackage("ClusterPackage", "certs"),
    install.WantedPackage("Package", "orders", "shop", package="postgres"),
)
"""A plain one with a ClusterRole, one with a CRD, and a chart in a user's namespace."""


def binding(kind: str, name: str, role: str, namespace: str = "") -> dict[str, Any]:
    """A binding by which a user grants a ClusterRole to a group."""
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": kind,
        "metadata": {"name": name, **({"namespace": namespace} if namespace else {})},
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": RBAC, "kind": "Group", "name": "auditors"}],
    }


def config_map(name: str, namespace: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace},
        "data": {"a": "b"},
    }


def but_for_its_owner(item: dict[str, Any]) -> dict[str, Any]:
    """An object without what detaching takes off it, and without what the API server counts along."""
    taken = ("ownerReferences", "resourceVersion", "managedFields")
    metadata = {key: value for key, value in item["metadata"].items() if key not in taken}
    labels = dict(metadata.pop("labels", {}))
    labels.pop("app.kubernetes.io/managed-by", None)
    return {
        **{key: value for key, value in item.items() if key != "status"},
        "metadata": {**metadata, "labels": labels},
    }


def of_flux(dumped: Dump) -> Dump:
    """Everything in Flux's namespace, its CRDs, its roles and their bindings."""
    names = ("crd-controller", "cluster-reconciler", "flux-view", "flux-edit", "flux-system")
    return {
        name: item
        for name, item in dumped.items()
        if " flux-system/" in name or name.endswith((".toolkit.fluxcd.io", *(f" {one}" for one in names)))
    }


def assert_same_flux(before: Dump, after: Dump) -> None:
    was, now = of_flux(before), of_flux(after)
    assert len(was) > 20
    assert {name: but_for_its_owner(item) for name, item in now.items()} == {
        name: but_for_its_owner(item) for name, item in was.items()
    }


def test_what_others_need_stays_as_it_is_however_it_came_there(cluster: ControlPlane) -> None:
    bystanders = install.installed(cluster, packages=AMONG_OTHERS, among_others=True)
    theirs = [
        config_map("mine", "dashboard"),
        config_map("mine", "glasskube-system"),
        {
            "apiVersion": "certs.example.com/v1",
            "kind": "Certificate",
            "metadata": {"name": "mine", "namespace": "shop"},
            "spec": {},
        },
        binding("ClusterRoleBinding", "of-a-package", "dashboard"),
        binding("ClusterRoleBinding", "of-glasskube", "glasskube-metrics-reader"),
        binding("RoleBinding", "of-flux", "flux-view", "shop"),
    ]
    install.apply(cluster, theirs, manager="kubectl")
    secrets = [name for name in dump(cluster) if name.startswith("Secret shop/") and "helm.release" not in name]
    (secret,) = [name for name in secrets if name not in bystanders]
    cluster.kubectl("annotate", "-n", "shop", "secret", secret.rpartition("/")[2], "helm.sh/resource-policy=keep")
    before = dump(cluster)

    result = purge(cluster, *PURGE, "--delete-in-use")

    document = report(result)
    assert result.returncode == 0, document["leftovers"]
    after = dump(cluster)
    for name in bystanders.keys() | {
        "ConfigMap dashboard/mine",
        "ConfigMap glasskube-system/mine",
        "Certificate.certs.example.com shop/mine",
        f"ClusterRoleBinding.{RBAC} of-a-package",
        f"ClusterRoleBinding.{RBAC} of-glasskube",
        f"RoleBinding.{RBAC} shop/of-flux",
    }:
        if not name.endswith((" admin", " edit", " view")):
            assert after.get(name) == before[name], name
    release = next(name for name in before if name.startswith("HelmRelease") and " shop/" in name)
    detached = {
        "Namespace dashboard": "holds what no package owns (--include-foreign=dashboard): configmap/mine -n dashboard",
        "Namespace glasskube-system": "holds what isn't Glasskube's: configmap/mine",
        "CustomResourceDefinition.apiextensions.k8s.io certificates.certs.example.com": "has instances",
        f"ClusterRole.{RBAC} dashboard": "granted by bindings of others: clusterrolebinding",
        f"ClusterRole.{RBAC} glasskube-metrics-reader": "granted by bindings of others: clusterrolebinding",
        secret: "protected by its annotation helm.sh/resource-policy: keep",
        release: "holds secret",
    }
    kept = {(one["kind"], one["name"]): one["why"] for one in document["kept"]}
    notes = ("glasskube-purge/",)
    for name, why in detached.items():
        was, now = but_for_its_owner(before[name]), but_for_its_owner(after[name])
        annotations = now["metadata"].get("annotations", {})
        noted = {key: value for key, value in annotations.items() if key.startswith(notes)}
        if noted:
            assert name == "Namespace glasskube-system"
            now["metadata"]["annotations"] = {key: annotations[key] for key in annotations if key not in noted}
        assert now == was, name
        assert why in kept[before[name]["kind"], before[name]["metadata"]["name"]]
        owners = after[name]["metadata"].get("ownerReferences", [])
        assert not [one for one in owners if one["apiVersion"].startswith("packages.glasskube.dev")], name
    assert document["flux"]["decision"] == "keep"
    assert any("flux-view" in text and "rolebinding" in text for text in document["flux"]["evidence"])
    assert_same_flux(before, after)
    # The chart goes on under Flux, and all else that was Glasskube's is gone.
    (runs,) = [name for name in before if name.startswith("StatefulSet.apps shop/")]
    assert after[runs] == before[runs]
    assert "Deployment.apps dashboard/dashboard" not in after
    assert "Deployment.apps certs/certs" not in after
    assert "Namespace certs" not in after
    assert not [name for name in after if "packages.glasskube.dev" in name or "glasskube-controller" in name]


def test_flux_is_judged_anew_by_every_run(cluster: ControlPlane, assert_clean: Callable[..., None]) -> None:
    """Kept by who can't see all of it, taken from nobody who began to use it meanwhile, and gone when it is free."""
    before = install.installed(cluster)
    installed = dump(cluster)

    with faults(cluster, unreadable=("/buckets",)) as proxy:
        limited = purge(
            cluster, "--offline", "--yes", "--no-backup", "-o", "json", env={"KUBECONFIG": str(proxy.kubeconfig)}
        )

    assert limited.returncode == 5, limited
    assert report(limited)["flux"]["decision"] == "keep"
    assert any("buckets.source.toolkit.fluxcd.io" in text for text in limited.document["flux"]["evidence"])
    assert limited.document["error"]["code"] == "unreadable"
    assert_same_flux(installed, dump(cluster))
    assert cluster.api.get("apps/v1", "Deployment", "glasskube-controller-manager", "glasskube-system") is None

    found = purge(cluster, "verify", "-o", "json")
    assert found.returncode == 5, found
    left = {(one["kind"], one["name"]) for one in report(found)["leftovers"]}
    assert {("Namespace", "flux-system"), ("Deployment", "helm-controller"), ("Namespace", "glasskube-system")} <= left

    install.ensure_namespace(cluster, "team")
    with faults(cluster) as proxy:
        proxy.after_change(1, lambda: cluster.api.create(helm_release("mine", "team")) and None, last=False)
        stopped = purge(cluster, *PURGE, env={"KUBECONFIG": str(proxy.kubeconfig)})

    assert stopped.returncode == 5, stopped
    assert report(stopped)["error"]["code"] == "flux-in-use"
    assert "helmrelease.helm.toolkit.fluxcd.io/mine -n team" in stopped.document["error"]["message"]
    after = dump(cluster)
    flux_system = after["Namespace flux-system"]["metadata"]
    flux_system["annotations"] = {
        key: value
        for key, value in flux_system.get("annotations", {}).items()
        if not key.startswith("glasskube-purge/")
    }
    if not flux_system["annotations"]:
        del flux_system["annotations"]
    assert_same_flux(installed, after)
    assert "deletionTimestamp" not in after["HelmRelease.helm.toolkit.fluxcd.io team/mine"]["metadata"]
    assert cluster.api.get("v1", "Namespace", "glasskube-system") is None

    free = purge(cluster, "verify", "-o", "json")
    assert free.returncode == 0, free  # what somebody uses is no leftover
    cluster.kubectl("delete", "helmrelease", "-n", "team", "mine")
    cluster.kubectl("delete", "namespace", "team")

    last = purge(cluster, *PURGE)
    assert last.returncode == 0, last
    assert report(last)["flux"]["decision"] == "delete"
    assert_clean(cluster, before)


def test_what_came_into_glasskubes_namespace_meanwhile_is_not_taken_along(
    cluster: ControlPlane, assert_clean: Callable[..., None]
) -> None:
    """Nor if its owner is cluster-wide, and so nothing that the second look at the namespace has seen."""
    before = install.installed(cluster, packages=(WantedPackage("ClusterPackage", "dashboard"),))
    cluster.kubectl("create", "clusterrole", "theirs", "--verb=get", "--resource=pods")
    role = cluster.api.get("rbac.authorization.k8s.io/v1", "ClusterRole", "theirs")
    assert role is not None
    owner = {key: role[key] for key in ("apiVersion", "kind")} | {key: role["metadata"][key] for key in ("name", "uid")}
    mine = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "mine", "namespace": install.NAMESPACE, "ownerReferences": [owner]},
    }

    # In a package's namespace, which goes because its package does.
    with faults(cluster) as proxy:
        proxy.after_change(1, lambda: cluster.api.create(config_map("late", "dashboard")) and None, last=False)
        halted = purge(cluster, *PURGE, env={"KUBECONFIG": str(proxy.kubeconfig)})
    assert halted.returncode == 5, halted
    assert report(halted)["error"]["code"] == "appeared-meanwhile"
    assert "namespace/dashboard" in halted.document["error"]["message"]
    home = cluster.api.get("v1", "Namespace", "dashboard")
    assert home is not None
    assert "deletionTimestamp" not in home["metadata"]
    cluster.api.delete(config_map("late", "dashboard"))

    with faults(cluster) as proxy:
        proxy.after_change(1, lambda: cluster.api.create(mine) and None, last=False)
        stopped = purge(cluster, *PURGE, env={"KUBECONFIG": str(proxy.kubeconfig)})

    assert stopped.returncode == 5, stopped
    assert report(stopped)["error"]["code"] == "appeared-meanwhile"
    assert "configmap/mine" in stopped.document["error"]["message"]

    again = purge(cluster, *PURGE)
    assert again.returncode == 0, again
    kept = {(one["kind"], one["name"]) for one in report(again)["kept"]}
    assert {("ConfigMap", "mine"), ("Namespace", install.NAMESPACE)} <= kept
    found = purge(cluster, "verify", "-o", "json")
    assert found.returncode == 5, found
    (left,) = report(found)["leftovers"]
    assert (left["kind"], left["name"]) == ("Namespace", install.NAMESPACE)
    assert "configmap/mine" in left["why"]
    there = cluster.api.get("v1", "ConfigMap", "mine", install.NAMESPACE)
    assert there is not None
    assert "deletionTimestamp" not in there["metadata"]

    cluster.kubectl("delete", "clusterrole", "theirs")
    cluster.wait(
        "the ConfigMap to follow its owner",
        lambda: True if not cluster.api.get("v1", "ConfigMap", "mine", install.NAMESPACE) else None,
    )
    last = purge(cluster, *PURGE)
    assert last.returncode == 0, last
    assert_clean(cluster, before)
