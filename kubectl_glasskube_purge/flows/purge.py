"""The design's one sentence as code: look once, decide, ask, do what was decided, look again.

Ties the rooms together and knows no flags and no screen: what a person sees goes
through a `Screen`, and what became of a run ends up in its `Record`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

import anyio

from kubectl_glasskube_purge.glasskube import inventory
from kubectl_glasskube_purge.glasskube.facts import AUTOUPDATER, FLUX_NAMESPACE, NAMESPACE
from kubectl_glasskube_purge.glasskube.release import Resolved, Sources, resolve
from kubectl_glasskube_purge.kube import state
from kubectl_glasskube_purge.kube.client import Client
from kubectl_glasskube_purge.kube.connect import Flags
from kubectl_glasskube_purge.kube.errors import (
    Conflict,
    Forbidden,
    KubeError,
    NotFound,
    Refused,
    Unauthorized,
    Unreachable,
)
from kubectl_glasskube_purge.kube.objects import Ref
from kubectl_glasskube_purge.kube.problem import Problem
from kubectl_glasskube_purge.kube.wording import some
from kubectl_glasskube_purge.purge.act.claim import claimed
from kubectl_glasskube_purge.purge.act.deleting import Answer, rehearse
from kubectl_glasskube_purge.purge.act.execute import execute
from kubectl_glasskube_purge.purge.judge.held import TROUBLESHOOTING
from kubectl_glasskube_purge.purge.judge.kept import stayed_after_all
from kubectl_glasskube_purge.purge.judge.plan import plan
from kubectl_glasskube_purge.purge.judge.verify import kinds_to_verify, verify
from kubectl_glasskube_purge.purge.look.survey import survey
from kubectl_glasskube_purge.purge.model.events import Event, GuardStopped, Interrupted, Limits, ObjectDone, Stopped
from kubectl_glasskube_purge.purge.model.plan import BUSY, Options, Plan
from kubectl_glasskube_purge.purge.model.record import Record, Verification
from kubectl_glasskube_purge.purge.model.survey import Survey
from kubectl_glasskube_purge.report import names
from kubectl_glasskube_purge.report.preview import question
from kubectl_glasskube_purge.undo import backup
from kubectl_glasskube_purge.undo.text import Backup

from . import rights
from .run import Journey, Screen, agreed, connected, execution, refused, surveyed


@dataclass(frozen=True)
class Request:
    """What the user asks for."""

    flags: Flags = field(default_factory=Flags)
    options: Options = field(default_factory=Options)
    sources: Sources = field(default_factory=Sources)
    version: str = ""
    """`--glasskube-version`."""
    yes: bool = False
    dry_run: bool = False
    role: str = ""
    """With `dry_run`: the file that the role is written to that this purge takes."""
    role_file: bool = False
    """Whether the role of missing rights is written to a file: a user at a terminal copies one command."""
    dry_run_on_server: bool = False
    """With `dry_run`: sends every delete as a dry run, so that admission and RBAC answer."""
    wait_idle: float = 0.0
    """Seconds for which work under way is waited for before it is a reason to refuse."""
    backup: str = ""
    """Where to: a file, `-` for stdout, `""` for a file of its own under the user's state folder."""
    no_backup: bool = False
    rollback: bool = False
    """Without asking: where it fails before the controllers are gone, what was deleted is restored."""
    limits: Limits = field(default_factory=Limits)
    export: Callable[[Client, Survey], Awaitable[object]] | None = None
    """Writes the packages as files, before the first delete."""


async def purge(request: Request, screen: Screen, record: Record) -> None:
    """The purge, from the first look to the last. Everything it finds out is in `record`, also where it raises.

    Raises `KubeError`, `ManifestError`'s tree, `UndoError` where there can be no
    backup, and `Claimed` where another purge is at work.
    """
    if request.backup not in ("", STDOUT):
        backup.check(Path(request.backup))
    async with connected(request.flags, record) as client:
        journey = Journey(client, request, screen, record)
        with anyio.move_on_after(request.limits.total) as limit:
            ready = await _prepare(journey, limit)
        if limit.cancelled_caught:
            return _too_late(record, request.limits)
        if ready is None:
            return
        async with claimed(client, ready.survey.namespace, screen.note):
            with anyio.CancelScope(deadline=limit.deadline) as rest:
                if request.export is not None:
                    await request.export(client, ready.survey)
                began = anyio.current_time()
                if taken := await _back_up(journey, ready):
                    record.saved = taken.refs, anyio.current_time() - began
            if rest.cancelled_caught:
                return _too_late(record, request.limits)
            left = None if request.limits.total is None else limit.deadline - anyio.current_time()
            await _execute_or_fail(journey, ready, replace(request.limits, left=left))
            if taken is not None and (request.rollback or not request.yes):
                # Most runs have no use for it, and it takes a twentieth of all imports.
                from .rollback import may_roll_back, roll_back

                if may_roll_back(journey, ask=not request.rollback):
                    await roll_back(journey, taken)


@dataclass(frozen=True)
class _Ready:
    """What is to be done, from which look at the cluster, and where the backup goes."""

    survey: Survey
    plan: Plan
    backup_file: str
    """`""` where none is wanted."""


async def _prepare(journey: Journey[Request], limit: anyio.CancelScope) -> _Ready | None:
    """All that comes before the first change; None where nothing is to be done, which the record then says.

    The time that the user takes to answer the question doesn't count against `limit`.
    """
    client, request, screen, record = journey.client, journey.request, journey.screen, journey.record
    found, decided = await _when_idle(journey)
    if (options := _ask_about_used(journey, decided)) is None:
        return None
    if options != request.options:
        request = replace(request, options=options)
        journey = replace(journey, request=request)
        decided = plan(found, options)
    record.plan = decided
    if decided.empty:
        await _nothing_to_do(journey, found, decided)
        return None
    manifest = await _manifest(request, found, decided, record)
    refs = manifest.refs if manifest else ()
    decided = record.plan = plan(found, request.options, refs)
    target = client.connection.target
    file = _backup_file(request, record)
    _say_what_is_resumed(journey, found)
    screen.preview(target, found, decided, record.manifest_source, file)
    refusals = [*_after_waiting(decided.refusals, request), *await _lacking(journey, found, decided)]
    if refusals:
        refused(record, *refusals)
        return None
    if request.dry_run:
        if request.role:
            await rights.write(client, decided, request.role)
        if request.dry_run_on_server:
            record.warnings += [_answer(answer) for answer in await rehearse(client, decided, found.webhooks)]
        record.outcome = "dry-run"
        return None
    if not request.yes:
        asked = anyio.current_time()
        yes = agreed(journey, question(decided, target.context or target.server))
        limit.deadline += anyio.current_time() - asked
        if not yes:
            return None
        # Minutes may have passed: what is carried out is decided from a fresh look.
        found = await _surveyed(journey)
        again = plan(found, request.options, refs)
        more = set(again.going) - set(decided.going)
        if again.refusals or more:
            refused(record, *(again.refusals or [_changed(more)]))
            return None
        decided = record.plan = again
    return _Ready(found, decided, file)


async def _surveyed(journey: Journey[Request]) -> Survey:
    request = journey.request
    everything = request.options.flux == "delete"
    return await surveyed(journey.client, journey.record, request.version, all_of_flux=everything)


def _ask_about_used(journey: Journey[Request], decided: Plan) -> Options | None:
    """The options, with what a user at a terminal decides about packages that others rely on; None for neither."""
    request, screen, record = journey.request, journey.screen, journey.record
    refusal = next((one for one in decided.refusals if one.code == "package-in-use"), None)
    if refusal is None or request.yes or request.dry_run:
        return request.options
    for text in (refusal.message, *refusal.details):
        screen.note(text)
    keep = screen.ask("Keep these packages running?")
    if keep is None:
        return request.options
    if keep:
        return replace(request.options, keep_in_use="auto")
    if screen.ask("Delete these packages although they are in use?"):
        return replace(request.options, delete_in_use=True)
    record.plan, record.outcome = decided, "declined"
    return None


async def _nothing_to_do(journey: Journey[Request], found: Survey, decided: Plan) -> None:
    """An empty plan, which may only mean that something couldn't be read."""
    record = journey.record
    record.outcome = "nothing-to-do"
    if found.unreadable and (lacking := await _lacking(journey, found, decided)):
        refused(record, *lacking)
    elif found.unreadable:
        record.verification = verify(found, decided)
        record.outcome, record.error = "incomplete", _left(record.verification)


def _say_what_is_resumed(journey: Journey[Request], found: Survey) -> None:
    if not journey.request.dry_run and (begun := backup.interrupted(found)):
        journey.screen.note(f"Resuming {begun}.")


async def _lacking(journey: Journey[Request], found: Survey, decided: Plan) -> list[Problem]:
    request = journey.request
    # A user with the right to read everything may delete more: what can't be read keeps Flux.
    seeing = plan(replace(found, unreadable=()), request.options) if found.unreadable else decided
    return await rights.lacking(journey.client, found, decided, seeing, to_file=request.role_file)


def _answer(answer: Answer) -> Problem:
    """What the API server says to a delete that was only tried, as a warning."""
    return Problem("server-refuses", f"{answer.ref.display} would be refused: {answer.message}")


def _too_late(record: Record, limits: Limits) -> None:
    record.outcome = "incomplete"
    record.error = Problem(
        "timeout",
        f"not ready to begin within {limits.total:.0f} s, so nothing was deleted",
        f"Run this again, with a longer --timeout. More: {TROUBLESHOOTING} timeout",
    )


async def _when_idle(journey: Journey[Request]) -> tuple[Survey, Plan]:
    """Looks, and again every few seconds as long as work is under way and `--wait-idle` has patience."""
    request, screen = journey.request, journey.screen
    clock = asyncio.get_running_loop().time
    until = clock() + request.wait_idle
    said: tuple[str, ...] = ()
    while True:
        found = await _surveyed(journey)
        decided = plan(found, request.options)
        reasons = tuple(reason for refusal in decided.refusals if refusal.code == BUSY for reason in refusal.details)
        if not reasons and said:
            screen.note("The work under way has ended: going on.")
        if not reasons or clock() >= until:
            return found, decided
        if reasons != said:
            said = reasons
            screen.note(f"Waiting for work under way: {some(said)}")
        await asyncio.sleep(min(_IDLE_EVERY, max(0.0, until - clock())))


_IDLE_EVERY = 3.0
"""Seconds between two looks while work under way is waited for."""


def _after_waiting(refusals: Iterable[Problem], request: Request) -> list[Problem]:
    """The refusals, with the wait that had no result."""
    waited = f"work is still under way after {request.wait_idle:.0f} s"
    hint = "Wait longer with --wait-idle, or cut it off with --ignore-busy."
    return [
        replace(refusal, message=waited, hint=hint) if request.wait_idle and refusal.code == BUSY else refusal
        for refusal in refusals
    ]


STDOUT = "-"
"""In place of a backup's file."""


def _backup_file(request: Request, record: Record) -> str:
    """Where the backup goes; `""` where none is wanted."""
    if request.no_backup:
        return ""
    if request.backup:
        return request.backup if request.backup == STDOUT else str(Path(request.backup).absolute())
    return str(backup.free_path(state.folder(), names.file_name(record.context, record.started, ".yaml")))


async def _back_up(journey: Journey[Request], ready: _Ready) -> Backup | None:
    """Writes down everything that the plan takes along, and only then returns. Raises `UndoError`, `KubeError`."""
    client, record, file = journey.client, journey.record, ready.backup_file
    for note in backup.remembered(ready.survey):
        if found := backup.own(ready.survey, note):
            record.backups.append(str(found[0]))
        else:
            message = f"an earlier run wrote a backup, {note.name}, that isn't on this machine or has changed since"
            record.warnings.append(Problem("backup-not-found", message))
    if not file:
        return None
    taken = await backup.take(client, ready.survey, ready.plan, record.started)
    if not taken.contents.restored:
        return taken  # nothing that wouldn't come back by itself
    if file == STDOUT:
        journey.screen.write(backup.proven(taken))
        return taken
    digest = backup.save(Path(file), taken)
    record.backups.append(file)
    try:
        await backup.remember(client, ready.survey, Path(file), digest)
    except (NotFound, Conflict, Forbidden, Refused, OSError) as error:
        message = f"a second run won't know of the backup {file}: {getattr(error, 'message', error)}"
        record.warnings.append(Problem("backup-not-remembered", message))
    return taken


def _changed(more: Collection[Ref]) -> Problem:
    return Problem(
        "changed",
        f"the cluster changed since the preview: {len(more)} objects more would be deleted",
        "Run this again and look at the new preview.",
    )


async def _manifest(request: Request, found: Survey, decided: Plan, record: Record) -> Resolved | None:
    """The release manifest of what is installed; None where only a Flux is left, which no version explains."""
    if not found.version.version and not request.sources.manifest:
        record.manifest_source = "not needed"
        return None
    variants = [inventory.AIO if decided.flux == "delete" else inventory.SLIM]
    if any(ref.name == AUTOUPDATER for ref in decided.deletes):
        variants.append(inventory.AUTOUPDATER)
    resolved = await resolve(found.version.version or None, variants, request.sources)
    record.manifest_source = resolved.source
    record.warnings += resolved.warnings
    return resolved


async def _execute_or_fail(journey: Journey[Request], ready: _Ready, limits: Limits) -> None:
    """Executes; an error of a cluster that can still be asked ends up in the record, and a rollback may follow."""
    try:
        await _execute(journey, ready, limits)
    except KubeError as error:
        await _see_what_is_left(journey, ready.survey, ready.plan)
        if isinstance(error, (Unauthorized, Unreachable)):
            raise
        journey.record.end(error)


async def _execute(journey: Journey[Request], ready: _Ready, limits: Limits) -> None:
    client, record, decided = journey.client, journey.record, ready.plan
    stopped: Stopped | None = None
    stayed: dict[Ref, str] = {}
    with execution(journey, decided) as (take, stop):

        def emit(event: Event) -> None:
            if isinstance(event, ObjectDone) and event.outcome == "kept":
                stayed[event.ref] = event.message
            take(event)

        try:
            await execute(client, decided, ready.survey, emit=emit, limits=limits, stop=stop)
        except Stopped as error:
            stopped = error
    if isinstance(stopped, Interrupted):
        return record.end(stopped)
    record.exit_code = None  # of a signal that came when there was nothing left to stop
    if stayed and not isinstance(stopped, GuardStopped):
        # By consent. What the guard spared was to go, and is listed as left.
        decided = record.plan = stayed_after_all(decided, stayed)
    if stopped is not None:
        await _see_what_is_left(journey, ready.survey, decided)
        return record.end(stopped)
    after = await _survey_after(client, ready.survey, decided)
    record.verification = verify(after, decided)
    if record.verification.clean:
        record.outcome = "clean"
        await _leave_no_notes(client, after)
    else:
        record.outcome, record.error = "incomplete", _left(record.verification)


async def _leave_no_notes(client: Client, after: Survey) -> None:
    """Takes off namespaces that stay what was written there for the next run: there is none."""
    for name in (NAMESPACE, FLUX_NAMESPACE):
        namespace = after.get(Ref("", "Namespace", "", name))
        if namespace is not None and not namespace.terminating:
            # A note that can't be removed, or whose namespace is gone, does no harm.
            with contextlib.suppress(Forbidden, Refused, NotFound, Conflict):
                await backup.forget(client, namespace)


async def _survey_after(client: Client, before: Survey, decided: Plan) -> Survey:
    return await survey(client, also=frozenset(decided.going), kinds=kinds_to_verify(before, decided))


async def _see_what_is_left(journey: Journey[Request], before: Survey, decided: Plan) -> None:
    """Looks at what a run leaves that ended early, if that can be done soon: it is over, and no user waits for long."""
    client = journey.client
    client.hurry.clear()
    client.retry_seconds = min(client.retry_seconds, _LAST_LOOK / 2)
    with anyio.move_on_after(_LAST_LOOK), contextlib.suppress(KubeError):
        journey.record.verification = verify(await _survey_after(client, before, decided), decided)


_LAST_LOOK = 20.0
"""Seconds for the look at what is left after a run that ended early."""


def _left(verification: Verification) -> Problem:
    """What is said of what isn't clean though everything was done."""
    if verification.leftovers:
        message = "not everything that should have gone is gone"
        hint = f"Run this again; if the same objects stay, see: {TROUBLESHOOTING} leftovers"
        return Problem("leftovers", message, hint)
    message = f"nothing of Glasskube is to be seen, but not everything can be read: {some(verification.unreadable)}"
    hint = f"Fix that, then check again with: kubectl glasskube purge verify. More: {TROUBLESHOOTING} unreadable"
    return Problem("unreadable", message, hint)
