"""What a purge asks on a terminal, and what becomes of the answers."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest

from kubectl_glasskube_purge.flows import purge as flow
from kubectl_glasskube_purge.flows import rights
from kubectl_glasskube_purge.flows.run import Screen, new_record
from kubectl_glasskube_purge.glasskube.release import Sources
from kubectl_glasskube_purge.purge.model.plan import Options, Plan
from kubectl_glasskube_purge.purge.model.record import Record
from tests.purge.clusters import installed
from tests.report.plans import TARGET

KEEP = "Keep these packages running?"
DELETE = "Delete these packages although they are in use?"
PURGE = "Delete Glasskube"


class Answers:
    """A screen that answers questions in turn, and refuses to answer more."""

    def __init__(self, answers: Sequence[bool | None]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []
        self.noted: list[str] = []
        self.previewed: list[Plan] = []

    def ask(self, question: str) -> bool | None:
        self.asked.append(PURGE if question.startswith(PURGE) else question)
        return self.answers.pop(0)

    def note(self, message: str) -> None:
        self.noted.append(message)

    def preview(self, target: object, survey: object, plan: Plan, *said: str) -> None:
        self.previewed.append(plan)


async def purged(
    monkeypatch: pytest.MonkeyPatch, answers: Sequence[bool | None], **request: Any
) -> tuple[Answers, Record]:
    """A purge up to its first change, of a cluster where a team has an object of a package's kind."""
    cluster = installed("crd", packages=1)
    (group, kind) = next(kind for name, kind in cluster.defines.items() if name.startswith("gadgets."))
    cluster.theirs(group, kind, "mine", "shop")
    client = SimpleNamespace(connection=SimpleNamespace(target=TARGET))

    @contextlib.asynccontextmanager
    async def connected(*_: object) -> AsyncIterator[Any]:
        yield client

    async def surveyed(_: object, record: Record, *__: object, all_of_flux: bool) -> Any:
        record.survey = cluster.survey()
        return record.survey

    async def missing_rights(*_: object) -> tuple[()]:
        return ()

    for one in (connected, surveyed):
        monkeypatch.setattr(flow, one.__name__, one)
    monkeypatch.setattr(rights, "missing_rights", missing_rights)
    screen, record = Answers(answers), new_record()
    await flow.purge(flow.Request(sources=Sources(offline=True), **request), cast("Screen", screen), record)
    return screen, record


@pytest.mark.parametrize(
    ("answers", "asked", "decision"),
    [
        ((True, False), [KEEP, PURGE], "keep"),
        ((False, True, False), [KEEP, DELETE, PURGE], "delete"),
    ],
)
async def test_used_packages_are_asked_about_first_and_the_purge_is_asked_about_all_the_same(
    monkeypatch: pytest.MonkeyPatch, answers: Sequence[bool], asked: list[str], decision: str
) -> None:
    screen, record = await purged(monkeypatch, answers)
    assert screen.asked == asked
    assert any("pkg0" in text and "1 Gadget" in text for text in screen.noted)
    (plan,) = screen.previewed
    assert [one.decision for one in plan.packages] == [decision]
    assert record.outcome == "declined"


async def test_neither_kept_nor_deleted_is_declined_without_another_question(monkeypatch: pytest.MonkeyPatch) -> None:
    screen, record = await purged(monkeypatch, (False, False))
    assert screen.asked == [KEEP, DELETE]
    assert not screen.previewed
    assert record.outcome == "declined"


@pytest.mark.parametrize(("request_", "asked"), [({}, [KEEP]), ({"yes": True}, []), ({"dry_run": True}, [])])
async def test_without_an_answer_a_used_package_is_refused(
    monkeypatch: pytest.MonkeyPatch, request_: dict[str, bool], asked: list[str]
) -> None:
    """No terminal, `--yes` and a dry run decide nothing."""
    screen, record = await purged(monkeypatch, (None,), **request_)
    assert screen.asked == asked
    assert record.outcome == "refused"
    assert record.error is not None
    assert record.error.code == "package-in-use"
    assert [one.decision for one in screen.previewed[0].packages] == ["undecided"]


class _Surveyed(Exception):
    pass


@pytest.mark.parametrize("choice", ["auto", "delete"])
async def test_whatever_others_have_of_flux_is_listed_if_flux_is_deleted_by_consent(
    monkeypatch: pytest.MonkeyPatch, choice: str
) -> None:
    """Then it is deleted, too."""

    @contextlib.asynccontextmanager
    async def connected(*_: object) -> AsyncIterator[Any]:
        yield None

    async def surveyed(*_: object, all_of_flux: bool) -> None:
        raise _Surveyed(all_of_flux)

    monkeypatch.setattr(flow, "connected", connected)
    monkeypatch.setattr(flow, "surveyed", surveyed)
    with pytest.raises(_Surveyed) as seen:
        await flow.purge(flow.Request(options=Options(flux=choice)), cast("Screen", Answers(())), new_record())
    assert seen.value.args == (choice == "delete",)
