"""What the CRDs of every release define, from the inventory: for clusters that are made up of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True, order=True)
class Definition:
    group: str
    kind: str
    plural: str
    scope: str
    """`Namespaced` or `Cluster`."""
    versions: tuple[str, ...]
    """All served, in the manifest's order."""
    storage: str
    """The version objects are stored in."""

    @property
    def name(self) -> str:
        return f"{self.plural}.{self.group}"


@cache
def definitions(release: str) -> dict[str, Definition]:
    """By the CRD's name, in its order."""
    text = files("kubectl_glasskube_purge.glasskube").joinpath("inventory.json").read_text("utf-8")
    stored = json.loads(text)
    rows = [stored["definitions"][index] for index in stored["releases"][release]["definitions"]]
    defined = [Definition(*row[:4], tuple(row[4]), row[5]) for row in rows]
    return {one.name: one for one in defined}
