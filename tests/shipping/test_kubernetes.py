"""Which Kubernetes is built by which name, and that all that is promised of versions is run."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.cluster import build, kubernetes

ROOT = Path(__file__).parents[2]


@pytest.fixture
def named(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.delenv("KUBERNETES_VERSION", raising=False)
    return monkeypatch


def test_a_minor_version_names_one_patch_and_without_a_name_go_mod_decides(named: pytest.MonkeyPatch) -> None:
    assert f"\tk8s.io/kubernetes v{build.version()}\n" in (build.SOURCE / "go.mod").read_text()
    for minor, patch in build.LATEST.items():
        named.setenv("KUBERNETES_VERSION", f"1.{minor}")
        assert build.version() == f"1.{minor}.{patch}"
    named.setenv("KUBERNETES_VERSION", "v1.29.6")
    assert build.version() == "1.29.6"


@pytest.mark.parametrize("name", ["2.1", "1", "latest", "1.29.x", "1.999"])
def test_a_name_that_is_no_version_is_refused(named: pytest.MonkeyPatch, name: str) -> None:
    named.setenv("KUBERNETES_VERSION", name)
    with pytest.raises(build.BuildError, match=r"write (all of it, as )?1\.\d+"):
        build.version()


def test_each_version_has_its_own_build_and_the_default_has_one(named: pytest.MonkeyPatch) -> None:
    default = build.key()
    named.setenv("KUBERNETES_VERSION", build.version())
    assert build.key() == default
    keys = set()
    for minor in build.LATEST:
        named.setenv("KUBERNETES_VERSION", f"1.{minor}")
        keys.add(build.key())
    assert len(keys) == len(build.LATEST)


@pytest.mark.parametrize("test", kubernetes.CORE.values())
def test_the_core_names_tests_that_exist(test: str) -> None:
    file, _, name = test.partition("::")
    assert f"def {name.partition('[')[0]}(" in (ROOT / "tests" / "cluster" / file).read_text("utf-8")


def test_what_is_documented_passed_and_the_workflow_runs_it() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "test.yml").read_text("utf-8"))
    matrix = workflow["jobs"]["kubernetes"]["strategy"]["matrix"]["version"]
    for version, passed in kubernetes.versions().items():
        assert passed == list(kubernetes.CORE), version
        assert version.rpartition(".")[0] in matrix
