"""Plan → what happened, as a stream of events. Prints nothing, decides nothing new.

Each stage sends its deletes level by level and then waits until everything in it,
and everything that goes because of it, is gone. Waiting is watching: one watch a
kind, from where the survey's list ended. What the plan promised is asked again
right before the stages that can't be taken back: whoever started to use Flux, or
put something into a namespace meanwhile, stops them.

Where the operator doesn't drop Glasskube's own finalizer, it is dropped here: it
guards nothing in a purge. Nobody else's finalizer is touched without consent.

What one object can't be done is that object's failure and ends the run after its
stage; an API server that nobody reaches any more ends it at once. Either way, and
wherever it is interrupted, the cluster alone says what is left to do.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from kubectl_glasskube_purge.glasskube import facts
from kubectl_glasskube_purge.kube import edits, errors, watches
from kubectl_glasskube_purge.kube.client import Client, Listing, Propagation
from kubectl_glasskube_purge.kube.objects import Found, Ref
from kubectl_glasskube_purge.kube.resources import Resource
from kubectl_glasskube_purge.kube.watches import Change
from kubectl_glasskube_purge.kube.wording import displayed
from kubectl_glasskube_purge.purge.judge import guard
from kubectl_glasskube_purge.purge.judge.ownership import consequences, release_of
from kubectl_glasskube_purge.purge.look import held, helm_release
from kubectl_glasskube_purge.purge.look.survey import release_secret, revisit
from kubectl_glasskube_purge.purge.look.survey import survey as look
from kubectl_glasskube_purge.purge.model.events import (
    NO_LIMITS,
    Event,
    GuardStopped,
    Interrupted,
    Limits,
    NotDeleted,
    Notice,
    ObjectDone,
    ObjectOutcome,
    StageFinished,
    StageStarted,
    TimedOut,
    Waiting,
)
from kubectl_glasskube_purge.purge.model.kinds import DEFINITION, NAMESPACE, POD, WEBHOOK
from kubectl_glasskube_purge.purge.model.plan import Action, Plan, Stage
from kubectl_glasskube_purge.purge.model.survey import FLUX_ANNOTATION, VERSION_ANNOTATION, Survey

T = TypeVar("T")

OPERATOR_PATIENCE = 120.0
"""Seconds for the operator's Pods to end once it is scaled to zero; their grace period is 10."""

_MANAGED_BY = (facts.MANAGED_BY_LABEL, facts.MANAGED_BY)
"""The label that is no longer true of what was detached."""

EXPLAIN_AFTER = 3.0
"""Seconds without progress after which it is said who is waited for, and after as many again."""

SERVED_AFTER = 1.0
"""Seconds between two looks at whether a kind is served again whose CRD is still there."""

POLL_EVERY = 2.0
"""Seconds between two lists of a kind that may be listed and not watched."""


@dataclass
class _Tracked:
    found: Found
    stage: str
    direct: bool
    gone: bool = False
    verb: str = "delete"
    failed: str = ""
    """What the API server said where it won't delete the object."""
    hint: str = ""
    """What can be done about that."""
    root: Ref | None = None
    """What has to be deleted for it to go; None where that is the object itself."""


@dataclass
class _Run:
    """What is known while a plan is carried out. Lives as long as `execute`."""

    client: Client
    plan: Plan
    survey: Survey
    limits: Limits
    emit: Callable[[Event], None]
    stop: asyncio.Event
    started: float = 0.0
    progress: float = 0.0
    tracked: dict[str, _Tracked] = field(default_factory=dict)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    watches: dict[tuple[str, str], asyncio.Task[None]] = field(default_factory=dict)
    webhook_gone: bool = False
    force_finalizers: bool = False
    charts: dict[str, str] = field(default_factory=dict)
    """UIDs of chart objects that their release's manifest names → UID of the HelmRelease."""
    spared: frozenset[Ref] = frozenset()
    """What stays after all, because the guard's question was answered differently the second time."""
    stopped: GuardStopped | None = None
    explained: float = 0.0
    """When it was last said who is waited for."""
    left: set[Ref] = field(default_factory=set)
    """HelmReleases whose finalizer was dropped by force: nobody uninstalls their charts."""

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    @property
    def limit(self) -> float | None:
        """Seconds from `started` on after which it has to end; None for no limit."""
        return self.limits.total if self.limits.left is None else self.limits.left

    @property
    def late(self) -> bool:
        """Whether the limit of the whole run has passed."""
        return self.limit is not None and self.now() - self.started > self.limit


async def execute(
    client: Client,
    plan: Plan,
    survey: Survey,
    *,
    emit: Callable[[Event], None],
    limits: Limits = NO_LIMITS,
    stop: asyncio.Event | None = None,
    force_finalizers: bool = False,
) -> None:
    """Carries a plan out, and reports by `emit` what becomes of each object.

    Raises `GuardStopped`, `NotDeleted`, `TimedOut` or `Interrupted` where it ends
    early, and `KubeError` where the API server can't be reached any more. Once
    `stop` is set nothing more is sent, and what is under way is waited for. The
    client is in a hurry from then on, and likewise once `limits.total` has passed.
    """
    run = _Run(client, plan, survey, limits, emit, stop or asyncio.Event(), force_finalizers=force_finalizers)
    run.started = run.progress = run.now()
    hurrying = asyncio.create_task(_hurry(run), name="hurry")
    _track(run)
    try:
        await _remember(run)
        for stage in plan.stages:
            if stage.actions:
                await _ask_again(run, stage)
                await _carry_out(run, _without(stage, run.spared))
        if run.stopped is not None:
            raise run.stopped
    except errors.KubeError as error:
        # In a hurry a request may fail that would have been tried again.
        if run.stop.is_set():
            raise _interrupted() from error
        if run.late:
            raise _late(run, f": {error.message}") from error
        raise
    finally:
        tasks = [hurrying, *run.watches.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _hurry(run: _Run) -> None:
    """Ends all retries once nobody wants to wait for them any more."""
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(run.stop.wait(), run.limit)
    run.client.hurry.set()


def _track(run: _Run) -> None:
    """Follows everything that will go from the start: much of it goes before its own stage begins."""
    for stage in run.plan.stages:
        for action in stage.deletes:
            run.tracked[action.found.uid] = _Tracked(action.found, stage.name, direct=True, verb=action.verb)
        for consequence in stage.consequences:
            follower = _Tracked(consequence.found, stage.name, direct=False, root=consequence.root)
            run.tracked.setdefault(consequence.found.uid, follower)
    for kind in {tracked.found.ref.group_kind for tracked in run.tracked.values()}:
        if kind in run.survey.listed:
            run.watches[kind] = asyncio.create_task(_follow(run, kind), name=f"watch {kind[1]}")


async def _remember(run: _Run) -> None:
    """Writes on the namespaces, the last things to go, what can't be found out again once the rest is gone."""
    namespace, version = run.survey.namespace, run.survey.version.version
    if namespace is not None and version:
        await _annotate(run, namespace, VERSION_ANNOTATION, version)
    flux = run.plan.deletes.get(Ref(*NAMESPACE, "", facts.FLUX_NAMESPACE))
    if flux is not None and run.plan.verdict.proven:
        await _annotate(run, flux.found, FLUX_ANNOTATION, facts.FIELD_MANAGER)


async def _annotate(run: _Run, found: Found, key: str, value: str) -> None:
    if found.annotations.get(key) == value:
        return
    try:
        await edits.annotate(run.client, found.ref, uid=found.uid, key=key, value=value)
    except (errors.NotFound, errors.Refused, errors.WebhookUnreachable, *_OF_ONE_OBJECT) as error:
        run.emit(Notice("not-recorded", f"{key} couldn't be written on {found.ref.display}: {error.message}"))


# -- the guard's question, asked again


async def _ask_again(run: _Run, stage: Stage) -> None:
    """Looks again before a stage that takes along what came after the survey."""
    flux = guard.flux_refs()
    takes_flux = run.plan.flux == "delete" and any(action.ref in flux for action in stage.deletes)
    namespaces = {action.ref.name for action in stage.deletes if action.ref.group_kind == NAMESPACE}
    kinds = {
        kind
        for action in stage.deletes
        if action.ref.group_kind == DEFINITION and (kind := run.survey.defines.get(action.ref.name))
    }
    if any(action.ref == run.survey.operator.ref for action in stage.deletes):
        kinds.update(facts.PACKAGE_GROUP_KINDS)
    if takes_flux:
        now = await look(run.client)
    elif namespaces or kinds:
        now = await revisit(run.client, kinds, namespaces)
    else:
        return
    before = {unreadable.what for unreadable in run.survey.unreadable}
    if run.stop.is_set():  # then nothing was tried for long, and what is missing means nothing
        raise _interrupted()
    if unseen := [unreadable for unreadable in now.unreadable if unreadable.what not in before]:
        raise GuardStopped(
            "unreadable",
            f"{unseen[0].what} can't be read any more ({unseen[0].why}): who needs what isn't known",
            "Run this again once it can be read.",
        )
    if takes_flux and run.plan.verdict.proven and run.stopped is None:
        against = [evidence.text for evidence in guard.flux(now).evidence if evidence.against]
        if against:
            _spare_flux(run, against[0])
    for action in _without(stage, run.spared).deletes:
        if unplanned := _unplanned(run, action, now):
            names = ", ".join(found.ref.display for found in unplanned[:3])
            goes = "would go from" if action.ref == run.survey.operator.ref else "would take along"
            raise GuardStopped(
                "appeared-meanwhile",
                f"{action.ref.display} {goes} what wasn't there at the preview: {names}",
                "Look at these objects, then run this again.",
            )


def _spare_flux(run: _Run, why: str) -> None:
    """Somebody uses Flux since the preview: it stays, with all that follows from it; the rest goes on."""
    flux = guard.flux_refs()
    run.stopped = GuardStopped(
        "flux-in-use",
        f"Flux is in use since the preview, so it stays: {why}",
        "Everything else is gone. Keep Flux, or run this again: it is judged anew.",
    )
    followers = {c.found.ref for stage in run.plan.stages for c in stage.consequences if c.root in flux}
    run.spared = frozenset(flux | followers)
    for uid, tracked in run.tracked.items():
        if tracked.found.ref in run.spared:
            _settle(run, uid, "kept", why)


def _without(stage: Stage, spared: Collection[Ref]) -> Stage:
    if not spared:
        return stage
    return Stage(
        stage.name,
        tuple(action for action in stage.actions if action.ref not in spared),
        tuple(consequence for consequence in stage.consequences if consequence.found.ref not in spared),
    )


def _unplanned(run: _Run, action: Action, now: Survey) -> tuple[Found, ...]:
    """What deleting a namespace or a CRD would take along beyond the plan, or the operator's end leave alone.

    What has the name of something planned and another UID is another object, made since; except for PackageInfos,
    which nobody but the operator makes, and makes anew.
    """
    kinds: tuple[tuple[str, str], ...] = ()
    if action.ref == run.survey.operator.ref:
        kinds = facts.PACKAGE_GROUP_KINDS
    elif action.ref.group_kind == DEFINITION:
        kinds = (now.defines.get(action.ref.name, ("", "")),)
    elif action.ref.group_kind == NAMESPACE:
        known = [found for found in now.objects.values() if found.uid in run.tracked]
        return guard.foreign_in(now, action.ref.name, known)
    again = run.plan.going.keys() if kinds == (facts.PACKAGE_INFO.group_kind,) else ()
    return tuple(found for found in now.of_kind(*kinds) if found.uid not in run.tracked and found.ref not in again)


# -- one stage


async def _carry_out(run: _Run, stage: Stage) -> None:
    started = run.progress = run.now()
    run.emit(StageStarted(stage.name, len(stage.deletes)))
    complete = False
    try:
        await _read_charts(run, stage)
        await _send(run, stage)
        await _until_gone(run, stage)
        _require_all_deleted(run, stage)
        complete = True
    finally:
        run.emit(StageFinished(stage.name, run.now() - started, complete))


def _require_all_deleted(run: _Run, stage: Stage) -> None:
    """A stage that the next ones build on is complete, or they don't begin."""
    failed = [tracked for tracked in run.tracked.values() if tracked.stage == stage.name and tracked.failed]
    if failed:
        first = failed[0]
        more = f" (and {len(failed) - 1} more)" if failed[1:] else ""
        raise NotDeleted(
            "not-deleted",
            f"{first.found.ref.display} can't be deleted: {first.failed}{more}",
            f"{first.hint or _MEND} More: {held.TROUBLESHOOTING}#not-deleted",
        )


_MEND = "Mend what the message says, then run this again: it goes on where it stopped."


async def _all(work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Runs all of it to its end, then raises the first error: nothing is left half sent."""
    results = await asyncio.gather(*work, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return [result for result in results if not isinstance(result, BaseException)]


async def _send(run: _Run, stage: Stage) -> None:
    for level in sorted({action.level for action in stage.actions}):
        batch = [action for action in stage.actions if action.level == level]
        for action in batch:
            if action.verb == "apply":
                await _stop_operator(run, stage, action)
        await _all(_detach(run, stage, a) for a in batch if a.verb in ("detach", "hand-over") and not a.removes)
        handed = [action for action in batch if action.verb == "hand-over" and action.removes]
        await _all(_hand_over_to_helm(run, stage, action) for action in handed)
        # Only then what it was installed from may go, and the package that still marks it as its own.
        await _until_gone(run, stage, {action.found.uid for action in handed})
        await _delete_all(run, stage, [action for action in batch if action.verb == "delete"])
    releases = [action for action in stage.actions if action.verb == "release-finalizer"]
    await _all(_release(run, stage, action.found, action.finalizer, action.reason) for action in releases)


async def _stop_operator(run: _Run, stage: Stage, action: Action) -> None:
    """Scales the operator to zero and waits until its Pods are gone: only then it changes nothing any more."""
    found = await run.client.get(action.ref, whole=True)
    if found is not None:
        operations: list[dict[str, Any]] = [
            {"op": "test", "path": "/metadata/uid", "value": action.found.uid},
            {"op": "replace", "path": "/spec/replicas", "value": 0},
        ]
        await run.client.patch(action.ref, operations)
        pods = run.client.discovery.find(*POD)
        if pods is not None:
            labels = found.get("spec", "selector", "matchLabels") or {}
            selector = ",".join(f"{key}={value}" for key, value in labels.items())
            ended = watches.until_none(run.client, pods, action.ref.namespace, selector)
            if not await _within(run, OPERATOR_PATIENCE, ended):
                raise TimedOut(
                    "operator-not-stopped",
                    f"the Pods of {action.ref.display} don't end, so the operator may still change what is to stay",
                    f"See kubectl get pods -n {action.ref.namespace}: is their node gone? Then run this again. "
                    f"More: {held.TROUBLESHOOTING}#operator-not-stopped",
                )
    run.emit(ObjectDone(stage.name, action.ref, action.found.uid, "apply", "applied", action.reason))


async def _detach(run: _Run, stage: Stage, action: Action) -> None:
    """Takes the ownerReferences of what goes off an object that stays, and sees that they are off."""
    if run.stop.is_set():
        raise _interrupted()
    going = {found.uid for found in run.plan.going.values()}
    answer = await edits.remove_owners(run.client, action.ref, uid=action.found.uid, owners=going, label=_MANAGED_BY)
    if answer == "replaced":
        raise GuardStopped(
            "replaced", f"another object is called {action.ref.display} now", "Run this again: it is judged anew."
        )
    done: ObjectOutcome = "handed-over" if action.verb == "hand-over" else "detached"
    outcome: ObjectOutcome = "absent" if answer == "absent" else done
    run.emit(ObjectDone(stage.name, action.ref, action.found.uid, action.verb, outcome, direct=False))


async def _hand_over_to_helm(run: _Run, stage: Stage, action: Action) -> None:
    """Suspends a HelmRelease, sees that it is, and deletes it: its chart and its release Secret stay.

    helm-controller drops the finalizer of a suspended HelmRelease without
    uninstalling. Where it isn't there to do so, doing it for it loses nothing.
    """
    if run.stop.is_set():
        raise _interrupted()
    operations: list[dict[str, Any]] = [
        {"op": "test", "path": "/metadata/uid", "value": action.found.uid},
        {"op": "add", "path": "/spec/suspend", "value": True},
    ]
    try:
        seen = await run.client.patch(action.ref, operations)
        if seen.get("spec", "suspend") is not True:
            raise GuardStopped(
                "not-suspended",
                f"{action.ref.display} doesn't stay suspended: somebody changes it back",
                "Find out who does (its managedFields tell), then run this again.",
            )
        await run.client.delete(action.ref, uid=action.found.uid, propagation="Orphan")
    except errors.NotFound:
        return
    if not run.survey.flux_controller(action.found).running:
        why = "nobody is there to drop it, and a suspended HelmRelease's finalizer guards nothing"
        await _release(run, stage, action.found, facts.FLUX_FINALIZER, why)


async def _delete_all(run: _Run, stage: Stage, batch: Sequence[Action]) -> None:
    refused = await _send_batch(run, stage, batch)
    while refused:
        # A refusal for a dependent that is on its way out passes; any other of Glasskube's own webhook is void here.
        void = [error for _, error in refused if not _waits_for_dependents(error)]
        impatient = run.now() - run.progress > run.limits.finalizer
        own = [error for error in ([error for _, error in refused] if impatient else void) if _is_own(run, error)]
        if own and not run.webhook_gone:
            await _remove_webhook(run, own[0])
        elif impatient:
            for action, error in refused:
                _fail(run, action.found.uid, error)
            return
        await _pause(run, 0.5)
        refused = await _send_batch(run, stage, [action for action, _ in refused])


async def _send_batch(run: _Run, stage: Stage, batch: Iterable[Action]) -> list[tuple[Action, errors.Refused]]:
    answers = await _all(_delete(run, stage, action) for action in batch)
    return [answer for answer in answers if answer is not None]


async def _delete(run: _Run, stage: Stage, action: Action) -> tuple[Action, errors.Refused] | None:
    """Sends one delete; returns the action with the refusal where an admission webhook says no."""
    deadline = run.now() + run.limits.webhook
    while True:
        if run.stop.is_set():
            raise _interrupted()
        if run.tracked[action.found.uid].gone or action.found.terminating:
            return None
        try:
            orphan = bool(run.plan.keep_packages) and action.ref.group_kind in facts.PACKAGE_GROUP_KINDS
            propagation: Propagation = "Orphan" if orphan else "Background"
            answer = await run.client.delete(action.ref, uid=action.found.uid, propagation=propagation)
        except errors.WebhookUnreachable as error:
            if not await _passes(run, error, deadline):
                _fail(run, action.found.uid, error)
                return None
        except errors.Refused as error:
            return action, error
        except _OF_ONE_OBJECT as error:
            _fail(run, action.found.uid, error)
            return None
        else:
            if action.ref.group_kind == WEBHOOK:
                run.webhook_gone = True
            if answer == "absent":
                _settle(run, action.found.uid, "absent")
            elif answer == "replaced":
                _settle(run, action.found.uid, "failed", "another object has its name now; it was left alone")
            return None


_OF_ONE_OBJECT = (errors.Forbidden, errors.Invalid, errors.Conflict, errors.ConversionFailed)
"""What the API server says of one object, and would say again."""


def _is_own(run: _Run, error: errors.WebhookUnreachable | errors.Refused) -> bool:
    return error.webhook in run.survey.webhooks


async def _passes(run: _Run, error: errors.WebhookUnreachable, deadline: float) -> bool:
    """Waits a moment for a webhook that nobody answers; takes Glasskube's own out of the way. False: it stays so."""
    if run.now() > deadline or (_is_own(run, error) and not await _remove_webhook(run, error)):
        return False
    await _pause(run, 0.3)
    return True


async def _remove_webhook(run: _Run, error: errors.WebhookUnreachable | errors.Refused) -> bool:
    """Deletes Glasskube's webhook configuration now instead of later; whether it is, or was, possible."""
    configuration = run.survey.webhook
    if run.webhook_gone or configuration is None:
        return True
    run.webhook_gone = True
    try:
        await run.client.delete(configuration.ref, uid=configuration.uid)
    except (errors.Refused, errors.WebhookUnreachable, *_OF_ONE_OBJECT):
        return False
    run.progress = run.now()
    what = "refuses what a purge needs" if isinstance(error, errors.Refused) else "is answered by nobody"
    run.emit(
        Notice(
            "webhook-removed-early",
            f"Glasskube's webhook {what}, so its configuration went first: {error.message}",
        )
    )
    return True


@dataclass(frozen=True)
class Answer:
    """What the API server has against a delete that was only tried."""

    ref: Ref
    message: str
    expected: str = ""
    """Why it won't say so in the real run; `""` where it will."""


async def rehearse(client: Client, plan: Plan) -> tuple[Answer, ...]:
    """Sends every delete as a dry run, and returns what the API server says no to.

    Told apart is what comes only from something that is gone when it is the object's turn: what depends on it, or a
    webhook that nobody answers. Raises `KubeError` where nothing answers.
    """
    answers: list[Answer] = []
    own = next((a.found for a in plan.deletes.values() if a.ref.name == facts.WEBHOOK_CONFIGURATION), None)
    webhooks = {str(webhook.get("name")) for webhook in (own.get("webhooks") if own else None) or ()}

    async def ask(action: Action) -> None:
        try:
            await client.delete(action.ref, uid=action.found.uid, dry_run=True)
        except errors.Refused as error:
            expected = "what depends on it is deleted before it" if _waits_for_dependents(error) else ""
            answers.append(Answer(action.ref, error.message, expected))
        except errors.WebhookUnreachable as error:
            expected = "that webhook's configuration goes first" if error.webhook in webhooks else ""
            answers.append(Answer(action.ref, error.message, expected))
        except _OF_ONE_OBJECT as error:
            answers.append(Answer(action.ref, error.message))

    await _all(ask(action) for action in plan.deletes.values())
    return tuple(sorted(answers, key=lambda answer: answer.ref))


_WAITS_FOR_DEPENDENTS = ("dependency conflict", "dependent package(s) installed")
"""How Glasskube's webhooks word it (internal/webhook/errors.go)."""


def _waits_for_dependents(error: errors.Refused) -> bool:
    return any(words in error.message for words in _WAITS_FOR_DEPENDENTS)


async def _release(run: _Run, stage: Stage, found: Found, finalizer: str, why: str) -> bool:
    """Drops one finalizer; whether it was there to be dropped."""
    deadline = run.now() + run.limits.webhook
    while True:
        if run.stop.is_set():
            raise _interrupted()
        try:
            answer = await edits.remove_finalizer(run.client, found.ref, uid=found.uid, finalizer=finalizer)
        except errors.WebhookUnreachable as error:
            if not await _passes(run, error, deadline):
                _fail(run, found.uid, error)
                return False
        except (errors.Refused, *_OF_ONE_OBJECT) as error:
            _fail(run, found.uid, error)
            return False
        else:
            if answer == "changed":
                run.emit(ObjectDone(stage.name, found.ref, found.uid, "release-finalizer", "applied", why))
            elif answer in ("absent", "replaced"):
                _settle(run, found.uid, "deleted")
            return answer == "changed"


def _fail(run: _Run, uid: str, error: errors.KubeError) -> None:
    """Takes down what the API server has against one object."""
    if isinstance(error, errors.WebhookUnreachable):
        hint = f"Start whoever answers webhook {error.webhook}, or delete its configuration, then run this again."
    else:
        hint = error.hint
    run.tracked[uid].hint = hint
    _settle(run, uid, "failed", error.message)


def _settle(run: _Run, uid: str, outcome: ObjectOutcome, message: str = "") -> None:
    tracked = run.tracked[uid]
    if tracked.gone:
        return
    if tracked.verb == "hand-over" and outcome in ("deleted", "absent"):
        outcome = "handed-over"
    tracked.gone = True
    tracked.failed = (message or "the API server refuses") if outcome == "failed" else ""
    run.progress = run.now()
    run.changed.set()
    run.emit(ObjectDone(tracked.stage, tracked.found.ref, uid, tracked.verb, outcome, message, direct=tracked.direct))


async def _until_gone(run: _Run, stage: Stage, only: Collection[str] | None = None) -> None:
    """Waits until nothing of the stage is left, or of the UIDs in `only`.

    Says whom it waits for, and drops finalizers where it must and may. What follows from an object
    that can't be deleted isn't waited for.
    """
    while pending := _pending(run, stage, only):
        try:
            await _pause(run, 1.0)
        except TimedOut as late:
            # The last word on a run that takes too long is who it waited for.
            why = await _explain(run, pending)
            message = f"{late.message}: {_told(why, pending)}"
            raise TimedOut(late.code, message, f"{why.next_step} A longer --timeout waits longer.") from None
        idle = run.now() - run.progress
        if idle > EXPLAIN_AFTER and run.charts:
            await _delete_left_of_charts(run, stage, pending)
        if idle > run.limits.finalizer:
            await _release_own(run, stage, pending)
        if run.force_finalizers and idle > run.limits.force:
            await _release_foreign(run, stage, pending)
        if idle <= EXPLAIN_AFTER or run.now() - run.explained <= EXPLAIN_AFTER:
            continue
        run.explained = run.now()
        why = await _explain(run, pending)
        run.emit(Waiting(stage.name, why.found.ref, why.why, idle))
        idle = run.now() - run.progress
        if idle > run.limits.idle or (idle > run.limits.hopeless and await _is_hopeless(run, pending)):
            raise TimedOut(
                "no-progress",
                f"no progress for {idle:.0f} s: {_told(why, pending)}",
                why.next_step,
            )


def _pending(run: _Run, stage: Stage, only: Collection[str] | None) -> list[_Tracked]:
    staying = {tracked.found.ref for tracked in run.tracked.values() if tracked.failed}
    return [
        tracked
        for uid, tracked in run.tracked.items()
        if tracked.stage == stage.name
        and not tracked.gone
        and tracked.root not in staying
        and (only is None or uid in only)
    ]


async def _read_charts(run: _Run, stage: Stage) -> None:
    """Reads, before anything goes, what the charts consist of whose objects no namespace takes along.

    A package's namespace may go before helm-controller has read the release's
    Secret in it. It then takes the release for uninstalled, and what the chart
    put outside of that namespace is left. The Secret is the proof that it may go.
    """
    namespaces = {c.found.ref.name for c in stage.consequences if c.found.ref.group_kind == NAMESPACE}
    outside = [c for c in stage.consequences if c.rule == "helm" and c.found.ref.namespace not in namespaces]

    async def read(release: Found) -> None:
        namespace, name = release_of(release)
        secret = release_secret(run.survey.objects, namespace, name)
        try:
            whole = await run.client.get(secret.ref, whole=True) if secret is not None else None
        except errors.Forbidden:
            return  # then nothing is proven, and what is left is said at the end
        if whole is None:
            return
        installed = helm_release.installed_by(whole, namespace)
        for consequence in outside:
            if consequence.because == release.ref and consequence.found.ref in installed:
                run.charts[consequence.found.uid] = release.uid

    releases = {c.because for c in outside}
    await _all(read(found) for ref in releases if (found := run.survey.get(ref)) is not None)


async def _delete_left_of_charts(run: _Run, stage: Stage, pending: Iterable[_Tracked]) -> None:
    """Deletes what a chart left, once its HelmRelease is gone and so nobody else does."""
    left = [
        tracked
        for tracked in pending
        if not tracked.found.terminating
        and (release := run.tracked.get(run.charts.get(tracked.found.uid, ""))) is not None
        and release.gone
    ]

    async def delete(tracked: _Tracked) -> None:
        found = tracked.found
        if await run.client.delete(found.ref, uid=found.uid) == "accepted":
            message = (
                f"{found.ref.display} was left by its chart's uninstall; the release's manifest proves whose it is"
            )
            run.emit(Notice("left-by-chart", message))

    await _all(delete(tracked) for tracked in left)


async def _explain(run: _Run, pending: Iterable[_Tracked]) -> held.Held:
    telling = held.most_telling([(tracked.found, tracked.direct) for tracked in pending])
    return await held.look(run.client, telling, run.survey)


def _told(why: held.Held, pending: Iterable[_Tracked]) -> str:
    return f"{why.found.ref.display} {why.why}{held.held_too((one.found for one in pending), why.found)}"


async def _is_hopeless(run: _Run, pending: Iterable[_Tracked]) -> bool:
    """Whether all that holds the stage up is waited for in vain."""
    ending = [tracked.found for tracked in pending if tracked.found.terminating]
    holders = [found for found in ending if held.foreign_finalizers(found)] or ending
    for found in holders:
        if not (await held.look(run.client, found, run.survey)).hopeless:
            return False
    return bool(holders)


async def _release_own(run: _Run, stage: Stage, pending: Iterable[_Tracked]) -> None:
    why = f"the operator didn't drop it within {run.limits.finalizer:.0f} s"
    stuck = [t.found for t in pending if t.found.terminating and facts.PACKAGE_FINALIZER in t.found.finalizers]
    released = await _all(_release(run, stage, found, facts.PACKAGE_FINALIZER, why) for found in stuck)
    if dropped := [found.ref for found, done in zip(stuck, released, strict=True) if done]:
        message = f"{facts.PACKAGE_FINALIZER} was dropped from {displayed(dropped)}: {why}, and it guards nothing"
        run.emit(Notice("finalizer-dropped", message))


async def _release_foreign(run: _Run, stage: Stage, pending: Iterable[_Tracked]) -> None:
    """Drops what nobody else drops, by consent, and finds out what is left behind by it."""
    why = "nobody dropped it, and --force-finalizers consents: what it guarded may stay behind"
    stuck = [
        (tracked.found, finalizer)
        for tracked in pending
        if tracked.found.terminating and not tracked.gone
        for finalizer in await _given_up(run, tracked.found)
    ]
    released = await _all(_release(run, stage, found, finalizer, why) for found, finalizer in stuck)
    for (found, finalizer), done in zip(stuck, released, strict=True):
        if done:
            run.emit(Notice("finalizer-dropped", f"{finalizer} was dropped from {found.ref.display}: {why}"))
    releases = {
        found.ref
        for (found, finalizer), done in zip(stuck, released, strict=True)
        if done and finalizer == facts.FLUX_FINALIZER and found.ref.group_kind == facts.HELM_RELEASE.group_kind
    }
    if releases:
        run.left |= releases
        await _leave_charts(run, stage)


async def _given_up(run: _Run, found: Found) -> tuple[str, ...]:
    """An object's foreign finalizers, if nobody is to be waited for: Flux's are none as long as it works at them."""
    if not held.foreign_finalizers(found) and found.ref.group_kind != NAMESPACE:
        return ()
    now = await held.look(run.client, found, run.survey)
    if facts.FLUX_FINALIZER in now.found.finalizers and not now.hopeless:
        return ()
    return held.foreign_finalizers(now.found)


async def _leave_charts(run: _Run, stage: Stage) -> None:
    """Waits no longer for what only an uninstall would have removed; deletes what Flux made for the HelmRelease."""
    kept = {one.ref for one in run.plan.kept}
    roots = [action.found for planned in run.plan.stages for action in planned.deletes]
    going = consequences(run.survey, roots, kept, run.left).keys() | {found.ref for found in roots}
    for uid, tracked in list(run.tracked.items()):
        ref = tracked.found.ref
        if tracked.gone or ref in going or ref not in run.plan.going:
            continue
        if ref.group_kind == facts.HELM_CHART.group_kind:
            await run.client.delete(ref, uid=uid)
        else:
            _settle(run, uid, "kept", "stays behind: nobody uninstalls the chart it came with")


async def _within(run: _Run, seconds: float, work: Coroutine[Any, Any, None]) -> bool:
    """Waits for work at most so long, with an eye on all that `_pause` looks after; whether it was done."""
    task = asyncio.create_task(work)
    deadline = run.now() + seconds
    try:
        while not task.done() and run.now() < deadline:
            await _pause(run, min(1.0, seconds), task)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    if task.cancelled():
        return False
    task.result()
    return True


async def _pause(run: _Run, seconds: float, *others: asyncio.Future[Any]) -> None:
    """Waits for a change, at most `seconds`; looks after watches that died, the clock, and the user's wish to stop."""
    run.changed.clear()
    signals = [asyncio.ensure_future(run.changed.wait()), asyncio.ensure_future(run.stop.wait())]
    await asyncio.wait([*signals, *run.watches.values(), *others], timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    for signal in signals:
        signal.cancel()
    if run.stop.is_set():
        raise _interrupted()
    if run.late:
        raise _late(run)
    for kind, watch in list(run.watches.items()):
        if watch.done():
            del run.watches[kind]
            watch.result()


def _interrupted() -> Interrupted:
    return Interrupted("interrupted", "stopped on request", "Run this again: it goes on where it stopped.")


def _late(run: _Run, why: str = "") -> TimedOut:
    return TimedOut(
        "timeout",
        f"not finished within {run.limits.total:.0f} s{why}",
        f"Run this again, with a longer --timeout: it goes on where it stopped. More: {held.TROUBLESHOOTING}#timeout",
    )


# -- watching


async def _follow(run: _Run, kind: tuple[str, str]) -> None:
    """Keeps `tracked` true for one kind, until everything of it is gone or the kind itself is."""
    resource = run.client.discovery.find(*kind)
    if resource is None:
        return
    version = run.survey.listed[kind]
    while True:
        try:
            async with contextlib.aclosing(watches.watch(run.client, resource, version)) as changes:
                async for change in changes:
                    _take_in(run, kind, change)
        except errors.NotFound:
            again = await _served_again(run, resource)
            if again is None:
                _forget_all_but(run, kind, alive={})
                return
            version = again
        except errors.Forbidden as error:
            run.emit(Notice("watch-forbidden", f"{resource} is listed again and again instead: {error.message}"))
            await _poll(run, resource)
            return


async def _served_again(run: _Run, resource: Resource) -> str | None:
    """Where to watch on from a kind that wasn't served for a moment; None where its CRD is gone and it with it.

    A restarting API server may not know a CRD yet: only the CRD's own absence proves the kind gone.
    """
    definition = Ref(*DEFINITION, "", str(resource))
    while await run.client.get(definition) is not None:
        try:
            return (await _listed(run, resource)).resource_version
        except errors.NotFound:
            await asyncio.sleep(SERVED_AFTER)
    return None


async def _poll(run: _Run, resource: Resource) -> None:
    """Keeps `tracked` true without a watch, for whoever lost the right to it, as long as something is tracked."""
    with contextlib.suppress(errors.NotFound):
        while any(
            tracked.found.ref.group_kind == resource.group_kind and not tracked.gone for tracked in run.tracked.values()
        ):
            await _listed(run, resource)
            await asyncio.sleep(POLL_EVERY)
        return
    _forget_all_but(run, resource.group_kind, alive={})


async def _listed(run: _Run, resource: Resource) -> Listing:
    listing = await run.client.list(resource)
    _take_in(run, resource.group_kind, Change("LISTED", listing=listing))
    return listing


def _take_in(run: _Run, kind: tuple[str, str], change: Change) -> None:
    if change.listing is not None:
        alive = {found.uid: found for found in change.listing.items}
        _forget_all_but(run, kind, alive)
        for found in alive.values():
            _see(run, found)
    elif change.found is not None:
        if change.type == "DELETED":
            if change.found.uid in run.tracked:
                _settle(run, change.found.uid, "deleted")
        else:
            _see(run, change.found)


def _forget_all_but(run: _Run, kind: tuple[str, str], alive: Mapping[str, Found]) -> None:
    for uid, tracked in list(run.tracked.items()):
        if tracked.found.ref.group_kind == kind and uid not in alive:
            _settle(run, uid, "deleted")


def _see(run: _Run, found: Found) -> None:
    """Updates what is tracked; takes in what a tracked object made meanwhile, e.g. a ReplicaSet's new Pod."""
    tracked = run.tracked.get(found.uid)
    if tracked is not None:
        if found.finalizers != tracked.found.finalizers or found.terminating != tracked.found.terminating:
            run.progress = run.now()
            run.changed.set()
        tracked.found = found
        return
    owner = next((run.tracked[o.uid] for o in found.owners if o.uid in run.tracked), None)
    if owner is not None and found.ref not in run.plan.deletes:
        root = owner.found.ref if owner.direct else owner.root
        run.tracked[found.uid] = _Tracked(found, owner.stage, direct=False, root=root)
