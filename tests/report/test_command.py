"""`report FILE.json` and `--report FILE.html`, as typed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from kubectl_glasskube_purge.report import document, page

from . import samples


def plugin(*words: str | Path, stdin: str = "", **more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "kubectl_glasskube_purge", *map(str, words)]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=120, check=False, **more)  # type: ignore[call-overload]


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    file = tmp_path / "report.json"
    file.write_text(document.as_json(samples.purged()), "utf-8")
    return file


def test_a_saved_report_becomes_a_page(saved: Path, tmp_path: Path) -> None:
    target = tmp_path / "page.html"
    done = plugin("report", saved, "--report", target)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert target.read_text("utf-8") == page.render(samples.purged())


def test_the_page_goes_to_stdout_where_no_file_is_named(saved: Path) -> None:
    html = page.render(samples.purged()) + "\n"
    assert plugin("report", saved).stdout == html
    assert plugin("report", "-", stdin=saved.read_text("utf-8")).stdout == html


@pytest.mark.parametrize(
    ("content", "code", "said"),
    [
        (b"{}", 1, "is no report: kind"),
        (b"\xff\xfe", 1, "can't be read"),
        (None, 1, "can't be read: No such file"),
    ],
)
def test_what_is_no_report_is_said_to_be_none(tmp_path: Path, content: bytes | None, code: int, said: str) -> None:
    file = tmp_path / "report.json"
    if content is not None:
        file.write_bytes(content)
    done = plugin("report", file)
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr


def test_a_place_that_takes_no_page_is_a_usage_error_before_anything_is_done(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "absent-kubeconfig"
    done = plugin("--report", tmp_path / "absent" / "page.html", "--kubeconfig", kubeconfig, "--yes")
    assert done.returncode == 2
    assert "there is no folder" in done.stderr
    assert "kubeconfig" not in done.stderr


def test_a_failed_run_has_its_page(tmp_path: Path) -> None:
    target = tmp_path / "page.html"
    done = plugin("--report", target, "--kubeconfig", tmp_path / "absent-kubeconfig", "--yes", "-o", "json")
    assert done.returncode == 1
    html = target.read_text("utf-8")
    assert "What went wrong" in html
    assert html == page.render_text(done.stdout)
