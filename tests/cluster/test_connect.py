"""The connection beside kubectl itself: same kubeconfig, same flags, same API server.

What is compared is whom the server saw (`SelfSubjectReview`), or what is said
where it didn't come to that. The cases stand in `compatibility.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.compatibility import CASES, EXTRAS, NOT_TAKEN, Bench, Case, Given
from tests.cluster.controlplane import ControlPlane

from . import whoami as our_whoami

_ROOT = Path(__file__).parents[2]
_UNWANTED = ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "kubeconfig", "kubernetes_service_host")


@pytest.fixture(scope="module")
def cluster(_session: Any) -> Iterator[ControlPlane]:
    """One cluster for all of them: nothing here changes it."""
    yield _session.take()
    _session.give_back()


@pytest.fixture
def bench(cluster: ControlPlane, tmp_path: Path) -> Iterator[Bench]:
    (tmp_path / "home").mkdir()
    with contextlib.ExitStack() as stack:
        yield Bench(cluster, tmp_path, stack)


def cases(outcome: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", [pytest.param(one, id=one.id) for one in CASES if one.outcome == outcome])


@cases("user")
def test_the_server_sees_whom_it_sees_with_kubectl(bench: Bench, case: Case) -> None:
    kubectl, ours = both(bench, case.given(bench))

    assert ours.get("user"), ours
    assert ours == kubectl


@cases("error")
def test_what_is_wrong_is_said_as_kubectl_says_it(bench: Bench, case: Case) -> None:
    kubectl, ours = both(bench, case.given(bench))

    assert ours.get("error"), ours
    assert ours["error"] in kubectl.get("error", ""), f"kubectl: {kubectl}"
    assert ours["evidence"] == kubectl["evidence"]


@cases("ours")
def test_it_is_not_as_in_kubectl_for_a_reason(bench: Bench, case: Case) -> None:
    kubectl, ours = both(bench, case.given(bench))

    said = ours["user"]["username"] if "user" in ours else ours["error"]
    assert re.search(case.ours, said), ours
    assert kubectl.get("user") != ours.get("user") or said not in kubectl["error"], "kubectl now says the same"


def test_a_pod_is_whom_kubectl_says_it_is(bench: Bench) -> None:
    """A service account's folder where Pods have it, in a mount namespace: it isn't there outside."""
    bench.file("serviceaccount/token", bench.service_account_token())
    bench.file("serviceaccount/ca.crt", bench.cluster.ca_file.read_bytes())
    bench.file("serviceaccount/namespace", "default")
    inside = [
        "mount -t tmpfs none /var/run",
        "mkdir -p /var/run/secrets/kubernetes.io",
        f"cp -r {shlex.quote(str(bench.folder / 'serviceaccount'))} /var/run/secrets/kubernetes.io/",
        'exec "$@"',
    ]
    pod = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-ec", "\n".join(inside), "pod"]
    if not shutil.which("unshare") or subprocess.run([*pod, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no mount namespaces for users here")
    given = Given((), {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(bench.port)})

    kubectl = with_kubectl(bench, given, within=pod)
    ours = in_process_of_its_own(bench, given, within=pod)

    assert ours["user"]["username"] == "system:serviceaccount:default:default"
    assert ours == kubectl


def test_every_global_flag_of_kubectl_has_its_place_in_the_table(bench: Bench) -> None:
    listed = bench.cluster.kubectl("options").stdout
    flags = set(re.findall(r"^\s+(?:-\w, )?(--[\w-]+)=?", listed, flags=re.MULTILINE))

    tested = {flag for case in CASES for flag in re.findall(r"--[\w-]+", case.subject)}

    assert flags == tested | set(NOT_TAKEN)
    assert tested == set(our_whoami.FLAGS)


def test_what_is_promised_beside_kubectl_has_its_test() -> None:
    for extra in EXTRAS:
        file, _, name = extra.test.partition("::")
        assert re.search(rf"^(async )?def {re.escape(name)}\(", (_ROOT / file).read_text(), re.MULTILINE), extra.test


def test_the_document_says_what_is_tested() -> None:
    done = subprocess.run(
        [sys.executable, "scripts/compatibility.py", "--check"], cwd=_ROOT, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr


# Running both


def both(bench: Bench, given: Given) -> tuple[dict[str, Any], dict[str, Any]]:
    """What kubectl finds, and what we find."""
    kubectl = with_kubectl(bench, given) | {"evidence": given.evidence()}
    ours = (in_process_of_its_own if given.terminal else in_process)(bench, given)
    return kubectl, ours | {"evidence": given.evidence()}


def with_kubectl(bench: Bench, given: Given, within: Sequence[str] = ()) -> dict[str, Any]:
    """Not by `kubectl auth whoami`, which sends the same but says nothing of why it was refused."""
    review = bench.file("review.json", json.dumps(our_whoami.REVIEW))
    send = ["create", "--raw", our_whoami.PATH, "-f", str(review)]
    done = run(bench, given, [*within, str(bench.cluster.binary), "kubectl", *given.arguments, *send])
    if done.returncode == 0:
        return {"user": json.loads(done.stdout)["status"]["userInfo"]}
    lines = [line for line in done.stderr.splitlines() if not re.match(r"[EIW]\d{4} ", line)]
    return {"error": "\n".join(lines)}


def in_process_of_its_own(bench: Bench, given: Given, within: Sequence[str] = ()) -> dict[str, Any]:
    done = run(bench, given, [*within, sys.executable, "-m", "tests.cluster.whoami", *given.arguments])
    assert done.returncode == 0, done.stderr
    return without_hint(json.loads(done.stdout))


def in_process(bench: Bench, given: Given) -> dict[str, Any]:
    """In this process, which saves half a second of imports for each case."""
    with pytest.MonkeyPatch.context() as patch:
        for name in set(os.environ) | set(environ := environment(bench, given)):
            if name not in environ:
                patch.delenv(name)
            else:
                patch.setenv(name, environ[name])
        patch.setattr(sys, "stdin", None)
        return without_hint(asyncio.run(our_whoami.whoami(given.arguments)))


def without_hint(found: dict[str, Any]) -> dict[str, Any]:
    """What to do next is ours alone; that it is said, where nothing was sent, is a promise."""
    if "error" in found and "status" not in found:
        assert found["hint"]
    return {key: value for key, value in found.items() if key in ("user", "error")}


def run(bench: Bench, given: Given, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    with contextlib.ExitStack() as stack:
        stdin: int = subprocess.DEVNULL
        if given.terminal:
            for end in (terminal := os.openpty()):
                stack.callback(os.close, end)
            stdin = terminal[1]
        return subprocess.run(
            command,
            stdin=stdin,
            capture_output=True,
            text=True,
            env=environment(bench, given),
            cwd=bench.folder,
            timeout=120,
            check=False,
        )


def environment(bench: Bench, given: Given) -> Mapping[str, str]:
    kept = {name: value for name, value in os.environ.items() if name.lower() not in _UNWANTED}
    return {**kept, "HOME": str(bench.folder / "home"), "PYTHONPATH": str(_ROOT), **given.environ}
