"""YAML ↔ JSON's types: one strict reader, and one writer whose text can't be misread. Pure.

Everything that is read comes from outside: a download, a backup that a person has
edited, what Helm stored. So the parser's events are walked without constructing
Python objects. Anchors and aliases (with which a few lines become gigabytes), tags,
keys that are no strings and duplicate keys are refused, and everything that costs
time is limited. Scalars are read as kubectl reads them: as YAML 1.1, but timestamps
and clock times are strings.

YAML 1.1 makes a boolean of `yes`, a number of `1e3` and nothing of `~`. So the writer
puts every string in double quotes, on one line; a key is, too, unless it is a plain
word. Kubeconfigs are read by the library that kr8s uses, in `config`.
"""

from __future__ import annotations

import contextlib
import json
import re
import sys
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    DocumentStartEvent,
    Event,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
)


class YamlError(ValueError):
    """A text that isn't read. The message is a predicate: `has …`, `is …`; it is printable."""


class TooLarge(YamlError):
    """More than the limits allow."""


class Refused(YamlError):
    """YAML that Kubernetes' tools never write and attacks use: anchors, aliases, tags, duplicate keys."""


class NotYaml(YamlError):
    """A syntax error, or a character or number that YAML doesn't allow."""


@dataclass(frozen=True)
class Limits:
    """How much is read. The defaults are for files that the user made or has at hand."""

    characters: int = 64 * 1024 * 1024
    line: int = sys.maxsize
    """Characters. The scanner's time grows with the square of a token's length."""
    documents: int = sys.maxsize
    depth: int = 200
    nodes: int = sys.maxsize
    """Scalars, collections' starts and ends, and documents' starts and ends."""


GENEROUS = Limits()


# -- reading


def read(text: str, limits: Limits = GENEROUS) -> Iterator[tuple[int, Any]]:
    """Each document of a text with the line that it starts at; an empty document is None.

    Takes 1 s for 0.5 MiB. Raises `YamlError`, in the course of the iteration.
    """
    if len(text) > limits.characters:
        raise TooLarge(f"has more than {limits.characters:,} characters")
    if max(map(len, text.splitlines()), default=0) > limits.line:
        raise TooLarge(f"has a line of more than {limits.line:,} characters")
    with _as_yaml_errors():
        yield from _Walk(text, limits).documents()


@contextlib.contextmanager
def _as_yaml_errors() -> Iterator[None]:
    try:
        yield
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        raise NotYaml(f"is not YAML (line {line}: {shown(str(error.problem))})") from error
    except YamlError:
        raise
    except (YAMLError, ValueError, OverflowError) as error:
        # The last two are what comes of an impossible escape, version directive or number.
        raise NotYaml("is not YAML (a character or number that it doesn't allow)") from error


def read_one(text: str, limits: Limits = GENEROUS) -> Any:
    """The only document of a text, or None where there is none. Raises `YamlError`."""
    documents = [document for _, document in read(text, limits)]
    if len(documents) > 1:
        raise NotYaml(f"has {len(documents)} documents instead of one")
    return documents[0] if documents else None


def read_head(text: str, keys: Collection[str], limits: Limits = GENEROUS) -> dict[str, Any]:
    """The values of these keys of the first document's mapping, those that are there.

    What comes after the last of them is not read, so it may be anything. Raises `YamlError`.
    """
    with _as_yaml_errors():
        return _Walk(text, limits).head(keys)


def shown(text: str) -> str:
    """Foreign text as a message may show it: escaped, and not for pages."""
    return ascii(text if len(text) <= 80 else f"{text[:80]}…")


class _Walk:
    """One pass over the parser's events; counts them."""

    def __init__(self, text: str, limits: Limits) -> None:
        self._limits = limits
        self._seen = 0
        # Always the pure parser: with the C library's, the same bytes could mean something else.
        self._events = map(self._checked, YAML(typ="safe", pure=True).parse(text))

    def documents(self) -> Iterator[tuple[int, Any]]:
        starts = (event for event in self._events if isinstance(event, DocumentStartEvent))
        for count, _ in enumerate(starts, 1):
            if count > self._limits.documents:
                raise TooLarge(f"has more than {self._limits.documents} documents")
            first = next(self._events)
            yield _line(first), self._node(first, 1)

    def head(self, keys: Collection[str]) -> dict[str, Any]:
        head: dict[str, Any] = {}
        next((event for event in self._events if isinstance(event, DocumentStartEvent)), None)
        if isinstance(next(self._events, None), MappingStartEvent):
            for key, value in self._entries(1):
                if key in keys:
                    head[key] = value
                if len(head) == len(keys):
                    break
        return head

    def _checked(self, event: Event) -> Event:
        self._seen += 1
        if self._seen > self._limits.nodes:
            raise TooLarge(f"has more than {self._limits.nodes:,} YAML nodes")
        if isinstance(event, AliasEvent) or (isinstance(event, NodeEvent) and event.anchor is not None):
            raise _refused(event, "has a YAML anchor or alias")
        if getattr(event, "tag", None) is not None:
            raise _refused(event, "has a YAML tag")
        return event

    def _node(self, event: Event, depth: int) -> Any:
        if depth > self._limits.depth:
            raise TooLarge(f"is nested deeper than {self._limits.depth} levels (line {_line(event)})")
        if isinstance(event, ScalarEvent):
            return _scalar(event.value) if event.style is None else event.value
        if isinstance(event, MappingStartEvent):
            return dict(self._entries(depth))
        return [self._node(item, depth + 1) for item in self._until_end()]

    def _entries(self, depth: int) -> Iterator[tuple[str, Any]]:
        seen: set[str] = set()
        for event in self._until_end():
            if not isinstance(event, ScalarEvent):
                raise _refused(event, "has a key that is no string")
            if event.value in seen:
                raise _refused(event, f"has the key {shown(event.value)} twice in one mapping")
            seen.add(event.value)
            yield event.value, self._node(next(self._events), depth + 1)

    def _until_end(self) -> Iterator[Event]:
        """The events of a collection's own members; what is inside them is taken by the caller."""
        for event in self._events:
            if isinstance(event, CollectionEndEvent):
                return
            yield event


def _refused(event: Event, what: str) -> Refused:
    return Refused(f"{what} (line {_line(event)}); anchors, aliases, tags and duplicate keys are refused")


def _line(event: Event) -> int:
    return int(event.start_mark.line) + 1


_WORDS: Mapping[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **{form: True for word in ("yes", "true", "on") for form in (word, word.title(), word.upper())},
    **{form: False for word in ("no", "false", "off") for form in (word, word.title(), word.upper())},
}
_INTEGER = re.compile(r"[-+]?(?:0b[01_]+|0x[0-9a-fA-F_]+|0[0-7_]*|[1-9][0-9_]*)", re.ASCII)
_FLOAT = re.compile(
    r"[-+]?(?:(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)?|[0-9][0-9_]*[eE][-+]?[0-9]+|\.(?i:inf|nan))",
    re.ASCII,
)


def _scalar(text: str) -> Any:
    """What YAML 1.1 makes of a scalar without quotes. Raises `ValueError` for a number that JSON doesn't have."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] in "+-.0123456789":
        if _INTEGER.fullmatch(text):
            digits = text.replace("_", "")
            return int(digits, 8 if re.match(r"[-+]?0[0-7]", digits) else 0)
        if _FLOAT.fullmatch(text):
            return float(text.replace("_", ""))
    return text


# -- writing

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*", re.ASCII)
_AMBIGUOUS = re.compile(r"y|n|yes|no|on|off|true|false|null", re.IGNORECASE)
_LONGEST_KEY = 1000
"""Characters. YAML looks 1024 characters ahead for the colon."""
_UNUSUAL = re.compile(r"[^ -~\U00010000-\U0010ffff]")
"""Escaped unless it is printable: YAML doesn't allow it, takes it for a line's end, or a terminal obeys it."""


def write(document: Mapping[str, Any], *, plain_words: bool = False) -> str:
    """One document in block style, which YAML 1.1 and 1.2 read the same; no string goes over a line's end.

    With `plain_words`, strings that no reader takes for anything else have no quotes either.
    """
    return "\n".join(_block(document, plain_words)) + "\n"


def write_line(value: Any) -> str:
    """A value on one line: JSON that YAML reads the same, unless a key has more than 1,000 characters.

    Escaped is what isn't printable, and nothing else: an emoji, which JSON's encoder writes as two escapes,
    YAML refuses.
    """
    return _UNUSUAL.sub(
        lambda found: found[0] if found[0].isprintable() else f"\\u{ord(found[0]):04x}",
        json.dumps(value, ensure_ascii=False),
    )


def _block(value: Any, plain_words: bool) -> list[str]:
    if isinstance(value, Mapping) and value:
        return [line for key, item in value.items() for line in _entry(_word(key), item, plain_words)]
    if isinstance(value, (list, tuple)) and value:
        return [line for item in value for line in _indented("- ", _block(item, plain_words))]
    if isinstance(value, float):
        return [_float(value)]
    return [_word(value) if plain_words and isinstance(value, str) else write_line(value)]


def _entry(key: str, item: Any, plain_words: bool) -> list[str]:
    lines = _block(item, plain_words)
    if len(key) > _LONGEST_KEY:
        return [f"? {key}", *_indented(": ", lines)]
    if not item or not isinstance(item, (Mapping, list, tuple)):
        return [f"{key}: {lines[0]}"]
    return [f"{key}:", *(lines if isinstance(item, (list, tuple)) else (f"  {line}" for line in lines))]


def _indented(mark: str, lines: list[str]) -> list[str]:
    return [mark + lines[0], *(f"  {line}" for line in lines[1:])]


def _word(text: str) -> str:
    return text if _PLAIN.fullmatch(text) and not _AMBIGUOUS.fullmatch(text) else write_line(text)


def _float(value: float) -> str:
    """With a dot, or YAML 1.1 takes it for a string."""
    mantissa, exponent, power = repr(value).partition("e")
    return (mantissa if "." in mantissa else f"{mantissa}.0") + exponent + power
