"""What README and docs show of a command line: blocks to run, and commands within a sentence."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kubectl_glasskube_purge.cli.arguments import Line, read
from kubectl_glasskube_purge.cli.commands import COMMANDS

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])

OURS = re.compile(r"\bkubectl (?:glasskube purge|glasskube-purge)(?= |$)")
_COMPOUND = re.compile(r"^(for|while|if|case|\w+=)", re.MULTILINE)
_FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


ELSEWHERE: Mapping[str, str] = {
    "make ": "test_every_target_that_pages_name_exists",
    "pip ": "needs a package index that has a release",
    "pipx ": "needs a package index that has a release",
    "kubectl krew ": "needs krew, and its index",
    "kubectl glasskube-purge install-alias --remove": "test_the_second_name_is_taken_away_again",
    "docker ": "needs a container runtime",
    "gh ": "needs a release on GitHub",
    "sha256sum ": "test_what_is_typed_accepts_the_release_and_refuses_a_changed_file",
    "grep --fixed-strings ": "test_what_is_typed_accepts_the_release_and_refuses_a_changed_file",
    "kubectl logs ": "needs a kubelet",
    "kubectl apply --server-side ": "test_kubectl_alone_puts_it_back_in_two_applies",
    "kubectl apply -f deploy/": "test_the_job_purges_with_its_role_and_needs_all_of_it",
    "kubectl delete -f deploy/": "deletes what the test above applies",
    "source <(kubectl glasskube purge completion ": "test_the_shells_complete",
    "kubectl glasskube purge completion ": "test_the_shells_complete",
}
"""How a statement begins → where it is run instead, or why it isn't."""


@dataclass(frozen=True)
class Block:
    """What stands between two fences of a page."""

    page: str
    """Its path in the repository."""
    language: str
    text: str

    @property
    def statements(self) -> Sequence[str]:
        """What can be run by itself: single commands, or the whole where one part needs another."""
        text = re.sub(r"\\\n\s*", "", self.text)
        if _COMPOUND.search(text):
            return [self.text.strip()]
        lines = (re.sub(r"(^|\s+)# .*$", "", line).strip() for line in text.splitlines())
        return [line for line in lines if line]


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page."""
    name = str(page.relative_to(ROOT))
    return [Block(name, language, text) for language, text in _FENCED.findall(page.read_text("utf-8"))]


def commands(page: Path) -> list[Block]:
    """The blocks of a page that are to be typed."""
    return [block for block in blocks(page) if block.language == "sh"]


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return _FENCED.sub("", page.read_text("utf-8"))


def invocations(text: str) -> Iterator[Line]:
    """How a text calls the plugin, read by the plugin's own reader. Raises `UsageError`."""
    for line in re.sub(r"\\\n\s*", "", text).splitlines():
        for call in OURS.finditer(line):
            typed = re.split(r"[|;>&)`]", re.sub(r"\s# .*", "", line[call.end() :]))[0]
            yield read(shlex.split(typed), COMMANDS)


def asks(line: Line) -> bool:
    """Whether a command puts a question first, which nobody answers where there is no terminal."""
    if line.command.name == "label" and "--remove" in line.values:
        return False  # nothing in the pages labels anything before
    return line.command.name in ("", "restore", "label") and not {"--yes", "--dry-run"} & {*line.values}


def changes(statement: str) -> bool:
    """Whether a statement changes a cluster."""
    if re.search(r"\bkubectl (apply|delete|patch|scale)\b", statement):
        return True
    return any("--yes" in line.values for line in invocations(statement))


def is_elsewhere(statement: str) -> bool:
    """Whether a statement isn't run as it stands there."""
    return statement.startswith(tuple(ELSEWHERE))
