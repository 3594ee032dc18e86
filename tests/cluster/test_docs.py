"""Every command that README and docs show is run, as it stands there, on the real control plane.

`kubectl` is the real one, finds the plugin by its name as it does anywhere, and
has the contexts that the pages speak of. Nobody is at the terminal: what asks is
refused, and changes nothing. What can't be run here stands in `snippets.ELSEWHERE`,
with the reason or the test that runs it.
"""

from __future__ import annotations

import json
import os
import secrets
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from kubectl_glasskube_purge.report.document import as_json
from kubectl_glasskube_purge.undo import text
from kubectl_glasskube_purge.undo.selection import Contents, Entry
from kubectl_glasskube_purge.undo.text import Backup, Head
from tests import snippets
from tests.cluster.controlplane import ControlPlane
from tests.cluster.dump import dump
from tests.cluster.install import WantedPackage
from tests.cluster.plugin import environment
from tests.export import samples as packages
from tests.glasskube.web import Web, ok, serving
from tests.report import samples
from tests.snippets import ROOT, Block, invocations

from . import install

CONTEXTS = ("testbed", "prod", "prod-eu", "prod-us")
MIRROR = "https://mirror.example.com/glasskube"
PACKAGES = (WantedPackage("ClusterPackage", "ingress"), WantedPackage("Package", "orders", "shop", package="postgres"))
OUTLIVES = ("PersistentVolumeClaim shop/data-*", "PersistentVolume pvc-*")
WEB = ("create", "deployment", "web", "-n", "shop", "--image=registry.example.com/web:1")


class Shell:
    """A shell in a folder of its own, with kubectl, the plugin and the pages' contexts."""

    def __init__(self, cluster: ControlPlane, folder: Path, mirror: str = MIRROR) -> None:
        self.folder = folder
        self._mirror = mirror
        programs = folder / "bin"
        programs.mkdir()
        self._program(programs / "kubectl", f'#!/bin/sh\nexec {shlex.quote(str(cluster.binary))} kubectl "$@"\n')
        for name in ("kubectl-glasskube-purge", "kubectl-glasskube_purge"):
            main = "from kubectl_glasskube_purge.__main__ import main\nmain()\n"
            self._program(programs / name, f"#!{sys.executable}\n{main}")
        config = yaml.safe_load(cluster.kubeconfig.read_text("utf-8"))
        (context,) = config["contexts"]
        config["contexts"] = [{**context, "name": name} for name in CONTEXTS]
        (folder / "kubeconfig").write_text(yaml.safe_dump(config), "utf-8")
        self.env = environment(
            cluster,
            {
                "PATH": f"{programs}:{os.environ['PATH']}",
                "KUBECONFIG": str(folder / "kubeconfig"),
                # Nothing is downloaded from anywhere: the tests' own servers are on 127.0.0.1.
                "HTTPS_PROXY": "http://127.0.0.1:9",
                "NO_PROXY": "127.0.0.1",
            },
        )

    @staticmethod
    def _program(path: Path, text: str) -> None:
        path.write_text(text, "utf-8")
        path.chmod(0o755)

    def run(self, statement: str) -> tuple[list[tuple[str, int]], subprocess.CompletedProcess[str]]:
        """Runs a statement; returns the commands in it that failed, with their exit codes, and what was printed."""
        failed = self.folder / f"failed-{secrets.token_hex(4)}"
        trap = """trap 'printf "%s\\0%s\\0" "$BASH_COMMAND" $? >> "$FAILED"' ERR"""
        script = f"set -o pipefail\n{trap}\n{statement.replace(MIRROR, self._mirror)}\n"
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=self.folder,
            env={**self.env, "FAILED": str(failed)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        parts = failed.read_text("utf-8").split("\0")[:-1] if failed.exists() else []
        return list(zip(parts[::2], map(int, parts[1::2]), strict=True)), done


def shown() -> Iterator[Block]:
    for page in snippets.PAGES:
        yield from snippets.commands(page)


def expected(statement: str, *, installed: bool) -> set[int]:
    """The exit codes that a statement's calls of the plugin have to have, where they aren't 0."""
    codes = set()
    for call in invocations(statement):
        if snippets.asks(call) and (installed or call.command.name == "restore"):
            codes.add(3)
        elif call.command.name == "verify" and installed:
            codes.add(5)
    return codes


def check(shell: Shell, statement: str, *, installed: bool) -> str:
    """Runs a statement; everything in it has to end as it should. Returns its stdout."""
    failed, done = shell.run(statement)
    said = f"{statement}\n{failed}\n--- stdout\n{done.stdout}\n--- stderr\n{done.stderr}"
    assert {code for _, code in failed} == expected(statement, installed=installed), said
    assert "command not found" not in done.stderr, said
    return done.stdout


def meaning(statement: str) -> object:
    """The same for statements that are the same to the plugin, such as options in another order."""
    calls = [(line.command.name, frozenset(line.values.items()), line.arguments) for line in invocations(statement)]
    return tuple(calls) if calls and statement.startswith("kubectl glasskube") else statement


def needs_jq(*pages: str) -> None:
    text = "".join(block.text for page in pages for block in snippets.commands(ROOT / page))
    if "jq" in text and shutil.which("jq") is None:
        pytest.skip("there is no jq, which the page's commands use")


def manifest(variant: str) -> str:
    """A release's manifest. JSON is YAML, and like the real ones it has no aliases."""
    return "\n---\n".join(map(json.dumps, install.manifest("v0.26.1", variant)))


@pytest.fixture
def mirror() -> Iterator[Web]:
    """A mirror of the releases that has one, and a manifest file as one finds it there."""
    with serving() as web:
        for variant in ("slim", "aio"):
            web.answer(f"/glasskube/v0.26.1/manifest-{variant}.yaml", ok(manifest(variant).encode()))
        yield web


def test_what_the_pages_look_up_is_there_and_nothing_is_changed(
    cluster: ControlPlane, assert_clean: Callable[..., None], tmp_path: Path, mirror: Web
) -> None:
    install.installed(cluster, packages=PACKAGES)
    cluster.kubectl(*WEB)
    cluster.kubectl("rollout", "status", "-n", "shop", "deployment/web")
    before = dump(cluster)
    shell = Shell(cluster, tmp_path, mirror.url + "/glasskube")
    (tmp_path / "purge.json").write_text(as_json(samples.purged()), "utf-8")
    (tmp_path / "manifest-aio.yaml").write_text(manifest("aio"), "utf-8")
    head = Head("2026-11-23T09:11:42Z", "prod-eu", "https://10.0.0.1:6443", "v0.26.1", "1.0")
    exported = Backup(Contents(tuple(map(Entry, packages.cluster()))), head)
    (tmp_path / "prod.yaml").write_text(text.dump(exported), "utf-8")

    looking = dict.fromkeys(
        statement
        for block in shown()
        for statement in block.statements
        if block.page not in SCENARIOS and not snippets.changes(statement) and RESTORES not in statement
    )
    once = {meaning(one): one for one in looking if not snippets.is_elsewhere(one)}
    assert len(once) > 20
    with ThreadPoolExecutor(3) as together:
        for done in [together.submit(check, shell, one, installed=True) for one in once.values()]:
            done.result()

    assert "/glasskube/v0.26.1/manifest-aio.yaml" in mirror.targets
    assert (tmp_path / "purge.html").exists()
    assert_clean(cluster, before)


SCENARIOS = ("docs/scripts.md", "docs/many-clusters.md")
"""Pages to be read from top to bottom: what comes later needs what came before."""

RESTORES = "purge restore"
"""Wants a cluster that was purged, and its backup."""


@pytest.mark.crash
def test_the_page_on_scripts_works_from_top_to_bottom(
    cluster: ControlPlane, assert_clean: Callable[..., None], tmp_path: Path
) -> None:
    needs_jq("docs/scripts.md")
    before = install.installed(cluster, packages=PACKAGES)
    shell = Shell(cluster, tmp_path)
    said = [
        check(shell, statement, installed=False)
        for block in snippets.commands(ROOT / "docs/scripts.md")
        for statement in block.statements
    ]
    assert any(text.startswith("clean, exit code 0, ") for text in said)
    assert any("packages: " in text and "namespaces: " in text for text in said)
    assert (tmp_path / "purge.html").read_text("utf-8").startswith("<!DOCTYPE html>")
    assert_clean(cluster, before, kept=OUTLIVES)

    # What changes the cluster in other pages finds nothing to do any more, and what was purged can be put back.
    (backup,) = Path(shell.env["XDG_STATE_HOME"]).rglob("*.yaml")
    for name in ("FILE...", "prod.yaml", "prod.yaml"):
        shutil.copy(backup, tmp_path / name)
    for block in shown():
        for statement in block.statements:
            now = snippets.changes(statement) or RESTORES in statement
            if now and block.page not in SCENARIOS and not snippets.is_elsewhere(statement):
                check(shell, statement, installed=False)


@pytest.mark.crash
def test_the_page_on_many_clusters_works_from_top_to_bottom(
    cluster: ControlPlane, assert_clean: Callable[..., None], tmp_path: Path
) -> None:
    needs_jq("docs/many-clusters.md")
    before = install.installed(cluster, packages=PACKAGES[:1])
    shell = Shell(cluster, tmp_path)
    look, run, verify = (block.text for block in snippets.commands(ROOT / "docs/many-clusters.md"))
    assert check(shell, look, installed=False).splitlines() == [
        f"{context}\tdry-run\tv0.26.1\tdelete\t0" for context in ("prod-eu", "prod-us")
    ]
    # Two contexts of one cluster: the second finds it purged.
    assert check(shell, run, installed=False).splitlines() == ["prod-eu: done", "prod-us: done"]
    assert {file.name for file in (tmp_path / "reports").glob("prod-eu.*")} == {
        f"prod-eu.{end}" for end in ("plan.json", "backup.yaml", "html", "json")
    }
    assert check(shell, verify, installed=False) == ""
    assert_clean(cluster, before)
