"""What the doubles share: an asynchronous client, informers and work queues.

A controller that reads from a cache fed by watches and works off a queue with
one worker behaves differently from one that lists and loops: it sees objects
late, retries conflicts, and backs off further with each error. The doubles
stand in for such controllers, so they are built the same way.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import json
import logging
import os
import secrets
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import httpx

from tests.cluster.api import (
    APPLY,
    DISCOVERY,
    MERGE,
    RETRIES,
    TOO_MANY,
    Access,
    ApiError,
    Kind,
    Object,
    discovered,
    failure,
)

Key = tuple[str, str]
"""Namespace and name; the namespace of cluster-scoped objects is `""`."""

log = logging.getLogger("double")


def key_of(item: Mapping[str, Any]) -> Key:
    """The key of an object."""
    return (item["metadata"].get("namespace", ""), item["metadata"]["name"])


def now() -> str:
    """The time as the API writes it."""
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


class AsyncApi:
    """A client for controllers; `manager` is the field manager of everything it writes."""

    def __init__(self, kubeconfig: Path, manager: str) -> None:
        access = Access.load(kubeconfig)
        self.manager = manager
        self._kinds: dict[tuple[str, str], Kind] = {}
        self.http = httpx.AsyncClient(
            base_url=access.server,
            verify=access.context,
            headers=dict(access.headers),
            timeout=60,
            trust_env=False,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=32),
        )

    async def request(self, method: str, path: str, **options: Any) -> Any:
        """One request; the parsed answer. Raises `ApiError`, also where no answer came (code 0)."""
        for _ in range(RETRIES):
            try:
                response = await self.http.request(method, path, **options)
            except httpx.TransportError as error:
                raise ApiError(0, "Unreachable", f"{type(error).__name__}: {error}") from error
            if response.status_code != TOO_MANY:
                break
            await asyncio.sleep(float(response.headers.get("Retry-After", "1")))
        if response.is_success:
            return response.json() if response.content else {}
        raise failure(response)

    async def served(self, group: str, kind: str) -> Kind | None:
        """A kind in its group's preferred version, or None where the server doesn't have it."""
        if (group, kind) not in self._kinds:
            for root in ("/api", "/apis"):
                for found in discovered(await self.request("GET", root, headers=DISCOVERY)):
                    self._kinds[found.group, found.kind] = found
        return self._kinds.get((group, kind))

    async def kind(self, api_version: str, kind: str) -> Kind:
        """Where a kind is served. Raises `ApiError` 404 where it isn't."""
        group, _, version = api_version.rpartition("/")
        found = await self.served(group, kind)
        if found is None:
            raise ApiError(404, "NotFound", f'no matches for kind "{kind}" in version "{api_version}"')
        return Kind(group, version, kind, found.plural, found.namespaced, found.verbs)

    async def get(self, api_version: str, kind: str, name: str, namespace: str = "") -> Object | None:
        """One object, or None."""
        try:
            path = (await self.kind(api_version, kind)).path(namespace, name)
            result: Object = await self.request("GET", path)
        except ApiError as error:
            if error.code == 404:
                return None
            raise
        return result

    async def list(self, api_version: str, kind: str, namespace: str = "", **query: str) -> list[Object]:
        """All objects of a kind."""
        path = (await self.kind(api_version, kind)).path(namespace)
        items: list[Object] = (await self.request("GET", path, params=query))["items"]
        for item in items:
            item.setdefault("apiVersion", api_version)
            item.setdefault("kind", kind)
        return items

    async def create(self, item: Object) -> Object:
        """Creates an object."""
        namespace, _ = key_of(item)
        path = (await self.kind(item["apiVersion"], item["kind"])).path(namespace)
        result: Object = await self.request("POST", path, params={"fieldManager": self.manager}, json=item)
        return result

    async def update(self, item: Object, subresource: str = "") -> Object:
        """Replaces an object; its resourceVersion guards against a write in between (409)."""
        path = (await self.kind(item["apiVersion"], item["kind"])).path(*key_of(item), subresource)
        result: Object = await self.request("PUT", path, params={"fieldManager": self.manager}, json=item)
        return result

    async def patch(self, item: Object, patch: Any, subresource: str = "", how: str = MERGE) -> Object:
        """Patches the object that `item` names."""
        path = (await self.kind(item["apiVersion"], item["kind"])).path(*key_of(item), subresource)
        params = {"fieldManager": self.manager}
        if how == APPLY:
            params["force"] = "true"
        headers = {"Content-Type": how}
        result: Object = await self.request("PATCH", path, params=params, headers=headers, content=json.dumps(patch))
        return result

    async def apply(self, item: Object) -> Object:
        """Server-side apply, forced."""
        return await self.patch(item, item, how=APPLY)

    async def delete(self, item: Object, **options: Any) -> None:
        """Deletes the object that `item` names; `options` are DeleteOptions. One that is gone is no error."""
        path = (await self.kind(item["apiVersion"], item["kind"])).path(*key_of(item))
        try:
            await self.request("DELETE", path, json={"apiVersion": "v1", "kind": "DeleteOptions", **options})
        except ApiError as error:
            if not error.gone:
                raise

    async def event(self, about: Object, kind: str, reason: str, message: str, source: str) -> None:
        """Records an Event, in the namespace `default` for cluster-scoped objects. A failure is only logged."""
        namespace, name = key_of(about)
        namespace = namespace or "default"
        stamp = now()
        item = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"{name}.{secrets.token_hex(8)}", "namespace": namespace},
            "involvedObject": {
                "apiVersion": about["apiVersion"],
                "kind": about["kind"],
                "name": name,
                "namespace": about["metadata"].get("namespace"),
                "uid": about["metadata"]["uid"],
            },
            "type": kind,
            "reason": reason,
            "message": message[:1000],
            "source": {"component": source},
            "firstTimestamp": stamp,
            "lastTimestamp": stamp,
            "count": 1,
        }
        try:
            await self.create(item)
        except ApiError as error:
            log.info("event not recorded: %s", error)


class Informer:
    """A cache of all objects of one kind, fed by a watch.

    `store` is what was last seen; handlers are called with the new and the
    former state, either of which may be None.
    """

    def __init__(self, api: AsyncApi, api_version: str, kind: str) -> None:
        self.api = api
        self.api_version = api_version
        self.kind = kind
        self.store: dict[Key, Object] = {}
        self.synced = asyncio.Event()
        self._handlers: list[Callable[[Object | None, Object | None], None]] = []

    def on_change(self, handler: Callable[[Object | None, Object | None], None]) -> None:
        """Calls `handler(new, old)` for every change from now on."""
        self._handlers.append(handler)

    def get(self, name: str, namespace: str = "") -> Object | None:
        """A copy of the cached object, or None."""
        found = self.store.get((namespace, name))
        return json.loads(json.dumps(found)) if found is not None else None

    def items(self) -> list[Object]:
        """The cached objects. Not to be changed."""
        return list(self.store.values())

    async def run(self) -> None:
        """Lists, watches, and begins anew when the watch can't go on."""
        while True:
            try:
                kind = await self.api.kind(self.api_version, self.kind)
                listed = await self.api.request("GET", kind.path())
                self._replace(listed["items"])
                self.synced.set()
                await self._watch(kind, listed["metadata"]["resourceVersion"])
            except (ApiError, httpx.HTTPError, ValueError) as error:
                if isinstance(error, ApiError) and error.code == 404:
                    self._replace([])
                log.info("watching %s: %s", self.kind, error)
                await asyncio.sleep(0.5)  # a reflector's backoff

    async def _watch(self, kind: Kind, version: str) -> None:
        params = {"watch": "true", "resourceVersion": version, "allowWatchBookmarks": "true"}
        async with self.api.http.stream(
            "GET", kind.path(), params=params, timeout=httpx.Timeout(60, read=None)
        ) as response:
            if not response.is_success:
                await response.aread()
                raise failure(response)
            async for line in response.aiter_lines():
                event = json.loads(line)
                if event["type"] == "ERROR":
                    raise ApiError(event["object"].get("code", 0), "Watch", event["object"].get("message", ""))
                if event["type"] != "BOOKMARK":
                    self._take(event["object"], gone=event["type"] == "DELETED")

    def _replace(self, items: Iterable[Object]) -> None:
        present = {key_of(item): item for item in items}
        for key in [key for key in self.store if key not in present]:
            self._take(self.store[key], gone=True)
        for item in present.values():
            self._take(item, gone=False)

    def _take(self, item: Object, gone: bool) -> None:
        key = key_of(item)
        old = self.store.get(key)
        if gone:
            self.store.pop(key, None)
        else:
            item.setdefault("apiVersion", self.api_version)
            item.setdefault("kind", self.kind)
            if old is not None and old["metadata"]["resourceVersion"] == item["metadata"]["resourceVersion"]:
                return
            self.store[key] = item
        for handler in self._handlers:
            handler(None if gone else item, old)


Reconcile = Callable[[Key], Awaitable[float | None]]
"""Brings one object closer to what it should be; returns after how many seconds to look again, or None."""


class Queue:
    """A work queue with a few workers: each key once at a time, errors again after a growing delay."""

    def __init__(
        self,
        name: str,
        reconcile: Reconcile,
        workers: int = 1,
        first_delay: float = 0.005,
        longest_delay: float = 1000,
    ) -> None:
        self.name = name
        self._reconcile = reconcile
        self._workers = workers
        self._first_delay, self._longest_delay = first_delay, longest_delay
        self._ready: asyncio.Queue[Key] = asyncio.Queue()
        self._queued: set[Key] = set()
        self._active: set[Key] = set()
        self._again: set[Key] = set()
        self._failures: dict[Key, int] = {}

    def add(self, key: Key) -> None:
        """Has the key worked off, once, however often it was added before that."""
        if key in self._active:
            self._again.add(key)
        elif key not in self._queued:
            self._queued.add(key)
            self._ready.put_nowait(key)

    def add_after(self, key: Key, seconds: float) -> None:
        """Adds the key later."""
        asyncio.get_running_loop().call_later(seconds, self.add, key)

    async def run(self) -> None:
        """Works until cancelled."""
        await asyncio.gather(*(self._work() for _ in range(self._workers)))

    async def _work(self) -> None:
        while True:
            key = await self._ready.get()
            self._queued.discard(key)
            self._active.add(key)
            try:
                again = await self._reconcile(key)
            except (ApiError, ReconcileError) as error:
                failures = self._failures[key] = self._failures.get(key, 0) + 1
                delay = min(self._first_delay * 2 ** min(failures - 1, 30), self._longest_delay)
                log.info("%s %s: %s (again in %.3f s)", self.name, "/".join(filter(None, key)), error, delay)
                self.add_after(key, delay)
            else:
                self._failures.pop(key, None)
                if again is not None:
                    self.add_after(key, again)
            finally:
                self._active.discard(key)
                if key in self._again:
                    self._again.discard(key)
                    self.add(key)


class ReconcileError(Exception):
    """Something other than the API server stood in the way; the key is tried again."""


def set_condition(
    conditions: list[Object], kind: str, status: str, reason: str, message: str, generation: int | None = None
) -> bool:
    """Sets a condition in place, as apimachinery's `SetStatusCondition` does; whether it changed anything."""
    wanted: Object = {"type": kind, "status": status, "reason": reason, "message": message}
    if generation is not None:
        wanted["observedGeneration"] = generation
    for condition in conditions:
        if condition["type"] == kind:
            changed = any(condition.get(name) != value for name, value in wanted.items())
            if condition["status"] != status:
                condition["lastTransitionTime"] = now()
            condition.update(wanted)
            return changed
    conditions.append({**wanted, "lastTransitionTime": now()})
    return True


def is_condition(item: Mapping[str, Any] | None, kind: str, status: str = "True") -> bool:
    """Whether an object's status has a condition with this status."""
    conditions = ((item or {}).get("status") or {}).get("conditions") or ()
    return any(one["type"] == kind and one["status"] == status for one in conditions)


async def hold_lease(api: AsyncApi, namespace: str, name: str) -> None:
    """Takes the Lease of a leader election and renews it. Nobody competes for it here."""
    identity = f"double_{secrets.token_hex(8)}"
    while True:
        stamp = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        spec = {"holderIdentity": identity, "leaseDurationSeconds": 15, "acquireTime": stamp, "renewTime": stamp}
        item = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "spec": spec}
        item["metadata"] = {"name": name, "namespace": namespace}
        try:
            if await api.get("coordination.k8s.io/v1", "Lease", name, namespace) is None:
                await api.create(item)
            else:
                await api.patch(item, {"spec": spec})
        except ApiError as error:
            log.info("lease: %s", error)
        await asyncio.sleep(10)


def run(main: Callable[[], Awaitable[None]]) -> None:
    """Runs a double until its work ends, SIGTERM comes, or the process that started it is gone.

    The starter holds the other end of stdin: when that closes, the double ends
    at once, also after a SIGKILL of the starter.
    """
    logging.basicConfig(format="%(asctime)s %(message)s", level=logging.INFO, stream=sys.stderr)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    if not os.isatty(0):
        threading.Thread(target=_end_with_stdin, daemon=True).start()
    with contextlib.suppress(asyncio.CancelledError):
        asyncio.run(_until_signal(main))


async def _until_signal(main: Callable[[], Awaitable[None]]) -> None:
    task = asyncio.ensure_future(main())
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    await task


def _end_with_stdin() -> None:
    while os.read(0, 4096):
        pass
    os._exit(1)
