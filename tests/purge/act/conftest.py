"""A client of a scripted server for every test that follows objects."""

from __future__ import annotations

from tests.kube.conftest import client, server

__all__ = ["client", "server"]
