"""The values of options that have few, as types."""

from __future__ import annotations

from enum import Enum


class Output(str, Enum):
    """`-o`."""

    human = "human"
    wide = "wide"
    json = "json"
    yaml = "yaml"
    jsonl = "jsonl"
    name = "name"

    @property
    def is_for_people(self) -> bool:
        """Whether stdout is to be read, not parsed."""
        return self in (Output.human, Output.wide)


class Flux(str, Enum):
    """`--flux`."""

    auto = "auto"
    keep = "keep"
    delete = "delete"


class DryRun(str, Enum):
    """`--dry-run`."""

    client = "client"
    server = "server"


class KeepPackages(str, Enum):
    """`--keep-packages`."""

    auto = "auto"
    flux = "flux"
    helm = "helm"
