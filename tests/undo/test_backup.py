"""The backup's file: there at once and complete, or not at all, and never in place of another."""

from __future__ import annotations

import json
import os
import resource
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from kubectl_glasskube_purge.glasskube import facts
from kubectl_glasskube_purge.kube import state
from kubectl_glasskube_purge.purge.model.survey import Survey
from kubectl_glasskube_purge.undo import backup, text
from kubectl_glasskube_purge.undo.errors import BackupExists, BackupFailed
from kubectl_glasskube_purge.undo.selection import Contents, Entry
from tests.report.plans import found
from tests.undo.samples import document

SMALL = text.Backup(
    Contents((Entry(document("v1", "Secret", "s", "shop", data={"a": "Yg=="})),)),
    text.Head("2026-11-23T09:11:42Z", "prod", "https://10.0.0.1", "v0.26.1", "1.0"),
)

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="limits and modes are Unix's")


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_it_reads_back_and_nobody_else_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "new" / "backup.yaml"
    old = os.umask(0)
    try:
        backup.save(path, SMALL)
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert text.load(path.read_text("utf-8"), "file") == SMALL
    assert files(path.parent) == ["backup.yaml"]


def test_nothing_is_ever_written_over(tmp_path: Path) -> None:
    path = tmp_path / "backup.yaml"
    path.write_text("mine")
    with pytest.raises(BackupExists):
        backup.check(path)
    with pytest.raises(BackupExists):
        backup.save(path, SMALL)
    assert path.read_text() == "mine"
    assert files(tmp_path) == ["backup.yaml"]


def test_a_link_to_nowhere_counts_as_a_file(tmp_path: Path) -> None:
    path = tmp_path / "backup.yaml"
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BackupExists):
        backup.save(path, SMALL)
    assert not (tmp_path / "elsewhere").exists()


def test_a_file_system_without_hard_links_is_good_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    path = tmp_path / "backup.yaml"
    backup.save(path, SMALL)
    assert text.load(path.read_text("utf-8"), "file") == SMALL
    with pytest.raises(BackupExists):
        backup.save(path, SMALL)
    assert files(tmp_path) == ["backup.yaml"]


@contextmanager
def disk_with(limit: int) -> Iterator[None]:
    """No file may grow beyond `limit` bytes: what is written past it fails, as on a full disk."""
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, old[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)


def test_interrupted_at_any_byte_there_is_no_backup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "backup.yaml"
    content = backup.proven(SMALL)
    monkeypatch.setattr(backup, "proven", lambda _: content)  # the same each time, and proven once
    whole = len(content.encode())
    for limit in range(whole):
        with disk_with(limit), pytest.raises(BackupFailed) as failed:
            backup.save(path, SMALL)
        assert str(path) in failed.value.message
        assert files(tmp_path) == [], f"after {limit} bytes"
    with disk_with(whole):
        backup.save(path, SMALL)
    assert files(tmp_path) == ["backup.yaml"]


def test_a_disk_that_lies_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda self: read(self)[:-1] + b"\0")
    with pytest.raises(BackupFailed, match="reads otherwise"):
        backup.save(tmp_path / "backup.yaml", SMALL)
    assert files(tmp_path) == []


def test_text_that_says_something_else_is_never_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dump = text.dump
    monkeypatch.setattr(text, "dump", lambda one: dump(one).replace('"Yg=="', "Yg"))
    with pytest.raises(BackupFailed, match="secret/s -n shop"):
        backup.save(tmp_path / "backup.yaml", SMALL)
    assert files(tmp_path) == []


def test_a_folder_that_cant_be_made_is_an_error_and_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BackupFailed):
        backup.save(tmp_path / "file" / "backup.yaml", SMALL)


def test_a_free_name_is_found_beside_those_that_are_taken(tmp_path: Path) -> None:
    assert backup.free_path(tmp_path, "a.yaml") == tmp_path / "a.yaml"
    (tmp_path / "a.yaml").touch()
    (tmp_path / "a-2.yaml").symlink_to("nowhere")
    assert backup.free_path(tmp_path, "a.yaml") == tmp_path / "a-3.yaml"


# -- which earlier backups count


def noting(value: object, uid: str = "installed") -> Survey:
    """A survey whose namespace says this of backups."""
    annotations = {backup.ANNOTATION: value if isinstance(value, str) else json.dumps(value)}
    namespace = replace(found("", "Namespace", facts.NAMESPACE, annotations=annotations), uid=uid)
    return Survey(objects={namespace.ref: namespace})


def test_only_an_unchanged_backup_that_this_machine_noted_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    path = tmp_path / "mine.yaml"
    digest = backup.save(path, SMALL)
    note = backup.Note(digest, "mine.yaml")
    here = noting([{"digest": digest, "name": "mine.yaml"}])
    assert backup.remembered(here) == (note,)
    assert backup.own(here, note) is None, "this machine has no note"
    state.note("backups", digest, file=str(path), namespace="installed")
    assert backup.own(here, note) == (path, SMALL)
    assert backup.own(noting([], uid="another"), note) is None, "of another installation"
    path.chmod(0o666)
    assert backup.own(here, note) is None, "others can write it"
    path.chmod(0o600)
    (state.folder() / "backups" / digest).chmod(0o666)
    assert backup.own(here, note) is None, "others can write the note"
    (state.folder() / "backups" / digest).chmod(0o600)
    path.rename(tmp_path / "moved.yaml")
    path.symlink_to(tmp_path / "moved.yaml")
    assert backup.own(here, note) is None, "a link"
    path.unlink()
    path.write_text((tmp_path / "moved.yaml").read_text("utf-8").replace("Yg==", "Yw=="), "utf-8")
    path.chmod(0o600)
    assert backup.own(here, note) is None, "changed"


@pytest.mark.parametrize(
    "value",
    [
        ["/etc/hostile.yaml"],
        [{"digest": "../../hostile", "name": "a"}],
        [{"digest": "0" * 64, "name": "../a"}],
        [{"digest": "0" * 64, "name": "a\x1b[2J"}],
        [None],
        {"digest": "0" * 64},
        "[" * 100_000,
        "no JSON",
        7,
    ],
)
def test_what_is_no_note_of_a_backup_is_left_out(value: object) -> None:
    assert backup.remembered(noting(value)) == ()


def test_the_purge_that_is_resumed_is_named_by_the_time_of_its_last_backup() -> None:
    def named(*files: str) -> str:
        return backup.interrupted(noting([{"digest": "0" * 64, "name": name} for name in files]))

    assert named("a-20261123T091142Z.yaml", "b-20261124T220305Z.yaml") == "the purge of 2026-11-24 22:03 UTC"
    assert named("a-20261123T091142Z.yaml", "mine.yaml") == "the purge of 2026-11-23 09:11 UTC"
    assert named("mine.yaml") == "an interrupted purge"
    assert backup.interrupted(Survey()) == ""
