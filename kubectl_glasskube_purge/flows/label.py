"""The labelling, from the first look to the last label. Deletes nothing and restarts nothing."""

from __future__ import annotations

from dataclasses import dataclass, field

from kubectl_glasskube_purge.kube.connect import Flags
from kubectl_glasskube_purge.kube.problem import Problem
from kubectl_glasskube_purge.kube.wording import displayed, plural
from kubectl_glasskube_purge.purge.model.events import Interrupted
from kubectl_glasskube_purge.purge.model.plan import Plan
from kubectl_glasskube_purge.purge.model.record import Record
from kubectl_glasskube_purge.report import changes
from kubectl_glasskube_purge.undo.labels import execute, plan, removal

from .run import Journey, Screen, agreed, connected, execution, surveyed


@dataclass(frozen=True)
class LabelRequest:
    """What the user asks for."""

    flags: Flags = field(default_factory=Flags)
    remove: bool = False
    yes: bool = False
    dry_run: bool = False
    dry_run_on_server: bool = False
    """With `dry_run`: applies without storing, so that admission and RBAC answer."""


async def label(request: LabelRequest, screen: Screen, record: Record) -> None:
    """Labels, or takes the labels off. Everything it finds out is in `record`. Raises `KubeError`."""
    record.kind = "LabelReport"
    async with connected(request.flags, record) as client:
        journey = Journey(client, request, screen, record)
        found = await surveyed(client, record)
        decided = record.plan = removal(found) if request.remove else plan(found)
        screen.preview_changes(client.connection.target, decided, changes.UNLABEL if request.remove else changes.LABEL)
        if not decided.stages[0].actions:
            record.outcome = "nothing-to-do"
        elif request.dry_run and not request.dry_run_on_server:
            record.outcome = "dry-run"
        elif (
            request.dry_run
            or request.yes
            or agreed(journey, f"Change the labels in {record.context or record.server}?")
        ):
            await _carry_out(journey, decided)


async def _carry_out(journey: Journey[LabelRequest], decided: Plan) -> None:
    record, dry_run = journey.record, journey.request.dry_run
    with execution(journey, decided, "apply") as (emit, stop):
        try:
            failed = await execute(journey.client, decided, emit=emit, stop=stop, dry_run=dry_run)
        except Interrupted as stopped:
            return record.end(stopped)
    if failed:
        message = f"{plural(len(failed), 'object')} couldn't be labelled: {displayed(failed)}"
        hint = "Each has its reason above. Fix that, then run this again."
        record.outcome, record.error = "incomplete", Problem("not-labelled", message, hint)
    else:
        record.outcome = "dry-run" if dry_run else "done"
