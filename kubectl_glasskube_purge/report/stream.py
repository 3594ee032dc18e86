"""`-o jsonl`: each event of a run as one line of JSON, as it happens. Its fields are a contract, `stream.schema.json`.

The last line is of type `report` and holds the whole report document: who
reads the stream to its end needs nothing else, and a stream without that line
was cut off.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from kubectl_glasskube_purge.kube.objects import Ref
from kubectl_glasskube_purge.purge.model.events import Event, ObjectDone, StageFinished, StageStarted, Waiting
from kubectl_glasskube_purge.purge.model.plan import Plan

from .document import API_VERSION, identity

KIND = "PurgeEvent"

Document = dict[str, Any]


def plan(decided: Plan) -> Document:
    """What will be done, in numbers: the objects follow in the report, and as they go."""
    stages = [
        {"name": stage.name, "actions": len(stage.actions), "withThem": len(stage.consequences)}
        for stage in decided.stages
    ]
    return _event("plan", stages=stages, kept=len(decided.kept), lost=len(decided.lost))


def event(happened: Event) -> Document:
    """What happened during the execution."""
    if isinstance(happened, StageStarted):
        return _event("stage-started", stage=happened.stage, total=happened.total)
    if isinstance(happened, ObjectDone):
        return _event(
            "object",
            stage=happened.stage,
            object=_object(happened.ref, happened.uid),
            action=happened.verb,
            outcome=happened.outcome,
            message=happened.message,
            requested=happened.direct,
        )
    if isinstance(happened, Waiting):
        return _event(
            "waiting",
            stage=happened.stage,
            object=_object(happened.ref),
            message=happened.why,
            seconds=round(happened.seconds, 3),
        )
    if isinstance(happened, StageFinished):
        return _event(
            "stage-finished",
            stage=happened.stage,
            seconds=round(happened.seconds, 3),
            complete=happened.complete,
        )
    return _event("notice", code=happened.code, message=happened.message)


def report(document: Mapping[str, Any]) -> Document:
    """The end: the whole report document."""
    return _event("report", report=dict(document))


def line(document: Document) -> str:
    """One line of JSON."""
    return json.dumps(document)


def _event(kind: str, **fields: Any) -> Document:
    now = datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {"apiVersion": API_VERSION, "kind": KIND, "type": kind, "time": now, **fields}


def _object(ref: Ref, uid: str = "") -> Document:
    return {**identity(ref), "uid": uid} if uid else identity(ref)
