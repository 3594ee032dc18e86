"""The live display in a terminal: resized, interrupted, scrolled back; nothing garbled, the cursor given back."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.report.terminal import ROOT, Terminal, terminal

PLAY = ("-m", "tests.report.stage_play")
STAGES = ("packages", "controllers", "definitions", "namespaces", "total")


@pytest.fixture
def play() -> Iterator[Terminal]:
    # Orders come from the terminal itself: without echo they leave no trace on it.
    quiet = "import termios,sys; a=termios.tcgetattr(0); a[3]&=~termios.ECHO; termios.tcsetattr(0,termios.TCSANOW,a)"
    with terminal("-c", f"{quiet}\nfrom tests.report.stage_play import main; main()") as opened:
        opened.wait(lambda: "namespaces" in opened.text)
        yield opened


def order(screen: Terminal, *orders: str) -> None:
    for one in orders:
        screen.type(f"{one}\n")


def rows(screen: Terminal) -> list[str]:
    return [line.rstrip() for line in screen.screen.display if line.strip()]


def is_whole(screen: Terminal) -> bool:
    """Whether a frame is to be seen from its first to its last line: it may arrive in pieces."""
    starts = [re.match(r". (\w+)\b", line) for line in rows(screen)]
    return [start[1] for start in starts if start and start[1] in STAGES] == list(STAGES)


def test_every_stage_has_its_line_with_a_bar_and_its_count(play: Terminal) -> None:
    order(play, "go packages", "gone 7")
    play.wait(lambda: "7/8" in play.text and is_whole(play))
    before, *stages = rows(play)
    assert before == "before"
    assert [re.findall(r"[a-z]+", line)[0] for line in stages] == list(STAGES)
    assert re.fullmatch(r"  total +━+─+ +7/\d+ +\d+\.\ds", stages[-1])
    assert re.fullmatch(r"[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏] packages +━{21}─{3} +7/8 +\d+\.\ds", stages[0])
    order(play, "gone 7", "finish")
    play.wait(lambda: "✓ packages" in play.text)
    assert re.search(r"✓ packages +━{24} +8/8 +1\.5s", play.text)


def test_who_is_waited_for_is_said_beneath_the_stage(play: Terminal) -> None:
    order(play, "go packages", "wait")
    said = "keeps finalizer finalizers.fluxcd.io; helm-controller has no ready Pod (4"
    play.wait(lambda: said in " ".join(" ".join(rows(play)).split()))
    order(play, "gone 1")
    play.wait(lambda: "waits for" not in play.text and is_whole(play) and len(rows(play)) == 1 + len(STAGES))


def test_what_is_said_meanwhile_stands_above_and_stays(play: Terminal) -> None:
    order(play, "go packages", "say first", "log second", "say third")
    play.wait(lambda: "third" in play.text and is_whole(play))
    assert rows(play)[:4] == ["before", "Note: first", "second", "Note: third"]
    assert len(rows(play)) == 4 + len(STAGES)


@pytest.mark.parametrize("width", [30, 50, 79, 120])
def test_a_resized_window_shows_each_line_once(play: Terminal, width: int) -> None:
    order(play, "go packages", "wait")
    play.wait(lambda: "waits for" in play.text)
    for number, (columns, lines) in enumerate(((width, 24), (100, 12), (width, 24)), 1):
        play.resize(columns, lines)
        order(play, "gone 1", "wait")
        play.wait(lambda count=f"{number}/8": count in play.text)  # type: ignore[misc]
    order(play, "gone 100", "finish", "end")
    assert play.end() == 0
    for stage in STAGES:
        assert sum(bool(re.search(rf"^. {stage}\b", line)) for line in play.text.splitlines()) == 1, play.text
    assert all(len(line) <= width for line in rows(play)[-5:])


def test_a_window_that_is_too_low_shows_the_stage_that_runs(play: Terminal) -> None:
    play.resize(80, 4)
    order(play, "go definitions", "gone 3")
    play.wait(lambda: "3/10" in play.text)
    assert any("definitions" in line for line in play.screen.display)


def test_scrolled_back_there_is_no_line_twice(play: Terminal) -> None:
    play.resize(80, 8)
    order(play, "go packages", *(f"say number {number}" for number in range(30)), "gone 100", "finish", "end")
    assert play.end() == 0
    lines = play.text.splitlines()
    assert [line for line in lines if line.startswith("Note")] == [f"Note: number {number}" for number in range(30)]
    assert sum("packages" in line for line in lines) == 1
    assert lines[-1] == "after"


@pytest.mark.parametrize("last", ["end", "crash"])
def test_the_cursor_is_given_back_below_the_display(play: Terminal, last: str) -> None:
    order(play, "go packages", "gone 3")
    play.wait(lambda: "3/8" in play.text)
    assert play.screen.cursor.hidden
    order(play, last)
    assert play.end() == {"end": 0, "crash": 9}[last]
    assert not play.screen.cursor.hidden
    assert not play.screen.display[play.screen.cursor.y].strip()
    assert "✗ packages" in play.text


def test_a_suspended_program_leaves_the_terminal_in_order() -> None:
    """In a shell, which is who stops and resumes programs."""
    shell = "import os; os.environ['PS1'] = 'shell> '; os.execvp('bash', ['bash', '--norc', '-i'])"
    with terminal("-c", shell, env={"PYTHONPATH": str(ROOT)}) as screen:
        screen.wait(lambda: "shell>" in screen.text)
        screen.type(f"stty -echo; cd {ROOT}; clear; {sys.executable} -m tests.report.stage_play\n")
        screen.wait(lambda: "namespaces" in screen.text and screen.screen.cursor.hidden)
        order(screen, "go packages", "gone 3")
        screen.wait(lambda: "3/8" in screen.text)
        screen.type("\x1a")
        screen.wait(lambda: "Stopped" in screen.text and "shell>" in screen.screen.display[screen.screen.cursor.y])
        assert not screen.screen.cursor.hidden
        assert "3/8" not in screen.text
        order(screen, "fg")
        screen.wait(lambda: "3/8" in screen.text and screen.screen.cursor.hidden)
        order(screen, "gone 1", "end")
        screen.wait(lambda: "after" in screen.text)
        assert sum("packages" in line for line in screen.text.splitlines() if "stage_play" not in line) == 1


def test_nothing_flickers_no_frame_begins_by_erasing_the_one_before(play: Terminal) -> None:
    order(play, "go packages", "gone 3")
    play.wait(lambda: "3/8" in play.text)
    assert b"\x1b[2J" not in play.raw
    assert b"\x1b[?1049h" not in play.raw


# -- without a terminal, or without eyes


def played(*orders: str, plain: bool = False, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        [sys.executable, *PLAY, *["--plain"] * plain],
        input="\n".join(orders),
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        timeout=60,
        env=env,
    )
    return done.stderr


def test_a_pipe_gets_a_line_for_each_finished_stage() -> None:
    said = played("go packages", "gone 13", "finish", "say hello", "end")
    assert said == "before\n✓ packages           8/8     1.5s\nNote: hello\nafter\n"


def test_a_long_wait_is_said_in_a_pipe_now_and_then() -> None:
    said = played("go packages", "wait", "wait", "end")
    assert " ".join(said.split()).count("without progress") == 1
    assert "packages waits for" in said.replace("\n", " ")


def test_a_screen_reader_gets_sentences() -> None:
    said = played("go packages", "gone 13", "finish", "end", plain=True)
    assert said == "before\npackages done: 8/8 objects in 1.5s\nafter\n"


# -- a terminal that wraps lines anew when it gets narrower


@pytest.mark.skipif(shutil.which("tmux") is None, reason="no tmux here")
@pytest.mark.parametrize("narrow", [60, 45, 30])
def test_a_terminal_that_wraps_lines_anew_isnt_garbled_either(tmp_path: Path, narrow: int) -> None:
    socket = tmp_path / "tmux"
    fifo = tmp_path / "orders"
    program = f"cd {ROOT} && {sys.executable} -m tests.report.stage_play < {fifo}; sleep 60"

    def tmux(*words: str) -> str:
        return subprocess.run(
            ["tmux", "-S", str(socket), "-f", "/dev/null", *words], capture_output=True, text=True, check=True
        ).stdout

    def wait(words: str) -> None:
        deadline = time.monotonic() + 30
        while words not in (seen := tmux("capture-pane", "-p", "-S", "-")):
            assert time.monotonic() < deadline, seen
            time.sleep(0.1)

    subprocess.run(["mkfifo", str(fifo)], check=True)
    tmux("new-session", "-d", "-x", "100", "-y", "24", "sh", "-c", program)
    try:
        with fifo.open("w") as orders:
            orders.write("go packages\nwait\n")
            orders.flush()
            wait("waits for")
            for number, width in enumerate((narrow, 80, narrow)):
                tmux("resize-window", "-x", str(width), "-y", "24")
                orders.write("gone 1\nwait\n")
                orders.flush()
                wait(f"{number + 1}/8")
            orders.write("end\n")
            orders.flush()
            wait("after")
            shown, everything = tmux("capture-pane", "-p"), tmux("capture-pane", "-p", "-S", "-")
    finally:
        tmux("kill-server")
    for stage in STAGES:
        assert len(re.findall(rf"^. {stage}\b", shown, re.MULTILINE)) == 1, shown
        # What tmux has pushed out of the screen while it wrapped lines stays what it was.
        assert narrow < 60 or len(re.findall(rf"^. {stage}\b", everything, re.MULTILINE)) == 1, everything
    assert everything.splitlines()[0] == "before"
