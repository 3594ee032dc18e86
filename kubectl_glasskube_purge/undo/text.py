"""A backup ↔ its text: YAML that a person can read, kubectl can apply and that can't be misread. Pure.

How an object is written and read is `kube.yaml_text`'s. Here are the head, the
sections with their comments, and the field managers. What isn't applied stands
behind `#|`, so that kubectl passes over it and nothing gets lost.

Documents are split where kubectl splits them, also where a person has edited the file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import groupby

from kubectl_glasskube_purge.glasskube import facts
from kubectl_glasskube_purge.kube import yaml_text
from kubectl_glasskube_purge.kube.objects import Ref
from kubectl_glasskube_purge.kube.wording import printable

from . import order
from .content import Document
from .errors import BackupUnreadable
from .selection import Contents, Entry
from .sidecar import gone_images

_MAGIC = "# glasskube-purge/v1 Backup "
"""Begins the first line; the head as JSON follows. A file without it is read all the same."""

_END = "# End of the backup."
"""The last line. A file with a head and without an end was cut off."""

_MANAGER = "# field manager: "
_REFERENCE = "#|"

_SECTIONS: Mapping[str, str] = {
    order.NAMESPACES: "Namespaces: Glasskube's, Flux's, and those that packages brought, with what others set on them.",
    order.DEFINITIONS: "CustomResourceDefinitions. Their objects are accepted once they are established.",
    order.CONFIGURATION: "Rights, accounts, Secrets and other configuration, which is needed before anything starts.",
    order.CONTROLLERS: "The operator with its webhook, and Flux's controllers.",
    order.REPOSITORIES: "Package repositories, and the operator's records of their packages.",
    order.PACKAGES: "Packages. The operator installs them again, dependencies first.",
    order.OTHERS: "What others had in these namespaces and of these kinds.",
}

_REMADE = """\
For reference, not applied: what the operator and other controllers recreate from the above.
What a user changed there by hand isn't restored with the rest; take it over from here."""


@dataclass(frozen=True)
class Head:
    """Where and when a backup was taken."""

    taken: str
    """RFC 3339."""
    context: str
    server: str
    version: str
    """Of Glasskube, `""` where it isn't known."""
    program: str
    """Version of this program."""
    lost: tuple[str, ...] = ()
    """What no backup brings back, one line each."""
    cluster: str = ""
    """UID of namespace `kube-system`, which no two clusters share; `""` in a backup of an earlier version."""

    def is_of(self, cluster: str, server: str) -> bool:
        """Whether the backup was taken of this cluster. Its address decides only if a UID isn't known."""
        return self.cluster == cluster if self.cluster and cluster else self.server == server


@dataclass(frozen=True)
class Backup:
    """A backup, or any other file of Kubernetes objects; then without a head."""

    contents: Contents
    head: Head | None = None

    @property
    def refs(self) -> frozenset[Ref]:
        """What a restore applies."""
        return frozenset(entry.ref for entry in self.contents.restored)


# -- writing


def dump(backup: Backup) -> str:
    """The text of a backup. The same backup always gives the same text."""
    assert backup.head is not None
    lines = [*_head(backup.head, backup.contents)]
    stages = groupby(backup.contents.restored, key=lambda entry: order.stage_of(entry.ref))
    for stage, entries in stages:
        lines += _documents(entries, comment=_SECTIONS[stage])
    if backup.contents.remade:
        lines += _comment("\n" + _REMADE)
        lines += [f"{_REFERENCE} {line}" for line in _documents(backup.contents.remade)]
    return "\n".join([*lines, _END, ""])


def _head(head: Head, contents: Contents) -> Iterator[str]:
    yield _MAGIC + json.dumps({**asdict(head), "objects": len(contents.restored)})
    version = f"Glasskube {head.version}" if head.version else "Glasskube"
    yield from _comment(f"""\
{version} as it was in {head.context} ({head.server}) at {head.taken}, before it was purged.

To put it back:
    kubectl glasskube purge restore THIS-FILE
or with kubectl alone, in three steps:
    kubectl apply --server-side --field-manager={facts.FIELD_MANAGER} -f THIS-FILE
    kubectl -n {facts.NAMESPACE} rollout status deployment/{facts.OPERATOR_DEPLOYMENT}
    kubectl apply --server-side --field-manager={facts.FIELD_MANAGER} -f THIS-FILE
The first apply says "no matches for kind" of everything whose CustomResourceDefinition it has just made; the second
puts that back, too.

It has Secrets in it, readable for everybody who can read the file.
What Helm charts and packages consist of isn't applied: the controllers install it again.""")
    if any(gone_images(entry.document) for entry in contents.restored):
        yield from _comment(f"""\
The image {facts.RBAC_PROXY_IMAGE} is gone from its registry. It is at {facts.RBAC_PROXY_IMAGE_MOVED} now:
    kubectl glasskube purge restore THIS-FILE --sidecar-image
or write that address into the Deployment below. As it is, the operator starts only where a node still has the
image.""")
    yield from _comment("\nNo backup brings back:")
    for lost in head.lost or ("the data in volumes (there were none)",):
        yield from _comment(f"    {lost}")


def _comment(text: str) -> Iterator[str]:
    """Comment lines. Text from outside can't end the comment: control characters are made visible."""
    for line in text.split("\n"):
        yield f"# {printable(line)}".rstrip()


def _documents(entries: Iterable[Entry], comment: str = "") -> Iterator[str]:
    for entry in entries:
        yield "---"
        if comment:
            yield from _comment(comment)
            comment = ""
        if entry.manager != facts.FIELD_MANAGER:
            yield from _comment(_MANAGER[2:] + entry.manager)
        yield from yaml_text.write(entry.document).rstrip("\n").split("\n")


# -- reading


def load(text: str, source: str, *, reference: bool = True) -> Backup:
    """Reads a backup, or any YAML or JSON file of Kubernetes objects. `source` is what messages call it.

    Without `reference`, what is there for reference isn't read. Raises `BackupUnreadable`.
    """
    head = _read_head(text, source)
    lines = text.replace("\r\n", "\n").split("\n")
    if head is not None and lines[-2:] != [_END, ""]:
        raise BackupUnreadable(f"{source} is cut off: its last line is missing")
    restored = tuple(_entries((line for line in lines if not line.startswith(_REFERENCE)), source))
    if not restored:
        raise BackupUnreadable(f"{source} has no Kubernetes object in it")
    behind = (line[len(_REFERENCE) + 1 :] for line in lines if reference and line.startswith(_REFERENCE))
    return Backup(Contents(restored, tuple(_entries(behind, source))), head)


def _read_head(text: str, source: str) -> Head | None:
    if not text.startswith(_MAGIC):
        return None
    try:
        fields = json.loads(text.partition("\n")[0][len(_MAGIC) :])
        told = {name: str(fields[name]) for name in Head.__dataclass_fields__ if name not in ("lost", "cluster")}
        return Head(**told, lost=tuple(map(str, fields["lost"])), cluster=str(fields.get("cluster", "")))
    except (ValueError, KeyError, TypeError) as error:
        raise BackupUnreadable(f"{source} has a first line that isn't a backup's") from error


def _entries(lines: Iterable[str], source: str) -> Iterator[Entry]:
    for number, chunk in enumerate(_chunks(lines), 1):
        where = f"{source}, document {number},"
        manager = next((line[len(_MANAGER) :] for line in chunk if line.startswith(_MANAGER)), facts.FIELD_MANAGER)
        for document in _parsed("\n".join(chunk), where):
            try:
                Ref.of(document)
            except (KeyError, TypeError, AttributeError) as error:
                raise BackupUnreadable(f"{where} is no Kubernetes object") from error
            yield Entry(document, manager)


def _chunks(lines: Iterable[str]) -> Iterator[list[str]]:
    """The documents' lines, split where kubectl splits: at a line that begins with `---`."""
    chunk: list[str] = []
    for line in lines:
        if re.match(r"---(?:\s|$)", line):
            yield chunk
            chunk = [line[3:]]
        else:
            chunk.append(line)
    yield chunk


def _parsed(chunk: str, where: str) -> Iterator[Document]:
    try:
        documents = [document for _, document in yaml_text.read(chunk)]
    except yaml_text.YamlError as error:
        raise BackupUnreadable(f"{where} {error}") from error
    for document in documents:
        if document is None:
            continue
        if isinstance(document, dict) and str(document.get("kind", "")).endswith("List") and "items" in document:
            yield from document["items"] or ()
        else:
            yield document
