"""What a claim says to others, and what its own machine knows of it."""

from __future__ import annotations

import asyncio
import json
import os
import platform
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any, cast

import pytest

from kubectl_glasskube_purge.glasskube import facts
from kubectl_glasskube_purge.kube import state
from kubectl_glasskube_purge.kube.client import Client
from kubectl_glasskube_purge.kube.objects import Found, Ref
from kubectl_glasskube_purge.purge.act import claim
from kubectl_glasskube_purge.purge.model.claim import CLAIM_ANNOTATION, Claim
from tests.report.plans import found


class Written:
    """A client whose namespace has no claim, and that keeps what is written on it."""

    def __init__(self, namespace: Found) -> None:
        self.namespace = namespace
        self.patches: list[Any] = []

    async def get(self, _ref: Ref) -> Found:
        return self.namespace

    async def patch(self, _ref: Ref, patch: Any) -> None:
        self.patches.append(patch)


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


def test_a_claim_says_nothing_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "node", lambda: "laptop-of-jane")
    monkeypatch.setattr(uuid, "getnode", lambda: 0x112233445566)
    written = Written(found("", "Namespace", facts.NAMESPACE))
    known: list[Path] = []

    async def hold() -> None:
        async with claim.claimed(cast(Client, written), written.namespace, print):
            known.extend(state.folder().glob("claims/*"))

    asyncio.run(hold())
    text = json.dumps(written.patches)
    assert CLAIM_ANNOTATION.replace("/", "~1") in text or CLAIM_ANNOTATION in text
    assert "laptop-of-jane" not in text
    assert "112233445566" not in text
    assert len(known) == 1
    assert not known[0].exists(), "the note outlived the claim"


@pytest.mark.skipif(sys.platform == "win32", reason="no process is asked for there")
def test_a_dead_process_is_recognised_only_by_the_note_of_its_own_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    dead = Claim(process.pid, uuid.uuid4().hex)
    assert not claim.is_dead(dead), "what an annotation says of a process is no proof"
    here = f"{platform.node()}/{uuid.getnode():x}"
    state.note("claims", dead.token, host=here, process=str(dead.process))
    assert claim.is_dead(dead)
    assert not claim.is_dead(Claim(dead.process, "../" + dead.token))
    alive = Claim(os.getpid(), uuid.uuid4().hex)
    state.note("claims", alive.token, host=here, process=str(alive.process))
    assert not claim.is_dead(alive)
    monkeypatch.setattr(platform, "node", lambda: "another-that-shares-the-folder")
    assert not claim.is_dead(dead)
