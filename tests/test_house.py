"""The package's floor plan: sizes that a reader can hold in the head, and a drawing that matches the tree."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.snippets import ROOT

PACKAGE = ROOT / "kubectl_glasskube_purge"
MODULES = sorted(path for path in PACKAGE.rglob("*.py"))
LONGEST_MODULE = 450
LONGEST_FUNCTION = 50
MOST_PARAMETERS = 6


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    declared = function.args
    every = [*declared.posonlyargs, *declared.args, *declared.kwonlyargs, declared.vararg, declared.kwarg]
    return [one.arg for one in every if one is not None and one.arg not in ("self", "cls")]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_and_its_functions_fit_in_the_head(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= LONGEST_MODULE
    for function in functions(path):
        assert function.end_lineno is not None
        assert function.end_lineno - function.lineno < LONGEST_FUNCTION, function.name
        assert len(parameters(function)) <= MOST_PARAMETERS, function.name


SINKS = {"cli/streams.py", "report/layout.py", "report/live.py", "__main__.py", "cli/completion/protocol.py"}
"""What makes text fit for a terminal; and the two that answer without it, with text of their own."""


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_the_sinks_write_on_a_screen(path: Path) -> None:
    if str(path.relative_to(PACKAGE)) in SINKS:
        return
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called != "print", node.lineno
            assert not re.fullmatch(r"(sys\.std(out|err)|os|traceback)\.(print|write)\w*", called), node.lineno
            assert not called.startswith("Text."), node.lineno
            assert called != "Text" or not node.args, node.lineno


def test_the_architecture_page_draws_the_rooms_as_they_are() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    named = set(re.findall(r"`([a-z_./]+)`", page))
    folders = {f"{path.parent.relative_to(PACKAGE)}/" for path in MODULES} - {"./"}
    modules = {str(path.relative_to(PACKAGE)) for path in MODULES if path.name != "__init__.py"}
    assert folders | modules <= named
    drawn = {name for name in named if (name.endswith("/") or name.endswith(".py")) and not name.startswith("tests")}
    assert drawn <= folders | modules | {"krew/", "docs/", "deploy/", "scripts/"}
