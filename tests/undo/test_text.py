"""A backup's text: whoever reads it, a person, this program or kubectl, reads the same."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from kubectl_glasskube_purge.undo import text
from kubectl_glasskube_purge.undo.errors import BackupUnreadable
from kubectl_glasskube_purge.undo.selection import Contents, Entry
from kubectl_glasskube_purge.undo.text import Backup, Head
from tests.cluster import build
from tests.kube.yaml_values import MISREAD, values
from tests.undo.samples import document

HEAD = Head("2026-11-23T09:11:42Z", "prod-eu", "https://10.0.0.1:6443", "v0.26.1", "1.0")


def holding(value: Any) -> dict[str, Any]:
    return document("v1", "ConfigMap", "a", "shop", data=value)


def backup(*documents: dict[str, Any], remade: tuple[dict[str, Any], ...] = ()) -> Backup:
    return Backup(Contents(tuple(map(Entry, documents)), tuple(map(Entry, remade))), HEAD)


@given(st.lists(values, min_size=1, max_size=4), st.lists(values, max_size=3))
@example([dict(zip(MISREAD, MISREAD, strict=True))], [])
@settings(max_examples=100)
def test_a_backup_reads_as_it_was_written(restored: list[Any], remade: list[Any]) -> None:
    written = backup(*map(holding, restored), remade=tuple(map(holding, remade)))
    assert text.load(text.dump(written), "file") == written


@given(st.lists(values, min_size=1, max_size=12))
@example([dict(zip(MISREAD, MISREAD, strict=True)), list(MISREAD), [1e21, 1e-7, 0.1, -0.0, 2**63 - 1, 10**17]])
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@pytest.mark.cluster
def test_kubectl_reads_what_was_written(restored: list[Any]) -> None:
    content = text.dump(backup(*map(holding, restored), remade=(holding({"not": "applied"}),)))
    # Works without a cluster, and prints what kubectl made of its input.
    command = [str(build.binary()), "kubectl", "annotate", "--local", "--filename=-", "--output=json", "read=back"]
    answer = subprocess.run(command, input=content.encode(), capture_output=True, check=True).stdout.decode()
    read = list(_documents(answer))
    assert same([one["data"] for one in read], restored)


def same(read: Any, written: Any) -> bool:
    """Equal, where Go prints a large float with all its digits and no exponent."""
    if isinstance(written, dict):
        return isinstance(read, dict) and read.keys() == written.keys() and all(same(read[k], written[k]) for k in read)
    if isinstance(written, list):
        return isinstance(read, list) and len(read) == len(written) and all(map(same, read, written))
    if isinstance(written, float):
        return isinstance(read, (int, float)) and not isinstance(read, bool) and float(read) == written
    return type(read) is type(written) and bool(read == written)


def _documents(answer: str) -> Any:
    """kubectl prints one JSON document after the other."""
    decoder, position = json.JSONDecoder(), 0
    while position < len(answer.rstrip()):
        found, position = decoder.raw_decode(answer, position)
        yield found
        position += len(answer[position:]) - len(answer[position:].lstrip())


def test_every_section_says_what_it_is() -> None:
    namespace = document("v1", "Namespace", "glasskube-system")
    package = document("packages.glasskube.dev/v1alpha1", "ClusterPackage", "app")
    content = text.dump(backup(namespace, package, remade=(holding({}),)))
    for words in ("# Namespaces: ", "# Packages. ", "# For reference, not applied"):
        assert content.count(words) == 1


def test_the_head_says_how_to_put_it_back_with_kubectl_alone() -> None:
    content = text.dump(backup(holding({})))
    assert content.count("kubectl apply --server-side --field-manager=glasskube -f") == 2
    assert "kubectl glasskube purge restore" in content


def test_the_head_says_what_is_lost() -> None:
    head = Head(**{**HEAD.__dict__, "lost": ("the data in volume db/data (20Gi)",)})
    assert "#     the data in volume db/data (20Gi)" in text.dump(Backup(backup(holding({})).contents, head))


def test_the_sidecars_gone_image_is_told_of() -> None:
    def operator(image: str) -> str:
        containers = [{"name": "kube-rbac-proxy", "image": image}]
        spec = {"template": {"spec": {"containers": containers}}}
        return text.dump(backup(document("apps/v1", "Deployment", "o", "glasskube-system", spec=spec)))

    assert "registry.k8s.io/kubebuilder/kube-rbac-proxy" in operator("gcr.io/kubebuilder/kube-rbac-proxy:v0.15.0")
    assert "registry.k8s.io" not in operator("mirror.example.com/kubebuilder/kube-rbac-proxy:v0.15.0")


@given(st.text(max_size=200))
@example("prod\n---\nkind: Namespace")
def test_no_context_name_gets_out_of_its_comment(name: str) -> None:
    head = Head(**{**HEAD.__dict__, "context": name, "lost": (name,)})
    content = text.dump(Backup(backup(holding({})).contents, head))
    before = content.split("\n---\n", 1)[0].split("\n")
    assert all(line.startswith("#") for line in before)
    read = text.load(content, "file")
    assert read.head is not None
    assert read.head.context == name
    assert len(read.contents.restored) == 1


def test_field_managers_come_back() -> None:
    entries = (Entry(holding({"a": "b"}), "flux"), Entry(holding({"c": "d"})))
    written = Backup(Contents(entries, (Entry(holding({}), "kubectl-client-side-apply"),)), HEAD)
    assert text.load(text.dump(written), "file") == written


@pytest.mark.parametrize("cut", range(1, 60))
def test_a_file_that_was_cut_off_is_refused(cut: int) -> None:
    content = text.dump(backup(holding({"a": "b"}), document("v1", "Namespace", "b")))
    shorter = content[: len(content) * cut // 60]
    with pytest.raises(BackupUnreadable):
        text.load(shorter, "file")


def test_files_of_others_are_read_as_kubectl_reads_them() -> None:
    content = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: a, creationTimestamp: 2025-02-11T08:00:00Z}
data: {yes: "1", b: on, c: 12:30:45, d: 0x1F, e: 1e3, f: 2026-11-23, g: ~}
---
# nothing but a comment
---
{"apiVersion": "v1", "kind": "List", "items": [{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}}]}
"""
    first, second = text.load(content.replace("yes:", '"yes":'), "file").contents.restored
    assert first.document["metadata"]["creationTimestamp"] == "2025-02-11T08:00:00Z"
    assert first.document["data"] == {
        "yes": "1", "b": True, "c": "12:30:45", "d": 31, "e": 1000.0, "f": "2026-11-23", "g": None,
    }  # fmt: skip
    assert second.ref.display == "secret/s"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "no Kubernetes object"),
        ("# a comment\n", "no Kubernetes object"),
        ("a: b: c\n", "document 1, is not YAML"),
        ("a: {b\n", "is not YAML"),
        ("just words\n", "is no Kubernetes object"),
        ("apiVersion: v1\nkind: Secret\n", "is no Kubernetes object"),
        ("apiVersion: v1\nkind: Secret\nmetadata: {}\n", "is no Kubernetes object"),
        ("a: 1\na: 2\n", "the key 'a' twice"),
        ("a: &x [1]\nb: *x\n", "aliases"),
        ("<html>\n<body>\n</body>", "is no"),
        ("# glasskube-purge/v1 Backup {}\n# End of the backup.\n", "first line"),
    ],
)
def test_what_is_no_backup_is_refused_with_its_reason(content: str, why: str) -> None:
    with pytest.raises(BackupUnreadable, match=why) as refused:
        text.load(content, "the file")
    assert "the file" in refused.value.message


def test_a_backup_is_of_the_cluster_whose_kube_system_it_saw_whatever_its_address() -> None:
    head = replace(HEAD, cluster="uid-of-prod")
    written = backup(holding("x"))
    assert text.load(text.dump(replace(written, head=head)), "file").head == head
    assert head.is_of("uid-of-prod", "https://elsewhere")
    assert not head.is_of("uid-of-another", head.server)
    assert head.is_of("", head.server), "who may not read it goes by the address"
    older = text.dump(written).replace(', "cluster": ""', "")
    assert "cluster" not in older.partition("\n")[0]
    assert text.load(older, "file").head == HEAD
    assert HEAD.is_of("uid-of-prod", HEAD.server)
