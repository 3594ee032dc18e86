"""Sends deletes, and tries again while admission webhooks don't let them pass.

Glasskube's own webhook configuration is deleted first, but the API server goes on calling it for a moment. What
concerns one object alone is that object's failure and doesn't stop the others. The dry run on the server sends the
same deletes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable
from dataclasses import dataclass
from typing import TypeVar

from kubectl_glasskube_purge.kube import edits, errors
from kubectl_glasskube_purge.kube.client import Client, Propagation
from kubectl_glasskube_purge.kube.objects import Found, Ref
from kubectl_glasskube_purge.purge.model.plan import Action, Plan

from .run import OF_ONE_OBJECT, Run, all_of, now

T = TypeVar("T")


async def delete_all(run: Run, batch: Iterable[Action]) -> None:
    """Sends the deletes of a batch, each with the removal of Glasskube's own finalizers that its object keeps.

    Returns when each is accepted or has failed. Raises `Stopped`'s tree and `KubeError`.
    """
    await all_of(_delete(run, action) for action in batch)


async def _delete(run: Run, action: Action) -> None:
    found = action.found
    if run.tracked[found.uid].gone or found.terminating:
        return
    propagation: Propagation = "Orphan" if found.ref in run.plan.kept_packages else "Background"
    answer = await attempt(run, found, lambda: run.client.delete(found.ref, uid=found.uid, propagation=propagation))
    if answer == "absent":
        run.settle(found.uid, "absent")
    elif answer == "replaced":
        run.settle(found.uid, "failed", "another object has its name now; it was left alone")


async def attempt(run: Run, found: Found, request: Callable[[], Awaitable[T]]) -> T | None:
    """Sends a request about one object, again while a webhook doesn't answer or Glasskube's own refuses.

    Returns None if the API server doesn't do it, which is recorded as the object's failure. Raises `Stopped`'s tree,
    and the errors of `KubeError` that concern more than one object.
    """
    deadline = now() + run.limits.webhook
    while True:
        run.raise_if_stopped()
        try:
            return await request()
        except (errors.WebhookUnreachable, errors.Refused) as error:
            if now() > deadline or (isinstance(error, errors.Refused) and error.webhook not in run.survey.webhooks):
                run.fail(found.uid, error)
                return None
            await run.pause(0.3)
        except OF_ONE_OBJECT as error:
            run.fail(found.uid, error)
            return None


# -- the dry run on the server


@dataclass(frozen=True)
class Answer:
    """What the API server has against a change that was sent as a dry run."""

    ref: Ref
    message: str


async def rehearse(client: Client, plan: Plan, webhooks: Collection[str]) -> tuple[Answer, ...]:
    """Sends every delete and every stop of a controller as a dry run, and returns what the API server refuses.

    Not what only Glasskube's own `webhooks` refuse: their configuration is deleted before. Raises `KubeError` if the
    API server can't be asked.
    """

    async def ask(action: Action) -> Answer | None:
        found = action.found
        try:
            if action.verb == "apply":
                await client.patch(found.ref, edits.setting(found.uid, "/spec/replicas", 0), dry_run=True)
            else:
                await client.delete(found.ref, uid=found.uid, dry_run=True)
        except (errors.Refused, errors.WebhookUnreachable) as error:
            return None if error.webhook in webhooks else Answer(found.ref, error.message)
        except OF_ONE_OBJECT as error:
            return Answer(found.ref, error.message)
        return None

    actions = [one for stage in plan.stages for one in stage.actions if one.verb in ("apply", "delete") or one.removes]
    answers = await all_of(ask(action) for action in actions)
    return tuple(sorted((answer for answer in answers if answer is not None), key=lambda answer: answer.ref))
