"""Every error leads to where more of it is written."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from kubectl_glasskube_purge.report import guide

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "kubectl_glasskube_purge").rglob("*.py"))
RAISED = ("Stopped", "TimedOut", "NotDeleted", "Interrupted", "Problem")
"""Ends of the names of what is made with a code, a message and a hint. A warning has no hint, and no place."""


def literal(node: ast.expr) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def codes_in(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            for line in node.body:
                if isinstance(line, ast.Assign) and ast.unparse(line.targets[0]) == "code":
                    yield literal(line.value)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(RAISED) and len(node.args) >= 3:
            yield literal(node.args[0])


def test_every_code_of_an_error_has_its_place_on_the_page() -> None:
    codes = {code for path in SOURCES for code in codes_in(ast.parse(path.read_text()))}
    codes = {code for code in codes if re.fullmatch(r"[a-z-]+", code)} - {"interrupted"}
    assert codes >= {"leftovers", "system", "no-progress", "unauthorized", "flux-shared", "claimed", "not-ready"}
    assert codes == guide.ANCHORS.keys()


def test_every_place_exists() -> None:
    page = (ROOT / "docs" / "troubleshooting.md").read_text()
    assert set(guide.ANCHORS.values()) <= set(re.findall(r"^## (.+)$", page, re.MULTILINE))


@pytest.mark.parametrize(
    ("hint", "led"),
    [
        ("Log in again.", "Log in again. More: kubectl glasskube purge help unauthorized"),
        ("", "More: kubectl glasskube purge help unauthorized"),
        ("More: kubectl glasskube purge help timeout", "More: kubectl glasskube purge help timeout"),
    ],
)
def test_a_hint_ends_with_the_place_once(hint: str, led: str) -> None:
    assert guide.leading("unauthorized", hint) == led


def test_an_interruption_is_no_error() -> None:
    assert guide.leading("interrupted", "Run this again.") == "Run this again."
