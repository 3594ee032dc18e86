"""A report in words: its headline, its numbers, and the dozen lines for a ticket without attachments."""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kubectl_glasskube_purge.glasskube import facts
from kubectl_glasskube_purge.kube.wording import displayed, plural, some

from .names import NOT_TO_UNDO, restore_command, seconds, short

if TYPE_CHECKING:
    from .reader import Noted, Report

NAMED = 12
"""Objects that a line of the ticket names."""

_UNBROKEN = "\0-n\0"
"""In place of ` -n ` while lines are broken: a name that can be copied stays on one line."""

_WIDTH = 88
_LABEL = 11
"""Columns of the ticket's text: in all, and before the values."""

UNCHANGED = frozenset({"dry-run", "refused", "declined", "nothing-to-do"})
"""The outcomes of runs that changed nothing."""

_COMPLETE = "clean"
"""The outcome of which it is known that what was to go has gone; any other may have ended before it came to that."""


def where(report: Report) -> str:
    """Which cluster, as people call it."""
    return report.context or report.server or "the cluster"


def headline(report: Report) -> str:
    """The result in one line."""
    cluster, left = where(report), len(report.leftovers)
    looked_only = not report.stages
    if report.outcome == "clean":
        return f"Nothing of Glasskube is in {cluster}" if looked_only else f"Glasskube is gone from {cluster}"
    if report.outcome == "incomplete":
        if looked_only and left:
            return f"Glasskube is in {cluster}"
        objects = f"{plural(left, 'object')} {'is' if left == 1 else 'are'} left in {cluster}"
        return f"Not finished: {objects}" if left else f"Not verified: {cluster} could not be read completely"
    told = {
        "nothing-to-do": f"Nothing to do: there is no Glasskube in {cluster}",
        "dry-run": f"What a purge would remove from {cluster}",
        "refused": f"Refused: nothing was changed in {cluster}",
        "declined": f"Declined: nothing was changed in {cluster}",
        "interrupted": f"The purge of {cluster} was interrupted",
        "rolled-back": f"The purge of {cluster} failed, and what it removed was restored",
        "failed": f"The purge of {cluster} failed",
    }
    return told.get(report.outcome, f"The purge of {cluster} ended: {report.outcome}")


def mood(report: Report) -> str:
    """Which of the page's four colours the result has."""
    if report.outcome in ("clean", "nothing-to-do"):
        return "good"
    if report.outcome in ("dry-run", "declined"):
        return "quiet"
    return "doubt" if report.outcome in ("refused", "interrupted", "rolled-back") else "bad"


def installed(report: Report) -> str:
    """When Glasskube was installed, and by what."""
    by = ["glasskube bootstrap" if manager == facts.FIELD_MANAGER else manager for manager in report.installed_by]
    return report.installed_at[:10] + (f" by {some(by)}" if by else "")


@dataclass(frozen=True)
class _Counts:
    """How many objects: deleted by request, gone with them, and those that a plan names and that are still there."""

    direct: int
    along: int
    ahead: int


def _counts(report: Report) -> _Counts:
    deletes = [entry for entry in report.entries if entry.action == "delete"]
    gone = [entry for entry in deletes if entry.gone]
    along = sum(entry.because is not None for entry in gone)
    return _Counts(sum(entry.direct for entry in gone), along, len(deletes) - len(gone))


def _deleted(counts: _Counts) -> str:
    return plural(counts.direct, "object") + (f", and {counts.along} with them," if counts.along else "")


def lead(report: Report) -> str:
    """What was changed, in a sentence or two."""
    counts = _counts(report)
    if report.outcome in UNCHANGED or not report.stages:
        words = "Nothing was changed."
        if counts.ahead and report.outcome == "dry-run":
            words += f" A purge would delete {plural(counts.ahead, 'object')}."
        return words
    words = f"{_deleted(counts)} deleted in {seconds(report.took)}."
    if report.outcome == "clean":
        words += " A second survey of the cluster found nothing left."
    return words


def figures(report: Report) -> list[tuple[str, str]]:
    """The numbers on top: value and what it counts."""
    counts = _counts(report)
    planned = report.outcome in UNCHANGED
    done = [(counts.direct, "object deleted"), (counts.along, "went with them")]
    numbers = [
        (len(report.packages), "package"),
        *([(counts.ahead, "object in the plan")] if planned else done),
        (len(report.kept), "kept"),
        (len(report.lost), "volume lost" if report.outcome == _COMPLETE else "volume at stake"),
        (len(report.leftovers), "left over"),
    ]
    told = [(str(number), _noun(number, noun)) for number, noun in numbers if number]
    return told if planned else [*told, (seconds(report.took), "for the deletion")]


def _noun(number: int, noun: str) -> str:
    head, _, rest = noun.partition(" ")
    if head not in ("package", "object", "volume"):
        return noun
    return plural(number, head).partition(" ")[2] + (f" {rest}" if rest else "")


def undo(report: Report) -> str:
    """The command that restores what was deleted, with whole paths: others read the page; `""` if there is none."""
    return restore_command(report.backups, shlex.quote) if report.backups and report.outcome not in NOT_TO_UNDO else ""


def ticket(report: Report) -> str:
    """The run in a dozen lines of plain text, for a ticket without attachments."""
    return "".join(
        textwrap.fill(
            value.replace(" -n ", _UNBROKEN),
            width=_WIDTH,
            initial_indent=label.ljust(_LABEL),
            subsequent_indent=" " * _LABEL,
            break_on_hyphens=False,
            break_long_words=False,
        ).replace(_UNBROKEN, " -n ")
        + "\n"
        for label, value in _ticket(report)
    )


def _ticket(report: Report) -> Iterable[tuple[str, str]]:
    counts = _counts(report)
    complete = report.outcome == _COMPLETE
    removed = counts.direct or counts.along
    flux = "kept" if report.flux == "keep" else "deleted" if complete else "was to be deleted"
    lines = [
        ("Report", headline(report)),
        ("Result", f"{report.outcome} (exit code {report.exit_code})"),
        ("Cluster", f"{report.context} ({report.server})" if report.context and report.server else where(report)),
        ("By", " with ".join(filter(None, (report.user, f"kubectl-glasskube-purge {report.tool}".rstrip())))),
        ("Start", report.started.strftime("%Y-%m-%d %H:%M:%S UTC")),
        ("End", f"{report.finished.strftime('%Y-%m-%d %H:%M:%S UTC')}"),
        ("Glasskube", f"{report.version}, detected from {report.detected_by or 'the user'}" if report.version else ""),
        ("Packages", some((short(package.ref) for package in report.packages), NAMED)),
        ("Removed", f"{_deleted(counts).rstrip(',')} in {seconds(report.took)}" if removed else ""),
        ("Flux", "" if report.flux in ("", "absent") else flux),
        ("Kept", _all_of(report.kept)),
        ("Lost" if complete else "At stake", _all_of(report.lost)),
        ("Left", _all_of(report.leftovers)),
        ("Error", report.error.message if report.error else ""),
        ("Warnings", "; ".join(warning.message for warning in report.warnings[:NAMED])),
        *(("Backup", file) for file in report.backups),
    ]
    return [(label, value) for label, value in lines if value]


def _all_of(noted: Iterable[Noted]) -> str:
    return displayed((one.ref for one in noted), NAMED)
