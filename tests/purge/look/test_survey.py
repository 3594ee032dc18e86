"""What a survey makes of requests that fail: an unreadable kind is never taken for an empty one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

import pytest

from kubectl_glasskube_purge.kube import errors
from kubectl_glasskube_purge.kube.client import PAGE, Client, Discovery, Listing, Resource
from kubectl_glasskube_purge.kube.objects import Found
from kubectl_glasskube_purge.purge.look.survey import revisit

LEASES = Resource("coordination.k8s.io", "v1", "Lease", "leases", True, frozenset({"list", "delete"}))
SECRETS = Resource("", "v1", "Secret", "secrets", True, frozenset({"list", "delete"}))


class Failing:
    """A client whose lists of Leases fail."""

    def __init__(self, error: errors.KubeError) -> None:
        self.error = error
        self.asked: list[tuple[Resource, str]] = []
        self.discovery = Discovery((LEASES, SECRETS))
        self.retry_seconds = 0.0
        self.hurry = asyncio.Event()

    async def discover(self) -> Discovery:
        return self.discovery

    async def list(self, resource: Resource, *, namespace: str, whole: bool, keep: Callable[[Found], bool]) -> Listing:
        self.asked.append((resource, namespace))
        if resource == LEASES:
            raise self.error
        found = Found(resource.ref(namespace, "mine"), "uid-1", "7")
        return Listing(resource, tuple(one for one in (found,) if keep(one)), "8")


def failing(error: errors.KubeError) -> Client:
    return cast("Client", Failing(error))


async def test_a_kind_that_cant_be_listed_is_unreadable_and_the_others_are_read() -> None:
    survey = await revisit(failing(errors.Forbidden("no list for you")), (), ["shop"], {})
    assert [(one.what, one.why, one.kind) for one in survey.unreadable] == [
        ("leases.coordination.k8s.io", "no list for you", LEASES.group_kind)
    ]
    assert [ref.display for ref in survey.objects] == ["secret/mine -n shop"]


async def test_a_survey_ends_with_the_credentials() -> None:
    with pytest.raises(errors.Unauthorized):
        await revisit(failing(errors.Unauthorized("expired")), (), ["shop"], {})


async def test_several_namespaces_are_read_by_one_list_unless_a_kind_has_many_objects_elsewhere() -> None:
    client = failing(errors.Forbidden("no list for you"))

    await revisit(client, (), ["shop", "team"], {SECRETS.group_kind: 2 * PAGE, LEASES.group_kind: 10})

    assert cast("Failing", client).asked == [(LEASES, ""), (SECRETS, "shop"), (SECRETS, "team")]
