"""The SDK pointed at a scripted server, with a home and a working directory of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.sdk.web import Web, served

from inductiva.api import keys


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the user's: home, working directory, variables, key."""
    for name in ("API_URL", "API_KEY", "MACHINES_CATALOGUE_API_URL", "OUTPUT_DIR", "DOWNLOAD_MIRROR"):
        monkeypatch.delenv(f"INDUCTIVA_{name}", raising=False)
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("INDUCTIVA_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setattr(keys, "_given", None)


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    with served() as server:
        monkeypatch.setenv("INDUCTIVA_API_URL", server.url)
        monkeypatch.setenv("INDUCTIVA_API_KEY", "key-1")
        yield server
