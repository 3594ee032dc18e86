"""The lock of the archive's build: complete, exact, and as the project asks for."""

from __future__ import annotations

import re

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from krew.build import HERE, REQUIREMENTS, ROOT

try:
    import tomllib
except ImportError:  # Python 3.10
    pytest.skip("tomllib is Python 3.11's", allow_module_level=True)

BESIDE = tuple(HERE / f"{name}-requirements.txt" for name in ("wheel", "release"))
"""What builds wheel and image, and what checks and describes a release."""
TEXT = "".join(file.read_text("utf-8") for file in (*REQUIREMENTS, *BESIDE)).replace("\\\n", " ")
LOCKED = [Requirement(line.partition(" --hash")[0]) for line in TEXT.splitlines()]


def wanted() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    asked = [line for file in HERE.glob("*-requirements.in") for line in file.read_text("utf-8").splitlines()]
    return [Requirement(line) for line in (*project["dependencies"], *asked) if line and not line.startswith("#")]


def test_every_dependency_is_locked_to_a_version_that_the_project_allows() -> None:
    for requirement in wanted():
        name = canonicalize_name(requirement.name)
        # Several, if a version isn't published ready-made for every platform.
        locked = [specifier for one in LOCKED if canonicalize_name(one.name) == name for specifier in one.specifier]
        assert locked, requirement
        for pinned in locked:
            assert pinned.operator == "=="
            assert pinned.version in requirement.specifier, requirement


def test_every_line_of_the_lock_has_hashes() -> None:
    for line in TEXT.splitlines():
        assert re.search(r" --hash=sha256:[0-9a-f]{64}\b", line), line


def test_the_lock_names_no_place() -> None:
    assert "://" not in TEXT
    assert "--index" not in TEXT
