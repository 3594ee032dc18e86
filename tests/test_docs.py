"""The documentation names what exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as they are made of them on the web."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_message_leads_to_a_heading_of_the_troubleshooting_page() -> None:
    sources = "".join(path.read_text() for path in (ROOT / "kubectl_glasskube_purge").rglob("*.py"))
    named = set(re.findall(r"(?:TROUBLESHOOTING\}|docs/troubleshooting\.md|\{more\})#([a-z-]+)", sources))
    named |= set(re.findall(r"_again\(\"([a-z-]+)\"\)", sources))
    assert len(named) > 5
    assert named <= anchors(ROOT / "docs" / "troubleshooting.md")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)", page.read_text()):
        linked = (page.parent / target).resolve() if target else page
        assert linked.exists(), target
        if anchor:
            assert anchor in anchors(linked), anchor


def test_every_test_that_the_safety_page_names_exists() -> None:
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "docs" / "safety.md").read_text()))
    written = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    assert named
    assert not {name for name in named if f"def {name}(" not in written}
