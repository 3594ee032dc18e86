"""A restore's plan → what was restored, as a stream of events. Prints nothing, decides nothing new.

Stage after stage, each one accepted and working before the next is sent: CRDs are
served, controllers are ready, repositories answer. Every wait has an end and says
who is waited for, with the Pod's or the object's own reason. Everything is applied
server-side and says the same each time, so that a restore which was cut off
anywhere goes on when it is run again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from typing import Any

from kubectl_glasskube_purge.glasskube import facts
from kubectl_glasskube_purge.kube import errors
from kubectl_glasskube_purge.kube.client import Client
from kubectl_glasskube_purge.kube.objects import Found, Ref
from kubectl_glasskube_purge.kube.problem import Problem
from kubectl_glasskube_purge.kube.wording import displayed, plural
from kubectl_glasskube_purge.purge.act.run import Run, now
from kubectl_glasskube_purge.purge.look.compose import controller_of
from kubectl_glasskube_purge.purge.model.events import (
    NO_LIMITS,
    Event,
    Interrupted,
    Limits,
    ObjectDone,
    ObjectOutcome,
    StageFinished,
    StageStarted,
    Stopped,
    TimedOut,
    Waiting,
)
from kubectl_glasskube_purge.purge.model.kinds import DEFINITION, DEPLOYMENT, POD
from kubectl_glasskube_purge.purge.model.plan import Action, Stage
from kubectl_glasskube_purge.purge.model.record import Leftover
from kubectl_glasskube_purge.purge.model.survey import Survey

from . import order
from .restore import Options, Restore, defines
from .sidecar import gone_images
from .wait import EXPLAIN_AFTER, Wait

GONE_PATIENCE = 120.0
"""Seconds for an object of the same name to be gone that is being deleted."""

SERVED_PATIENCE = 60.0
"""Seconds from a CRD's acceptance until its kind is served; a few at most, unless its names are taken."""

READY_PATIENCE = 300.0
"""Seconds for a controller's Pods to be ready: images are pulled."""

REPOSITORY_PATIENCE = 60.0
"""Seconds for a package repository to answer the operator."""

WEBHOOK_PATIENCE = 90.0
"""Seconds for an admission webhook to answer. A kubelet takes up to a minute to hand on a new certificate."""

REFUSAL_PATIENCE = 10.0
"""Seconds for a refusal to pass: the operator's webhook learns of a repository a moment after it is Ready."""

PACKAGE_PATIENCE = 180.0
"""Seconds without any change after which a package that isn't Ready counts as failed."""

SETTLED_AFTER = 15.0
"""Seconds for which a package has to say Failed: while its dependencies are being installed it may, and recover."""

ASK_AGAIN = 0.5
"""Seconds between two questions where there is nothing to watch: discovery, a webhook."""


@dataclass
class _Run(Run):
    """What is known while a restore is carried out. Lives as long as `execute`."""

    restore: Restore = field(default_factory=Restore)
    failed: list[Ref] = field(default_factory=list)
    unready: list[Leftover] = field(default_factory=list)


async def execute(
    client: Client,
    restore: Restore,
    *,
    emit: Callable[[Event], None],
    limits: Limits = NO_LIMITS,
    stop: asyncio.Event | None = None,
) -> tuple[Leftover, ...]:
    """Carries a restore out, and reports by `emit` what becomes of each object.

    Returns what was restored and doesn't work: packages and repositories that
    aren't Ready. Raises `Stopped`'s tree where it ends early, and `KubeError` where
    the API server can't be reached any more. Once `stop` is set nothing more is sent.
    """
    run = _Run(client, restore.plan, Survey(), limits, emit, stop or asyncio.Event(), restore=restore)
    hurrying = asyncio.create_task(_hurry(run), name="hurry")
    try:
        for stage in run.plan.stages:
            await _stage(run, stage)
    except errors.KubeError as error:
        if run.stop.is_set():  # and nothing is tried again that would have been
            raise Interrupted() from error
        raise
    finally:
        hurrying.cancel()
        await asyncio.gather(hurrying, return_exceptions=True)
    if run.failed:
        raise _not_applied(run)
    return tuple(run.unready)


async def _hurry(run: _Run) -> None:
    """Ends all retries once the user doesn't want to wait for them any more."""
    await run.stop.wait()
    run.client.hurry.set()


async def _stage(run: _Run, stage: Stage) -> None:
    began = now()
    run.emit(StageStarted(stage.name, len(stage.actions)))
    complete = False
    try:
        await _carry_out(run, stage)
        complete = True
    finally:
        run.emit(StageFinished(stage.name, now() - began, complete))


async def _carry_out(run: _Run, stage: Stage) -> None:
    if stage.name == order.OTHERS:
        await run.client.discover()  # kinds that packages brought
    for _, actions in groupby(stage.actions, key=lambda action: order.rank(action.ref)):
        await _apply_all(run, stage, list(actions))
    if run.failed and stage.name not in (order.PACKAGES, order.OTHERS):
        raise _not_applied(run)
    for until_working in _waits(run.restore.options, stage):
        await until_working(run, stage)


def _not_applied(run: _Run) -> Stopped:
    number = plural(len(run.failed), "object")
    return Stopped(
        "not-applied",
        f"{number} couldn't be restored: {displayed(run.failed)}",
        "Each has its reason above. Run this again once it is fixed: it goes on where it stopped.",
    )


# -- sending

_Passing = errors.WebhookUnreachable | errors.Refused
"""What an admission webhook says may be otherwise in a moment."""


async def _apply_all(run: _Run, stage: Stage, actions: Sequence[Action]) -> None:
    """Applies objects, and those again that a webhook didn't let through, until none is left or it stays at its no."""
    pending, since = list(actions), now()
    while pending:
        left = await (_one_by_one if stage.name == order.PACKAGES else _at_once)(run, stage, pending)
        if len(left) < len(pending):
            since = now()
        pending = [action for action, _ in left]
        if left:
            unreachable = isinstance(left[0][1], errors.WebhookUnreachable)
            if now() - since > (WEBHOOK_PATIENCE if unreachable else REFUSAL_PATIENCE):
                for action, error in left:
                    _fail(run, stage, action.ref, error.message)
                return
            await _moment(run, stage, pending[0].ref, left[0][1].message, since)


async def _moment(run: _Run, stage: Stage, ref: Ref, why: str, since: float) -> None:
    """Lets a moment pass before what can't be watched is asked again. Raises `Interrupted` and `TimedOut`."""
    if now() - since > EXPLAIN_AFTER:
        run.emit(Waiting(stage.name, ref, why, now() - since))
    await run.pause(ASK_AGAIN)


async def _at_once(run: _Run, stage: Stage, actions: Sequence[Action]) -> list[tuple[Action, _Passing]]:
    answers = await asyncio.gather(*(_apply(run, stage, action) for action in actions))
    return [(action, error) for action, error in zip(actions, answers, strict=True) if error is not None]


async def _one_by_one(run: _Run, stage: Stage, actions: Sequence[Action]) -> list[tuple[Action, _Passing]]:
    """Packages, dependencies first.

    The operator would install a missing dependency by itself, and as a dependency
    it would be treated for ever.
    """
    left: list[tuple[Action, _Passing]] = []
    for number, action in enumerate(actions):
        error = await _apply(run, stage, action)
        if isinstance(error, errors.WebhookUnreachable):
            return left + [(later, error) for later in actions[number:]]
        if error is not None:
            left.append((action, error))
    return left


async def _apply(run: _Run, stage: Stage, action: Action) -> _Passing | None:
    """Applies one object; returns what a webhook has against it."""
    ref = action.ref
    entry = run.restore.entries[ref]
    present = run.restore.existing.get(ref)
    if present is not None and present.terminating:
        await _until_gone(run, stage, present)
    run.raise_if_stopped()
    if run.late:
        raise run.too_late()
    force = ref in run.restore.forced
    try:
        await run.client.apply(entry.document, manager=entry.manager, force=force)
    except (errors.WebhookUnreachable, errors.Refused) as error:
        return error
    except errors.Conflict as error:
        if force or present is not None:
            _fail(run, stage, ref, error.message)
        else:
            # Somebody made it since the look: theirs, as all that exists.
            _done(run, stage, ref, "kept", "it was created by another user meanwhile")
    except (errors.Forbidden, errors.Invalid, errors.NotFound) as error:
        _fail(run, stage, ref, error.message)
    else:
        _done(run, stage, ref, "applied")
    return None


def _fail(run: _Run, stage: Stage, ref: Ref, message: str) -> None:
    run.failed.append(ref)
    _done(run, stage, ref, "failed", message)


def _done(run: _Run, stage: Stage, ref: Ref, outcome: ObjectOutcome, message: str = "") -> None:
    run.emit(ObjectDone(stage.name, ref, "", "apply", outcome, message))


async def _until_gone(run: _Run, stage: Stage, found: Found) -> None:
    resource = run.client.discovery.find(*found.ref.group_kind)
    if resource is None:
        return

    def gone(ref: Ref, seen: Found | None) -> bool:
        return seen is None or seen.uid != found.uid

    async def why(seen: Found | None) -> str:
        held = f"; it keeps finalizer {', '.join(seen.finalizers)}" if seen and seen.finalizers else ""
        return f"the one that exists is being deleted{held}"

    wait = Wait(run, stage.name, resource, [found.ref], gone, why, GONE_PATIENCE, namespace=found.ref.namespace)
    if await wait.until_met():
        raise TimedOut(
            "still-terminating",
            f"{found.ref.display} is being deleted, and doesn't go",
            "See what holds it, fix that, and run this again.",
        )


# -- what a stage waits for

_UntilWorking = Callable[["_Run", Stage], Awaitable[None]]


async def _until_served(run: _Run, stage: Stage) -> None:
    """Waits until the API server serves what the CRDs define, which is a moment after they are established."""
    wanted = {defines(entry): ref for ref, entry in run.restore.entries.items() if ref.group_kind == DEFINITION}
    began = now()
    while True:
        discovery = await run.client.discover()
        missing = [ref for kind, ref in wanted.items() if discovery.find(*kind) is None]
        if not missing:
            return
        if now() - began > SERVED_PATIENCE:
            found = await run.client.get(missing[0], whole=True)
            raise TimedOut(
                "not-established",
                f"{displayed(missing)} isn't served: {_condition(found, 'NamesAccepted', 'Established')}",
                "Look at its conditions: kubectl describe crd. Then run this again.",
            )
        await _moment(run, stage, missing[0], "not established yet", began)


async def _until_running(run: _Run, stage: Stage) -> None:
    """Waits until the controllers' Pods are ready."""
    deployments = [
        ref for ref in run.restore.entries if ref.group_kind == DEPLOYMENT and order.stage_of(ref) == stage.name
    ]
    resource = run.client.discovery.find(*DEPLOYMENT)
    assert resource is not None  # served by every API server
    for namespace, group in groupby(sorted(deployments), key=lambda ref: ref.namespace):

        def ready(ref: Ref, seen: Found | None) -> bool:
            return seen is not None and _is_ready(seen)

        async def why(seen: Found | None, namespace: str = namespace) -> str:
            return await _pods_reason(run, namespace, seen)

        wait = Wait(run, stage.name, resource, list(group), ready, why, READY_PATIENCE, namespace=namespace)
        if pending := await wait.until_met():
            reason = await why(wait.seen.get(pending[0]))
            raise TimedOut(
                "not-ready",
                f"{displayed(pending)} doesn't get ready: {reason}",
                f"Look at its Pods: kubectl -n {namespace} describe pods. Then run this again.",
            )
        _refuse_stopped(run, wait.seen)


def _is_ready(deployment: Found) -> bool:
    wanted = deployment.get("spec", "replicas")
    wanted = 1 if wanted is None else int(wanted)
    generation = int(deployment.get("metadata", "generation") or 0)
    observed = int(deployment.get("status", "observedGeneration") or 0)
    updated = int(deployment.get("status", "updatedReplicas") or 0)
    return observed >= generation and min(updated, int(deployment.get("status", "readyReplicas") or 0)) >= wanted


def _refuse_stopped(run: _Run, seen: Mapping[Ref, Found]) -> None:
    """Without an operator its webhook doesn't answer, and no package can be created."""
    actions = (action for stage in run.plan.stages for action in stage.actions)
    wanted = any(action.ref.group_kind in facts.PACKAGE_GROUP_KINDS for action in actions)
    for ref, found in seen.items():
        if ref.name == facts.OPERATOR_DEPLOYMENT and found.get("spec", "replicas") == 0 and wanted:
            raise Stopped(
                "operator-stopped",
                f"{ref.display} is scaled to zero, so that no package can be restored",
                f"Start it: kubectl -n {ref.namespace} scale deployment/{ref.name} --replicas=1. Then run this again.",
            )


async def _pods_reason(run: _Run, namespace: str, deployment: Found | None) -> str:
    """What the Pods of a Deployment say. Raises `Stopped` where it is the image that is gone for good."""
    resource = run.client.discovery.find(*POD)
    if deployment is None or resource is None:
        return "it doesn't exist"
    pods = await run.client.list(resource, namespace=namespace, whole=True)
    controller = controller_of([deployment], pods.items, namespace, deployment.ref.name)
    gone = gone_images(deployment.body)
    if gone and f"{facts.RBAC_PROXY_CONTAINER}: " in controller.why and "ImagePull" in controller.why:
        raise Stopped(
            "sidecar-image-gone",
            f"{deployment.ref.display} can't start: {gone[0]} is gone from its registry ({controller.why})",
            "Run this again with --sidecar-image, which takes the image from where it is now.",
        )
    return controller.why or f"{controller.ready} of {controller.replicas} Pods are ready"


async def _until_ready(run: _Run, stage: Stage, *, packages: bool) -> None:
    """Waits until packages or repositories are Ready, or have failed for good, which is no reason to stop."""
    patience, settled_after = (PACKAGE_PATIENCE, SETTLED_AFTER) if packages else (REPOSITORY_PATIENCE,) * 2
    for kind in facts.PACKAGE_GROUP_KINDS if packages else (facts.PACKAGE_REPOSITORY.group_kind,):
        entries = {ref: one.document for ref, one in run.restore.entries.items() if ref.group_kind == kind}
        suspended = [ref for ref, document in entries.items() if (document.get("spec") or {}).get("suspend")]
        refs = [ref for ref in entries if ref not in (*run.failed, *suspended)]
        resource = run.client.discovery.find(*kind)
        if resource is None or not refs:
            continue
        failing = _Failing(settled_after)
        wait = Wait(run, stage.name, resource, refs, failing.settled, _own_reason, patience)
        await wait.until_met()
        for ref in refs:
            found = wait.seen.get(ref)
            if not _is(found, "Ready"):
                message = await _own_reason(found)
                run.unready.append(Leftover(ref, f"isn't Ready: {message}", found.uid if found else ""))
                run.emit(Problem("not-ready", f"{ref.display} isn't Ready: {message}"))


@dataclass
class _Failing:
    """Whether a failure is permanent or passes."""

    after: float
    since: dict[Ref, float] = field(default_factory=dict)

    def settled(self, ref: Ref, seen: Found | None) -> bool:
        """Whether an object is Ready, or has said Failed for long enough."""
        if _is(seen, "Ready"):
            return True
        if not _is(seen, "Failed"):
            self.since.pop(ref, None)
            return False
        return now() - self.since.setdefault(ref, now()) > self.after


async def _own_reason(found: Found | None) -> str:
    return _condition(found, "Failed", "Ready")


def _conditions(found: Found) -> dict[str, Mapping[str, Any]]:
    return {str(one.get("type")): one for one in found.get("status", "conditions") or ()}


def _is(found: Found | None, condition: str) -> bool:
    return found is not None and str(_conditions(found).get(condition, {}).get("status")) == "True"


def _condition(found: Found | None, *types: str) -> str:
    """What the first of these conditions says that isn't as it should be, in words."""
    if found is None:
        return "it doesn't exist"
    for kind in types:
        condition = _conditions(found).get(kind)
        if condition is not None and (str(condition.get("status")) == "True") == (kind == "Failed"):
            return f"{condition.get('reason') or kind}: {condition.get('message') or 'no message'}"
    return "no controller has handled it yet"


_AFTER: Mapping[str, _UntilWorking] = {
    order.DEFINITIONS: _until_served,
    order.CONTROLLERS: _until_running,
    order.REPOSITORIES: partial(_until_ready, packages=False),
    order.PACKAGES: partial(_until_ready, packages=True),
}


def _waits(options: Options, stage: Stage) -> list[_UntilWorking]:
    """What a stage waits for. In a rollback packages are ready after the operator runs, if it was ready before."""
    names = [stage.name]
    if options.rollback and stage.name != order.DEFINITIONS:
        running = stage.name == order.CONTROLLERS and options.ready
        names = [order.CONTROLLERS, order.REPOSITORIES, order.PACKAGES] if running else []
    return [_AFTER[name] for name in names if name in _AFTER]
