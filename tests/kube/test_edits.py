"""Changes to one part of an object, some of which got through though the client saw an error."""

from __future__ import annotations

import pytest

from kubectl_glasskube_purge.kube import edits, errors
from kubectl_glasskube_purge.kube.client import Client
from kubectl_glasskube_purge.kube.discovery import Discovery
from kubectl_glasskube_purge.kube.objects import Found, Ref
from kubectl_glasskube_purge.kube.resources import Resource
from tests.kube.scripted import MINE, Asked, Server, answer, failure, item


async def test_a_finalizer_that_was_taken_off_unseen_is_off(server: Server, client: Client) -> None:
    server.script = [
        answer(item("mine", finalizers=["other", "mine"])),
        None,  # the patch got through, its answer didn't
        failure(422, "the server rejected our request: testing value failed"),
        answer(item("mine", finalizers=["other"])),
    ]

    assert await edits.remove_finalizer(client, MINE, uid="uid-mine", finalizer="mine") == "unchanged"
    patches = [asked.body for asked in server.asked if asked.method == "PATCH"]
    assert {"op": "test", "path": "/metadata/finalizers/1", "value": "mine"} in patches[0]


async def test_an_annotation_that_was_set_unseen_is_set(server: Server, client: Client) -> None:
    server.script = [
        answer(item("mine")),
        None,
        failure(422, "testing value failed"),
        answer(item("mine", 2, annotations={"a": "b"})),
        answer(item("mine", 2, annotations={"a": "b"})),
    ]

    await edits.annotate(client, MINE, uid="uid-mine", key="a", value="b")

    assert [asked.method for asked in server.asked] == ["GET", "PATCH", "PATCH", "GET"]
    found = await client.get(MINE)
    assert isinstance(found, Found)
    assert found.annotations == {"a": "b"}


async def test_what_changes_all_the_time_is_given_up(server: Server, client: Client) -> None:
    def answered(asked: Asked) -> bytes:
        return answer(item("mine")) if asked.method == "GET" else failure(422, "testing value failed")

    server.script = [answered]

    with pytest.raises(errors.Conflict, match="changes faster"):
        await edits.annotate(client, MINE, uid="uid-mine", key="a", value="b")


async def test_another_object_of_the_same_name_is_left_alone(server: Server, client: Client) -> None:
    server.script = [answer(item("mine", uid="another", finalizers=["mine"], annotations={"a": "b"}))]
    label = ("app", "x")

    assert await edits.remove_finalizer(client, MINE, uid="uid-mine", finalizer="mine") == "replaced"
    assert await edits.remove_owners(client, MINE, uid="uid-mine", owners={"u"}, label=label) == "replaced"
    assert await edits.remove_annotation(client, MINE, uid="uid-mine", key="a") == "replaced"
    with pytest.raises(errors.Conflict, match="another object"):
        await edits.annotate(client, MINE, uid="uid-mine", key="a", value="b")
    assert {asked.method for asked in server.asked} == {"GET"}


async def test_a_finalizer_of_a_namespaces_spec_is_taken_off_where_it_stands(server: Server, client: Client) -> None:
    namespace = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": "shop", "uid": "uid-shop", "resourceVersion": "7"},
        "spec": {"finalizers": ["kubernetes", "example.com/x"]},
    }
    ref = Ref("", "Namespace", "", "shop", "v1")
    client.discovery = Discovery((Resource("", "v1", "Namespace", "namespaces", False),))
    server.script = [answer(namespace), failure(409), answer(namespace)]

    assert await edits.remove_finalizer(client, ref, uid="uid-shop", finalizer="example.com/x") == "changed"

    assert [asked.method for asked in server.asked] == ["GET", "PUT", "GET", "PUT"]
    assert server.asked[-1].path == "/api/v1/namespaces/shop/finalize"
    assert server.asked[-1].body == {**namespace, "spec": {"finalizers": ["kubernetes"]}}


async def test_owners_that_are_set_again_at_once_are_taken_off_again(server: Server, client: Client) -> None:
    owned = item("mine", ownerReferences=[{"uid": "u"}, {"uid": "stays"}], labels={"app": "x"})
    free = item("mine", ownerReferences=[{"uid": "stays"}])
    server.script = [answer(owned), answer(owned), answer(owned), answer(free)]

    outcome = await edits.remove_owners(client, MINE, uid="uid-mine", owners={"u"}, label=("app", "x"))

    assert outcome == "changed"
    patches = [asked.body for asked in server.asked if asked.method == "PATCH"]
    assert len(patches) == 2
    assert {"op": "replace", "path": "/metadata/ownerReferences", "value": [{"uid": "stays"}]} in patches[1]
    assert {"op": "remove", "path": "/metadata/labels/app"} in patches[1]
