"""Reads what Helm keeps of a release: the Secret with its stored manifest. Pure.

The format is Helm 3's (pkg/storage/driver): base64 of gzip of JSON, in a Secret's
`release` key, which the API encodes once more.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from kubectl_glasskube_purge.kube.objects import Found, Ref

POLICY = "helm.sh/resource-policy"

LIMIT = 64 * 1024 * 1024
"""Bytes of a release, unpacked. Packed it is 1 MiB at most, as large as a Secret may be, and that can become a
thousand times more; the largest charts in use come to a tenth of this."""

DEEPEST = 200
"""Brackets open at once, or dashes in a row: no object of Kubernetes comes near."""


def kept_by_policy(secret: Found, namespace: str) -> frozenset[Ref]:
    """What an uninstall leaves, as the release's stored manifest says. Empty where it can't be decoded:
    then nothing is known to be kept. `namespace` is the release's.
    """
    return _refs(
        (
            document
            for document in _documents(secret)
            if (document["metadata"].get("annotations") or {}).get(POLICY) == "keep"
        ),
        namespace,
    )


def installed_by(secret: Found, namespace: str) -> frozenset[Ref]:
    """What the release consists of and an uninstall removes; empty where the stored manifest can't be decoded."""
    return _refs(_documents(secret), namespace) - kept_by_policy(secret, namespace)


def _refs(documents: Iterable[dict[str, Any]], namespace: str) -> frozenset[Ref]:
    """Objects without a namespace of their own end up in the release's, if their kind is namespaced.

    As the manifest doesn't say which kinds are, both are named.
    """
    return frozenset(
        Ref.of({**document, "metadata": {**document["metadata"], "namespace": scope}})
        for document in documents
        for scope in _scopes(document, namespace)
    )


def _scopes(document: dict[str, Any], namespace: str) -> tuple[str, ...]:
    own = str(document["metadata"].get("namespace") or "")
    return (own,) if own else ("", namespace)


def _unpacked(packed: bytes) -> bytes:
    """Raises `ValueError` where it is cut off, or more than `LIMIT`."""
    stream = zlib.decompressobj(wbits=31)
    unpacked = stream.decompress(packed, LIMIT)
    if not stream.eof:
        raise ValueError("cut off, or too large")
    return unpacked


def _parsable(manifest: str) -> str:
    """The manifest itself. Raises `ValueError` where it nests deeper than any object: parsing that takes for ever."""
    depth = 0
    for bracket in re.findall(r"[\[\]{}]", manifest):
        depth = depth + 1 if bracket in "[{" else max(0, depth - 1)
        if depth > DEEPEST:
            raise ValueError("nests too deeply")
    if re.search(rf"(?:[-?:][ \t]+){{{DEEPEST}}}", manifest):
        raise ValueError("nests too deeply")
    return manifest


def _documents(secret: Found) -> Iterator[dict[str, Any]]:
    encoded = secret.get("data", "release") or ""
    try:
        packed = base64.b64decode(base64.b64decode(str(encoded)))
        release = json.loads(_unpacked(packed) if packed.startswith(b"\x1f\x8b") else packed)
        documents = list(YAML(typ="safe").load_all(_parsable(str(release.get("manifest") or ""))))
    except (binascii.Error, zlib.error, ValueError, AttributeError, YAMLError, RecursionError):
        return
    for document in documents:
        if not isinstance(document, dict) or not isinstance(document.get("metadata"), dict):
            continue
        if document.get("apiVersion") and document.get("kind") and document["metadata"].get("name"):
            yield document
