"""What all flows share: the screen, the connection, the question, the wish to stop, the record."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any, Generic, Protocol, TypeVar

from kubectl_glasskube_purge.kube.client import Client
from kubectl_glasskube_purge.kube.connect import Flags, Target, connect
from kubectl_glasskube_purge.kube.objects import Ref
from kubectl_glasskube_purge.kube.problem import Problem
from kubectl_glasskube_purge.purge.look.survey import survey
from kubectl_glasskube_purge.purge.model.events import Event
from kubectl_glasskube_purge.purge.model.plan import Plan, Verb
from kubectl_glasskube_purge.purge.model.record import Record
from kubectl_glasskube_purge.purge.model.survey import Survey, Version
from kubectl_glasskube_purge.report.changes import Words


class Screen(Protocol):
    """What a run needs of its screen."""

    def preview(self, target: Target, survey: Survey, plan: Plan, manifest: str, backup: str) -> None:
        """Shows what will be done. `backup` is where it is written down first, `""` where it isn't."""

    def ask(self, question: str) -> bool | None:
        """The question; None if it can't be answered."""

    def preview_changes(self, target: Target, plan: Plan, words: Words, sources: Sequence[str] = ()) -> None:
        """Shows what will be applied, and where that comes from."""

    def progress(
        self, plan: Plan, verb: Verb = "delete", saved: tuple[Iterable[Ref], float] | None = None
    ) -> contextlib.AbstractContextManager[Callable[[Event], None]]:
        """Follows the execution; `verb` is what is counted, `saved` the backup's objects and seconds."""

    def write(self, text: str) -> None:
        """Puts a result on stdout."""

    def note(self, message: str) -> None:
        """Says something on the way."""


NO_TERMINAL = Problem(
    "no-terminal",
    "stdin is not a terminal",
    "See the plan with --dry-run, then use --yes.",
)


Asked = TypeVar("Asked")


@dataclass(frozen=True)
class Journey(Generic[Asked]):
    """What a flow has with it from its first survey to its last."""

    client: Client
    request: Asked
    screen: Screen
    record: Record


def refused(record: Record, *refusals: Problem) -> None:
    """All reasons at once: a user who fixes one needs to see the others."""
    message = "; ".join(text for refusal in refusals for text in (refusal.message, *refusal.details))
    hint = " ".join(refusal.hint for refusal in refusals)
    copied = tuple(line for refusal in refusals for line in refusal.copied)
    record.outcome, record.error = "refused", Problem(refusals[0].code, message, hint, copied=copied)


def agreed(journey: Journey[Any], question: str) -> bool:
    """Asks. Whatever isn't a yes is noted as the end of the run."""
    answer = journey.screen.ask(question)
    if answer is None:
        refused(journey.record, NO_TERMINAL)
    elif not answer:
        journey.record.outcome = "declined"
    return bool(answer)


@contextlib.contextmanager
def execution(
    journey: Journey[Any], plan: Plan, verb: Verb = "delete"
) -> Iterator[tuple[Callable[[Event], None], asyncio.Event]]:
    """While a plan is carried out: where its events go, to the record and the screen, and the wish to stop."""
    record = journey.record
    with journey.screen.progress(plan, verb, record.saved) as show, stoppable(record) as stop:

        def emit(event: Event) -> None:
            record.take(event)
            show(event)

        yield emit, stop


@contextlib.asynccontextmanager
async def connected(flags: Flags, record: Record) -> AsyncIterator[Client]:
    """A client that has sent no request yet. Raises `ConfigError`."""
    async with connect(flags) as connection:
        target = connection.target
        record.context, record.server, record.user = target.context, target.server, target.user
        client = Client(connection)
        yield client


async def surveyed(client: Client, record: Record, version: str = "", *, all_of_flux: bool = False) -> Survey:
    """A survey, noted in the record; its version is the one that the user names, if any. Raises `KubeError`."""
    found = await survey(client, all_of_flux=all_of_flux)
    if version:
        found = replace(found, version=Version(version, "--glasskube-version"))
    record.survey = found
    return found


@contextlib.contextmanager
def stoppable(record: Record) -> Iterator[asyncio.Event]:
    """Turns the first signal that would end the process into a wish to stop in order.

    The next one is dealt with by whatever handled signals before. Those that are
    ignored stay so: `nohup` means it.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    before: dict[int, Any] = {}

    def wish(number: int) -> None:
        record.exit_code = 128 + number
        stop.set()
        hand_back()

    def hand_back() -> None:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)
        before.clear()

    for number in ENDING_SIGNALS:
        handler = signal.getsignal(number)
        if handler is not signal.SIG_IGN:
            with contextlib.suppress(NotImplementedError):  # Windows' loops have no signal handlers
                loop.add_signal_handler(number, wish, number)
                before[number] = handler or signal.SIG_DFL
    try:
        yield stop
    finally:
        hand_back()
        if not stop.is_set():
            record.exit_code = None


ENDING_SIGNALS: tuple[int, ...] = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)
)
"""Ctrl-C, the polite end, a terminal that went away, and Ctrl-Break on Windows."""


def new_record() -> Record:
    """An empty record that starts now."""
    return Record(started=datetime.now(timezone.utc))
