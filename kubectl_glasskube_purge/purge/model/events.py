"""What happens while a plan is carried out, as data, and how a run can end before its plan does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from kubectl_glasskube_purge.kube.objects import Ref
from kubectl_glasskube_purge.kube.problem import Ending, Problem, ProblemError

ObjectOutcome = Literal[
    "planned", "deleted", "absent", "kept", "detached", "handed-over", "applied", "failed", "pending"
]


@dataclass(frozen=True)
class Limits:
    """How long to wait, in seconds."""

    total: float | None = None
    """For the whole run; None for no limit."""
    left: float | None = None
    """What is left of `total` for the execution; None for all of it."""
    idle: float = 360.0
    """Within a stage without any progress. Above helm-controller's own limit of 300 s for an uninstall."""
    hopeless: float = 45.0
    """Likewise, if no controller can make progress, or the controller has reported that it failed."""
    force: float = 30.0
    """Without progress, after which a finalizer is dropped by --force-finalizers."""
    webhook: float = 15.0
    """For a webhook that doesn't let a request pass: the API server goes on calling one whose configuration is gone."""

    @property
    def execution(self) -> float | None:
        """Seconds that the execution may take; None for no limit."""
        return self.total if self.left is None else self.left


@dataclass(frozen=True)
class StageStarted:
    """A stage begins."""

    stage: str
    total: int


@dataclass(frozen=True)
class ObjectDone:
    """Something became of an object: it is gone, was released, was kept, or can't be deleted."""

    stage: str
    ref: Ref
    uid: str
    verb: str
    outcome: ObjectOutcome
    message: str = ""
    direct: bool = True
    """False for what went because of another object."""


@dataclass(frozen=True)
class Waiting:
    """No progress for a while: who is waited for, and why."""

    stage: str
    ref: Ref
    why: str
    seconds: float


@dataclass(frozen=True)
class StageFinished:
    """A stage is over, completely or not."""

    stage: str
    seconds: float
    complete: bool


Event = StageStarted | ObjectDone | Waiting | StageFinished | Problem
"""A problem is what happened and wasn't in the plan, e.g. a webhook configuration deleted earlier than planned."""


class Stopped(ProblemError):
    """The run ends before its plan does, each reason has its code."""

    ending: Ending = "incomplete"

    def __init__(self, code: str, message: str, hint: str) -> None:
        super().__init__(message, code=code, hint=hint)


class GuardStopped(Stopped):
    """What the plan relied on is no longer so: another user uses what would have been deleted next."""


class TimedOut(Stopped):
    """A limit passed before everything was gone."""


class NotDeleted(Stopped):
    """The API server won't delete an object of a stage, so the stages after it must not begin."""


class Interrupted(Stopped):
    """The user asked to stop."""

    ending = "interrupted"

    def __init__(self) -> None:
        super().__init__("interrupted", "stopped on request", "Run this again: it goes on where it stopped.")


NO_LIMITS = Limits()
"""The usual patience, and no limit of the whole run."""
