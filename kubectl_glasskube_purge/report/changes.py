"""What a person sees of what isn't a purge, a restore and a labelling: preview and end. Draws; decides nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from rich.console import Group, RenderableType

from kubectl_glasskube_purge.glasskube.facts import PART_OF, PART_OF_LABEL
from kubectl_glasskube_purge.kube.connect import Target
from kubectl_glasskube_purge.kube.wording import kinds, plural
from kubectl_glasskube_purge.purge.model.plan import Action, Plan
from kubectl_glasskube_purge.purge.model.record import Record
from kubectl_glasskube_purge.undo.labels import REMOVAL

from . import human
from .layout import Columns, Heading, Labelled, Node, Tree, text
from .names import seconds
from .preview import FOLD, by_kind, folded, kept, stage_node, warned, with_reason

_NAMED = frozenset({"ClusterPackage", "Package", "Namespace", "Deployment", "PackageRepository", "HelmRelease"})
"""Kinds whose objects people know by name."""


@dataclass(frozen=True)
class Words:
    """How a plan is spoken of."""

    ahead: str
    """Before what will be done: `Restore`."""
    nothing: str
    """Where that is nothing."""


RESTORE = Words("Restore", "Everything exists already.")
LABEL = Words("Label", "Everything is labelled already.")
UNLABEL = Words("Remove the labels of", "Nothing has labels of this program.")


def preview(target: Target, plan: Plan, words: Words, sources: Sequence[str], *, wide: bool = False) -> Group:
    """All that is shown before the question."""
    actions = [action for stage in plan.stages for action in stage.actions]
    rows = [("Cluster", str(target))]
    rows += [("From" if not number else "", source) for number, source in enumerate(sources)]
    parts: list[RenderableType] = [Labelled(rows)]
    if actions:
        number = sum(bool(stage.actions) for stage in plan.stages)
        stages = f" in {plural(number, 'stage')}" if number > 1 else ""
        parts.append(Heading(f"{words.ahead}: {plural(len(actions), 'object')}{stages}"))
        parts.append(_stages(plan, wide))
    else:
        parts.append(Heading(words.nothing))
    if plan.kept and actions:
        parts.append(Heading(f"Keep unchanged: {plural(len(plan.kept), 'object')}"))
        parts.append(kept(plan.kept, wide))
    parts += folded(plan.warnings, wide)
    if words is RESTORE and any(action.ref.kind == "PersistentVolumeClaim" for action in actions):
        parts.append(warned("volumes come back empty: a backup has the claims, not their data"))
    return Group(*parts)


def _stages(plan: Plan, wide: bool) -> Tree:
    stages = [stage for stage in plan.stages if stage.actions]
    parts = _every if wide else _summary
    return Tree([stage_node(i, one.name, len(one.actions), parts(one.actions)) for i, one in enumerate(stages, 1)])


def _every(actions: Iterable[Action]) -> Iterator[Node]:
    return (Node(with_reason(action.ref, action.reason)) for action in actions)


def _summary(actions: Iterable[Action]) -> Iterator[Node]:
    refs = [action.ref for action in actions]
    for count, names in by_kind((ref for ref in refs if ref.kind in _NAMED), FOLD):
        yield Node(count, names)
    if others := [ref for ref in refs if ref.kind not in _NAMED]:
        yield Node("and", kinds(others))


def end(record: Record) -> Group:
    """What a person reads last."""
    if record.outcome in ("done", "nothing-to-do"):
        return Group(*_good_end(record))
    if record.outcome == "incomplete" and record.error is not None:
        parts: list[RenderableType] = [text(f"Not finished (exit {record.exit}): {record.error.message}", "bold red")]
        leftovers = record.verification.leftovers if record.verification else ()
        parts.append(Columns([(leftover.ref.display, leftover.why) for leftover in leftovers]))
        parts.append(Labelled([("Fix", record.error.hint)]))
        return Group(*parts)
    return human.end(record)


def _good_end(record: Record) -> Iterator[RenderableType]:
    done = record.outcome == "done"
    objects = plural(sum(outcome == "applied" for outcome, _ in record.outcomes.values()), "object")
    where = record.context or record.server
    if record.kind == "RestoreReport":
        words = f"Restored to {where}: {objects} in {seconds(record.took)}; all ready."
        yield text(words if done else "Nothing to do: everything exists and is ready.", "bold green" if done else "")
    elif record.plan is not None and record.plan.stages[0].name == REMOVAL:
        yield text(
            f"{objects} in {where} lost {'its label' if objects.startswith('1 ') else 'their labels'}."
            if done
            else UNLABEL.nothing
        )
    else:
        yield text(f"Labelled: {objects} in {where}." if done else f"Nothing to do: {LABEL.nothing.lower()}")
        yield text(f"See them: kubectl get crd,clusterrole,all -A -l {PART_OF_LABEL}={PART_OF}")
