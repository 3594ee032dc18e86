"""Writes down what a purge is about to delete, before it deletes anything.

Everything is read whole, put into one text, written to a new file and read
back. Whatever goes wrong on the way is an error, and nothing was deleted yet. The
file appears under its name at once and complete, or not at all, and never in the
place of another one.

The namespace remembers the backups: a purge that was interrupted and run again has
written two, and only together they are everything. What it says is a hint: only a
file that this machine noted, too, and that is still the same, is used.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import re
import secrets
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timezone
from pathlib import Path

from kubectl_glasskube_purge import __version__
from kubectl_glasskube_purge.kube import edits, errors, state
from kubectl_glasskube_purge.kube.client import Client
from kubectl_glasskube_purge.kube.connect import Target
from kubectl_glasskube_purge.kube.objects import Found, Ref
from kubectl_glasskube_purge.kube.wording import some
from kubectl_glasskube_purge.purge.model.kinds import SECRET
from kubectl_glasskube_purge.purge.model.plan import Plan
from kubectl_glasskube_purge.purge.model.survey import (
    FLUX_ANNOTATION,
    KEPT_ANNOTATION,
    KUBE_SYSTEM,
    REPLICAS_ANNOTATION,
    VERSION_ANNOTATION,
    Survey,
)

from . import selection, text
from .content import OWN_PREFIX
from .errors import BackupExists, BackupFailed, BackupImpossible, BackupUnreadable

ANNOTATION = OWN_PREFIX + "backups"
"""On Glasskube's namespace: digest and name of each file, as a JSON list, oldest first. Where it is, only a machine
knows."""

_NOTES = frozenset({ANNOTATION, KEPT_ANNOTATION, REPLICAS_ANNOTATION, VERSION_ANNOTATION, FLUX_ANNOTATION})
"""What a purge leaves on namespaces for its next run."""


async def take(client: Client, survey: Survey, plan: Plan, moment: datetime) -> text.Backup:
    """Reads everything that the plan takes along and that is worth writing down.

    Raises `BackupImpossible` where something can't be read, naming it, and
    `KubeError` where nothing can. What vanished since the survey is left out.
    """
    choices = selection.choose(plan)
    bodies: dict[Ref, Found] = {}
    unread: list[Unread] = []
    for answer in await read_whole(client, [choice.found for choice in choices]):
        if isinstance(answer, Unread):
            unread.append(answer)
        else:
            bodies[answer.ref] = answer
    if unread:
        shown = some(f"{one.ref.display} ({one.why})" for one in unread)
        raise BackupImpossible(f"can't back up what can't be read: {shown}")
    _as_before_the_stop(bodies, survey)
    head = _head(client.connection.target, survey, plan, moment)
    return text.Backup(selection.contents(choices, bodies), head)


def _as_before_the_stop(bodies: dict[Ref, Found], survey: Survey) -> None:
    """Writes down the replicas that the operator had before an earlier run stopped it."""
    noted = survey.namespace.annotations.get(REPLICAS_ANNOTATION, "") if survey.namespace else ""
    operator = bodies.get(survey.operator.ref)
    if operator is not None and noted.isdecimal() and not operator.get("spec", "replicas"):
        spec = {**operator.body["spec"], "replicas": int(noted)}
        bodies[operator.ref] = replace(operator, body={**operator.body, "spec": spec})


# -- reading

_WORTH_A_LIST = 8
"""Objects of a kind, from which on they are looked for in a list of all."""

_PAGE = 50
"""Objects of a list that are in memory at a time. They are read whole, and a CRD may have a megabyte."""

_IN_VAIN = 4
"""A list is given up once it has had so many times more objects than are looked for: most are others'."""

_FIELDS = {SECRET: "type!=helm.sh/release.v1"}
"""Field selectors of lists: Helm's records of its releases, up to a megabyte each, are in no backup."""


@dataclass(frozen=True)
class Unread:
    """An object that is there and can't be read."""

    ref: Ref
    why: str


async def read_whole(client: Client, wanted: Sequence[Found]) -> list[Found | Unread]:
    """Reads objects whole: many of a kind from lists, few of a kind and what the lists leave open one by one.

    200 packages are 2000 objects: one request for each takes ten times as long as
    lists. Kind after kind, so that no more than a page of others' objects is in
    memory. Raises `KubeError` where nothing can be read any more.
    """
    kinds: dict[tuple[str, str], dict[str, Found]] = {}
    for found in wanted:
        kinds.setdefault(found.ref.group_kind, {})[found.uid] = found
    read: list[Found | Unread] = []
    left: list[Found] = []
    for kind, of_kind in kinds.items():
        if len(of_kind) >= _WORTH_A_LIST:
            listed, open_ = await _read_list(client, kind, of_kind)
            read += listed
            left += open_
        else:
            left += of_kind.values()
    answers = await asyncio.gather(*(_read(client, found) for found in left))
    return read + [answer for answer in answers if answer is not None]


async def _read_list(
    client: Client, kind: tuple[str, str], wanted: Mapping[str, Found]
) -> tuple[list[Found], list[Found]]:
    """Those of a kind that a list has, by UID, and those that it leaves open, because it was given up or refused."""
    resource = client.discovery.find(*kind)
    if resource is None:
        return [], []
    read: dict[str, Found] = {}
    passed = 0
    try:
        async with contextlib.aclosing(client.pages(resource, _PAGE, _FIELDS.get(kind, ""))) as pages:
            async for page in pages:
                for found in page:
                    if found.uid in wanted:
                        # The items of a list don't say what they are.
                        head = {"apiVersion": resource.api_version, "kind": resource.kind}
                        read[found.uid] = replace(found, body={**head, **found.body})
                passed += len(page)
                if len(read) == len(wanted):
                    return list(read.values()), []
                if passed > _IN_VAIN * len(wanted):
                    break
            else:
                return list(read.values()), []  # a list to its end: what it doesn't have is gone
    except (errors.Unauthorized, errors.Unreachable, errors.Busy):
        raise
    except errors.KubeError:
        pass  # each by itself, then; what can't be read either way is named there
    return list(read.values()), [found for uid, found in wanted.items() if uid not in read]


async def _read(client: Client, seen: Found) -> Found | Unread | None:
    try:
        found = await client.get(seen.ref, whole=True)
    except (errors.Unauthorized, errors.Unreachable, errors.Busy):
        raise
    except errors.KubeError as error:
        return Unread(seen.ref, error.message)
    # Another object of that name won't be deleted either: its UID isn't the plan's.
    return found if found is not None and found.uid == seen.uid else None


def _head(target: Target, survey: Survey, plan: Plan, moment: datetime) -> text.Head:
    return text.Head(
        taken=moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        context=target.context,
        server=target.server,
        version=survey.version.version,
        program=__version__,
        lost=tuple(f"the data in volume {lost.ref.namespace}/{lost.ref.name} ({lost.what})" for lost in plan.lost),
        cluster=found.uid if (found := survey.get(KUBE_SYSTEM)) else "",
    )


# -- the file


def free_path(directory: Path, name: str) -> Path:
    """A file in a folder that isn't there yet: `name`, or `name` with a number before its ending."""
    wanted = directory / name
    number = 1
    path = wanted
    while os.path.lexists(path):
        number += 1
        path = wanted.with_name(f"{wanted.stem}-{number}{wanted.suffix}")
    return path


def check(path: Path) -> None:
    """Raises `BackupExists` where there is something at `path` already."""
    if os.path.lexists(path):
        raise BackupExists(f"{path} exists already")


def save(path: Path, backup: text.Backup) -> str:
    """Writes a backup to a new file that only the user may read, and proves that it says what it should.

    Returns the file's digest.

    Raises `BackupExists` and `BackupFailed`; then there is no file at `path` that
    could be taken for a backup.
    """
    data = proven(backup).encode()
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _create(path, data)
        written = path.read_bytes()
    except OSError as error:
        if isinstance(error, FileExistsError) and os.path.lexists(path):
            raise BackupExists(f"{path} exists already") from error
        raise BackupFailed(f"can't write the backup to {path}: {error.strerror or error}") from error
    if written != data:
        path.unlink()
        raise BackupFailed(f"{path} reads otherwise than it was written")
    return digest_of(data)


def proven(backup: text.Backup) -> str:
    """The backup's text, read as a restore reads it; raises `BackupFailed` where that gives something else."""
    content = text.dump(backup)
    read = text.load(content, "the backup", reference=False)
    if read.contents.restored != backup.contents.restored:
        pairs = zip(backup.contents.restored, read.contents.restored, strict=False)
        differing = some(ours.ref.display for ours, theirs in pairs if ours != theirs)
        raise BackupFailed(f"the backup reads otherwise than what it was made from: {differing}")
    return content


def _create(path: Path, data: bytes) -> None:
    """Lets a file appear with all its content, durably, where there was none; raises `OSError`."""
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        _put(partial, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            partial.unlink()
    _sync_directory(path.parent)


def _put(partial: Path, path: Path) -> None:
    """Gives a complete file its name, unless something else has it: raises `FileExistsError` then."""
    try:
        os.link(partial, path)
    except FileExistsError:
        raise
    except OSError:
        # A file system without hard links. The name is taken first, so that nothing is ever replaced.
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        try:
            partial.replace(path)
        except OSError:
            path.unlink()
            raise


def _sync_directory(directory: Path) -> None:
    if sys.platform == "win32":  # where a folder can't be opened, and its entries are journalled
        return
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# -- where the backups are

_TOPIC = "backups"
_NAME = re.compile(r"[A-Za-z0-9._-]{1,120}")
_MOST_NOTES = 16


@dataclass(frozen=True)
class Note:
    """What the namespace says of a backup: a hint, for many can write it."""

    digest: str
    """SHA-256 of the file, in hexadecimal digits."""
    name: str
    """The file's name without its folder."""


def remembered(survey: Survey) -> tuple[Note, ...]:
    """The backups of former runs, oldest first, as the namespace says; what can't be one is left out."""
    value = survey.namespace.annotations.get(ANNOTATION, "") if survey.namespace else ""
    try:
        notes = [Note(str(one["digest"]), str(one["name"])) for one in json.loads(value or "[]")]
    except (ValueError, TypeError, KeyError, RecursionError):
        return ()
    valid = [one for one in notes if re.fullmatch("[0-9a-f]{64}", one.digest) and _NAME.fullmatch(one.name)]
    return tuple(dict.fromkeys(valid))[:_MOST_NOTES]


def interrupted(survey: Survey) -> str:
    """`the purge of 2026-11-23 22:03 UTC`, if the namespace has the notes of a purge that didn't finish; else `""`."""
    if survey.namespace is None or not _NOTES & survey.namespace.annotations.keys():
        return ""
    for note in reversed(remembered(survey)):
        if at := re.search(r"-(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)\d\dZ\.yaml$", note.name, re.ASCII):
            return "the purge of {}-{}-{} {}:{} UTC".format(*at.groups())
    return "an interrupted purge"


def own(survey: Survey, note: Note) -> tuple[Path, text.Backup] | None:
    """The backup, if this user wrote it on this machine, of this installation, and it hasn't changed since."""
    known = state.noted(_TOPIC, note.digest)
    if survey.namespace is None or known.get("namespace") != survey.namespace.uid:
        return None
    path = Path(known.get("file", ""))
    try:
        data = state.read_own(path)
        return (path, text.load(data.decode(), str(path))) if digest_of(data) == note.digest else None
    except (OSError, ValueError, BackupUnreadable):
        return None


def digest_of(data: bytes) -> str:
    """How a backup is recognised: its SHA-256, in hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def is_own(digest: str) -> bool:
    """Whether this user wrote a backup with this digest on this machine."""
    return bool(state.noted(_TOPIC, digest))


async def remember(client: Client, survey: Survey, path: Path, digest: str) -> None:
    """Notes a backup on this machine, and its digest and name on Glasskube's namespace, if there is one.

    Raises `KubeError`, and `OSError` if this machine can't note it.
    """
    namespace = survey.namespace
    state.note(_TOPIC, digest, file=str(path), namespace=namespace.uid if namespace else "")
    if namespace is not None:
        # A name that could be a command or a line of its own isn't published.
        name = path.name if _NAME.fullmatch(path.name) else "backup.yaml"
        value = json.dumps([asdict(one) for one in (*remembered(survey)[: _MOST_NOTES - 1], Note(digest, name))])
        await edits.annotate(client, namespace.ref, uid=namespace.uid, key=ANNOTATION, value=value)


async def forget(client: Client, namespace: Found) -> None:
    """Takes what a purge noted off a namespace: it was restored. Raises `KubeError`."""
    for key in _NOTES & namespace.annotations.keys():
        await edits.remove_annotation(client, namespace.ref, uid=namespace.uid, key=key)
