"""`version`: the plugin's, and that of the cluster's Glasskube."""

from __future__ import annotations

import json
import sys
from typing import Any

from kubectl_glasskube_purge import __version__
from kubectl_glasskube_purge.cli import running
from kubectl_glasskube_purge.cli.arguments import Line
from kubectl_glasskube_purge.cli.options import CLIENT, OUTPUT, Output
from kubectl_glasskube_purge.flows.verify import detect
from kubectl_glasskube_purge.kube.connect import Flags
from kubectl_glasskube_purge.purge.model.record import Record
from kubectl_glasskube_purge.report.document import as_yaml, error


def run(line: Line) -> int:
    """Says the versions. Changes nothing."""
    output = line[OUTPUT]
    if line[CLIENT]:
        _write({"clientVersion": __version__}, output)
        return 0
    flags = line.fill(Flags)

    def result(record: Record) -> None:
        versions: dict[str, Any] = {"clientVersion": __version__}
        if record.survey is not None:
            found = record.survey.version
            versions |= {"glasskubeVersion": found.version, "detectedBy": found.detected_by}
        if record.error is not None:
            versions["error"] = error(record.error)
        _write(versions, output)

    show = line.fill(running.Show, result=result)
    return running.run(lambda screen, record: detect(flags, record), show)


def _write(versions: dict[str, Any], output: Output) -> None:
    if output is Output.json:
        sys.stdout.write(json.dumps(versions, indent=2) + "\n")
    elif output is Output.yaml:
        sys.stdout.write(as_yaml(versions))
    else:
        sys.stdout.write(f"kubectl-glasskube-purge {versions['clientVersion']}\n")
        if version := versions.get("glasskubeVersion"):
            sys.stdout.write(f"Glasskube {version} (told by {versions['detectedBy']})\n")
        elif "glasskubeVersion" in versions:
            sys.stdout.write("Glasskube not found\n")
