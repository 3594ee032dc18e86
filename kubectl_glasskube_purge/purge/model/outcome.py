"""How a run can end, which exit code that is, and which end an error is. The one place that makes both of errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from kubectl_glasskube_purge.kube.problem import Ending, Problem, ProblemError

Outcome = Literal[
    "clean",
    "done",
    "nothing-to-do",
    "dry-run",
    "failed",
    "refused",
    "declined",
    "incomplete",
    "interrupted",
    "rolled-back",
]
"""`clean` is a purge that was verified, `done` a restore or a labelling that is complete."""

EXIT_CODE_OF: Mapping[str, int] = {
    "usage": 2,
    "clean": 0,
    "done": 0,
    "nothing-to-do": 0,
    "dry-run": 0,
    "failed": 1,
    "refused": 3,
    "declined": 4,
    "incomplete": 5,
    "rolled-back": 1,
    "interrupted": 130,
}
"""Of an outcome or an error's ending. SIGTERM makes 143 of `interrupted`."""

EXIT_CODES: Mapping[str, str] = {
    "0": "done, or nothing to do; what was kept by decision is listed",
    "1": "failed: the message says what to do, then run it again",
    "2": "the command line makes no sense",
    "3": "refused: nothing was changed",
    "4": "declined at the question",
    "5": "something is left that should be deleted, or `verify` found something",
    "130, 143": "interrupted: run it again",
}
"""What they mean, for people."""


def ended(error: BaseException) -> tuple[Ending, Problem]:
    """What an error makes of a run: how it ends, and the problem for who reads it."""
    inner: Sequence[BaseException] = getattr(error, "exceptions", ())
    if len(inner) == 1:
        return ended(inner[0])
    if isinstance(error, ProblemError):
        return error.ending, error.problem
    if isinstance(error, OSError):
        words = (error.strerror or str(error) or type(error).__name__).lower()
        where = f"{error.filename}: " if error.filename else ""
        return "failed", Problem("system", f"{where}{words}", "Once that is fixed, run this again.")
    message = f"something unexpected went wrong ({type(error).__name__})"
    hint = "Run this again with --debug, and report what that shows as a bug."
    return "failed", Problem("unexpected", message, hint)
