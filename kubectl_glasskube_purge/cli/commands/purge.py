"""The purge: the command without a name."""

from __future__ import annotations

from kubectl_glasskube_purge.cli import running
from kubectl_glasskube_purge.cli.arguments import Line, UsageError
from kubectl_glasskube_purge.cli.options import BACKUP, DRY_RUN, GLASSKUBE_VERSION, NO_BACKUP, OUTPUT, ROLE, ROLLBACK
from kubectl_glasskube_purge.flows import purge as flow
from kubectl_glasskube_purge.glasskube.release import Sources
from kubectl_glasskube_purge.kube.connect import Flags
from kubectl_glasskube_purge.purge.model.events import Limits
from kubectl_glasskube_purge.purge.model.plan import Options


def run(line: Line) -> int:
    """Removes Glasskube from the cluster."""
    to_stdout = line[BACKUP] == flow.STDOUT
    if line[BACKUP] and line[NO_BACKUP]:
        raise UsageError("--backup and --no-backup exclude each other")
    if line[ROLLBACK] and line[NO_BACKUP]:
        raise UsageError("--rollback-on-failure needs the backup that --no-backup leaves out")
    if to_stdout and not line[OUTPUT].is_for_people:
        raise UsageError(f"--backup=- and --output={line[OUTPUT].value} both want stdout; name a file")
    if line[ROLE] and not line[DRY_RUN]:
        raise UsageError("--role takes --dry-run: the purge itself writes no role")
    request = line.fill(
        flow.Request,
        flags=line.fill(Flags),
        options=line.fill(Options),
        sources=line.fill(Sources),
        version=line[GLASSKUBE_VERSION],
        dry_run=bool(line[DRY_RUN]),
        dry_run_on_server=line[DRY_RUN] == "server",
        limits=line.fill(Limits),
    )
    show = line.fill(running.Show, dry_run=request.dry_run, stdout_taken=to_stdout)
    return running.run(lambda screen, record: flow.purge(request, screen, record), show)
