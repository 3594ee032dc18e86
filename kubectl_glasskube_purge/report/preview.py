"""The preview of a purge: what goes, what can't be brought back, what stays. Draws; decides nothing.

A tree of the stages that folds what is alike and says the counts; with `wide`
every object, hung on the one it goes with, with the reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from rich.console import Group, RenderableType
from rich.text import Text

from kubectl_glasskube_purge.glasskube import facts, inventory
from kubectl_glasskube_purge.kube.connect import Target
from kubectl_glasskube_purge.kube.objects import Found, Ref
from kubectl_glasskube_purge.kube.wording import displayed, kinds, plural, some
from kubectl_glasskube_purge.purge.model.plan import Action, Consequence, Kept, Plan, Stage
from kubectl_glasskube_purge.purge.model.survey import Survey

from .layout import Columns, Heading, Labelled, Node, Paragraph, Tree, joined, text
from .names import short, tilde

FOLD = 6
"""Of a list in the preview, what is shown before the rest is only counted."""

DEEPEST = 20
"""Levels at which an object hangs on another."""

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

_FATES = {"keep": "kept", "delete": "deleted", "undecided": "not decided"}
"""What becomes of a package."""

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
    actions = (action for stage in plan.stages for action in stage.actions if action.verb == "release-finalizer")
    finalizers = [action for action in actions if action.finalizer != facts.PACKAGE_FINALIZER]
    if finalizers and not wide:
        yield Heading("Finalizers that nobody else would drop")
        yield from listed([(a.ref.display, a.reason) for a in finalizers], FOLD, wide)
    used = [(one.name, f"{_FATES[one.decision]}: {use.words}") for one in plan.packages for use in one.uses]
    if used:
        yield Heading("Packages that others rely on")
        yield from listed(used, 2 * FOLD, wide)
    if plan.lost:
        yield Heading("Can't be brought back", "bold red")
        yield from listed([(lost.ref.display, lost.what) for lost in plan.lost], FOLD, wide)
    if plan.kept:
        yield Heading("Stays")
        yield kept(plan.kept, wide)
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
    return Labelled(
        [
            ("Cluster", str(header.target)),
            ("Glasskube", f"{version}{how}{installed}; {state}"),
            ("Manifest", header.manifest),
        ]
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
    return stage_node(number, stage.name, len(stage.deletes), _every(stage) if wide else _summary(stage))


def stage_node(number: int, name: str, count: int, children: Iterable[Node]) -> Node:
    """A stage with what hangs on it."""
    return Node(joined(text(f"{number} {name}", "bold"), text(f"  {count}", "cyan")), children=list(children))


def _every(stage: Stage) -> Iterator[Node]:
    """Every object, hung on the one it goes with."""
    by_cause: dict[Ref, list[Consequence]] = {}
    for consequence in stage.consequences:
        by_cause.setdefault(consequence.because, []).append(consequence)

    def hung_on(ref: Ref, depth: int = 0) -> list[Node]:
        causes = by_cause.pop(ref, ()) if depth < DEEPEST else ()
        return [
            Node(with_reason(c.found.ref, _WITH_IT[c.rule]), children=hung_on(c.found.ref, depth + 1)) for c in causes
        ]

    for action in stage.actions:
        verb = "" if action.verb == "delete" else f"{_VERBS[action.verb]}: "
        followers = hung_on(action.ref) if action.verb == "delete" else []
        yield Node(with_reason(action.ref, f"{verb}{action.reason}"), children=followers)
    # What goes because of an object of another stage, and what would hang too deep to be read.
    for consequence in [c for causes in by_cause.values() for c in causes]:
        yield Node(with_reason(consequence.found.ref, consequence.reason))


def with_reason(ref: Ref, reason: str) -> Text:
    """An object, and why."""
    return joined(text(ref.display), "  ", text(reason, "dim"))


def _summary(stage: Stage) -> Iterator[Node]:
    for verb, group in groupby(sorted(stage.actions, key=lambda a: a.verb), key=lambda a: a.verb):
        if verb not in ("delete", "release-finalizer"):
            yield _others(verb, list(group))
    deletes = [action.ref for action in stage.deletes]
    summaries = {"controllers": _controllers, "definitions": _definitions, "namespaces": _namespaces}
    yield from summaries.get(stage.name, _by_kind)(deletes)
    if stage.consequences:
        yield Node("and with them", _with_them(stage.consequences))


def _others(verb: str, actions: Sequence[Action]) -> Node:
    reasons = {action.reason for action in actions}
    why = f" ({reasons.pop()})" if len(reasons) == 1 else ""
    return Node(f"{len(actions)} {_VERBS[verb]}", displayed(a.ref for a in actions) + why)


def _by_kind(refs: Iterable[Ref]) -> Iterator[Node]:
    return (Node(count, names) for count, names in by_kind(refs, FOLD))


def by_kind(refs: Iterable[Ref], fold: int) -> Iterator[tuple[str, str]]:
    """How many there are of each kind, and the names of the first of them."""
    for kind, group in groupby(sorted(refs, key=lambda ref: ref.kind), key=lambda ref: ref.kind):
        names = [short(ref) for ref in group]
        yield plural(len(names), kind), "" if kind == facts.PACKAGE_INFO.kind else some(names, fold)


def _controllers(refs: Sequence[Ref]) -> Iterator[Node]:
    flux = inventory.every_flux_object()
    theirs = [ref for ref in refs if ref in flux]
    ours = [ref for ref in refs if ref not in flux]
    names = {ref.name for ref in ours}
    parts = ["operator"] * (facts.OPERATOR_DEPLOYMENT in names)
    parts += ["auto-updater"] * (facts.AUTOUPDATER in names)
    if ours:
        yield Node(f"{len(ours)} of Glasskube", _with_rbac(parts, ours))
    if theirs:
        controllers = [ref.name for ref in theirs if ref.kind == "Deployment"]
        yield Node(f"{len(theirs)} of Flux", _with_rbac(controllers, theirs))


def _with_rbac(parts: Sequence[str], refs: Iterable[Ref]) -> str:
    named = [*parts] + ["RBAC"] * any(ref.group == "rbac.authorization.k8s.io" for ref in refs)
    return ", ".join(named) or kinds(refs)


def _definitions(refs: Sequence[Ref]) -> Iterator[Node]:
    for whose, ours in (("Glasskube", True), ("Flux", False)):
        names = [ref.name.partition(".")[0] for ref in refs if ref.name.endswith("." + facts.GROUP) == ours]
        if names:
            yield Node(f"{len(names)} of {whose}", some(names, FOLD))


def _namespaces(refs: Iterable[Ref]) -> Iterator[Node]:
    return (Node(ref.name) for ref in refs)


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


_LONGEST = 400
"""Characters of a warning that are shown."""


def warned(message: str) -> Paragraph:
    """A warning. What others wrote may be long: the report document has all of it."""
    if len(message) > _LONGEST:
        message = f"{message[:_LONGEST]}… ({len(message)} characters; -o json has all)"
    return Paragraph(text(f"Warning: {message}", "yellow"), following="  ")


def kept(stay: Sequence[Kept], wide: bool = False) -> Columns:
    """What stays, folded where many stay for the same reason."""
    by_reason: dict[str, list[Kept]] = {}
    for one in stay:
        by_reason.setdefault(one.why, []).append(one)
    rows: list[tuple[str, str]] = []
    for why, group in by_reason.items():
        if wide or len(group) <= 3:
            rows += [(one.ref.display, why) for one in group]
        else:
            rows.append((f"{len(group)} objects", f"{why} ({kinds(one.ref for one in group)})"))
    return Columns(rows)


def listed(rows: Sequence[tuple[str, str]], most: int, wide: bool) -> Iterator[RenderableType]:
    """What and why, line by line; the first of them unless all are asked for."""
    shown = rows if wide else rows[:most]
    yield Columns(shown)
    if len(shown) < len(rows):
        yield Paragraph(f"and {len(rows) - len(shown)} more (-o wide shows all)", "  ", "  ")


def _flux(plan: Plan) -> Iterator[RenderableType]:
    yield Heading({"delete": "Flux will be deleted", "keep": "Flux stays"}[plan.flux])
    against = [evidence.text for evidence in plan.verdict.evidence if evidence.against]
    supporting = [evidence.text for evidence in plan.verdict.evidence if not evidence.against]
    for line in against or supporting:
        yield Paragraph(line, "  ", "  ")


def _backup(file: str) -> Iterator[tuple[str, str | Text]]:
    if not file:
        yield "Backup", text("none (--no-backup): nothing of this can be put back", "yellow")
        return
    yield "Backup", "stdout" if file == "-" else tilde(file)
    yield "", "Helm releases and workloads are re-created by the controllers, not restored"
