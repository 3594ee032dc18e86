"""A manifest is input from outside: what is believed of it, and what is refused with which error."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kubectl_glasskube_purge.glasskube import facts, inventory, manifest
from kubectl_glasskube_purge.glasskube.manifest import (
    ForeignObjects,
    ManifestError,
    ManifestRefused,
    ManifestTooLarge,
    ManifestUnreadable,
    NotAnObject,
)
from kubectl_glasskube_purge.kube.objects import Ref
from tests.glasskube.manifests import needs_real_manifests, of_release, real, written

NAMESPACE = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: glasskube-system\n"


def parse(text: str | bytes) -> tuple[Ref, ...]:
    return tuple(manifest.parse(text.encode() if isinstance(text, str) else text, "the manifest"))


@needs_real_manifests
@pytest.mark.parametrize("release", inventory.releases())
def test_every_real_manifest_names_and_contains_what_the_inventory_has(release: str) -> None:
    for variant in inventory.variants(release):
        objects = manifest.parse(real(release, variant), "the manifest")
        refs = tuple(objects)
        assert refs == inventory.objects(release, variant)
        assert [ref.version for ref in refs] == [ref.version for ref in inventory.objects(release, variant)]
        manifest.check(refs, "the manifest")
        manifest.check_content(objects.values(), inventory.digests(release), "the manifest")


def test_objects_are_named_once_and_in_order() -> None:
    refs = inventory.objects("v0.26.1", "slim")
    assert parse(written((*refs, refs[0]))) == refs


def test_empty_documents_and_comments_are_no_objects() -> None:
    assert parse(f"# a comment\n---\n---\n{NAMESPACE}---\n# the end\n") == (
        Ref("", "Namespace", "", "glasskube-system"),
    )


@pytest.mark.parametrize("text", [f"\ufeff{NAMESPACE}", NAMESPACE.replace("\n", "\r\n"), NAMESPACE + "spec: {}\n"])
def test_harmless_ways_of_writing_are_accepted(text: str) -> None:
    assert parse(text) == (Ref("", "Namespace", "", "glasskube-system"),)


def test_json_is_yaml() -> None:
    text = '{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "glasskube-system"}}'
    assert parse(text) == (Ref("", "Namespace", "", "glasskube-system"),)


def test_a_null_namespace_is_none() -> None:
    assert parse(NAMESPACE + "  namespace: null\n")[0].namespace == ""


BOMB = "a: &a [x, x]\n" + "".join(f"{b}: &{b} [*{a}, *{a}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True))


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        pytest.param(BOMB, ManifestRefused, "anchor or alias (line 1)", id="billion laughs"),
        pytest.param(NAMESPACE + "spec: *nobody\n", ManifestRefused, "anchor or alias (line 5)", id="alias"),
        pytest.param(NAMESPACE.replace("v1", "&v v1"), ManifestRefused, "anchor or alias", id="anchor"),
        pytest.param(NAMESPACE.replace("v1", "!!str v1"), ManifestRefused, "tag (line 1)", id="standard tag"),
        pytest.param("!!python/object/apply:os.system [id]", ManifestRefused, "tag", id="python object"),
        pytest.param(NAMESPACE + "  name: default\n", ManifestRefused, "the key 'name' twice", id="duplicate name"),
        pytest.param(NAMESPACE + '  "name": default\n', ManifestRefused, "the key 'name' twice", id="quoted duplicate"),
        pytest.param("a: {b: {c: 1, c: 2}}", ManifestRefused, "the key 'c' twice", id="duplicate key deep inside"),
        pytest.param("? [a]\n: b\n", ManifestRefused, "key that is no string", id="complex key"),
        pytest.param("[" * 5000, ManifestTooLarge, "deeper than 64 levels", id="deep flow"),
        pytest.param("- " * 5000, ManifestTooLarge, "deeper than 64 levels", id="deep block"),
        pytest.param(f"{NAMESPACE}---\n" * 300, ManifestTooLarge, "256 documents", id="many objects"),
        pytest.param("---\n" * 300_000, ManifestTooLarge, "256 documents", id="a megabyte of documents"),
        pytest.param(
            "[" + "a," * 30_000 + "\n" + "a," * 30_000 + "\n" + "a," * 30_000 + "\n" + "a," * 30_000 + "]",
            ManifestTooLarge,
            "100,000 YAML nodes",
            id="many nodes",
        ),
        pytest.param("#" * manifest.MAX_BYTES + "\n", ManifestTooLarge, "2 MiB", id="many bytes"),
        pytest.param("!" * 1_000_000, ManifestTooLarge, "a line of more than", id="long line"),
        pytest.param("<!DOCTYPE html><html><body>Sign in</body></html>", ManifestUnreadable, "web page", id="html"),
        pytest.param("\n  <html>", ManifestUnreadable, "web page", id="html after blanks"),
        pytest.param("\ufeff<html>", ManifestUnreadable, "web page", id="html after a byte order mark"),
        pytest.param("a: b: c", ManifestUnreadable, "not YAML (line 1", id="syntax"),
        pytest.param("a: [\n", ManifestUnreadable, "not YAML", id="cut off"),
        pytest.param("a: \x01", ManifestUnreadable, "not YAML", id="control character"),
        pytest.param('a: "\\U00110000"', ManifestUnreadable, "not YAML", id="impossible escape"),
        pytest.param("%YAML 1." + "1" * 5000, ManifestUnreadable, "not YAML", id="impossible version"),
        pytest.param(NAMESPACE.encode("utf-16"), ManifestUnreadable, "UTF-16", id="utf-16"),
        pytest.param(NAMESPACE.encode("utf-16-le"), ManifestUnreadable, "UTF-16", id="utf-16 without mark"),
        pytest.param(NAMESPACE.encode("utf-16-be"), ManifestUnreadable, "UTF-16", id="utf-16 the other way round"),
        pytest.param(NAMESPACE.encode("utf-32"), ManifestUnreadable, "UTF-16", id="utf-32"),
        pytest.param(NAMESPACE.encode("cp037"), ManifestUnreadable, "not UTF-8", id="ebcdic"),
        pytest.param(b"\x1f\x8b\x08\x00\x00", ManifestUnreadable, "binary", id="gzip"),
        pytest.param("a: ü".encode("latin-1"), ManifestUnreadable, "not UTF-8 (byte 3)", id="latin-1"),
        pytest.param("", NotAnObject, "no object in it", id="empty"),
        pytest.param("---\n---\n", NotAnObject, "no object in it", id="empty documents"),
        pytest.param("Not Found", NotAnObject, "is no Kubernetes object", id="a word"),
        pytest.param("- a\n", NotAnObject, "is no Kubernetes object", id="a sequence"),
        pytest.param("kind: Namespace\n", NotAnObject, "has no metadata", id="no metadata"),
        pytest.param(NAMESPACE.replace("kind: Namespace\n", ""), NotAnObject, "has no kind", id="no kind"),
        pytest.param(NAMESPACE.replace("apiVersion: v1\n", ""), NotAnObject, "has no apiVersion", id="no apiVersion"),
        pytest.param(NAMESPACE.replace(" glasskube-system", ""), NotAnObject, "has no metadata.name", id="null name"),
        pytest.param(NAMESPACE.replace("name:", "generateName:"), NotAnObject, "generateName", id="generateName"),
        pytest.param(NAMESPACE + "  generateName: x-\n", NotAnObject, "generateName", id="generateName besides"),
        pytest.param("apiVersion: v1\nkind: List\nitems: []\n", NotAnObject, "list of objects", id="list"),
        pytest.param(
            NAMESPACE.replace("Namespace", "NamespaceList") + "items: []\n", NotAnObject, "list", id="typed list"
        ),
        pytest.param(NAMESPACE.replace("glasskube-system", "a/b"), NotAnObject, "impossible metadata.name", id="path"),
        pytest.param(NAMESPACE.replace("glasskube-system", ".."), NotAnObject, "impossible metadata.name", id="parent"),
        pytest.param(
            NAMESPACE.replace("kube-", "kube\u2010"), NotAnObject, "impossible metadata.name", id="a lookalike's name"
        ),
        pytest.param(NAMESPACE.replace("Namespace", "namespace"), NotAnObject, "impossible kind", id="kind"),
        pytest.param(NAMESPACE.replace("v1", "../v1"), NotAnObject, "impossible apiVersion", id="group with path"),
        pytest.param(NAMESPACE + "  namespace: A/..\n", NotAnObject, "impossible metadata.namespace", id="namespace"),
        pytest.param(NAMESPACE + "  namespace: [a]\n", NotAnObject, "has no metadata.namespace", id="namespace list"),
        pytest.param(
            "apiVersion: v1\nkind: Namespace\nmetadata:\n  <<: {name: a}\n", NotAnObject, "name", id="merge key"
        ),
    ],
)
def test_what_no_release_manifest_contains_is_refused(text: str | bytes, error: type[ManifestError], says: str) -> None:
    with pytest.raises(error) as raised:
        parse(text)
    assert type(raised.value) is error
    assert says in raised.value.message
    assert raised.value.message.startswith("the manifest ")
    assert raised.value.hint


def test_a_hostile_name_reaches_no_terminal() -> None:
    with pytest.raises(NotAnObject) as raised:
        parse(NAMESPACE.replace("glasskube-system", '"\\e[2J' + "x" * 10_000 + '"'))
    assert raised.value.message.isprintable()
    assert len(raised.value.message) < 300


@pytest.mark.parametrize(
    "foreign",
    [
        Ref("", "Namespace", "", "kube-system", "v1"),
        Ref("", "Namespace", "", "default", "v1"),
        Ref("apps", "Deployment", "kube-system", facts.OPERATOR_DEPLOYMENT, "v1"),
        Ref("apps", "Deployment", "", facts.OPERATOR_DEPLOYMENT, "v1"),
        Ref("", "Namespace", "kube-system", facts.NAMESPACE, "v1"),
        Ref("", "Secret", facts.NAMESPACE, "license", "v1"),
        Ref("rbac.authorization.k8s.io", "ClusterRoleBinding", "", "platform-admins", "v1"),
        Ref("rbac.authorization.k8s.io", "ClusterRoleBinding", "", "cluster-admin", "v1"),
        Ref("rbac.authorization.k8s.io", "ClusterRole", "", "system:node", "v1"),
        Ref("authorization.example", "ClusterRole", "", "glasskube-proxy-role", "v1"),
        Ref("apiextensions.k8s.io", "CustomResourceDefinition", "", "helmreleases.helm.fluxcd.io", "v1"),
        Ref("", "Namespace", "", "glasskube-system-2", "v1"),
    ],
    ids=lambda ref: f"{ref.group} {ref.display}",
)
def test_a_manifest_that_names_foreign_objects_is_refused_with_their_list(foreign: Ref) -> None:
    refs = parse(of_release("v0.26.1", "aio") + b"---\n" + written([foreign]))
    with pytest.raises(ForeignObjects) as raised:
        manifest.check(refs, "the manifest")
    assert raised.value.foreign == (foreign,)
    assert foreign.display in raised.value.message


def test_a_long_list_of_foreign_objects_is_folded_in_words_and_whole_in_data() -> None:
    foreign = tuple(Ref("", "Namespace", "", f"team-{number}", "v1") for number in range(25))
    with pytest.raises(ForeignObjects) as raised:
        manifest.check(foreign, "the manifest")
    assert raised.value.foreign == foreign
    assert raised.value.message.endswith("namespace/team-9 and 15 more")


def test_objects_of_other_releases_are_not_foreign() -> None:
    manifest.check(inventory.objects("v0.0.1-alpha.5", "aio"), "the manifest")


YAML_MARKS = (
    "%YAML ",
    "1.1",
    "%TAG ! ",
    "!",
    "!!str ",
    "!<%zz>",
    "%zz",
    "&a",
    "*a",
    "<<",
    ": ",
    ":",
    "- ",
    "? ",
    "|",
    ">",
)
OTHER_MARKS = (
    "[",
    "]",
    "{",
    "}",
    ",",
    "'",
    '"',
    "#",
    " #",
    "---",
    "...",
    "\\",
    "\\x",
    "\\U",
    "`",
    "@",
    "=",
    "~",
    "null",
)
BREAKS_AND_WORDS = ("\n", "\n  ", "\t", "\r", "\x85", "\u2028", "\ufeff", "a", "kind", "metadata", "name", "items")
FRAGMENTS = st.sampled_from((*YAML_MARKS, *OTHER_MARKS, *BREAKS_AND_WORDS))


@given(st.binary(max_size=2000) | st.lists(FRAGMENTS, max_size=60).map(lambda parts: "".join(parts).encode()))
@example(b'"\\UFFFFFFFF"')
def test_any_bytes_are_parsed_or_refused(data: bytes) -> None:
    try:
        refs = manifest.parse(data, "the manifest")
    except ManifestError as error:
        assert error.message.isprintable()  # noqa: PT017 - either outcome is right
    else:
        assert refs


@given(data=st.data())
def test_a_manifest_with_anything_written_into_it_never_names_what_is_not_there(data: st.DataObject) -> None:
    original = of_release("v0.26.1", "autoupdater").decode()
    at = data.draw(st.integers(0, len(original)))
    cut = data.draw(st.integers(0, 5))
    written_in = "".join(data.draw(st.lists(FRAGMENTS, max_size=4)))
    try:
        refs = manifest.parse((original[:at] + written_in + original[at + cut :]).encode(), "the manifest")
    except ManifestError:
        return
    for ref in refs:
        assert f"{ref.kind}{ref.name}{ref.namespace}".isprintable()
        assert "/" not in ref.name + ref.namespace + ref.group
