"""What is said of a problem on stderr, and the exit code of a command that ends by an error without a report."""

from __future__ import annotations

import sys

from kubectl_glasskube_purge.kube.problem import Problem
from kubectl_glasskube_purge.kube.wording import printable
from kubectl_glasskube_purge.purge.model.outcome import EXIT_CODE_OF, ended


def say(problem: Problem) -> None:
    """Says what is the matter, and what to do next."""
    sys.stderr.write(f"error: {printable(problem.message)}\n" + (f"{problem.hint}\n" if problem.hint else ""))
    sys.stderr.flush()


def fail(error: BaseException) -> int:
    """Says what an error says, and returns its exit code."""
    ending, problem = ended(error)
    say(problem)
    return EXIT_CODE_OF[ending]
