"""One label system on everything that is Glasskube's, and off again.

Glasskube's releases label some of their objects and not others, so that no
selector shows an install. Here three labels are put on all of it:

    app.kubernetes.io/part-of=glasskube
    app.kubernetes.io/component=…        what an object is for
    app.kubernetes.io/version=v0.26.1    where that is known for sure

by server-side apply with a separate field manager, never forced: a label that
another user set is kept, and ours can be taken off again. Every apply
names the object's UID, so that none is created by it. What belongs to others as
well, or may, isn't labelled: a Flux that isn't proven to be Glasskube's alone, and
what packages installed, which carries `managed-by` anyway and is part of something
else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from kubectl_glasskube_purge.glasskube import facts, inventory
from kubectl_glasskube_purge.kube import errors
from kubectl_glasskube_purge.kube.client import Client
from kubectl_glasskube_purge.kube.objects import Found, Ref
from kubectl_glasskube_purge.kube.problem import Problem
from kubectl_glasskube_purge.kube.wording import some
from kubectl_glasskube_purge.purge.judge.foreign import MADE_BY_OPERATOR
from kubectl_glasskube_purge.purge.judge.ownership import consequences
from kubectl_glasskube_purge.purge.judge.plan import plan as purge_plan
from kubectl_glasskube_purge.purge.model.events import (
    Event,
    Interrupted,
    ObjectDone,
    ObjectOutcome,
    StageFinished,
    StageStarted,
)
from kubectl_glasskube_purge.purge.model.kinds import DEFINITION
from kubectl_glasskube_purge.purge.model.plan import Action, Kept, Options, Plan, Stage
from kubectl_glasskube_purge.purge.model.survey import LABEL_MANAGER, Survey

LABELLING = "labels"
REMOVAL = "removal"
"""The one stage of either plan."""

COMPONENT_LABEL = "app.kubernetes.io/component"
VERSION_LABEL = "app.kubernetes.io/version"

_RBAC = "rbac.authorization.k8s.io"
_BY_NAME = {
    facts.WEBHOOK_CONFIGURATION: "webhook",
    facts.WEBHOOK_SERVICE: "webhook",
    facts.WEBHOOK_SECRET: "webhook",
    "glasskube-webhook-cert": "webhook",
    "glasskube-webhook-cert-init": "webhook",
    "glasskube-controller-manager-metrics-service": "kube-rbac-proxy",
    facts.AUTOUPDATER: "auto-updater",
}
_BY_KIND = {
    DEFINITION: "definition",
    ("", "ServiceAccount"): "rbac",
    facts.PACKAGE.group_kind: "package",
    facts.CLUSTER_PACKAGE.group_kind: "package",
    facts.PACKAGE_INFO.group_kind: "package-info",
    facts.PACKAGE_REPOSITORY.group_kind: "package-repository",
}


def plan(survey: Survey) -> Plan:
    """What gets which labels, and what doesn't and why. Pure.

    Whatever a purge would delete by request is Glasskube's, apart from what packages brought; nothing else is labelled.
    """
    decided = purge_plan(survey, Options())
    brought = consequences(survey, survey.package_objects)
    ours = {ref: one.found for ref, one in decided.deletes.items() if ref.group == facts.GROUP or ref not in brought}
    ours |= {ref: found for ref in MADE_BY_OPERATOR if (found := survey.get(ref)) is not None}
    actions: list[Action] = []
    kept: list[Kept] = []
    for ref in sorted(ours):
        found = ours[ref]
        labels, theirs = _wanted(found, survey)
        missing = {key: value for key, value in labels.items() if found.labels.get(key) != value}
        if missing:
            reason = "gets " + some((f"{key}={value}" for key, value in sorted(missing.items())), 3)
            actions.append(_apply(found, labels, f"{reason}; {_left(theirs)}" if theirs else reason))
        else:
            kept.append(Kept(ref, _left(theirs) if theirs else "carries the labels already", found.uid))
    if decided.flux == "keep":
        why = next((one.text for one in decided.verdict.evidence if one.against), "shared with others")
        kept += [Kept(found.ref, f"not labelled: {why}", found.uid) for found in decided.verdict.objects]
    return Plan(stages=(Stage(LABELLING, tuple(actions)),), kept=tuple(kept), warnings=tuple(_warnings(survey)))


def removal(survey: Survey) -> Plan:
    """Everything that carries labels of ours; those of others stay. Pure."""
    labelled = [found for found in survey.objects.values() if LABEL_MANAGER in found.managers]
    reason = "loses the labels that this program has put on it"
    actions = tuple(_apply(found, {}, reason) for found in sorted(labelled, key=lambda found: found.ref))
    return Plan(stages=(Stage(REMOVAL, actions),))


def _wanted(found: Found, survey: Survey) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """The labels an object should have of us, and those that another user has set differently."""
    wanted = {facts.PART_OF_LABEL: facts.PART_OF, COMPONENT_LABEL: component(found.ref)}
    version = survey.version
    # Flux has versions of its own, and one of Glasskube's on it would look like somebody else's.
    if version.version and not version.alternatives and found.ref not in inventory.every_flux_object():
        wanted[VERSION_LABEL] = version.version
    theirs = {key: found.labels[key] for key in wanted if _is_theirs(found, key, wanted[key])}
    return {key: value for key, value in wanted.items() if key not in theirs}, theirs


def _is_theirs(found: Found, key: str, wanted: str) -> bool:
    if found.labels.get(key, wanted) == wanted:
        return False
    # The version of a former labelling is ours to change.
    return not (key == VERSION_LABEL and LABEL_MANAGER in found.managers and inventory.is_version(found.labels[key]))


def component(ref: Ref) -> str:
    """What an object is for, in one word; the words of the releases where they have one."""
    if ref in inventory.every_flux_object():
        return "flux"
    if ref.name in _BY_NAME and not (ref.group == _RBAC or ref.kind == "ServiceAccount"):
        return _BY_NAME[ref.name]
    if ref.group == _RBAC:
        return "rbac"
    return _BY_KIND.get(ref.group_kind, "manager")


def _left(theirs: Mapping[str, str]) -> str:
    return "keeps " + some((f"{key}={value}" for key, value in sorted(theirs.items())), 3) + ", which isn't ours"


def _apply(found: Found, labels: Mapping[str, str], reason: str) -> Action:
    metadata: dict[str, Any] = {"name": found.ref.name, "uid": found.uid, "labels": dict(labels)}
    if found.ref.namespace:
        metadata["namespace"] = found.ref.namespace
    if not labels:
        del metadata["labels"]
    document = {"apiVersion": found.ref.api_version, "kind": found.ref.kind, "metadata": metadata}
    return Action("apply", Found(found.ref, found.uid, found.resource_version, body=document), reason)


def _warnings(survey: Survey) -> Iterable[Problem]:
    for unreadable in survey.unreadable:
        yield Problem("unreadable", f"{unreadable.what} can't be read ({unreadable.why}): nothing of it is labelled")
    if survey.version.alternatives:
        yield Problem("version-ambiguous", f"no {VERSION_LABEL} is set: the release isn't known for sure")


async def execute(
    client: Client, decided: Plan, *, emit: Callable[[Event], None], stop: asyncio.Event, dry_run: bool = False
) -> tuple[Ref, ...]:
    """Applies the labels, all at once; returns what couldn't be labelled, with the reason in its event.

    Raises `Interrupted`, and `KubeError` where the API server can't be reached any more.
    """
    clock = asyncio.get_running_loop().time
    (stage,) = decided.stages
    began = clock()
    emit(StageStarted(stage.name, len(stage.actions)))
    failed: list[Ref] = []

    async def label(action: Action) -> None:
        if stop.is_set():
            raise Interrupted()
        outcome: ObjectOutcome = "applied"
        message = ""
        try:
            await client.apply(action.found.body, manager=LABEL_MANAGER, dry_run=dry_run)
        except errors.NotFound:
            outcome = "absent"
        except errors.Conflict as error:
            # Another object has its name now, or somebody set the label meanwhile: theirs, either way.
            outcome, message = "kept", error.message
        except (errors.Forbidden, errors.Invalid, errors.Refused, errors.WebhookUnreachable) as error:
            outcome, message = "failed", error.message
            failed.append(action.ref)
        emit(ObjectDone(stage.name, action.ref, action.found.uid, "apply", outcome, message))

    complete = False
    try:
        await asyncio.gather(*map(label, stage.actions))
        complete = not failed
    finally:
        emit(StageFinished(stage.name, clock() - began, complete))
    return tuple(failed)
