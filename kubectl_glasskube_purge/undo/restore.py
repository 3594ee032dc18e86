"""Files and the cluster → what will be restored, and in which order. Pure, but for `look`.

Several files are one backup: of an object that is in more than one, the first
file's is taken, for the first was written when nothing had been changed yet. What
exists is left alone, unless the user wants it overwritten. The result is a plan
as the purge has it, with `apply` for `delete`, so that preview, progress and
report are the same; carrying it out is left to `apply`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

from kubectl_glasskube_purge.glasskube import facts, inventory
from kubectl_glasskube_purge.kube.client import Client
from kubectl_glasskube_purge.kube.objects import Found, Ref
from kubectl_glasskube_purge.kube.problem import Problem
from kubectl_glasskube_purge.kube.wording import plural
from kubectl_glasskube_purge.purge.model.kinds import DEFINITION, DEPLOYMENT, JOB, NAMESPACE
from kubectl_glasskube_purge.purge.model.plan import Action, Kept, Plan, Stage
from kubectl_glasskube_purge.purge.model.survey import WEBHOOK_CONFIGURATION

from . import order, selection
from .content import Document, with_certificate
from .errors import NothingSelected
from .selection import CERTIFICATE_JOB, WEBHOOK_SECRET, Entry
from .sidecar import gone_images, moved, with_address
from .text import Backup

SIDECAR_WARNING = "sidecar-image-gone"
"""Code of the warning that a Deployment needs an image which no registry has any more."""


@dataclass(frozen=True)
class Options:
    """What the user decides about a restore."""

    only: tuple[str, ...] = ()
    """Parts and objects as `selection.matcher` takes them; everything where empty."""
    overwrite: bool = False
    """Also what exists, by force."""
    changed: frozenset[Ref] = frozenset()
    """What a purge has changed and not deleted, which is overwritten in any case: a rollback."""
    rollback: bool = False
    """Whether the operator is stopped and its webhook deleted: then packages are recreated before them."""
    ready: bool = True
    """Whether the operator was ready before the purge: a rollback doesn't wait for one that wasn't."""
    sidecar_image: str = ""
    """Where the operator's sidecar is to come from; `""` leaves its address as it is."""


@dataclass(frozen=True)
class Restore:
    """What will be restored."""

    plan: Plan = field(default_factory=Plan)
    entries: Mapping[Ref, Entry] = field(default_factory=dict)
    """All that was selected, also what exists and is left alone."""
    existing: Mapping[Ref, Found] = field(default_factory=dict)
    """Of the selected, what is there; also what is on its way out."""
    forced: frozenset[Ref] = frozenset()
    """What is taken over from other field managers."""
    complete: bool = True
    """Whether everything in the files was selected."""
    options: Options = field(default_factory=Options)


# -- which objects


def merged(backups: Iterable[Backup], options: Options) -> tuple[Entry, ...]:
    """The objects to restore, each once, in order; with them what they can't be without.

    Raises `NothingSelected` where `only` matches nothing.
    """
    restored: dict[Ref, Entry] = {}
    remade: dict[Ref, Entry] = {}
    for backup in backups:
        for kept, entries in ((restored, backup.contents.restored), (remade, backup.contents.remade)):
            for entry in entries:
                kept.setdefault(entry.ref, entry)
    chosen = _selected(restored, remade, options.only) if options.only else restored
    taken = (replace(one, document=with_address(one.document, options.sidecar_image)) for one in chosen.values())
    rank = order.rank_in_rollback if options.rollback else order.rank
    return tuple(sorted(taken, key=lambda entry: rank(entry.ref)))


def _selected(restored: Mapping[Ref, Entry], remade: Mapping[Ref, Entry], only: Iterable[str]) -> dict[Ref, Entry]:
    selected: dict[Ref, Entry] = {}
    for wish in only:
        try:
            matches = selection.matcher(wish)
        except ValueError as error:
            raise NothingSelected(f"--only={wish} is neither a part nor an object") from error
        # By name, also what the controllers recreate: a user who asks for it misses just that.
        everything = restored if wish in selection.PARTS else {**remade, **restored}
        found = {ref: entry for ref, entry in everything.items() if matches(ref)}
        if not found:
            raise NothingSelected(f"--only={wish} matches nothing in the backup")
        selected |= found
    needed = [holder for ref in selected for holder in _holders(ref, restored) if holder not in selected]
    return {ref: restored[ref] for ref in needed} | selected


def _holders(ref: Ref, restored: Mapping[Ref, Entry]) -> Iterable[Ref]:
    """The namespace and the CRD that an object can't be without, where the backup has them."""
    namespace = Ref("", "Namespace", "", ref.namespace)
    if namespace in restored:
        yield namespace
    yield from (
        one for one, entry in restored.items() if one.group_kind == DEFINITION and defines(entry) == ref.group_kind
    )


def defines(entry: Entry) -> tuple[str, str]:
    """The kind that a CRD defines."""
    spec = entry.document.get("spec") or {}
    return str(spec.get("group") or ""), str((spec.get("names") or {}).get("kind") or "")


# -- what is there


async def look(client: Client, entries: Sequence[Entry]) -> Mapping[Ref, Found]:
    """Which of the objects exist, and the certificate of their webhook. Raises `KubeError` if that is unknown."""
    await client.discover()
    refs = {entry.ref: entry.ref.group_kind == DEPLOYMENT for entry in entries}
    if {WEBHOOK_CONFIGURATION, CERTIFICATE_JOB} <= refs.keys():
        refs[WEBHOOK_SECRET] = True
    found = await asyncio.gather(*(client.get(ref, whole=whole) for ref, whole in refs.items()))
    return {one.ref: one for one in found if one is not None}


def plan(
    entries: Sequence[Entry], existing: Mapping[Ref, Found], options: Options, *, complete: bool = True, reason: str
) -> Restore:
    """Decides what is applied and what is left alone. `reason` says where the objects come from."""
    options = replace(options, changed=options.changed | _stopped(existing))
    stages: list[Stage] = []
    kept: list[Kept] = []
    leaving = _Leaving.of(entries, existing)
    if CERTIFICATE_JOB in existing and not leaving.takes(CERTIFICATE_JOB):
        entries = [_for_the_certificate(entry, existing.get(WEBHOOK_SECRET)) for entry in entries]
    for stage, group in groupby(entries, key=lambda entry: order.stage_of(entry.ref)):
        actions: list[Action] = []
        for entry in group:
            found = existing.get(entry.ref)
            why = _why(entry, found, leaving, options, reason)
            if why:
                actions.append(Action("apply", Found(entry.ref, "", "", body=entry.document), why))
            else:
                assert found is not None
                kept.append(Kept(entry.ref, _why_not(entry.ref, options), found.uid))
        stages.append(Stage(stage, tuple(actions)))
    return Restore(
        plan=Plan(stages=tuple(stages), kept=tuple(kept), warnings=tuple(_warnings(entries, existing, options))),
        entries={entry.ref: entry for entry in entries},
        existing=existing,
        forced=frozenset(entry.ref for entry in entries if _is_forced(entry, existing.get(entry.ref), options)),
        complete=complete,
        options=options,
    )


@dataclass(frozen=True)
class _Leaving:
    """What is on its way out, and takes along what is in it."""

    objects: Collection[Ref]
    kinds: Collection[tuple[str, str]]

    @classmethod
    def of(cls, entries: Iterable[Entry], existing: Mapping[Ref, Found]) -> _Leaving:
        objects = {ref for ref, found in existing.items() if found.terminating}
        kinds = {defines(entry) for entry in entries if entry.ref in objects and entry.ref.group_kind == DEFINITION}
        return cls(objects, kinds)

    def takes(self, ref: Ref) -> bool:
        namespace = Ref("", "Namespace", "", ref.namespace)
        return ref in self.objects or namespace in self.objects or ref.group_kind in self.kinds


def _for_the_certificate(entry: Entry, secret: Found | None) -> Entry:
    """Lets the webhook trust the certificate that exists: the Job that would write its CA has run already."""
    certificate = secret.get("data", "tls.crt") if secret is not None else None
    if entry.ref != WEBHOOK_CONFIGURATION or not certificate:
        return entry
    return replace(entry, document=with_certificate(entry.document, certificate))


def _stopped(existing: Mapping[Ref, Found]) -> frozenset[Ref]:
    """The operator, if a purge stopped it and didn't come to its end."""
    operator = existing.get(Ref(*DEPLOYMENT, facts.NAMESPACE, facts.OPERATOR_DEPLOYMENT))
    is_stopped = operator is not None and operator.get("spec", "replicas") == 0
    return frozenset({operator.ref}) if operator is not None and is_stopped else frozenset()


def _why(entry: Entry, found: Found | None, leaving: _Leaving, options: Options, reason: str) -> str:
    """Why an object is applied; `""` where it isn't."""
    if found is None:
        return f"{reason}; doesn't exist"
    if leaving.takes(entry.ref):
        return f"{reason}; the one that exists is being deleted"
    if entry.ref.group_kind == JOB:
        return ""
    if entry.ref in options.changed:
        return f"{reason}; the purge changed it"
    if options.overwrite:
        return f"{reason}; exists, and is overwritten (--overwrite)"
    if options.sidecar_image and gone_images(found.body):
        return f"{reason}; exists with an image that is gone (--sidecar-image)"
    return ""


def _is_forced(entry: Entry, found: Found | None, options: Options) -> bool:
    moved_image = options.sidecar_image and found is not None and gone_images(found.body)
    return options.overwrite or entry.ref in options.changed or bool(moved_image)


def _why_not(ref: Ref, options: Options) -> str:
    if ref.group_kind == JOB and options.overwrite:
        return "already exists, and a Job can't be changed"
    return "already exists (--overwrite replaces it)"


def _warnings(entries: Iterable[Entry], existing: Mapping[Ref, Found], options: Options) -> Iterable[Problem]:
    for entry in entries:
        live = existing.get(entry.ref)
        document = live.body if live is not None and live.body and not options.overwrite else entry.document
        for image in gone_images(document):
            if not options.sidecar_image:
                yield Problem(
                    SIDECAR_WARNING,
                    f"{entry.ref.display} needs {image}, which is gone from its registry; "
                    f"--sidecar-image takes {moved(image, facts.RBAC_PROXY_IMAGE_MOVED)}",
                )
    suspended = [
        entry
        for entry in entries
        if entry.ref.group_kind in facts.PACKAGE_GROUP_KINDS and (entry.document.get("spec") or {}).get("suspend")
    ]
    if suspended:
        names = plural(len(suspended), "suspended package")
        yield Problem(
            "package-suspended", f"{names} will be restored suspended: nothing of it is installed until resumed"
        )


# -- without a backup


def from_release(documents: Iterable[Document], only: Iterable[str], *, flux_exists: bool) -> tuple[Entry, ...]:
    """A release's objects as a backup has them. Flux only where there is none, or where it was asked for by name.

    Some releases use a namespace that they don't bring: that is added.
    """
    entries = {Ref.of(document): Entry(document) for document in documents}
    if flux_exists and selection.FLUX not in only:
        entries = {ref: entry for ref, entry in entries.items() if ref not in inventory.every_flux_object()}
    for name in sorted({ref.namespace for ref in entries} - {""}):
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        entries.setdefault(Ref(*NAMESPACE, "", name, "v1"), Entry(namespace))
    return tuple(entries.values())
