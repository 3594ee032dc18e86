"""What is known of a run: its outcome, what became of each object, and what was found afterwards."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from kubectl_glasskube_purge.kube.objects import Ref
from kubectl_glasskube_purge.kube.problem import Problem

from . import events
from .outcome import EXIT_CODE_OF, Outcome, ended
from .plan import Action, Plan
from .survey import Survey

Kind = Literal["PurgeReport", "RestoreReport", "LabelReport"]


@dataclass(frozen=True)
class Leftover:
    """Something that is there and shouldn't be."""

    ref: Ref
    why: str
    uid: str = ""


@dataclass(frozen=True)
class Verification:
    """What one look found."""

    leftovers: tuple[Leftover, ...] = ()
    unreadable: tuple[str, ...] = ()

    @property
    def clean(self) -> bool:
        """Whether everything could be looked at and nothing is left."""
        return not self.leftovers and not self.unreadable


@dataclass
class Record:
    """Everything that becomes known of a run, in the order in which it does."""

    started: datetime
    kind: Kind = "PurgeReport"
    clock: float = field(default_factory=time.monotonic)
    """Seconds of the monotonic clock at `started`: what happens later is dated by the difference."""
    context: str = ""
    server: str = ""
    user: str = ""
    survey: Survey | None = None
    plan: Plan | None = None
    manifest_source: str = ""
    backups: list[str] = field(default_factory=list)
    """Files that hold what this run and those before it deleted, oldest first."""
    saved: tuple[frozenset[Ref], float] | None = None
    """What this run's backup holds, and the seconds that it took; None without one."""
    warnings: list[Problem] = field(default_factory=list)
    outcomes: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)
    """As `_key` makes it → outcome and message."""
    followed: dict[str, list[events.ObjectDone]] = field(default_factory=dict)
    """Stage → what went that the plan didn't name, e.g. Pods that were started meanwhile."""
    moments: dict[tuple[str, str], float] = field(default_factory=dict)
    """As `_key` makes it → seconds since the start at which the outcome was known."""
    stage_moments: dict[str, float] = field(default_factory=dict)
    """Stage → seconds since the start at which it began."""
    stage_seconds: dict[str, float] = field(default_factory=dict)
    stages_over: set[str] = field(default_factory=set)
    """Stages that were completed."""
    rollback: Record | None = None
    """What became of putting everything back, where the purge failed."""
    verification: Verification | None = None
    outcome: Outcome = "failed"
    exit_code: int | None = None
    error: Problem | None = None
    again: str = ""
    """The command that goes on, with the options that decide the same; `""` if there is none."""
    seconds: float = 0.0
    _named: tuple[Plan | None, frozenset[Ref]] = (None, frozenset())
    """What the plan names, so that not every event has to ask it again."""

    def take(self, event: events.Event) -> None:
        """Remembers what an event says."""
        if isinstance(event, events.ObjectDone):
            key = outcome_key(event.ref, event.uid, event.verb)
            self.outcomes[key] = (event.outcome, event.message)
            self.moments[key] = time.monotonic() - self.clock
            if self.plan is not self._named[0]:
                self._named = (self.plan, _named(self.plan))
            if event.ref not in self._named[1]:
                self.followed.setdefault(event.stage, []).append(event)
        elif isinstance(event, events.StageStarted):
            self.stage_moments[event.stage] = time.monotonic() - self.clock
        elif isinstance(event, events.StageFinished):
            self.stage_seconds[event.stage] = event.seconds
            if event.complete:
                self.stages_over.add(event.stage)
        elif isinstance(event, Problem):
            self.warnings.append(event)

    def end(self, error: BaseException) -> None:
        """Ends by an error."""
        ending, self.error = ended(error)
        self.outcome = "failed" if ending == "usage" else ending

    def done(self, action: Action) -> bool:
        """Whether anything is known to have become of an action."""
        return outcome_key(action.ref, action.found.uid, action.verb) in self.outcomes

    @property
    def took(self) -> float:
        """Seconds of the stages: the whole run also has the question, which may have waited for minutes."""
        return sum(self.stage_seconds.values())

    @property
    def exit(self) -> int:
        """The exit code that belongs to the outcome."""
        return EXIT_CODE_OF[self.outcome] if self.exit_code is None else self.exit_code


def _named(plan: Plan | None) -> frozenset[Ref]:
    """Everything that a plan acts on or takes along."""
    if plan is None:
        return frozenset()
    return frozenset(plan.going) | {action.ref for stage in plan.stages for action in stage.actions}


def outcome_key(ref: Ref, uid: str, verb: str) -> tuple[str, str]:
    """Which outcome belongs to which action: by UID, or by name where the object doesn't exist yet."""
    return (uid or f"{ref.group}/{ref.kind}/{ref.namespace}/{ref.name}", verb)
