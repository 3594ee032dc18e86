"""A release manifest's bytes → the objects it names, or a typed error saying why it isn't believed.

A manifest comes from outside: a download, a mirror, a file that was sent. It is
read strictly (`kube.yaml_text`) and within limits well above what the largest real
manifest needs (0.5 MiB, lines of 273 characters, 22 levels, 48 documents, 17,000
events), so that the worst input takes seconds.

`check` then holds the objects against the inventory: what no Glasskube release
contains is never deleted on a manifest's word. `check_content` is for a manifest
that is applied. What is done with the objects is left to the plan; where the bytes
come from, to `release`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kubectl_glasskube_purge.kube import yaml_text
from kubectl_glasskube_purge.kube.objects import Ref
from kubectl_glasskube_purge.kube.problem import ProblemError
from kubectl_glasskube_purge.kube.yaml_text import shown

from . import facts, inventory

Document = dict[str, Any]
"""An object as a manifest has it: JSON's types and nothing else."""

MAX_BYTES = 2 * 1024 * 1024
_LIMITS = yaml_text.Limits(characters=MAX_BYTES, line=64 * 1024, documents=256, depth=64, nodes=100_000)

_API_VERSION = re.compile(r"(?:[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?/)?v[0-9][a-z0-9]{0,62}", re.ASCII)
_KIND = re.compile(r"[A-Z][A-Za-z0-9]{0,62}", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.:_-]{0,251}[A-Za-z0-9])?", re.ASCII)
"""RBAC objects may have colons and capitals; whatever goes beyond isn't Glasskube's."""
_NAMESPACE = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)


class ManifestError(ProblemError):
    """A manifest that isn't used."""

    code = "manifest"
    hint = "Leave --manifest out to use the published manifest, or use --offline to go by the built-in inventory."
    ending = "refused"

    def __init__(self, source: str, what: str) -> None:
        super().__init__(f"{source} {what}")
        self.what = what
        """The message without its subject."""


class ManifestTooLarge(ManifestError):
    """More bytes, documents, levels or nodes than any release manifest could have."""

    code = "manifest-too-large"


class ManifestUnreadable(ManifestError):
    """Not YAML: another encoding, a web page, an archive, a syntax error."""

    code = "manifest-unreadable"


class ManifestRefused(ManifestError):
    """YAML that Glasskube's manifests never use and attacks do: anchors, aliases, tags, duplicate keys."""

    code = "manifest-refused"


class NotAnObject(ManifestError):
    """A document that is no single, named Kubernetes object."""

    code = "manifest-not-an-object"


class ForeignObjects(ManifestError):
    """The manifest names what no Glasskube release contains. Nothing may be deleted on its word."""

    code = "manifest-foreign-objects"
    hint = (
        "Nothing of it is used. If this is a release newer than this plugin, update the plugin; "
        "otherwise don't trust where the manifest comes from."
    )

    def __init__(self, source: str, foreign: Sequence[Ref]) -> None:
        self.foreign = tuple(foreign)
        """All of them, in the manifest's order; the message names the first ten."""
        super().__init__(source, f"names what no Glasskube release contains: {_listed(self.foreign)}")


class ForeignContent(ManifestError):
    """The manifest's objects are Glasskube's by name, and their content isn't that of the release."""

    code = "manifest-foreign-content"
    hint = (
        "Nothing of it was applied. If you trust this manifest, apply it yourself: kubectl apply --server-side "
        f"--field-manager={facts.FIELD_MANAGER} -f FILE."
    )

    def __init__(self, source: str, foreign: Sequence[Ref]) -> None:
        self.foreign = tuple(foreign)
        """All of them, in the manifest's order; the message names the first ten."""
        super().__init__(source, f"has objects whose content isn't that of the release: {_listed(self.foreign)}")


_ERRORS: Mapping[type[yaml_text.YamlError], type[ManifestError]] = {
    yaml_text.NotYaml: ManifestUnreadable,
    yaml_text.Refused: ManifestRefused,
    yaml_text.TooLarge: ManifestTooLarge,
}


def parse(data: bytes, source: str) -> dict[Ref, Document]:
    """The objects of a manifest, each once, in its order.

    `source` is what messages call it. Names in the result are well-formed: no
    control characters, no path separators. Takes 1 s for 0.5 MiB.

    Raises `ManifestError`: `ManifestTooLarge`, `ManifestUnreadable`,
    `ManifestRefused` or `NotAnObject`. Doesn't ask whether the objects are
    Glasskube's: see `check`.
    """
    objects: dict[Ref, Document] = {}
    try:
        for line, document in yaml_text.read(_decoded(data, source), _LIMITS):
            if document is not None:
                objects.setdefault(_ref(document, source, line), document)
    except yaml_text.YamlError as error:
        raise _ERRORS[type(error)](source, str(error)) from error
    if not objects:
        raise NotAnObject(source, "has no object in it")
    return objects


def check(refs: Iterable[Ref], source: str) -> None:
    """Raises `ForeignObjects` where `refs` name anything that no Glasskube release contains.

    Group, kind, namespace and name all have to be known, so that neither a foreign
    name nor a known one in another namespace gets through. What such an object
    contains doesn't matter: it is deleted, never applied.
    """
    known = inventory.every_object()
    foreign = [ref for ref in refs if ref not in known]
    if foreign:
        raise ForeignObjects(source, foreign)


def check_content(documents: Iterable[Document], digests: inventory.Digests, source: str) -> None:
    """Raises `ForeignContent` unless every object is, to the last field, what `digests` has.

    For objects that are applied: a Deployment of a known name may run any image, a known binding may make
    anyone an admin.
    """
    foreign = [ref for document in documents if digests.get(ref := Ref.of(document)) != digest(document)]
    if foreign:
        raise ForeignContent(source, foreign)


def digest(document: Document) -> str:
    """SHA-256 of an object's content, whatever the layout and the order of the keys, in hex."""
    return hashlib.sha256(json.dumps(document, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _decoded(data: bytes, source: str) -> str:
    if len(data) > MAX_BYTES:
        raise ManifestTooLarge(source, f"has more than {MAX_BYTES // 1024 // 1024} MiB")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in data:
        raise ManifestUnreadable(source, "is binary or UTF-16 where UTF-8 is expected")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ManifestUnreadable(source, f"is not UTF-8 (byte {error.start})") from error
    if text.lstrip().startswith("<"):
        raise ManifestUnreadable(source, "is a web page (HTML or XML), such as a proxy's or a login page, no manifest")
    return text


def _ref(document: Any, source: str, line: int) -> Ref:
    where = f"has a document (line {line}) that"
    if not isinstance(document, dict):
        raise NotAnObject(source, f"{where} is no Kubernetes object")
    metadata = document.get("metadata")
    if "items" in document:
        raise NotAnObject(source, f"{where} is a list of objects")
    if not isinstance(metadata, dict):
        raise NotAnObject(source, f"{where} has no metadata")
    if "generateName" in metadata:
        raise NotAnObject(source, f"{where} has generateName instead of a name")
    namespace = metadata.get("namespace")
    for field, value, form in (
        ("apiVersion", document.get("apiVersion"), _API_VERSION),
        ("kind", document.get("kind"), _KIND),
        ("metadata.name", metadata.get("name"), _NAME),
        ("metadata.namespace", "default" if namespace is None else namespace, _NAMESPACE),
    ):
        if not isinstance(value, str):
            raise NotAnObject(source, f"{where} has no {field}")
        if not form.fullmatch(value):
            raise NotAnObject(source, f"{where} has an impossible {field}, {shown(value)}")
    return Ref.of(document)


def _listed(refs: Sequence[Ref]) -> str:
    """With the group where there is one: a foreign kind's name alone says too little."""
    named = [f"{ref.display} ({ref.group})" if ref.group else ref.display for ref in refs[:10]]
    return ", ".join(named) + (f" and {len(refs) - 10} more" if len(refs) > 10 else "")
