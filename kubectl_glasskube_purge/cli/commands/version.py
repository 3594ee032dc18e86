"""`version`: the plugin's, and that of the cluster's Glasskube."""

from __future__ import annotations

import json
import sys
from typing import Any

from kubectl_glasskube_purge import __version__
from kubectl_glasskube_purge.cli import running
from kubectl_glasskube_purge.cli.binding import Common
from kubectl_glasskube_purge.cli.choices import Output
from kubectl_glasskube_purge.flows import purge as flow
from kubectl_glasskube_purge.purge.model.record import Record
from kubectl_glasskube_purge.report.document import as_yaml, error


def run(*, common: Common, output: Output = Output.human, client: bool = False) -> int:
    """Says the versions. Changes nothing."""
    if client:
        _write({"clientVersion": __version__}, output)
        return 0
    request = flow.Request(flags=common.flags)

    def result(record: Record) -> None:
        versions: dict[str, Any] = {"clientVersion": __version__}
        if record.survey is not None:
            found = record.survey.version
            versions |= {"glasskubeVersion": found.version, "detectedBy": found.detected_by}
        if record.error is not None:
            versions["error"] = error(record.error)
        _write(versions, output)

    show = running.Show(output, common, result=result)
    return running.run(lambda screen, record: flow.detect(request, record), show)


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
