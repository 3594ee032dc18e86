"""Which objects every Glasskube release consists of.

The identities of all objects in the release manifests (variants `slim`, `aio`,
`autoupdater`), digests of their content, and which versions of Flux's controllers
they bring. They are what the purge goes by where a manifest can't be had, what a
manifest from outside is checked against, and what shows an install's version if
the operator's image tag doesn't.

`inventory.json` is generated from the release manifests by
`scripts/generate_inventory.py` and never edited by hand. Its format is known to
that script and to this module. It is read once, on first use: importing costs
nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

from kubectl_glasskube_purge.kube.objects import Ref

from . import facts

SLIM = "slim"
"""Variant: the operator alone."""
AIO = "aio"
"""Variant: the operator and Flux; what `glasskube bootstrap` installs by default."""
AUTOUPDATER = "autoupdater"
"""Variant: the auto-updater add-on, published from v0.12.0 on."""

_VERSION = re.compile(
    r"v(?P<core>(?:0|[1-9][0-9]{0,5})(?:\.(?:0|[1-9][0-9]{0,5})){2})(?:-(?P<pre>(?:alpha|beta|rc)\.(?:0|[1-9][0-9]{0,5})))?",
    re.ASCII,
)


def releases() -> tuple[str, ...]:
    """All releases the inventory knows, oldest first."""
    return _inventory().releases


def variants(release: str) -> tuple[str, ...]:
    """The variants a release was published in. Raises `KeyError` for a release that isn't known."""
    return tuple(_inventory().contents[release])


def objects(release: str, variant: str) -> tuple[Ref, ...]:
    """The objects of one release manifest, in its order, with the version each has there.

    Raises `KeyError` for a release or variant that isn't known.
    """
    return tuple(_inventory().contents[release][variant])


Digests = Mapping[Ref, str]
"""Objects and the digests of their content, as `manifest.digest` has them."""


def digests(release: str) -> Digests:
    """The content of every object of a release, which is the same in all its variants.

    Empty for a release that isn't known.
    """
    published = _inventory().contents.get(release, {})
    return {ref: digest for contents in published.values() for ref, digest in contents.items()}


def flux_objects(release: str) -> frozenset[Ref]:
    """The Flux that a release brings: what `aio` has more than `slim`. Raises `KeyError`."""
    return frozenset(objects(release, AIO)) - frozenset(objects(release, SLIM))


def flux_versions(release: str) -> Mapping[str, str]:
    """The image tag of each Flux controller that a release brings, by the Deployment's name. Raises `KeyError`."""
    return _inventory().flux[release]


def every_object() -> frozenset[Ref]:
    """Everything that any release manifest names. Nothing else is ever taken from a manifest."""
    return _inventory().every


@lru_cache
def every_flux_object() -> frozenset[Ref]:
    """Every object of the Flux that any release brings."""
    return frozenset(ref for release in releases() for ref in flux_objects(release))


def fingerprint(present: Collection[Ref]) -> tuple[str, ...]:
    """The releases that explain best which of Glasskube's objects are there, newest first.

    Only objects of some release's `slim` manifest count, so `present` may hold
    anything. A release that has exactly these is the best; of the rest, the one
    that leaves the fewest objects unexplained, then the one that misses the
    fewest. In this order because objects go missing in every interrupted purge,
    while none appears that its release doesn't have: a lone CRD `clusterpackages`
    speaks for v0.10.0 and later, however little else is left.

    Several releases have the same objects and are returned together. Empty where
    nothing of Glasskube's is present.
    """
    inventory = _inventory()
    ours = inventory.operator.intersection(present)
    if not ours:
        return ()
    sets = {release: frozenset(variant[SLIM]) for release, variant in inventory.contents.items()}
    distance = {release: (len(ours - known), len(known - ours)) for release, known in sets.items()}
    best = min(distance.values())
    return tuple(release for release in reversed(inventory.releases) if distance[release] == best)


def is_version(text: str) -> bool:
    """Whether `text` has the form of a Glasskube version: `v0.26.1`, `v0.0.1-alpha.10`.

    Deliberately narrow, as versions end up in URLs and file names.
    """
    return _VERSION.fullmatch(text) is not None


def precedence(version: str) -> tuple[tuple[int, ...], bool, str, int]:
    """Sort key of a version, in SemVer's order (`-alpha.5` < `-alpha.10` < the release).

    Raises `ValueError` where `is_version` says no.
    """
    matched = _VERSION.fullmatch(version)
    if matched is None:
        raise ValueError(f"{version!r} is no Glasskube version")
    core = tuple(int(part) for part in matched["core"].split("."))
    if matched["pre"] is None:
        return (core, True, "", 0)
    name, number = matched["pre"].split(".")
    return (core, False, name, int(number))


def version_of_image(image: str) -> str | None:
    """The version that an operator image's tag names, or None where it names none.

    None for `latest` (every release up to v0.0.1), for a bare digest, and for any
    image that isn't the operator's. The registry doesn't matter: mirrors are
    ordinary in clusters without internet access.
    """
    path, tag = split_image(image)
    if path.rpartition("/")[2] != facts.OPERATOR_IMAGE.rpartition("/")[2]:
        return None
    return tag if is_version(tag) else None


def split_image(image: str) -> tuple[str, str]:
    """An image reference without tag and digest, and its tag, `""` where it has none."""
    named = image.partition("@")[0]
    path, separator, tag = named.rpartition(":")
    # What follows the last colon may be a registry's port and the path behind it.
    return (path, tag) if separator and "/" not in tag else (named, "")


@dataclass(frozen=True)
class _Inventory:
    releases: tuple[str, ...]
    contents: Mapping[str, Mapping[str, Digests]]
    """By release and variant, in the manifest's order."""
    flux: Mapping[str, Mapping[str, str]]
    every: frozenset[Ref]
    operator: frozenset[Ref]


@lru_cache(maxsize=1)
def _inventory() -> _Inventory:
    text = files(__package__).joinpath("inventory.json").read_text("utf-8")
    stored: Mapping[str, Any] = json.loads(text)
    refs = tuple(Ref.named(*entry) for entry in stored["objects"])
    digests = tuple((refs[index], digest) for index, digest in stored["contents"])
    sets: tuple[Digests, ...] = tuple(dict(digests[index] for index in row) for row in stored["manifests"])
    contents = {
        release: {variant: sets[index] for variant, index in entry["manifests"].items()}
        for release, entry in stored["releases"].items()
    }
    return _Inventory(
        releases=tuple(sorted(contents, key=precedence)),
        contents=contents,
        flux={release: entry["flux"] for release, entry in stored["releases"].items()},
        every=frozenset(refs),
        operator=frozenset(ref for variant in contents.values() for ref in variant[SLIM]),
    )
