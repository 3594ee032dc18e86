"""How an object is named for scripts."""

from __future__ import annotations

import shlex

import pytest

from kubectl_glasskube_purge.cli.options import Output
from kubectl_glasskube_purge.cli.running import Show, _put
from kubectl_glasskube_purge.kube.objects import Ref
from kubectl_glasskube_purge.purge.model.record import Leftover, Verification
from tests.report.plans import record

RBAC = "rbac.authorization.k8s.io"


@pytest.mark.parametrize(
    ("ref", "name"),
    [
        (Ref(RBAC, "ClusterRole", "", "system:node"), f"clusterrole.{RBAC}/system:node"),
        (Ref("apps", "Deployment", "shop", "web.v1"), "deployment.apps/shop/web.v1"),
        (Ref(RBAC, "Role", "shop", "x -n kube-system"), f"role.{RBAC}/shop/x%20-n%20kube-system"),
        (Ref(RBAC, "ClusterRole", "", "-A"), f"clusterrole.{RBAC}/%2DA"),
        (Ref(RBAC, "ClusterRole", "", "a,b\n'\"\\\x1b\ud800"), f"clusterrole.{RBAC}/a%2Cb%0A%27%22%5C%1B%5Cud800"),
    ],
)
def test_a_name_for_scripts_has_the_namespace_and_is_one_word(
    ref: Ref, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ref.one_word == name
    assert shlex.split(name) == [name]
    ended = record(outcome="incomplete")
    ended.verification = Verification((Leftover(ref, "it exists"),), ())
    _put(ended, Show(Output.name, verifying=True))
    assert capsys.readouterr().out == f"{name}\n"
