"""Packing: the same files make the same bytes, and nothing goes in that krew can't unpack."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from krew.pack import pack, sha256
from tests.krew.archive import names

KINDS = pytest.mark.parametrize("name", ["a.tar.gz", "a.zip"])
MOMENT = 1_700_000_000


def folder(parent: Path, order: list[str]) -> Path:
    made = parent / "glasskube-purge"
    made.mkdir(parents=True)
    for name in order:
        (made / name).parent.mkdir(exist_ok=True)
        (made / name).write_text(f"content of {name}")
    (made / "tool").write_text("#!/bin/sh\n")
    (made / "tool").chmod(0o700)
    return made


@KINDS
def test_neither_order_nor_dates_nor_owners_modes_change_the_archive(tmp_path: Path, name: str) -> None:
    one = folder(tmp_path / "one", ["b", "a", "lib/c"])
    other = folder(tmp_path / "other", ["lib/c", "a", "b"])
    os.utime(other / "a", (1, 1))
    (other / "b").chmod(0o600)
    assert pack(one, tmp_path / "1" / name, MOMENT) == pack(other, tmp_path / "2" / name, MOMENT)
    assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()


@KINDS
def test_content_and_date_do_change_it(tmp_path: Path, name: str) -> None:
    made = folder(tmp_path, ["a"])
    first = pack(made, tmp_path / "1" / name, MOMENT)
    assert pack(made, tmp_path / "2" / name, MOMENT + 86400) != first
    (made / "a").write_text("else")
    assert pack(made, tmp_path / "3" / name, MOMENT) != first


@KINDS
def test_links_go_in_as_what_they_lead_to(tmp_path: Path, name: str) -> None:
    made = folder(tmp_path, ["lib/real"])
    (made / "link").symlink_to("lib/real")
    (made / "alias").symlink_to("lib")
    pack(made, tmp_path / name, MOMENT)
    assert names(tmp_path / name) == {
        "glasskube-purge/alias/real": 0o644,
        "glasskube-purge/lib/real": 0o644,
        "glasskube-purge/link": 0o644,
        "glasskube-purge/tool": 0o755,
    }


@KINDS
def test_a_name_that_krew_refuses_is_refused_here(tmp_path: Path, name: str) -> None:
    made = folder(tmp_path, ["a..b"])
    with pytest.raises(ValueError, match=r"a\.\.b"):
        pack(made, tmp_path / name, MOMENT)
    assert not (tmp_path / name).exists()


def test_the_hash_is_that_of_the_file(tmp_path: Path) -> None:
    made = folder(tmp_path, ["a"])
    assert pack(made, tmp_path / "a.zip", MOMENT) == sha256(tmp_path / "a.zip")
