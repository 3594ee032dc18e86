"""Fixtures: a test cluster for each worker, pristine for each test.

One control plane per pytest-xdist worker lives as long as the session. After
each test it is put back to the state it had at first, by writing that state
into etcd: whatever a test leaves behind, the next one doesn't see it. What can
be used without pytest is in `tests/cluster`.
"""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable, Collection, Iterator

import hypothesis
import pytest

from tests.cluster.controlplane import ControlPlane, Snapshot
from tests.cluster.dump import Dump, settled_difference

hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.register_profile("thorough", deadline=None, max_examples=2000)
hypothesis.settings.load_profile("patient")
# A machine that is busy with other tests takes its time: no example is wrong because it was slow.


class _Session:
    """The worker's control plane, made at the first need and made anew when it can't be put back."""

    def __init__(self) -> None:
        self._cluster: ControlPlane | None = None
        self._pristine: Snapshot | None = None

    def take(self) -> ControlPlane:
        if self._cluster is None:
            cluster = ControlPlane()
            try:
                cluster.start()
                cluster.start_node()
                self._pristine = cluster.snapshot()
            except BaseException:
                cluster.stop()
                raise
            self._cluster = cluster
        return self._cluster

    def give_back(self) -> None:
        assert self._cluster is not None
        assert self._pristine is not None
        shutil.rmtree(self._cluster.directory / "home", ignore_errors=True)
        try:
            self._cluster.restore(self._pristine)
        except BaseException:
            self.end()
            raise

    def end(self) -> None:
        if self._cluster is not None:
            self._cluster.stop()
            self._cluster = None


@pytest.fixture(scope="session")
def _session() -> Iterator[_Session]:
    session = _Session()
    yield session
    session.end()


@pytest.fixture
def cluster(_session: _Session) -> Iterator[ControlPlane]:
    """A running cluster with a node and nothing installed."""
    control_plane = _session.take()
    yield control_plane
    _session.give_back()


@pytest.fixture
def assert_clean() -> Callable[..., None]:
    """`assert_clean(cluster, before, kept=())`: nothing new is left and everything else is as before.

    `before` is a `dump()`; `kept` are patterns of objects that may be new, such as `PersistentVolumeClaim shop/data-*`.
    """

    def check(cluster: ControlPlane, before: Dump, kept: Collection[str] = ()) -> None:
        left = settled_difference(cluster, before, kept)
        assert not left, "\n".join(["the cluster isn't as before:", *left])

    return check


def pytest_configure() -> None:
    """Lets the processes that tests start be interrupted, also where this one is not to be.

    A shell makes what it starts in the background ignore SIGINT, and `nohup` SIGHUP. That is inherited; a handler
    isn't.
    """
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda *_: None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks the tests that need the control plane, so that `-m 'not cluster'` runs the others alone."""
    for item in items:
        if "cluster" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.cluster)
