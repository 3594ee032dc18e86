"""Kubernetes' API as the purge needs it: list, get, delete, patch, apply.

Sits on a `Connection`, which does transport and credentials. What answers mean
is in `answers`, which kinds there are in `discovery`, when a request is sent
again in `retries`; `watches`, `edits` and `reviews` build on the client. kr8s's own
objects aren't used: they have no preconditions, fetch whole objects if metadata
is enough, and their watches don't resume.

Everything sent is safe to send twice: deletes carry the object's UID, patches
test what they change, applies declare a state. So every request may be retried.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from . import answers, errors, yaml_text
from .discovery import Discovery, discover
from .objects import Found, Ref
from .resources import BUILT_IN_GROUPS, Resource
from .retries import Tries

if TYPE_CHECKING:
    import httpx

    from .connect import Connection

PAGE = 2000
"""Metadata per page of a list: 1 MB and more, packed to a twelfth of it on the way."""

WHOLE_PAGE = 1000
"""Whole objects per page: some kinds' have 10 KB and more each."""

RETRY_SECONDS = 60.0
"""How long one request is retried before its error is final: longer than an API server takes to restart."""

FIRST_SECONDS = 10.0
"""Likewise until the first answer: a mistyped address should be reported soon."""

REQUEST_SECONDS = 30.0
"""How long one try of a request may take if the user set no --request-timeout."""

CONCURRENCY = 24
"""Requests in flight at a time, over all kinds."""

METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
"""The Accept header for an object's metadata alone, with the whole object as second choice."""
_METADATA_LIST = METADATA.replace("PartialObjectMetadata", "PartialObjectMetadataList")

T = TypeVar("T")

Propagation = Literal["Background", "Orphan"]


@dataclass(frozen=True)
class Listing:
    """A complete list of one kind, as of one moment."""

    resource: Resource
    items: tuple[Found, ...]
    resource_version: str
    """Where a watch goes on from."""


class Client:
    """Speaks to one API server through one connection. Lives as long as the connection."""

    def __init__(self, connection: Connection, *, retry_seconds: float = RETRY_SECONDS) -> None:
        self.connection = connection
        self.retry_seconds = retry_seconds
        self.hurry = asyncio.Event()
        """Set once the run is to end: nothing is tried again any more, so that no request outlasts its own limit."""
        self.discovery = Discovery(())
        self.answered: datetime | None = None
        """When the last request was answered, by the cluster's clock; None if no answer had a date."""
        self._met = False
        self._slots = asyncio.Semaphore(CONCURRENCY)

    async def discover(self) -> Discovery:
        """Asks which kinds there are, and keeps the answer as `discovery`. Raises `KubeError`."""
        self.discovery = await discover(lambda path, accept: self.request("GET", path, headers={"Accept": accept}))
        return self.discovery

    def served(self, ref: Ref) -> Resource:
        """The resource of an object's kind. Raises `NotFound` if the server doesn't serve it."""
        resource = self.discovery.find(ref.group, ref.kind)
        if resource is None:
            raise errors.NotFound(f"the server doesn't serve {ref.kind} of {ref.group or 'the core group'}")
        return resource

    # -- reading

    async def get(self, ref: Ref, *, whole: bool = False) -> Found | None:
        """One object, None if it, or its whole kind, doesn't exist.

        Raises `KubeError` if the server didn't say.
        """
        resource = self.discovery.find(ref.group, ref.kind)
        if resource is None:
            return None
        headers = {"Accept": "application/json" if whole else METADATA}
        try:
            document = await self.request("GET", resource.path(ref.namespace, ref.name), headers=headers)
        except errors.NotFound:
            return None
        return answers.found(resource, document, whole=whole)

    async def has_ended(self, resource: Resource) -> bool:
        """Whether a kind that answers 404 is gone, and not only unknown to the server that answered.

        That may have just started, or be of another version than the others behind the address. A built-in kind
        doesn't end; one of a CRD or of an extension API server ends with its CRD or APIService. Raises `KubeError`.
        """
        if resource.group in BUILT_IN_GROUPS:
            return False
        definition = await self.get(Ref("apiextensions.k8s.io", "CustomResourceDefinition", "", str(resource)))
        if definition is not None:
            return definition.terminating
        name = f"{resource.version}.{resource.group}"
        service = await self.get(Ref("apiregistration.k8s.io", "APIService", "", name), whole=True)
        return service is None or not service.get("spec", "service")

    async def list(
        self,
        resource: Resource,
        *,
        namespace: str = "",
        whole: bool = False,
        labels: str = "",
        keep: Callable[[Found], bool] | None = None,
    ) -> Listing:
        """All objects of a kind, in pages; metadata only if `whole` isn't asked for.

        `keep` decides page by page which objects are worth their memory. Raises
        `NotFound` if the kind isn't served, `Forbidden`, and the other errors
        of `KubeError`: never a part of the list for the whole.
        """
        params = {"limit": str(WHOLE_PAGE if whole else PAGE), "labelSelector": labels}
        for attempt in range(3):
            items: list[Found] = []
            resource_version = ""
            try:
                async for page in self._pages(resource, namespace, params, whole=whole):
                    resource_version = page.resource_version
                    items += (one for one in page.objects if keep is None or keep(one))
                return Listing(resource, tuple(items), resource_version)
            except errors.Expired:
                # A continue token is good for about 5 minutes: a slow reader starts again.
                if attempt == 2:
                    raise
        raise AssertionError("unreachable")

    async def pages(self, resource: Resource, size: int, fields: str = "") -> AsyncGenerator[Sequence[Found], None]:
        """All objects of a kind, whole, `size` at a time: for a reader that may have seen enough before the end.

        `fields` is a field selector. Raises as `list` does, and `Expired` if
        the reader was slower than a continue token lives.
        """
        async for page in self._pages(resource, "", {"limit": str(size), "fieldSelector": fields}, whole=True):
            yield tuple(page.objects)

    async def _pages(
        self, resource: Resource, namespace: str, params: Mapping[str, str], *, whole: bool
    ) -> AsyncGenerator[answers.Page, None]:
        params = {name: value for name, value in params.items() if value}
        headers = {"Accept": "application/json" if whole else _METADATA_LIST}
        path, read = resource.path(namespace), functools.partial(answers.page, resource, whole=whole)
        while True:
            page = await self._answer(read, "GET", path, params=params, headers=headers)
            yield page
            if not page.token:
                return
            params["continue"] = page.token

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
            await self.request("DELETE", resource.path(ref.namespace, ref.name), body=body)
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

    async def patch(self, ref: Ref, operations: Sequence[Mapping[str, Any]], *, dry_run: bool = False) -> Found:
        """Applies a JSON patch. Raises `Invalid` if one of its tests fails, and the other `KubeError`s."""
        resource = self.served(ref)
        document = await self.request(
            "PATCH",
            resource.path(ref.namespace, ref.name),
            params={"dryRun": "All"} if dry_run else None,
            headers={"Content-Type": "application/json-patch+json"},
            body=operations,
        )
        return answers.found(resource, document, whole=True)

    async def apply(
        self, document: Mapping[str, Any], *, manager: str, force: bool = False, dry_run: bool = False
    ) -> Found:
        """Server-side apply. Raises `Conflict` if another manager owns a field and `force` isn't given.

        With `metadata.uid` in the document an object that vanished is not recreated.
        """
        ref = Ref.of(document)
        # In the version that the document is written in, which needn't be the one that the server prefers.
        resource = replace(self.served(ref), version=ref.version)
        params = {"fieldManager": manager, "force": "true" if force else "false"}
        answer = await self.request(
            "PATCH",
            resource.path(ref.namespace, ref.name),
            params=params | ({"dryRun": "All"} if dry_run else {}),
            headers={"Content-Type": "application/apply-patch+yaml"},
            body=yaml_text.write_line(document).encode(),  # an apply is read as YAML
        )
        return answers.found(resource, answer, whole=True)

    # -- one request, until it is answered

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
    ) -> dict[str, Any]:
        """A request's answer, tried again for `retry_seconds` if that may help.

        `body` is as `Connection.request` has it. Until the server has answered once, requests are tried for
        `FIRST_SECONDS` only, and once if no server listens: its address may be mistyped. Raises `KubeError`.
        """
        return await self._answer(answers.document, method, path, params=params, headers=headers, body=body)

    async def _answer(self, read: Callable[[httpx.Response], T], method: str, path: str, **asked: Any) -> T:
        tries = Tries(self.retry_seconds if self._met else min(FIRST_SECONDS, self.retry_seconds), self.hurry)
        while True:
            try:
                async with self._slots:
                    response = await self.connection.request(method, path, timeout=REQUEST_SECONDS, **asked)
                self._met = True
                self.answered = answers.date(response) or self.answered
                return read(response)
            except errors.KubeError as error:
                if not self._met and isinstance(error, errors.NobodyThere):
                    raise
                await tries.again(error)
