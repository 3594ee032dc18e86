"""Plan → what happened, as a stream of events. Prints nothing, decides nothing new.

Each stage takes its steps level by level, sends each delete when what has to be gone before is gone, and waits until
everything in it, and everything that is deleted because of it, is gone. Waiting is watching. Before a stage that
deletes more than it names, `recheck` asks the guard's question again.

What can't be done to one object is that object's failure and ends the run after its stage; an API server that
can't be reached any more ends it at once. Wherever a run ends, the cluster alone shows what is left to do.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby

from kubectl_glasskube_purge.glasskube import facts
from kubectl_glasskube_purge.kube import edits, errors
from kubectl_glasskube_purge.kube.client import Client
from kubectl_glasskube_purge.kube.objects import Found, Ref
from kubectl_glasskube_purge.kube.problem import Problem
from kubectl_glasskube_purge.purge.judge.decision import handed_over
from kubectl_glasskube_purge.purge.judge.held import TROUBLESHOOTING
from kubectl_glasskube_purge.purge.judge.uninstall import rank
from kubectl_glasskube_purge.purge.model.events import (
    NO_LIMITS,
    Event,
    Interrupted,
    Limits,
    NotDeleted,
    StageFinished,
    StageStarted,
)
from kubectl_glasskube_purge.purge.model.kinds import DEFINITION, NAMESPACE, WEBHOOK
from kubectl_glasskube_purge.purge.model.plan import Action, Plan, Stage
from kubectl_glasskube_purge.purge.model.survey import (
    FLUX_ANNOTATION,
    KEPT_ANNOTATION,
    REPLICAS_ANNOTATION,
    VERSION_ANNOTATION,
    Survey,
)

from .deleting import delete_all
from .detach import detach, hand_over_to_helm, take_conversion_off
from .finalizers import drop, dropped
from .patience import until_gone
from .recheck import Spared, recheck
from .run import OF_ONE_OBJECT, Run, all_of, now
from .stopping import stop
from .watching import follow_all


async def execute(
    client: Client,
    plan: Plan,
    survey: Survey,
    *,
    emit: Callable[[Event], None],
    limits: Limits = NO_LIMITS,
    stop: asyncio.Event | None = None,
) -> None:
    """Carries a plan out, and reports by `emit` the outcome of each object.

    Raises `GuardStopped`, `NotDeleted`, `TimedOut` or `Interrupted` if it ends
    early, and `KubeError` if the API server can't be reached any more. Once
    `stop` is set nothing more is sent, and what is under way is waited for. The
    client is in a hurry from then on, and likewise once `limits.total` has passed.
    """
    run = Run(client, plan, survey, limits, emit, stop or asyncio.Event(), stopped=survey.operator.gone)
    hurrying = asyncio.create_task(_hurry(run), name="hurry")
    follow_all(run)
    spared = Spared()
    try:
        await _remember(run)
        for stage in plan.stages:
            if stage.actions or stage.consequences:
                spared = await recheck(run, stage, spared)
                await _carry_out(run, spared.without(stage))
        if spared.error is not None:
            raise spared.error
    except errors.KubeError as error:
        # In a hurry a request may fail that would have been tried again.
        if run.stop.is_set():
            raise Interrupted() from error
        if run.late:
            raise run.too_late(f": {error.message}") from error
        raise
    finally:
        tasks = [hurrying, *run.watches.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _hurry(run: Run) -> None:
    """Ends all retries once the run has to end."""
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(run.stop.wait(), run.limits.execution)
    run.client.hurry.set()


async def _remember(run: Run) -> None:
    """Writes on the namespaces, which are deleted last, what can't be found out again once the rest is gone."""
    namespace, version = run.survey.namespace, run.survey.version.version
    if namespace is not None and version:
        await _annotate(run, namespace, VERSION_ANNOTATION, version)
    names = {one.name for one in run.plan.packages if one.decision == "keep"}
    if namespace is not None and names:
        await _annotate(run, namespace, KEPT_ANNOTATION, " ".join(sorted(names.union(handed_over(run.survey)))))
    operator = run.survey.operator
    if namespace is not None and operator.replicas:
        await _annotate(run, namespace, REPLICAS_ANNOTATION, str(operator.replicas))
    flux = run.plan.deletes.get(Ref(*NAMESPACE, "", facts.FLUX_NAMESPACE))
    if flux is not None and run.plan.verdict.proven:
        await _annotate(run, flux.found, FLUX_ANNOTATION, facts.FIELD_MANAGER)


async def _annotate(run: Run, found: Found, key: str, value: str) -> None:
    if found.annotations.get(key) == value:
        return
    try:
        await edits.annotate(run.client, found.ref, uid=found.uid, key=key, value=value)
    except (errors.NotFound, errors.Refused, errors.WebhookUnreachable, *OF_ONE_OBJECT) as error:
        run.emit(Problem("not-recorded", f"{key} couldn't be written on {found.ref.display}: {error.message}"))


async def _carry_out(run: Run, stage: Stage) -> None:
    started = run.progress = now()
    run.emit(StageStarted(stage.name, len(stage.deletes)))
    complete = False
    try:
        run.waiting = [action for action in stage.actions if action.after]
        await _take_steps(run, stage)

        async def send() -> bool:
            ready = _ready(run)
            await _send(run, stage, ready)
            return bool(ready)

        await until_gone(run, stage.name, send=send)
        _require_all_deleted(run, stage)
        complete = True
    finally:
        run.emit(StageFinished(stage.name, now() - started, complete))


async def _take_steps(run: Run, stage: Stage) -> None:
    """Sends all but what has to wait for something.

    Raises `NotDeleted` if a step fails on which the next ones build, and otherwise as `until_gone` does.
    """
    for level in sorted({action.level for action in stage.actions}):
        batch = [action for action in stage.actions if action.level == level]
        for action in batch:
            if action.verb == "apply" and action.ref.group_kind == DEFINITION:
                await take_conversion_off(run, stage.name, action)
            elif action.verb == "apply":
                await stop(run, stage.name, action.found, action.reason)
        kept = [action for action in batch if action.verb in ("detach", "hand-over") and not action.removes]
        await all_of(detach(run, stage.name, action) for action in kept)
        handed = [action for action in batch if action.verb == "hand-over" and action.removes]
        await all_of(hand_over_to_helm(run, stage.name, action) for action in handed)
        # Only then its source may be deleted, and the package that still marks it as its own.
        await until_gone(run, stage.name, {action.found.uid for action in handed})
        deletes = [action for action in batch if action.verb == "delete" and not action.after]
        await _send(run, stage, deletes)
        if any(action.ref.group_kind == WEBHOOK for action in deletes):
            _require_all_deleted(run, stage)
    requested = {action.found.uid for action in stage.deletes}
    await _drop(run, stage, [one for one in stage.actions if one.found.uid not in requested and not one.after])


def _ready(run: Run) -> list[Action]:
    """Takes out of what is waiting what can be sent now, and what can't be sent any more."""
    ready, rest = [], []
    for action in run.waiting:
        before = [run.tracked[uid] for uid in action.after if uid in run.tracked]
        if any(one.failed or one.blocked for one in before):
            run.tracked[action.found.uid].blocked = True
        elif all(one.gone for one in before):
            ready.append(action)
        else:
            rest.append(action)
    run.waiting = rest
    return ready


async def _send(run: Run, stage: Stage, actions: Sequence[Action]) -> None:
    """Sends deletes, kind by kind in Helm's order, and drops finalizers."""
    deletes = sorted((one for one in actions if one.verb == "delete"), key=lambda one: rank(one.ref))
    for _, of_a_kind in groupby(deletes, key=lambda one: rank(one.ref)):
        await delete_all(run, of_a_kind)
    uids = {action.found.uid for action in deletes}
    await _drop(run, stage, [one for one in stage.actions if one.found.uid in uids and not one.after])
    await _drop(run, stage, [one for one in actions if one.verb != "delete"])


async def _drop(run: Run, stage: Stage, actions: Iterable[Action]) -> None:
    async def one(action: Action) -> None:
        if await drop(run, stage.name, action.found, action.finalizer, action.reason) and action not in stage.actions:
            run.emit(dropped(action.found, action.finalizer))

    await all_of(one(action) for action in actions if action.verb == "release-finalizer")


def _require_all_deleted(run: Run, stage: Stage) -> None:
    """Raises `NotDeleted` if an object of the stage failed: the next stages build on a complete one."""
    failed = [tracked for tracked in run.tracked.values() if tracked.stage == stage.name and tracked.failed]
    if failed:
        first = failed[0]
        more = f" (and {len(failed) - 1} more)" if failed[1:] else ""
        raise NotDeleted(
            "not-deleted",
            f"{first.found.ref.display} can't be deleted: {first.failed}{more}",
            f"{first.hint or _FIX} More: {TROUBLESHOOTING} not-deleted",
        )


_FIX = "Fix what the message says, then run this again: it goes on where it stopped."
