"""What a person reads last: the end of a purge, a refusal, what `verify` found. Draws; decides nothing.

The preview is `preview`'s, what is seen in between `progress`'s. All of it works in
80 and in 40 columns, without colour, without a terminal, and read aloud.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.console import Group, RenderableType

from kubectl_glasskube_purge.kube.problem import Problem
from kubectl_glasskube_purge.kube.wording import plural, some
from kubectl_glasskube_purge.purge.judge.verify import JUST_EXISTS
from kubectl_glasskube_purge.purge.model.record import Record

from .layout import Columns, Heading, Labelled, Paragraph, text, unbroken
from .names import NOT_TO_UNDO, restore_command, seconds, tilde, typed
from .preview import by_kind, folded, kept, listed

_SHOWN = 20
"""Leftovers that are named where not all are asked for."""


def end(record: Record, *, wide: bool = False) -> Group:
    """What became of it, and what to do next."""
    return Group(*_end(record, wide))


def _end(record: Record, wide: bool) -> Iterator[RenderableType]:
    if record.outcome == "clean":
        yield from _clean(record)
    elif record.outcome == "nothing-to-do":
        yield text(f"Nothing to do: there is no Glasskube in {_where(record)}.")
        if record.plan and record.plan.kept:
            yield Heading("Kept")
            yield kept(record.plan.kept)
    elif record.outcome == "dry-run":
        yield from _dry_run(record)
    elif record.outcome == "declined":
        yield text("Declined: nothing was changed.")
    else:
        yield from _bad_end(record, wide)


def _where(record: Record) -> str:
    return record.context or record.server or "the cluster"


def _clean(record: Record) -> Iterator[RenderableType]:
    plan = record.plan
    deleted = plural(len(plan.deletes), "object") if plan else "everything"
    followers = sum(len(stage.consequences) for stage in plan.stages) if plan else 0
    with_them = f", and {followers} with them," if followers else ""
    took = seconds(record.took)
    yield text(f"Glasskube is gone from {_where(record)}: {deleted}{with_them} in {took}, verified.", "bold green")
    lines = []
    foreseen = plan.kept if plan else ()
    behind = [one for one in foreseen if record.outcomes.get((one.uid, "delete"), ("", ""))[0] == "kept"]
    if behind:
        yield Heading("Kept")
        yield kept(behind)
    if more := len(foreseen) - len(behind):
        lines.append(("Kept", f"{plural(more, 'object')} (see above)"))
    if plan and plan.kept_packages and record.backups:
        files = f"kubectl glasskube purge export --from {typed(record.backups[-1])}"
        lines.append(("Export", f"{files}, for Helm, Flux or Argo CD"))
    yield from _facts([*lines, *_way_back(record)])


def _dry_run(record: Record) -> Iterator[RenderableType]:
    yield from folded(record.warnings)
    yield text("Dry run: nothing was changed.")


def _way_back(record: Record) -> Iterator[tuple[str, str]]:
    if record.backups and record.kind == "PurgeReport" and record.outcome not in NOT_TO_UNDO:
        yield "Backup", tilde(record.backups[-1])
        yield "Undo", restore_command(record.backups)


def _facts(lines: Iterable[tuple[str, str]]) -> Iterator[RenderableType]:
    if shown := list(lines):
        yield Labelled(shown)


def _bad_end(record: Record, wide: bool) -> Iterator[RenderableType]:
    code = f"(exit {record.exit})"
    error = record.error or Problem("", "")
    if record.outcome == "refused":
        yield text(f"Refused {code}, nothing was changed: {error.message}", "bold red")
    elif record.outcome == "incomplete":
        yield text(f"Not finished {code}: {error.message or 'not verified'}", "bold red")
    elif record.outcome == "interrupted":
        yield text(f"Interrupted {code}: {error.message}.", "bold yellow")
    else:
        yield text(f"Failed {code}: {error.message}", "bold red")
    yield from _rollback(record)
    yield from _left(record, wide=wide)
    if error.hint:
        yield Labelled([("Fix", error.hint)])
    yield from map(unbroken, error.copied)
    if record.again and record.outcome in ("failed", "incomplete", "interrupted"):
        yield Labelled([("Next", record.again)])
    yield from _facts(_way_back(record))


def _rollback(record: Record) -> Iterator[RenderableType]:
    if record.rollback is None:
        return
    if record.outcome == "rolled-back":
        yield text("What was deleted is restored and ready.", "bold green")
    else:
        why = record.rollback.error.message if record.rollback.error else "it didn't finish"
        yield text(f"The rollback failed, too: {why}", "bold red")


def _left(record: Record, *, wide: bool = True) -> Iterator[RenderableType]:
    found = record.verification
    if found is None:
        return
    if found.leftovers:
        told = [leftover for leftover in found.leftovers if wide or leftover.why != JUST_EXISTS]
        others = [leftover.ref for leftover in found.leftovers if not wide and leftover.why == JUST_EXISTS]
        yield from listed([(leftover.ref.display, leftover.why) for leftover in told], _SHOWN, wide)
        if others:
            yield Columns(list(by_kind(others, 3)))
    if found.unreadable:
        unreadable = some(found.unreadable)
        yield Paragraph(text(f"Can't be read, so not known to be clean: {unreadable}", "yellow"), following="  ")


def verification(record: Record, *, wide: bool = False) -> Group:
    """The result of `verify`; with `wide` every object by itself."""
    found = record.verification
    if found is None:
        return end(record)
    parts: list[RenderableType] = []
    if found.clean:
        parts.append(text(f"Nothing of Glasskube is in {_where(record)}."))
    elif found.leftovers:
        version = record.survey.version.version if record.survey else ""
        named = f"Glasskube {version}" if version else "Glasskube"
        parts.append(text(f"{named} is in {_where(record)}: {plural(len(found.leftovers), 'object')}.", "bold"))
    parts += _left(record, wide=wide)
    return Group(*parts)
