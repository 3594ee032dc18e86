"""A report document → the values that the page draws. Trusts nothing in it.

A document comes from this run, or from a file that was kept, mailed or edited. So every field is checked for its
type by pydantic, text loses what a browser or a terminal would obey, and fields that older versions didn't write may
be absent. Whatever can't be read ends in `NotAReport`, which names the field; the schema in `schema.json` says more,
and is for those who write such documents.

pydantic takes a tenth of a second to import, so this module is imported only if a page is drawn.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    AliasChoices,
    AliasPath,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    ValidationError,
)
from pydantic.alias_generators import to_camel

from kubectl_glasskube_purge.kube.objects import Ref
from kubectl_glasskube_purge.kube.problem import Problem
from kubectl_glasskube_purge.kube.wording import printable
from kubectl_glasskube_purge.purge.model.outcome import EXIT_CODE_OF, Outcome

from .document import UNFORESEEN, NotAReport

_MOST = 1_000_000_000
"""Seconds of more than thirty years: no real run."""


def _in_utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=moment.tzinfo or timezone.utc).astimezone(timezone.utc)


def _at(*path: str) -> Any:
    return Field(validation_alias=AliasPath(*path))


def _several(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


Number = Annotated[float, Strict(), Field(ge=0, le=_MOST)]
Flag = Annotated[bool, Strict()]


class _Read(BaseModel):
    """What is read. Text is `""` and lists are empty where the document says nothing."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True)


class Named(_Read):
    """An object by name."""

    api_version: str = ""
    kind: str = ""
    namespace: str = ""
    name: str = ""

    @cached_property
    def ref(self) -> Ref:
        """Which object."""
        return Ref.named(self.api_version, self.kind, self.namespace, self.name)


class Entry(Named):
    """One object of a stage."""

    action: str = ""
    reason: str = ""
    outcome: str = ""
    message: str = ""
    at: Number | None = None
    """Seconds after the start at which the outcome was known."""
    because: Named | None = None
    """What takes it along; None for what is deleted by request."""

    @property
    def gone(self) -> bool:
        """Whether it was there to be deleted, and is deleted."""
        return self.action == "delete" and self.outcome in ("deleted", "absent")

    @property
    def direct(self) -> bool:
        """Whether the plan asks for it: not a consequence, and not made after the survey."""
        return self.because is None and self.reason != UNFORESEEN


class StageRun(_Read):
    """One stage, and what became of it."""

    name: str = ""
    at: Number | None = None
    seconds: Number = 0.0
    entries: Annotated[tuple[Entry, ...], Field(validation_alias="objects")] = ()


class Installed(Named):
    """One package that was installed."""

    package: str = ""
    version: str = ""
    repository: str = ""
    status: str = ""
    suspended: Flag = False
    as_dependency: Flag = False
    requires: tuple[Named, ...] = ()


class Noted(Named):
    """An object with something to say about it: why it stays, what is lost with it."""

    words: Annotated[str, Field(validation_alias=AliasChoices("why", "what"))] = ""


class Report(_Read):
    """A whole document."""

    kind: Literal["PurgeReport"]
    api_version: Literal["glasskube-purge/v1"]
    outcome: Outcome
    exit_code: int
    started: Annotated[datetime, Field(validation_alias="startedAt"), AfterValidator(_in_utc)]
    tool: Annotated[str, _at("tool", "version")] = ""
    context: str = ""
    server: str = ""
    user: str = ""
    seconds: Number = 0.0
    version: Annotated[str, _at("glasskube", "version")] = ""
    detected_by: Annotated[str, _at("glasskube", "detectedBy")] = ""
    operator: Annotated[str, _at("glasskube", "operator")] = ""
    installed_at: Annotated[str, _at("glasskube", "installedAt")] = ""
    installed_by: Annotated[tuple[str, ...], _at("glasskube", "installedBy")] = ()
    manifest: Annotated[str, _at("manifest", "source")] = ""
    flux: Annotated[str, _at("flux", "decision")] = ""
    evidence: Annotated[tuple[str, ...], _at("flux", "evidence")] = ()
    backups: Annotated[
        tuple[str, ...],
        Field(validation_alias=AliasChoices(AliasPath("backup", "files"), AliasPath("backup", "file"))),
        BeforeValidator(_several),
    ] = ()
    """Files; only together they are everything where a run was interrupted."""
    packages: tuple[Installed, ...] = ()
    stages: tuple[StageRun, ...] = ()
    kept: tuple[Noted, ...] = ()
    lost: tuple[Noted, ...] = ()
    leftovers: tuple[Noted, ...] = ()
    unreadable: tuple[str, ...] = ()
    warnings: tuple[Problem, ...] = ()
    error: Problem | None = None

    @property
    def took(self) -> float:
        """Seconds of the stages, without the question; of the whole run if the document has no stages."""
        return sum(stage.seconds for stage in self.stages) or self.seconds

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
    try:
        root = _printable(document)
        report = Report.model_validate({"exitCode": EXIT_CODE_OF.get(str(root.get("outcome")), 1), **root})
        report.finished.isoformat()
    except ValidationError as error:
        first = error.errors()[0]
        where = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in first["loc"])
        raise NotAReport(f"{where.removeprefix('.')}: {first['msg']}, not {first['input']!r:.80}") from None
    except RecursionError:
        raise NotAReport("nested too deeply") from None
    except OverflowError:
        raise NotAReport("startedAt or seconds: no calendar has such a run") from None
    return report


def _printable(value: Any) -> Any:
    """A document whose text stands on one line and has nothing in it that a browser or a terminal obeys."""
    if isinstance(value, str):
        return printable(" ".join(value.split()))
    if isinstance(value, Mapping):
        return {key: _printable(item) for key, item in value.items()}
    return [_printable(item) for item in value] if isinstance(value, list) else value
