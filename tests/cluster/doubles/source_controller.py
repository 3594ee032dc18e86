"""Flux's source-controller, as far as Helm needs it: HelmRepositories and HelmCharts become Ready.

Both carry `finalizers.fluxcd.io` (but for OCI repositories, which the controller
leaves alone), so that without this controller they don't go away.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
from pathlib import Path

from tests.cluster.api import Object
from tests.cluster.doubles.runtime import (
    AsyncApi,
    Informer,
    Key,
    Queue,
    ReconcileError,
    hold_lease,
    key_of,
    now,
    run,
    set_condition,
)

from . import catalog

FINALIZER = "finalizers.fluxcd.io"
GROUP = "source.toolkit.fluxcd.io"


class SourceController:
    """The controllers of HelmRepository and HelmChart."""

    def __init__(self, api: AsyncApi, repositories: str, charts: str) -> None:
        self.api = api
        self.repositories = Informer(api, repositories, "HelmRepository")
        self.charts = Informer(api, charts, "HelmChart")
        delays = {"workers": 2, "first_delay": 0.75, "longest_delay": 900}
        self.repository_queue = Queue("HelmRepository", self.reconcile_repository, **delays)  # type: ignore[arg-type]
        self.chart_queue = Queue("HelmChart", self.reconcile_chart, **delays)  # type: ignore[arg-type]

    async def run(self) -> None:
        """Runs until cancelled."""
        self.repositories.on_change(lambda new, old: self.repository_queue.add(key_of(new)) if new else None)
        self.repositories.on_change(self._charts_of)
        self.charts.on_change(lambda new, old: self.chart_queue.add(key_of(new)) if new else None)
        print(json.dumps({"ready": True}), flush=True)
        await asyncio.gather(
            self.repositories.run(),
            self.charts.run(),
            self.repository_queue.run(),
            self.chart_queue.run(),
            hold_lease(self.api, "flux-system", "source-controller-leader-election"),
        )

    def _charts_of(self, new: Object | None, old: Object | None) -> None:
        repository = new or old
        for key, chart in self.charts.store.items():
            if repository is not None and key_of(repository) == (key[0], chart["spec"]["sourceRef"]["name"]):
                self.chart_queue.add(key)

    async def reconcile_repository(self, key: Key) -> float | None:
        """Finalizer, index, Ready. An OCI repository is static: no finalizer, no status."""
        repository = self.repositories.get(key[1], key[0])
        if repository is None:
            return None
        if repository["spec"].get("type") == "oci":
            await drop_finalizer(self.api, repository)
            return None
        if not await _prepared(self.api, repository):
            return None
        url = repository["spec"]["url"]
        await _stored(self.api, repository, f"index of {url}", "Succeeded", "stored artifact: revision")
        return None

    async def reconcile_chart(self, key: Key) -> float | None:
        """Finalizer, chart, Ready, once its repository has an index."""
        chart = self.charts.get(key[1], key[0])
        if chart is None or not await _prepared(self.api, chart):
            return None
        spec = chart["spec"]
        repository = self.repositories.get(spec["sourceRef"]["name"], key[0])
        problem = ""
        if repository is None:
            problem = f'failed to get source: HelmRepository.{GROUP} "{spec["sourceRef"]["name"]}" not found'
        elif repository["spec"].get("type") != "oci" and "artifact" not in repository.get("status", {}):
            problem = "no artifact available for HelmRepository source"
        elif spec["chart"] not in catalog.CHARTS:
            problem = (
                f"invalid chart reference: failed to get chart version for remote reference: no '{spec['chart']}' chart"
            )
        if problem:
            if set_condition(_conditions(chart), "Ready", "False", "SourceUnavailable", problem):
                await self.api.patch(chart, {"status": chart["status"]}, subresource="status")
            raise ReconcileError(problem)
        message = f"pulled '{spec['chart']}' chart with version '{spec['version']}'"
        await _stored(self.api, chart, f"{spec['chart']}-{spec['version']}", "ChartPullSucceeded", message)
        return None


async def drop_finalizer(api: AsyncApi, item: Object) -> None:
    """Takes Flux's finalizer off an object that has it."""
    finalizers = item["metadata"].get("finalizers", [])
    if FINALIZER in finalizers:
        rest = [one for one in finalizers if one != FINALIZER]
        await api.patch(
            item, {"metadata": {"finalizers": rest, "resourceVersion": item["metadata"]["resourceVersion"]}}
        )


async def add_finalizer(api: AsyncApi, item: Object) -> bool:
    """Puts Flux's finalizer on; whether it was missing."""
    finalizers = item["metadata"].get("finalizers", [])
    if FINALIZER in finalizers:
        return False
    version = item["metadata"]["resourceVersion"]
    await api.patch(item, {"metadata": {"finalizers": [*finalizers, FINALIZER], "resourceVersion": version}})
    return True


async def _prepared(api: AsyncApi, item: Object) -> bool:
    """Deals with deletion, finalizer and suspension; whether there is more to do."""
    if "deletionTimestamp" in item["metadata"]:
        await drop_finalizer(api, item)
        return False
    if await add_finalizer(api, item):
        return False  # its own write brings the object back into the queue
    return not item["spec"].get("suspend")


async def _stored(api: AsyncApi, item: Object, content: str, reason: str, message: str) -> None:
    generation = item["metadata"]["generation"]
    status = item.get("status", {})
    if status.get("observedGeneration") == generation and "artifact" in status:
        return
    digest = f"sha256:{hashlib.sha256(content.encode()).hexdigest()}"
    namespace, name = key_of(item)
    path = f"{item['kind'].lower()}/{namespace}/{name}/{digest[7:19]}"
    artifact = {
        "path": path,
        "url": f"http://source-controller.flux-system.svc.cluster.local./{path}",
        "revision": digest,
        "digest": digest,
        "lastUpdateTime": now(),
        "size": len(content),
    }
    conditions = _conditions(item)
    for kind in ("Ready", "ArtifactInStorage"):
        set_condition(conditions, kind, "True", reason, f"{message} '{digest}'", generation)
    status = {"artifact": artifact, "conditions": conditions, "observedGeneration": generation}
    await api.patch(item, {"status": status}, subresource="status")


def _conditions(item: Object) -> list[Object]:
    conditions: list[Object] = item.setdefault("status", {}).setdefault("conditions", [])
    return conditions


async def main() -> None:
    """Runs the controller."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kubeconfig", type=Path, required=True)
    parser.add_argument("--volumes", type=Path)
    api = AsyncApi(parser.parse_args().kubeconfig, manager="source-controller")
    found = [await api.served(GROUP, kind) for kind in ("HelmRepository", "HelmChart")]
    versions = [kind.api_version for kind in found if kind is not None]
    if len(versions) != 2:
        raise SystemExit(f"no matches for the kinds of {GROUP}")
    await SourceController(api, *versions).run()


if __name__ == "__main__":
    run(main)
