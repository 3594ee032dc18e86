"""Runs the core of these tests on a version of Kubernetes and notes the outcome: `make test-kubernetes VERSION=1.29`.

`KUBERNETES_VERSION` names the version, as in `build.py`. The outcome goes into `kubernetes.json`, which the table in
docs/compatibility.md is made of (`scripts/compatibility.py`).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from . import build

NOTED = Path(__file__).with_name("kubernetes.json")

CORE: Mapping[str, str] = {
    "install": "test_testbed.py::test_install_of_the_real_kind_is_ready_and_guarded",
    "purge": "test_purge.py::test_nothing_of_glasskube_is_left_and_nothing_else_is_touched",
    "guard": "test_guard.py::test_what_others_need_stays_as_it_is_however_it_came_there",
    "restore": "test_restore.py::test_a_purged_install_with_packages_comes_back_as_it_was",
    "hand-over to Flux": "test_keep.py::test_what_packages_installed_runs_on[flux]",
    "hand-over to Helm": "test_keep.py::test_what_packages_installed_runs_on[helm]",
    "broken operator": "test_broken.py::test_an_operator_that_crashes_again_and_again_is_not_waited_for",
    "dead webhook": "test_broken.py::test_a_webhook_that_cant_be_called_is_taken_out_of_the_way",
}
"""What a purge is about → the test that stands for it on every version of Kubernetes."""


def versions() -> dict[str, list[str]]:
    """What has been noted: version of Kubernetes → the names in `CORE` that passed, oldest version first."""
    noted: dict[str, list[str]] = json.loads(NOTED.read_text("utf-8"))
    return noted


class _Passed:
    """Collects the node ids of the tests that passed."""

    def __init__(self) -> None:
        self.tests: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" and report.passed:
            self.tests.add(report.nodeid)


def main() -> int:
    """Runs the core and notes what passed, unless the run was cut short; the exit code is pytest's."""
    plugin = _Passed()
    folder = "tests/cluster/"
    code = pytest.main([*(f"{folder}{test}" for test in CORE.values()), *sys.argv[1:]], plugins=[plugin])
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        return int(code)
    noted = versions() | {build.version(): [name for name, test in CORE.items() if folder + test in plugin.tests]}
    ordered = dict(sorted(noted.items(), key=lambda entry: [int(part) for part in entry[0].split(".")]))
    NOTED.write_text(json.dumps(ordered, indent=2) + "\n", "utf-8")
    return int(code)


if __name__ == "__main__":
    sys.exit(main())
