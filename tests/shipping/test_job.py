"""The purge as a Job: it can do its work with the rights it is given, and needs every one of them."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from kubectl_glasskube_purge import __version__
from kubectl_glasskube_purge.glasskube import facts, inventory
from kubectl_glasskube_purge.kube.objects import Ref
from kubectl_glasskube_purge.purge.judge.foreign import MADE_BY_FLUX, MADE_BY_OPERATOR
from scripts import generate_role
from tests.cluster import install
from tests.cluster.controlplane import ControlPlane
from tests.cluster.dump import dump
from tests.cluster.plugin import Result, purge

ROOT = Path(__file__).parents[2]
JOB = ROOT / "deploy" / "job.yaml"
ACCOUNT = "system:serviceaccount:purge-glasskube:purge-glasskube"

OUTLIVES = ("PersistentVolumeClaim shop/data-*", "PersistentVolume pvc-*")

Right = tuple[str, str, str]
"""Verb, group and resource."""


def documents() -> dict[str, dict[str, Any]]:
    return {one["kind"]: one for one in yaml.safe_load_all(JOB.read_text("utf-8"))}


def container() -> dict[str, Any]:
    (only,) = documents()["Job"]["spec"]["template"]["spec"]["containers"]
    return dict(only)


def granted() -> list[Mapping[str, Any]]:
    role = yaml.safe_load(generate_role.ROLE.read_text("utf-8"))
    return list(role["rules"])


def rights(rules: Sequence[Mapping[str, Any]]) -> set[Right]:
    return {right for rule in rules for right in itertools.product(rule["verbs"], rule["apiGroups"], rule["resources"])}


# -- on paper


def test_the_roles_are_what_the_plan_asks_for() -> None:
    for path, text in generate_role.generate().items():
        assert path.read_text("utf-8") == text


def test_a_changed_role_is_noticed() -> None:
    command = [sys.executable, ROOT / "scripts" / "generate_role.py", "--check"]
    assert subprocess.run(command, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, check=False).returncode == 0


def test_changing_is_granted_by_name_and_of_glasskubes_own_kinds_as_a_whole() -> None:
    reading, *changing = granted()
    assert reading["verbs"] == ["get", "list", "watch"]
    assert not [right for right in rights(changing) if "*" in right]
    assert {verb for verb, _, _ in rights(changing)} == {"delete", "patch"}
    known = {ref.name for ref in (*inventory.every_object(), *MADE_BY_OPERATOR, *MADE_BY_FLUX)}
    for rule in changing:
        if rule["apiGroups"] not in ([facts.GROUP], [facts.HELM_GROUP]):
            assert set(rule["resourceNames"]) <= known


@pytest.mark.parametrize(
    ("kind", "plural"),
    [("NetworkPolicy", "networkpolicies"), ("Ingress", "ingresses"), ("ResourceQuota", "resourcequotas")],
)
def test_kinds_have_kubernetes_plurals(kind: str, plural: str) -> None:
    assert generate_role.resource(("", kind)) == plural


def test_the_job_runs_this_version_of_the_image_that_the_dockerfile_makes() -> None:
    name = f"kubectl-glasskube-purge:{__version__}"
    assert container()["image"] == name
    dockerfile = (ROOT / "Dockerfile").read_text("utf-8")
    assert name in dockerfile
    assert 'ENTRYPOINT ["kubectl-glasskube-purge"]' in dockerfile
    assert "USER 65532:65532" in dockerfile
    assert documents()["Job"]["spec"]["template"]["spec"]["securityContext"]["runAsUser"] == 65532


def test_the_image_is_made_of_what_is_in_the_repository_and_locked() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text("utf-8").replace("\\\n", " ")
    ignore = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    for line in dockerfile.splitlines():
        words = line.split()
        if words[:1] == ["COPY"] and not words[1].startswith("--from"):
            for source in words[1:-1]:
                assert (ROOT / source).exists(), source
                assert f"!{source}" in ignore, source
        for command in re.split(r"&&|^RUN", line):
            if re.search(r"/pip .*?(install|wheel)\b", command):
                assert "--require-hashes" in command or "--no-index" in command, command
                assert "--no-index" not in command or "--no-deps" in command, command


def test_nothing_that_the_job_makes_looks_like_glasskubes() -> None:
    for one in documents().values():
        assert not Ref.of(one).name.startswith("glasskube")


# -- on the real control plane


@pytest.fixture
def applied(cluster: ControlPlane) -> ControlPlane:
    """A cluster with all of `deploy/` but the Job itself."""
    cluster.kubectl("apply", "-f", str(generate_role.ROLE))
    without = [one for kind, one in documents().items() if kind != "Job"]
    cluster.kubectl("apply", "--validate=strict", "-f", "-", input=yaml.safe_dump_all(without))
    return cluster


def run_as_the_job(cluster: ControlPlane, *words: str) -> Result:
    """The Job's command with the Job's rights, on this machine."""
    token = cluster.kubectl("create", "token", "-n", "purge-glasskube", "purge-glasskube").stdout.strip()
    kubeconfig = cluster.write_kubeconfig(ACCOUNT, {"token": token})
    return purge(cluster, *container()["args"], *words, env={"KUBECONFIG": str(kubeconfig)})


def test_the_api_server_takes_the_job_and_its_pod(applied: ControlPlane) -> None:
    job = yaml.safe_dump(documents()["Job"])
    applied.kubectl("apply", "--dry-run=server", "--validate=strict", "-f", "-", input=job)
    template = documents()["Job"]["spec"]["template"]
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "purge-glasskube"}}
    answer = applied.kubectl("create", "--dry-run=server", "-f", "-", input=yaml.safe_dump({**pod, **template}))
    assert "would violate PodSecurity" not in answer.stderr


@pytest.mark.crash
def test_the_job_purges_with_its_role_and_needs_all_of_it(
    applied: ControlPlane, assert_clean: Callable[..., None]
) -> None:
    cluster = applied
    install.ensure_namespace(cluster, "shop")
    before = dump(cluster)
    since = cluster.audit_position()

    install.install(cluster)
    install.apply(cluster, install.manifest("v0.26.1", "autoupdater"))
    install.install_packages(cluster)
    first = run_as_the_job(cluster, "-o", "json")
    assert first.returncode == 0, str(first)
    assert first.document["outcome"] == "clean"
    assert_clean(cluster, before, kept=OUTLIVES)

    # What an operator that works would do by itself.
    install.install(cluster)
    install.install_packages(cluster)
    install.become(cluster, "absent")
    second = run_as_the_job(cluster, "-o", "json")
    install.configure_node(cluster)
    assert second.returncode == 0, str(second)
    assert second.document["outcome"] == "clean"

    used: set[Right] = set()
    for entry in cluster.audit(since, user=ACCOUNT):
        of = entry.get("objectRef", {})
        assert entry.get("responseStatus", {}).get("code") != 403, entry
        if of.get("apiGroup") != "authorization.k8s.io":
            used.add((entry["verb"], of.get("apiGroup", ""), of.get("resource", "")))
    reading, *changing = granted()
    assert rights(changing) - used == set(), "granted, and never needed"
    assert {verb for verb, _, _ in used} == {*reading["verbs"], *(verb for verb, _, _ in rights(changing))}
    listed = {(group, resource) for verb, group, resource in used if verb == "list"}
    kinds = {(kind.group, kind.plural) for kind in cluster.api.kinds() if kind.verbs >= {"list", "delete"}}
    assert kinds - listed <= {("", "events"), ("events.k8s.io", "events")}, "reading everything is granted for this"
