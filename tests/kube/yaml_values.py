"""Values that are hard to write as YAML, for the tests of the writer and of everything that uses it."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

MISREAD = (
    *("yes", "no", "on", "off", "y", "n", "Yes", "TRUE", "~", "null", "", " ", "1e3", "0x1F", "0o17", "017", "1_000"),
    *("12:30:45", "2026-11-23", "2026-11-23T09:11:42Z", ".inf", "-.INF", ".nan", "<<", "=", "-", "- a", "? a", ": a"),
    *(
        "a: b",
        "# no comment",
        "#| no reference",
        "---",
        "--- x",
        "...",
        "&a",
        "*a",
        "!!int 3",
        "%YAML 1.2",
        "@a",
        "`a`",
    ),
    *("'a'", '"a"', "a\nb", "a\n---\nb\n", "\n# End of the backup.\n", " leading", "trailing ", "\ttab", "\r\n"),
    *("\x00", "\x1b[31m", "\x7f", "\x85", "\u2028", "\ufeff", "\ufffe", "\uffff", "\U0001f600", "\U0010ffff", "é"),
    *("a" * 5000, "a " * 300, "\\n", "\\"),
)
"""Strings that some reader of YAML takes for something else."""

strings = st.sampled_from(MISREAD) | st.text(max_size=40)
keys = st.sampled_from([one for one in MISREAD if one]) | st.text(min_size=1, max_size=40)
numbers = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
values: st.SearchStrategy[Any] = st.recursive(
    strings | numbers | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=20,
)
