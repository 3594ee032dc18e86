"""What a person reads: complete, in any width, with and without colour, aloud; and never obeyed by a terminal."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Group, RenderableType
from rich.text import Text

from kubectl_glasskube_purge.kube.objects import Ref
from kubectl_glasskube_purge.kube.problem import Problem
from kubectl_glasskube_purge.purge.judge.verify import JUST_EXISTS
from kubectl_glasskube_purge.purge.model.plan import Decision, Kept, Plan
from kubectl_glasskube_purge.purge.model.record import Leftover, Verification
from kubectl_glasskube_purge.report import human
from kubectl_glasskube_purge.report.layout import Columns, Labelled, Node, Tree, console, text
from kubectl_glasskube_purge.report.names import tilde
from kubectl_glasskube_purge.report.preview import kept, preview, warned
from tests.report.plans import HEADER, cluster, decided, record

NAMES = ("argo-cd", "cert-manager", "shop/postgres")


def drawn(what: RenderableType, width: int = 80, *, plain: bool = False, encoding: str = "utf-8") -> str:
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    page = console(stream, plain=plain)
    page.width = width
    page.print(what)
    stream.flush()
    stream.seek(0)
    return stream.read()


@pytest.fixture(scope="module")
def shown() -> RenderableType:
    survey = cluster(*NAMES)
    return preview(HEADER, survey, decided(survey))


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_the_preview_fits_any_width_and_pads_nothing(shown: RenderableType, width: int) -> None:
    for line in drawn(shown, width).splitlines():
        unbroken = " " not in re.sub(r" -n |^[ │├└─]+", "/", line) or len(line) - 20 < width
        assert len(line) <= width or unbroken, line
        assert line == line.rstrip()


def test_the_preview_says_last_what_hurts_most(shown: RenderableType) -> None:
    labels = re.findall(r"^([A-Z][a-z]+)\b", drawn(shown), re.MULTILINE)
    assert labels == ["Cluster", "Glasskube", "Manifest", "Delete", "Keep", "Flux", "Backup", "Lost", "Plan"]


def test_wide_shows_every_object_with_its_reason() -> None:
    survey = cluster(*NAMES)
    plan = decided(survey)
    said = drawn(preview(HEADER, survey, plan, wide=True), 200)
    for ref in plan.going:
        assert ref.display in said
    assert re.search(
        r"│  └─ deployment\.apps/postgres -n shop  installed by it|deployment\.apps/postgres -n shop", said
    )
    assert "clusterpackage.packages.glasskube.dev/argo-cd  installed by Glasskube, which is deleted" in said


@pytest.mark.parametrize(("plain", "encoding"), [(True, "utf-8"), (False, "ascii")])
def test_nothing_is_drawn_for_a_screen_reader_nor_where_only_letters_are_shown(plain: bool, encoding: str) -> None:
    survey = cluster(*NAMES)
    said = drawn(preview(HEADER, survey, decided(survey), wide=True), plain=plain, encoding=encoding)
    assert said.isascii()
    assert "  -  clusterpackage" in said


def test_colour_needs_a_terminal_and_no_color_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)

    def codes(**how: bool) -> set[str]:
        stream = Terminal()
        console(stream, **how).print(text("x", "bold red"))
        return set(re.findall(r"\x1b\[([\d;]+)m", stream.getvalue())) - {"0"}

    assert codes() == {"1;31"}
    assert codes(plain=True) == set()
    monkeypatch.setenv("NO_COLOR", "1")
    assert codes() == {"1"}


def test_a_terminal_obeys_nothing_that_comes_from_the_cluster() -> None:
    evil = "\x1b[2J\x07[bold]x[/bold]\r:smile:\u202e"
    said = drawn(Columns([(evil, evil)]), 200)
    assert not set(said) & set("\x1b\x07\r\u202e")
    assert "[bold]x[/bold]" in said
    assert ":smile:" in said


def test_text_from_the_cluster_forges_no_line() -> None:
    said = drawn(Group(warned("failed\nFlux stays"), Columns([("a\nb", "c\nd")]), Text("\x1b[2J\u202e")), 200)
    assert len(said.splitlines()) == 3
    assert "failed\\nFlux stays" in said
    assert "\\x1b[2J\\u202e" in said


def test_a_long_warning_is_shown_shortened() -> None:
    said = drawn(warned("shop failed: " + "why " * 4000), 80)
    assert len(said) < 600
    assert "16013 characters" in said.replace("\n  ", " ")


def test_words_that_dont_fit_are_cut_and_none_is_lost() -> None:
    name = "x" * 150
    for what in (Columns([(text(name), text("why"))]), Labelled([("Label", text(name))]), Tree([Node(text(name))])):
        said = drawn(what, 40)
        assert said.count("x") == 150


def test_what_stays_for_the_same_reason_is_folded() -> None:
    alike = [Kept(Ref("", "ConfigMap", "a", f"c{number}"), "because") for number in range(9)]
    assert kept(alike).pairs == [("9 objects", "because (9 ConfigMaps)")]
    assert len(kept(alike, wide=True).pairs) == 9


def test_a_home_folder_is_a_tilde(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert tilde(str(tmp_path / "b.yaml")) == "~/b.yaml"
    assert tilde(f"{tmp_path}-other/b.yaml") == f"{tmp_path}-other/b.yaml"


# -- the end


def test_a_clean_end_says_how_much_how_long_and_the_way_back() -> None:
    made = record(
        cluster(*NAMES), outcome="clean", stage_seconds={"packages": 9.0, "records": 0.5}, backups=["/b.yaml"]
    )
    said = drawn(human.end(made), 200)
    assert re.search(r"gone from prod-eu: \d+ objects, and \d+ with them, in 9\.5s, verified\.", said)
    assert re.search(r"^Undo +kubectl glasskube purge restore /b\.yaml$", said, re.MULTILINE)


def test_an_end_with_kept_packages_offers_their_files() -> None:
    made = record(cluster(*NAMES), outcome="clean", backups=["/b.yaml"])
    assert made.plan
    assert "export" not in drawn(human.end(made), 200)
    decision = Decision(Ref("packages.glasskube.dev", "ClusterPackage", "", "web"), decision="keep")
    made.plan = replace(made.plan, packages=(decision,))
    assert "kubectl glasskube purge export --from /b.yaml" in drawn(human.end(made), 200)


def test_the_way_back_can_be_pasted_whatever_a_file_is_called() -> None:
    made = record(cluster(*NAMES), outcome="clean", backups=["/a b.yaml", "/c.yaml"])
    assert "restore '/a b.yaml' /c.yaml" in drawn(human.end(made), 200)


def test_the_way_back_is_short_where_a_shell_knows_the_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    made = record(cluster(*NAMES), outcome="clean", backups=["/home/me/a b.yaml", "/home/me/c.yaml"])
    said = " ".join(drawn(human.end(made), 200).split())
    assert "restore ~/'a b.yaml' ~/c.yaml" in said


@pytest.mark.parametrize("outcome", ["refused", "failed", "interrupted", "incomplete"])
def test_a_bad_end_has_the_cause_first_and_the_fix_on_its_own_line(outcome: str) -> None:
    error = Problem("code", "what is the matter", "Do this.")
    made = record(cluster(*NAMES), outcome=outcome, error=error)
    first, *others = drawn(human.end(made)).splitlines()
    assert "what is the matter" in first
    assert f"(exit {made.exit})" in first
    assert "Fix  Do this." in others


def test_verify_says_what_is_held_and_folds_what_just_exists() -> None:
    left = [Leftover(Ref("", "ConfigMap", "a", f"c{number}"), JUST_EXISTS) for number in range(9)]
    held = Leftover(Ref("", "Namespace", "", "stuck"), "Terminating: something")
    made = record(cluster(*NAMES), outcome="incomplete", verification=Verification((*left, held), ("secrets",)))
    said = drawn(human.verification(made))
    assert "Glasskube v0.26.1 is in prod-eu: 10 objects." in said
    assert re.search(r"9 ConfigMaps +c0 -n a, c1 -n a, c2 -n a and 6 more", said)
    assert re.search(r"namespace/stuck +Terminating: something", said)
    assert "Can't be read, so not known to be clean: secrets" in said
    assert "configmap/c8 -n a" in drawn(human.verification(made, wide=True))


def test_nothing_found_is_said_to_be_nothing() -> None:
    made = record(outcome="clean", verification=Verification())
    assert drawn(human.verification(made)) == "Nothing of Glasskube is in prod-eu.\n"
    assert "Nothing to do" in drawn(human.end(record(outcome="nothing-to-do", plan=Plan())))
