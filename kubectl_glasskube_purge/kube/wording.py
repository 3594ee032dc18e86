"""One wording for counts and long lists, wherever objects are named, and the one way to make a text printable."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from .objects import Ref


def printable(text: str, keep: str = "") -> str:
    r"""Text from outside, fit for a terminal: what isn't printable is escaped, `\x1b`, except the characters to `keep`.

    That is every control, bidi and format character, line ends among them, and lone surrogates.
    """
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() or character in keep else character.encode("unicode_escape").decode()
        for character in text
    )


def plural(number: int, noun: str) -> str:
    """`1 object`, `3 objects`, `2 PackageRepositories`, `4 NetworkPolicies`."""
    if number == 1 or noun == "Endpoints":  # a kind that is a plural already
        return f"{number} {noun}"
    if noun.endswith("y") and noun[-2:-1] not in "aeiou":
        return f"{number} {noun[:-1]}ies"
    return f"{number} {noun}es" if noun.endswith(("s", "x", "ch")) else f"{number} {noun}s"


def kinds(refs: Iterable[Ref]) -> str:
    """`3 Namespaces, 4 HelmReleases`: counted by kind, the most numerous first."""
    counted = Counter(ref.kind for ref in refs)
    return ", ".join(plural(number, kind) for kind, number in sorted(counted.items(), key=lambda kv: (-kv[1], kv[0])))


SHOWN = 3
"""Of a long list, how many are named."""


def some(texts: Iterable[str], limit: int = SHOWN, more: int = 0) -> str:
    """The first of a long list: `a, b, c and 37 more`. `more` are those that the list leaves out."""
    named = list(texts)
    rest = len(named) - limit + more
    return ", ".join(named[:limit]) + (f" and {rest} more" if rest > 0 else "")


def displayed(refs: Iterable[Ref], limit: int = 3) -> str:
    """Objects by name: `ConfigMap shop/a, ConfigMap shop/b and 3 more`."""
    return some((ref.display for ref in refs), limit)
