"""What Helm's stored releases are read for, and what a hostile one can't do."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import threading
import time
import zlib
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import pytest

from kubectl_glasskube_purge.glasskube import facts
from kubectl_glasskube_purge.kube.objects import Found, Ref
from kubectl_glasskube_purge.purge.look import helm_release
from kubectl_glasskube_purge.purge.look.helm_release import decode, decode_all, mismatch
from kubectl_glasskube_purge.purge.model.survey import StoredRelease

MANIFEST = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: plain, namespace: own}
---
apiVersion: v1
kind: Secret
metadata:
  name: kept
  annotations: {helm.sh/resource-policy: keep}
"""


def secret(packed: bytes) -> Found:
    data = {"release": base64.b64encode(base64.b64encode(packed)).decode()}
    document = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "home"}, "data": data}
    return Found.of(document)


def stored(manifest: str) -> Found:
    return secret(gzip.compress(json.dumps({"manifest": manifest}).encode()))


def test_what_a_release_consists_of_and_what_it_leaves() -> None:
    release = decode(stored(MANIFEST), "home")
    assert release.installed == {Ref("", "ConfigMap", "own", "plain")}
    assert release.kept == {Ref("", "Secret", "", "kept"), Ref("", "Secret", "home", "kept")}
    assert not release.problem


JOB = """\
apiVersion: batch/v1
kind: Job
metadata: {name: create}
spec:
  template:
    spec:
      initContainers: [{name: wait, image: "example.com/waiter:v1"}]
      containers: [{name: create, image: "example.com/ingress-nginx/kube-webhook-certgen:v1.6@sha256:0", args: [--x]}]
"""


def with_hooks(*hooks: object) -> StoredRelease:
    return decode(secret(gzip.compress(json.dumps({"manifest": MANIFEST, "hooks": hooks}).encode())), "home")


def test_which_programs_the_jobs_of_a_releases_hooks_run() -> None:
    """They write objects at run time, and their Pods are gone afterwards."""
    pod = "apiVersion: v1\nkind: Pod\nspec: {containers: [{name: x, command: [/bin/seed]}]}\n"
    other = "apiVersion: v1\nkind: Gadget\nspec: {template: {spec: {containers: [{image: other}]}}}\n"
    manifests = (JOB, pod, other, "a: &a [x]\n", "", JOB.replace("waiter", "much") + "#" * 500_000)
    release = with_hooks(*({"manifest": manifest, "events": ["pre-install"]} for manifest in manifests))
    assert release.programs == {"kube-webhook-certgen", "waiter", "seed"}
    assert len(release.kept) == 2
    assert not release.problem


@pytest.mark.parametrize(
    "content",
    [
        {"hooks": 5},
        {"hooks": [5]},
        {"hooks": [{"events": 5}]},
        {"chart": [5]},
        {"name": "\ud800"},
        {"hooks": [{"manifest": "kind: Pod\nspec: [5]\n"}]},
        {"hooks": [{"manifest": "kind: Job\nspec: {template: {spec: {containers: [5]}}}\n"}]},
    ],
)
async def test_a_release_of_another_shape_is_not_decoded(content: dict[str, object]) -> None:
    found = secret(gzip.compress(json.dumps({"manifest": MANIFEST, **content}).encode()))
    (release,) = await decode_all([(found, "home")])
    assert release == StoredRelease(problem="is not what Helm stores")


def bomb() -> bytes:
    """As much as `UNPACKED` and a bit, of nothing."""
    packer = zlib.compressobj(level=1, wbits=31)
    packed = [packer.compress(b" " * 2**20) for _ in range(helm_release.UNPACKED // 2**20 + 1)]
    return b"".join([*packed, packer.flush()])


@pytest.mark.parametrize(
    ("found", "problem"),
    [
        (secret(bomb()), "has more than 16,777,216 bytes unpacked"),
        (secret(gzip.compress(b'{"manifest": ""}')[:-9]), "is cut off"),
        (secret(b"x" * 2_000_000), "has more than 2,097,152 bytes"),
        (secret(b"\x1f\x8bnothing"), "is not what Helm stores"),
        (secret(b"[" * 100_000), "is not what Helm stores"),
        (secret(gzip.compress(b'{"a": [' + b"[]," * 1_000_001 + b"[]]}")), "has more than 2,000,000 JSON values"),
        (stored("---\n" * 10_001), "has more than 10,000 documents"),
        (Found.of({"kind": "Secret", "apiVersion": "v1", "metadata": {"name": "s"}}), "is not what Helm stores"),
        (
            Found.of({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"release": "%%%"}}),
            "is not what Helm stores",
        ),
    ],
    ids=["bomb", "cut off", "large", "no gzip", "deep JSON", "wide JSON", "documents", "empty", "no base64"],
)
def test_what_is_not_decoded_proves_nothing_and_is_reported(found: Found, problem: str) -> None:
    assert decode(found, "home") == StoredRelease(problem=problem)


@pytest.mark.parametrize(
    ("unread", "problem"),
    [
        ("a: &a [x]\nb: *a\n", "has a YAML anchor or alias"),
        ("a: 1\na: 2\n", "has the key 'a' twice"),
        ("a: b: c\n", "is not YAML"),
        ("a: " + "[" * 20_000 + "\n", "is nested deeper"),
        ("a: " + "- " * 20_000 + "\n", "is not YAML"),
        (f"a: [{'1,' * 5_000}]\n", "has more than 5,000 YAML nodes"),
    ],
)
def test_a_document_that_is_not_read_says_nothing_about_the_others(unread: str, problem: str) -> None:
    release = decode(stored(f"{unread}---\n{MANIFEST}---  # the end\n{unread}"), "home")
    assert release.installed == {Ref("", "ConfigMap", "own", "plain")}
    assert release.kept == {Ref("", "Secret", "", "kept"), Ref("", "Secret", "home", "kept")}
    assert release.problem.startswith(f"has an object that {problem}")


def test_what_stands_behind_the_metadata_of_an_object_is_not_read() -> None:
    release = decode(stored(f"{MANIFEST}data: {{a: &a [x], b: *a}}\n"), "home")
    assert len(release.kept) == 2
    assert not release.problem


def merge_keys(levels: int) -> str:
    """Each level merges the one before twice, so each takes a parser that constructs it twice as long."""
    lines = ["a0: &a0 {k: v}"]
    lines += [f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}]}}" for n in range(1, levels)]
    return "\n".join(lines)


HOSTILE = {
    "merge keys": merge_keys(24),
    "flat list": "[" + "a," * 1_000_000 + "a]",
    "list before the metadata": "a: [" + "a," * 1_000_000 + "a]",
    "one long word": "a: " + "b" * 2_000_000,
    "words": "a: " + "b " * 1_000_000,
    "quotes": 'a: "' + "\\n" * 1_000_000 + '"',
    "empty lines": "a: |\n" + "\n" * 2_000_000,
    "many objects": "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\n---\n" * 9_900,
}


@pytest.mark.parametrize("manifest", HOSTILE.values(), ids=HOSTILE)
async def test_a_hostile_release_takes_little_time_and_never_blocks_the_loop(
    manifest: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()

    def decode_while_the_loop_runs(secret: Found, namespace: str, *, expired: Callable[[], bool]) -> StoredRelease:
        ran = threading.Event()
        loop.call_soon_threadsafe(ran.set)
        assert ran.wait(20)
        return decode(secret, namespace, expired=expired)

    monkeypatch.setattr(helm_release, "decode", decode_while_the_loop_runs)
    begin = time.process_time()
    hostile, ordinary = await decode_all([(stored(manifest), "home"), (stored(MANIFEST), "home")])

    assert time.process_time() - begin < helm_release.SECONDS + 2
    assert hostile.problem
    assert len(ordinary.kept) == 2


async def test_a_parser_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = threading.Event()
    monkeypatch.setattr(helm_release, "PATIENCE", 0.1)
    monkeypatch.setattr(helm_release, "decode", lambda *_, **__: ended.wait(20))

    assert await decode_all([(stored(MANIFEST), "home")]) == [StoredRelease(problem="takes too long to read")]
    ended.set()


def test_the_digest_is_of_gos_json_of_what_helm_controller_observes() -> None:
    """The expected text is spelled out: order, empty values, what Go escapes, and the line break."""
    hooks = [{"name": "migrate", "events": ["pre-upgrade"]}, {"name": "try", "events": ["test"]}]
    info = {"first_deployed": "2026-01-01T00:00:00Z", "deleted": "", "notes": "a < b & c > d \u2028"}
    chart = {"metadata": {"name": "web", "version": "1.0.0"}, "templates": None, "files": []}
    stored = {"name": "web", "info": info, "chart": chart, "config": {}, "manifest": "é", "hooks": hooks, "version": 3}
    expected = (
        '{"name":"web","version":3,"info":{"first_deployed":"2026-01-01T00:00:00Z","deleted":"",'
        '"notes":"a \\u003c b \\u0026 c \\u003e d \\u2028"},"chartMetadata":{"name":"web","version":"1.0.0"},'
        '"config":null,"manifest":"é","hooks":[{"name":"migrate","events":["pre-upgrade"]}],"namespace":"home"}\n'
    )
    assert helm_release.digest({**stored, "namespace": "home"}) == f"sha256:{sha256(expected.encode()).hexdigest()}"


@pytest.mark.parametrize(
    ("status", "proves"),
    [
        ({"history": [{"name": "web", "namespace": "home", "digest": "sha256:1"}]}, True),
        ({"history": [{"name": "web", "namespace": "home", "digest": "sha256:2"}]}, False),
        ({"history": []}, True),
        ({}, True),
    ],
)
def test_a_release_that_helm_controller_did_not_note_proves_nothing(status: dict[str, Any], proves: bool) -> None:
    """Who may write Secrets can put another manifest in the place of the stored one."""
    ref = Ref(*facts.HELM_RELEASE.group_kind, "home", "web", "v2")
    found = Found(ref, "uid", "1", body={"status": status})
    assert (mismatch(found, StoredRelease(digest="sha256:1")) == "") == proves
