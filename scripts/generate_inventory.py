"""Generates `glasskube/inventory.json` from a folder of release manifests.

    python scripts/generate_inventory.py [--check] [--releases FOLDER]

The folder is laid out as `<version>/manifest-<variant>.yaml`. Output depends on
nothing but the manifests' content: the same folder gives the same bytes. With
`--check` nothing is written, and the exit code is 1 where the stored inventory
differs.

Identities, digests of the content, what CRDs define and the versions of Flux's controllers are taken, nothing else.
The manifests are read as at run time, or the digests wouldn't be the same.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from kubectl_glasskube_purge.glasskube.facts import FLUX_DEPLOYMENTS
from kubectl_glasskube_purge.glasskube.inventory import precedence
from kubectl_glasskube_purge.glasskube.manifest import digest
from kubectl_glasskube_purge.kube.objects import Ref
from kubectl_glasskube_purge.kube.yaml_text import read_one

ROOT = Path(__file__).resolve().parent.parent
RELEASES = ROOT.parent / "shared" / "glasskube-releases"
INVENTORY = ROOT / "kubectl_glasskube_purge" / "glasskube" / "inventory.json"
VARIANTS = ("slim", "aio", "autoupdater")

_SEPARATOR = re.compile(r"^---$", re.MULTILINE)

Object = tuple[str, str, str, str]
Defined = tuple[str, str, str, str, tuple[str, ...], str]


def generate(folder: Path) -> str:
    """The inventory's text for the manifests in `folder`. Raises `FileNotFoundError` where there are none."""
    versions = sorted({path.parent.name for path in folder.glob("*/manifest-*.yaml")}, key=precedence)
    if not versions:
        raise FileNotFoundError(f"no */manifest-*.yaml in {folder}")
    objects: dict[Object, int] = {}
    contents: dict[tuple[int, str], int] = {}
    manifests: dict[tuple[int, ...], int] = {}
    definitions: dict[Defined, int] = {}
    releases: dict[str, Any] = {}
    for version in versions:
        variants: dict[str, int] = {}
        defined: dict[str, int] = {}
        flux: dict[str, str] = {}
        for variant in VARIANTS:
            path = folder / version / f"manifest-{variant}.yaml"
            if not path.exists():
                continue
            documents = [loaded for text in _SEPARATOR.split(path.read_text("utf-8")) if (loaded := _load(text))]
            named = [(objects.setdefault(_object(one), len(objects)), digest(one)) for one in documents]
            content = tuple(contents.setdefault(each, len(contents)) for each in named)
            variants[variant] = manifests.setdefault(content, len(manifests))
            for document in documents:
                if document["kind"] == "CustomResourceDefinition":
                    name = document["metadata"]["name"]
                    defined[name] = definitions.setdefault(_defined(document["spec"]), len(definitions))
                elif document["kind"] == "Deployment" and document["metadata"]["name"] in FLUX_DEPLOYMENTS:
                    (container,) = document["spec"]["template"]["spec"]["containers"]
                    flux[document["metadata"]["name"]] = container["image"].rpartition(":")[2]
        releases[version] = {
            "manifests": variants,
            "definitions": [defined[name] for name in sorted(defined)],
            "flux": flux,
        }
    return _text(
        objects=_lines(objects),
        contents=_lines(contents),
        manifests=_lines(manifests),
        definitions=_lines(definitions),
        releases="{\n" + ",\n".join(f"  {json.dumps(v)}: {_compact(entry)}" for v, entry in releases.items()) + "\n }",
    )


@cache
def _load(text: str) -> Any:
    """One document. Most are the same in many releases, and parsing is all this script takes time for."""
    return read_one(text)


def _object(document: Mapping[str, Any]) -> Object:
    ref = Ref.of(document)
    return (ref.api_version, ref.kind, ref.namespace, ref.name)


def _defined(spec: Mapping[str, Any]) -> Defined:
    served = tuple(version["name"] for version in spec["versions"] if version["served"])
    (storage,) = (version["name"] for version in spec["versions"] if version["storage"])
    return (spec["group"], spec["names"]["kind"], spec["names"]["plural"], spec["scope"], served, storage)


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def _lines(entries: Iterable[Any]) -> str:
    """A JSON array with one entry a line, so that a new release is a readable diff."""
    return "[\n" + ",\n".join(f"  {_compact(entry)}" for entry in entries) + "\n ]"


def _text(**sections: str) -> str:
    return "{\n" + ",\n".join(f' "{name}": {text}' for name, text in sections.items()) + "\n}\n"


def main() -> int:
    """Writes or checks the inventory; the exit code is 1 where a check fails."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--releases", type=Path, default=RELEASES, metavar="FOLDER")
    parser.add_argument("--check", action="store_true", help="compare only")
    arguments = parser.parse_args()
    text = generate(arguments.releases)
    if arguments.check:
        if INVENTORY.exists() and INVENTORY.read_text("utf-8") == text:
            return 0
        print(f"{INVENTORY} differs from {arguments.releases}: run this without --check", file=sys.stderr)
        return 1
    INVENTORY.write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
