"""What `version` and `verify` say of a cluster: what can't be read is never taken for absent."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from kubectl_glasskube_purge.flows import verify
from kubectl_glasskube_purge.kube.connect import Flags
from kubectl_glasskube_purge.purge.model.record import Record
from kubectl_glasskube_purge.purge.model.survey import Survey, Unreadable
from kubectl_glasskube_purge.report.document import document
from tests.purge.clusters import installed
from tests.report.plans import record


def seen(monkeypatch: pytest.MonkeyPatch, survey: Survey) -> None:
    @contextlib.asynccontextmanager
    async def connected(*_: object) -> AsyncIterator[Any]:
        yield None

    async def surveyed(_: object, kept: Record, *__: object) -> Survey:
        kept.survey = survey
        return survey

    monkeypatch.setattr(verify, "connected", connected)
    monkeypatch.setattr(verify, "surveyed", surveyed)


@pytest.mark.parametrize("unreadable", [(), (Unreadable("pods", "forbidden"),)])
async def test_a_version_that_cant_be_read_is_not_a_glasskube_that_isnt_there(
    monkeypatch: pytest.MonkeyPatch, unreadable: tuple[Unreadable, ...]
) -> None:
    seen(monkeypatch, Survey(unreadable=unreadable))
    kept = record(Survey())
    kept.error = None
    await verify.detect(Flags(), kept)
    assert (kept.error is not None) is bool(unreadable)
    if kept.error is not None:
        assert kept.error.code == "unreadable"
        assert kept.exit == 5


async def test_verify_reports_the_flux_that_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    survey = installed("plain", packages=1).survey()
    seen(monkeypatch, survey)
    kept = record(survey)
    kept.plan = None
    await verify.look(Flags(), kept)
    assert document(kept)["flux"]["decision"] == "delete"
    assert document(kept)["flux"]["evidence"]
