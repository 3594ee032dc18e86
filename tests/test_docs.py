"""The documentation names what exists."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from kubectl_glasskube_purge import __version__
from kubectl_glasskube_purge.cli.commands import COMMANDS
from kubectl_glasskube_purge.purge.model.outcome import EXIT_CODE_OF, EXIT_CODES
from kubectl_glasskube_purge.report import document
from scripts import reference
from tests.cluster.compatibility import NOT_TAKEN
from tests.snippets import PAGES, ROOT

from . import snippets

EACH_PAGE = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as they are made of them on the web."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_message_leads_to_a_heading_of_the_troubleshooting_page() -> None:
    sources = "".join(path.read_text() for path in (ROOT / "kubectl_glasskube_purge").rglob("*.py"))
    named = set(re.findall(r"(?:TROUBLESHOOTING\}|\{more\}) ([a-z-]+)", sources))
    named |= set(re.findall(r"_again\(\"([a-z-]+)\"\)", sources))
    assert len(named) > 5
    assert named <= anchors(ROOT / "docs" / "troubleshooting.md")
    assert not named & COMMANDS.keys()  # `help` would print the command's


@EACH_PAGE
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


def test_every_page_is_in_the_index() -> None:
    index = (ROOT / "docs" / "README.md").read_text("utf-8")
    for page in PAGES:
        assert page.name == "README.md" or f"]({os.path.relpath(page, ROOT / 'docs')})" in index, page


# -- what is to be typed; tests/cluster/test_docs.py runs it

TYPED = re.compile(r"^\s*(?:\$ )?(?:kubectl|make|pip|pipx|uv|helm|jq|docker|for \w+ in|source) ", re.MULTILINE)


@EACH_PAGE
def test_what_is_to_be_typed_stands_where_it_is_run(page: Path) -> None:
    for block in snippets.blocks(page):
        assert block.language in ("sh", "text"), block
        assert block.language == "sh" or not TYPED.search(block.text) or "[options]" in block.text, block
    indented = re.findall(r"^(?: {4}|\t)(?! *[-*|\d]).+$", snippets.prose(page), re.MULTILINE)
    assert not [line for line in indented if TYPED.match(line)]


@EACH_PAGE
def test_what_pages_say_of_the_plugin_is_understood_by_it(page: Path) -> None:
    for block in snippets.commands(page):
        list(snippets.invocations(block.text))
    for code in re.findall(r"`([^`\n]+)`", snippets.prose(page).replace("\\|", "|")):
        if snippets.OURS.match(code) and not code.endswith(" SHELL"):
            list(snippets.invocations(code))


@EACH_PAGE
def test_every_option_that_is_named_exists(page: Path) -> None:
    ours = {name for command in COMMANDS.values() for name in command.options}
    for code in re.findall(r"`(--?[a-z][\w-]*)(?:[= ][^`]*)?`", snippets.prose(page)):
        assert code in ours | OF_OTHERS, code


OF_OTHERS = {*NOT_TAKEN, "--force", "--grace-period", "--server-side"}
"""Options of kubectl's commands and of tools, which pages speak of."""


def test_what_is_not_run_is_run_elsewhere_or_says_why_not() -> None:
    statements = [one for page in PAGES for block in snippets.commands(page) for one in block.statements]
    written = "".join(path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    for beginning, where in snippets.ELSEWHERE.items():
        assert any(one.startswith(beginning) for one in statements), f"nobody shows {beginning!r} any more"
        if where.startswith("test_"):
            assert f"def {where}(" in written, where
    assert sum(not snippets.is_elsewhere(one) for one in statements) > len(statements) / 2


def test_every_target_that_pages_name_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    for page in PAGES:
        named = re.findall(r"(?:^|`)make ([a-z-]+)", page.read_text("utf-8"), re.MULTILINE)
        assert {*named} <= targets, page


@EACH_PAGE
def test_an_image_that_is_named_is_of_this_version(page: Path) -> None:
    assert {*re.findall(r"kubectl-glasskube-purge:(\d[\w.]*)", page.read_text("utf-8"))} <= {__version__}


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
    assert {str(code) for code in EXIT_CODE_OF.values()} - {"130"} <= {*EXIT_CODES}


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


@pytest.mark.parametrize(
    "schema",
    [document.schema(), document.schema("stream.schema.json"), document.schema("explanation.schema.json")],
    ids=lambda schema: schema["title"],
)
def test_every_field_and_value_of_a_schema_says_what_it_means(schema: dict[str, Any]) -> None:
    assert not list(undescribed(schema))
    for name, definition in schema.get("$defs", {}).items():
        assert definition["description"]
        assert not list(undescribed(definition, name))


# -- plain English

DIALECT = re.compile(
    r"\b(whoever|somebody|nobody|whom|mend(s|ed|ing)?|(is|are|was|were|be|been) told|tells|taken along|put back|anew"
    r"|of (its|their) own|as yet|in vain)\b",
    re.IGNORECASE,
)
"""What readers with English as a second language read twice."""

MOST_IN_1000 = 0.3


def test_docs_and_messages_have_few_words_that_are_read_twice() -> None:
    texts = [page.read_text("utf-8") for page in PAGES]
    for path in (ROOT / "kubectl_glasskube_purge").rglob("*.py"):
        nodes = ast.walk(ast.parse(path.read_text("utf-8")))
        texts += [one.value for one in nodes if isinstance(one, ast.Constant) and isinstance(one.value, str)]
    words = sum(len(re.findall(r"\b[A-Za-z][\w'-]*", text)) for text in texts)
    found = [match[0].lower() for text in texts for match in DIALECT.finditer(re.sub(r"\s+", " ", text))]
    assert 1000 * len(found) / words <= MOST_IN_1000, Counter(found)


# -- pictures


def test_every_picture_is_shown() -> None:
    shown = {
        (page.parent / target).resolve()
        for page in PAGES
        for target in re.findall(r"!\[[^\]]+\]\(([^)]+)\)", page.read_text("utf-8"))
    }
    assert shown == {*(ROOT / "docs" / "images").iterdir()}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("preview", ["$ kubectl glasskube purge", "Delete ", "Keep ", "Lost ", " from testbed? [y/N]"]),
        ("purge", ["[y/N] y", "✓ packages", "✓ namespaces", "Glasskube is gone from testbed: "]),
    ],
)
def test_pictures_are_of_a_real_screen_and_have_nothing_from_elsewhere(name: str, words: list[str]) -> None:
    content = (ROOT / "docs" / "images" / f"{name}.svg").read_text("utf-8")
    assert len(content) < 100_000
    addresses = re.findall(r"\w+://[\w.:]+", content.replace(' xmlns="http://www.w3.org/2000/svg"', ""))
    assert {*addresses} <= {"https://127.0.0.1:6443"}
    assert not re.search(r"href|url\(|@import|<script|<style|<image", content)
    drawn = ElementTree.fromstring(content).iter("{http://www.w3.org/2000/svg}text")
    lines = [" ".join(line.itertext()) for line in drawn]
    assert max(map(len, lines)) <= 80
    for word in words:
        assert any(word in line for line in lines), word
