"""What the inventory knows of the releases, and what it makes of a cluster's objects."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubectl_glasskube_purge.glasskube import facts, inventory
from kubectl_glasskube_purge.glasskube.inventory import AIO, AUTOUPDATER, SLIM
from kubectl_glasskube_purge.kube.objects import Ref
from tests.definitions import definitions
from tests.glasskube.manifests import REAL, needs_real_manifests

ROOT = Path(__file__).resolve().parents[2]
RELEASES = inventory.releases()


def check_against(folder: Path) -> subprocess.CompletedProcess[str]:
    script = str(ROOT / "scripts" / "generate_inventory.py")
    command = [sys.executable, script, "--check", "--releases", str(folder)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@needs_real_manifests
def test_the_inventory_is_what_the_real_manifests_say() -> None:
    checked = check_against(REAL)
    assert checked.returncode == 0, checked.stderr


def test_check_fails_where_the_manifests_say_something_else(tmp_path: Path) -> None:
    manifest = tmp_path / "v0.1.0" / "manifest-slim.yaml"
    manifest.parent.mkdir()
    manifest.write_text("apiVersion: v1\nkind: Namespace\nmetadata:\n  name: glasskube-system\n")
    checked = check_against(tmp_path)
    assert checked.returncode == 1
    assert "differs" in checked.stderr


def test_all_releases_are_known_oldest_first() -> None:
    assert len(RELEASES) == 46
    assert RELEASES[:7] == (
        "v0.0.1-alpha.5",
        "v0.0.1-alpha.6",
        "v0.0.1-alpha.7",
        "v0.0.1-alpha.8",
        "v0.0.1-alpha.9",
        "v0.0.1-alpha.10",
        "v0.0.1",
    )
    assert RELEASES.index("v0.9.0") < RELEASES.index("v0.10.0")
    assert RELEASES[-1] == "v0.26.1"


def test_variants_are_those_that_were_published() -> None:
    assert inventory.variants("v0.11.0") == (SLIM, AIO)
    assert inventory.variants("v0.12.0") == (SLIM, AIO, AUTOUPDATER)
    with pytest.raises(KeyError):
        inventory.variants("v0.27.0")
    with pytest.raises(KeyError):
        inventory.objects("v0.11.0", AUTOUPDATER)


@pytest.mark.parametrize(
    ("release", "count"), [("v0.0.1-alpha.5", 13), ("v0.1.0", 21), ("v0.5.0", 24), ("v0.26.1", 27)]
)
def test_the_operator_grew_from_release_to_release(release: str, count: int) -> None:
    assert len(inventory.objects(release, SLIM)) == count


def test_objects_carry_the_version_and_namespace_they_have_in_the_manifest() -> None:
    deployments = [ref for ref in inventory.objects("v0.26.1", SLIM) if ref.kind == "Deployment"]
    assert deployments == [Ref("apps", "Deployment", facts.NAMESPACE, facts.OPERATOR_DEPLOYMENT)]
    assert deployments[0].version == "v1"


@pytest.mark.parametrize("release", RELEASES)
def test_aio_is_slim_and_flux(release: str) -> None:
    flux = inventory.flux_objects(release)
    assert frozenset(inventory.objects(release, AIO)) == flux | frozenset(inventory.objects(release, SLIM))
    assert {ref.name for ref in flux if ref.kind == "CustomResourceDefinition"} == {
        kind.crd for kind in facts.FLUX_KINDS
    }
    assert {ref.name for ref in flux if ref.kind == "Deployment"} == set(facts.FLUX_DEPLOYMENTS)
    has_namespace = Ref("", "Namespace", "", facts.FLUX_NAMESPACE) in flux
    assert has_namespace is (release != "v0.0.1-alpha.5")


@pytest.mark.parametrize("release", RELEASES)
def test_every_namespaced_object_is_in_glasskubes_or_fluxs_namespace(release: str) -> None:
    for variant in inventory.variants(release):
        for ref in inventory.objects(release, variant):
            assert ref.namespace in ("", facts.NAMESPACE, facts.FLUX_NAMESPACE)
            assert ref in inventory.every_object()


def test_every_object_is_in_some_release() -> None:
    named = {
        ref
        for release in RELEASES
        for variant in inventory.variants(release)
        for ref in inventory.objects(release, variant)
    }
    assert inventory.every_object() == named


def test_packages_became_namespaced_with_v0_10_0() -> None:
    assert definitions("v0.9.0")[facts.PACKAGE.crd].scope == "Cluster"
    assert definitions("v0.10.0")[facts.PACKAGE.crd].scope == "Namespaced"
    assert facts.CLUSTER_PACKAGE.crd not in definitions("v0.9.0")


@pytest.mark.parametrize("release", RELEASES)
def test_definitions_are_the_crds_of_the_release(release: str) -> None:
    crds = {ref.name for ref in inventory.objects(release, AIO) if ref.kind == "CustomResourceDefinition"}
    defined = definitions(release)
    assert set(defined) == crds
    for definition in defined.values():
        assert definition.storage in definition.versions
        assert definition.scope in ("Namespaced", "Cluster")


def test_facts_name_the_kinds_of_the_newest_release() -> None:
    defined = {(d.group, d.kind, d.plural) for d in definitions(RELEASES[-1]).values()}
    assert {(k.group, k.kind, k.plural) for k in (*facts.GLASSKUBE_KINDS, *facts.FLUX_KINDS)} == defined


def test_facts_name_objects_that_the_newest_release_has() -> None:
    present = inventory.every_object()
    assert Ref("", "Namespace", "", facts.NAMESPACE) in present
    assert Ref("", "Service", facts.NAMESPACE, facts.WEBHOOK_SERVICE) in present
    webhooks = Ref("admissionregistration.k8s.io", "ValidatingWebhookConfiguration", "", facts.WEBHOOK_CONFIGURATION)
    assert webhooks in present
    assert Ref("batch", "CronJob", facts.NAMESPACE, facts.AUTOUPDATER) in present


@needs_real_manifests
@pytest.mark.parametrize("release", RELEASES)
def test_facts_name_the_images_of_every_release(release: str) -> None:
    text = (REAL / release / "manifest-aio.yaml").read_text("utf-8")
    assert f"image: {facts.RBAC_PROXY_IMAGE}:v0.15.0\n" in text
    tag = "latest" if inventory.precedence(release) <= inventory.precedence("v0.0.1") else release
    assert f"image: {facts.OPERATOR_IMAGE}:{tag}\n" in text
    # An ordinary Flux install has it on every object, which is how the two are told apart.
    assert f"{facts.PART_OF_LABEL}: {facts.FLUX_PART_OF}\n" not in text


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("variant", [SLIM, AIO])
def test_fingerprint_finds_the_release_or_one_with_the_same_objects(release: str, variant: str) -> None:
    foreign = {Ref("", "ConfigMap", "default", "settings"), Ref("apps", "Deployment", "shop", "web")}
    found = inventory.fingerprint({*inventory.objects(release, variant), *foreign})
    assert release in found
    assert {frozenset(inventory.objects(each, SLIM)) for each in found} == {frozenset(inventory.objects(release, SLIM))}


def test_fingerprint_puts_the_newest_first() -> None:
    found = inventory.fingerprint(inventory.objects("v0.7.0", SLIM))
    assert found == ("v0.9.0", "v0.8.0", "v0.7.0", "v0.6.0", "v0.5.1", "v0.5.0")


def test_fingerprint_of_what_an_interrupted_purge_left_is_never_an_older_release() -> None:
    crd = Ref("apiextensions.k8s.io", "CustomResourceDefinition", "", facts.CLUSTER_PACKAGE.crd)
    found = inventory.fingerprint({crd})
    assert set(found) == set(RELEASES[RELEASES.index("v0.10.0") :])


def test_fingerprint_takes_a_leftover_of_an_upgrade_for_what_it_is() -> None:
    old = Ref("rbac.authorization.k8s.io", "ClusterRole", "", "glasskube-manager-role")
    assert inventory.fingerprint({*inventory.objects("v0.26.1", SLIM), old})[0] == "v0.26.1"


@pytest.mark.parametrize(
    "present", [(), (Ref("", "ConfigMap", "default", "settings"),), tuple(inventory.flux_objects("v0.26.1"))]
)
def test_fingerprint_is_empty_without_glasskube(present: tuple[Ref, ...]) -> None:
    assert inventory.fingerprint(present) == ()


@given(release=st.sampled_from(RELEASES), data=st.data())
def test_fingerprint_leaves_no_object_of_a_torn_install_unexplained(release: str, data: st.DataObject) -> None:
    present = data.draw(st.sets(st.sampled_from(inventory.objects(release, SLIM)), min_size=1))
    for each in inventory.fingerprint(present):
        assert present <= frozenset(inventory.objects(each, SLIM))


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("ghcr.io/glasskube/package-operator:v0.26.1", "v0.26.1"),
        ("ghcr.io/glasskube/package-operator:v0.0.1-alpha.10", "v0.0.1-alpha.10"),
        ("registry.example:5000/mirror/glasskube/package-operator:v0.5.0", "v0.5.0"),
        ("ghcr.io/glasskube/package-operator:v0.26.1@sha256:" + "a" * 64, "v0.26.1"),
        ("package-operator:v0.5.0", "v0.5.0"),
        ("ghcr.io/glasskube/package-operator:v0.27.0", "v0.27.0"),
        ("ghcr.io/glasskube/package-operator:latest", None),
        ("ghcr.io/glasskube/package-operator:snapshot", None),
        ("ghcr.io/glasskube/package-operator:v0.26.1/x", None),
        ("ghcr.io/glasskube/package-operator", None),
        ("registry.example:5000/glasskube/package-operator", None),
        ("ghcr.io/glasskube/package-operator@sha256:" + "a" * 64, None),
        ("gcr.io/kubebuilder/kube-rbac-proxy:v0.15.0", None),
        ("example.com/not-the-package-operator:v0.26.1", None),
        ("", None),
    ],
)
def test_only_an_operator_image_with_a_versions_tag_names_a_version(image: str, version: str | None) -> None:
    assert inventory.version_of_image(image) == version


@pytest.mark.parametrize(
    "text",
    ["", "v1", "v0.26", "0.26.1", "v0.26.1 ", "v0.26.1\n", "v0.26.1/..", "../v0.26.1", "v0.26.1-", "v٠.1.2", "v01.0.0"],
)
def test_nothing_but_a_version_is_a_version(text: str) -> None:
    assert not inventory.is_version(text)
    with pytest.raises(ValueError, match="no Glasskube version"):
        inventory.precedence(text)


@given(st.text())
def test_image_names_never_raise(image: str) -> None:
    version = inventory.version_of_image(image)
    assert version is None or inventory.is_version(version)
