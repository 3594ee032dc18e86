"""Flux's helm-controller: installs the charts of `catalog.py`, and uninstalls them before a HelmRelease may go.

After helm-controller v1.0.1: the finalizer comes first, a HelmChart object
fetches the chart, the release is stored as Helm stores it (a Secret with the
rendered manifest), and an uninstall reads that Secret: where a namespace's
deletion was faster, the release counts as uninstalled and what it had outside
the namespace stays. A HelmRelease that is suspended and deleted loses its
finalizer and nothing else. Upgrades are no purge's business and left out.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import gzip
import hashlib
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import yaml

from tests.cluster.api import APPLY, ApiError, Object
from tests.cluster.doubles.runtime import (
    AsyncApi,
    Informer,
    Key,
    Queue,
    ReconcileError,
    hold_lease,
    is_condition,
    key_of,
    log,
    now,
    run,
    set_condition,
)
from tests.cluster.doubles.source_controller import add_finalizer, drop_finalizer

from . import catalog

GROUP = "helm.toolkit.fluxcd.io"
SOURCE_GROUP = "source.toolkit.fluxcd.io"
KEEP = "helm.sh/resource-policy"

_LOOK_AGAIN = 30.0
"""Seconds, where the chart isn't Ready and no event says that it became so."""
_TIMEOUT = 300.0
"""Helm's default for waiting, seconds."""

_INSTALLING = "Running 'install' action with timeout of 5m0s"


class HelmController:
    """The controller of HelmRelease."""

    def __init__(self, api: AsyncApi, releases: str, charts: str) -> None:
        self.api = api
        self.chart_version = charts
        self.releases = Informer(api, releases, "HelmRelease")
        self.charts = Informer(api, charts, "HelmChart")
        self.queue = Queue("HelmRelease", self.reconcile, workers=4, first_delay=0.75, longest_delay=900)

    async def run(self) -> None:
        """Runs until cancelled."""
        self.releases.on_change(self._release_changed)
        self.charts.on_change(self._chart_changed)
        print(json.dumps({"ready": True}), flush=True)
        await asyncio.gather(
            self.releases.run(),
            self.charts.run(),
            self._work(),
            hold_lease(self.api, "flux-system", "helm-controller-leader-election"),
        )

    async def _work(self) -> None:
        """Looks at releases when all charts are known: one that isn't seen yet would count as not Ready."""
        await self.charts.synced.wait()
        await self.queue.run()

    def _release_changed(self, new: Object | None, old: Object | None) -> None:
        # A deletion raises the generation; a change of status, labels or finalizers doesn't and isn't looked at.
        if new and (old is None or old["metadata"]["generation"] != new["metadata"]["generation"]):
            self.queue.add(key_of(new))

    def _chart_changed(self, new: Object | None, old: Object | None) -> None:
        for key in self.releases.store:
            if new and key_of(new) == (key[0], "-".join(key)):
                self.queue.add(key)

    async def reconcile(self, key: Key) -> float | None:
        """One look at one HelmRelease."""
        release = await self.api.get(self.releases.api_version, "HelmRelease", key[1], key[0])
        if release is None:
            return None
        if "deletionTimestamp" in release["metadata"]:
            await self._delete(release)
            return None
        if await add_finalizer(self.api, release):
            self.queue.add_after(key, 0)
            return None
        if release["spec"].get("suspend"):
            return None
        await self._apply_chart(release)
        return await self._release(release)

    async def _delete(self, release: Object) -> None:
        if not release["spec"].get("suspend"):
            if release.get("status", {}).get("storageNamespace"):
                await self._uninstall(release)
            if chart := release.get("status", {}).get("helmChart"):
                namespace, _, name = chart.partition("/")
                metadata = {"name": name, "namespace": namespace}
                await self.api.delete({"apiVersion": self.chart_version, "kind": "HelmChart", "metadata": metadata})
        present = await self.api.get(release["apiVersion"], "HelmRelease", *reversed(key_of(release)))
        if present is not None:
            await drop_finalizer(self.api, present)

    async def _apply_chart(self, release: Object) -> None:
        namespace, name = key_of(release)
        template = release["spec"]["chart"]["spec"]
        chart: Object = {
            "apiVersion": self.chart_version,
            "kind": "HelmChart",
            "metadata": {
                "name": f"{namespace}-{name}",
                "namespace": namespace,
                "labels": {f"{GROUP}/name": name, f"{GROUP}/namespace": namespace},
            },
            "spec": {
                "chart": template["chart"],
                "version": template.get("version", "*"),
                "sourceRef": {"kind": template["sourceRef"]["kind"], "name": template["sourceRef"]["name"]},
                "interval": release["spec"]["interval"],
                "reconcileStrategy": template.get("reconcileStrategy", "ChartVersion"),
            },
        }
        await self.api.patch(chart, chart, how=APPLY)
        if release.get("status", {}).get("helmChart") != f"{namespace}/{namespace}-{name}":
            status: Object = {"helmChart": f"{namespace}/{namespace}-{name}"}
            conditions = release.setdefault("status", {}).setdefault("conditions", [])
            set_condition(conditions, "Reconciling", "True", "Progressing", "Fulfilling prerequisites")
            await self._set_status(release, {**status, "conditions": conditions})

    async def _release(self, release: Object) -> float | None:
        namespace, name = key_of(release)
        spec = release["spec"]["chart"]["spec"]
        chart = self.charts.get(f"{namespace}-{name}", namespace)
        if not is_condition(chart, "Ready"):
            reason = "latest generation of object has not been reconciled"
            message = f"HelmChart '{namespace}/{namespace}-{name}' is not ready: {reason}"
            await self._conclude(release, "False", "SourceNotReady", message, {}, settled=False)
            return _LOOK_AGAIN
        definition = catalog.CHARTS[spec["chart"]]
        versioned = f"{definition.name}@{definition.version}"
        digest = _digest(release["spec"].get("values"))
        latest = (release["status"].get("history") or [{}])[0]
        stored = await self.api.get("v1", "Secret", f"sh.helm.release.v1.{name}.v1", namespace)
        if stored is not None and latest.get("configDigest") == digest and is_condition(release, "Released"):
            if not is_condition(release, "Ready"):  # its chart wasn't for a while
                released = next(one for one in release["status"]["conditions"] if one["type"] == "Released")
                await self._conclude(release, "True", released["reason"], released["message"], {})
            return None
        if definition.fails_install:
            message = (
                f"Helm install failed for release {namespace}/{name} with chart {versioned}: {definition.fails_install}"
            )
            conditions = release["status"].setdefault("conditions", [])
            set_condition(conditions, "Reconciling", "True", "Progressing", _INSTALLING)
            set_condition(conditions, "Released", "False", "InstallFailed", message)
            more = {"storageNamespace": namespace, "failures": release["status"].get("failures", 0) + 1}
            await self._conclude(release, "False", "InstallFailed", message, more, settled=False)
            await self.api.event(release, "Warning", "InstallFailed", message, "helm-controller")
            raise ReconcileError(message)
        conditions = release["status"].setdefault("conditions", [])
        set_condition(conditions, "Reconciling", "True", "Progressing", _INSTALLING)
        set_condition(conditions, "Ready", "Unknown", "Progressing", _INSTALLING)
        await self._set_status(release, {"conditions": conditions, "storageNamespace": namespace})
        objects = rendered(definition, name, namespace)
        await self._store(name, namespace, definition, objects, release["spec"].get("values"), "pending-install")
        await self._run_hooks(definition, "pre-install", name, namespace)
        for item in marked(definition.folder, name, namespace):
            if await self.api.get(item["apiVersion"], item["kind"], item["metadata"]["name"]) is None:
                await self.api.create(item)
        for item in objects:
            await self._apply(item)
        if not await self._wait(objects, self._is_ready):
            raise ReconcileError("timed out waiting for the condition")
        stored_now = await self._store(name, namespace, definition, objects, release["spec"].get("values"), "deployed")
        message = f"Helm install succeeded for release {namespace}/{name}.v1 with chart {versioned}"
        history = {
            "name": name,
            "namespace": namespace,
            "version": 1,
            "status": "deployed",
            "chartName": definition.name,
            "chartVersion": definition.version,
            "configDigest": digest,
            "digest": noted_digest(stored_now),
            "firstDeployed": now(),
            "lastDeployed": now(),
        }
        set_condition(conditions, "Released", "True", "InstallSucceeded", message, release["metadata"]["generation"])
        await self._conclude(release, "True", "InstallSucceeded", message, {"history": [history]})
        await self.api.event(release, "Normal", "InstallSucceeded", message, "helm-controller")
        return None

    async def _apply(self, item: Object) -> None:
        try:
            await self.api.create(item)
        except ApiError as error:
            if error.code != 409:
                raise
            await self.api.patch(item, item)

    async def _uninstall(self, release: Object) -> None:
        namespace, name = key_of(release)
        history = release["status"].get("history") or []
        if not history:
            return
        latest = history[0]
        chart = f"{latest['chartName']}@{latest['chartVersion']}"
        definition = catalog.CHARTS.get(latest["chartName"])
        conditions = release["status"]["conditions"]
        stored = await self.api.get("v1", "Secret", f"sh.helm.release.v1.{name}.v{latest['version']}", namespace)
        if stored is None:
            log.info("release %s/%s was not found, assuming it is uninstalled", namespace, name)
            return
        if definition is not None and definition.fails_uninstall:
            problem = definition.fails_uninstall
            message = f"Helm uninstall failed for release {namespace}/{name}.v1 with chart {chart}: {problem}"
            set_condition(conditions, "Released", "False", "UninstallFailed", message)
            failures = release["status"].get("failures", 0) + 1
            await self._conclude(release, "False", "UninstallFailed", message, {"failures": failures})
            raise ReconcileError(message)
        await self._run_hooks(definition, "pre-delete", name, namespace)
        objects = [one for one in decoded(stored) if not _kept(one)]
        for item in reversed(objects):
            await self.api.delete(item, propagationPolicy="Background")
        if not await self._wait(objects, self._is_gone):
            raise ReconcileError("timed out waiting for the condition")
        await self._run_hooks(definition, "post-delete", name, namespace)
        await self.api.delete(stored)
        message = f"Helm uninstall succeeded for release {namespace}/{name}.v1 with chart {chart}"
        set_condition(conditions, "Released", "False", "UninstallSucceeded", message)
        await self._conclude(
            release, "False", "UninstallSucceeded", message, {"history": None, "storageNamespace": None}
        )
        await self.api.event(release, "Normal", "UninstallSucceeded", message, "helm-controller")

    async def _run_hooks(self, chart: catalog.Chart | None, event: str, name: str, namespace: str) -> None:
        hooks = chart.hooks.get(event) if chart is not None else None
        for item in hooks(name, namespace) if hooks else ():
            await self._apply(item)
            if not await self._wait([item], self._is_ready):
                raise ReconcileError("timed out waiting for the condition")
            await self.api.delete(item, propagationPolicy="Background")

    async def _wait(self, objects: list[Object], condition: Callable[[Object], Awaitable[bool]]) -> bool:
        """Asks for each object until the condition holds for all, as Helm's wait does; False after the timeout."""
        end = time.monotonic() + _TIMEOUT
        waiting = list(objects)
        while waiting and time.monotonic() < end:
            waiting = [one for one in waiting if not await condition(one)]
            if waiting:
                await asyncio.sleep(0.1)
        return not waiting

    async def _is_ready(self, item: Object) -> bool:
        present = await self.api.get(item["apiVersion"], item["kind"], *reversed(key_of(item)))
        status = (present or {}).get("status", {})
        if item["kind"] in ("Deployment", "StatefulSet"):
            return bool(status.get("readyReplicas", 0) >= item["spec"].get("replicas", 1))
        if item["kind"] == "DaemonSet":
            wanted = status.get("desiredNumberScheduled")
            return wanted is not None and status.get("numberReady") == wanted
        if item["kind"] == "Job":
            return bool(status.get("succeeded", 0) >= 1)
        if item["kind"] == "PersistentVolumeClaim":
            return bool(status.get("phase") == "Bound")
        return present is not None

    async def _is_gone(self, item: Object) -> bool:
        return await self.api.get(item["apiVersion"], item["kind"], *reversed(key_of(item))) is None

    async def _store(
        self, name: str, namespace: str, chart: catalog.Chart, objects: list[Object], values: object, status: str
    ) -> Object:
        """Writes the release as Helm's storage does: JSON, gzip, base64, and base64 once more as Secret data."""
        content = {
            "name": name,
            "namespace": namespace,
            "version": 1,
            "info": {"status": status, "first_deployed": now(), "last_deployed": now(), "description": status},
            "chart": {"metadata": {"name": chart.name, "version": chart.version, "apiVersion": "v2"}},
            "config": values or {},
            "manifest": "".join(f"---\n{yaml.safe_dump(item)}" for item in objects),
        }
        if chart.hooks:
            content["hooks"] = [
                {"manifest": yaml.safe_dump(one), "events": [event]}
                for event, render in chart.hooks.items()
                for one in render(name, namespace)
            ]
        release = base64.b64encode(base64.b64encode(gzip.compress(json.dumps(content).encode()))).decode()
        labels = {"owner": "helm", "name": name, "version": "1", "status": status, "modifiedAt": str(int(time.time()))}
        metadata = {"name": f"sh.helm.release.v1.{name}.v1", "namespace": namespace, "labels": labels}
        await self._apply(
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "type": "helm.sh/release.v1",
                "metadata": metadata,
                "data": {"release": release},
            }
        )
        return content

    async def _conclude(
        self, release: Object, ready: str, reason: str, message: str, more: Object, settled: bool = True
    ) -> None:
        """Writes how it is. What isn't `settled` is tried again for ever, and says Reconciling all the time."""
        generation = release["metadata"]["generation"]
        conditions = release["status"].setdefault("conditions", [])
        before = json.dumps(conditions)
        set_condition(conditions, "Ready", ready, reason, message, generation)
        status = {**more, "conditions": conditions}
        if settled:
            conditions[:] = [one for one in conditions if one["type"] != "Reconciling"]
            status["observedGeneration"] = generation
        if more or json.dumps(conditions) != before:
            await self._set_status(release, status)

    async def _set_status(self, release: Object, status: Object) -> None:
        release["status"] = {**release.get("status", {}), **status}
        await self.api.patch(release, {"status": status}, subresource="status")


def rendered(chart: catalog.Chart, name: str, namespace: str) -> list[Object]:
    """A chart's objects for a release, with the labels and annotations of Helm and of helm-controller."""
    objects = marked(chart.render(name, namespace), name, namespace)
    for item in objects:
        metadata = item["metadata"]
        metadata["labels"]["app.kubernetes.io/managed-by"] = "Helm"
        metadata["annotations"] = {
            **metadata.get("annotations", {}),
            "meta.helm.sh/release-name": name,
            "meta.helm.sh/release-namespace": namespace,
        }
    return objects


def marked(objects: Sequence[Object], name: str, namespace: str) -> list[Object]:
    """Objects with helm-controller's origin labels."""
    copies = catalog.copy(objects)
    for item in copies:
        origin = {f"{GROUP}/name": name, f"{GROUP}/namespace": namespace}
        item["metadata"]["labels"] = {**item["metadata"].get("labels", {}), **origin}
    return copies


def decoded(secret: Object) -> list[Object]:
    """The objects in a stored release's manifest."""
    compressed = base64.b64decode(base64.b64decode(secret["data"]["release"]))
    manifest = json.loads(gzip.decompress(compressed))["manifest"]
    return [item for item in yaml.safe_load_all(manifest) if item]


def _kept(item: Object) -> bool:
    return (item["metadata"].get("annotations") or {}).get(KEEP) == "keep"


def noted_digest(release: Object) -> str:
    """What helm-controller notes of a stored release: Go's JSON of what it observes of it."""
    order = ("name", "version", "info", "chartMetadata", "config", "manifest", "hooks", "namespace")
    seen = {**release, "chartMetadata": release["chart"]["metadata"], "config": release["config"] or None}
    text = json.dumps({key: seen.get(key) for key in order}, separators=(",", ":"), ensure_ascii=False)
    for letter in "<>&":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return "sha256:" + hashlib.sha256((text + "\n").encode()).hexdigest()


def _digest(content: object) -> str:
    return f"sha256:{hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()}"


async def main() -> None:
    """Runs the controller."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kubeconfig", type=Path, required=True)
    parser.add_argument("--volumes", type=Path)
    api = AsyncApi(parser.parse_args().kubeconfig, manager="helm-controller")
    found = [await api.served(*kind) for kind in ((GROUP, "HelmRelease"), (SOURCE_GROUP, "HelmChart"))]
    versions = [kind.api_version for kind in found if kind is not None]
    if len(versions) != 2:
        raise SystemExit("no matches for the kinds of Flux")
    await HelmController(api, *versions).run()


if __name__ == "__main__":
    run(main)
