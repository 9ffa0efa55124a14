"""Processes as machines: known by their command line, watched to their end, without secrets."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import pytest
from tests.unit.server.rig import eventually

from inductiva.protocol.runner import MachineConfig
from inductiva.server.engines import local

CONFIG = MachineConfig("m", "secret", "http://127.0.0.1:1", "/nowhere")


def test_a_machine_is_private(tmp_path: Path) -> None:
    local.prepare(tmp_path / "m", CONFIG)
    assert ((tmp_path / "m").stat().st_mode & 0o777) == 0o700
    assert ((tmp_path / "m" / "machine.json").stat().st_mode & 0o777) == 0o600
    assert json.loads((tmp_path / "m" / "machine.json").read_bytes())["token"] == "secret"


def test_a_runner_is_known_watched_and_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INDUCTIVA_API_KEY", "users-key")
    directory = tmp_path / "5d1f3c1e-machine"
    local.prepare(directory, CONFIG)
    process = local.spawn(directory)
    try:
        # The kernel shows our own command line until the process has become the runner.
        eventually(lambda: local.is_runner(process.pid, directory), "the runner is known by its command line")
        assert not local.is_runner(process.pid, tmp_path / "another-machine")
        assert not local.is_runner(os.getpid(), directory)
        assert b"users-key" not in Path(f"/proc/{process.pid}/environ").read_bytes()
        assert os.getsid(process.pid) == process.pid
        local.kill(process.pid, tmp_path / "another-machine")
        assert process.poll() is None

        async def watch() -> None:
            watching = asyncio.create_task(local.ended(process.pid))
            await asyncio.sleep(0)
            assert not watching.done()
            local.kill(process.pid, directory)
            await asyncio.wait_for(watching, 20)

        asyncio.run(watch())
        assert process.wait(20) == -9
        assert not local.is_runner(process.pid, directory)
    finally:
        process.kill()
        process.wait()


def test_what_is_gone_has_ended(tmp_path: Path) -> None:
    directory = tmp_path / "m"
    local.prepare(directory, CONFIG)
    process = local.spawn(directory)
    process.kill()
    process.wait()
    asyncio.run(local.ended(process.pid))
    assert local.last_words(tmp_path) == "nothing"
