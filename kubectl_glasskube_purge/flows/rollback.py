"""A purge that failed before the controllers were gone → the cluster as it was before it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from kubectl_glasskube_purge.kube.client import RETRY_SECONDS
from kubectl_glasskube_purge.kube.errors import KubeError
from kubectl_glasskube_purge.kube.objects import Ref
from kubectl_glasskube_purge.purge.model.events import Limits
from kubectl_glasskube_purge.purge.model.plan import STAGES
from kubectl_glasskube_purge.undo.backup import own, remembered
from kubectl_glasskube_purge.undo.restore import Options, look, merged, plan
from kubectl_glasskube_purge.undo.selection import Contents
from kubectl_glasskube_purge.undo.text import Backup

from .restore import carry_out
from .run import Journey, new_record

_AFTER_CONTROLLERS = frozenset(STAGES[STAGES.index("controllers") + 1 :])


def may_roll_back(journey: Journey[Any], *, ask: bool) -> bool:
    """Whether a purge ended too early to be worth going on with; with `ask`, the user also has to want it undone."""
    record, screen = journey.record, journey.screen
    begun = record.stage_moments.keys()
    too_late = "controllers" in record.stages_over or begun & _AFTER_CONTROLLERS
    if record.outcome not in ("incomplete", "failed") or not begun or too_late:
        return False
    if not ask:
        return True
    assert record.error is not None
    screen.note(f"It failed: {record.error.message}")
    return bool(screen.ask("Restore what was deleted so far?"))


async def roll_back(journey: Journey[Any], taken: Backup) -> None:
    """Undoes a purge that failed, by its backup, and by those of interrupted ones for what that doesn't have."""
    record = journey.record
    assert record.plan is not None
    assert record.survey is not None
    earlier = [found[1] for note in remembered(record.survey) if (found := own(record.survey, note))]
    changed = {
        action.ref
        for stage in record.plan.stages
        for action in stage.actions
        if action.verb not in ("delete", "keep") and record.done(action)
    }
    back = record.rollback = new_record()
    try:
        await _put_back(replace(journey, record=back), [taken, *earlier], changed, bool(record.survey.operator.ready))
    except KubeError as error:
        back.end(error)
    if back.outcome in ("done", "nothing-to-do"):
        record.outcome, record.verification = "rolled-back", None


async def _put_back(journey: Journey[Any], backups: Sequence[Backup], changed: Collection[Ref], ready: bool) -> None:
    """Puts back what the purge has deleted, and what it `changed`. Raises `KubeError`."""
    client = journey.client
    # The purge may have ended in a hurry; putting things back has all the time it takes.
    client.hurry.clear()
    client.retry_seconds = RETRY_SECONDS
    # What was changed and not deleted stands in the backup for reference only.
    changed_too = tuple(entry for one in backups for entry in one.contents.remade if entry.ref in changed)
    options = Options(changed=frozenset(changed), rollback=True, ready=ready)
    entries = merged([*backups, Backup(Contents(restored=changed_too))], options)
    decided = plan(entries, await look(client, entries), options, reason="deleted by the purge that failed")
    journey.record.plan = decided.plan
    await carry_out(journey, decided, Limits())
