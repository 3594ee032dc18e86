"""Every release there ever was, from its real manifest: recognised, and purged without a trace.

The ordinary run takes one of those that have the same objects; `make test-crash` the others.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kubectl_glasskube_purge.glasskube import inventory
from tests.cluster.controlplane import ControlPlane
from tests.cluster.dump import dump
from tests.cluster.plugin import purge
from tests.cluster.test_purge import report

from . import install

REAL = pytest.mark.skipif(not install.RELEASES.is_dir(), reason="the real release manifests aren't at hand")


LAST = inventory.releases()[-1]
COVERED = {LAST} | frozenset(inventory.releases()) - frozenset(
    {frozenset(inventory.objects(version, "slim")): version for version in inventory.releases()}.values()
)
"""The releases whose objects a later one has, too, and the last one, which all other tests install."""


@REAL
@pytest.mark.parametrize(
    "version",
    [pytest.param(one, marks=pytest.mark.crash) if one in COVERED else one for one in inventory.releases()],
)
def test_every_release_is_recognised_and_purged(
    cluster: ControlPlane, assert_clean: Callable[..., None], version: str
) -> None:
    before = dump(cluster)
    objects = install.install(cluster, version, "slim", source="release")

    result = purge(cluster, "--offline", "--yes", "-o", "json")

    document = report(result)
    assert result.returncode == 0, result
    assert document["outcome"] == "clean"
    found = document["glasskube"]["version"]
    assert set(inventory.objects(found, "slim")) == set(inventory.objects(version, "slim"))
    if document["glasskube"]["detectedBy"].startswith("image"):
        assert found == version
    assert len(objects) >= len(inventory.objects(version, "slim"))
    assert_clean(cluster, before)


@REAL
@pytest.mark.parametrize(
    "version",
    [inventory.releases()[1], *(pytest.param(one, marks=pytest.mark.crash) for one in ("v0.12.0", LAST))],
)
def test_a_release_with_flux_leaves_nothing(
    cluster: ControlPlane, assert_clean: Callable[..., None], version: str
) -> None:
    before = dump(cluster)
    install.install(cluster, version, "aio", source="release")

    result = purge(cluster, "--offline", "--yes", "-o", "json")

    assert result.returncode == 0, result
    assert report(result)["flux"]["decision"] == "delete"
    assert_clean(cluster, before)


@REAL
def test_flux_stays_in_a_namespace_that_its_release_did_not_bring(cluster: ControlPlane) -> None:
    install.install(cluster, inventory.releases()[0], "aio", source="release")

    result = purge(cluster, "--offline", "--yes", "-o", "json")

    document = report(result)
    assert result.returncode == 0, result
    assert document["flux"]["decision"] == "keep"
    assert any("namespace/flux-system" in text for text in document["flux"]["evidence"]), document["flux"]
