"""krew's rules for a manifest, said again: what its own validator refuses, and what its naming guide asks for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any

API_VERSION = "krew.googlecontainertools.github.com/v1alpha2"

PLATFORMS = [
    ("windows", "386"),
    ("windows", "amd64"),
    ("windows", "arm64"),
    ("linux", "386"),
    ("linux", "amd64"),
    ("linux", "arm"),
    ("linux", "arm64"),
    ("linux", "ppc64le"),
    ("darwin", "386"),
    ("darwin", "amd64"),
    ("darwin", "arm64"),
]

RESERVED = re.compile(r"(?i)con|prn|aux|nul|com[1-9]|lpt[1-9]")

SEMANTIC_VERSION = re.compile(
    r"v(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)"
    r"(-(0|[1-9]\d*|\d*[A-Za-z-][0-9A-Za-z-]*)(\.(0|[1-9]\d*|\d*[A-Za-z-][0-9A-Za-z-]*))*)?"
    r"(\+[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?"
)

FIELDS = {"version", "homepage", "shortDescription", "description", "caveats", "platforms"}
PLATFORM_FIELDS = {"selector", "uri", "sha256", "files", "bin"}


def complaints(file_name: str, manifest: Mapping[str, Any]) -> Iterator[str]:
    """What krew's validator would say of a manifest in a file of this name."""
    name, spec = manifest.get("metadata", {}).get("name", ""), manifest.get("spec", {})
    if manifest.get("apiVersion") != API_VERSION:
        yield "apiVersion"
    if manifest.get("kind") != "Plugin":
        yield "kind"
    if not re.fullmatch(r"[\w-]+", name, re.ASCII) or RESERVED.fullmatch(name):
        yield f"name {name!r} isn't safe"
    if file_name != f"{name}.yaml":
        yield f"the file is {file_name}, the plugin {name}"
    if unknown := spec.keys() - FIELDS:
        yield f"unknown fields {sorted(unknown)}"
    short = spec.get("shortDescription", "")
    if not short or "\n" in short or "\r" in short:
        yield "shortDescription"
    if not SEMANTIC_VERSION.fullmatch(spec.get("version", "")):
        yield f"version {spec.get('version')!r} is not a semantic version with a v"
    platforms = spec.get("platforms") or []
    if not platforms:
        yield "no platform"
    for platform in platforms:
        yield from _platform_complaints(platform)
    for one, other in combinations(platforms, 2):
        if both := [pair for pair in PLATFORMS if _selects(one, pair) and _selects(other, pair)]:
            yield f"two platforms for {both}"


def _platform_complaints(platform: Mapping[str, Any]) -> Iterator[str]:
    if unknown := platform.keys() - PLATFORM_FIELDS:
        yield f"unknown fields {sorted(unknown)}"
    if not platform.get("uri"):
        yield "no uri"
    if not re.fullmatch(r"[a-f0-9]{64}", platform.get("sha256", "")):
        yield "sha256"
    executable = platform.get("bin", "")
    if not executable or executable.startswith(("/", "\\")) or ".." in executable:
        yield f"bin {executable!r}"
    for operation in platform.get("files", [{"from": "*", "to": "."}]) or [{}]:
        if not operation.get("from") or not operation.get("to"):
            yield "files"
    selector = platform.get("selector") or {}
    labels, expressions = selector.get("matchLabels") or {}, selector.get("matchExpressions") or []
    if not labels and not expressions:
        yield "an empty selector"
    if unknown := {*labels, *(expression.get("key") for expression in expressions)} - {"os", "arch"}:
        yield f"selector {sorted(unknown)}"
    if not any(_selects(platform, pair) for pair in PLATFORMS):
        yield f"no system is {selector}"


def _selects(platform: Mapping[str, Any], pair: tuple[str, str]) -> bool:
    selector = platform.get("selector") or {}
    system = dict(zip(("os", "arch"), pair, strict=True))
    labels, expressions = selector.get("matchLabels") or {}, selector.get("matchExpressions") or []
    return all(system.get(key) == value for key, value in labels.items()) and all(
        (system.get(expression["key"]) in expression["values"]) == (expression["operator"] == "In")
        for expression in expressions
    )
