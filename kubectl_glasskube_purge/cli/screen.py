"""How a run reaches its user: a terminal, a pipe, or a script.

stdout has the result and nothing else, stderr all the rest. A person sees what
is waited for from the first second on; a script that reads documents isn't
disturbed, and still shows the progress if stderr is a terminal.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence

from rich.console import RenderableType

from kubectl_glasskube_purge.kube.connect import Target
from kubectl_glasskube_purge.purge.model.events import Event, ObjectDone
from kubectl_glasskube_purge.purge.model.plan import Plan, Verb
from kubectl_glasskube_purge.purge.model.survey import Survey
from kubectl_glasskube_purge.report import changes, live, preview, stream
from kubectl_glasskube_purge.report.layout import console
from kubectl_glasskube_purge.report.progress import Progress, Saved, Status

from . import streams
from .options import Output
from .signals import Signals


class TerminalScreen:
    """The `Screen` of one run."""

    def __init__(self, output: Output, *, dry_run: bool, plain: bool, signals: Signals) -> None:
        self.output = output
        self.plain = plain
        self.dry_run = dry_run
        self.signals = signals
        self._live = streams.is_terminal(sys.stderr) and not plain and live.is_possible(sys.stderr)
        self._status: Status | None = None
        self._shown: Callable[[], None] = lambda: None

    # What is shown

    def preview(self, target: Target, survey: Survey, plan: Plan, manifest: str, backup: str) -> None:
        """Shows the plan; where stdout has a document, only before a question."""
        installed = preview.installed_words(survey.namespace)
        header = preview.Header(target, manifest, installed, backup)
        self._preview(preview.preview(header, survey, plan, wide=self.output is Output.wide), plan)

    def preview_changes(self, target: Target, plan: Plan, words: changes.Words, sources: Sequence[str] = ()) -> None:
        """Shows what would be applied."""
        self._preview(changes.preview(target, plan, words, sources, wide=self.output is Output.wide), plan)

    def _preview(self, what: RenderableType, plan: Plan) -> None:
        def show() -> None:
            # The preview is a dry run's result; otherwise it is on the way to one.
            to_stdout = self.dry_run and self.output.is_for_people
            console(sys.stdout if to_stdout else sys.stderr, plain=self.plain).print(what)

        self.end_status()
        self._shown = show
        if self.output.is_for_people:
            show()
        elif self.output is Output.jsonl:
            streams.out(stream.line(stream.plan(plan)))
        elif self.output is Output.name and self.dry_run:
            streams.out(*(ref.one_word for ref in plan.deletes))

    def ask(self, question: str) -> bool | None:
        """Asks on the terminal; None where there is none."""
        self.end_status()
        if not streams.is_terminal(sys.stdin):
            return None
        if not self.output.is_for_people:
            self._shown()
        streams.err("", f"{question} [y/N] ", end="")
        with self.signals.blocking():
            yes = sys.stdin.readline().strip().lower() in ("y", "yes")
        if yes:
            self.status(lambda: "Looking again")
        return yes

    @contextlib.contextmanager
    def progress(
        self, plan: Plan, verb: Verb = "delete", saved: Saved | None = None
    ) -> Iterator[Callable[[Event], None]]:
        """Follows the execution on stderr; silent where a script reads stdout and no user watches."""
        self.end_status()
        if self.output.is_for_people or self._live:
            with Progress(plan, verb, sys.stderr, live=self._live, plain=self.plain, saved=saved) as display:

                def show(event: Event) -> None:
                    display.take(event)
                    self._event(event)

                yield show
        else:
            yield self._event
        self.status(lambda: "Looking at what is left")

    def _event(self, event: Event) -> None:
        if self.output is Output.jsonl:
            streams.out(stream.line(stream.event(event)))
        elif (
            self.output is Output.name
            and isinstance(event, ObjectDone)
            and event.direct
            and (event.verb, event.outcome) == ("delete", "deleted")
        ):
            streams.out(event.ref.one_word)

    def write(self, text: str) -> None:
        """Writes to stdout, and sees that it got there. Raises `OSError`."""
        streams.document(text)
        if getattr(sys.stdout, "gone", False):
            raise BrokenPipeError("stdout has no reader")

    def note(self, message: str) -> None:
        """Says something on stderr."""
        streams.err(message)

    # What is done meanwhile

    def status(self, what: Callable[[], str]) -> None:
        """Says on a terminal what is being done, until something else is shown."""
        self.end_status()
        if self._live:
            self._status = Status(sys.stderr, what)
            self._status.__enter__()

    def end_status(self) -> None:
        """Takes the status away."""
        if self._status is not None:
            self._status.__exit__(None, None, None)
            self._status = None
