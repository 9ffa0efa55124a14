"""Platforms for system tests: one shared by the tests that harm nothing, a fresh one for those that do."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.system.harness import REPOSITORY, Platform

ENVIRONMENTS = Path(os.environ.get("INDUCTIVA_ENVIRONMENTS_DIR", REPOSITORY / "build" / "environments"))


@pytest.fixture(autouse=True, scope="session")
def _environments() -> None:
    os.environ["INDUCTIVA_ENVIRONMENTS_DIR"] = str(ENVIRONMENTS)


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory, _environments: None) -> Iterator[Platform]:
    """Shared by all tests that leave it as they found it."""
    shared = Platform(tmp_path_factory.mktemp("platform")).start()
    yield shared
    shared.stop()


@pytest.fixture(scope="session")
def group(platform: Platform) -> str:
    """A started group of one machine, kept as long as the tests run."""
    return platform.group(max_idle_time=3600)


@pytest.fixture
def fresh(tmp_path: Path, _environments: None) -> Iterator[Platform]:
    """A platform that the test may harm. Short leases, so that what takes a lease takes seconds."""
    own = Platform(tmp_path / "data", ["--lease-seconds", "3", "--heartbeat-seconds", "0.5"]).start()
    yield own
    own.stop()


@pytest.fixture(scope="session")
def splishsplash(_environments: None) -> str:
    """The name of the SPlisHSPlasH image, when the simulator is provided."""
    if not any(ENVIRONMENTS.glob("splishsplash-*/environment.json")):
        pytest.skip(
            "SPlisHSPlasH is not provided: "
            f"INDUCTIVA_ENVIRONMENTS_DIR={ENVIRONMENTS} inductiva simulators install splishsplash"
        )
    return "splishsplash"


@pytest.fixture(scope="session")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the example scripts download."""
    import subprocess
    import sys

    folder = tmp_path_factory.mktemp("mirror")
    subprocess.run([sys.executable, REPOSITORY / "examples" / "make_inputs.py", folder], check=True)
    return folder
