"""docs/verify.md: what a user types accepts what was built, and nothing else. What needs GitHub isn't run."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from krew import render
from krew.build import ROOT, archive_name
from kubectl_glasskube_purge import __version__
from tests import snippets

PAGE = ROOT / "docs" / "verify.md"
OFFLINE = [
    one for block in snippets.commands(PAGE) for one in block.statements if one.startswith(("sha256sum ", "grep "))
]


@pytest.fixture
def downloads(tmp_path: Path) -> Path:
    """A folder with an archive's name, krew's manifest and the checksums of a release: none looks into the archive."""
    dist = tmp_path / "dist"
    dist.mkdir()
    (dist / archive_name(__version__, "linux", "amd64")).write_bytes(b"an archive")
    (dist / "glasskube-purge.yaml").write_text(render.render(dist, "https://example.com/someone/it"), "utf-8")
    make = ["make", "--silent", f"--makefile={ROOT / 'Makefile'}", "checksums"]
    subprocess.run(make, cwd=tmp_path, check=True)
    return dist


@pytest.mark.parametrize("statement", OFFLINE)
def test_what_is_typed_accepts_the_release_and_refuses_a_changed_file(downloads: Path, statement: str) -> None:
    def accepted() -> bool:
        return (
            subprocess.run(["bash", "-c", statement], cwd=downloads, capture_output=True, check=False).returncode == 0
        )

    assert accepted()
    (file,) = downloads.glob("*.tar.gz")
    file.write_bytes(file.read_bytes() + b"\0")
    assert not accepted()


def test_the_page_has_commands_that_run_here() -> None:
    assert [one.split()[0] for one in OFFLINE] == ["sha256sum", "grep"]
