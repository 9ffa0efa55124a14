"""A disk that a simulation fills: a small file system of its own, mounted for the test."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from tests.unit.runner.fake_server import FakeServer
from tests.unit.runner.test_attempt import Runner

from inductiva.protocol.runner import MachineConfig
from inductiva.protocol.status import TaskEvent

DISK_BYTES = 24 << 20
FILL = b"""echo kept > small.txt
i=0
while head -c 1000000 /dev/zero > big.$i; do i=$((i + 1)); done
echo failed to write >> small.txt
exit 1
"""
LINGER = b"""echo kept > small.txt
head -c 100000000 /dev/zero > big 2>/dev/null
echo full > full.txt
exec sleep 1000
"""


@pytest.fixture
def machine(tmp_path: Path, server: FakeServer) -> Iterator[Path]:
    """A machine's directory on a disk of its own."""
    directory = tmp_path / "machine"
    directory.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(directory)]
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip(
            "a small disk is mounted by root only; try: sudo python -m pytest tests/unit/runner/test_disk_full.py"
        )
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"{' '.join(command)} failed here: {done.stderr.strip()}")
    config = MachineConfig("runner-1", server.token, server.url, str(tmp_path / "environments"))
    (directory / "machine.json").write_bytes(msgspec.json.encode(config))
    yield directory
    subprocess.run(["umount", "--lazy", str(directory)], check=True)


@pytest.mark.parametrize("script", [FILL, LINGER], ids=["fails itself", "must be stopped"])
def test_a_simulation_that_fills_the_disk(server: FakeServer, runner: Runner, script: bytes) -> None:
    task = server.assign(server.new_work(["bash run.sh"], {"run.sh": script}))
    finished = server.wait_finished(task, 60.0)
    assert finished.event in (TaskEvent.FAILED, TaskEvent.EXECUTION_FAILED)
    assert finished.detail is not None
    assert "disk" in finished.detail
    assert "full" in finished.detail
    assert finished.output is not None
    assert task.files()["artifacts/small.txt"].startswith(b"kept\n")
    assert_survived(server, runner)


def assert_survived(server: FakeServer, runner: Runner) -> None:
    """The same process takes the next task: the room was given back."""
    following = server.assign(server.new_work(["echo there is room again"]))
    assert server.wait_finished(following).event == TaskEvent.SUCCEEDED
    assert runner.poll() is None
    assert len(server.hellos) == 1


def test_an_input_that_does_not_fit(server: FakeServer, runner: Runner) -> None:
    """It is refused with the cause, and the machine goes on."""
    task = server.assign(server.new_work(["true"], {"large": bytes(DISK_BYTES)}))
    finished = server.wait_finished(task, 60.0)
    assert finished.event == TaskEvent.EXECUTION_FAILED
    assert finished.detail is not None
    assert "disk was full" in finished.detail
    assert_survived(server, runner)
