"""The documentation names what exists."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kubectl_glasskube_purge.options import COMMANDS, EXIT_CODES
from kubectl_glasskube_purge.report import document, stream
from scripts import reference

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])


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


# -- what is made of code


@pytest.mark.parametrize("file", reference.FILES, ids=lambda file: file.name)
def test_what_is_made_of_code_is_up_to_date(file: Path) -> None:
    assert file.read_text("utf-8") == reference.FILES[file](), "run `make docs`"


def test_the_man_page_and_the_reference_name_every_option() -> None:
    page = reference.man().replace("\\-", "-")
    commands = reference.commands()
    for command in COMMANDS.values():
        for name in command.options:
            assert f"\\fB{name}\\fR" in page
            assert re.search(rf"`[^`]*{re.escape(name)}(?![\w-])[^`]*`", commands), name


def test_groff_has_no_complaint_about_the_man_page() -> None:
    groff = shutil.which("groff")
    if groff is None:
        pytest.skip("there is no groff")
    (file,) = (ROOT / "docs" / "man").iterdir()
    done = subprocess.run([groff, "-ww", "-man", "-Tutf8", "-P-c", file], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert "kubectl glasskube purge restore FILE..." in re.sub(".\b", "", done.stdout)


def test_the_readme_says_the_exit_codes_of_the_reference() -> None:
    said = dict(re.findall(r"^\| ([\d, ]+) \| (.+) \|$", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE))
    assert said == EXIT_CODES
    assert {str(code) for code in document.EXIT_CODES.values()} - {"130"} <= {*EXIT_CODES}


def undescribed(schema: dict[str, Any], path: str = "") -> Iterator[str]:
    for name, field in schema.get("properties", {}).items():
        here = f"{path}.{name}"
        if "$ref" not in field and "const" not in field and not field.get("description"):
            yield here
        yield from undescribed(field, here)
    yield from undescribed(schema["items"], f"{path}[]") if "items" in schema else ()
    for number, choice in enumerate(schema.get("oneOf", ())):
        if not choice.get("description"):
            yield f"{path}|{number}"
        yield from undescribed(choice, f"{path}|{number}")


@pytest.mark.parametrize("schema", [document.schema(), stream.schema()], ids=["report", "event"])
def test_every_field_and_value_of_a_schema_says_what_it_means(schema: dict[str, Any]) -> None:
    assert not list(undescribed(schema))
    for name, definition in schema["$defs"].items():
        assert definition["description"]
        assert not list(undescribed(definition, name))
