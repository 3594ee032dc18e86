"""stdout and stderr: readers that go away, disks that are full, terminals that know only letters, signals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PLAY = """
import asyncio, os, signal, sys
from kubectl_glasskube_purge.cli import streams
streams.install()
from kubectl_glasskube_purge.cli import running
from kubectl_glasskube_purge.cli.options import Output
from kubectl_glasskube_purge.flows.run import stoppable
from kubectl_glasskube_purge.kube.problem import Problem

async def work(screen, record):
    {work}

code = running.run(work, running.Show(Output({output!r})))
sys.stdout.flush()
sys.exit(code)
"""


def play(work: str, output: str = "json", shell: str = "", env: dict[str, str] | None = None) -> tuple[int, str, str]:
    """Runs a flow of a few lines; `shell` is what follows the command in a shell, e.g. `| head -1`."""
    program = PLAY.format(work="\n    ".join(work.strip().splitlines()), output=output)
    command = ["bash", "-c", f'"$0" -c "$1" {shell}; exit ${{PIPESTATUS[0]}}', sys.executable, program]
    done = subprocess.run(
        command,
        capture_output=True,
        check=False,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(ROOT), **(env or {})},
        stdin=subprocess.DEVNULL,
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


LONG = "record.outcome = 'clean'; record.context = 'x' * 300000"


def test_a_closed_pipe_changes_nothing_of_the_exit_code() -> None:
    assert play(LONG, shell="| head -c 10") == (0, '{\n  "apiVe', "")
    assert play("record.outcome = 'incomplete'; record.context = 'x' * 300000", shell="| head -c 1")[0] == 5


def test_a_run_goes_on_when_nobody_reads_along() -> None:
    work = """
for number in range(5000): screen.note('x' * 100)
print('x' * 100000, flush=True)
open('/dev/fd/9', 'w').write('to the end')
record.outcome = 'clean'
"""
    code, _, witness = play(work, shell="9>&2 2>&1 | head -c 0")
    assert (code, witness) == (0, "to the end")


def test_a_result_that_must_arrive_is_known_not_to_have() -> None:
    work = "for _ in range(9): screen.write('x' * 100000)\nrecord.outcome = 'clean'"
    code, _, err = play(work, shell="| head -c 1")
    assert code == 1
    assert "stdout has no reader" in err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_is_said() -> None:
    code, _, err = play(LONG, shell="> /dev/full")
    assert (code, err) == (1, "error: the result can't be written: no space left on device\n")


def test_closed_streams_are_no_reason_to_fail() -> None:
    assert play(LONG, shell=">&- 2>&-")[0] == 0


def test_a_pipe_gets_utf_8_whatever_the_locale() -> None:
    work = r"record.context = 'Z\xfcrich \u2713'; record.outcome = 'clean'"
    _, out, _ = play(work, env={"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"})
    assert json.loads(out)["context"] == "Zürich ✓"


# -- signals

WAIT = """
print('ready', file=sys.stderr, flush=True)
await asyncio.sleep(60)
"""
EXECUTING = """
record.stage_moments['packages'] = 1.0
with stoppable(record) as stop:
    print('ready', file=sys.stderr, flush=True)
    await stop.wait()
    print('stopping', file=sys.stderr, flush=True)
    {then}
    record.outcome, record.error = 'interrupted', Problem('interrupted', 'stopped on request', 'Run this again.')
"""


_running: list[subprocess.Popen[str]] = []


@pytest.fixture(autouse=True)
def _nothing_runs_on() -> Iterator[None]:
    """Ends what a test that failed has left running."""
    yield
    while _running:
        with _running.pop() as process:
            process.kill()


def started(work: str, *before: str) -> subprocess.Popen[str]:
    program = PLAY.format(work="\n    ".join(work.strip().splitlines()), output="json")
    process = subprocess.Popen(
        [*before, sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    _running.append(process)
    assert process.stderr is not None
    assert process.stderr.readline() == "ready\n"
    return process


each_signal = pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)], ids=["INT", "TERM", "HUP"]
)


@each_signal
def test_before_anything_is_done_a_signal_ends_the_run_with_its_code(number: int, code: int) -> None:
    process = started(WAIT)
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    report = json.loads(out)
    assert (process.returncode, report["outcome"], report["exitCode"]) == (code, "interrupted", code)
    assert report["error"]["message"] == "nothing was changed"
    assert "Traceback" not in err


@each_signal
def test_an_execution_ends_in_order_at_the_first_signal(number: int, code: int) -> None:
    process = started(EXECUTING.format(then="pass"))
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    report = json.loads(out)
    assert (process.returncode, report["outcome"], report["exitCode"]) == (code, "interrupted", code)
    assert report["error"]["message"] == "stopped on request"
    assert "stopping" in err


@each_signal
def test_an_execution_that_doesnt_come_to_its_end_is_cut_off_by_the_second_signal(number: int, code: int) -> None:
    process = started(EXECUTING.format(then="await asyncio.sleep(60)"))
    process.send_signal(number)
    assert process.stderr is not None
    assert process.stderr.readline() == "stopping\n"
    process.send_signal(number)
    out, _ = process.communicate(timeout=30)
    report = json.loads(out)
    assert (process.returncode, report["outcome"], report["exitCode"]) == (code, "interrupted", code)
    assert report["error"]["message"] == "stopped at once"


def test_a_process_that_hangs_is_ended_by_the_next_signal() -> None:
    process = started("""
try:
    print('ready', file=sys.stderr, flush=True)
    await asyncio.sleep(60)
finally:
    print('hanging', file=sys.stderr, flush=True)
    await asyncio.sleep(60)
""")
    process.send_signal(signal.SIGTERM)
    assert process.stderr is not None
    assert process.stderr.readline() == "hanging\n"
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == -signal.SIGTERM


ENOUGH = """
received = asyncio.Event()
asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, received.set)
print('ready', file=sys.stderr, flush=True)
await received.wait()
"""


@pytest.mark.parametrize("executing", [False, True], ids=["looking", "executing"])
def test_a_run_under_nohup_outlives_its_terminal(executing: bool) -> None:
    work = ENOUGH.strip()
    if executing:
        work = "with stoppable(record):\n" + "\n".join(f"    {line}" for line in work.splitlines())
    process = started(work + "\nrecord.outcome = 'clean'", "nohup")
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGUSR1)
    out, _ = process.communicate(timeout=30)
    assert (process.returncode, json.loads(out)["outcome"]) == (0, "clean")


# -- what others wrote

EVIL = r"'\x1b[2J\x07\x9b1m\u202e\u200b\ud800'"


def test_no_stream_carries_what_a_terminal_obeys() -> None:
    work = f"screen.note({EVIL} + '\\nFORGED'); sys.stdout.write({EVIL}); raise ValueError({EVIL} + '\\nFORGED')"
    for output in ("human", "name"):
        _, out, err = play(work, output)
        for said in (out, err):
            assert not [character for character in said if not character.isprintable() and character != "\n"]
        assert "\\x1b[2J" in out
        assert "\\u202e" in err
        assert "\nFORGED" not in err


FORGED = r"'\n\t\nFORGED\r\x85FORGED\u2028FORGED\x1b[2J'"


@pytest.mark.parametrize("outcome", ["failed", "refused", "incomplete"])
@pytest.mark.parametrize("output", ["human", "name"])
def test_no_text_from_outside_begins_a_line(output: str, outcome: str) -> None:
    problem = f"Problem('refused', 'a' + {FORGED}, 'b' + {FORGED})"
    _, out, err = play(f"record.outcome, record.error = {outcome!r}, {problem}; screen.note({FORGED})", output)
    for said in (out, err):
        assert not [character for character in said if not character.isprintable() and character != "\n"]
        assert not [line for line in said.splitlines() if line.lstrip().startswith("FORGED")]
    assert "FORGED" in err


def test_no_text_of_an_error_begins_a_line_of_its_traceback() -> None:
    _, _, err = play(f"running._debug(running.Show(debug=True), ValueError({FORGED}))")
    assert "ValueError" in err
    assert not [line for line in err.splitlines() if line.startswith("FORGED")]


@pytest.mark.parametrize("output", ["json", "jsonl", "yaml"])
def test_a_document_escapes_what_a_terminal_obeys_and_loses_nothing(output: str) -> None:
    _, out, _ = play(f"record.context = {EVIL.replace('ud800', 'ufeff')}; record.outcome = 'clean'", output)
    assert all(character.isprintable() or character == "\n" for character in out)
    read = yaml.safe_load(out) if output != "jsonl" else json.loads(out)["report"]
    assert read["context"] == "\x1b[2J\x07\x9b1m\u202e\u200b\ufeff"
