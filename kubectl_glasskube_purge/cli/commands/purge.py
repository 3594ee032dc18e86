"""The purge: the command without a name."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable

from kubectl_glasskube_purge.cli import running, streams
from kubectl_glasskube_purge.cli.arguments import Line, UsageError
from kubectl_glasskube_purge.cli.options import (
    BACKUP,
    DRY_RUN,
    EXPORT,
    EXPORT_FORMAT,
    GLASSKUBE_VERSION,
    NO_BACKUP,
    OUTPUT,
    ROLE,
    ROLLBACK,
)
from kubectl_glasskube_purge.cli.usage import PROGRAM
from kubectl_glasskube_purge.flows import purge as flow
from kubectl_glasskube_purge.glasskube.release import Sources
from kubectl_glasskube_purge.kube.client import Client
from kubectl_glasskube_purge.kube.connect import Flags
from kubectl_glasskube_purge.purge.model.events import Limits
from kubectl_glasskube_purge.purge.model.plan import Options
from kubectl_glasskube_purge.purge.model.survey import Survey


def check_deciding(line: Line) -> None:
    """Raises `UsageError` if what is to be kept or deleted contradicts itself."""
    wanted = line.fill(Options)
    if wanted.keep_packages and (wanted.keep or wanted.keep_in_use or wanted.delete_in_use):
        raise UsageError("--keep-packages keeps all packages: leave out --keep, --keep-in-use and --delete-in-use")
    if wanted.keep_in_use and wanted.delete_in_use:
        raise UsageError("--keep-in-use and --delete-in-use exclude each other")
    chosen = {wanted.keep_packages, wanted.keep_in_use, wanted.hand_over} - {"", "auto"}
    if len(chosen) > 1:
        raise UsageError("packages are handed over to flux or to helm, in one run not to both")
    if wanted.hand_over and not (wanted.keep_packages or wanted.keep or wanted.keep_in_use):
        raise UsageError("--hand-over takes --keep, --keep-in-use or --keep-packages: nothing else is handed over")
    if "flux" in chosen and wanted.flux == "delete":
        raise UsageError("nothing can be handed over to flux with --flux=delete")


def _export(line: Line) -> Callable[[Client, Survey], Awaitable[object]] | None:
    """What writes the packages as files, if that is wanted."""
    where, form = line[EXPORT], line[EXPORT_FORMAT]
    if not where:
        return None
    from functools import partial

    from kubectl_glasskube_purge.flows.export import ExportRequest, of_survey

    return partial(of_survey, ExportRequest(where, form))


_ONCE = (
    "--yes --dry-run --role --output --report --backup --rollback-on-failure --export --export-format --timeout "
    "--wait-idle --plain --v --debug --token --username --password --proxy-url"
)
"""Options that decide nothing about the cluster's objects, name a file of this run, or are secret."""


def _again(line: Line) -> str:
    """The command that goes on with this purge, with the options that decide."""
    import shlex

    return " ".join([PROGRAM, *(shlex.quote(typed) for name, typed in line.options if name not in _ONCE.split())])


def run(line: Line) -> int:
    """Removes Glasskube from the cluster."""
    to_stdout = line[BACKUP] == flow.STDOUT
    if line[BACKUP] and line[NO_BACKUP]:
        raise UsageError("--backup and --no-backup exclude each other")
    if line[ROLLBACK] and line[NO_BACKUP]:
        raise UsageError("--rollback-on-failure needs the backup that --no-backup leaves out")
    if to_stdout and not line[OUTPUT].is_for_people:
        raise UsageError(f"--backup=- and --output={line[OUTPUT].value} both want stdout; name a file")
    check_deciding(line)
    if line[ROLE] and not line[DRY_RUN]:
        raise UsageError("--role takes --dry-run: the purge itself writes no role")
    if line[EXPORT] and line[DRY_RUN]:
        raise UsageError("--export writes files before the first delete, and --dry-run deletes nothing")
    request = line.fill(
        flow.Request,
        export=_export(line),
        flags=line.fill(Flags),
        options=line.fill(Options),
        sources=line.fill(Sources),
        version=line[GLASSKUBE_VERSION],
        role_file=line[OUTPUT].is_for_people and streams.is_terminal(sys.stderr),
        dry_run=bool(line[DRY_RUN]),
        dry_run_on_server=line[DRY_RUN] == "server",
        limits=line.fill(Limits),
    )
    show = line.fill(running.Show, again=_again(line), dry_run=request.dry_run, stdout_taken=to_stdout)
    return running.run(lambda screen, record: flow.purge(request, screen, record), show)
