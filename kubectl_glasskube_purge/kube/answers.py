"""What the API server's answers mean: a document, an object of a kind, or an error of the project's own.

Pure: whether a request that failed is sent again is decided in `retries`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, TypedDict

import msgspec

from . import errors
from .objects import Found

if TYPE_CHECKING:
    import httpx

    from .resources import Resource


class _Manager(TypedDict, total=False):
    """An entry of managedFields without its `fieldsV1`, which outweighs all else and which nothing reads."""

    manager: str
    operation: str
    subresource: str


class _Metadata(TypedDict, total=False):
    """What is kept of an object's metadata if they alone are read."""

    name: str
    namespace: str | None
    uid: str
    resourceVersion: str
    creationTimestamp: str | None
    deletionTimestamp: str | None
    labels: dict[str, str] | None
    annotations: dict[str, str] | None
    ownerReferences: list[dict[str, Any]] | None
    finalizers: list[str] | None
    managedFields: list[_Manager] | None


class _Item(TypedDict):
    metadata: _Metadata


_Of = TypedDict("_Of", {"resourceVersion": str, "continue": str}, total=False)


class _Heads(TypedDict, total=False):
    metadata: _Of
    items: list[_Item] | None


class _Whole(TypedDict, total=False):
    metadata: _Of
    items: list[dict[str, msgspec.Raw]] | None


_heads = msgspec.json.Decoder(_Heads).decode
_whole = msgspec.json.Decoder(_Whole).decode
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_managers = msgspec.json.Decoder(list[_Manager] | None).decode
_any = msgspec.json.Decoder().decode

_TRANSIENT = frozenset({429, 500, 502, 503, 504})

_BY_STATUS: Mapping[int, type[errors.KubeError]] = {
    400: errors.Invalid,
    401: errors.Unauthorized,
    403: errors.Forbidden,
    404: errors.NotFound,
    409: errors.Conflict,
    422: errors.Invalid,
    **dict.fromkeys(_TRANSIENT, errors.Busy),
}

_WEBHOOK_DOWN = re.compile(r'failed calling webhook "([^"]+)"')
_WEBHOOK_DENIED = re.compile(r'admission webhook "([^"]+)" denied the request')


def document(response: httpx.Response) -> dict[str, Any]:
    """The JSON document of an answer.

    Raises the error that a status of 400 or above stands for, `Unreachable` for
    an answer that was cut off, and `NotKubernetes` for anything else than JSON.
    """
    content = _decoded(response, _any)
    if not isinstance(content, dict):
        raise errors.NotKubernetes(f"{response.url.host} doesn't answer as a Kubernetes API server does")
    return content


@dataclass(frozen=True)
class Page:
    """One answer to a list."""

    objects: Iterator[Found]
    """Made one by one: a reader that keeps few of them needs the memory of few."""
    resource_version: str
    token: str
    """Of the next page; `""` after the last one."""


def page(resource: Resource, response: httpx.Response, *, whole: bool) -> Page:
    """A page of a list, of which metadata alone are decoded unless it is `whole`. Raises as `document` does."""
    content = _decoded(response, _whole if whole else _heads)
    of, items = content.get("metadata") or {}, content.get("items") or ()
    documents = map(_document, items) if whole else items
    objects = (found(resource, one, whole=whole) for one in documents)
    return Page(objects, of.get("resourceVersion", ""), of.get("continue", ""))


def _document(item: Mapping[str, msgspec.Raw]) -> dict[str, Any]:
    """A whole object of a list, its managedFields as in `_Manager`."""
    fields = _fields(item["metadata"]).items()
    metadata = {name: _managers(raw) if name == "managedFields" else _any(raw) for name, raw in fields}
    return {name: metadata if name == "metadata" else _any(raw) for name, raw in item.items()}


def _decoded(response: httpx.Response, decode: Callable[[bytes], Any]) -> Any:
    if response.status_code >= 400:
        raise error_of(response)
    try:
        return decode(response.content)
    except msgspec.ValidationError as error:
        raise errors.NotKubernetes(f"{response.url.host} doesn't answer as a Kubernetes API server does") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        if "json" in response.headers.get("Content-Type", ""):
            raise errors.Unreachable("the API server's answer was cut off") from error
        raise errors.NotKubernetes(f"{response.url.host} doesn't answer in JSON") from error


def found(resource: Resource, content: Mapping[str, Any], *, whole: bool) -> Found:
    """The object of this kind that a document shows.

    The document's own kind isn't asked: the items of a list have none, and
    PartialObjectMetadata have that for their kind.
    """
    metadata = content["metadata"]
    ref = resource.ref(str(metadata.get("namespace") or ""), str(metadata["name"]))
    return Found.of(content, ref=ref, whole=whole)


def date(response: httpx.Response) -> datetime | None:
    """When the server answered, by its own clock; None if it has no `Date` header, or none that can be read."""
    try:
        return parsedate_to_datetime(response.headers.get("Date", ""))
    except ValueError:
        return None


def error_of(response: httpx.Response) -> errors.KubeError:
    """The error that an answer with status 400 or above stands for."""
    code = response.status_code
    try:
        status = response.json()
    except (json.JSONDecodeError, UnicodeDecodeError):
        status = None
    if isinstance(status, dict) and status.get("kind") == "Status":
        error = error_of_status(status, code)
    elif code == 404 and response.text.startswith("404 page not found"):
        # What the API server says of the path of a kind it no longer serves.
        error = errors.NotFound(f"the server doesn't serve {response.url.path}", status=404)
    elif code in _TRANSIENT:
        error = errors.Busy(f"HTTP {code}", status=code)
    else:
        message = f"{response.url.host} answers HTTP {code} without a Kubernetes status"
        error = errors.NotKubernetes(message, status=code)
    if isinstance(error, errors.Busy):
        error.retry_after = _retry_after(response.headers.get("Retry-After"))
    return error


def error_of_status(status: Mapping[str, Any], code: int) -> errors.KubeError:
    """The error that a Status object stands for, with the HTTP status it came with."""
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
    return _BY_STATUS.get(code, errors.KubeError)(message, status=code)


def _retry_after(value: str | None) -> float:
    """Seconds of a Retry-After header; 0 without one, or if it is a date, which Kubernetes never sends."""
    return float(value) if value and value.isdigit() else 0.0
