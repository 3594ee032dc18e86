"""Changes to one part of an object that was seen: a finalizer, ownerReferences, an annotation.

Each is a JSON patch that tests the UID and what it replaces, so that it changes
neither another object nor a part that changed since it was read. If a test
fails, the object is read again. Why something is changed is left to the callers.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from typing import Any, Literal

from . import errors
from .client import Client
from .objects import Found, Ref

Outcome = Literal["changed", "unchanged", "absent", "replaced"]
"""`unchanged`: there was nothing to change. `replaced`: another object has the name now, and isn't changed."""

TRIES = 5
"""How often an object is read, if it keeps changing between reading and patching."""


async def remove_finalizer(client: Client, ref: Ref, *, uid: str, finalizer: str) -> Outcome:
    """Removes one finalizer of the object that was seen, and no other.

    For a namespace, `spec.finalizers` count, too. Raises `KubeError`.
    """

    async def change(found: Found) -> bool:
        if finalizer in found.finalizers:
            pointer = f"/metadata/finalizers/{found.finalizers.index(finalizer)}"
            await client.patch(
                ref, [_test("/metadata/uid", uid), _test(pointer, finalizer), {"op": "remove", "path": pointer}]
            )
            return True
        spec = found.get("spec") or {}
        if finalizer not in (spec.get("finalizers") or ()):
            return False
        # These have a subresource. It takes the whole namespace, and only if it is as it was found.
        rest = [name for name in spec["finalizers"] if name != finalizer]
        path = f"{client.served(ref).path(name=ref.name)}/finalize"
        await client.request("PUT", path, body={**found.body, "spec": {**spec, "finalizers": rest}})
        return True

    return await _edit(client, ref, uid, change, whole=ref.group_kind == ("", "Namespace"))


async def remove_owners(
    client: Client, ref: Ref, *, uid: str, owners: Collection[str], label: tuple[str, str]
) -> Outcome:
    """Removes the ownerReferences with these UIDs from the object that was seen, and sees that they are gone.

    The label is removed with them, if it has that value. Raises `KubeError`.
    """

    async def change(found: Found) -> bool:
        if not found.owned_by(owners):
            return False
        references = found.get("metadata", "ownerReferences")
        left = [reference for reference in references if reference["uid"] not in owners]
        pointer = "/metadata/ownerReferences"
        operations = [
            _test("/metadata/uid", uid),
            _test(pointer, references),
            {"op": "replace", "path": pointer, "value": left},
        ]
        key, value = label
        if found.labels.get(key) == value:
            pointer = f"/metadata/labels/{_pointer(key)}"
            operations += [_test(pointer, value), {"op": "remove", "path": pointer}]
        patched = await client.patch(ref, operations)
        if patched.owned_by(owners):
            raise errors.Conflict(f"the ownerReferences of {ref.display} were set again")
        return True

    return await _edit(client, ref, uid, change, whole=True)


def setting(uid: str, path: str, value: Any) -> list[dict[str, Any]]:
    """A JSON patch that sets one field of the very object that was seen, whether it has the field or not."""
    return [_test("/metadata/uid", uid), {"op": "add", "path": path, "value": value}]


async def annotate(client: Client, ref: Ref, *, uid: str, key: str, value: str) -> None:
    """Sets one annotation of the object that was seen, and no other.

    Raises `NotFound`, `Conflict` (it keeps changing, or is another object now), and the other `KubeError`s.
    """

    async def change(found: Found) -> bool:
        if found.annotations.get(key) == value:
            return False
        await client.patch(ref, annotation(found, key, value))
        return True

    outcome = await _edit(client, ref, uid, change)
    if outcome == "absent":
        raise errors.NotFound(f"{ref.display} is gone")
    if outcome == "replaced":
        raise errors.Conflict(f"{ref.display} is another object now")


async def remove_annotation(client: Client, ref: Ref, *, uid: str, key: str) -> Outcome:
    """Removes one annotation of the object that was seen. Raises `KubeError`."""

    async def change(found: Found) -> bool:
        if key not in found.annotations:
            return False
        remove = {"op": "remove", "path": f"/metadata/annotations/{_pointer(key)}"}
        await client.patch(ref, [*_unchanged(found), remove])
        return True

    return await _edit(client, ref, uid, change)


def annotation(found: Found, key: str, value: str) -> list[dict[str, Any]]:
    """The JSON patch that sets an annotation, if nothing of the object has changed since it was read."""
    empty = [] if found.annotations else [{"op": "add", "path": "/metadata/annotations", "value": {}}]
    add = {"op": "add", "path": f"/metadata/annotations/{_pointer(key)}", "value": value}
    return [*_unchanged(found), *empty, add]


async def _edit(
    client: Client, ref: Ref, uid: str, change: Callable[[Found], Awaitable[bool]], *, whole: bool = False
) -> Outcome:
    """Changes an object as it is found, and reads it again if it changed meanwhile.

    `change` sends what is to be changed, and returns False if there is nothing.
    """
    for _ in range(TRIES):
        found = await client.get(ref, whole=whole)
        if found is None:
            return "absent"
        if found.uid != uid:
            return "replaced"
        try:
            return "changed" if await change(found) else "unchanged"
        except errors.NotFound:
            return "absent"
        except (errors.Invalid, errors.Conflict):
            continue
    raise errors.Conflict(f"{ref.display} changes faster than it can be patched")


def _test(pointer: str, value: Any) -> dict[str, Any]:
    return {"op": "test", "path": pointer, "value": value}


def _unchanged(found: Found) -> list[dict[str, Any]]:
    """JSON patch tests that hold only for the very object that was found, as it was found."""
    return [_test("/metadata/uid", found.uid), _test("/metadata/resourceVersion", found.resource_version)]


def _pointer(key: str) -> str:
    """A key as a JSON pointer has it (RFC 6901)."""
    return key.replace("~", "~0").replace("/", "~1")
