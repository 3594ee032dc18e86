"""What counts as work under way, and so as a reason not to begin."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from kubectl_glasskube_purge.glasskube import facts
from kubectl_glasskube_purge.kube.objects import Ref
from kubectl_glasskube_purge.purge.preflight import busy
from kubectl_glasskube_purge.purge.survey import Survey, compose
from tests.report.plans import cluster, found

PENDING = [{"type": "Ready", "status": "Unknown", "reason": "Pending", "lastTransitionTime": "2026-11-23T09:11:00Z"}]


def with_package(status: dict[str, Any]) -> Survey:
    """A cluster whose operator runs, with a package in this state a minute after it began."""
    calm = cluster()
    spec = {"packageInfo": {"name": "web", "version": "v1.1.0"}}
    kind = facts.CLUSTER_PACKAGE.group_kind
    objects = {**calm.objects, Ref(*kind, "", "web"): found(*kind, "web", body={"spec": spec, "status": status})}
    seen = compose(objects, listed={}, defines=calm.defines, uids={one.uid for one in objects.values()})
    return replace(seen, taken="2026-11-23T09:12:00Z")


@pytest.mark.parametrize("version", [None, "v1.0.0"])
def test_a_package_is_busy_while_its_version_is_installed_for_the_first_time(version: str | None) -> None:
    status = {"conditions": PENDING} | ({"version": version} if version else {})
    assert busy(with_package(status)) == ("clusterpackage.packages.glasskube.dev/web is being installed (Pending)",)


def test_a_package_whose_pods_restart_isnt_being_installed() -> None:
    assert busy(with_package({"conditions": PENDING, "version": "v1.1.0"})) == ()
