"""What Helm's uninstall leaves, and what it doesn't."""

from __future__ import annotations

from collections.abc import Callable

from tests.cluster.controlplane import ControlPlane
from tests.cluster.dump import dump
from tests.cluster.plugin import purge
from tests.cluster.test_purge import report

from . import install


def test_what_a_chart_put_outside_of_its_namespace_goes(
    cluster: ControlPlane, assert_clean: Callable[..., None]
) -> None:
    before = dump(cluster)
    install.install(cluster)
    install.install_packages(cluster, [install.WantedPackage("ClusterPackage", "scanner")])

    result = purge(cluster, "--offline", "--yes", "-o", "json")

    assert result.returncode == 0, result
    assert report(result)["outcome"] == "clean"
    assert_clean(cluster, before)
