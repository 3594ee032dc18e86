"""A tenant who may edit one namespace, and write packages and HelmReleases, costs others nothing and forges no line."""

from __future__ import annotations

import base64
import gzip
import json
import re
from typing import Any

from tests.cluster.api import Object
from tests.cluster.controlplane import ControlPlane
from tests.cluster.dump import dump
from tests.cluster.install import WantedPackage
from tests.cluster.plugin import Result, purge
from tests.cluster.test_guard import helm_release, owner_of
from tests.cluster.test_preflight import grant

from . import install

CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
"""What a terminal obeys, or what hides or turns text around; a newline is none of it."""
HOSTILE = "\x1b[2J\x9b31mred\u202egnp\r\nWarning: forged line"
"""Clears the screen, colours it, turns text around, and begins a line of its own."""


def named(api_version: str, kind: str, name: str, namespace: str = "", **metadata: Any) -> Object:
    where = {"namespace": namespace} if namespace else {}
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, **where, **metadata}}


def release_secret(name: str, namespace: str, manifest: str) -> Object:
    """What Helm stores of a release."""
    packed = base64.b64encode(gzip.compress(json.dumps({"manifest": manifest}).encode()))
    labels = {"owner": "helm", "name": name, "version": "1"}
    secret = named("v1", "Secret", f"sh.helm.release.v1.{name}.v1", namespace, labels=labels)
    return {**secret, "type": "helm.sh/release.v1", "data": {"release": base64.b64encode(packed).decode()}}


def marks(name: str, namespace: str) -> dict[str, str]:
    return {"meta.helm.sh/release-name": name, "meta.helm.sh/release-namespace": namespace}


def victims() -> list[Object]:
    """Somebody else's Helm release, with an object in every namespace."""
    of_it = {"annotations": marks("cilium", "kube-system")}
    role = {**named("rbac.authorization.k8s.io/v1", "ClusterRole", "cilium", **of_it), "rules": []}
    config = named("v1", "ConfigMap", "cilium", "kube-system", **of_it)
    manifest = "".join(f"---\n{json.dumps(one)}\n" for one in (role, config))
    return [role, config, release_secret("cilium", "kube-system", manifest)]


def forged(package: Object) -> list[Object]:
    """What the tenant writes: a claim to that release, releases that exhaust a reader, text that a terminal obeys."""
    owner = owner_of(package)
    claims = {"ownerReferences": [owner], "labels": {"app.kubernetes.io/managed-by": "glasskube"}}
    helm = helm_release("forged", "tenant")
    helm["metadata"] |= claims
    helm["spec"] |= {"suspend": False, "targetNamespace": "kube-system", "releaseName": "cilium"}
    levels = [f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}]}}" for n in range(1, 24)]
    manifests = {
        "merge": "\n".join(["a0: &a0 {k: v}", *levels]),
        "list": "a: [" + "a," * 1_000_000 + "a]",
        "objects": "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\n---\n" * 9_900,
    }
    written = [helm]
    for name, manifest in manifests.items():
        kept = {**marks(name, "tenant"), "helm.sh/resource-policy": "keep"}
        written += [
            release_secret(name, "tenant", manifest),
            named("v1", "ConfigMap", name, "tenant", annotations=kept),
            helm_release(name, "tenant"),
        ]
    text = {"helm.sh/resource-policy": "keep", "example.com/text": HOSTILE}
    claim = named("v1", "ConfigMap", "claim", "tenant", finalizers=["example.com/hold"], **claims)
    forged = named("v1", "ConfigMap", "glasskube-forged", "tenant", annotations=text, labels=claims["labels"])
    return [*written, claim, forged]


def warned(result: Result, code: str) -> str:
    return "".join(one["message"] for one in json.loads(result.stdout)["warnings"] if one["code"] == code)


def assert_nothing_obeyed(result: Result) -> None:
    for text in (result.stdout, result.stderr):
        assert not CONTROL.search(text), CONTROL.search(text)
        assert not re.search("^Warning: forged", text, re.MULTILINE)


def test_a_tenant_costs_others_nothing_and_controls_no_screen(cluster: ControlPlane) -> None:
    install.installed(cluster, packages=(WantedPackage("ClusterPackage", "dashboard"),))
    for one in victims():
        cluster.api.create(one)
    cluster.kubectl("create", "namespace", "tenant")
    cluster.kubectl("create", "rolebinding", "tenant", "-n", "tenant", "--clusterrole=edit", "--user=tenant")
    groups = ["packages.glasskube.dev", "helm.toolkit.fluxcd.io"]
    grant(cluster, "tenant", [{"apiGroups": groups, "resources": ["*"], "verbs": ["*"]}])
    package = cluster.api.get(install.GROUP, "ClusterPackage", "dashboard")
    assert package is not None
    for one in forged(package):
        text = json.dumps(one)
        cluster.kubectl("create", "--field-manager=package-operator", "-f", "-", input=text, user="tenant")
    condition = {"type": "Failed", "status": "True", "reason": "Hostile", "message": HOSTILE * 400}
    stamp = {"lastTransitionTime": "2026-11-25T00:00:00Z"}
    cluster.api.patch(package, {"status": {"conditions": [{**condition, **stamp}]}}, subresource="status")
    others = {key: item for key, item in dump(cluster).items() if "cilium" in key or key == "Namespace tenant"}
    assert len(others) == 4

    for command, code in (
        (("--dry-run", "--offline", "--ignore-busy"), 0),
        (("--dry-run", "--offline", "--ignore-busy", "-o", "wide"), 0),
        (("--dry-run", "--offline", "--ignore-busy", "-o", "json"), 0),
        (("verify",), 5),
        (("verify", "-o", "name"), 5),
        (("version",), 0),
        (("label", "--dry-run"), 0),
        (("explain", "configmap/glasskube-forged", "-n", "tenant"), 0),
        (("--offline", "--yes", "--ignore-busy"), 0),
    ):
        result = purge(cluster, *command)
        assert result.returncode == code, result
        assert_nothing_obeyed(result)
        assert "json" not in command or "configmap/claim -n tenant" in warned(result, "foreign-claim")
        assert {key: item for key, item in dump(cluster).items() if key in others} == others, command

    left = purge(cluster, "verify", "-o", "json")
    assert left.returncode == 0, "a label alone is no leftover"
    assert cluster.api.get("v1", "ConfigMap", "glasskube-forged", "tenant") is not None
    claim = cluster.api.get("v1", "ConfigMap", "claim", "tenant")
    assert claim is not None
    assert not {"deletionTimestamp", "ownerReferences"} & claim["metadata"].keys()
