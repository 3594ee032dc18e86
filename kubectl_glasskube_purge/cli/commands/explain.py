"""`explain`: why the purge would delete or keep an object."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from kubectl_glasskube_purge.cli import running
from kubectl_glasskube_purge.cli.arguments import Line, UsageError
from kubectl_glasskube_purge.cli.commands.purge import check_deciding
from kubectl_glasskube_purge.cli.options import NAMESPACE
from kubectl_glasskube_purge.flows import explain as flow
from kubectl_glasskube_purge.kube.connect import Flags
from kubectl_glasskube_purge.purge.judge.explain import Explanation
from kubectl_glasskube_purge.purge.model.plan import Options
from kubectl_glasskube_purge.purge.model.record import Record
from kubectl_glasskube_purge.report import explanation
from kubectl_glasskube_purge.report.layout import console


def run(line: Line) -> int:
    """Says what the purge, with these options, would do with an object, and why. Changes nothing."""
    check_deciding(line)
    asked = wanted(line.arguments, line[NAMESPACE])
    request = flow.ExplainRequest(asked, line.fill(Flags), line.fill(Options))
    answers: list[Explanation] = []

    async def ask(_: object, record: Record) -> None:
        answers.append(await flow.answer(request, record))

    def result(record: Record) -> None:
        if not show.output.is_for_people:
            running.put(explanation.document(answers[0] if answers else None, record), show.output)
        elif answers:
            console(sys.stdout, plain=show.plain).print(explanation.human(answers[0]))

    show = line.fill(running.Show, result=result)
    return running.run(ask, show)


def wanted(words: Sequence[str], namespace: str) -> flow.Wanted:
    """Which object is meant by `KIND/NAME`, `KIND/NAMESPACE/NAME` or `KIND NAME`. Raises `UsageError`."""
    parts = words if len(words) == 2 else words[0].split("/")
    if len(parts) == 3 and not namespace:
        parts, namespace = [parts[0], parts[2]], parts[1]
    if len(parts) != 2 or not all(parts) or "/" in parts[1]:
        raise UsageError(f'write an object as KIND/NAME, such as deployment.apps/name, not "{" ".join(words)}"')
    return flow.Wanted(parts[0], parts[1], namespace)
