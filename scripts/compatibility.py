"""Writes docs/compatibility.md from the cases that are tested beside kubectl, and what ran on which Kubernetes.

`--check` writes nothing and fails where the file isn't what would be written.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.cluster import kubernetes  # noqa: E402
from tests.cluster.compatibility import CASES, EXTRAS, NOT_TAKEN  # noqa: E402

DOCUMENT = ROOT / "docs" / "compatibility.md"

INTRODUCTION = """\
# At home in kubectl

The plugin connects as kubectl does: the same kubeconfig and flags reach the same
API server as the same user, and what is wrong is said in the same words. Every
row is a test, which runs kubectl itself (v1.34) and the plugin's connection against
a real API server and compares which user the server saw, or what was said.

This file is written by `scripts/compatibility.py` from the tests' own table.
"""

VERSIONS = """\
## Kubernetes versions

The core of the tests runs on each of these API servers and controller managers, built from their sources, by
`make test-kubernetes VERSION=1.29`. Other versions, and the rest of the tests on these, have not been run.

"""

MARKS = {"user": "same", "error": "same words"}


def document() -> str:
    """The whole of docs/compatibility.md."""
    parts = [INTRODUCTION]
    for section in dict.fromkeys(case.section for case in CASES):
        rows = [
            (case.subject, case.promise, MARKS.get(case.outcome) or f"no: {case.because}", case.test)
            for case in CASES
            if case.section == section
        ]
        rows += [
            (extra.subject, extra.promise, "not compared", extra.test) for extra in EXTRAS if extra.section == section
        ]
        parts.append(f"## {section}\n\n{table(('What', 'How', 'Like kubectl', 'Test'), grouped(rows))}")
    others = [(f"`{flag}`", reason) for flag, reason in NOT_TAKEN.items()]
    parts.append(f"## kubectl's other global flags\n\n{table(('Flag', 'Here'), others)}")
    outcomes = [
        (version, *("passes" if name in passed else "**fails**" for name in kubernetes.CORE))
        for version, passed in kubernetes.versions().items()
    ]
    if outcomes:
        parts.append(VERSIONS + table(("Kubernetes", *kubernetes.CORE), outcomes))
    return "\n".join(parts)


def grouped(rows: Iterable[tuple[str, str, str, str]]) -> list[tuple[str, str, str, str]]:
    """Rows of one subject together, in the order in which subjects appear."""
    listed = list(rows)
    subjects = list(dict.fromkeys(row[0] for row in listed))
    ordered = sorted(listed, key=lambda row: subjects.index(row[0]))
    return [(subject, promise, mark, f"[{name(test)}]({link(test)})") for subject, promise, mark, test in ordered]


def name(test: str) -> str:
    """What is shown of a test's node id: the case, or the test's name."""
    return test.partition("[")[2].rstrip("]") or test.partition("::")[2]


def link(test: str) -> str:
    """From the document to the file that has the test, or the case."""
    return "../tests/cluster/compatibility.py" if "[" in test else f"../{test.partition('::')[0]}"


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A Markdown table."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def main() -> int:
    """Writes the document, or checks it. Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; fail where the file is out of date")
    arguments = parser.parse_args()
    wanted = document()
    if not arguments.check:
        DOCUMENT.parent.mkdir(exist_ok=True)
        DOCUMENT.write_text(wanted, "utf-8")
        return 0
    if not DOCUMENT.exists() or DOCUMENT.read_text("utf-8") != wanted:
        print(f"{DOCUMENT.relative_to(ROOT)} is out of date: run scripts/compatibility.py", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
