"""What is the matter, in one form for everybody: errors carry it, plans refuse with it, reports and screens show it.

Knows nothing of Kubernetes, nor of screens and exit codes: an error says by its
`ending` how a run ends that meets it, and `purge.model.outcome` makes the rest of that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Ending = Literal["usage", "failed", "refused", "incomplete", "interrupted"]
"""How a run ends by an error. `usage` is a command line that makes no sense, and has no report."""


@dataclass(frozen=True)
class Problem:
    """One thing that is the matter: an error, a refusal, or a warning."""

    code: str
    """For scripts. It never changes."""
    message: str
    """In one line, what is the matter."""
    hint: str = ""
    """What to do next; a warning has none."""
    details: tuple[str, ...] = ()
    """What the message sums up, one by one."""
    copied: tuple[str, ...] = ()
    """Lines that follow the hint and are copied as they stand. No other text has more than one line."""


class ProblemError(Exception):
    """The root of the project's errors. Subclasses set the defaults; code that raises one can be more exact."""

    code = ""
    """`""` for what ends before there is a report."""
    hint = ""
    ending: Ending = "failed"

    def __init__(self, message: str, *, code: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = self.code if code is None else code
        self.hint = self.hint if hint is None else hint

    @property
    def problem(self) -> Problem:
        """What the error says, as data."""
        return Problem(self.code, self.message, self.hint)
