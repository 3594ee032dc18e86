"""The report page: one HTML file for the change ticket, drawn from the report document alone.

It needs nothing but itself: no script, no font, no request; a Content-Security-Policy
in the page holds browsers to that. All text goes through the template engine's
escaping, so what an object is called stays text. Long lists fold by themselves,
because a page without scripts can be mailed, archived and printed anywhere.

What the document says is read by `reader`, where things stand in the drawings
is decided by `graph` and `timeline`; here are the words. How it looks is in
`page.html.j2` and `page.css`.
"""

from __future__ import annotations

import base64
import hashlib
import os
import secrets
import textwrap
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kubectl_glasskube_purge.glasskube import facts
from kubectl_glasskube_purge.kube.objects import Ref
from kubectl_glasskube_purge.kube.problem import ProblemError
from kubectl_glasskube_purge.kube.wording import plural, some

from . import graph, reader, timeline
from .names import seconds
from .reader import Entry, NotAReport, Noted, Report

if TYPE_CHECKING:
    from jinja2 import Template

UNFOLDED = 12
"""Rows of a list that stands open; a longer one is folded."""
PRINTED = 400
"""Rows of a folded list that is printed all the same; a longer one is in the document for whoever needs it."""

_TELLING = ("Namespace", "HelmRelease", "StatefulSet", "Deployment", "DaemonSet", "CronJob", "PersistentVolumeClaim")
"""Kinds by which people know what a package was."""

_TICKET_WIDTH = 88
_TICKET_LABEL = 11
"""Columns of the ticket's text: in all, and before the values."""

_UNCHANGED = frozenset({"dry-run", "refused", "declined", "nothing-to-do"})
_COMPLETE = "clean"
"""The outcome of which it is known that what was to go has gone; any other may have ended before it came to that."""


class PageError(ProblemError):
    """The page can't be written where it was asked for."""

    ending = "usage"


def render(document: Mapping[str, Any]) -> str:
    """The page of a report document as `document.document` makes it. Raises `NotAReport`."""
    return render_report(reader.read(document))


def render_text(text: str) -> str:
    """The page of a report document as `-o json` or `-o yaml` printed it. Raises `NotAReport`."""
    return render_report(reader.parse(text))


def render_report(report: Report) -> str:
    """The page: a complete HTML document. The same report always gives the same page."""
    style = _asset("page.css")
    along = _along(report)
    owners = {package.ref for package in report.packages}
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return _template().render(
        style=style,
        style_digest=digest,
        report=report,
        where=_where(report),
        installed=_installed(report),
        headline=_headline(report),
        lead=_lead(report),
        mood=_mood(report),
        figures=_figures(report),
        ticket=ticket(report),
        graph=graph.layout(report.packages),
        graph_size=graph,
        cards=_cards(report, along),
        owned=_owned(report, along),
        unfold_owned=sum(len(along.get(package.ref, ())) for package in report.packages) <= UNFOLDED,
        stages=[_stage(stage, along, owners) for stage in report.stages if stage.entries],
        timeline=timeline.layout(report.stages),
        timeline_size=timeline,
        seconds_table=timeline.by_second(report.stages),
        kept=_by_words(report.kept),
        unfolded=UNFOLDED,
        printed=PRINTED,
    )


@cache
def _template() -> Template:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {
        "clip": clip,
        "plural": plural,
        "seconds": seconds,
        "utc": lambda moment: moment.strftime("%Y-%m-%d %H:%M:%S UTC"),
    }
    return environment.from_string(_asset("page.html.j2"))


@cache
def _asset(name: str) -> str:
    return files(__package__).joinpath(name).read_text("utf-8")


def clip(text: str, most: int) -> str:
    """At most `most` characters: text inside a drawing doesn't wrap."""
    return text if len(text) <= most else text[: most - 1] + "…"


# -- the words


def _where(report: Report) -> str:
    return report.context or report.server or "the cluster"


def _headline(report: Report) -> str:
    where, left = _where(report), len(report.leftovers)
    looked_only = not report.stages
    if report.outcome == "clean":
        return f"Nothing of Glasskube is in {where}" if looked_only else f"Glasskube is gone from {where}"
    if report.outcome == "incomplete":
        if looked_only and left:
            return f"Glasskube is in {where}"
        objects = f"{plural(left, 'object')} {'is' if left == 1 else 'are'} left in {where}"
        return f"Not finished: {objects}" if left else f"Not verified: {where} could not be read completely"
    told = {
        "nothing-to-do": f"Nothing to do: there is no Glasskube in {where}",
        "dry-run": f"What a purge would remove from {where}",
        "refused": f"Refused: nothing was changed in {where}",
        "declined": f"Declined: nothing was changed in {where}",
        "interrupted": f"The purge of {where} was interrupted",
        "rolled-back": f"The purge of {where} failed, and what it removed was put back",
        "failed": f"The purge of {where} failed",
    }
    return told.get(report.outcome, f"The purge of {where} ended: {report.outcome}")


def _mood(report: Report) -> str:
    """Which of the page's four colours the result has."""
    if report.outcome in ("clean", "nothing-to-do"):
        return "good"
    if report.outcome in ("dry-run", "declined"):
        return "quiet"
    return "doubt" if report.outcome in ("refused", "interrupted", "rolled-back") else "bad"


def _installed(report: Report) -> str:
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
    return _Counts(len(gone) - along, along, len(deletes) - len(gone))


def _lead(report: Report) -> str:
    counts = _counts(report)
    if report.outcome in _UNCHANGED or not report.stages:
        words = "Nothing was changed."
        if counts.ahead and report.outcome == "dry-run":
            words += f" A purge would delete {plural(counts.ahead, 'object')}."
        return words
    words = f"{plural(counts.direct, 'object')} deleted"
    if counts.along:
        words += f", and {counts.along} more that went with them"
    words += f", in {seconds(report.seconds)}."
    if report.outcome == "clean":
        words += " A second look at the cluster found nothing left."
    return words


def _figures(report: Report) -> list[tuple[str, str]]:
    """The numbers on top: value and what it counts."""
    counts = _counts(report)
    planned = report.outcome in _UNCHANGED
    figures = [(len(report.packages), "package")]
    if planned:
        figures.append((counts.ahead, "object in the plan"))
    else:
        figures += [(counts.direct, "object deleted"), (counts.along, "went with them")]
    lost = "volume lost" if report.outcome == _COMPLETE else "volume at stake"
    figures += [(len(report.kept), "kept"), (len(report.lost), lost), (len(report.leftovers), "left over")]
    told = [(str(number), _noun(number, noun)) for number, noun in figures if number]
    return told if planned else [*told, (seconds(report.seconds), "from start to end")]


def _noun(number: int, noun: str) -> str:
    head, _, rest = noun.partition(" ")
    if head not in ("package", "object", "volume"):
        return noun
    return plural(number, head).partition(" ")[2] + (f" {rest}" if rest else "")


def ticket(report: Report) -> str:
    """The run in a dozen lines of plain text, for whoever can attach no page."""
    return "".join(
        textwrap.fill(
            value,
            width=_TICKET_WIDTH,
            initial_indent=label.ljust(_TICKET_LABEL),
            subsequent_indent=" " * _TICKET_LABEL,
            break_on_hyphens=False,
            break_long_words=False,
        )
        + "\n"
        for label, value in _ticket(report)
    )


def _ticket(report: Report) -> Iterable[tuple[str, str]]:
    counts = _counts(report)
    cluster = f"{report.context} ({report.server})" if report.context and report.server else _where(report)
    lines: list[tuple[str, str]] = [
        ("Report", _headline(report)),
        ("Result", f"{report.outcome} (exit code {report.exit_code})"),
        ("Cluster", cluster),
        ("By", " with ".join(filter(None, (report.user, f"kubectl-glasskube-purge {report.tool}".rstrip())))),
        ("Start", report.started.strftime("%Y-%m-%d %H:%M:%S UTC")),
        ("End", f"{report.finished.strftime('%Y-%m-%d %H:%M:%S UTC')} ({seconds(report.seconds)})"),
    ]
    if report.version:
        lines.append(("Glasskube", f"{report.version}, told by {report.detected_by or 'the user'}"))
    if report.packages:
        lines.append(("Packages", _all_of(_short(package.ref) for package in report.packages)))
    if counts.direct or counts.along:
        lines.append(("Removed", f"{plural(counts.direct, 'object')}, and {counts.along} that went with them"))
    if report.flux not in ("", "absent"):
        decided = "deleted" if report.outcome == _COMPLETE else "was to be deleted"
        lines.append(("Flux", "kept" if report.flux == "keep" else decided))
    if report.kept:
        lines.append(("Kept", _all_of(kept.ref.display for kept in report.kept)))
    if report.lost:
        lines.append(
            ("Lost" if report.outcome == _COMPLETE else "At stake", _all_of(lost.ref.display for lost in report.lost))
        )
    if report.leftovers:
        lines.append(("Left", _all_of(left.ref.display for left in report.leftovers)))
    if report.error:
        lines.append(("Error", report.error[1]))
    if report.warnings:
        lines.append(("Warnings", "; ".join(message for _, message in report.warnings[:UNFOLDED])))
    lines += [("Backup", file) for file in report.backups]
    return lines


def _short(ref: Ref) -> str:
    """A name where the kind is clear from what stands around it."""
    return f"{ref.namespace}/{ref.name}" if ref.namespace else ref.name


def _all_of(names: Iterable[str]) -> str:
    return some(names, UNFOLDED)


# -- packages, and what went with them


@dataclass(frozen=True)
class _Card:
    """What a box of the graph says under the package's name."""

    title: str
    kind: str
    version: str
    fate: str
    """`gone`, `failed`, `kept`, `pending` or `planned`: the colour of its edge."""
    words: str


def _cards(report: Report, along: Mapping[Ref, Sequence[Entry]]) -> Mapping[Ref, _Card]:
    entries: dict[Ref, list[Entry]] = {package.ref: [] for package in report.packages}
    for entry in report.entries:
        if entry.ref in entries:
            entries[entry.ref].append(entry)
    return {p.ref: _card(p, entries[p.ref], len(along.get(p.ref, ()))) for p in report.packages}


def _card(package: reader.Installed, entries: Iterable[Entry], along: int) -> _Card:
    entries = tuple(entries)
    deleted = next((entry for entry in entries if entry.action == "delete"), None)
    handed = next((entry for entry in entries if entry.action in ("detach", "hand-over", "keep")), None)
    if deleted is None:
        fate, words = ("kept", "handed over") if handed else ("planned", "not in the plan")
    elif deleted.gone:
        fate, words = "gone", "gone" + (f" at {seconds(deleted.at)}" if deleted.at is not None else "")
    else:
        fate = {"failed": "failed", "pending": "pending"}.get(deleted.outcome, "planned")
        words = {"failed": "failed", "pending": "still there", "planned": "would be deleted"}[fate]
    if along:
        words += f" · {along} with it"
    return _Card(_short(package.ref), package.ref.kind, package.version, fate, words)


@dataclass(frozen=True)
class _Owned:
    """A package, and by kind what went, or would have gone, with it."""

    ref: Ref
    about: str
    refs: Sequence[Ref]
    by_kind: Sequence[tuple[str, Sequence[Ref]]]
    left: int
    """How many of them are still there."""


def _owned(report: Report, along: Mapping[Ref, Sequence[Entry]]) -> list[_Owned]:
    ahead = report.outcome in _UNCHANGED
    owned = []
    for package in report.packages:
        entries = along.get(package.ref, ())
        by_kind: dict[str, list[Ref]] = {}
        for entry in entries:
            by_kind.setdefault(entry.ref.kind, []).append(entry.ref)
        left = 0 if ahead else sum(not entry.gone for entry in entries)
        refs = [entry.ref for entry in entries]
        about = _among(refs) if refs else "nothing"
        if package.as_dependency:
            about += " · installed as a dependency"
        if package.suspended:
            about += " · suspended"
        owned.append(_Owned(package.ref, about, refs, list(by_kind.items()), left))
    return sorted(owned, key=lambda one: one.ref)


def _among(refs: Sequence[Ref]) -> str:
    """`10 objects, among them 1 Namespace, 1 HelmRelease, 2 Deployments`: the telling kinds first."""
    counted = Counter(ref.kind for ref in refs)
    telling = sorted(counted, key=lambda kind: (_TELLING.index(kind) if kind in _TELLING else len(_TELLING), kind))
    named = ", ".join(plural(counted[kind], kind) for kind in telling[:3])
    return f"{plural(len(refs), 'object')}, among them {named}" if len(telling) > 3 else named


def _along(report: Report) -> Mapping[Ref, Sequence[Entry]]:
    """What went with each object that was deleted by request."""
    because = {entry.ref: entry.because for entry in report.entries if entry.because is not None}
    followers: dict[Ref, list[Entry]] = {}
    for entry in report.entries:
        if entry.because is None:
            continue
        root, passed = entry.because, {entry.ref}
        while root in because and root not in passed:
            passed.add(root)
            root = because[root]
        followers.setdefault(root, []).append(entry)
    return followers


# -- stages, and what was kept


@dataclass(frozen=True)
class _Row:
    """An object of a stage, and what went with it as far as the packages' section doesn't say it."""

    entry: Entry
    along: Sequence[Entry]
    more: int
    """How many went with it that the packages' section lists."""


@dataclass(frozen=True)
class _Stage:
    """One stage as a table."""

    run: reader.StageRun
    outcome: str
    rows: Sequence[_Row]


def _stage(run: reader.StageRun, along: Mapping[Ref, Sequence[Entry]], owners: Collection[Ref]) -> _Stage:
    outcomes = Counter(entry.outcome or "unknown" for entry in run.entries)
    told = ", ".join(f"{number} {outcome}" for outcome, number in outcomes.most_common())
    rows = []
    named: set[Ref] = set()
    for entry in run.entries:
        if entry.because is None:
            followers = along.get(entry.ref, ()) if entry.ref not in named and entry.action == "delete" else ()
            listed = entry.ref in owners
            rows.append(_Row(entry, () if listed else followers, len(followers) if listed else 0))
            named.add(entry.ref)
    roots = {follower.ref for ref in named for follower in along.get(ref, ())}
    rows += [_Row(entry, (), 0) for entry in run.entries if entry.because is not None and entry.ref not in roots]
    return _Stage(run, told, rows)


def _by_words(noted: Iterable[Noted]) -> list[tuple[str, list[Ref]]]:
    grouped: dict[str, list[Ref]] = {}
    for one in noted:
        grouped.setdefault(one.words, []).append(one.ref)
    return list(grouped.items())


# -- writing


def check_writable(path: Path) -> None:
    """Makes sure, before anything is done to a cluster, that the page can be written. Raises `PageError`."""
    folder = path.resolve().parent
    if path.is_dir():
        raise PageError(f"{path} is a folder; --report takes a file")
    if not folder.is_dir():
        raise PageError(f"the report can't be written: there is no folder {folder}")
    if not os.access(path if path.exists() and not path.is_file() else folder, os.W_OK):
        raise PageError(f"the report can't be written: {folder} is not writable")


def write(path: Path, text: str) -> None:
    """Writes a page as a whole or not at all: whoever reads the file sees no half of it. Raises `PageError`."""
    path = path.resolve()  # a link stays a link
    try:
        if path.exists() and not path.is_file():
            path.write_text(text, "utf-8")  # /dev/stdout and its like can't be replaced
            return
        draft = path.with_name(f".{path.name[:80]}.{secrets.token_hex(4)}")
        try:
            with draft.open("x", encoding="utf-8", newline="\n") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        finally:
            with suppress(FileNotFoundError):
                draft.unlink()
    except OSError as error:
        raise PageError(f"the report can't be written to {path}: {error.strerror or error}") from error


__all__ = ["NotAReport", "PageError", "check_writable", "render", "render_text", "ticket", "write"]
