"""A fake control plane and real runner processes."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from tests.unit.runner.fake_server import FakeServer, StartRunner

from inductiva.protocol.runner import MachineConfig


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer() as running:
        yield running


@pytest.fixture
def machine(tmp_path: Path, server: FakeServer) -> Path:
    directory = tmp_path / "machine"
    directory.mkdir()
    config = MachineConfig("runner-1", server.token, server.url, str(tmp_path / "environments"))
    (directory / "machine.json").write_bytes(msgspec.json.encode(config))
    return directory


@pytest.fixture
def isolation() -> str:
    """How the runner isolates its tasks: `bubblewrap`, or what a test file asks for instead."""
    return "bubblewrap"


@pytest.fixture
def start_runner(machine: Path, isolation: str) -> Iterator[StartRunner]:
    """Starts the machine's runner, as often as it is called; those that still run are ended."""
    started: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        with (machine / "runner.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "inductiva.runner", "--machine-dir", str(machine)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "INDUCTIVA_API_KEY": "must-not-be-seen", "INDUCTIVA_SANDBOX": isolation},
            )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait(10)
    _end_leftovers(machine)


@pytest.fixture
def runner(start_runner: StartRunner) -> subprocess.Popen[bytes]:
    return start_runner()


def _end_leftovers(machine: Path) -> None:
    """What a failed test left running: supervising shells name their files in the machine's directory."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if str(machine).encode() in path.read_bytes():
                os.kill(int(path.parent.name), signal.SIGKILL)
