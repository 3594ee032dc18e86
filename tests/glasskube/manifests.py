"""Manifests to test with: the real ones where they are at hand, and ones made from the inventory anywhere."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from kubectl_glasskube_purge.glasskube import inventory
from kubectl_glasskube_purge.kube.objects import Ref

REAL = Path(__file__).resolve().parents[3] / "shared" / "glasskube-releases"
needs_real_manifests = pytest.mark.skipif(
    not REAL.is_dir(), reason="the real release manifests are not at ../shared/glasskube-releases"
)


def real(version: str, variant: str) -> bytes:
    return (REAL / version / f"manifest-{variant}.yaml").read_bytes()


def written(refs: Iterable[Ref]) -> bytes:
    """A manifest that names these objects."""
    return "---\n".join(_document(ref) for ref in refs).encode()


def of_release(version: str, *variants: str) -> bytes:
    """A manifest with the objects of a release, made from the inventory."""
    return written(ref for variant in variants for ref in inventory.objects(version, variant))


def _document(ref: Ref) -> str:
    namespace = f"  namespace: {ref.namespace}\n" if ref.namespace else ""
    return f"apiVersion: {ref.api_version}\nkind: {ref.kind}\nmetadata:\n  name: {ref.name}\n{namespace}"
