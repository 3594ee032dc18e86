"""What is said of a problem on stderr, and the exit code of a command that ends by an error without a report."""

from __future__ import annotations

from kubectl_glasskube_purge.kube.problem import Problem
from kubectl_glasskube_purge.purge.model.outcome import EXIT_CODE_OF, ended

from . import streams


def say(problem: Problem) -> None:
    """Says what is the matter, and what to do next."""
    streams.err(f"error: {problem.message}", *filter(None, (problem.hint, *problem.copied)))


def fail(error: BaseException) -> int:
    """Says what an error says, and returns its exit code."""
    ending, problem = ended(error)
    say(problem)
    return EXIT_CODE_OF[ending]
