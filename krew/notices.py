"""Who wrote what is in an archive: licence notices for people, a bill of materials for scanners.

Goes by the files that PyInstaller took, not by what is installed: a file that
belongs to nobody known is an error. Texts come from the distributions' own
metadata and from `licenses/`; the bill is CycloneDX, written by its own library.
"""

from __future__ import annotations

import os
import sys
import sysconfig
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import cache
from importlib import metadata
from pathlib import Path

from . import native

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
PACKAGE = "kubectl-glasskube-purge"

Collected = tuple[str, str, str]
"""Kind, name in the archive and source of a file, as PyInstaller's tables have it."""

BOOTLOADER = "pyinstaller"
"""In every archive, though no file of its own: the executable is its work."""


class Unlicensed(Exception):
    """Something in the archive has no known licence. The message names it."""


@dataclass(frozen=True, order=True)
class Component:
    """Somebody else's work in the archive."""

    name: str
    version: str
    licence: str
    """An SPDX expression where the component has one, otherwise its own words."""
    texts: tuple[str, ...]
    package: bool = True
    """Whether it is from the Python Package Index."""


def components(collected: Iterable[Collected], work: Path) -> tuple[Component, ...]:
    """Everything by others in the archive, sorted by name. `work` is where PyInstaller makes files of its own.

    Raises `Unlicensed`.
    """
    packages, natives = {BOOTLOADER}, {native.python()}
    for _, name, source in collected:
        if not source or source == "-":
            continue
        path = Path(source).resolve()
        package = _packages().get(path)
        linked = native.of(path.name)
        natives.update(linked)
        if package is not None:
            packages.add(package)
        elif not (linked or native.is_interpreter(path.name) or _is_ours(path, work) or _is_standard_library(path)):
            raise Unlicensed(f"{name} (from {source}): whose is it? Add it to krew/native.py")
    packages.discard(PACKAGE)
    return tuple(sorted([*map(_package, packages), *map(_native, natives)]))


@cache
def _packages() -> dict[Path, str]:
    """File → name of the distribution that installed it."""
    found = {}
    for distribution in metadata.distributions():
        # Following the links of one folder instead of those of ten thousand files.
        home = Path(str(distribution.locate_file(""))).resolve()
        for file in distribution.files or ():
            found[Path(os.path.normpath(home / file))] = distribution.metadata["Name"].lower()
    return found


def _is_ours(path: Path, work: Path) -> bool:
    return path.is_relative_to(ROOT / "kubectl_glasskube_purge") or path.is_relative_to(work.resolve())


def _is_standard_library(path: Path) -> bool:
    folders = [sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"), str(Path(sys.base_prefix, "DLLs"))]
    return "site-packages" not in path.parts and any(path.is_relative_to(Path(f).resolve()) for f in folders)


def _package(name: str) -> Component:
    distribution = metadata.distribution(name)
    told = distribution.metadata
    licence = next((told[key] for key in ("License-Expression", "License") if key in told), "")
    if not licence or licence == "UNKNOWN" or len(licence) > 200:
        kinds = [line.rpartition(" :: ")[2] for line in told.get_all("Classifier") or () if line.startswith("License")]
        licence = " AND ".join(kinds)
    texts = [
        Path(str(distribution.locate_file(file))).read_text("utf-8", errors="replace")
        for file in sorted(distribution.files or ())
        if ".dist-info" in file.parts[0]
        and file.name.lower().startswith(("license", "licence", "copying", "notice", "authors"))
    ]
    if not texts:
        raise Unlicensed(f"{name} {distribution.version} brings no licence text")
    return Component(name, distribution.version, licence, tuple(texts))


def _native(found: native.Native) -> Component:
    texts = (found.copyright, _text(found))
    return Component(found.name, found.version, found.licence, texts, package=False)


def _text(found: native.Native) -> str:
    if found == native.python():
        return _pythons_text()
    if found.licence == "Apache-2.0":
        return "Licensed under the Apache License, Version 2.0; its text is in LICENSE."
    return (HERE / "licenses" / f"{found.licence}.txt").read_text("utf-8")


def _pythons_text() -> str:
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    places = (
        Path(sysconfig.get_path("stdlib"), "LICENSE.txt"),
        Path(sys.base_prefix, "LICENSE.txt"),
        Path("/usr/share/licenses", f"{version}-libs", "LICENSE"),
        Path("/usr/share/licenses/python3-libs/LICENSE"),
        Path("/usr/share/doc", version, "copyright"),
    )
    for place in places:
        if place.exists():
            return place.read_text("utf-8", errors="replace")
    raise Unlicensed(f"the interpreter's licence is at none of {', '.join(map(str, places))}")


def notices(found: Iterable[Component]) -> str:
    """The text that goes into the archive."""
    found = tuple(found)
    lines = [
        "This archive contains kubectl-glasskube-purge, whose licence is in LICENSE, and the",
        "following works of others:",
        "",
        *(f"  {one.name} {one.version}".rstrip() + f": {one.licence}" for one in found),
    ]
    for one in found:
        lines += ["", "-" * 80, f"{one.name} {one.version}".rstrip(), ""]
        lines += [line for text in one.texts for line in (*text.rstrip().splitlines(), "")]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def bill(found: Iterable[Component], version: str, platform: str, moment: int) -> str:
    """A CycloneDX bill of materials in JSON. Its date and serial number follow from the arguments."""
    from cyclonedx.contrib.license.factories import LicenseFactory
    from cyclonedx.model.bom import Bom, BomMetaData
    from cyclonedx.model.component import Component as Part
    from cyclonedx.model.component import ComponentType
    from cyclonedx.output import make_outputter
    from cyclonedx.schema import OutputFormat, SchemaVersion
    from packageurl import PackageURL

    licences = LicenseFactory()
    subject = Part(
        name=PACKAGE,
        version=version,
        type=ComponentType.APPLICATION,
        bom_ref=PACKAGE,
        licenses=[licences.make_from_string("Apache-2.0")],
        purl=PackageURL("pypi", name=PACKAGE, version=version),
    )
    parts = [
        Part(
            name=one.name,
            version=one.version or None,
            type=ComponentType.LIBRARY,
            bom_ref=f"{one.name}@{one.version}",
            licenses=[licences.make_from_string(one.licence)],
            purl=PackageURL("pypi" if one.package else "generic", name=one.name.lower(), version=one.version or None),
        )
        for one in found
    ]
    serial = uuid.uuid5(uuid.NAMESPACE_URL, f"pkg:pypi/{PACKAGE}@{version}?platform={platform}&moment={moment}")
    made = Bom(
        metadata=BomMetaData(component=subject, timestamp=datetime.fromtimestamp(moment, timezone.utc)),
        components=parts,
        serial_number=serial,
    )
    made.register_dependency(subject, parts)
    outputter = make_outputter(made, OutputFormat.JSON, SchemaVersion.V1_6)
    return outputter.output_as_string(indent=2) + "\n"
