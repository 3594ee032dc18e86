"""What the package imports is what pyproject.toml declares: nothing is there because another package brings it."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from importlib.metadata import files
from pathlib import Path

from scripts import lowest

PACKAGE = lowest.PROJECT.parent / "kubectl_glasskube_purge"
DECLARED = lowest.declared(lowest.PROJECT.read_text("utf-8"))


def imports(path: Path) -> Iterator[str]:
    """The top-level modules that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module is not None:
            yield node.module.partition(".")[0]


def imported() -> set[str]:
    """The top-level modules of others that the package imports."""
    modules = {module for path in PACKAGE.rglob("*.py") for module in imports(path)}
    return modules - {*sys.stdlib_module_names, PACKAGE.name}


def brought_by(distribution: str) -> set[str]:
    """The top-level modules of a distribution, read from its files: Python 3.10 has no better way for all of them."""
    return {file.parts[0].removesuffix(".py") for file in files(distribution) or ()}


def test_every_module_that_the_package_imports_is_of_a_declared_distribution() -> None:
    declared = set().union(*(brought_by(requirement.name) for requirement in DECLARED))
    assert imported() - declared == set()


def test_every_declared_distribution_is_imported() -> None:
    modules = imported()
    assert [str(requirement) for requirement in DECLARED if modules.isdisjoint(brought_by(requirement.name))] == []


def test_kr8s_is_held_to_the_minor_whose_private_methods_are_known() -> None:
    (kr8s,) = (requirement for requirement in DECLARED if requirement.name == "kr8s")
    assert {specifier.operator for specifier in kr8s.specifier} == {">=", "<"}
