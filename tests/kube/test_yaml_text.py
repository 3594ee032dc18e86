"""What is written is read the same by everybody, and what is read is limited and never guessed at."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml as yaml_1_1
from hypothesis import example, given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from kubectl_glasskube_purge.kube import yaml_text
from kubectl_glasskube_purge.kube.yaml_text import Limits, NotYaml, Refused, TooLarge, YamlError
from tests.kube.yaml_values import MISREAD, strings, values


def as_yaml_1_2(text: str) -> Any:
    return YAML(typ="safe", pure=True).load(text)


def as_yaml_1_1(text: str) -> Any:
    return yaml_1_1.safe_load(text)


@given(values)
@example(dict(zip(MISREAD, MISREAD, strict=True)))
@example([list(MISREAD), [], {}, [[]], [{}], [[1, [2]], [{"a": [{"b": 1}]}]], [1e21, 1e-7, 0.1, -0.0, 2**63 - 1]])
def test_readers_of_yaml_1_1_and_1_2_read_what_was_written(value: Any) -> None:
    for plain_words in (False, True):
        text = yaml_text.write({"held": value}, plain_words=plain_words)
        assert yaml_text.read_one(text) == {"held": value}
        assert as_yaml_1_1(text) == {"held": value}
        assert as_yaml_1_2(text) == {"held": value}


@given(st.lists(strings))
@example(list(MISREAD))
def test_one_line_is_json_and_yaml(strings: list[str]) -> None:
    value = {"held": strings, "number": 1.5, "nothing": None, "true": True}
    line = yaml_text.write_line(value)
    assert len(line.splitlines()) == 1
    assert json.loads(line) == value
    assert as_yaml_1_2(line) == value


def test_words_that_need_no_quotes_have_none_and_every_string_has() -> None:
    document = {"apiVersion": "v1", "on": "b", "a.b/c-d": "x", "1": "y", "é": "z", "n": None, "i": 3, "t": True}
    assert yaml_text.write(document).splitlines() == [
        'apiVersion: "v1"',
        '"on": "b"',
        'a.b/c-d: "x"',
        '"1": "y"',
        '"é": "z"',
        '"n": null',
        "i: 3",
        "t: true",
    ]


def test_plain_words_have_no_quotes_where_that_was_asked_for() -> None:
    document = {"verbs": ["get", "on", "*", ""], "rules": [{"apiGroups": ["rbac.authorization.k8s.io/v1"], "x": {}}]}
    assert yaml_text.write(document, plain_words=True).splitlines() == [
        "verbs:",
        "- get",
        '- "on"',
        '- "*"',
        '- ""',
        "rules:",
        "- apiGroups:",
        "  - rbac.authorization.k8s.io/v1",
        "  x: {}",
    ]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        *((word, True) for word in ("yes", "Yes", "YES", "on", "true", "True")),
        *((word, False) for word in ("no", "off", "OFF", "false")),
        *((word, None) for word in ("~", "null", "NULL", "")),
        *((word, word) for word in ("y", "n", "yEs", "v1", "a b", "<<", "=", ".", "1.2.3", "08", "0o17", "1e")),
        *((word, word) for word in ("12:30:45", "2026-11-23", "2026-11-23T09:11:42Z", "0xg", "--1", "+")),
        *(("0", 0), ("-7", -7), ("+7", 7), ("1_000", 1000), ("0x1F", 31), ("017", 15), ("-017", -15), ("0b11", 3)),
        *(("1e3", 1000.0), ("1.", 1.0), (".5", 0.5), ("-1.5e-3", -0.0015), ("1E+2", 100.0)),
    ],
)
def test_scalars_are_read_as_kubectl_reads_them(written: str, value: Any) -> None:
    read = yaml_text.read_one(f"held: {written}\n")["held"]
    assert (type(read), read) == (type(value), value)
    assert yaml_text.read_one(f"held: '{written}'\n")["held"] == written


TIGHT = Limits(characters=2000, line=200, documents=3, depth=10, nodes=100)


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ("a: &a [x]\n", Refused, "anchor or alias (line 1)"),
        ("b: 1\na: *a\n", Refused, "anchor or alias (line 2)"),
        ("a: !!str 1\n", Refused, "tag (line 1)"),
        ("{a: 1, 'a': 2}", Refused, "the key 'a' twice in one mapping"),
        ("? [a]\n: b\n", Refused, "key that is no string"),
        ("a: b: c\n", NotYaml, "is not YAML (line 1"),
        ("a: [\n", NotYaml, "is not YAML"),
        ("a: \x01", NotYaml, "is not YAML"),
        ('a: "\\UFFFFFFFF"', NotYaml, "is not YAML"),
        ("a: " + "9" * 5000, TooLarge, "more than 2,000 characters"),
        ("a: .inf", NotYaml, "number"),
        ("#" * 201, TooLarge, "a line of more than 200 characters"),
        ("---\n" * 4, TooLarge, "more than 3 documents"),
        ("[" * 50, TooLarge, "nested deeper than 10 levels (line 1)"),
        ("- " * 50, TooLarge, "nested deeper than 10 levels (line 1)"),
        ("- a\n" * 120, TooLarge, "more than 100 YAML nodes"),
    ],
)
def test_what_is_not_read_is_refused_with_its_reason(text: str, error: type[YamlError], says: str) -> None:
    with pytest.raises(error) as refused:
        list(yaml_text.read(text, TIGHT))
    assert type(refused.value) is error
    assert says in str(refused.value)


def test_an_endless_number_is_refused() -> None:
    with pytest.raises(NotYaml, match="number"):
        yaml_text.read_one("a: " + "9" * 100_000)


def test_documents_come_with_their_lines_and_empty_ones_are_none() -> None:
    assert list(yaml_text.read("# first\na: 1\n---\n---\nb: 2\n")) == [(2, {"a": 1}), (4, None), (5, {"b": 2})]


def test_a_second_document_is_refused_where_one_is_expected() -> None:
    assert yaml_text.read_one("") is None
    with pytest.raises(NotYaml, match="2 documents instead of one"):
        yaml_text.read_one("a: 1\n---\nb: 1\n")


@given(st.text(max_size=300) | st.lists(st.sampled_from(MISREAD), max_size=20).map("\n".join))
def test_any_text_is_read_or_refused_in_printable_words(text: str) -> None:
    try:
        list(yaml_text.read(text))
    except YamlError as error:
        assert str(error).isprintable()  # noqa: PT017 - either outcome is right
