"""What Helm's stored releases are read for, and what a hostile one can't do."""

from __future__ import annotations

import base64
import gzip
import json
import zlib

import pytest

from kubectl_glasskube_purge.kube.objects import Found, Ref
from kubectl_glasskube_purge.purge.look import helm_release
from kubectl_glasskube_purge.purge.look.helm_release import installed_by, kept_by_policy

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
    found = stored(MANIFEST)
    assert installed_by(found, "home") == {Ref("", "ConfigMap", "own", "plain")}
    assert kept_by_policy(found, "home") == {Ref("", "Secret", "", "kept"), Ref("", "Secret", "home", "kept")}


def bomb() -> bytes:
    """As much as `LIMIT` and a bit, of nothing."""
    packer = zlib.compressobj(level=1, wbits=31)
    packed = [packer.compress(b" " * 2**20) for _ in range(helm_release.LIMIT // 2**20 + 1)]
    return b"".join([*packed, packer.flush()])


@pytest.mark.parametrize(
    "found",
    [
        secret(bomb()),
        secret(gzip.compress(b'{"manifest": ""}')[:-9]),
        secret(b"\x1f\x8bnothing"),
        secret(b"[" * 100_000),
        stored("[" * 20_000),
        stored("- " * 20_000),
        stored("a: &a [x]\nb: *c"),
        stored("apiVersion: v1\nkind: Secret\nmetadata: {name: a, annotations: [keep]}"),
        Found.of({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"release": "%%%"}}),
    ],
    ids=["bomb", "cut off", "no gzip", "deep json", "brackets", "dashes", "no anchor", "no annotations", "no base64"],
)
def test_what_cannot_be_decoded_tells_nothing(found: Found) -> None:
    assert not installed_by(found, "home")
    assert not kept_by_policy(found, "home")


def test_a_document_that_is_not_read_says_nothing_about_the_others() -> None:
    for unread in ("a: &a [x]\nb: *a\n", "a: 1\na: 2\n", "a: b: c\n", "[" * 20_000 + "\n"):
        found = stored(f"{unread}---\n{MANIFEST}---  # the end\n{unread}")
        assert installed_by(found, "home") == {Ref("", "ConfigMap", "own", "plain")}
        assert kept_by_policy(found, "home") == {Ref("", "Secret", "", "kept"), Ref("", "Secret", "home", "kept")}
