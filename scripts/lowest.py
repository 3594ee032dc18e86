"""Prints the lowest versions that pyproject.toml promises to work with, as pip's constraints.

    python scripts/lowest.py > constraints.txt
    pip install --constraint constraints.txt .

A lower bound that nobody tests is a guess: `make test-lowest` runs the tests with
exactly these.
"""

from __future__ import annotations

import re
from pathlib import Path

from packaging.requirements import Requirement

PROJECT = Path(__file__).resolve().parent.parent / "pyproject.toml"


def declared(text: str) -> list[Requirement]:
    """The dependencies of a pyproject.toml. Raises `ValueError` if there are none."""
    listed = re.search(r"^dependencies = \[\n(.*?)^\]", text, re.DOTALL | re.MULTILINE)
    if listed is None:
        raise ValueError("no dependencies in pyproject.toml")
    return [Requirement(line) for line in re.findall(r'^ +"([^"]+)"', listed[1], re.MULTILINE)]


def lowest(text: str) -> list[str]:
    """A constraint for each dependency of a pyproject.toml. Raises `ValueError` for one without a lower bound."""
    constraints = []
    for requirement in declared(text):
        bounds = [specifier.version for specifier in requirement.specifier if specifier.operator == ">="]
        if len(bounds) != 1:
            raise ValueError(f"{requirement} has no lower bound")
        constraints.append(f"{requirement.name}=={bounds[0]}")
    return constraints


if __name__ == "__main__":
    print("\n".join(lowest(PROJECT.read_text("utf-8"))))
