"""`export`: the packages as files for other tools, from the cluster or a backup. Changes nothing in the cluster."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kubectl_glasskube_purge.export import folder
from kubectl_glasskube_purge.export.formats import FORMATS
from kubectl_glasskube_purge.export.model import export
from kubectl_glasskube_purge.glasskube import facts
from kubectl_glasskube_purge.kube.client import Client
from kubectl_glasskube_purge.kube.connect import Flags
from kubectl_glasskube_purge.kube.errors import Forbidden, Refused
from kubectl_glasskube_purge.kube.wording import some
from kubectl_glasskube_purge.purge.judge.ownership import named_by
from kubectl_glasskube_purge.purge.look.survey import revisit
from kubectl_glasskube_purge.purge.model.record import Record
from kubectl_glasskube_purge.purge.model.survey import Survey

from .restore import read
from .run import connected

_KINDS = (*facts.GLASSKUBE_GROUP_KINDS, *facts.FLUX_GROUP_KINDS)


@dataclass(frozen=True)
class ExportRequest:
    """What the user asks for."""

    folder: str
    form: str = "helmfile"
    """One of `FORMATS`."""
    source: str = ""
    """A backup; `""` for the cluster."""
    with_secrets: bool = False
    flags: Flags = field(default_factory=Flags)


async def run(request: ExportRequest, record: Record) -> Sequence[str]:
    """Writes the files and returns their paths; none if there is no package.

    Raises `KubeError`, `BackupUnreadable`, `ExportExists`, `ExportImpossible` and `OSError`.
    """
    if request.source:
        contents = read(request.source)[0].contents
        return save(request, [entry.document for entry in (*contents.restored, *contents.remade)])
    async with connected(request.flags, record) as client:
        return await of_survey(request, client, await revisit(client, _KINDS, (), {}))


async def of_survey(request: ExportRequest, client: Client, survey: Survey) -> Sequence[str]:
    """Writes what a survey found, as `run` does. Raises `KubeError`, `ExportExists`, `ExportImpossible`, `OSError`."""
    return save(request, await objects(client, survey))


def save(request: ExportRequest, documents: Sequence[Mapping[str, Any]]) -> Sequence[str]:
    """Writes the export of these objects; returns the files' paths. Raises `ExportExists` and `OSError`."""
    exported = export(documents, with_secrets=request.with_secrets)
    if not exported.packages:
        return ()
    files = FORMATS[request.form](exported)
    folder.write(Path(request.folder), files, private=request.with_secrets)
    return [str(Path(request.folder) / name) for name in sorted(files)]


async def objects(client: Client, survey: Survey) -> Sequence[Mapping[str, Any]]:
    """What an export is made from: Glasskube's and Flux's objects, and what packages own.

    Raises `ExportImpossible` if some of it can't be read: no export is complete without it. Raises `KubeError`.
    """
    if hidden := survey.hidden(*_KINDS):
        raise folder.ExportImpossible(f"can't read {some(f'{one.what} ({one.why})' for one in hidden)}")
    found = survey.of_kind(*_KINDS)
    owned = {ref for package in survey.packages for ref in named_by(package.found)}
    try:
        answers = [client.get(ref, whole=True) for ref in sorted(owned) if ref.group_kind not in _KINDS]
        others = [one for one in await asyncio.gather(*answers) if one is not None]
    except (Forbidden, Refused) as error:
        raise folder.ExportImpossible(f"can't read what a package owns: {error.message}") from error
    # The items of a list don't say what they are.
    return [{"apiVersion": one.ref.api_version, "kind": one.ref.kind, **one.body} for one in (*found, *others)]
