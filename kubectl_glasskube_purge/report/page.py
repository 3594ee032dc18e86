"""The report page: one HTML file for the change ticket, drawn from the report document alone.

It needs nothing but itself: no script, no font, no request; a Content-Security-Policy
in the page holds browsers to that. All text goes through the template engine's
escaping, so what an object is called stays text. Long lists fold by themselves,
because a page without scripts can be mailed, archived and printed anywhere.

What the document says is read by `reader`, where things stand in the drawings
is decided by `graph` and `timeline`, the whole in words is `summary`'s; here are
the tables. How it looks is in `page.html.j2` and `page.css`.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kubectl_glasskube_purge.kube import state
from kubectl_glasskube_purge.kube.objects import Ref
from kubectl_glasskube_purge.kube.problem import ProblemError
from kubectl_glasskube_purge.kube.wording import plural

from . import graph, summary, timeline
from .document import NotAReport
from .names import seconds, short

if TYPE_CHECKING:
    from jinja2 import Template

    from .reader import Entry, Installed, Noted, Report, StageRun

UNFOLDED = 12
"""Rows of a list that stands open; a longer one is folded."""
PRINTED = 400
"""Rows of a folded list that is printed all the same; a longer one is in the document."""

_TELLING = ("Namespace", "HelmRelease", "StatefulSet", "Deployment", "DaemonSet", "CronJob", "PersistentVolumeClaim")
"""Kinds by which people know what a package was."""


class PageError(ProblemError):
    """The page can't be written where it was asked for."""

    ending = "usage"


def render(document: Mapping[str, Any]) -> str:
    """The page of a report document as `document.document` makes it. Raises `NotAReport`."""
    from .reader import read

    return render_report(read(document))


def render_text(text: str) -> str:
    """The page of a report document as `-o json` or `-o yaml` printed it. Raises `NotAReport`."""
    from .reader import parse

    return render_report(parse(text))


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
        where=summary.where(report),
        installed=summary.installed(report),
        headline=summary.headline(report),
        lead=summary.lead(report),
        mood=summary.mood(report),
        figures=summary.figures(report),
        ticket=summary.ticket(report),
        undo=summary.undo(report),
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
        "short": short,
        "utc": lambda moment: moment.strftime("%Y-%m-%d %H:%M:%S UTC"),
    }
    return environment.from_string(_asset("page.html.j2"))


@cache
def _asset(name: str) -> str:
    return files(__package__).joinpath(name).read_text("utf-8")


def clip(text: str, most: int) -> str:
    """At most `most` characters: text inside a drawing doesn't wrap."""
    return text if len(text) <= most else text[: most - 1] + "…"


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


def _card(package: Installed, entries: Iterable[Entry], along: int) -> _Card:
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
    return _Card(short(package.ref), package.ref.kind, package.version, fate, words)


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
    ahead = report.outcome in summary.UNCHANGED
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
    because = {entry.ref: entry.because.ref for entry in report.entries if entry.because is not None}
    followers: dict[Ref, list[Entry]] = {}
    for entry in report.entries:
        if entry.because is None:
            continue
        root, passed = entry.because.ref, {entry.ref}
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

    run: StageRun
    outcome: str
    rows: Sequence[_Row]


def _stage(run: StageRun, along: Mapping[Ref, Sequence[Entry]], owners: Collection[Ref]) -> _Stage:
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
    """Writes a page as a whole or not at all: a reader never sees half of the file. Raises `PageError`."""
    path = path.resolve()  # a link stays a link
    try:
        if path.exists() and not path.is_file():
            path.write_text(text, "utf-8")  # /dev/stdout and its like can't be replaced
        else:
            state.replace(path, text.encode())
    except OSError as error:
        raise PageError(f"the report can't be written to {path}: {error.strerror or error}") from error


__all__ = ["NotAReport", "PageError", "check_writable", "render", "render_text", "write"]
