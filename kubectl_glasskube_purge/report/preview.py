"""The preview of a purge: what is deleted, what is lost, what is kept. Draws; decides nothing.

At most 20 lines for an ordinary cluster, what hurts most last, right above the question;
with `wide` a tree of the stages with every object, hung on the one it is deleted with, with the reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from rich.console import Group, RenderableType
from rich.text import Text

from kubectl_glasskube_purge.glasskube import facts
from kubectl_glasskube_purge.kube.connect import Target
from kubectl_glasskube_purge.kube.objects import Found, Ref
from kubectl_glasskube_purge.kube.problem import Problem
from kubectl_glasskube_purge.kube.wording import kinds, plural, some
from kubectl_glasskube_purge.purge.model.kinds import NAMESPACE
from kubectl_glasskube_purge.purge.model.plan import Consequence, Kept, Plan, Stage
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

_FLUX = {"delete": "deleted", "keep": "kept"}
_REASONS = 3
"""Of the reasons why objects are kept, how many a preview names."""

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
    if wide:
        yield from _everything(plan)
    else:
        yield Text()
        yield Labelled([*_brief(plan), *_backup(header.backup), *_lost(plan)])
    yield from folded(plan.warnings, wide)
    yield Text()
    yield text(totals(plan), "bold")


def _lost(plan: Plan) -> Iterator[tuple[str, str | Text]]:
    if plan.lost:
        named = some((f"{lost.ref.display} ({' '.join(lost.what.split())})" for lost in plan.lost), 2)
        yield "Lost", text(f"{plural(len(plan.lost), 'volume')}: {named}", "bold red")


def _everything(plan: Plan) -> Iterator[RenderableType]:
    yield Heading("Delete")
    yield Tree([_stage(number, stage) for number, stage in enumerate(_busy(plan), 1)])
    used = [(one.name, f"{_FATES[one.decision]}: {use.words}") for one in plan.packages for use in one.uses]
    if used:
        yield Heading("Packages in use")
        yield Columns(used)
    if plan.kept:
        yield Heading("Keep")
        yield kept(plan.kept, wide=True)
    if plan.flux != "absent":
        yield Heading({"delete": "Flux is deleted", "keep": "Flux is kept"}[plan.flux])
        yield Columns([(line, "") for line in _findings(plan)])
    if plan.lost:
        yield Heading("Lost", "bold red")
        yield Columns([(lost.ref.display, lost.what) for lost in plan.lost])


def _busy(plan: Plan) -> list[Stage]:
    return [stage for stage in plan.stages if stage.actions]


def _going(plan: Plan, *wanted: tuple[str, str]) -> list[Ref]:
    return sorted(ref for ref in plan.going if ref.group_kind in wanted)


def totals(plan: Plan) -> str:
    """The numbers of a plan, the same as in progress and end."""
    followers = sum(len(stage.consequences) for stage in plan.stages)
    volumes = f", {plural(len(plan.lost), 'volume')} lost" if plan.lost else ""
    return f"Plan: {len(plan.deletes)} to delete and {followers} with them, {len(plan.kept)} to keep{volumes}."


def question(plan: Plan, where: str) -> str:
    """The question above which the preview stands, with what a yes costs."""
    costs = (
        ("package", facts.PACKAGE_GROUP_KINDS),
        ("workload", _WORKLOADS),
        ("namespace", (NAMESPACE,)),
    )
    counted = [(len(_going(plan, *wanted)), noun) for noun, wanted in costs]
    parts = ["Glasskube", *(plural(number, noun) for number, noun in counted if number)]
    return f"Delete {', '.join(parts)} from {where}?"


def _brief(plan: Plan) -> Iterator[tuple[str, str | Text]]:
    keep, others = list(_kept_packages(plan)), list(_kept_others(plan.kept))
    if plan.kept_packages:  # what survives comes first if that was asked for
        yield from _rows("Keep", [*keep, *others])
    yield from _rows("Delete", _deleted(plan))
    if not plan.kept_packages:
        yield from _rows("Keep", [*keep, *others])
    finalizers = [action for stage in plan.stages for action in stage.actions if action.verb == "release-finalizer"]
    foreign = [f"{a.finalizer} of {a.ref.display}" for a in finalizers if a.finalizer != facts.PACKAGE_FINALIZER]
    if foreign:
        yield "Finalizers", f"{len(foreign)} that this purge removes: {some(foreign, 2)}"
    if plan.flux != "absent":
        yield "Flux", f"{_FLUX[plan.flux]}: {some(_findings(plan), 2)}"


def _rows(label: str, lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    return (("" if number else label, line) for number, line in enumerate(lines))


def _deleted(plan: Plan) -> Iterator[str]:
    packages, namespaces = _going(plan, *facts.PACKAGE_GROUP_KINDS), _going(plan, NAMESPACE)
    if packages:
        yield f"{plural(len(packages), 'package')}: {some(map(short, packages))}"
    if namespaces:
        yield f"{plural(len(namespaces), 'namespace')}: {some(ref.name for ref in namespaces)}"
    workloads, releases = _going(plan, *_WORKLOADS), _going(plan, facts.HELM_RELEASE.group_kind)
    rest = len(plan.going) - len(packages) - len(namespaces) - len(workloads) - len(releases)
    counted = ((workloads, "workload"), (releases, "HelmRelease"))
    words = [plural(len(refs), noun) for refs, noun in counted if refs]
    yield ", ".join([*words, plural(rest, "other object")] if rest else words)


def _kept_packages(plan: Plan) -> Iterator[str]:
    for decision in ("keep", "undecided"):
        chosen = [one for one in plan.packages if one.decision == decision]
        if not chosen:
            continue
        names = some(short(one.package) + (f" ({one.uses[0].words})" if one.uses else "") for one in chosen)
        if decision == "keep":
            names += f"; handed over to {'Flux' if plan.keep_packages == 'flux' else 'Helm'}"
        yield f"{plural(len(chosen), 'package')}{'' if decision == 'keep' else ' not decided'}: {names}"


def _kept_others(stay: Sequence[Kept]) -> Iterator[str]:
    groups = _by_reason(stay)
    for why, group in groups[:_REASONS]:
        what = group[0].ref.display if len(group) == 1 else kinds(one.ref for one in group)
        yield f"{what} ({why})"
    if more := sum(len(group) for _, group in groups[_REASONS:]):
        yield f"{plural(more, 'more object')} (-o wide)"


def _findings(plan: Plan) -> list[str]:
    against = [evidence.text for evidence in plan.verdict.evidence if evidence.against]
    return against or [evidence.text for evidence in plan.verdict.evidence]


def head(header: Header, survey: Survey) -> Labelled:
    """Which cluster, which Glasskube, and what the plan was made by."""
    version = survey.version.version or "unknown version"
    how = "" if survey.version.detected_by.startswith("image") else f" (detected from {survey.version.detected_by})"
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
    """`2025-02-11 by glasskube bootstrap`, as the namespace shows it; `""` if it doesn't."""
    if namespace is None or not namespace.created:
        return ""
    if facts.FIELD_MANAGER in namespace.managers:
        by = "glasskube bootstrap"
    else:
        by = some(namespace.managers) or "an unknown user"
    return f"{namespace.created[:10]} by {by}"


# -- the tree


def _stage(number: int, stage: Stage) -> Node:
    return stage_node(number, stage.name, len(stage.deletes), _every(stage))


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


def by_kind(refs: Iterable[Ref], fold: int) -> Iterator[tuple[str, str]]:
    """How many there are of each kind, and the names of the first of them."""
    for kind, group in groupby(sorted(refs, key=lambda ref: ref.kind), key=lambda ref: ref.kind):
        names = [short(ref) for ref in group]
        yield plural(len(names), kind), "" if kind == facts.PACKAGE_INFO.kind else some(names, fold)


# -- the lists


_LONGEST = 400
"""Characters of a warning that are shown."""


def warned(message: str) -> Paragraph:
    """A warning. What others wrote may be long: the report document has all of it."""
    if len(message) > _LONGEST:
        message = f"{message[:_LONGEST]}… ({len(message)} characters; -o json has all)"
    return Paragraph(text(f"Warning: {message}", "yellow"), following="  ")


def folded(warnings: Iterable[Problem], wide: bool = False) -> Iterator[RenderableType]:
    """The warnings; those of one kind are one line with a count, unless all are asked for."""
    by_code: dict[str, list[Problem]] = {}
    for warning in warnings:
        by_code.setdefault(warning.code if not wide else warning.message, []).append(warning)
    for first, *more in by_code.values():
        yield warned(first.message + (f" (and {len(more)} more of this kind)" if more else ""))


def _by_reason(stay: Sequence[Kept]) -> list[tuple[str, list[Kept]]]:
    by_reason: dict[str, list[Kept]] = {}
    for one in stay:
        by_reason.setdefault(one.why, []).append(one)
    return list(by_reason.items())


def kept(stay: Sequence[Kept], wide: bool = False) -> Columns:
    """What is kept, folded where many have the same reason."""
    rows: list[tuple[str, str]] = []
    for why, group in _by_reason(stay):
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


def _backup(file: str) -> Iterator[tuple[str, str | Text]]:
    if not file:
        yield "Backup", text("none (--no-backup): nothing of this can be restored", "yellow")
    else:
        yield "Backup", "stdout" if file == "-" else tilde(file)
