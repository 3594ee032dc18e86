"""Requests in the log: what each of kubectl's levels shows, and what none does."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from kubectl_glasskube_purge.kube.transport import request_log


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    before = request_log.logger.level
    yield
    request_log.logger.setLevel(before)


def logged(caplog: pytest.LogCaptureFixture, verbosity: int, path: str = "/api/v1/pods", body: str = "BODY") -> str:
    request_log.logger.setLevel(request_log.level(verbosity))
    request = httpx.Request(
        "POST",
        f"https://me:SECRET@h:6443{path}?limit=500",
        headers={"Authorization": "Bearer SECRET", "Accept": "application/json"},
        content=f"sent {body}",
    )
    response = httpx.Response(
        201, request=request, headers={"Audit-Id": "7", "Set-Cookie": "SECRET"}, content=f"got {body}"
    )
    request_log.response(response, 0.0123)
    request_log.bodies(response)
    return "\n".join(record.getMessage() for record in caplog.records)


def test_nothing_is_logged_up_to_level_5(caplog: pytest.LogCaptureFixture) -> None:
    assert logged(caplog, 5) == ""


def test_level_6_shows_each_answer_as_kubectl_does(caplog: pytest.LogCaptureFixture) -> None:
    assert logged(caplog, 6) == (
        '"Response" verb="POST" url="https://h:6443/api/v1/pods?limit=500" status="201 Created" milliseconds=12'
    )


def test_level_7_adds_the_requests_headers(caplog: pytest.LogCaptureFixture) -> None:
    text = logged(caplog, 7)

    assert "Accept: application/json" in text
    assert "Authorization: Bearer <masked>" in text
    assert "BODY" not in text


def test_level_8_adds_the_answers_headers_and_the_beginning_of_bodies(caplog: pytest.LogCaptureFixture) -> None:
    text = logged(caplog, 8, body="BODY" * 1000)

    assert "Audit-Id: 7" in text
    assert "sent BODY" in text
    assert "got BODY" in text
    assert "[truncated 2980 chars]" in text


def test_level_9_shows_bodies_whole(caplog: pytest.LogCaptureFixture) -> None:
    assert "BODY" * 1000 in logged(caplog, 9, body="BODY" * 1000)


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/secrets",
        "/api/v1/namespaces/a/secrets/b",
        "/api/v1/namespaces/a/serviceaccounts/b/token",
        "/apis/authentication.k8s.io/v1/tokenreviews",
    ],
)
def test_no_level_shows_what_is_secret(caplog: pytest.LogCaptureFixture, path: str) -> None:
    text = logged(caplog, 99, path=path, body="SECRET")

    assert "SECRET" not in text
    assert "bytes not shown" in text
