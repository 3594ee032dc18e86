"""Sends deletes, and deals with what admission webhooks answer.

A refusal because of a dependent object ends when that object is gone. Any other answer of Glasskube's own webhook
means nothing in a purge, so its configuration is then deleted first. What concerns one object alone is that
object's failure and doesn't stop the others. The dry run on the server sends the same deletes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from kubectl_glasskube_purge.glasskube import facts
from kubectl_glasskube_purge.kube import errors
from kubectl_glasskube_purge.kube.client import Client, Propagation
from kubectl_glasskube_purge.kube.objects import Found, Ref
from kubectl_glasskube_purge.kube.problem import Problem
from kubectl_glasskube_purge.purge.model.kinds import WEBHOOK
from kubectl_glasskube_purge.purge.model.plan import Action, Plan

from .run import OF_ONE_OBJECT, Run, all_of, now

T = TypeVar("T")

_WAITS_FOR_DEPENDENTS = ("dependency conflict", "dependent package(s) installed")
"""The wording of Glasskube's webhooks (internal/webhook/errors.go)."""


async def delete_all(run: Run, batch: Sequence[Action]) -> None:
    """Sends the deletes of a batch until each is accepted or has failed. Raises `Stopped`'s tree and `KubeError`."""
    refused = await _delete_batch(run, batch)
    while refused:
        impatient = now() - run.progress > run.limits.finalizer
        void = (error for _, error in refused if impatient or not _waits_for_dependents(error))
        own = next((error for error in void if _is_own(run, error)), None)
        if own is not None and not run.webhook_removed:
            await _remove_webhook(run, own)
        elif impatient:
            for action, error in refused:
                run.fail(action.found.uid, error)
            return
        await run.pause(0.5)
        refused = await _delete_batch(run, [action for action, _ in refused])


async def _delete_batch(run: Run, batch: Iterable[Action]) -> list[tuple[Action, errors.Refused]]:
    answers = await all_of(_delete(run, action) for action in batch)
    return [answer for answer in answers if answer is not None]


async def _delete(run: Run, action: Action) -> tuple[Action, errors.Refused] | None:
    """Sends one delete. Returns the action with the refusal, if an admission webhook refuses it."""
    found = action.found
    if run.tracked[found.uid].gone or found.terminating:
        return None
    propagation: Propagation = "Orphan" if found.ref in run.plan.kept_packages else "Background"
    try:
        answer = await attempt(run, found, lambda: run.client.delete(found.ref, uid=found.uid, propagation=propagation))
    except errors.Refused as error:
        return action, error
    if answer is not None and found.ref.group_kind == WEBHOOK:
        run.webhook_removed = True
    if answer == "absent":
        run.settle(found.uid, "absent")
    elif answer == "replaced":
        run.settle(found.uid, "failed", "another object has its name now; it was left alone")
    return None


async def attempt(run: Run, found: Found, request: Callable[[], Awaitable[T]]) -> T | None:
    """Sends a request about one object, again while an admission webhook doesn't answer.

    Returns None if the API server doesn't do it, which is recorded as the object's failure. Raises `Refused`,
    `Stopped`'s tree, and the errors of `KubeError` that concern more than one object.
    """
    deadline = now() + run.limits.webhook
    while True:
        run.raise_if_stopped()
        try:
            return await request()
        except errors.WebhookUnreachable as error:
            if not await _may_pass(run, error, deadline):
                run.fail(found.uid, error)
                return None
        except OF_ONE_OBJECT as error:
            run.fail(found.uid, error)
            return None


def _waits_for_dependents(error: errors.Refused) -> bool:
    """Whether Glasskube's webhook refuses a delete because of what depends on the object."""
    return any(words in error.message for words in _WAITS_FOR_DEPENDENTS)


# -- Glasskube's own webhook


def _is_own(run: Run, error: errors.WebhookUnreachable | errors.Refused) -> bool:
    return error.webhook in run.survey.webhooks


async def _may_pass(run: Run, error: errors.WebhookUnreachable, deadline: float) -> bool:
    """Waits a moment for a webhook that doesn't answer, and deletes the configuration of Glasskube's own.

    Returns False if another try can't succeed.
    """
    if now() > deadline or (_is_own(run, error) and not await _remove_webhook(run, error)):
        return False
    await run.pause(0.3)
    return True


async def _remove_webhook(run: Run, error: errors.WebhookUnreachable | errors.Refused) -> bool:
    """Deletes Glasskube's webhook configuration before its turn. Returns whether it is deleted."""
    configuration = run.survey.webhook
    if run.webhook_removed or configuration is None:
        return True
    run.webhook_removed = True
    try:
        await run.client.delete(configuration.ref, uid=configuration.uid)
    except (errors.Refused, errors.WebhookUnreachable, *OF_ONE_OBJECT):
        return False
    run.moved()
    what = "refuses what a purge needs" if isinstance(error, errors.Refused) else "is answered by nobody"
    message = f"Glasskube's webhook {what}, so its configuration went first: {error.message}"
    run.emit(Problem("webhook-removed-early", message))
    return True


# -- the dry run on the server


@dataclass(frozen=True)
class Answer:
    """What the API server has against a delete that was sent as a dry run."""

    ref: Ref
    message: str
    expected: str = ""
    """Why the purge doesn't meet this answer; `""` if it does."""


async def rehearse(client: Client, plan: Plan) -> tuple[Answer, ...]:
    """Sends every delete as a dry run, and returns what the API server refuses.

    An answer is expected if its cause is gone when the purge deletes the object: a dependent object, or a webhook
    that doesn't answer. Raises `KubeError` if the API server can't be asked.
    """
    own = next((a.found for a in plan.deletes.values() if a.ref.name == facts.WEBHOOK_CONFIGURATION), None)
    webhooks = {str(webhook.get("name")) for webhook in (own.get("webhooks") if own else None) or ()}

    async def ask(action: Action) -> Answer | None:
        try:
            await client.delete(action.ref, uid=action.found.uid, dry_run=True)
        except errors.Refused as error:
            expected = "what depends on it is deleted before it" if _waits_for_dependents(error) else ""
            return Answer(action.ref, error.message, expected)
        except errors.WebhookUnreachable as error:
            expected = "that webhook's configuration goes first" if error.webhook in webhooks else ""
            return Answer(action.ref, error.message, expected)
        except OF_ONE_OBJECT as error:
            return Answer(action.ref, error.message)
        return None

    answers = await all_of(ask(action) for action in plan.deletes.values())
    return tuple(sorted((answer for answer in answers if answer is not None), key=lambda answer: answer.ref))
