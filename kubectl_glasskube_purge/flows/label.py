"""The labelling, from the first look to the last label. Deletes nothing and restarts nothing."""

from __future__ import annotations

from dataclasses import dataclass, field

from kubectl_glasskube_purge.kube.connect import Flags
from kubectl_glasskube_purge.kube.problem import Problem
from kubectl_glasskube_purge.kube.wording import displayed, plural
from kubectl_glasskube_purge.purge.look.survey import survey
from kubectl_glasskube_purge.purge.model.events import Event, Interrupted
from kubectl_glasskube_purge.purge.model.record import Record
from kubectl_glasskube_purge.report import changes
from kubectl_glasskube_purge.undo import labels as labelling

from .run import NOBODY_TO_ASK, Screen, connected, refused, stoppable


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
        record.survey = found = await survey(client)
        decided = record.plan = labelling.removal(found) if request.remove else labelling.plan(found)
        words = changes.UNLABEL if request.remove else changes.LABEL
        screen.preview_changes(client.connection.target, decided, words)
        if not decided.stages[0].actions:
            record.outcome = "nothing-to-do"
            return
        if not request.dry_run and not request.yes:
            answer = screen.ask(f"Change the labels in {record.context or record.server}?")
            if answer is None:
                return refused(record, NOBODY_TO_ASK)
            if not answer:
                record.outcome = "declined"
                return
        if request.dry_run and not request.dry_run_on_server:
            record.outcome = "dry-run"
            return
        with screen.progress(decided, "apply") as show, stoppable(record) as stop:

            def emit(event: Event) -> None:
                record.take(event)
                show(event)

            try:
                failed = await labelling.execute(client, decided, emit=emit, stop=stop, dry_run=request.dry_run)
            except Interrupted as stopped:
                return record.end(stopped)
        if failed:
            message = f"{plural(len(failed), 'object')} couldn't be labelled: {displayed(failed)}"
            hint = "Each has its reason above. Run this again once it is mended."
            record.outcome, record.error = "incomplete", Problem("not-labelled", message, hint)
        else:
            record.outcome = "dry-run" if request.dry_run else "done"
