"""A report document → the values that the page draws. Trusts nothing in it.

A document comes from this run, or from a file that somebody kept, mailed or
edited. So every field is checked for its type, text loses what a browser or a
terminal would obey, and fields that older versions didn't write may be absent.
Whatever can't be read ends in `NotAReport`, which names the field; the schema
in `schema.json` says more, and is for those who write such documents.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, get_args

from kubectl_glasskube_purge.kube.objects import Ref
from kubectl_glasskube_purge.kube.problem import Problem, ProblemError
from kubectl_glasskube_purge.kube.wording import printable
from kubectl_glasskube_purge.purge.model.outcome import EXIT_CODE_OF, Outcome

from .document import API_VERSION

_MOST = 1_000_000_000
"""Seconds of more than thirty years: no run, only somebody's joke."""


class NotAReport(ProblemError):
    """The text is no report document, or one of another version. The message says where it is wrong."""


@dataclass(frozen=True)
class Entry:
    """One object of a stage."""

    ref: Ref
    action: str
    reason: str
    outcome: str
    message: str
    at: float | None
    """Seconds after the start at which the outcome was known."""
    because: Ref | None
    """What takes it along; None for what is deleted by request."""

    @property
    def gone(self) -> bool:
        """Whether it was there to be deleted, and is deleted."""
        return self.action == "delete" and self.outcome in ("deleted", "absent")


@dataclass(frozen=True)
class StageRun:
    """One stage, and what became of it."""

    name: str
    at: float | None
    seconds: float
    entries: tuple[Entry, ...]


@dataclass(frozen=True)
class Installed:
    """One package that was installed."""

    ref: Ref
    package: str
    version: str
    repository: str
    status: str
    suspended: bool
    as_dependency: bool
    requires: tuple[Ref, ...]


@dataclass(frozen=True)
class Noted:
    """An object with something to say about it: why it stays, what is lost with it."""

    ref: Ref
    words: str


@dataclass(frozen=True)
class Report:
    """A whole document. Text is `""` and lists are empty where it says nothing."""

    outcome: str
    exit_code: int
    tool: str
    context: str
    server: str
    user: str
    started: datetime
    seconds: float
    version: str
    detected_by: str
    operator: str
    installed_at: str
    installed_by: tuple[str, ...]
    manifest: str
    flux: str
    evidence: tuple[str, ...]
    backups: tuple[str, ...]
    """Files; only together they are everything where a run was interrupted."""
    packages: tuple[Installed, ...]
    stages: tuple[StageRun, ...]
    kept: tuple[Noted, ...]
    lost: tuple[Noted, ...]
    leftovers: tuple[Noted, ...]
    unreadable: tuple[str, ...]
    warnings: tuple[Problem, ...]
    error: Problem | None

    @property
    def finished(self) -> datetime:
        """When the run ended."""
        return self.started + timedelta(seconds=self.seconds)

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The objects of all stages, in order."""
        return tuple(entry for stage in self.stages for entry in stage.entries)


def parse(text: str) -> Report:
    """Reads a document as `-o json` or `-o yaml` wrote it. Raises `NotAReport`."""
    from kubectl_glasskube_purge.kube import yaml_text

    try:
        loaded = json.loads(text) if text.lstrip().startswith("{") else yaml_text.read_one(text)
    except (ValueError, RecursionError) as error:
        raise NotAReport(f"neither JSON nor YAML: {str(error).splitlines()[0]}") from None
    return read(loaded)


def read(document: Any) -> Report:
    """Reads a loaded document. Raises `NotAReport`."""
    if not isinstance(document, Mapping):
        raise NotAReport("not an object")
    root = _Field(document, "")
    if root.text("kind") != "PurgeReport":
        raise NotAReport(f"kind: {root.text('kind') or 'none'}; pages are drawn of a PurgeReport")
    if root.text("apiVersion") != API_VERSION:
        raise NotAReport(f"apiVersion: {root.text('apiVersion') or 'none'}; this version reads {API_VERSION}")
    if root.text("outcome") not in get_args(Outcome):
        raise NotAReport(f"outcome: {root.text('outcome') or 'none'} is not known to this version")
    glasskube, flux, backup = root.object("glasskube"), root.object("flux"), root.object("backup")
    report = Report(
        outcome=root.text("outcome"),
        exit_code=int(root.number("exitCode", EXIT_CODE_OF[root.text("outcome")])),
        tool=root.object("tool").text("version"),
        context=root.text("context"),
        server=root.text("server"),
        user=root.text("user"),
        started=_moment(root),
        seconds=root.number("seconds"),
        version=glasskube.text("version"),
        detected_by=glasskube.text("detectedBy"),
        operator=glasskube.text("operator"),
        installed_at=glasskube.text("installedAt"),
        installed_by=tuple(glasskube.texts("installedBy")),
        manifest=root.object("manifest").text("source"),
        flux=flux.text("decision"),
        evidence=tuple(flux.texts("evidence")),
        backups=tuple(backup.texts("files")) or tuple(filter(None, [backup.text("file")])),
        packages=tuple(_package(package) for package in root.objects("packages")),
        stages=tuple(_stage(stage) for stage in root.objects("stages")),
        kept=tuple(Noted(_ref(kept), kept.text("why")) for kept in root.objects("kept")),
        lost=tuple(Noted(_ref(lost), lost.text("what")) for lost in root.objects("lost")),
        leftovers=tuple(Noted(_ref(left), left.text("why")) for left in root.objects("leftovers")),
        unreadable=tuple(root.texts("unreadable")),
        warnings=tuple(_problem(warning) for warning in root.objects("warnings")),
        error=_problem(root.object("error")) if "error" in document else None,
    )
    try:
        report.finished.isoformat()
    except OverflowError:
        raise NotAReport("seconds: the run would end after all calendars do") from None
    return report


def _moment(root: _Field) -> datetime:
    text = root.text("startedAt")
    try:
        # Python 3.10 doesn't know the Z.
        moment = datetime.fromisoformat(text.removesuffix("Z") + ("+00:00" if text.endswith("Z") else ""))
        return moment.replace(tzinfo=moment.tzinfo or timezone.utc).astimezone(timezone.utc)
    except (ValueError, OverflowError):
        raise NotAReport(f"startedAt: {text!r} is no moment as RFC 3339 writes it") from None


def _ref(field: _Field) -> Ref:
    group, _, version = field.text("apiVersion").rpartition("/")
    return Ref(group, field.text("kind"), field.text("namespace"), field.text("name"), version)


def _package(field: _Field) -> Installed:
    return Installed(
        ref=_ref(field),
        package=field.text("package"),
        version=field.text("version"),
        repository=field.text("repository"),
        status=field.text("status"),
        suspended=field.flag("suspended"),
        as_dependency=field.flag("asDependency"),
        requires=tuple(_ref(required) for required in field.objects("requires")),
    )


def _stage(field: _Field) -> StageRun:
    return StageRun(
        name=field.text("name"),
        at=field.optional_number("at"),
        seconds=field.number("seconds"),
        entries=tuple(_entry(entry) for entry in field.objects("objects")),
    )


def _entry(field: _Field) -> Entry:
    because = field.object("because")
    return Entry(
        ref=_ref(field),
        action=field.text("action"),
        reason=field.text("reason"),
        outcome=field.text("outcome"),
        message=field.text("message"),
        at=field.optional_number("at"),
        because=_ref(because) if because.value else None,
    )


def _problem(field: _Field) -> Problem:
    return Problem(field.text("code"), field.text("message"), field.text("hint"))


@dataclass(frozen=True)
class _Field:
    """A mapping of the document, and where in it that stands."""

    value: Mapping[str, Any]
    path: str

    def _where(self, key: str) -> str:
        return f"{self.path}.{key}" if self.path else key

    def _wrong(self, key: str, expected: str) -> NotAReport:
        return NotAReport(f"{self._where(key)}: expected {expected}")

    def text(self, key: str) -> str:
        return self._text(key, self.value.get(key, ""))

    def _text(self, key: str, value: Any) -> str:
        if not isinstance(value, str):
            raise self._wrong(key, "text")
        return printable(" ".join(value.split()))

    def texts(self, key: str) -> Iterator[str]:
        for value in self._items(key):
            yield self._text(key, value)

    def number(self, key: str, default: float = 0.0) -> float:
        value = self.value.get(key, default)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self._wrong(key, "a number")
        if not 0 <= value <= _MOST:
            raise self._wrong(key, f"a number from 0 to {_MOST}")
        return float(value)

    def optional_number(self, key: str) -> float | None:
        return self.number(key) if key in self.value else None

    def flag(self, key: str) -> bool:
        value = self.value.get(key, False)
        if not isinstance(value, bool):
            raise self._wrong(key, "true or false")
        return value

    def object(self, key: str) -> _Field:
        value = self.value.get(key, {})
        if not isinstance(value, Mapping):
            raise self._wrong(key, "an object")
        return _Field(value, self._where(key))

    def objects(self, key: str) -> Iterator[_Field]:
        for position, value in enumerate(self._items(key)):
            if not isinstance(value, Mapping):
                raise self._wrong(f"{key}[{position}]", "an object")
            yield _Field(value, self._where(f"{key}[{position}]"))

    def _items(self, key: str) -> Sequence[Any]:
        value = self.value.get(key, [])
        if not isinstance(value, list):
            raise self._wrong(key, "a list")
        return value
