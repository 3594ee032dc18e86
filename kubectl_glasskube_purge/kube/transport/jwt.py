"""What a JSON web token says of itself.

Nothing is verified: the API server does that. Here the claims only say when a
token ends and whose it is.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any


def claims(token: str) -> Mapping[str, Any]:
    """The claims of a token, empty where it isn't a JWT."""
    parts = token.split(".")
    if len(parts) != 3:
        return {}
    try:
        payload = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except ValueError:
        return {}
    return payload if isinstance(payload, dict) else {}


def expiry(token: str) -> float | None:
    """When the token ends, in seconds since the epoch; None where it doesn't say."""
    value = claims(token).get("exp")
    return float(value) if isinstance(value, (int, float)) else None
