"""The backup's file: there at once and complete, or not at all, and never in place of another."""

from __future__ import annotations

import os
import resource
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kubectl_glasskube_purge.undo import backup, text
from kubectl_glasskube_purge.undo.errors import BackupExists, BackupFailed
from kubectl_glasskube_purge.undo.selection import Contents, Entry
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
