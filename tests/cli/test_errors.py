"""Whatever is wrong: a line of what, a line of what next, the right exit code, a document for scripts, no traceback."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from kubectl_glasskube_purge.cli import main as cli
from kubectl_glasskube_purge.cli import running
from kubectl_glasskube_purge.cli.options import Output
from kubectl_glasskube_purge.glasskube.manifest import ManifestError
from kubectl_glasskube_purge.kube.errors import ConfigError
from kubectl_glasskube_purge.purge.model.outcome import ended
from kubectl_glasskube_purge.report import document
from kubectl_glasskube_purge.undo.errors import BackupExists
from tests.cluster.pki import Authority
from tests.kube.servers import Answer, FakeApi, fake_api

ROOT = Path(__file__).parents[2]
TOKEN = "SECRET-TOKEN"


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.create("fake")


@pytest.fixture
def api(authority: Authority, tmp_path: Path) -> Iterator[FakeApi]:
    with fake_api(authority.server(["127.0.0.1"]), folder=tmp_path) as server:
        yield server


class Setup:
    """A kubeconfig for the fake API server, to be spoiled."""

    def __init__(self, folder: Path, api: FakeApi, authority: Authority) -> None:
        self.folder, self.api = folder, api
        (folder / "ca.crt").write_bytes(authority.certificate)
        self.cluster: dict[str, Any] = {"server": api.url, "certificate-authority": str(folder / "ca.crt")}
        self.user: dict[str, Any] = {"token": TOKEN}
        self.file = folder / "kubeconfig"
        self.text = ""

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        config = {
            "current-context": "fake",
            "contexts": [{"name": "fake", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [{"name": "c", "cluster": self.cluster}],
            "users": [{"name": "u", "user": self.user}],
        }
        self.file.write_text(self.text or yaml.safe_dump(config))
        return plugin("--kubeconfig", str(self.file), *words, home=self.folder)


@pytest.fixture
def setup(tmp_path: Path, api: FakeApi, authority: Authority) -> Setup:
    return Setup(tmp_path, api, authority)


def plugin(*words: str, home: Path, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    clean = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(home), **(env or {})}
    command = [sys.executable, "-m", "kubectl_glasskube_purge", *words]
    return subprocess.run(command, capture_output=True, text=True, env=clean, timeout=120, check=False)


def no_kubeconfig(setup: Setup) -> list[str]:
    return ["--kubeconfig", str(setup.folder / "absent")]


def unknown_context(setup: Setup) -> list[str]:
    return ["--context", "nowhere"]


def broken_kubeconfig(setup: Setup) -> list[str]:
    setup.text = "users: [{name: u, user: {token: SECRET-TOKEN"
    return []


def directory(setup: Setup) -> list[str]:
    return ["--kubeconfig", str(setup.folder)]


def unreachable(setup: Setup) -> list[str]:
    return ["--server", "https://127.0.0.1:1"]


def wrong_certificate(setup: Setup) -> list[str]:
    del setup.cluster["certificate-authority"]
    return []


def expired_token(setup: Setup) -> list[str]:
    status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 401, "message": "Unauthorized"}
    setup.api.answer = lambda _: Answer(401, status)
    return []


def no_kubernetes(setup: Setup) -> list[str]:
    setup.api.answer = lambda _: Answer(200, "<html>Welcome to nginx!</html>", {"Content-Type": "text/html"})
    return []


def silent_server(setup: Setup) -> list[str]:
    setup.api.answer = lambda _: Answer(silent=True)
    return ["--request-timeout", "1"]


def missing_plugin(setup: Setup) -> list[str]:
    exec_ = {"apiVersion": "client.authentication.k8s.io/v1", "command": "no-such-plugin", "interactiveMode": "Never"}
    setup.user = {"exec": exec_}
    return []


WRONG = {
    no_kubeconfig: ("kubeconfig", "no such file or directory"),
    unknown_context: ("kubeconfig", 'context "nowhere" does not exist'),
    broken_kubeconfig: ("kubeconfig", "not valid YAML"),
    directory: ("kubeconfig", "is a directory"),
    unreachable: ("unreachable", "was refused"),
    wrong_certificate: ("certificate", "certificate signed by unknown authority"),
    expired_token: ("unauthorized", "Unauthorized"),
    no_kubernetes: ("not-kubernetes", ""),
    silent_server: ("unreachable", "didn't answer within 1 s"),
    missing_plugin: ("kubeconfig", "executable no-such-plugin not found"),
}

each_wrong = pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.__name__)


@each_wrong
def test_a_person_gets_a_line_of_what_and_a_line_of_what_next(setup: Setup, wrong: Any) -> None:
    _, says = WRONG[wrong]
    done = setup.run(*wrong(setup), "--yes")
    assert done.returncode == 1
    assert done.stdout == ""
    what, following = done.stderr.splitlines()
    assert what.startswith("error: ")
    assert says in what
    assert following
    assert TOKEN not in done.stderr


@each_wrong
def test_a_script_gets_a_document_with_the_error(setup: Setup, wrong: Any) -> None:
    code, says = WRONG[wrong]
    done = setup.run(*wrong(setup), "--yes", "-o", "json")
    assert done.returncode == 1
    report = json.loads(done.stdout)
    jsonschema.validate(report, document.schema(), format_checker=jsonschema.FormatChecker())
    assert (report["outcome"], report["exitCode"], report["error"]["code"]) == ("failed", 1, code)
    assert says in report["error"]["message"]
    assert TOKEN not in done.stdout + done.stderr


@pytest.mark.parametrize(
    "words", [["verify"], ["version"], ["explain", "pod/x"], ["restore", "--release=v0.26.1"], ["label"]]
)
@pytest.mark.parametrize("output", ["json", "yaml"])
def test_every_command_says_its_error_in_its_document(setup: Setup, words: list[str], output: str) -> None:
    done = setup.run(*words, "--context", "nowhere", "-o", output)
    assert done.returncode == 1
    parsed = json.loads(done.stdout) if output == "json" else yaml.safe_load(done.stdout)
    assert parsed["error"]["message"] == 'context "nowhere" does not exist'
    assert done.stderr.startswith('error: context "nowhere" does not exist\n')


def test_a_stream_of_events_ends_with_the_error(setup: Setup) -> None:
    done = setup.run("--context", "nowhere", "--yes", "-o", "jsonl")
    assert done.returncode == 1
    (line,) = done.stdout.splitlines()
    event = json.loads(line)
    jsonschema.validate(event, document.schema("stream.schema.json"))
    assert event["report"]["error"]["code"] == "kubeconfig"


def test_names_are_no_place_for_errors(setup: Setup) -> None:
    done = setup.run("--context", "nowhere", "--yes", "-o", "name")
    assert (done.returncode, done.stdout) == (1, "")
    assert "nowhere" in done.stderr


def test_a_traceback_is_shown_to_who_asks_for_it(setup: Setup) -> None:
    assert "Traceback" not in setup.run("--server", "https://127.0.0.1:1", "--yes").stderr
    asked = setup.run("--server", "https://127.0.0.1:1", "--yes", "--debug")
    assert "Traceback" in asked.stderr
    assert "kubectl_glasskube_purge.kube.errors." in asked.stderr
    assert TOKEN not in asked.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["--dry-run", "server"],
        ["--flux=perhaps"],
        ["nonsense"],
        ["--backup=x", "--no-backup"],
        ["--backup=-", "-o", "json"],
        ["restore"],
        ["restore", "file", "--release=v1"],
        ["explain", "pod"],
        ["-n", "default"],
    ],
    ids=" ".join,
)
def test_a_usage_error_is_2_says_where_to_look_and_asks_no_cluster(setup: Setup, words: list[str]) -> None:
    done = setup.run("--yes" if words[0] not in ("restore", "explain") else "--plain", *words)
    assert done.returncode == 2
    assert done.stdout == ""
    what, following = done.stderr.splitlines()
    assert what.startswith("error: ")
    assert re.fullmatch(r"See 'kubectl glasskube purge( \w+)? --help' for usage\.", following)
    assert setup.api.seen == []


def test_the_help_that_is_named_is_the_commands(setup: Setup) -> None:
    done = setup.run("verify", "--yes")
    assert (
        done.stderr == "error: unknown flag: --yes for verify\nSee 'kubectl glasskube purge verify --help' for usage.\n"
    )


# -- what nobody foresaw


@pytest.mark.parametrize(
    ("error", "outcome", "code", "says"),
    [
        (ConfigError("no", hint="do"), "failed", "kubeconfig", "no"),
        (ManifestError("the manifest", "is strange"), "refused", None, "strange"),
        (BackupExists("there"), "refused", "backup-exists", "there"),
        (PermissionError(13, "Permission denied", "/x"), "failed", "system", "/x: permission denied"),
        (OSError("odd"), "failed", "system", "odd"),
        (ZeroDivisionError(TOKEN), "failed", "unexpected", "something unexpected went wrong (ZeroDivisionError)"),
        (RecursionError(), "failed", "unexpected", "RecursionError"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
def test_an_error_becomes_an_outcome(error: BaseException, outcome: str, code: str | None, says: str) -> None:
    ending, problem = ended(error)
    assert ending == outcome
    assert code in (None, problem.code)
    assert says in problem.message
    assert "\n" not in problem.message
    assert problem.hint
    assert TOKEN not in problem.message + problem.hint


def test_an_error_in_a_group_is_the_one_error_in_it() -> None:
    group = type("Group", (Exception,), {"exceptions": (ConfigError("inner"),)})("outer")
    assert ended(group)[1].message == "inner"


def test_an_unforeseen_error_is_said_calmly(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work(*_: object) -> None:
        raise KeyError("surprise")

    assert running.run(work, running.Show(Output.json)) == 1
    said = capsys.readouterr()
    assert json.loads(said.out)["error"]["code"] == "unexpected"
    assert "--debug" in said.err
    assert "Traceback" not in said.err

    def broken(*_: object) -> int:
        raise KeyError("surprise")

    monkeypatch.setattr("kubectl_glasskube_purge.cli.commands.verify.run", broken)
    assert cli.run(["verify"]) == 1
    assert capsys.readouterr().err.startswith("error: something unexpected went wrong (KeyError)\n")


def test_a_cancelled_run_has_changed_nothing_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    async def work(*_: object) -> None:
        raise asyncio.CancelledError

    assert running.run(work, running.Show()) == 130
    assert capsys.readouterr().err == "Interrupted (exit 130): nothing was changed.\n"
