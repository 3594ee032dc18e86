"""The way back, from files or a release to a Glasskube that works: look, decide, ask, apply, wait.

Has the purge's manners: the same screen, the same record, the same exit codes.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from kubectl_glasskube_purge.glasskube import facts, inventory, manifest
from kubectl_glasskube_purge.glasskube.release import Sources, resolve
from kubectl_glasskube_purge.kube import errors
from kubectl_glasskube_purge.kube.client import Client
from kubectl_glasskube_purge.kube.connect import Flags
from kubectl_glasskube_purge.kube.objects import Found, Ref
from kubectl_glasskube_purge.kube.problem import Problem
from kubectl_glasskube_purge.kube.wording import plural
from kubectl_glasskube_purge.purge.act.claim import claimed
from kubectl_glasskube_purge.purge.model.events import Limits, Stopped
from kubectl_glasskube_purge.purge.model.kinds import NAMESPACE
from kubectl_glasskube_purge.purge.model.plan import Plan
from kubectl_glasskube_purge.purge.model.record import Record, Verification
from kubectl_glasskube_purge.purge.model.survey import KUBE_SYSTEM
from kubectl_glasskube_purge.report import changes
from kubectl_glasskube_purge.undo import backup, consent, text
from kubectl_glasskube_purge.undo.apply import execute
from kubectl_glasskube_purge.undo.errors import BackupUnreadable
from kubectl_glasskube_purge.undo.restore import SIDECAR_WARNING, Options, Restore, from_release, look, merged, plan
from kubectl_glasskube_purge.undo.selection import FLUX, GLASSKUBE, Contents

from .run import Journey, Screen, agreed, connected, execution, refused

STDIN = "-"
"""In place of a file."""


@dataclass(frozen=True)
class RestoreRequest:
    """What the user asks for: files, or a release."""

    flags: Flags = field(default_factory=Flags)
    files: tuple[str, ...] = ()
    release: str = ""
    """`--release`."""
    sources: Sources = field(default_factory=Sources)
    digests: Callable[[str], inventory.Digests] = inventory.digests
    """What a release's objects have to be before they are applied."""
    options: Options = field(default_factory=Options)
    yes: bool = False
    trust_file: bool = False
    """Consent to what `undo.consent` asks for separately."""
    dry_run: bool = False
    limits: Limits = field(default_factory=Limits)


async def restore(request: RestoreRequest, screen: Screen, record: Record) -> None:
    """Puts back what files or a release's manifest say. Everything it finds out is in `record`.

    Raises `KubeError`, `UndoError`, `Claimed` where a purge is at work, and
    `ManifestError`'s and `ReleaseError`'s trees.
    """
    record.kind = "RestoreReport"
    files = [read(file) for file in request.files]
    backups = [one for one, _ in files]
    record.backups = [file for file in request.files if file != STDIN]
    async with connected(request.flags, record) as client:
        journey = Journey(client, request, screen, record)
        clock = asyncio.get_running_loop().time
        began = clock()
        if request.release:
            backups = [await _release(journey)]
        decided = await _decide(journey, backups, request.options)
        cluster = await _cluster(client)
        record.warnings += _from_elsewhere(backups, record, cluster)
        own = [one for one, noted in files if noted and one.head and one.head.is_of(cluster, record.server)]
        foreign = [one for one, _ in files if one not in own]
        separate = consent.separately(decided.plan, foreign, own)
        shown = replace(decided.plan, warnings=(*decided.plan.warnings, *separate))
        record.plan = shown
        screen.preview_changes(client.connection.target, shown, changes.RESTORE, _named(request, backups))
        if request.dry_run:
            record.outcome = "dry-run"
            return
        if request.yes and separate and not request.trust_file:
            return refused(record, _untrusted(separate))
        if not request.yes and not _nothing_new(decided.plan):
            asked = clock()
            options = _offered(request.options, decided, screen)
            objects = plural(sum(len(stage.actions) for stage in shown.stages), "object")
            yes = agreed(journey, f"Restore {objects} to {record.context or record.server}?")
            if yes and separate and not request.trust_file:
                named = plural(len(separate), "object")
                yes = agreed(journey, f"The file isn't this machine's backup. Apply the {named} in the warnings, too?")
            began += clock() - asked  # the question may be open for minutes
            if not yes:
                return
            # Minutes may have passed: what is carried out is decided from a fresh look.
            decided = await _decide(journey, backups, options)
            more = set(consent.separately(decided.plan, foreign, own)) - set(separate)
            if more and not request.trust_file:
                return refused(record, _untrusted(sorted(more, key=lambda one: one.message)))
        async with _claimed(client, decided, screen):
            left = None if request.limits.total is None else request.limits.total - (clock() - began)
            await carry_out(journey, decided, replace(request.limits, left=left))


# -- where the objects come from


def read(file: str) -> tuple[text.Backup, bool]:
    """A backup's file, or stdin, and whether it is this machine's own, unchanged. Raises `BackupUnreadable`."""
    try:
        content = sys.stdin.read() if file == STDIN else Path(file).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BackupUnreadable(f"can't read {file}: {getattr(error, 'strerror', None) or error}") from error
    own = backup.is_own(backup.digest_of(content.encode()))
    return text.load(content, "stdin" if file == STDIN else file), own


async def _release(journey: Journey[RestoreRequest]) -> text.Backup:
    """A release's objects, from its manifest: the operator's, and Flux's where there is none yet."""
    client, request, record = journey.client, journey.request, journey.record
    only = request.options.only
    await client.discover()
    resolved = await resolve(request.release, [inventory.AIO], request.sources)
    record.manifest_source = resolved.source
    record.warnings += resolved.warnings
    if not resolved.documents:
        raise BackupUnreadable(
            f"there is nothing to apply: the manifest of {request.release} can't be had ({resolved.source})",
            hint="Give it with --manifest FILE|URL, or name a mirror with --releases-url.",
        )
    source = f"the manifest of {request.release}"
    # Its names were checked when it was read. This is to be applied, so what it says matters, too.
    manifest.check_content(resolved.documents, request.digests(resolved.version or ""), source)
    flux_exists = client.discovery.find(*facts.HELM_RELEASE.group_kind) is not None
    entries = from_release(resolved.documents, only, flux_exists=flux_exists)
    if flux_exists and FLUX not in only and GLASSKUBE not in only:
        message = (
            "there is a Flux already, so the release's own is left out; --only=flux rebuilds what is missing of it"
        )
        record.warnings.append(Problem("flux-exists", message))
    return text.Backup(Contents(restored=entries))


def _named(request: RestoreRequest, backups: Sequence[text.Backup]) -> tuple[str, ...]:
    """Where the objects come from, a line each."""
    if request.release:
        return (f"the manifest of {request.release}",)
    lines = []
    for file, one in zip(request.files, backups, strict=True):
        head = one.head
        taken = f", taken {head.taken} from {head.context or head.server}" if head else ", no backup of this program"
        lines.append(("stdin" if file == STDIN else file) + taken)
    return tuple(lines)


async def _cluster(client: Client) -> str:
    """What identifies the cluster; `""` if the user may not read it. Raises `KubeError`."""
    try:
        found = await client.get(KUBE_SYSTEM)
    except errors.Forbidden:
        return ""
    return found.uid if found else ""


def _from_elsewhere(backups: Sequence[text.Backup], record: Record, cluster: str) -> list[Problem]:
    heads = [one.head for one in backups if one.head is not None]
    servers = {head.server for head in heads if not head.is_of(cluster, record.server)}
    if not servers:
        return []
    taken_from = ", ".join(sorted(servers))
    return [Problem("other-cluster", f"the backup was taken from {taken_from}, and this is {record.server}")]


# -- deciding and asking


async def _decide(journey: Journey[RestoreRequest], backups: Sequence[text.Backup], options: Options) -> Restore:
    release = journey.request.release
    entries = merged(backups, options)
    existing = await look(journey.client, entries)
    reason = f"in the manifest of {release}" if release else "in the backup"
    decided = plan(entries, existing, options, complete=not options.only and not release, reason=reason)
    journey.record.plan = decided.plan
    return decided


def _untrusted(separate: Sequence[Problem]) -> Problem:
    return Problem(
        "untrusted-file",
        "the file isn't a backup that this machine took of this cluster, and these objects take their own consent",
        "Check each of them in the file, then add --trust-file.",
        details=tuple(one.message for one in separate),
    )


def _nothing_new(plan: Plan) -> bool:
    return not any(stage.actions for stage in plan.stages)


def _offered(options: Options, decided: Restore, screen: Screen) -> Options:
    """Asks whether the sidecar's image may be taken from its present registry; nothing is changed without a yes."""
    gone = next((warning for warning in decided.plan.warnings if warning.code == SIDECAR_WARNING), None)
    if gone is None:
        return options
    address = facts.RBAC_PROXY_IMAGE_MOVED
    answer = screen.ask(f"The sidecar's image has moved. Use {address} instead?")
    return replace(options, sidecar_image=address) if answer else options


# -- carrying out


@contextlib.asynccontextmanager
async def _claimed(client: Client, decided: Restore, screen: Screen) -> AsyncIterator[None]:
    """Keeps purges away, as far as there is a namespace to say so on."""
    namespace = decided.existing.get(Ref(*NAMESPACE, "", facts.NAMESPACE))
    async with claimed(client, None if namespace is None or namespace.terminating else namespace, screen.note):
        yield


async def carry_out(journey: Journey[Any], decided: Restore, limits: Limits) -> None:
    """Applies what was decided; what became of it is in the journey's record. Raises `KubeError`."""
    record = journey.record
    with execution(journey, decided.plan, "apply") as (emit, stop):
        try:
            unready = await execute(journey.client, decided, emit=emit, limits=limits, stop=stop)
        except Stopped as stopped:
            return record.end(stopped)
    if unready:
        record.outcome = "incomplete"
        record.verification = Verification(leftovers=unready)
        record.error = Problem(
            "not-ready",
            "everything is restored, but not everything works",
            "Each has its reason above; kubectl describe says more. Nothing has to be restored again.",
        )
        return
    record.outcome = "nothing-to-do" if _nothing_new(decided.plan) else "done"
    if decided.complete:
        await _forget(journey.client, decided.existing.values())


async def _forget(client: Client, existing: Collection[Found]) -> None:
    """Takes a purge's notes off namespaces that outlived it: they would speak of files that were restored."""
    namespaces = [found for found in existing if found.ref.group_kind == NAMESPACE and not found.terminating]
    with contextlib.suppress(errors.NotFound, errors.Conflict, errors.Forbidden):
        await asyncio.gather(*(backup.forget(client, found) for found in namespaces))
