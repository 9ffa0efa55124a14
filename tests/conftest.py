"""What all tests share: in CI (`INDUCTIVA_TESTS_STRICT`) a skipped test is a failed one."""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest

STRICT = bool(os.environ.get("INDUCTIVA_TESTS_STRICT"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if STRICT and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, and skips are failures here: {report.longrepr}"
    return report
