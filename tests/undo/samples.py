"""Objects, surveys and plans for the tests of the way back, made of as little as they need."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kubectl_glasskube_purge.kube.objects import Found, Ref
from kubectl_glasskube_purge.purge.model.plan import Action, Consequence, Plan, Stage

Object = dict[str, Any]


def document(api_version: str, kind: str, name: str, namespace: str = "", **rest: Any) -> Object:
    """An object as a manifest has it; `metadata` in `rest` is added to its metadata."""
    metadata: Object = {"name": name, **({"namespace": namespace} if namespace else {}), **rest.pop("metadata", {})}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **rest}


def live(item: Mapping[str, Any], *, manager: str = "kubectl", uid: str = "") -> Found:
    """An object as the API server returns it: with what it fills in."""
    metadata = {
        "uid": uid or f"uid-of-{item['kind']}-{item['metadata']['name']}",
        "resourceVersion": "1234",
        "generation": 2,
        "creationTimestamp": "2025-02-11T08:00:00Z",
        "managedFields": [{"manager": manager, "operation": "Update", "apiVersion": "v1", "fieldsV1": {}}],
        **item["metadata"],
    }
    return Found.of({**item, "metadata": metadata})


def owner(found: Found, **more: Any) -> Object:
    """An ownerReference to an object."""
    return {
        "apiVersion": found.ref.api_version,
        "kind": found.ref.kind,
        "name": found.ref.name,
        "uid": found.uid,
        **more,
    }


def plan(
    *deleted: Found, taken: Mapping[Found, tuple[Found, str]] | None = None, detached: tuple[Found, ...] = ()
) -> Plan:
    """A plan that deletes objects; `taken` goes with one of them, by a rule."""
    consequences = [
        Consequence(found, because.ref, rule, because.ref) for found, (because, rule) in (taken or {}).items()
    ]
    actions = [Action("delete", found, "because", level=number) for number, found in enumerate(deleted)]
    actions += [Action("detach", found, "because") for found in detached]
    return Plan(stages=(Stage("packages", tuple(actions), tuple(consequences)),))


def bodies(*found: Found) -> Mapping[Ref, Found]:
    """Objects as they are read whole."""
    return {one.ref: one for one in found}
