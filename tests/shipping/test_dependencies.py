"""What the package imports is what pyproject.toml declares: nothing is there because another package brings it."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

from packaging.utils import canonicalize_name

from scripts import lowest

PACKAGE = lowest.PROJECT.parent / "kubectl_glasskube_purge"
DECLARED = {
    canonicalize_name(requirement.name): requirement
    for requirement in lowest.declared(lowest.PROJECT.read_text("utf-8"))
}


def imports(path: Path) -> Iterator[str]:
    """The top-level modules that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module is not None:
            yield node.module.partition(".")[0]


def imported() -> dict[str, set[str]]:
    """Each distribution that the package imports, with the modules that do. A module that nobody brings is its own."""
    ours = {*sys.stdlib_module_names, PACKAGE.name}
    brought_by = packages_distributions()
    found: dict[str, set[str]] = {}
    for path in PACKAGE.rglob("*.py"):
        for module in set(imports(path)) - ours:
            for distribution in brought_by.get(module, [module]):
                found.setdefault(canonicalize_name(distribution), set()).add(str(path.relative_to(PACKAGE)))
    return found


def test_every_distribution_that_the_package_imports_is_declared() -> None:
    assert {name: modules for name, modules in imported().items() if name not in DECLARED} == {}


def test_every_declared_distribution_is_imported() -> None:
    assert DECLARED.keys() <= imported().keys()


def test_kr8s_is_held_to_the_minor_whose_private_methods_are_known() -> None:
    assert {specifier.operator for specifier in DECLARED[canonicalize_name("kr8s")].specifier} == {">=", "<"}
