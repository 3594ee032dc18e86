"""What the formats share: names of files, YAML with comments, the plain manifests, the README. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any

from kubectl_glasskube_purge.kube import yaml_text
from kubectl_glasskube_purge.kube.wording import printable

from .model import HIDDEN, Export, Exported, Release

Files = Mapping[str, str]
"""Path in the folder, with slashes → text."""


def word(*parts: str) -> str:
    """A file's name of names from outside: no path, no hidden file, and another one for each other name.

    Names of Kubernetes objects have no `_` in them, and stay readable.
    """
    whole = "_".join(part for part in parts if part)
    if re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,150}", whole):
        return whole
    digest = hashlib.sha256(repr(parts).encode()).hexdigest()[:8]
    return re.sub(r"[^a-z0-9-]", "-", whole.lower()).strip("-")[:60] + f"-{digest}"


def package_word(one: Exported) -> str:
    """A package's name in paths."""
    return word(one.package.ref.namespace, one.package.ref.name)


def release_word(release: Release) -> str:
    """A release's name in paths. Namespace first, so that releases of one name differ."""
    return word(release.namespace, release.name)


def documents(objects: Iterable[Mapping[str, Any]], comment: str = "") -> str:
    """YAML documents behind a comment."""
    return comments(comment) + "---\n".join(map(yaml_text.write, objects))


def comments(text: str) -> str:
    """Comment lines. Text from outside can't end one: what isn't printable is escaped."""
    return "".join(f"# {printable(line)}".rstrip() + "\n" for line in text.split("\n")) if text else ""


def values(release: Release) -> str:
    """A values file: what the operator gave the HelmRelease."""
    return comments(about_values(release)) + yaml_text.write(release.values)


def about_values(release: Release) -> str:
    """A comment: which values are the package's own, which come from elsewhere, and which are hidden."""
    head = [f"Values of Helm release {release.name} in namespace {release.namespace}."]
    if release.marked:
        # One line each, whatever is in it.
        head += ["The package's own values set:", *(f"  {printable(line)}" for line in release.marked)]
    if release.values_from:
        head.append("helm-controller also read values from these, which aren't in this file:")
        head += [f"  {printable(_reference(one))}" for one in release.values_from]
    if hides(release.values):
        head.append(f"{HIDDEN} stands for what came from a Secret: write it here before you install this.")
    return "\n".join(head)


def _reference(one: Mapping[str, Any]) -> str:
    return f"{one.get('kind')} {one.get('name')}, key {one.get('valuesKey') or 'values.yaml'}"


def manifests(export: Export) -> Files:
    """The objects of packages of plain manifests, a file each package."""
    return {
        f"manifests/{package_word(one)}.yaml": documents(one.objects, _about(one))
        for one in export.packages
        if one.objects
    }


def _about(one: Exported) -> str:
    text = f"What package {one.package.ref.display} installed, as it runs."
    return f"{text}\n{HIDDEN} stands for what Secrets have: write it here first." if hides(one.objects) else text


def hides(value: Any) -> bool:
    """Whether a placeholder is anywhere in it."""
    if isinstance(value, Mapping):
        return any(map(hides, value.values()))
    return any(map(hides, value)) if isinstance(value, (list, tuple)) else value == HIDDEN


def readme(export: Export, form: str, steps: Iterable[str], notes: Iterable[str]) -> str:
    """What is what in the folder, what differs, and the next commands."""
    lines = [
        f"# Packages for {form}",
        "",
        "Written by `kubectl glasskube purge export`. Nothing in the cluster was changed.",
        "",
    ]
    lines += ["## Packages, in the order of their dependencies", ""]
    for one in export.packages:
        parts = [f"Helm release {code(f'{release.namespace}/{release.name}')}" for release in one.releases]
        parts += [f"{len(one.objects)} objects in {code(f'{package_word(one)}.yaml')}"] if one.objects else []
        parts += [
            f"helm-controller also reads values from {printable(_reference(reference))}, which aren't in the files"
            for release in one.releases
            for reference in release.values_from
        ]
        needs = [f"needs {code(ref.display)}" for ref in sorted(one.package.requires)]
        about = "; ".join([*parts, *needs, *(printable(remark) for remark in one.remarks)])
        lines.append(f"- {code(one.package.ref.display)}: {about}")
    if export.with_secrets:
        lines += ["", "The files have the contents of Secrets in plain text. Don't commit them."]
    if any(hides(release.values) for _, release in export.releases) or any(
        hides(one.objects) for one in export.packages
    ):
        lines += [
            "",
            f"The contents of Secrets aren't here: replace every `{HIDDEN}`, or export with `--with-secrets`.",
        ]
    lines += ["", "## What to do", "", *(f"    {line}" for line in steps), "", *(f"- {note}" for note in notes)]
    return "\n".join([*lines, ""])


def code(text: str) -> str:
    """Text from outside in Markdown: it stays code, and on its line."""
    return "`" + printable(text).replace("`", "'") + "`"
