"""Reads what Helm keeps of releases: the Secrets with their stored manifests.

The format is Helm 3's (pkg/storage/driver): base64 of gzip of JSON, in a Secret's
`release` key, which the API encodes once more. A user who may write a Secret can write
anything into one, so everything that costs time or memory has a limit, of each
object only the head is read, and the event loop is never blocked.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import json
import re
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from kubectl_glasskube_purge.kube import yaml_text
from kubectl_glasskube_purge.kube.objects import Found, Ref
from kubectl_glasskube_purge.purge.judge.ownership import noted_release
from kubectl_glasskube_purge.purge.judge.programs import programs_of
from kubectl_glasskube_purge.purge.model.survey import StoredRelease

POLICY = "helm.sh/resource-policy"

PACKED = 2 * 1024 * 1024
"""Bytes of a release as it is stored. A Secret has 1 MiB at most."""

UNPACKED = 16 * 1024 * 1024
"""Bytes of a release, unpacked, which can be a thousand times as much; the largest charts in use come to half of it."""

STRUCTURES = 2_000_000
"""Objects, lists and members of a release's JSON, counted before it is parsed: each takes 50 bytes and more."""

DOCUMENTS = 10_000
"""YAML documents of a manifest; the largest charts have some hundred."""

SECONDS = 2.0
"""Of processor time, for all releases of a survey together: enough for 1,000 objects."""

PATIENCE = 3.0
"""Seconds after which the releases that aren't decoded are given up, on a busy machine, too."""

_HEAD = 400_000
"""Characters of an object up to the end of its metadata. The API server takes 256 KiB of annotations."""

_LIMITS = yaml_text.Limits(characters=_HEAD, nodes=5_000)

_SEPARATOR = re.compile(r"^---(?=\s|$)", re.MULTILINE)


class _NotDecoded(ValueError):
    pass


async def decode_all(secrets: Sequence[tuple[Found, str]]) -> Sequence[StoredRelease]:
    """The releases of Secrets, each with the namespace that its chart was installed in.

    Works in a thread that can be given up. The smallest are decoded first: one that
    takes all the time takes it from larger ones only.
    """
    loop = asyncio.get_running_loop()
    decoded: dict[int, StoredRelease] = {}
    finished = asyncio.Event()
    given_up = threading.Event()

    def expired() -> bool:
        return given_up.is_set() or time.thread_time() > SECONDS

    def work() -> None:
        for index in sorted(range(len(secrets)), key=lambda index: len(_stored(secrets[index][0]))):
            decoded[index] = decode(*secrets[index], expired=expired)
        with contextlib.suppress(RuntimeError):  # the loop is closed: the run ended without the result
            loop.call_soon_threadsafe(finished.set)

    if secrets:
        threading.Thread(target=work, name="helm releases", daemon=True).start()
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(finished.wait(), PATIENCE)
        given_up.set()
    return [decoded.get(index, StoredRelease(problem=_TOO_LONG)) for index in range(len(secrets))]


_TOO_LONG = "takes too long to read"


def decode(secret: Found, namespace: str, *, expired: Callable[[], bool] = lambda: False) -> StoredRelease:
    """One release; `namespace` is where its chart was installed. Reads no further once it is `expired`."""
    installed: set[Ref] = set()
    kept: set[Ref] = set()
    problem = ""
    try:
        content = _content(_stored(secret))
        for text in _documents(str(content.get("manifest") or "")):
            if expired():
                raise _NotDecoded(_TOO_LONG)
            if not text.strip():
                continue
            try:
                head = yaml_text.read_head(text[:_HEAD], ("apiVersion", "kind", "metadata"), _LIMITS)
            except yaml_text.YamlError as error:
                # One that isn't read, such as one with an alias in it, says nothing about the others.
                problem = problem or f"has an object that {error}"
                continue
            if len(text) > _HEAD and len(head) < 3:
                problem = problem or f"has an object without metadata in its first {_HEAD:,} characters"
            if _is_object(head):
                policy = (head["metadata"].get("annotations") or {}).get(POLICY)
                (kept if policy == "keep" else installed).update(_refs(head, namespace))
        hooks = list(_hooks(content, expired))
        return StoredRelease(
            frozenset(installed - kept),
            frozenset(kept),
            programs_of(_pod_spec(head) for head, _ in hooks),
            tuple(_display(head) for head, events in hooks if not events.isdisjoint(("pre-delete", "post-delete"))),
            digest(content),
            problem,
        )
    except _NotDecoded as error:
        return StoredRelease(problem=str(error))
    except (zlib.error, ValueError, AttributeError, TypeError, RecursionError):
        return StoredRelease(problem="is not what Helm stores")


def _hooks(content: Mapping[str, Any], expired: Callable[[], bool]) -> Iterator[tuple[dict[str, Any], frozenset[str]]]:
    """A release's hooks and the events that they run at. What of one doesn't stand at its beginning isn't read."""
    for hook in content.get("hooks") or ():
        if expired():
            raise _NotDecoded(_TOO_LONG)
        text = str(hook.get("manifest") or "")
        with contextlib.suppress(yaml_text.YamlError):  # what isn't read proves nothing
            head = yaml_text.read_head(text if len(text) <= _HEAD else "", ("kind", "metadata", "spec"), _LIMITS)
            yield head, frozenset(map(str, hook.get("events") or ()))


def _pod_spec(hook: Mapping[str, Any]) -> Mapping[str, Any] | None:
    spec: Mapping[str, Any] | None = hook.get("spec")
    if hook.get("kind") == "Job":
        return ((spec or {}).get("template") or {}).get("spec")
    return spec if hook.get("kind") == "Pod" else None


def _display(hook: Mapping[str, Any]) -> str:
    return f"{hook.get('kind')}/{(hook.get('metadata') or {}).get('name')}".lower()


def mismatch(release: Found, content: StoredRelease) -> str:
    """Why a stored release isn't the one that helm-controller noted of a HelmRelease, in words; `""` if it is.

    Controllers before v0.37 note nothing: then there is nothing to compare with.
    """
    noted = str(noted_release(release).get("digest") or "")
    return "isn't what helm-controller noted of it" if noted and noted != content.digest else ""


def digest(release: Mapping[str, Any]) -> str:
    """The digest of a stored release, as helm-controller computes it from v0.37 on (internal/release: Observation).

    SHA-256 of Go's JSON of these fields, in this order, with a line break behind it. Hooks that only tests run don't
    count, and what is empty is null.
    """
    hooks = [hook for hook in release.get("hooks") or () if "test" not in (hook.get("events") or ())]
    observed = {
        "name": release.get("name", ""),
        "version": release.get("version", 0),
        "info": release.get("info") or {},
        "chartMetadata": (release.get("chart") or {}).get("metadata") or {},
        "config": release.get("config") or None,
        "manifest": release.get("manifest", ""),
        "hooks": hooks or None,
        "namespace": release.get("namespace", ""),
    }
    text = json.dumps(observed, separators=(",", ":"), ensure_ascii=False)
    escaped = _ESCAPED_BY_GO.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    return "sha256:" + hashlib.sha256((escaped + "\n").encode()).hexdigest()


_ESCAPED_BY_GO = re.compile("[<>&\u2028\u2029]")


def _stored(secret: Found) -> str:
    return str(secret.get("data", "release") or "")


def _content(stored: str) -> dict[str, Any]:
    """Raises `_NotDecoded` if it exceeds a limit, and errors of any sort if it isn't a release."""
    if len(stored) > PACKED:
        raise _NotDecoded(f"has more than {PACKED:,} bytes")
    packed = base64.b64decode(base64.b64decode(stored))
    unpacked = _unpacked(packed) if packed.startswith(b"\x1f\x8b") else packed
    if sum(map(unpacked.count, (b"{", b"[", b","))) > STRUCTURES:
        raise _NotDecoded(f"has more than {STRUCTURES:,} JSON values")
    content: dict[str, Any] = json.loads(unpacked)
    return content


def _unpacked(packed: bytes) -> bytes:
    """Raises `_NotDecoded` if it is cut off, or too large."""
    stream = zlib.decompressobj(wbits=31)
    unpacked = stream.decompress(packed, UNPACKED)
    if stream.unconsumed_tail:
        raise _NotDecoded(f"has more than {UNPACKED:,} bytes unpacked")
    if not stream.eof:
        raise _NotDecoded("is cut off")
    return unpacked


def _documents(manifest: str) -> Iterator[str]:
    """Raises `_NotDecoded` if there are too many."""
    begin = 0
    for count, separator in enumerate(_SEPARATOR.finditer(manifest), 1):
        if count > DOCUMENTS:
            raise _NotDecoded(f"has more than {DOCUMENTS:,} documents")
        yield manifest[begin : separator.start()]
        begin = separator.end()
    yield manifest[begin:]


def _refs(head: dict[str, Any], namespace: str) -> Iterator[Ref]:
    """Objects without a namespace of their own end up in the release's, if their kind is namespaced.

    As the manifest doesn't say which kinds are, both are named.
    """
    own = str(head["metadata"].get("namespace") or "")
    for scope in (own,) if own else ("", namespace):
        yield Ref.of({**head, "metadata": {**head["metadata"], "namespace": scope}})


def _is_object(head: dict[str, Any]) -> bool:
    metadata = head.get("metadata")
    if not isinstance(metadata, dict) or not isinstance(metadata.get("annotations") or {}, dict):
        return False
    return bool(head.get("apiVersion") and head.get("kind") and metadata.get("name"))
