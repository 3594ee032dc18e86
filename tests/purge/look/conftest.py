"""A client of a scripted server for every test that surveys."""

from __future__ import annotations

from tests.kube.conftest import client, server

__all__ = ["client", "server"]
