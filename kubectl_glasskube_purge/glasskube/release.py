"""Where the manifest of a version comes from.

In this order: the file or URL the user gives, the user's cache, the release's
address or a mirror of it, and, where none of these can be had, the inventory.
A purge must work in a cluster without internet access, so a download that fails
is a warning and not an error. How it is downloaded is `download`'s. What the user
named explicitly is never silently replaced.

Whatever comes from outside goes through `manifest`: what doesn't parse is
treated as not to be had, what names foreign objects stops the purge. A release's
manifest never changes, so a cache entry is good for ever; it is held against the
inventory each time it is read, and only what passes is written.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from kubectl_glasskube_purge.kube import state
from kubectl_glasskube_purge.kube.objects import Ref
from kubectl_glasskube_purge.kube.problem import Problem, ProblemError
from kubectl_glasskube_purge.kube.transport.proxy import is_local

from . import facts, inventory, manifest
from .download import Patience, Unobtainable, connections, download
from .manifest import Document, ForeignObjects, ManifestError

if TYPE_CHECKING:
    import httpx

_VARIANTS = frozenset({inventory.SLIM, inventory.AIO, inventory.AUTOUPDATER})
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
"""At least two letters: `C:\\manifest.yaml` is a file."""


class ReleaseError(ProblemError):
    """No manifest to go by."""

    code = "release"
    ending = "refused"


class InvalidSource(ReleaseError):
    """A version, path or URL that can't be one. A usage error: nothing was asked of anybody."""

    code = "invalid-source"
    hint = (
        "Versions look like v0.26.1, and URLs start with https:// or http://; "
        "--releases-url takes a base, or an address with {version} and {variant} in it."
    )


class UnknownVersion(ReleaseError):
    """The version is not in the inventory, or not known at all, and its manifest can't be had either."""

    code = "unknown-version"
    hint = (
        "Name the release with --glasskube-version, give its manifest with --manifest, "
        "or update this plugin if the release is newer than it."
    )


class ManifestUnavailable(ReleaseError):
    """What `--manifest` names can't be read or downloaded."""

    code = "manifest-unavailable"
    hint = "Check the file or address, or leave --manifest out."


@dataclass(frozen=True)
class Sources:
    """Where to look, and for how long."""

    manifest: str | None = None
    """File or http(s) URL of a manifest; nothing else is then asked."""
    releases_url: str | None = None
    """Mirror of the releases: a base address, or one with `{version}` and `{variant}` in it."""
    offline: bool = False
    """Never use the network."""
    cache_dir: Path | None = None
    """Default: `kubectl-glasskube-purge` in the user's cache folder."""
    patience: Patience = field(default_factory=Patience)
    """With each manifest; variants are downloaded at the same time."""


@dataclass(frozen=True)
class Resolved:
    """The objects to go by, and where that knowledge is from."""

    version: str | None
    """As it stands in URLs (`v0.26.1`); None where it isn't known and `--manifest` was given."""
    source: str
    """For people: `downloaded`, `cache`, `file …`, `inventory (offline)`."""
    refs: tuple[Ref, ...]
    warnings: tuple[Problem, ...]
    documents: tuple[Document, ...] = field(default=(), compare=False, repr=False)
    """The objects themselves; none of a manifest for which the inventory had to serve."""


async def resolve(version: str | None, variants: Sequence[str], options: Sources) -> Resolved:
    """The objects of a version's release manifests.

    `variants` are of `inventory.SLIM`, `AIO`, `AUTOUPDATER`; one that a known
    release was never published in is left out. A version may lack its `v`.

    Raises `InvalidSource`, `UnknownVersion`, `ManifestUnavailable`, and
    `ManifestError` where what `--manifest` names isn't believed; `ForeignObjects`
    wherever the manifest came from.
    """
    if not _VARIANTS.issuperset(variants):
        raise ValueError(f"no variants of a release: {sorted(set(variants) - _VARIANTS)}")
    if version is not None:
        version = _checked_version(version)
    if options.manifest is not None:
        return await _given(options.manifest, version, variants, options)
    if version is None:
        raise UnknownVersion("the installed Glasskube release can't be detected")
    if version in inventory.releases():
        variants = [variant for variant in variants if variant in inventory.variants(version)]
    base = _checked_base(options.releases_url or facts.RELEASES_URL)
    parts = await _parts([_Wanted(version, variant, base) for variant in variants], options)
    refs = tuple(dict.fromkeys(ref for part in parts for ref in part.refs))
    warnings = [warning for part in parts for warning in part.warnings]
    if frozenset(refs) != frozenset(_known(version, variants)):
        warnings.append(_difference(version, refs, _known(version, variants)))
    documents = tuple(document for part in parts for document in part.documents)
    return Resolved(version, _source(parts), refs, tuple(dict.fromkeys(warnings)), documents)


# -- what was asked for


def _checked_version(version: str) -> str:
    written = version if version.startswith("v") else f"v{version}"
    if not inventory.is_version(written):
        raise InvalidSource(f"{version[:80]!a} is no version of Glasskube")
    return written


def _checked_base(url: str) -> str:
    split = _checked_url(url)
    places = {place for place in ("{version}", "{variant}") if place in url}
    if len(places) == 1 or (not places and (split.query or split.fragment)):
        raise InvalidSource(f"{_shown(url)} doesn't say where {{version}} and {{variant}} go")
    return url


def _checked_url(url: str) -> SplitResult:
    try:
        split = urlsplit(url)
        host, _ = split.hostname, split.port
    except ValueError:
        host = None
    if not host or split.scheme not in ("http", "https") or not url.isprintable() or " " in url:
        raise InvalidSource(f"{_shown(url)[:200]!a} is no http or https address")
    return split


def _shown(url: str) -> str:
    """An address as messages may show it: passwords and signatures stay out of terminals and reports."""
    with contextlib.suppress(ValueError):
        split = urlsplit(url)
        host = (split.hostname or "") + (f":{split.port}" if split.port else "")
        return f"{split.scheme}://{host}{split.path}"
    return "the address"


def _over_http(url: str) -> tuple[Problem, ...]:
    """A warning where an address isn't protected. What stays on this machine needs no protection."""
    split = urlsplit(url)
    host = split.hostname or ""
    if split.scheme != "http" or is_local(host):
        return ()
    message = f"the manifest comes from {host} over http: everyone on the way there can change it"
    return (Problem("manifest-over-http", message),)


@dataclass(frozen=True)
class _Wanted:
    """One manifest of one release, and the address of the releases."""

    version: str
    variant: str
    base: str

    @property
    def url(self) -> str:
        template = (
            self.base if "{version}" in self.base else facts.MANIFEST_URL.replace("{base}", self.base.rstrip("/"))
        )
        return template.replace("{version}", self.version).replace("{variant}", self.variant)

    def file(self, options: Sources) -> Path:
        """The cache entry: a mirror has separate entries, so that it can't speak for the releases."""
        origin = hashlib.sha256(self.base.encode()).hexdigest()[:12]
        return _cache_dir(options) / "manifests" / origin / self.version / f"manifest-{self.variant}.yaml"


def _cache_dir(options: Sources) -> Path:
    if options.cache_dir is not None:
        return options.cache_dir
    from platformdirs import user_cache_path

    return user_cache_path("kubectl-glasskube-purge", appauthor=False)


# -- what the user gives


async def _given(named: str, version: str | None, variants: Sequence[str], options: Sources) -> Resolved:
    warnings: tuple[Problem, ...] = ()
    if _URL.match(named):
        _checked_url(named)
        if options.offline:
            raise InvalidSource(f"--offline forbids the network, and --manifest names {_shown(named)}")
        source = _shown(named)
        warnings = _over_http(named)
        try:
            async with connections(options.patience) as client:
                data = await download(client, named, options.patience)
        except Unobtainable as error:
            raise ManifestUnavailable(f"the manifest can't be downloaded: {error.why}") from error
    else:
        source = f"file {named}"
        data = await asyncio.to_thread(_read, named)
    objects = await asyncio.to_thread(_believed, data, source)
    refs = tuple(objects)
    if not _is_of(version, refs, variants):
        warnings += (_difference(version, refs, _known(version, variants) if version else ()),)
    return Resolved(version, source, refs, warnings, tuple(objects.values()))


def _read(named: str) -> bytes:
    try:
        with Path(named).expanduser().open("rb") as file:
            return file.read(manifest.MAX_BYTES + 1)
    except OSError as error:
        raise ManifestUnavailable(f"the manifest {named} can't be read: {error.strerror or error}") from error


def _is_of(version: str | None, refs: Iterable[Ref], variants: Sequence[str]) -> bool:
    """Whether a manifest is one of the version's, or all the wanted ones in one file. Without a version: any's."""
    releases = [one for one in inventory.releases() if version in (one, None)]
    known = [inventory.objects(one, variant) for one in releases for variant in inventory.variants(one)]
    if version is not None:
        known.append(_known(version, variants))
    return frozenset(refs) in map(frozenset, known)


# -- cache, download, inventory


@dataclass(frozen=True)
class _Part:
    """What became of one wanted manifest."""

    variant: str
    source: str
    refs: tuple[Ref, ...]
    warnings: tuple[Problem, ...] = ()
    documents: tuple[Document, ...] = ()
    """Empty where it couldn't be had."""

    @classmethod
    def of(
        cls, wanted: _Wanted, source: str, objects: Mapping[Ref, Document], warnings: tuple[Problem, ...] = ()
    ) -> _Part:
        warnings = (*_over_http(wanted.url), *warnings)
        return cls(wanted.variant, source, tuple(objects), warnings, tuple(objects.values()))


async def _parts(wanted: Sequence[_Wanted], options: Sources) -> list[_Part]:
    """Every wanted manifest, from wherever it can be had."""
    cached = {each: await asyncio.to_thread(_cached, each, options) for each in wanted}
    missing = [each for each, part in cached.items() if part is None]
    if options.offline:
        obtained = {each: _from_inventory(each, "offline") for each in missing}
    else:
        obtained = await _downloaded(missing, options) if missing else {}
    return [cached[each] or obtained[each] for each in wanted]


def _cached(wanted: _Wanted, options: Sources) -> _Part | None:
    """A cache entry that is still what it should be. Any other is as good as none: it is downloaded again."""
    try:
        with wanted.file(options).open("rb") as file:
            data = file.read(manifest.MAX_BYTES + 1)
        objects = _believed(data, "the cache")
    except (OSError, ManifestError):
        return None
    return _Part.of(wanted, "cache", objects) if _is_cacheable(wanted, objects) else None


def _is_cacheable(wanted: _Wanted, refs: Iterable[Ref]) -> bool:
    """What isn't the known release's manifest isn't kept: a mirror may be fixed."""
    return wanted.version not in inventory.releases() or _is_of(wanted.version, refs, (wanted.variant,))


async def _downloaded(wanted: Sequence[_Wanted], options: Sources) -> dict[_Wanted, _Part]:
    try:
        async with connections(options.patience) as client:
            results = await asyncio.gather(*(_obtain(client, each, options) for each in wanted), return_exceptions=True)
    except Unobtainable as error:
        return {each: _from_inventory(each, error.why) for each in wanted}
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return {each: result for each, result in zip(wanted, results, strict=True) if isinstance(result, _Part)}


async def _obtain(client: httpx.AsyncClient, wanted: _Wanted, options: Sources) -> _Part:
    """One manifest from its address, else from the inventory. Raises `ForeignObjects`, `UnknownVersion`."""
    try:
        data = await download(client, wanted.url, options.patience)
        objects = await asyncio.to_thread(_believed, data, _shown(wanted.url))
    except ForeignObjects:
        raise
    except ManifestError as error:
        return _from_inventory(wanted, error.message)
    except Unobtainable as error:
        return _from_inventory(wanted, error.why)
    warning = await asyncio.to_thread(_store, wanted, options, data) if _is_cacheable(wanted, objects) else None
    return _Part.of(wanted, "downloaded", objects, (warning,) if warning else ())


def _from_inventory(wanted: _Wanted, why: str) -> _Part:
    if wanted.version not in inventory.releases():
        raise UnknownVersion(f"{wanted.version} is no release this plugin knows, and its manifest can't be had: {why}")
    return _Part(
        wanted.variant,
        f"inventory ({why})",
        inventory.objects(wanted.version, wanted.variant),
        (Problem("manifest-from-inventory", f"going by the built-in inventory of {wanted.version}: {why}"),),
    )


def _believed(data: bytes, source: str) -> dict[Ref, Document]:
    objects = manifest.parse(data, source)
    manifest.check(objects, source)
    return objects


def _store(wanted: _Wanted, options: Sources, data: bytes) -> Problem | None:
    """Writes a cache entry, whole or not at all. A cache that can't be written costs a download next time, no more."""
    entry = wanted.file(options)
    try:
        entry.parent.mkdir(parents=True, exist_ok=True)
        state.replace(entry, data, 0o600)
    except OSError as error:
        return Problem("cache", f"the manifest isn't kept in {entry.parent}: {error.strerror or error}")
    return None


def _known(version: str, variants: Iterable[str]) -> tuple[Ref, ...]:
    if version not in inventory.releases():
        return ()
    published = [variant for variant in variants if variant in inventory.variants(version)]
    return tuple(dict.fromkeys(ref for variant in published for ref in inventory.objects(version, variant)))


def _difference(version: str | None, refs: Sequence[Ref], known: Sequence[Ref]) -> Problem:
    if not known:
        return Problem(
            "manifest-unknown-version",
            f"the manifest of {version or 'an unnamed version'} isn't that of a release this plugin knows; "
            "all it names is known from other releases",
        )
    lacking = len(frozenset(known) - frozenset(refs))
    further = len(frozenset(refs) - frozenset(known))
    return Problem(
        "manifest-differs",
        f"the manifest isn't the one known of {version}: {lacking} of {len(known)} objects aren't in it, "
        f"{further} others are",
    )


def _source(parts: Sequence[_Part]) -> str:
    by_source: dict[str, list[str]] = {}
    for part in parts:
        by_source.setdefault(part.source, []).append(part.variant)
    if len(by_source) == 1:
        return next(iter(by_source))
    return "; ".join(f"{' + '.join(variants)}: {source}" for source, variants in by_source.items()) or "not needed"
