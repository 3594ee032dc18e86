"""Reads what Helm keeps of a release: the Secret with its stored manifest. Pure.

The format is Helm 3's (pkg/storage/driver): base64 of gzip of JSON, in a Secret's
`release` key, which the API encodes once more.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
import re
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

from kubectl_glasskube_purge.kube import yaml_text
from kubectl_glasskube_purge.kube.objects import Found, Ref

POLICY = "helm.sh/resource-policy"

LIMIT = 64 * 1024 * 1024
"""Bytes of a release, unpacked. Packed it is 1 MiB at most, as large as a Secret may be, and that can become a
thousand times more; the largest charts in use come to a tenth of this."""

_OBJECT = yaml_text.Limits(characters=4 * 1024 * 1024, documents=1, nodes=200_000)
"""Of one object. The API server takes 3 MiB at most."""

_SEPARATOR = re.compile(r"^---(?=\s|$)", re.MULTILINE)


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


def _documents(secret: Found) -> Iterator[dict[str, Any]]:
    encoded = secret.get("data", "release") or ""
    try:
        packed = base64.b64decode(base64.b64decode(str(encoded)))
        release = json.loads(_unpacked(packed) if packed.startswith(b"\x1f\x8b") else packed)
        manifest = str(release.get("manifest") or "")
    except (binascii.Error, zlib.error, ValueError, AttributeError, RecursionError):
        return
    for text in _SEPARATOR.split(manifest):
        # One that isn't read, such as one with an alias in it, says nothing about the others.
        with contextlib.suppress(yaml_text.YamlError):
            yield from (document for _, document in yaml_text.read(text, _OBJECT) if _is_object(document))


def _is_object(document: Any) -> bool:
    metadata = document.get("metadata") if isinstance(document, dict) else None
    if not isinstance(metadata, dict) or not isinstance(metadata.get("annotations") or {}, dict):
        return False
    return bool(document.get("apiVersion") and document.get("kind") and metadata.get("name"))
