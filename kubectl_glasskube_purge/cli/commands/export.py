"""`export`: the packages as files for other tools."""

from __future__ import annotations

from collections.abc import Sequence

from kubectl_glasskube_purge.cli import running, streams
from kubectl_glasskube_purge.cli.arguments import Line
from kubectl_glasskube_purge.cli.options import FORMAT, FROM
from kubectl_glasskube_purge.flows import export as flow
from kubectl_glasskube_purge.kube.connect import Flags
from kubectl_glasskube_purge.purge.model.record import Record


def run(line: Line) -> int:
    """Writes the packages as files for another tool. Changes nothing in the cluster."""
    where = line.arguments[0] if line.arguments else "glasskube-export"
    request = line.fill(flow.ExportRequest, folder=where, form=line[FORMAT], source=line[FROM], flags=line.fill(Flags))
    written: list[Sequence[str]] = []

    async def work(_: object, record: Record) -> None:
        written.append(await flow.run(request, record))

    def result(_: Record) -> None:
        for files in written:
            streams.out(*files)
            streams.err(f"Read {where}/README.md next." if files else "There is no package to export.")

    return running.run(work, line.fill(running.Show, result=result))
