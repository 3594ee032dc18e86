"""What a claim on Glasskube's namespace says: one purge at a time. Taking and renewing it is left to `act`."""

from __future__ import annotations

import json
from dataclasses import dataclass

from kubectl_glasskube_purge.kube.objects import Found

CLAIM_ANNOTATION = "glasskube-purge/claim"


@dataclass(frozen=True)
class Claim:
    """What the annotation says. Everybody who can read the namespace can read it, so it names no machine."""

    process: int
    token: str
    """Random, one a run."""
    renewal: int = 0

    @property
    def text(self) -> str:
        """The annotation's value."""
        return json.dumps({"process": self.process, "token": self.token, "renewal": self.renewal}, sort_keys=True)

    @property
    def holder(self) -> str:
        """Whose it is, for people."""
        return f"process {self.process}"

    @property
    def renewed(self) -> Claim:
        """The same claim, a moment later."""
        return Claim(self.process, self.token, self.renewal + 1)

    @classmethod
    def read(cls, found: Found) -> Claim | None:
        """The claim on a namespace; None where there is none, or none that can be read."""
        try:
            value = json.loads(found.annotations.get(CLAIM_ANNOTATION, ""))
            return cls(int(value["process"]), str(value["token"]), int(value["renewal"]))
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            return None
