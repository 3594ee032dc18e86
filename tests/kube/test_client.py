"""Lists and deletes of a server that answers, byte for byte, what a test wants."""

from __future__ import annotations

import pytest

from kubectl_glasskube_purge.kube import errors
from kubectl_glasskube_purge.kube.client import Client
from tests.kube.scripted import CONFIG_MAPS, MINE, Server, answer, failure, item, page

# Lists


async def test_a_list_is_read_to_its_last_page(server: Server, client: Client) -> None:
    server.script = [page("a", "b", token="t1", version=7), page("c", version=7)]

    listing = await client.list(CONFIG_MAPS)

    assert [found.ref.name for found in listing.items] == ["a", "b", "c"]
    assert listing.resource_version == "7"
    assert [asked.query.get("continue") for asked in server.asked] == [None, "t1"]


async def test_a_list_whose_continue_token_expired_is_read_anew(server: Server, client: Client) -> None:
    server.script = [page("a", token="t1"), failure(410, reason="Expired"), page("b", token="t2"), page("c")]

    listing = await client.list(CONFIG_MAPS)

    assert [found.ref.name for found in listing.items] == ["b", "c"]


async def test_half_a_list_is_never_taken_for_the_whole(server: Server, client: Client) -> None:
    server.script = [page("a", token="t1"), failure(403)]

    with pytest.raises(errors.Forbidden):
        await client.list(CONFIG_MAPS)


async def test_a_list_that_was_cut_off_is_read_again(server: Server, client: Client) -> None:
    half = page("a", "b")[:-20].split(b"\r\n\r\n", 1)[1]
    head = b"HTTP/1.1 200 X\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(half)
    server.script = [head + half, page("a")]

    assert [found.ref.name for found in (await client.list(CONFIG_MAPS)).items] == ["a"]


async def test_whole_objects_have_everything_but_the_fields_of_their_managers(server: Server, client: Client) -> None:
    manager = {"manager": "helm", "operation": "Update", "subresource": "status"}
    mine = item("a", managedFields=[{**manager, "fieldsV1": {"f:data": {}}}], generation=2) | {"data": {"key": "value"}}
    server.script = [answer({"metadata": {"resourceVersion": "1"}, "items": [mine]})]

    (found,) = (await client.list(CONFIG_MAPS, whole=True)).items

    assert found.body == {**mine, "metadata": {**mine["metadata"], "managedFields": [manager]}}


# Changes that got through though the client saw an error


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        (failure(404, reason="NotFound"), "absent"),
        (failure(409, "Precondition failed: UID in precondition: uid-mine, UID in object meta: x"), "replaced"),
        (answer({"kind": "Status", "status": "Success"}), "accepted"),
    ],
)
async def test_a_delete_that_may_have_got_through_is_sent_again(
    server: Server, client: Client, second: bytes, expected: str
) -> None:
    server.script = [None, second]

    assert await client.delete(MINE, uid="uid-mine") == expected
    assert [asked.body["preconditions"]["uid"] for asked in server.asked] == ["uid-mine"] * 2


async def test_a_namespace_that_refuses_a_second_delete_was_accepted(server: Server, client: Client) -> None:
    dying = item("mine", deletionTimestamp="2026-11-23T09:00:00Z")
    server.script = [failure(409, "The system is ensuring all content is removed"), answer(dying)]

    assert await client.delete(MINE, uid="uid-mine") == "accepted"
