"""Runs a flow to its end, whatever that is; writes the result; says the exit code.

A person gets two lines, what is the matter and what to do next; a script the
report document with `error` in it, also where no connection was ever made. A
traceback is shown with --debug alone.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
import traceback
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import RenderableType

from kubectl_glasskube_purge.flows.run import new_record
from kubectl_glasskube_purge.kube.problem import Problem
from kubectl_glasskube_purge.kube.transport import exec_plugin, request_log
from kubectl_glasskube_purge.purge.model.record import Record
from kubectl_glasskube_purge.report import changes, document, guide, human, live, page, stream
from kubectl_glasskube_purge.report.layout import console

from . import streams
from .options import Output
from .problems import say
from .screen import TerminalScreen
from .signals import Signals

Work = Callable[[TerminalScreen, Record], Coroutine[Any, Any, None]]


@dataclass(frozen=True)
class Show:
    """What of a run is shown, how and where."""

    output: Output = Output.human
    plain: bool = False
    debug: bool = False
    verbosity: int = 0
    dry_run: bool = False
    verifying: bool = False
    stdout_taken: bool = False
    """Whether something else than the result goes to stdout."""
    again: str = ""
    """The command that goes on with a purge that didn't finish."""
    page: Path | None = None
    """`--report`."""
    result: Callable[[Record], None] | None = None
    """Writes the result, where that isn't the report."""


def run(work: Work, show: Show) -> int:
    """Runs a flow and returns the exit code. Raises `PageError` before anything is done."""
    if show.page is not None:
        page.check_writable(show.page)
    log_requests(show.verbosity)
    exec_plugin.around = live.paused
    record = new_record()
    record.again = show.again
    started = time.monotonic()
    with Signals(last=live.restore) as signals:
        screen = TerminalScreen(show.output, dry_run=show.dry_run, plain=show.plain, signals=signals)

        async def watched() -> None:
            signals.watch()
            await work(screen, record)
            if show.result is not None and record.outcome == "failed":
                record.outcome = "clean"

        try:
            screen.status(lambda: f"Looking at {record.context or record.server}" if record.server else "Connecting")
            asyncio.run(watched())
        except (KeyboardInterrupt, asyncio.CancelledError) as error:
            _debug(show, error)
            _interrupted(record, signals.number)
        except Exception as error:
            _debug(show, error)
            record.end(error)
        finally:
            screen.end_status()
    for one in (record, record.rollback):
        if one is not None and one.error is not None:
            one.error = replace(one.error, hint=guide.leading(one.error.code, one.error.hint))
    record.seconds = time.monotonic() - started
    if show.page is not None:
        _write_page(record, show.page)
    try:
        _write(record, show)
        sys.stdout.flush()
    except OSError as error:
        say(Problem("system", f"the result can't be written: {(error.strerror or 'unknown').lower()}"))
        return record.exit or 1
    return record.exit


def _interrupted(record: Record, number: int) -> None:
    record.outcome = "interrupted"
    record.exit_code = 128 + number if number else None
    if record.stage_moments:
        record.error = Problem("interrupted", "stopped at once", "Run this again: it goes on where it stopped.")
    else:
        record.error = Problem("interrupted", "nothing was changed")


def _debug(show: Show, error: BaseException) -> None:
    if show.debug:
        # Indented: an error's own text may have several lines.
        streams.err(*(f"  {line}" for line in "".join(traceback.format_exception(error)).splitlines()))


# -- the log


def log_requests(verbosity: int) -> None:
    """Shows the log of requests on stderr, as kubectl does for this `-v`."""
    level = request_log.level(verbosity)
    if level >= logging.INFO:
        return
    handler = _OnStderr()
    handler.setFormatter(_Klog())
    request_log.logger.handlers = [handler]
    request_log.logger.propagate = False
    request_log.logger.setLevel(level)


class _OnStderr(logging.Handler):
    """Writes to whatever stderr is at that moment: a live display may have put itself in front of it."""

    def emit(self, record: logging.LogRecord) -> None:
        streams.err(*self.format(record).split("\n"))


class _Klog(logging.Formatter):
    """The head of a line as Kubernetes' programs write it: `I1123 09:11:42.131415    4711 request_log.py:54] `."""

    def format(self, record: logging.LogRecord) -> str:
        moment = time.strftime("%m%d %H:%M:%S", time.localtime(record.created))
        micros = int(record.created % 1 * 1e6)
        head = f"I{moment}.{micros:06d} {record.process:7d} {record.filename}:{record.lineno}] "
        return head + super().format(record)


# -- the result


def _write(record: Record, show: Show) -> None:
    if show.result is not None:
        show.result(record)
    elif show.output.is_for_people and (record.survey is not None or record.outcome != "failed"):
        good = record.exit == 0 or show.verifying
        stream_ = sys.stdout if good and not show.stdout_taken else sys.stderr
        console(stream_, plain=show.plain).print(_ending(record, show))
        return
    elif not show.output.is_for_people:
        _put(record, show)
    if record.error is not None:
        say(record.error)


def _ending(record: Record, show: Show) -> RenderableType:
    wide = show.output is Output.wide
    if show.verifying:
        return human.verification(record, wide=wide)
    return human.end(record, wide=wide) if record.kind == "PurgeReport" else changes.end(record)


def _put(record: Record, show: Show) -> None:
    """Writes the result for a script; the names of what was deleted are already on stdout."""
    if show.output is Output.name:
        left = record.verification.leftovers if record.verification and show.verifying else ()
        streams.out(*(leftover.ref.one_word for leftover in left))
    elif show.output is Output.jsonl:
        streams.out(stream.line(stream.report(document.document(record))))
    else:
        put(document.document(record), show.output)


def put(result: Mapping[str, Any], output: Output) -> None:
    """Writes a document to stdout, as JSON or YAML. Raises `OSError`."""
    streams.document(document.as_json(result) if output is Output.json else document.as_yaml(result))


def _write_page(record: Record, path: Path) -> None:
    """Writes the page, whatever became of the run. A page that can't be written changes nothing of that."""
    try:
        page.write(path, page.render(document.document(record)))
    except (page.PageError, page.NotAReport) as error:
        say(error.problem)
