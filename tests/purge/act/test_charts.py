"""Whether a stored release proves what a chart left."""

from __future__ import annotations

from typing import Any

import pytest

from kubectl_glasskube_purge.glasskube import facts
from kubectl_glasskube_purge.kube.objects import Found, Ref
from kubectl_glasskube_purge.purge.act.charts import mismatch
from kubectl_glasskube_purge.purge.look.helm_release import Release


@pytest.mark.parametrize(
    ("status", "proves"),
    [
        ({"history": [{"name": "web", "namespace": "home", "digest": "sha256:1"}]}, True),
        ({"history": [{"name": "web", "namespace": "home", "digest": "sha256:2"}]}, False),
        ({"history": []}, True),
        ({}, True),
    ],
)
def test_a_release_that_helm_controller_did_not_note_proves_nothing(status: dict[str, Any], proves: bool) -> None:
    """Who may write Secrets can put another manifest in the place of the stored one."""
    ref = Ref(*facts.HELM_RELEASE.group_kind, "home", "web", "v2")
    assert (mismatch(Found(ref, "uid", "1", body={"status": status}), Release(digest="sha256:1")) == "") == proves
