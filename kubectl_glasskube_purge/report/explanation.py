"""The answer of `explain`, for people and for scripts. Its fields are a contract, `explanation.schema.json`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.console import Group, RenderableType

from kubectl_glasskube_purge.purge.judge.explain import Explanation
from kubectl_glasskube_purge.purge.model.record import Record

from .document import API_VERSION, error, identity
from .layout import Heading, Paragraph, text

_VERDICTS = {
    "deleted": "would be deleted",
    "goes-along": "would go",
    "detached": "would stay, although its owner goes",
    "stays": "would stay",
}


def document(answer: Explanation | None, record: Record) -> dict[str, Any]:
    """The answer as data, with `error` if there is none."""
    made: dict[str, Any] = {"apiVersion": API_VERSION, "kind": "Explanation", "context": record.context}
    if answer is not None:
        made |= {
            "object": identity(answer.ref),
            "verdict": answer.verdict,
            "stage": answer.stage,
            "reasons": list(answer.reasons),
            "evidence": list(answer.evidence),
            "refusals": list(answer.refusals),
        }
    if record.error is not None:
        made["error"] = error(record.error)
    return made


def human(answer: Explanation) -> Group:
    """The answer for people."""
    return Group(*_human(answer))


def _human(answer: Explanation) -> Iterator[RenderableType]:
    stage = f" in stage {answer.stage}" if answer.stage else ""
    yield text(f"{answer.ref.display} {_VERDICTS[answer.verdict]}{stage}:", "bold")
    for reason in answer.reasons:
        yield Paragraph(reason, "  ", "    ")
    if answer.evidence:
        yield Heading("What was seen")
        for evidence in answer.evidence:
            yield Paragraph(evidence, "  ", "    ")
    if answer.refusals:
        yield Heading("As things are, the purge would not begin", "bold yellow")
        for refusal in answer.refusals:
            yield Paragraph(refusal, "  ", "    ")
