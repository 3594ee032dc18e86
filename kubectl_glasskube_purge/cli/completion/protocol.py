"""Cobra's completion protocol: the words so far as arguments, what fits as lines, a directive as the last of them.

kubectl speaks it with `kubectl_complete-glasskube_purge`, the shells' scripts with
`kubectl-glasskube_purge __complete`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from . import WORD
from .offer import offer


def answer(words: Sequence[str]) -> str:
    """The lines that answer a request to complete the last word."""
    made = offer(words)
    lines = [f"{word}\t{first_sentence(text)}" if text else word for word, text in made.words]
    return "".join(f"{line}\n" for line in [*lines, f":{made.directive}"])


def first_sentence(text: str) -> str:
    """As much of a description as fits beside a word."""
    return text.partition(". ")[0].rstrip(".")


def main() -> None:
    """Answers the words of this process's command line."""
    words = sys.argv[1:]
    sys.stdout.write(answer(words[1:] if words[:1] == [WORD] else words))
