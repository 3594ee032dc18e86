"""What of Glasskube is in the cluster, and of which version: survey and judge. Changes nothing."""

from __future__ import annotations

from kubectl_glasskube_purge.kube.connect import Flags
from kubectl_glasskube_purge.kube.problem import Problem
from kubectl_glasskube_purge.kube.wording import some
from kubectl_glasskube_purge.purge.judge.plan import plan
from kubectl_glasskube_purge.purge.judge.verify import explained, verify
from kubectl_glasskube_purge.purge.model.plan import Options
from kubectl_glasskube_purge.purge.model.record import Record

from .run import connected, surveyed


async def look(flags: Flags, record: Record, version: str = "") -> None:
    """`verify`: what of Glasskube is there. `version` is the user's, if it isn't to be detected. Raises `KubeError`."""
    async with connected(flags, record) as client:
        found = await surveyed(client, record, version)
        record.verification = explained(verify(found), plan(found, Options()))
        record.outcome = "clean" if record.verification.clean else "incomplete"


async def detect(flags: Flags, record: Record) -> None:
    """`version`: which Glasskube is there. Raises `KubeError`."""
    async with connected(flags, record) as client:
        found = await surveyed(client, record)
        if found.unreadable and not found.version.version:
            record.outcome = "incomplete"
            record.error = Problem(
                "unreadable",
                f"it isn't known if Glasskube is there: {some(one.what for one in found.unreadable)} can't be read",
                "Get the rights to read them, then run this again.",
            )
