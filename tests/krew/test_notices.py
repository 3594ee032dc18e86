"""Licences: everything in the archive is somebody's, and his terms are in it."""

from __future__ import annotations

import sysconfig
from pathlib import Path

import httpx
import pytest

from krew import native, notices


def found(*sources: str | Path) -> dict[str, notices.Component]:
    collected = [("BINARY", Path(source).name, str(source)) for source in sources]
    return {one.name: one for one in notices.components(collected, Path("/nonexistent"))}


def test_a_library_that_nobody_knows_stops_the_build(tmp_path: Path) -> None:
    library = tmp_path / "libmystery.so.1"
    library.touch()
    with pytest.raises(notices.Unlicensed, match=r"libmystery\.so\.1"):
        found(library)


def test_a_packages_file_brings_its_licence() -> None:
    assert "Redistribution" in found(httpx.__file__)["httpx"].texts[0]


def test_the_interpreter_and_the_bootloader_are_always_in_it() -> None:
    assert found().keys() == {"CPython", "pyinstaller"}


def test_a_linked_library_is_found_in_the_module_it_is_linked_into() -> None:
    assert {"OpenSSL", "libffi"} < found("/x/_ssl.cpython-313-x86_64-linux-gnu.so", "/x/libffi.so.8").keys()
    assert "OpenSSL" in found("C:/x/libcrypto-3.dll")
    assert "Microsoft Visual C++ Runtime" in found("/x/VCRUNTIME140.dll")


def test_the_standard_library_is_the_interpreters() -> None:
    assert found(Path(sysconfig.get_path("stdlib"), "json", "decoder.py")).keys() == {"CPython", "pyinstaller"}


@pytest.mark.parametrize("component", native.components(), ids=lambda component: component.name)
def test_every_known_library_has_its_text(component: native.Native) -> None:
    assert len(notices._text(component)) > 60
    assert component.copyright
    assert component.files


def test_the_bill_depends_on_nothing_but_what_it_is_told() -> None:
    parts = found(httpx.__file__).values()
    one, other = (notices.bill(parts, "1.2.3", "linux/amd64", 1_700_000_000) for _ in range(2))
    assert one == other
    assert notices.bill(parts, "1.2.3", "linux/arm64", 1_700_000_000) != one
