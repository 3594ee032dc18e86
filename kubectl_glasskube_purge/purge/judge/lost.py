"""What no backup brings back: the data in volumes that go. Pure."""

from __future__ import annotations

from collections.abc import Collection

from kubectl_glasskube_purge.kube.objects import Found, Ref
from kubectl_glasskube_purge.kube.wording import displayed
from kubectl_glasskube_purge.purge.model.kinds import CLAIM, VOLUME
from kubectl_glasskube_purge.purge.model.plan import Lost
from kubectl_glasskube_purge.purge.model.survey import Survey

from .busy import volume_users


def lost(survey: Survey, going: Collection[Ref]) -> tuple[Lost, ...]:
    """The volume claims that go, with what is in them and who uses them."""
    volumes = {found.ref.name: found for found in survey.of_kind(VOLUME)}
    users = volume_users(survey)

    def words(claim: Found) -> str:
        used = f"; in use by {displayed(users[claim.ref])}" if claim.ref in users else ""
        return _volume(claim, volumes.get(str(claim.get("spec", "volumeName") or ""))) + used

    return tuple(Lost(claim.ref, words(claim)) for claim in survey.of_kind(CLAIM) if claim.ref in going)


def _volume(claim: Found, volume: Found | None) -> str:
    """A claim's size, StorageClass and what becomes of its data, as far as they are known."""
    size = claim.get("status", "capacity", "storage") or claim.get("spec", "resources", "requests", "storage") or "?"
    storage_class = claim.get("spec", "storageClassName") or "no StorageClass"
    policy = volume.get("spec", "persistentVolumeReclaimPolicy") if volume else None
    return f"{size}  {storage_class}, " + (f"reclaim policy {policy}" if policy else "no volume bound")
