"""The preview of a purge: what goes, what can't be brought back, what stays. Draws; decides nothing.

A tree of the stages that folds what is alike and says the counts; with `wide`
every object, hung on the one it goes with, with the reason.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TypeVar

from rich.console import Group, RenderableType
from rich.text import Text

from kubectl_glasskube_purge.glasskube import facts
from kubectl_glasskube_purge.kube.connect import Target
from kubectl_glasskube_purge.kube.objects import Found, Ref
from kubectl_glasskube_purge.kube.wording import displayed, kinds, plural, some
from kubectl_glasskube_purge.purge.judge import guard
from kubectl_glasskube_purge.purge.model.plan import Action, Consequence, Kept, Plan, Stage
from kubectl_glasskube_purge.purge.model.survey import Survey

from .layout import Columns, Heading, Labelled, Node, Paragraph, Tree, text

T = TypeVar("T")

FOLD = 6
"""Of a list in the preview, what is shown before the rest is only counted."""

_WORKLOADS = frozenset(
    {("apps", "Deployment"), ("apps", "StatefulSet"), ("apps", "DaemonSet"), ("batch", "Job"), ("batch", "CronJob")}
)
_VERBS = {
    "apply": "changed first",
    "detach": "detached, to stay",
    "hand-over": "handed over",
    "keep": "kept",
    "release-finalizer": "finalizer dropped",
}
"""What becomes of an object that isn't deleted by request."""

_WITH_IT = {
    "owner": "owned by it",
    "namespace": "in it",
    "definition": "an instance of it",
    "helm": "installed by it",
    "chart": "its chart",
}


@dataclass(frozen=True)
class Header:
    """What the preview says before the plan."""

    target: Target
    manifest: str
    installed: str = ""
    backup: str = ""
    """Where what goes is written down first; `""` where it isn't."""


def preview(header: Header, survey: Survey, plan: Plan, *, wide: bool = False) -> Group:
    """All that is shown before the question, in the order in which it matters."""
    return Group(*_parts(header, survey, plan, wide))


def _parts(header: Header, survey: Survey, plan: Plan, wide: bool) -> Iterator[RenderableType]:
    yield head(header, survey)
    yield Heading(_headline(plan))
    yield Tree([_stage(number, stage, wide) for number, stage in enumerate(_busy(plan), 1)])
    finalizers = [a for stage in plan.stages for a in stage.actions if a.verb == "release-finalizer"]
    if finalizers and not wide:
        yield Heading("Finalizers that nobody else would drop")
        yield from _listed([(a.ref.display, a.reason) for a in finalizers], wide)
    if plan.lost:
        yield Heading("Can't be brought back", "bold red")
        yield from _listed([(lost.ref.display, lost.what) for lost in plan.lost], wide)
    if plan.kept:
        yield Heading("Stays")
        yield columns(kept_rows(plan.kept, wide))
    if plan.flux != "absent":
        yield from _flux(plan)
    if plan.warnings:
        yield Text()
    for warning in plan.warnings:
        yield warned(warning.message)
    yield Text()
    yield Labelled(list(_backup(header.backup)))


def _busy(plan: Plan) -> list[Stage]:
    return [stage for stage in plan.stages if stage.actions]


def _headline(plan: Plan) -> str:
    followers = sum(len(stage.consequences) for stage in plan.stages)
    line = f"Will be deleted: {plural(len(plan.deletes), 'object')} in {plural(len(_busy(plan)), 'stage')}"
    return f"{line}, and {followers} that {'goes' if followers == 1 else 'go'} with them" if followers else line


def head(header: Header, survey: Survey) -> Labelled:
    """Which cluster, which Glasskube, and what the plan was made by."""
    version = survey.version.version or "unknown version"
    how = "" if survey.version.detected_by.startswith("image") else f" (told by {survey.version.detected_by})"
    operator = survey.operator
    state = f"operator {operator.state}" + (f" ({operator.why})" if operator.why else "")
    installed = f", installed {header.installed}" if header.installed else ""
    return labelled(
        ("Cluster", str(header.target)),
        ("Glasskube", f"{version}{how}{installed}; {state}"),
        ("Manifest", header.manifest),
    )


def installed_words(namespace: Found | None) -> str:
    """`2025-02-11 by glasskube bootstrap`, as the namespace tells it; `""` where nothing does."""
    if namespace is None or not namespace.created:
        return ""
    if facts.FIELD_MANAGER in namespace.managers:
        by = "glasskube bootstrap"
    else:
        by = some(namespace.managers) or "somebody unknown"
    return f"{namespace.created[:10]} by {by}"


# -- the tree


def _stage(number: int, stage: Stage, wide: bool) -> Node:
    children = list(_every(stage) if wide else _summary(stage))
    title = Text.assemble((f"{number} {stage.name}", "bold"), (f"  {len(stage.deletes)}", "cyan"))
    return Node(title, children=children)


def _every(stage: Stage) -> Iterator[Node]:
    """Every object, hung on the one it goes with."""
    by_cause: dict[Ref, list[Consequence]] = {}
    for consequence in stage.consequences:
        by_cause.setdefault(consequence.because, []).append(consequence)

    def hung_on(ref: Ref) -> list[Node]:
        return [
            Node(_with_reason(c.found.ref, _WITH_IT[c.rule]), children=hung_on(c.found.ref))
            for c in by_cause.pop(ref, ())
        ]

    for action in stage.actions:
        verb = "" if action.verb == "delete" else f"{_VERBS[action.verb]}: "
        followers = hung_on(action.ref) if action.verb == "delete" else []
        yield Node(_with_reason(action.ref, f"{verb}{action.reason}"), children=followers)
    # What goes because of an object of another stage.
    for consequence in [c for causes in by_cause.values() for c in causes]:
        yield Node(_with_reason(consequence.found.ref, consequence.reason))


def _with_reason(ref: Ref, reason: str) -> Text:
    return Text.assemble(text(ref.display), "  ", text(reason, "dim"))


def _summary(stage: Stage) -> Iterator[Node]:
    for verb, group in groupby(sorted(stage.actions, key=lambda a: a.verb), key=lambda a: a.verb):
        if verb not in ("delete", "release-finalizer"):
            yield _others(verb, list(group))
    deletes = [action.ref for action in stage.deletes]
    summaries = {"controllers": _controllers, "definitions": _definitions, "namespaces": _namespaces}
    yield from summaries.get(stage.name, _by_kind)(deletes)
    if stage.consequences:
        yield Node(text("and with them"), text(_with_them(stage.consequences)))


def _others(verb: str, actions: Sequence[Action]) -> Node:
    reasons = {action.reason for action in actions}
    why = f" ({reasons.pop()})" if len(reasons) == 1 else ""
    return Node(text(f"{len(actions)} {_VERBS[verb]}"), text(displayed(a.ref for a in actions) + why))


def _by_kind(refs: Iterable[Ref]) -> Iterator[Node]:
    return (Node(count, names) for count, names in by_kind(refs, FOLD))


def by_kind(refs: Iterable[Ref], fold: int) -> Iterator[tuple[Text, Text]]:
    """How many there are of each kind, and the names of the first of them."""
    for kind, group in groupby(sorted(refs, key=lambda ref: ref.kind), key=lambda ref: ref.kind):
        names = [f"{ref.namespace}/{ref.name}" if ref.namespace else ref.name for ref in group]
        shown = "" if kind == facts.PACKAGE_INFO.kind else some(names, fold)
        yield text(plural(len(names), kind)), text(shown)


def _controllers(refs: Sequence[Ref]) -> Iterator[Node]:
    flux = guard.flux_refs()
    theirs = [ref for ref in refs if ref in flux]
    ours = [ref for ref in refs if ref not in flux]
    names = {ref.name for ref in ours}
    parts = ["operator"] * (facts.OPERATOR_DEPLOYMENT in names)
    parts += ["auto-updater"] * (facts.AUTOUPDATER in names)
    parts += ["webhook"] * (facts.WEBHOOK_CONFIGURATION in names)
    if ours:
        yield Node(text(f"{len(ours)} of Glasskube"), text(_with_rbac(parts, ours)))
    if theirs:
        controllers = [ref.name for ref in theirs if ref.kind == "Deployment"]
        yield Node(text(f"{len(theirs)} of Flux"), text(_with_rbac(controllers, theirs)))


def _with_rbac(parts: Sequence[str], refs: Iterable[Ref]) -> str:
    named = [*parts] + ["RBAC"] * any(ref.group == "rbac.authorization.k8s.io" for ref in refs)
    return ", ".join(named) or kinds(refs)


def _definitions(refs: Sequence[Ref]) -> Iterator[Node]:
    for whose, ours in (("Glasskube", True), ("Flux", False)):
        names = [ref.name.partition(".")[0] for ref in refs if ref.name.endswith("." + facts.GROUP) == ours]
        if names:
            yield Node(text(f"{len(names)} of {whose}"), text(some(names, FOLD)))


def _namespaces(refs: Iterable[Ref]) -> Iterator[Node]:
    for ref in refs:
        yield Node(text(ref.name))


def _with_them(consequences: Iterable[Consequence]) -> str:
    refs = [consequence.found.ref for consequence in consequences]
    groups = [
        ("Namespace", [ref for ref in refs if ref.kind == "Namespace"]),
        ("HelmRelease", [ref for ref in refs if ref.group_kind == facts.HELM_RELEASE.group_kind]),
        ("workload", [ref for ref in refs if ref.group_kind in _WORKLOADS]),
    ]
    counted = sum(len(members) for _, members in groups)
    words = [plural(len(members), noun) for noun, members in groups if members]
    if not words:
        return kinds(refs)
    return ", ".join(words + [f"{len(refs) - counted} more objects"] * (len(refs) > counted))


# -- the lists


def columns(rows: Iterable[tuple[str, str]]) -> Columns:
    """Indented lines of what and why."""
    return Columns([(text(left), text(right)) for left, right in rows])


def labelled(*lines: tuple[str, str]) -> Labelled:
    """Lines with a label before each."""
    return Labelled([(label, text(value)) for label, value in lines])


def warned(message: str) -> Paragraph:
    """A warning."""
    return Paragraph(text(f"Warning: {message}", "yellow"), following="  ")


def kept_rows(kept: Sequence[Kept], wide: bool = False) -> Iterator[tuple[str, str]]:
    """What stays, folded where many stay for the same reason."""
    by_reason: dict[str, list[Kept]] = {}
    for one in kept:
        by_reason.setdefault(one.why, []).append(one)
    for why, group in by_reason.items():
        if wide or len(group) <= 3:
            yield from ((one.ref.display, why) for one in group)
        else:
            yield f"{len(group)} objects", f"{why} ({kinds(one.ref for one in group)})"


def _listed(rows: Sequence[tuple[str, str]], wide: bool) -> Iterator[RenderableType]:
    shown = rows if wide else rows[:FOLD]
    yield columns(shown)
    if len(shown) < len(rows):
        yield Paragraph(text(f"and {len(rows) - len(shown)} more (-o wide shows all)"), "  ", "  ")


def _flux(plan: Plan) -> Iterator[RenderableType]:
    yield Heading({"delete": "Flux will be deleted", "keep": "Flux stays"}[plan.flux])
    against = [evidence.text for evidence in plan.verdict.evidence if evidence.against]
    supporting = [evidence.text for evidence in plan.verdict.evidence if not evidence.against]
    for line in against or supporting:
        yield Paragraph(text(line), "  ", "  ")


def _backup(file: str) -> Iterator[tuple[str, Text]]:
    if not file:
        yield "Backup", text("none (--no-backup): nothing of this can be put back", "yellow")
        return
    yield "Backup", text("stdout" if file == "-" else tilde(file))
    yield "", text("Helm releases and workloads are re-created by the controllers, not restored")


def tilde(path: str) -> str:
    """A path as people write it, with `~` for their home."""
    home = str(Path.home())
    return f"~{path[len(home) :]}" if path.startswith(home + os.sep) else path
