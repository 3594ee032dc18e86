"""Fixture: the archive."""

from __future__ import annotations

import pytest

from tests.krew.archive import Built, built


@pytest.fixture(scope="session")
def archive() -> Built:
    """The archive of this checkout for this platform."""
    return built()
