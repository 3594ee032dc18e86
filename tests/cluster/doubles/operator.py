"""Glasskube's package-operator: reconciles packages and answers the admission webhook.

What it does in which order follows the operator of v0.26.1. The status is
written before the finalizer, and the status of a package that requires others
in every look: such a one has the finalizer only if the operator came to it
while the PackageInfo was still pending. A deletion prunes dependencies, then
PackageInfos, then drops the finalizer. Which of the two comes first is a matter
of the package repository's speed, so its URL decides (`catalog.SLOW_URL`), and
never the speed of the machine. All writes go through the API server and
so through the operator's own webhook: an operator whose webhook is unreachable
can neither add nor drop a finalizer while the webhook configuration exists.

Left out: values, transformations and kustomize references, which no purge sees. Two
more differences in time alone: a package that isn't Ready is looked at again
after a second instead of a minute, and the webhook reads from the API server
instead of a cache, so that what was accepted a moment ago always counts.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import hashlib
import json
import re
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.cluster.api import ApiError, Kind, Object
from tests.cluster.doubles.graph import Graph, satisfies
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
from tests.cluster.doubles.webhook import Refused

from . import catalog, webhook

GROUP = "packages.glasskube.dev"
VERSION = f"{GROUP}/v1alpha1"
FINALIZER = f"{GROUP}/packageDeletion"
AS_DEPENDENCY = f"{GROUP}/installed-as-dependency"
SPEC_HASH = f"{GROUP}/package-spec-hashed"
DEFAULT_REPOSITORY = f"{GROUP}/default-repository"
MANAGED_BY = "app.kubernetes.io/managed-by"
PLAIN_MANAGER = f"{GROUP}/package-controller"
NAMESPACE = "glasskube-system"

_LOOK_AGAIN = 60.0
_LOOK_AGAIN_PENDING = 1.0
_SYNC_INTERVAL = 300.0
_CACHE_SYNC_TIMEOUT = 120.0


@dataclass(frozen=True)
class Required:
    """A package that another one needs."""

    kind: str
    vertex: Key
    package: str
    constraint: str


class Failure(Exception):
    """A step of an installation failed; the package gets the condition Failed with this message."""


@dataclass
class Reconciliation:
    """One look at one package: what is to be written at its end."""

    package: Object
    info: Object = field(default_factory=dict)
    success: bool = False
    update_status: bool = False
    update_resource: bool = False
    resources: list[Object] = field(default_factory=list)
    packages: list[Object] = field(default_factory=list)

    @property
    def status(self) -> Object:
        status: Object = self.package.setdefault("status", {})
        return status

    @property
    def manifest(self) -> Object:
        manifest: Object = self.info["status"]["manifest"]
        return manifest

    def condition(self, ready: str, reason: str, message: str) -> bool:
        """Sets Ready, and Failed to its opposite; whether that changed anything."""
        failed = {"True": "False", "False": "True", "Unknown": "Unknown"}[ready]
        conditions = self.status.setdefault("conditions", [])
        changed = [
            set_condition(conditions, "Ready", ready, reason, message),
            set_condition(conditions, "Failed", failed, reason, message),
        ]
        self.update_status = self.update_status or any(changed)
        return any(changed)


class Operator:
    """The manager and its controllers."""

    def __init__(self, api: AsyncApi, kinds: Mapping[str, Kind], volumes: Path) -> None:
        self.api = api
        self.kinds = kinds
        self.certificates = volumes / "cert"
        self.informers = {name: Informer(api, kind.api_version, name) for name, kind in kinds.items()}
        self.package_kinds = [name for name in ("ClusterPackage", "Package") if name in kinds]
        self.package_queues = {
            name: Queue(name, functools.partial(self.reconcile, name)) for name in self.package_kinds
        }
        self.info_queue = Queue("PackageInfo", self.reconcile_info)
        self.repository_queue = Queue("PackageRepository", self.reconcile_repository)
        self.seen_pending: set[str] = set()
        """PackageInfos, by UID, without a manifest when a package was worked off to the end."""

    async def run(self) -> None:
        """Runs until cancelled. Exits with an error where the caches don't fill, as where Flux's kinds are missing."""
        self._wire()
        work = [informer.run() for informer in self.informers.values()]
        work += [self.info_queue.run(), self.repository_queue.run(), self._packages(), self._serve()]
        work.append(hold_lease(self.api, NAMESPACE, "2fe03b1d.glasskube.dev"))
        await asyncio.gather(*work)

    async def _packages(self) -> None:
        """The package controllers own Flux's kinds and begin only when those can be watched."""
        needed = [name for name in ("HelmRelease", "HelmRepository") if name not in self.kinds]
        if needed:
            await asyncio.sleep(_CACHE_SYNC_TIMEOUT)
            raise SystemExit(f"failed to wait for caches to sync: no matches for kind {needed[0]}")
        for informer in self.informers.values():
            await informer.synced.wait()
        await asyncio.gather(*(queue.run() for queue in self.package_queues.values()))

    def _wire(self) -> None:
        for name in self.package_kinds:
            queue = self.package_queues[name]
            self.informers[name].on_change(functools.partial(_enqueue, queue))
            self.informers[name].on_change(self._dependents_of)
        self.informers["PackageInfo"].on_change(self._users_of)
        self.informers["PackageInfo"].on_change(lambda new, old: self.info_queue.add(key_of(new)) if new else None)
        if "PackageRepository" in self.informers:
            self.informers["PackageRepository"].on_change(
                lambda new, old: self.repository_queue.add(key_of(new)) if new else None
            )
        if "HelmRelease" in self.informers:
            self.informers["HelmRelease"].on_change(self._owners_of)

    def _dependents_of(self, new: Object | None, old: Object | None) -> None:
        self._enqueue_where("ownedPackages", new or old)

    def _users_of(self, new: Object | None, old: Object | None) -> None:
        self._enqueue_where("ownedPackageInfos", new or old)

    def _enqueue_where(self, listed: str, item: Object | None) -> None:
        if item is None:
            return
        wanted = reference_to(item)
        for name in self.package_kinds:
            for key, package in self.informers[name].store.items():
                if any(same(one, wanted) for one in package.get("status", {}).get(listed, ())):
                    self.package_queues[name].add(key)

    def _owners_of(self, new: Object | None, old: Object | None) -> None:
        for item in (new, old):
            for owner in (item or {"metadata": {}})["metadata"].get("ownerReferences", ()):
                if owner["kind"] in self.package_queues and owner["apiVersion"] == VERSION and item is not None:
                    namespace = item["metadata"]["namespace"] if self._namespaced(owner["kind"]) else ""
                    self.package_queues[owner["kind"]].add((namespace, owner["name"]))

    def _namespaced(self, kind: str) -> bool:
        return self.kinds[kind].namespaced

    # Packages

    async def reconcile(self, kind: str, key: Key) -> float | None:
        """One look at one package."""
        package = self.informers[kind].get(key[1], key[0])
        if package is None:
            return None
        look = Reconciliation(package)
        if package["spec"].get("suspend"):
            log.info("%s: suspended, skipped", "/".join(filter(None, key)))
            return None
        if "deletionTimestamp" in package["metadata"]:
            await self._delete(look)
            return None
        finalizers = package["metadata"].setdefault("finalizers", [])
        if FINALIZER not in finalizers:
            finalizers.append(FINALIZER)
            look.update_resource = True
        await self._ensure_info(look)
        error: Exception | None = None
        if is_condition(look.info, "Ready", "True"):
            try:
                await self._install(look)
            except (Failure, ApiError) as problem:
                error = problem
                if look.condition("False", "InstallationFailed", str(problem)):
                    await self._record(look.package, "Warning", "InstallationFailed", str(problem))
        elif is_condition(look.info, "Ready", "False"):
            condition = next(one for one in look.info["status"]["conditions"] if one["type"] == "Ready")
            if look.condition("False", condition["reason"], condition["message"]):
                await self._record(look.package, "Warning", condition["reason"], condition["message"])
        elif not look.condition("Unknown", "Pending", "PackageInfo status is unknown") and not look.update_status:
            # Nothing is left to write but the finalizer.
            return await self._finish_pending(look)
        await self._finish(look)
        if isinstance(error, ApiError):
            raise error
        return _LOOK_AGAIN if look.success else _LOOK_AGAIN_PENDING

    async def _finish_pending(self, look: Reconciliation) -> float | None:
        """Ends a look that found the PackageInfo pending: it comes to that with a slow repository only."""
        if not await self._is_slow(look.info):
            return None  # the PackageInfo's change, which is on its way, leads to the next look
        try:
            await self._finish(look)
        except ApiError as error:
            if error.code != 409:  # after a conflict the look begins anew, and the repository still waits for its end
                self._answer(look.info)
            raise
        self._answer(look.info)
        return _LOOK_AGAIN_PENDING

    async def _is_slow(self, info: Object) -> bool:
        """Whether a PackageInfo is answered only after a package was worked off that waits for it."""
        try:
            return (await self._url(info["spec"].get("repositoryUrl", ""))).startswith(catalog.SLOW_URL)
        except Refused:
            return False  # an error is known at once

    def _answer(self, info: Object) -> None:
        self.seen_pending.add(info["metadata"]["uid"])
        self.info_queue.add(key_of(info))

    async def _ensure_info(self, look: Reconciliation) -> None:
        template = look.package["spec"]["packageInfo"]
        spec = {"name": template["name"], "version": template["version"]}
        if template.get("repositoryName"):
            spec["repositoryUrl"] = template["repositoryName"]  # the field's name in the API, by mistake or history
        name = info_name(look.package)
        info = self.informers["PackageInfo"].get(name)
        if info is None:
            created: Object = {"apiVersion": VERSION, "kind": "PackageInfo", "metadata": {"name": name}, "spec": spec}
            info = await self.api.create(created)
        elif info["spec"] != spec:
            info = await self.api.update({**info, "spec": spec})
        look.info = {"apiVersion": VERSION, "kind": "PackageInfo", **info}
        look.update_status |= add(look.status.setdefault("ownedPackageInfos", []), reference_to(look.info))

    async def _install(self, look: Reconciliation) -> None:
        if not await self._ensure_dependencies(look):
            return
        results: list[tuple[str, str]] = []
        if look.manifest.get("manifests"):
            results.append(await self._apply_plain(look))
        if look.manifest.get("helm"):
            results.append(await self._apply_helm(look))
        for outcome in ("failed", "waiting"):
            for result, message in results:
                if result == outcome == "failed":
                    if look.condition("False", "InstallationFailed", message):
                        await self._record(look.package, "Warning", "InstallationFailed", message)
                    return
                if result == outcome:
                    look.condition("Unknown", "Pending", message)
                    return
        reason, message = "InstallationSucceeded", "\n".join(message for _, message in results)
        if not results:
            reason, message = "UpToDate", "PackageInfo has nothing to apply (no helm or kustomize manifest present)"
        if look.condition("True", reason, message):
            await self._record(look.package, "Normal", reason, message)
        version = look.info["status"].get("version", "")
        look.update_status |= look.status.get("version") != version
        look.status["version"] = version
        look.success = True

    async def _finish(self, look: Reconciliation) -> None:
        look.update_status |= add(look.status.setdefault("ownedResources", []), *look.resources)
        look.update_status |= add(look.status.setdefault("ownedPackages", []), *look.packages)
        if look.success:
            await self._prune_resources(look)
            await self._prune_infos(look, every=False)
            await self._prune_packages(look, every=False)
        if look.update_status:
            # The status goes first and alone: the finalizer follows in the look that this write leads to.
            await self.api.update(look.package, subresource="status")
        elif look.update_resource:
            await self.api.update(look.package)

    async def _delete(self, look: Reconciliation) -> None:
        look.condition("Unknown", "Pending", "Package is being deleted")
        finalizers = look.package["metadata"].get("finalizers", [])
        if FINALIZER in finalizers:
            if look.status.get("ownedPackages"):
                await self._prune_packages(look, every=True)
            elif look.status.get("ownedPackageInfos"):
                await self._prune_infos(look, every=True)
            else:
                finalizers.remove(FINALIZER)
                look.update_resource = True
        try:
            await self._finish(look)
        except ApiError as error:
            if error.code != 404:
                raise

    # Pruning

    def _all_packages(self) -> list[Object]:
        return [item for name in self.package_kinds for item in self.informers[name].items()]

    async def _prune_packages(self, look: Reconciliation, every: bool) -> None:
        owned = look.status.get("ownedPackages", [])
        try:
            for reference in list(owned):
                if not every and any(same(reference, one) for one in look.packages):
                    continue
                used = any(
                    same(reference, one)
                    for other in self._all_packages()
                    if "deletionTimestamp" not in other["metadata"] and key_of(other) != key_of(look.package)
                    for one in other.get("status", {}).get("ownedPackages", ())
                )
                if not used:
                    found = self.informers[reference["kind"]].get(reference["name"], reference.get("namespace", ""))
                    annotations = (found or {"metadata": {}})["metadata"].get("annotations") or {}
                    if found is not None and annotations.get(AS_DEPENDENCY) == "true":
                        await self.api.delete(found, propagationPolicy="Foreground")
                owned.remove(reference)
                look.update_status = True
        except ApiError as error:
            raise ReconcileError(f"could not prune package: {error}") from error

    async def _prune_infos(self, look: Reconciliation, every: bool) -> None:
        owned = look.status.get("ownedPackageInfos", [])
        for reference in list(owned):
            if not every and reference["name"] == info_name(look.package):
                continue
            used = any(
                reference["name"] == one["name"]
                for other in self._all_packages()
                if key_of(other) != key_of(look.package)
                for one in other.get("status", {}).get("ownedPackageInfos", ())
            )
            if not used:
                await self.api.delete(dereference(reference))
            owned.remove(reference)
            look.update_status = True

    async def _prune_resources(self, look: Reconciliation) -> None:
        owned = look.status["ownedResources"]
        for reference in list(owned):
            if any(same(reference, one) for one in look.resources):
                continue
            item = dereference(reference)
            present = await self.api.get(item["apiVersion"], item["kind"], *reversed(key_of(item)))
            if present is None:
                continue
            if (present["metadata"].get("labels") or {}).get(MANAGED_BY) == "glasskube":
                await self.api.delete(item)
            owned.remove(reference)
            look.update_status = True

    # Dependencies

    async def _ensure_dependencies(self, look: Reconciliation) -> bool:
        manifest, package = look.manifest, look.package
        namespaced = self._namespaced(package["kind"])
        if manifest.get("components") and not namespaced:
            look.resources.append(await self._ensure_namespace(package, manifest["defaultNamespace"]))
        required = _required(package, manifest, namespaced)
        try:
            graph = await self.graph(live=False)
        except Refused as error:
            raise Failure(f"error validating dependencies: {error}") from error
        before = graph.errors()
        graph.add(_vertex(package, namespaced), manifest, package["spec"]["packageInfo"]["version"], manual=True)
        missing = [one for one in required if graph.version(one.vertex) is None]
        for one in missing:
            await self._install_dependency(look, one)
        if not missing:
            conflicts = [error for error in graph.errors() if error not in before]
            if conflicts:
                raise Failure("conflicting dependencies: " + ",".join(map(str, conflicts)))
        failed, waiting = [], []
        for one in required:
            found = self.informers[one.kind].get(one.vertex[1], one.vertex[0])
            if found is None:
                waiting.append(one.vertex[1])
                continue
            look.packages.append(reference_to(found))
            if is_condition(found, "Failed"):
                failed.append(one.vertex[1])
            elif not is_condition(found, "Ready"):
                waiting.append(one.vertex[1])
        # Compared with a list that every look begins anew: so a package that requires others is always written
        # by its status, mostly without a change, and what comes after the status never. Also where the required
        # one isn't in the cache yet: how fast that is decides nothing.
        look.update_status |= bool(required)
        if failed:
            raise Failure(f"required package(s) not installed: {','.join(failed)}")
        if waiting:
            look.condition("Unknown", "Pending", f"waiting for required package(s) {','.join(waiting)}")
        return not waiting

    async def _install_dependency(self, look: Reconciliation, required: Required) -> None:
        repositories = self._repositories_with(required.package)
        versions = (
            [
                version
                for version in catalog.PACKAGES[required.package].versions
                if satisfies(version, required.constraint)
            ]
            if repositories
            else []
        )
        if len(repositories) != 1 or not versions:
            raise Failure(f"required package(s) not installed: {required.package}")
        namespace, name = required.vertex
        metadata: Object = {"name": name, "annotations": {AS_DEPENDENCY: "true"}}
        if namespace:
            metadata["namespace"] = namespace
        info = {"name": required.package, "version": versions[-1], "repositoryName": repositories[0]}
        spec = {"packageInfo": info, "suspend": False}
        item = {"apiVersion": VERSION, "kind": required.kind, "metadata": metadata, "spec": spec}
        try:
            await self.api.create(item)
        except ApiError as error:
            if error.code != 409:
                log.info("failed to create required package %s: %s", name, error)
                raise Failure(f"required package(s) not installed: {required.package}") from error

    def _repositories_with(self, package: str) -> list[str]:
        if "PackageRepository" not in self.informers:
            return ["glasskube"]
        return [
            item["metadata"]["name"]
            for item in self.informers["PackageRepository"].items()
            if package in catalog.REPOSITORIES.get(item["spec"]["url"].rstrip("/") + "/", ())
        ]

    async def graph(self, live: bool) -> Graph:
        """All packages and their dependencies; one that is being deleted counts as not installed.

        Raises `Refused` where a manifest can be had neither from a PackageInfo nor from its repository.
        """
        graph = Graph()
        infos = {item["metadata"]["name"]: item for item in await self._read("PackageInfo", live)}
        for kind in self.package_kinds:
            for package in await self._read(kind, live):
                vertex = _vertex(package, self._namespaced(kind))
                template = package["spec"]["packageInfo"]
                if "deletionTimestamp" in package["metadata"]:
                    graph.remove(vertex)
                    continue
                manifest = infos.get(info_name(package), {}).get("status", {}).get("manifest")
                if manifest is None:
                    manifest = (await self._fetch(template)).manifest
                annotations = package["metadata"].get("annotations") or {}
                manual = annotations.get(AS_DEPENDENCY) != "true"
                graph.add(vertex, manifest, template["version"], manual)
        return graph

    async def _read(self, kind: str, live: bool) -> list[Object]:
        if live:
            return await self.api.list(self.kinds[kind].api_version, kind)
        return self.informers[kind].items()

    async def _fetch(self, template: Object) -> catalog.Package:
        """A package from its repository. Raises `Refused` with the error that a client of the repository has."""
        url = await self._url(template.get("repositoryName") or template.get("repositoryUrl") or "")
        found = catalog.find(url, template["name"], template["version"])
        if isinstance(found, str):
            address = f"{url.rstrip('/')}/{template['name']}/{template['version']}/package.yaml"
            raise Refused(f"failed to fetch {address}: {found}")
        return found

    async def _url(self, repository: str) -> str:
        if "PackageRepository" not in self.kinds:
            return catalog.DEFAULT_URL
        for item in await self.api.list(VERSION, "PackageRepository"):
            annotations = item["metadata"].get("annotations") or {}
            if item["metadata"]["name"] == repository or (
                not repository and annotations.get(DEFAULT_REPOSITORY) == "true"
            ):
                return str(item["spec"]["url"])
        if not repository:
            raise Refused("default repository not found")
        # The API server's own error, handed on: a package's delete is answered by 404 though the package exists.
        details = {"group": GROUP, "kind": "PackageRepository", "name": repository}
        raise Refused(f'PackageRepository.{GROUP} "{repository}" not found', 404, "NotFound", details)

    # What a package consists of

    async def _ensure_namespace(self, package: Object, name: str) -> Object:
        present = await self.api.get("v1", "Namespace", name)
        item: Object = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        if present is None:
            own(package, item, self._namespaced(package["kind"]))
            await self.api.create(item)
        elif "deletionTimestamp" in present["metadata"]:
            raise ReconcileError(f"Namespace {name} is still terminating")
        elif _managed(present):
            await self._own_present(package, present)
        return reference_to(item)

    async def _own_present(self, package: Object, present: Object) -> None:
        before = json.dumps(present["metadata"], sort_keys=True)
        own(package, present, self._namespaced(package["kind"]))
        if json.dumps(present["metadata"], sort_keys=True) != before:
            await self.api.update(present)

    async def _apply_helm(self, look: Reconciliation) -> tuple[str, str]:
        package, manifest = look.package, look.manifest
        helm = manifest["helm"]
        namespaced = self._namespaced(package["kind"])
        namespace = package["metadata"]["namespace"] if namespaced else manifest["defaultNamespace"]
        if not namespaced:
            look.resources.append(await self._ensure_namespace(package, namespace))
        name = f"{package['metadata']['name']}-{manifest['name']}"
        url = helm["repositoryUrl"]
        repository = {
            "type": "oci" if url.startswith("oci://") else "default",
            "url": url,
            "interval": "1h0m0s",
        }
        look.resources.append(reference_to(await self._ensure(package, "HelmRepository", name, namespace, repository)))
        chart = {
            "chart": helm["chartName"],
            "version": helm["chartVersion"],
            "sourceRef": {"kind": "HelmRepository", "name": name},
        }
        spec = {"chart": {"spec": chart}, "interval": "5m0s", "values": helm.get("values")}
        release = await self._ensure(package, "HelmRelease", name, namespace, spec)
        look.resources.append(reference_to(release))
        conditions = {one["type"]: one for one in release.get("status", {}).get("conditions", ())}
        ready = conditions.get("Ready")
        if ready is not None and ready["status"] != "Unknown":
            message = f"flux: {ready['message']}"
            if ready["status"] == "False" and "latest generation of object has not been reconciled" in message:
                return "waiting", message
            return ("ready" if ready["status"] == "True" else "failed"), message
        if "Reconciling" in conditions:
            return "waiting", f"flux: {conditions['Reconciling']['message']}"
        return "waiting", "Waiting for HelmRelease reconciliation"

    async def _ensure(self, package: Object, kind: str, name: str, namespace: str, spec: Object) -> Object:
        """Creates an object of Flux, or puts its spec back where somebody changed it."""
        present = self.informers[kind].get(name, namespace)
        namespaced = self._namespaced(package["kind"])
        if present is None:
            item: Object = {
                "apiVersion": self.kinds[kind].api_version,
                "kind": kind,
                "metadata": {"name": name, "namespace": namespace},
                "spec": {field: value for field, value in spec.items() if value is not None},
            }
            own(package, item, namespaced)
            return await self.api.create(item)
        before = json.dumps(present, sort_keys=True)
        _merge(present["spec"], spec)
        own(package, present, namespaced)
        if json.dumps(present, sort_keys=True) != before:
            return await self.api.update(present)
        return present

    async def _apply_plain(self, look: Reconciliation) -> tuple[str, str]:
        owned: list[Object] = []
        for file in look.manifest["manifests"]:
            owned += await self._apply_file(look, file)
        look.resources += [one for one in owned if not any(same(one, other) for other in look.resources)]
        waiting = []
        for reference in owned:
            if reference["kind"] in ("Deployment", "StatefulSet"):
                item = dereference(reference)
                present = await self.api.get("apps/v1", item["kind"], *reversed(key_of(item)))
                if present is None:
                    raise Failure(f"failed to get {item['kind']} for status check: not found")
                if present.get("status", {}).get("readyReplicas", 0) != present["spec"]["replicas"]:
                    waiting.append("/".join(key_of(item)))
        if waiting:
            return "waiting", f"{len(waiting)} resources not ready: {','.join(waiting)}"
        return "ready", f"{len(owned)} manifests reconciled"

    async def _apply_file(self, look: Reconciliation, file: Object) -> list[Object]:
        package = look.package
        namespaced = self._namespaced(package["kind"])
        objects = catalog.copy(catalog.PACKAGES[look.manifest["name"]].plain[file["url"]])
        scopes = [(await self.api.kind(one["apiVersion"], one["kind"])).namespaced for one in objects]
        if namespaced:
            objects = [_prefixed(one, package) for one in objects]
            for item, in_namespace in zip(objects, scopes, strict=True):
                if not in_namespace:
                    raise Failure("cluster-scoped resource must not have a namespace-scoped owner")
                item["metadata"]["namespace"] = package["metadata"]["namespace"]
        elif default := file.get("defaultNamespace") or look.manifest.get("defaultNamespace"):
            needed = False
            for item, in_namespace in zip(objects, scopes, strict=True):
                if in_namespace:
                    item["metadata"].setdefault("namespace", default)
                    needed |= item["metadata"]["namespace"] == default
            if needed and not any(one["kind"] == "Namespace" and one["metadata"]["name"] == default for one in objects):
                objects.insert(0, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": default}})
        digest = hashlib.sha256(json.dumps(package["spec"], sort_keys=True).encode()).hexdigest()
        for item in objects:
            if item["kind"] in ("Deployment", "StatefulSet"):
                template = item["spec"]["template"].setdefault("metadata", {})
                template.setdefault("annotations", {})[SPEC_HASH] = digest
            present = await self.api.get(item["apiVersion"], item["kind"], *reversed(key_of(item)))
            if present is None or _managed(present):
                own(package, item, namespaced)
        writer = _as_manager(self.api, PLAIN_MANAGER)
        for item in objects:
            await writer.apply(item)
        return [reference_to(item) for item in objects]

    # PackageInfos and repositories

    async def reconcile_info(self, key: Key) -> float | None:
        """Fetches the manifest that a PackageInfo names."""
        info = self.informers["PackageInfo"].get(key[1])
        if info is None:
            return None
        status = info.setdefault("status", {})
        if status.get("lastUpdateTimestamp") and status.get("version") == info["spec"].get("version"):
            return _SYNC_INTERVAL
        if await self._is_slow(info) and info["metadata"]["uid"] not in self.seen_pending:
            return None
        conditions = status.setdefault("conditions", [])
        try:
            package = await self._fetch(info["spec"])
        except Refused as error:
            changed = [
                set_condition(conditions, "Ready", "False", "SyncFailed", str(error)),
                set_condition(conditions, "Failed", "True", "SyncFailed", str(error)),
            ]
            if any(changed):
                await self.api.update(info, subresource="status")
            raise ReconcileError(str(error)) from error
        url = await self._url(info["spec"].get("repositoryUrl", ""))
        status["manifest"] = package.manifest
        status["version"] = info["spec"]["version"]
        status["resolvedUrl"] = f"{url.rstrip('/')}/{package.name}/{status['version']}/package.yaml"
        status["lastUpdateTimestamp"] = now()
        set_condition(conditions, "Ready", "True", "SyncCompleted", "PackageInfo is up-to-date")
        set_condition(conditions, "Failed", "False", "SyncCompleted", "PackageInfo is up-to-date")
        await self.api.update(info, subresource="status")
        return _SYNC_INTERVAL

    async def reconcile_repository(self, key: Key) -> float | None:
        """Says whether a repository's index can be had."""
        repository = self.informers["PackageRepository"].get(key[1])
        if repository is None or "deletionTimestamp" in repository["metadata"]:
            return None
        url = repository["spec"]["url"].rstrip("/") + "/"
        names = catalog.REPOSITORIES.get(url)
        if names is None:
            ready, reason = "False", "SyncFailed"
            message = f"failed to fetch {url}index.yaml: {catalog.find(url, '', '')}"
        else:
            ready, reason, message = "True", "SyncCompleted", f"repo has {len(names)} packages"
        if set_condition(
            repository.setdefault("status", {}).setdefault("conditions", []), "Ready", ready, reason, message
        ):
            await self.api.update(repository, subresource="status")
        return _LOOK_AGAIN

    async def _record(self, package: Object, kind: str, reason: str, message: str) -> None:
        await self.api.event(package, kind, reason, message, "package-controller")

    # The webhook

    async def _serve(self) -> None:
        """Serves the webhook where a certificate is mounted; says so on stdout, which makes the container ready."""
        ports: dict[str, int] = {}
        if (self.certificates / "tls.crt").exists():
            server = await webhook.serve(self._context, self.review)
            ports["9443"] = server.sockets[0].getsockname()[1]
        print(json.dumps({"ready": True, "ports": ports}), flush=True)

    def _context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificates / "tls.crt", self.certificates / "tls.key")
        return context

    async def review(self, path: str, request: Object) -> None:
        """Decides on one AdmissionReview's request. Returns to allow it; raises `Refused`."""
        kind = path.rpartition("-")[2]
        old, new = request.get("oldObject"), request.get("object")
        operation = request["operation"]
        log.info("validate %s of %s %s", operation, kind, request.get("name"))
        try:
            if kind == "packagerepository":
                changed = operation == "UPDATE" and old and new and old["spec"]["url"] != new["spec"]["url"]
                if old is not None and (operation == "DELETE" or changed):
                    await self._refuse_used_repository(old)
            elif operation == "DELETE" and old is not None:
                await self._refuse_needed_package(old)
            elif new is not None and (old is None or old["spec"] != new["spec"]):
                await self._refuse_impossible_package(new)
        except ApiError as error:
            raise Refused(error.message, error.code or 500, error.reason) from error

    async def _refuse_used_repository(self, repository: Object) -> None:
        used = [
            item["spec"]
            for item in await self.api.list(VERSION, "PackageInfo")
            if item["spec"].get("repositoryUrl") == repository["metadata"]["name"]
        ]
        if used:
            listed = " ".join(f"{{{one['name']} {one.get('version', '')} {one['repositoryUrl']}}}" for one in used)
            raise Refused(f"dependent package(s) installed: [{listed}]")

    async def _refuse_needed_package(self, package: Object) -> None:
        graph = await self.graph(live=True)
        if self._namespaced(package["kind"]):
            return
        graph.remove_and_prune(_vertex(package, False))
        if errors := graph.errors():
            raise Refused("dependency conflict: " + "; ".join(map(str, errors)))

    async def _refuse_impossible_package(self, package: Object) -> None:
        template = package["spec"]["packageInfo"]
        found = await self._fetch(template)
        namespaced = self._namespaced(package["kind"])
        if "ClusterPackage" in self.kinds:
            scope = found.manifest.get("scope", "Cluster")
            if scope == "Cluster" and namespaced:
                raise Refused("invalid scope, expected ClusterPackage but found Package")
            if scope == "Namespaced" and not namespaced:
                raise Refused("invalid scope, expected Package but found ClusterPackage")
        graph = await self.graph(live=True)
        before = graph.errors()
        graph.add(_vertex(package, namespaced), found.manifest, template["version"], manual=True)
        for one in _required(package, found.manifest, namespaced):
            if graph.version(one.vertex) is None and not self._repositories_with(one.package):
                missing = f'"{one.package}" is not available in any repository'
                raise Refused(f'failed to get version of dep package "{one.package}": {missing}')
        conflicts = [error for error in graph.errors() if error.constraint and error not in before]
        if conflicts:
            listed = ", ".join(
                f"{error.dependency} (required: {error.constraint}, actual: {error.version})" for error in conflicts
            )
            raise Refused(f"dependency conflict: {listed}")


def _enqueue(queue: Queue, new: Object | None, old: Object | None) -> None:
    if item := new or old:
        queue.add(key_of(item))


# Dependencies


def _required(package: Object, manifest: Object, namespaced: bool) -> list[Required]:
    cluster_kind = "Package" if package["kind"] == "Package" and not namespaced else "ClusterPackage"
    required = [
        Required(cluster_kind, ("", one["name"]), one["name"], one.get("version", ""))
        for one in manifest.get("dependencies", ())
    ]
    for one in manifest.get("components", ()):
        namespace = package["metadata"].get("namespace") or manifest["defaultNamespace"]
        name = f"{package['metadata']['name']}-{one.get('installedName') or one['name']}"
        required.append(Required("Package", (namespace, name), one["name"], one.get("version", "")))
    return required


def _vertex(package: Object, namespaced: bool) -> Key:
    return key_of(package) if namespaced else ("", package["spec"]["packageInfo"]["name"])


# Ownership


def own(package: Object, item: Object, namespaced: bool) -> None:
    """Labels an object as Glasskube's and makes the package its owner. Raises `Failure` where that can't be."""
    metadata = item["metadata"]
    if namespaced and metadata.get("namespace") != package["metadata"]["namespace"]:
        raise Failure(
            "cross-namespace owner references are disallowed, owner's namespace "
            f"{package['metadata']['namespace']}, obj's namespace {metadata.get('namespace', '')}"
        )
    metadata.setdefault("labels", {})[MANAGED_BY] = "glasskube"
    reference = {
        "apiVersion": package["apiVersion"],
        "kind": package["kind"],
        "name": package["metadata"]["name"],
        "uid": package["metadata"]["uid"],
        "blockOwnerDeletion": True,
    }
    references = metadata.setdefault("ownerReferences", [])
    for index, one in enumerate(references):
        if (one["kind"], one["name"]) == (reference["kind"], reference["name"]):
            references[index] = reference
            return
    references.append(reference)


def reference_to(item: Object) -> Object:
    """An object as `status.owned…` lists it."""
    group, _, version = item["apiVersion"].rpartition("/")
    reference = {"group": group, "kind": item["kind"], "name": item["metadata"]["name"], "version": version}
    if item["metadata"].get("namespace"):
        reference["namespace"] = item["metadata"]["namespace"]
    return reference


def dereference(reference: Object) -> Object:
    """The object that a reference names, without its content."""
    group = reference["group"]
    metadata = {"name": reference["name"]}
    if reference.get("namespace"):
        metadata["namespace"] = reference["namespace"]
    version = reference["version"]
    api_version = f"{group}/{version}" if group else version
    return {"apiVersion": api_version, "kind": reference["kind"], "metadata": metadata}


def same(one: Object, other: Object) -> bool:
    """Whether two references name the same object."""
    fields = ("group", "version", "kind", "name", "namespace")
    return all(one.get(name, "") == other.get(name, "") for name in fields)


def add(references: list[Object], *new: Object) -> bool:
    """Adds references that aren't in the list; whether there were any."""
    missing = [one for one in new if not any(same(one, other) for other in references)]
    references += missing
    return bool(missing)


def info_name(package: Object) -> str:
    """The name of the PackageInfo of a package: `<repository>--<package>--<version>`."""
    template = package["spec"]["packageInfo"]
    parts = [template.get("repositoryName", ""), template["name"], template["version"]]
    return re.sub(r"[^\w.-]", "--", "--".join(filter(None, parts))).lower()


def _managed(item: Object) -> bool:
    return (item["metadata"].get("labels") or {}).get(MANAGED_BY) == "glasskube"


def _merge(target: Object, wanted: Object) -> None:
    """Sets the given fields and leaves the others, which the server's defaults or somebody else set."""
    for name, value in wanted.items():
        if isinstance(value, dict) and isinstance(target.get(name), dict) and name != "values":
            _merge(target[name], value)
        elif value is None:
            target.pop(name, None)
        else:
            target[name] = value


def _prefixed(item: Object, package: Object) -> Object:
    """An object of a namespaced package: its name begins with the instance's, labels say whose it is."""
    instance = package["metadata"]["name"]
    labels = {f"{GROUP}/package": package["spec"]["packageInfo"]["name"], f"{GROUP}/instance": instance}
    item["metadata"]["name"] = f"{instance}-{item['metadata']['name']}"
    places: Sequence[Any] = [item["metadata"].setdefault("labels", {})]
    if item["kind"] == "Service":
        places = [*places, item["spec"]["selector"]]
    elif item["kind"] in ("Deployment", "StatefulSet", "DaemonSet"):
        spec = item["spec"]
        places = [*places, spec["selector"]["matchLabels"], spec["template"]["metadata"]["labels"]]
    for place in places:
        place.update(labels)
    return item


def _as_manager(api: AsyncApi, manager: str) -> AsyncApi:
    """The same client under another field manager."""
    other = object.__new__(AsyncApi)
    other.__dict__.update(api.__dict__, manager=manager)
    return other


async def main() -> None:
    """Runs the operator."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kubeconfig", type=Path, required=True)
    parser.add_argument("--volumes", type=Path, required=True, help="folder with the Pod's mounted Secrets")
    arguments = parser.parse_args()
    api = AsyncApi(arguments.kubeconfig, manager="package-operator")
    kinds = {}
    for group, kind in (
        (GROUP, "ClusterPackage"),
        (GROUP, "Package"),
        (GROUP, "PackageInfo"),
        (GROUP, "PackageRepository"),
        ("helm.toolkit.fluxcd.io", "HelmRelease"),
        ("source.toolkit.fluxcd.io", "HelmRepository"),
    ):
        if found := await api.served(group, kind):
            kinds[kind] = found
    if "Package" not in kinds or "PackageInfo" not in kinds:
        raise SystemExit(f'no matches for kind "Package" in version "{VERSION}"')
    await Operator(api, kinds, arguments.volumes).run()


if __name__ == "__main__":
    run(main)
