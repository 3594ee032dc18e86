"""Kubernetes' API as the purge needs it: discover, list, watch, get, delete, patch, apply, may-I.

Sits on a `Connection`, which does transport and credentials; here is what HTTP
answers mean, which of them are worth another try, and how lists and watches are
kept whole. kr8s's own objects aren't used: they have no preconditions, fetch
whole objects where metadata is enough, and their watches don't resume.

Everything sent is safe to send twice: deletes carry the object's UID, patches
test what they change, applies declare a state. So every request may be retried.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import re
from collections.abc import AsyncGenerator, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast
from urllib.parse import quote

import tenacity

from . import errors
from .objects import Found, Ref

if TYPE_CHECKING:
    import httpx

    from .connect import Connection

T = TypeVar("T")

PAGE = 500
"""Objects per page of a list, as kubectl's --chunk-size has it."""

RETRY_SECONDS = 60.0
"""How long one request is retried before its error is final: longer than an API server takes to restart."""

FIRST_SECONDS = 10.0
"""Likewise for the very first one: who mistyped something wants to know soon."""

REQUEST_SECONDS = 30.0
"""How long one try of a request may take where the user set no --request-timeout."""

WATCH_SECONDS = 45
"""How long the server keeps a watch open. Short, so that a dead connection is noticed within a minute."""

CONCURRENCY = 24
"""Requests in flight at a time, over all kinds."""

_SHORT_WATCH = 1.0
"""Seconds; a watch that ends sooner without a word isn't the server's ordinary end of a watch."""

_METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
_METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
_DISCOVERY = (
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,"
    "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json"
)
_TRANSIENT = frozenset({429, 500, 502, 503, 504})

Propagation = Literal["Background", "Foreground", "Orphan"]


@dataclass(frozen=True, order=True)
class Resource:
    """One kind as the server serves it, in the version it prefers."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool
    verbs: frozenset[str] = field(default_factory=frozenset, compare=False)
    short_names: tuple[str, ...] = field(default=(), compare=False)

    @property
    def api_version(self) -> str:
        """`apiVersion` of the kind's objects."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def group_kind(self) -> tuple[str, str]:
        """`(group, kind)`."""
        return (self.group, self.kind)

    def __str__(self) -> str:
        """As kubectl names a resource: `deployments.apps`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def path(self, namespace: str = "", name: str = "") -> str:
        """The URL path of the collection, or of one object in it."""
        parts = ["/apis", self.group, self.version] if self.group else ["/api", self.version]
        if namespace and self.namespaced:
            parts += ["namespaces", quote(namespace, safe="")]
        parts.append(self.plural)
        if name:
            parts.append(quote(name, safe=""))
        return "/".join(parts)

    def ref(self, namespace: str, name: str) -> Ref:
        """Names an object of this kind."""
        return Ref(self.group, self.kind, namespace if self.namespaced else "", name, self.version)


@dataclass(frozen=True)
class Discovery:
    """Which kinds the server serves, and which part of the answer is missing."""

    resources: tuple[Resource, ...]
    unreadable: tuple[str, ...] = ()
    """Group versions that an extension API server should serve and doesn't, e.g. `metrics.k8s.io/v1beta1`."""

    def find(self, group: str, kind: str) -> Resource | None:
        """The resource of a kind, None where the server doesn't serve it."""
        return next((r for r in self.resources if r.group == group and r.kind == kind), None)

    def named(self, name: str) -> Resource | None:
        """The resource that people mean, in any of kubectl's notations: `deploy`, `Deployment`, `deployments.v1.apps`.

        Of several, the first that the server names: the core group's, then in its own order.
        """
        kind, _, rest = name.lower().partition(".")
        for resource in self.resources:
            names = {resource.kind.lower(), resource.plural, *resource.short_names}
            places = {"", resource.group, f"{resource.version}.{resource.group}".rstrip(".")}
            if kind in names and rest in places:
                return resource
        return None


@dataclass(frozen=True)
class Listing:
    """A complete list of one kind, as of one moment."""

    resource: Resource
    items: tuple[Found, ...]
    resource_version: str
    """Where a watch goes on from."""
    count: int
    """Objects that exist, also those that `keep` passed over."""


@dataclass(frozen=True)
class Change:
    """What a watch reports. `listing` stands in for single changes where the watch had to start anew."""

    type: Literal["ADDED", "MODIFIED", "DELETED", "LISTED"]
    found: Found | None = None
    listing: Listing | None = None


@dataclass(frozen=True)
class Review:
    """The answer to a SelfSubjectAccessReview."""

    verb: str
    resource: str
    group: str
    namespace: str
    allowed: bool
    reason: str = ""

    @property
    def kind(self) -> str:
        """What it is about, as kubectl names a resource: `deployments.apps`."""
        return f"{self.resource}.{self.group}" if self.group else self.resource


class Client:
    """Speaks to one API server through one connection. Lives as long as the connection."""

    def __init__(self, connection: Connection, *, retry_seconds: float = RETRY_SECONDS) -> None:
        self.connection = connection
        self.retry_seconds = retry_seconds
        self.hurry = asyncio.Event()
        """Set once the run is to end: nothing is tried again any more, so that no request outlasts its own limit."""
        self.discovery = Discovery(())
        self._slots = asyncio.Semaphore(CONCURRENCY)

    # -- what the server serves

    async def first_contact(self) -> str:
        """The server's version. Where nobody is at the address, that is said at once: it may be mistyped.

        Raises `KubeError`.
        """
        answer = await self._json("GET", "/version", seconds=min(self.retry_seconds, FIRST_SECONDS), first=True)
        return str(answer.get("gitVersion", ""))

    async def discover(self) -> Discovery:
        """Asks which kinds there are, in two requests where the server can (1.26 and later).

        Raises `KubeError` where the server can't be asked at all. Groups of
        extension API servers that don't answer are named in `unreadable`.
        """
        documents = await asyncio.gather(
            *(self._json("GET", path, headers={"Accept": _DISCOVERY}) for path in ("/api", "/apis"))
        )
        aggregated = [document for document in documents if document.get("kind") == "APIGroupDiscoveryList"]
        parts = [_aggregated(aggregated)]
        if len(aggregated) < len(documents):
            parts.append(await self._legacy_discovery(documents[0], documents[1]))
        self.discovery = Discovery(
            tuple(resource for part in parts for resource in part.resources),
            tuple(missing for part in parts for missing in part.unreadable),
        )
        return self.discovery

    async def _legacy_discovery(self, core: Mapping[str, Any], groups: Mapping[str, Any]) -> Discovery:
        """Group by group, where the server doesn't aggregate. A document that is aggregated has nothing to add here."""
        versions = [("", str(version), f"/api/{version}") for version in core.get("versions") or ()]
        for group in groups.get("groups") or ():
            preferred = group.get("preferredVersion", {}).get("version")
            ordered = sorted(group.get("versions") or (), key=lambda entry: entry["version"] != preferred)
            versions += [(group["name"], v["version"], f"/apis/{v['groupVersion']}") for v in ordered]

        async def read(group: str, version: str, path: str) -> tuple[list[Resource], str]:
            try:
                document = await self._json("GET", path)
            except errors.KubeError:
                return [], f"{group}/{version}"
            return [_legacy_resource(group, version, entry) for entry in document.get("resources") or ()], ""

        answers = await asyncio.gather(*(read(*version) for version in versions))
        resources = _first_of_each(resource for found, _ in answers for resource in found)
        return Discovery(resources, tuple(missing for _, missing in answers if missing))

    # -- reading

    async def get(self, ref: Ref, *, whole: bool = False) -> Found | None:
        """One object, None where it, or its whole kind, doesn't exist.

        Raises `KubeError` where the server didn't say.
        """
        resource = self.discovery.find(ref.group, ref.kind)
        if resource is None:
            return None
        accept = "application/json" if whole else _METADATA
        try:
            document = await self._json("GET", resource.path(ref.namespace, ref.name), headers={"Accept": accept})
        except errors.NotFound:
            return None
        return Found.of(document, ref=resource.ref(ref.namespace, ref.name), whole=whole)

    async def list(
        self,
        resource: Resource,
        *,
        namespace: str = "",
        whole: bool = False,
        labels: str = "",
        keep: Callable[[Found], bool] | None = None,
    ) -> Listing:
        """All objects of a kind, in pages; metadata only where `whole` isn't asked for.

        `keep` decides page by page which objects are worth their memory. Raises
        `NotFound` where the kind isn't served, `Forbidden`, and the other errors
        of `KubeError`: never a part of the list for the whole.
        """
        for attempt in range(3):
            try:
                return await self._list_once(resource, namespace, whole, labels, keep)
            except errors.Expired:
                # A continue token is good for about 5 minutes: a slow reader starts again.
                if attempt == 2:
                    raise
        raise AssertionError("unreachable")

    async def _list_once(
        self,
        resource: Resource,
        namespace: str,
        whole: bool,
        labels: str,
        keep: Callable[[Found], bool] | None,
    ) -> Listing:
        accept = "application/json" if whole else _METADATA_LIST
        items: list[Found] = []
        count = 0
        version = ""
        async for page, found in self._pages(resource, namespace, accept, PAGE, labels=labels):
            count += len(found)
            items += (one for one in found if keep is None or keep(one))
            version = str(page["metadata"].get("resourceVersion", ""))
        return Listing(resource, tuple(items), version, count)

    async def pages(self, resource: Resource, size: int, fields: str = "") -> AsyncGenerator[Sequence[Found], None]:
        """All objects of a kind, whole, `size` at a time: for whoever may have seen enough before the end.

        `fields` is a field selector. Raises as `list` does, and `Expired` where
        the reader was slower than a continue token lives.
        """
        async for _, found in self._pages(resource, "", "application/json", size, fields=fields):
            yield found

    async def _pages(
        self, resource: Resource, namespace: str, accept: str, size: int, *, labels: str = "", fields: str = ""
    ) -> AsyncGenerator[tuple[dict[str, Any], Sequence[Found]], None]:
        params: dict[str, str] = {"limit": str(size)}
        if labels:
            params["labelSelector"] = labels
        if fields:
            params["fieldSelector"] = fields
        whole = accept == "application/json"
        while True:
            page = await self._json("GET", resource.path(namespace), params=params, headers={"Accept": accept})
            found = []
            for document in page.get("items") or ():
                metadata = document["metadata"]
                ref = resource.ref(str(metadata.get("namespace") or ""), str(metadata["name"]))
                found.append(Found.of(document, ref=ref, whole=whole))
            yield page, found
            token = page["metadata"].get("continue")
            if not token:
                return
            params["continue"] = token

    async def watch(
        self, resource: Resource, resource_version: str, *, namespace: str = "", whole: bool = False
    ) -> AsyncGenerator[Change, None]:
        """Changes of a kind from `resource_version` on, for ever.

        Resumes where a connection ended; where the server has forgotten that
        point (410) or fails in the middle, lists anew and yields the list as one
        `LISTED` change. Raises `NotFound` where the kind is no longer served, and
        other `KubeError`s where nothing answered for `retry_seconds`.
        """
        clock = asyncio.get_running_loop().time
        tries, answered = 0, clock()
        while True:
            opened = clock()
            try:
                # Closed in this task: left to the garbage collector, its connection would be closed in another.
                async with contextlib.aclosing(
                    self._watch_once(resource, resource_version, namespace, whole)
                ) as changes:
                    async for change in changes:
                        answered = clock()
                        if isinstance(change, str):
                            resource_version = change
                            continue
                        assert change.found is not None
                        tries, resource_version = 0, change.found.resource_version
                        yield change
                # What ends at once and says nothing would else be opened again in a tight loop.
                tries = tries + 1 if clock() - opened < _SHORT_WATCH else 0
            except errors.Expired:
                await self._sleep(_backoff(tries) if tries else 0.0)
                listing = await self.list(resource, namespace=namespace, whole=whole)
                tries, answered, resource_version = tries + 1, clock(), listing.resource_version
                yield Change("LISTED", listing=listing)
                continue
            except (errors.Unreachable, errors.Busy) as error:
                pause = max(_backoff(tries + 1), error.retry_after)
                if not _is_transient(error) or clock() + pause - answered > self.retry_seconds or self.hurry.is_set():
                    raise
                tries += 1
                await self._sleep(pause)
                continue
            if tries:
                await self._sleep(_backoff(tries))

    async def _watch_once(
        self, resource: Resource, resource_version: str, namespace: str, whole: bool
    ) -> AsyncGenerator[Change | str, None]:
        params = {
            "watch": "1",
            "resourceVersion": resource_version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(WATCH_SECONDS),
        }
        stream = self.connection.stream(
            "GET",
            resource.path(namespace),
            params=params,
            headers={"Accept": "application/json" if whole else _METADATA},
            timeout=WATCH_SECONDS + 15.0,
        )
        async with stream as response:
            if response.status_code >= 400:
                await response.aread()
                raise error_of(response)
            yield resource_version  # accepted, though there may be nothing to say for long
            async for line in response.aiter_lines():
                try:
                    event = json.loads(line)
                except json.JSONDecodeError:
                    return  # cut off in the middle of a line: resume from the last whole one
                document = event["object"]
                if event["type"] == "ERROR":
                    code = int(document.get("code") or 500)
                    # From here a watch that failed can't be resumed, whatever made it fail.
                    raise errors.Expired(str(document.get("message"))) if code >= 500 else _status_error(document, code)
                metadata = document["metadata"]
                if event["type"] == "BOOKMARK":
                    yield str(metadata["resourceVersion"])
                    continue
                ref = resource.ref(str(metadata.get("namespace") or ""), str(metadata["name"]))
                yield Change(event["type"], Found.of(document, ref=ref, whole=whole))

    # -- changing

    async def delete(
        self, ref: Ref, *, uid: str, propagation: Propagation = "Background", dry_run: bool = False
    ) -> Literal["accepted", "absent", "replaced"]:
        """Deletes the object that was seen, and no other.

        `absent`: it is gone already. `replaced`: another object has its name now,
        and was left alone. Raises `Refused`, `WebhookUnreachable`, `Forbidden`
        and the other `KubeError`s. A dry run stands in the body: beside a body,
        the API server ignores the query parameter and really deletes.
        """
        resource = self.discovery.find(ref.group, ref.kind)
        if resource is None:
            return "absent"
        body: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": propagation,
            "preconditions": {"uid": uid},
        }
        if dry_run:
            body["dryRun"] = ["All"]
        try:
            await self._json("DELETE", resource.path(ref.namespace, ref.name), json=body)
        except errors.NotFound:
            return "absent"
        except errors.Conflict as error:
            if "UID in precondition" in error.message:
                return "replaced"
            # A namespace that is Terminating already answers 409 to a second delete.
            found = await self.get(ref)
            if found is None:
                return "absent"
            if found.uid != uid:
                return "replaced"
            if not found.terminating:
                raise
        return "accepted"

    async def remove_finalizer(
        self, ref: Ref, *, uid: str, finalizer: str
    ) -> Literal["released", "absent", "replaced", "unheld"]:
        """Takes one finalizer off the object that was seen; every other finalizer stays.

        The patch tests UID and position of what it removes, so that it can't hit
        another object or another finalizer. Of a namespace, `spec.finalizers` count,
        too. Raises `KubeError`.
        """
        is_namespace = (ref.group, ref.kind) == ("", "Namespace")
        for _ in range(5):
            found = await self.get(ref, whole=is_namespace)
            if found is None:
                return "absent"
            if found.uid != uid:
                return "replaced"
            if finalizer not in found.finalizers:
                if not is_namespace or finalizer not in (found.get("spec", "finalizers") or ()):
                    return "unheld"
                with contextlib.suppress(errors.Conflict):
                    await self._finalize(found, finalizer)
                    return "released"
                continue
            pointer = f"/metadata/finalizers/{found.finalizers.index(finalizer)}"
            operations = [
                {"op": "test", "path": "/metadata/uid", "value": uid},
                {"op": "test", "path": pointer, "value": finalizer},
                {"op": "remove", "path": pointer},
            ]
            try:
                await self.patch(ref, operations)
            except errors.NotFound:
                return "absent"
            except (errors.Invalid, errors.Conflict):
                continue  # it changed between look and patch: look again
            return "released"
        raise errors.Conflict(f"{ref.display} changes faster than its finalizer can be taken off")

    async def _finalize(self, namespace: Found, finalizer: str) -> None:
        """Takes one of a namespace's `spec.finalizers` off, if it is as it was found: it has a subresource for that."""
        body = json.loads(json.dumps(namespace.body))
        body["spec"]["finalizers"] = [name for name in body["spec"]["finalizers"] if name != finalizer]
        path = self._served(namespace.ref).path(name=namespace.ref.name)
        await self._json("PUT", f"{path}/finalize", json=body)

    async def remove_owners(
        self, ref: Ref, *, uid: str, owners: Collection[str], label: tuple[str, str]
    ) -> Literal["removed", "absent", "replaced"]:
        """Takes the ownerReferences with these UIDs off the object that was seen, and sees that they are off.

        With them goes the label that said so, where it has that value. Raises `KubeError`.
        """
        for _ in range(5):
            found = await self.get(ref, whole=True)
            if found is None:
                return "absent"
            if found.uid != uid:
                return "replaced"
            if not found.owned_by(owners):
                return "removed"
            references = found.get("metadata", "ownerReferences")
            left = [reference for reference in references if reference["uid"] not in owners]
            operations: list[dict[str, Any]] = [
                {"op": "test", "path": "/metadata/uid", "value": uid},
                {"op": "test", "path": "/metadata/ownerReferences", "value": references},
                {"op": "replace", "path": "/metadata/ownerReferences", "value": left},
            ]
            key, value = label
            if found.labels.get(key) == value:
                pointer = f"/metadata/labels/{_pointer(key)}"
                operations += [{"op": "test", "path": pointer, "value": value}, {"op": "remove", "path": pointer}]
            try:
                await self.patch(ref, operations)
            except errors.NotFound:
                return "absent"
            except (errors.Invalid, errors.Conflict):
                continue  # it changed between look and patch: look again
        raise errors.Conflict(f"{ref.display} changes faster than its ownerReferences can be taken off")

    async def annotate(self, ref: Ref, *, uid: str, key: str, value: str, seen: Found | None = None) -> Found:
        """Sets one annotation on the object that was seen; every other stays.

        With `seen`, only if nothing changed since then. Raises `NotFound`, `Conflict` (it changed, keeps
        changing, or is another object now), and the other `KubeError`s.
        """

        def operations(found: Found) -> list[dict[str, Any]]:
            empty = [] if found.annotations else [{"op": "add", "path": "/metadata/annotations", "value": {}}]
            return [*empty, {"op": "add", "path": f"/metadata/annotations/{_pointer(key)}", "value": value}]

        if seen is not None:
            return await self.patch(ref, [*_unchanged(seen), *operations(seen)])
        return await self._patch_as_found(ref, uid, operations)

    async def remove_annotation(self, ref: Ref, *, uid: str, key: str) -> Found | None:
        """Takes one annotation off the object that was seen. Raises as `annotate` does."""

        def operations(found: Found) -> list[dict[str, Any]]:
            return [{"op": "remove", "path": f"/metadata/annotations/{_pointer(key)}"}]

        found = await self.get(ref)
        if found is None or key not in found.annotations:
            return found
        return await self._patch_as_found(ref, uid, operations)

    async def _patch_as_found(
        self, ref: Ref, uid: str, operations: Callable[[Found], Sequence[Mapping[str, Any]]]
    ) -> Found:
        """Patches an object as it is found, looking again where it changed between look and patch."""
        for _ in range(5):
            found = await self.get(ref)
            if found is None:
                raise errors.NotFound(f"{ref.display} is gone")
            if found.uid != uid:
                break
            try:
                return await self.patch(ref, [*_unchanged(found), *operations(found)])
            except (errors.Invalid, errors.Conflict):
                continue
        raise errors.Conflict(f"{ref.display} changes faster than it can be patched, or is another object now")

    async def until_none(self, resource: Resource, namespace: str, labels: str) -> None:
        """Waits until no object of a kind carries these labels in a namespace. Raises `KubeError`; has no limit."""
        while True:
            listing = await self.list(resource, namespace=namespace, labels=labels)
            alive = {found.uid for found in listing.items}
            if not alive:
                return
            async with contextlib.aclosing(
                self.watch(resource, listing.resource_version, namespace=namespace)
            ) as changes:
                async for change in changes:
                    if change.listing is not None:
                        break
                    if change.type == "DELETED" and change.found is not None:
                        alive.discard(change.found.uid)
                        if not alive:
                            break

    async def patch(self, ref: Ref, operations: Sequence[Mapping[str, Any]], *, dry_run: bool = False) -> Found:
        """Applies a JSON patch. Raises `Invalid` where one of its tests fails, and the other `KubeError`s."""
        resource = self._served(ref)
        document = await self._json(
            "PATCH",
            resource.path(ref.namespace, ref.name),
            params={"dryRun": "All"} if dry_run else None,
            headers={"Content-Type": "application/json-patch+json"},
            content=json.dumps(list(operations)).encode(),
        )
        return Found.of(document, ref=resource.ref(ref.namespace, ref.name))

    async def apply(
        self, document: Mapping[str, Any], *, manager: str, force: bool = False, dry_run: bool = False
    ) -> Found:
        """Server-side apply. Raises `Conflict` where another manager owns a field and `force` isn't given.

        With `metadata.uid` in the document an object that vanished is not created anew.
        """
        ref = Ref.of(document)
        # In the version that the document is written in, which needn't be the one that the server prefers.
        resource = replace(self._served(ref), version=ref.version)
        params = {"fieldManager": manager, "force": "true" if force else "false"}
        if dry_run:
            params["dryRun"] = "All"
        answer = await self._json(
            "PATCH",
            resource.path(ref.namespace, ref.name),
            params=params,
            headers={"Content-Type": "application/apply-patch+yaml"},
            content=_as_yaml(document),
        )
        return Found.of(answer, ref=resource.ref(ref.namespace, ref.name))

    async def may_i(self, verb: str, resource: Resource, namespace: str = "") -> Review:
        """Asks the authorizer whether the user may do `verb` on a kind. Raises `KubeError`."""
        attributes = {"verb": verb, "group": resource.group, "resource": resource.plural, "version": resource.version}
        if namespace:
            attributes["namespace"] = namespace
        document = await self._json(
            "POST",
            "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
            json={
                "apiVersion": "authorization.k8s.io/v1",
                "kind": "SelfSubjectAccessReview",
                "spec": {"resourceAttributes": attributes},
            },
        )
        status = document.get("status") or {}
        return Review(
            verb, resource.plural, resource.group, namespace, bool(status.get("allowed")), status.get("reason", "")
        )

    async def who_am_i(self) -> str:
        """The user's name as the API server knows it (1.28 and later). Raises `NotFound` before, and `KubeError`."""
        document = await self._json(
            "POST",
            "/apis/authentication.k8s.io/v1/selfsubjectreviews",
            json={"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"},
        )
        return str(document["status"]["userInfo"]["username"])

    def _served(self, ref: Ref) -> Resource:
        resource = self.discovery.find(ref.group, ref.kind)
        if resource is None:
            raise errors.NotFound(f"the server doesn't serve {ref.kind} of {ref.group or 'the core group'}")
        return resource

    # -- one request, until it is answered

    async def _json(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        content: bytes | None = None,
        seconds: float | None = None,
        first: bool = False,
    ) -> dict[str, Any]:
        """A request's answer, tried again for `seconds` where that may help, and not once everybody is in a hurry."""
        failed: errors.KubeError | None = None

        def worthwhile(error: BaseException) -> bool:
            return _is_transient(error) and not (first and isinstance(error, errors.NobodyThere))

        retrying = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception(worthwhile),
            wait=_pause,
            stop=tenacity.stop_any(
                tenacity.stop_before_delay(self.retry_seconds if seconds is None else seconds),
                tenacity.stop_when_event_set(cast("Any", self.hurry)),  # asked is_set() and nothing else
            ),
            sleep=self._sleep,
            reraise=True,
        )
        async for attempt in retrying:
            with attempt:
                if failed is not None and self.hurry.is_set():
                    raise failed
                try:
                    async with self._slots:
                        response = await self.connection.request(
                            method,
                            path,
                            params=params,
                            headers=headers,
                            body=json if content is None else content,
                            timeout=REQUEST_SECONDS,
                        )
                    return _document(response)
                except errors.KubeError as error:
                    failed = error
                    raise
        raise AssertionError("unreachable")

    async def _sleep(self, seconds: float) -> None:
        """Sleeps, unless everybody is in a hurry."""
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self.hurry.wait(), seconds)


_NOT_IN_YAML = re.compile(r"[^\t\n\r -~\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
"""What YAML doesn't allow as it is, or takes for the end of a line."""


def _as_yaml(document: Mapping[str, Any]) -> bytes:
    """JSON that YAML reads the same: an apply is read as YAML.

    Escaped is what YAML needs escaped, and nothing else: an emoji, which JSON's
    encoder writes as two escapes, YAML refuses.
    """
    text = json.dumps(document, ensure_ascii=False)
    return _NOT_IN_YAML.sub(lambda found: f"\\u{ord(found[0]):04x}", text).encode()


def _is_transient(error: BaseException) -> bool:
    return isinstance(error, (errors.Unreachable, errors.Busy)) and not isinstance(error, errors.BadCertificate)


def _backoff(tries: int) -> float:
    """Seconds before the next try: doubling from 0.2 to 8, jittered so that many clients don't come back as one."""
    return float(min(8.0, 0.2 * 2 ** min(tries - 1, 10)) * random.uniform(0.5, 1.0))


def _pause(state: tenacity.RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    return max(_backoff(state.attempt_number), getattr(error, "retry_after", 0.0))


def _unchanged(found: Found) -> list[dict[str, Any]]:
    """JSON patch tests that hold only for the very object that was found, as it was found."""
    return [
        {"op": "test", "path": "/metadata/uid", "value": found.uid},
        {"op": "test", "path": "/metadata/resourceVersion", "value": found.resource_version},
    ]


def _pointer(key: str) -> str:
    """A key as a JSON pointer has it (RFC 6901)."""
    return key.replace("~", "~0").replace("/", "~1")


# -- what answers mean


def error_of(response: httpx.Response) -> errors.KubeError:
    """The error that an answer with status 400 or above stands for."""
    try:
        document = response.json()
    except (json.JSONDecodeError, UnicodeDecodeError):
        document = None
    if not isinstance(document, dict) or document.get("kind") != "Status":
        if response.status_code == 404 and response.text.startswith("404 page not found"):
            # What the API server says of the path of a kind it no longer serves.
            error: errors.KubeError = errors.NotFound(f"the server doesn't serve {response.url.path}", status=404)
        elif response.status_code in _TRANSIENT:
            error = errors.Busy(f"HTTP {response.status_code}", status=response.status_code)
        else:
            error = errors.NotKubernetes(
                f"{response.url.host} answers HTTP {response.status_code} without a Kubernetes status",
                status=response.status_code,
            )
    else:
        error = _status_error(document, response.status_code)
    if isinstance(error, errors.Busy):
        error.retry_after = _retry_after(response.headers.get("Retry-After"))
    return error


_WEBHOOK_DOWN = re.compile(r'failed calling webhook "([^"]+)"')
_WEBHOOK_DENIED = re.compile(r'admission webhook "([^"]+)" denied the request')


def _status_error(status: Mapping[str, Any], code: int) -> errors.KubeError:
    message = str(status.get("message") or status.get("reason") or f"HTTP {code}")
    if down := _WEBHOOK_DOWN.search(message):
        return errors.WebhookUnreachable(message, webhook=down.group(1), status=code)
    if denied := _WEBHOOK_DENIED.search(message):
        return errors.Refused(message, webhook=denied.group(1), status=code)
    if "ValidatingAdmissionPolicy" in message:
        return errors.Refused(message, status=code)
    if "conversion webhook for " in message:
        return errors.ConversionFailed(message, status=code)
    if code == 410 or status.get("reason") in ("Expired", "Gone"):
        return errors.Expired(message, status=code)
    kinds: dict[int, type[errors.KubeError]] = {
        400: errors.Invalid,
        401: errors.Unauthorized,
        403: errors.Forbidden,
        404: errors.NotFound,
        409: errors.Conflict,
        422: errors.Invalid,
    }
    if code in kinds:
        return kinds[code](message, status=code)
    if code in _TRANSIENT:
        return errors.Busy(message, status=code)
    return errors.KubeError(message, status=code)


def _document(response: httpx.Response) -> dict[str, Any]:
    if response.status_code >= 400:
        raise error_of(response)
    try:
        document = response.json()
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        if "json" in response.headers.get("Content-Type", ""):
            raise errors.Unreachable("the API server's answer was cut off") from error
        raise errors.NotKubernetes(f"{response.url.host} doesn't answer in JSON") from error
    if not isinstance(document, dict):
        raise errors.NotKubernetes(f"{response.url.host} doesn't answer as a Kubernetes API server does")
    return document


def _retry_after(value: str | None) -> float:
    """Seconds of a Retry-After header; 0 where there is none, or it is a date, which Kubernetes never sends."""
    return float(value) if value and value.isdigit() else 0.0


# -- discovery documents


def _aggregated(documents: Iterable[Mapping[str, Any]]) -> Discovery:
    resources: list[Resource] = []
    unreadable: list[str] = []
    for document in documents:
        for group in document.get("items") or ():
            name = str(group["metadata"].get("name") or "")
            for version in group.get("versions") or ():
                if version.get("freshness") == "Stale":
                    unreadable.append(f"{name}/{version['version']}")
                for entry in version.get("resources") or ():
                    resources.append(
                        Resource(
                            group=name,
                            version=str(version["version"]),
                            kind=str(entry["responseKind"]["kind"]),
                            plural=str(entry["resource"]),
                            namespaced=entry.get("scope") == "Namespaced",
                            verbs=frozenset(entry.get("verbs") or ()),
                            short_names=tuple(entry.get("shortNames") or ()),
                        )
                    )
    return Discovery(_first_of_each(resources), tuple(unreadable))


def _legacy_resource(group: str, version: str, entry: Mapping[str, Any]) -> Resource:
    return Resource(
        group=group,
        version=version,
        kind=str(entry["kind"]),
        plural=str(entry["name"]),
        namespaced=bool(entry.get("namespaced")),
        verbs=frozenset(entry.get("verbs") or ()),
        short_names=tuple(entry.get("shortNames") or ()),
    )


def _first_of_each(resources: Iterable[Resource]) -> tuple[Resource, ...]:
    """Each kind once, in the version that comes first: the server names its preferred version first."""
    first: dict[tuple[str, str], Resource] = {}
    for resource in resources:
        if "/" not in resource.plural:  # subresources aren't listed
            first.setdefault((resource.group, resource.plural), resource)
    return tuple(first.values())
