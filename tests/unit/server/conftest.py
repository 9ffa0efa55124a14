"""A rig for each test, and a server with its database for tests that need HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.server.rig import Rig, close_rig, open_rig
from tests.unit.server.web import Web, serve_rig


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    opened = open_rig(tmp_path / "data")
    yield opened
    close_rig(opened)


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Web]:
    with serve_rig(tmp_path / "data") as running:
        yield running
