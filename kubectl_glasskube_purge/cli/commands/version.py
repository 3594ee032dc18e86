"""`version`: the plugin's, and that of the cluster's Glasskube."""

from __future__ import annotations

from typing import Any

from kubectl_glasskube_purge import __version__
from kubectl_glasskube_purge.cli import running, streams
from kubectl_glasskube_purge.cli.arguments import Line
from kubectl_glasskube_purge.cli.options import CLIENT, OUTPUT, Output
from kubectl_glasskube_purge.flows.verify import detect
from kubectl_glasskube_purge.kube.connect import Flags
from kubectl_glasskube_purge.purge.model.record import Record
from kubectl_glasskube_purge.report.document import error


def run(line: Line) -> int:
    """Says the versions. Changes nothing."""
    output = line[OUTPUT]
    if line[CLIENT]:
        _write({"clientVersion": __version__}, output)
        return 0
    flags = line.fill(Flags)

    def result(record: Record) -> None:
        versions: dict[str, Any] = {"clientVersion": __version__}
        if record.survey is not None and record.error is None:
            found = record.survey.version
            versions |= {"glasskubeVersion": found.version, "detectedBy": found.detected_by}
        if record.error is not None:
            versions["error"] = error(record.error)
        _write(versions, output)

    show = line.fill(running.Show, result=result)
    return running.run(lambda screen, record: detect(flags, record), show)


def _write(versions: dict[str, Any], output: Output) -> None:
    if not output.is_for_people:
        running.put(versions, output)
        return
    streams.out(f"kubectl-glasskube-purge {versions['clientVersion']}")
    if version := versions.get("glasskubeVersion"):
        streams.out(f"Glasskube {version} (detected from {versions['detectedBy']})")
    elif "glasskubeVersion" in versions:
        streams.out("Glasskube not found")
