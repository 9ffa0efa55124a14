"""What all tests share: in CI (`INDUCTIVA_TESTS_STRICT`) a skipped test is a failed one and examples are fixed."""

from __future__ import annotations

import os
from collections.abc import Generator

import hypothesis
import pytest

STRICT = bool(os.environ.get("INDUCTIVA_TESTS_STRICT"))

# No example is judged by its time. In CI the examples are the same at each run, so that a commit is judged by itself;
# elsewhere each run tries new ones.
hypothesis.settings.register_profile("ci", derandomize=True, deadline=None)
hypothesis.settings.register_profile("here", deadline=None)
hypothesis.settings.load_profile("ci" if STRICT else "here")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if STRICT and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, and skips are failures here: {report.longrepr}"
    return report
