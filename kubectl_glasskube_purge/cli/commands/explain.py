"""`explain`: why the purge would delete or keep an object."""

from __future__ import annotations

from kubectl_glasskube_purge.cli import running
from kubectl_glasskube_purge.cli.arguments import UsageError
from kubectl_glasskube_purge.cli.binding import Common
from kubectl_glasskube_purge.cli.choices import Flux, KeepPackages, Output
from kubectl_glasskube_purge.flows import explain as flow_explain
from kubectl_glasskube_purge.flows.explain import Wanted
from kubectl_glasskube_purge.purge.judge.explain import Explanation
from kubectl_glasskube_purge.purge.model.plan import Options
from kubectl_glasskube_purge.purge.model.record import Record
from kubectl_glasskube_purge.report import explanation


def run(
    *,
    common: Common,
    objects: list[str],
    namespace: str = "",
    output: Output = Output.human,
    flux: Flux = Flux.auto,
    delete_shared_flux: bool = False,
    keep_packages: KeepPackages | None = None,
    include_foreign: bool = False,
    force_finalizers: bool = False,
) -> int:
    """Says what the purge, with these options, would do with an object, and why. Changes nothing."""
    options = Options(
        flux=flux.value,
        delete_shared_flux=delete_shared_flux,
        keep_packages=keep_packages.value if keep_packages else "",
        include_foreign=include_foreign,
        force_finalizers=force_finalizers,
    )
    request = flow_explain.ExplainRequest(wanted(objects, namespace), common.flags, options)
    answers: list[Explanation] = []

    async def ask(_: object, record: Record) -> None:
        answers.append(await flow_explain.answer(request, record))

    def result(record: Record) -> None:
        explanation.write(answers[0] if answers else None, record, output.value, plain=common.plain)

    return running.run(ask, running.Show(output, common, result=result))


def wanted(words: list[str], namespace: str) -> Wanted:
    """Which object is meant by `KIND/NAME`, `KIND/NAMESPACE/NAME` or `KIND NAME`. Raises `UsageError`."""
    parts = words if len(words) == 2 else words[0].split("/")
    if len(parts) == 3 and not namespace:
        parts, namespace = [parts[0], parts[2]], parts[1]
    if len(parts) != 2 or not all(parts) or "/" in parts[1]:
        raise UsageError(f'write an object as KIND/NAME, such as deployment.apps/name, not "{" ".join(words)}"')
    return Wanted(parts[0], parts[1], namespace)
