"""What a person sees while a plan is carried out: stages with bars, and who is waited for.

Live on a terminal; a line for each finished stage, and one now and then for
what takes long, elsewhere. Reads events and nothing else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TextIO

from rich.text import Text

from kubectl_glasskube_purge.kube.objects import Ref
from kubectl_glasskube_purge.kube.problem import Problem
from kubectl_glasskube_purge.kube.wording import plural
from kubectl_glasskube_purge.purge.model.events import Event, ObjectDone, StageStarted, Waiting
from kubectl_glasskube_purge.purge.model.plan import Plan, Stage, Verb

from .layout import console, is_drawn, joined, text, wrapped
from .live import Live
from .names import seconds

SAID_EVERY = 10.0
"""Seconds between two lines on the same wait, where there is no live display."""

Saved = tuple[Iterable[Ref], float]
"""What the backup holds, and the seconds that it took."""

_SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_SAID = 6
"""Lines on who is waited for: some finalizers and webhooks tell long stories."""
_AT_ONCE = 0.4
"""Seconds that need no explanation."""
_BAR = 24
"""Characters of a bar, where there is room for it."""
_REST = 35
"""Characters of a line without its bar."""


@dataclass
class _State:
    name: str
    wanted: frozenset[Ref]
    """What is counted."""
    done: set[Ref] = field(default_factory=set)
    state: str = "ahead"
    began: float = 0.0
    seconds: float = 0.0
    waiting: str = ""
    waited_since: float = 0.0


class Progress:
    """Follows the events of one execution, a plan with the verb that is counted; a context manager."""

    def __init__(
        self, plan: Plan, verb: Verb, stream: TextIO, *, live: bool, plain: bool = False, saved: Saved | None = None
    ) -> None:
        self._console = console(stream, plain=plain)
        self._verb = verb
        refs, took = saved or ((), 0.0)
        self._backup = [_State("backup", frozenset(refs), {*refs}, "done", seconds=took)] if refs else []
        self._stages = {
            stage.name: _State(stage.name, _counted(stage, verb))
            for stage in plan.stages
            if stage.actions or stage.consequences or verb == "apply"  # a restore also waits for what exists already
        }
        self._live = Live(stream, self.lines) if live else None
        self._said = 0.0
        self._repeated: Counter[str] = Counter()
        self._began = self._console.get_time()

    def __enter__(self) -> Progress:
        if self._live is not None:
            self._live.__enter__()
        for backup in self._backup if self._live is None else ():
            self._console.print(self._finished(backup))
        return self

    def __exit__(self, *raised: object) -> None:
        for stage in self._stages.values():
            if stage.state == "running":
                stage.state, stage.seconds = "stopped", self._console.get_time() - stage.began
        if self._live is not None:
            self._live.__exit__(*raised)
        if more := self._repeated.total() - len(self._repeated):
            self._console.print(text(f"{plural(more, 'more message')} like the above (-o json has all)", "yellow"))

    def take(self, event: Event) -> None:
        """Shows what an event says."""
        if isinstance(event, Problem):
            self._say_once(event.message, text(f"Note: {event.message}", "yellow"))
            return
        stage = self._stages[event.stage]
        if isinstance(event, StageStarted):
            stage.state, stage.began = "running", self._console.get_time()
            self._said = 0.0
        elif isinstance(event, ObjectDone):
            self._count(stage, event)
        elif isinstance(event, Waiting):
            self._wait(stage, event)
        else:
            stage.state, stage.seconds = ("done" if event.complete else "stopped"), event.seconds
            stage.waiting = ""
            if self._live is None and stage.wanted:
                self._console.print(self._finished(stage))

    def _count(self, stage: _State, event: ObjectDone) -> None:
        if event.outcome == "failed":
            alike = event.message.replace(event.ref.name, "")
            self._say_once(alike, text(f"{event.ref.display}: {event.message}", "red"))
        elif event.verb in (self._verb, "hand-over"):
            stage.done |= {event.ref} & stage.wanted
        stage.waiting = ""

    def _wait(self, stage: _State, event: Waiting) -> None:
        stage.waiting = f"waits for {event.ref.display}: {event.why}"
        stage.waited_since = self._console.get_time() - event.seconds
        if self._live is None and event.seconds - self._said >= SAID_EVERY:
            self._said = event.seconds
            self._say(text(f"{stage.name} {stage.waiting} ({seconds(event.seconds)} without progress)"))

    def _say_once(self, alike: str, what: Text) -> None:
        """Says what is like nothing that was said; the rest is counted at the end."""
        self._repeated[alike] += 1
        if self._repeated[alike] == 1:
            self._say(what)

    def _say(self, what: Text) -> None:
        if self._live is None:
            self._console.print(what)
        else:
            with self._live.above():
                self._console.print(what)

    def _finished(self, stage: _State) -> Text:
        count = f"{len(stage.done)}/{len(stage.wanted)}"
        if not is_drawn(self._console):
            word = "done" if stage.state == "done" else "not finished"
            return text(f"{stage.name} {word}: {count} objects in {seconds(stage.seconds)}")
        return joined(_mark(stage, 0), f" {stage.name:<13}{count:>9}{seconds(stage.seconds):>9}")

    # The live display

    def lines(self, width: int, height: int) -> Sequence[Text]:
        """The lines of the live display at this moment. Where they don't all fit, those around the running stage."""
        now = self._console.get_time()
        lines: list[Text] = []
        running = 0
        for stage in (*self._backup, *self._stages.values()):
            if not (stage.wanted or stage.waiting):
                continue
            elapsed = now - stage.began if stage.state == "running" else stage.seconds
            if stage.state == "running":
                running = len(lines)
            lines.append(self._line(stage, elapsed, width, now))
            if stage.state in ("running", "stopped") and stage.waiting:
                waited = f"{stage.waiting} ({seconds(now - stage.waited_since)})"
                room = wrapped(text(waited, "yellow"), width - 5)
                lines += [joined("    ", part) for part in room[:_SAID]]
        lines.append(self._total(width, now))
        over = max(0, len(lines) - max(height - 1, 1))
        skipped = min(over, running)
        return lines[skipped:]

    def _total(self, width: int, now: float) -> Text:
        """All stages, with the time of the whole run."""
        stages = [stage for stage in self._stages.values() if stage.wanted]
        state = "done" if all(stage.state == "done" for stage in stages) else "total"
        wanted = frozenset(ref for stage in stages for ref in stage.wanted)
        done = {ref for stage in stages for ref in stage.done}
        return self._line(_State("total", wanted, done, state), now - self._began, width, now)

    def _line(self, stage: _State, elapsed: float, width: int, now: float) -> Text:
        total = len(stage.wanted)
        line = joined(_mark(stage, now), f" {stage.name:<13}")
        length = min(_BAR, width - 1 - _REST)
        if length >= 8:
            line.append_text(_bar(len(stage.done), total, length, stage.state, is_drawn(self._console)))
        line.append(f"{len(stage.done):>6}/{total:<5}", "" if stage.state == "running" else "dim")
        if stage.state != "ahead":
            line.append(f"{seconds(elapsed):>7}", "dim" if stage.state == "done" else "")
        return line


def _counted(stage: Stage, verb: Verb) -> frozenset[Ref]:
    """What a stage is measured by: what it does, and what goes because of it."""
    if verb == "delete":
        return frozenset(found.ref for found in stage.going)
    return frozenset(action.ref for action in stage.actions if action.verb == verb)


def _mark(stage: _State, now: float) -> Text:
    if stage.state == "running":
        return _spinner(now)
    return {"done": text("✓", "green"), "stopped": text("✗", "red")}.get(stage.state, text(" "))


def _spinner(now: float) -> Text:
    return text(_SPINNER[int(now * 10) % len(_SPINNER)], "cyan")


def _bar(done: int, total: int, length: int, state: str, drawn: bool) -> Text:
    """A bar. What is done is a heavy line, what isn't a thin one, so that it needs no colour."""
    filled = length if not total and state == "done" else round(length * done / total) if total else 0
    full, empty = ("━", "─") if drawn else ("#", ".")
    colour = {"done": "green", "stopped": "red"}.get(state, "cyan")
    return joined(text(full * filled, colour), text(empty * (length - filled), "dim"))


class Status(Live):
    """One line on a terminal that says what is being done, until it is taken away; a context manager."""

    def __init__(self, stream: TextIO, what: Callable[[], str]) -> None:
        super().__init__(stream, self.line, stays=False)
        self._what = what
        self._began = self._console.get_time()

    def line(self, width: int, height: int) -> Sequence[Text]:
        """The line, once it has lasted long enough to be read."""
        now = self._console.get_time()
        elapsed = now - self._began
        if elapsed < _AT_ONCE:
            return ()
        shown = f"  {seconds(elapsed)}" if elapsed > 3 else ""
        return (joined(_spinner(now), " ", text(self._what()), text(shown, "dim")),)
