"""Requests in the log, as kubectl's `-v` shows them.

The levels of Python's logging stand for kubectl's: see `level`. What proves who
somebody is never gets here (`Authorization` is masked, whatever the level), and
the bodies of Secrets and tokens are left out. Who the log is shown to is the
command line's business.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx

RESPONSES = logging.DEBUG
"""kubectl's `-v 6`: method, URL, status and time of each request."""
HEADERS = logging.DEBUG - 1
"""`-v 7`: and the request's headers."""
BODIES = logging.DEBUG - 2
"""`-v 8`: and the response's headers, and the beginning of both bodies."""
WHOLE_BODIES = logging.DEBUG - 3
"""`-v 9` and more: and all of both bodies."""

BODY_LIMIT = 1024
"""Characters of a body that `-v 8` shows, as kubectl does."""

logger = logging.getLogger(__name__)

_MASKED = frozenset({"authorization", "proxy-authorization", "cookie", "set-cookie"})
_SECRET_RESOURCES = frozenset({"secrets", "token", "tokenreviews", "tokenrequests"})


def level(verbosity: int) -> int:
    """The level to set on this module's logger for kubectl's `-v`."""
    if verbosity < 6:
        return logging.INFO
    return {6: RESPONSES, 7: HEADERS, 8: BODIES}.get(verbosity, WHOLE_BODIES)


def response(answer: httpx.Response, seconds: float) -> None:
    """Logs one answer, whose body may still be to come."""
    if not logger.isEnabledFor(RESPONSES):
        return
    request = answer.request
    named = f'verb="{request.method}" url="{request.url.copy_with(userinfo=b"")}" '
    if logger.isEnabledFor(HEADERS):
        logger.log(HEADERS, '"Request" %sheaders=<\n%s\n >', named, _lines(request.headers))
        named = ""
    status = f'status="{answer.status_code} {answer.reason_phrase}"'
    headers = f" headers=<\n{_lines(answer.headers)}\n >" if logger.isEnabledFor(BODIES) else ""
    logger.log(RESPONSES, '"Response" %s%s%s milliseconds=%d', named, status, headers, round(seconds * 1000))


def bodies(answer: httpx.Response) -> None:
    """Logs what was sent and what came back, once all of it is there."""
    if not logger.isEnabledFor(BODIES):
        return
    secret = not _SECRET_RESOURCES.isdisjoint(answer.request.url.path.split("/"))
    for what, content in (("Request", answer.request.content), ("Response", answer.content)):
        if content:
            shown = f"<{len(content)} bytes not shown>" if secret else _shortened(content.decode("utf-8", "replace"))
            logger.log(BODIES, '"%s Body" body=%s', what, json.dumps(shown))


def _lines(headers: httpx.Headers) -> str:
    return "\n".join(_line(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers.raw)


def _line(name: str, value: str) -> str:
    if name.lower() not in _MASKED:
        return f"    {name}: {value}"
    scheme, space, _ = value.partition(" ")
    return f"    {name}: {scheme} <masked>" if space else f"    {name}: <masked>"


def _shortened(body: str) -> str:
    if logger.isEnabledFor(WHOLE_BODIES) or len(body) <= BODY_LIMIT:
        return body
    return f"{body[:BODY_LIMIT]} [truncated {len(body) - BODY_LIMIT} chars]"
