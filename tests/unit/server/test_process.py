"""The server as a process: one for a directory, found again, ended gently, ended by itself."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import urllib3
from tests.unit.server.rig import eventually

from inductiva.protocol.embedded import Layout, ServerInfo
from inductiva.server.process import read_info, start_time

Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts servers of a directory; those that still run at the end are killed."""
    started = []

    def begin(*options: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "inductiva.server", "--data-dir", str(tmp_path / "data"), *options]
        with (tmp_path / "log").open("ab") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log)
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path / "data")


def _running(layout: Layout, process: subprocess.Popen[bytes]) -> ServerInfo:
    def look() -> ServerInfo | None:
        assert process.poll() is None, (layout.root.parent / "log").read_text()
        info = read_info(layout.server_info)
        return info if info is not None and info.pid == process.pid else None

    return eventually(look, "server.json names the server")


def test_a_server_says_where_it_is_and_answers(start: Start, layout: Layout) -> None:
    process = start()
    info = _running(layout, process)
    assert info.start_time == start_time(process.pid)
    assert urllib3.request("GET", f"{info.url}/healthz").json()["status"] == "ok"
    key = layout.api_key.read_text()
    assert (layout.api_key.stat().st_mode & 0o777) == 0o600
    assert urllib3.request("GET", f"{info.url}/users/info", headers={"X-API-Key": key}).status == 200
    assert key not in layout.database.read_bytes().decode("latin-1")


def test_a_second_server_leaves_and_names_the_first(start: Start, layout: Layout, tmp_path: Path) -> None:
    first = start()
    info = _running(layout, first)
    assert start().wait(20) == 0
    assert info.url in (tmp_path / "log").read_text()
    assert first.poll() is None


def test_sigterm_ends_it_and_the_next_has_the_same_port_and_key(start: Start, layout: Layout) -> None:
    first = start()
    info = _running(layout, first)
    key = layout.api_key.read_text()
    first.terminate()
    assert first.wait(20) == 0
    second = start()
    assert _running(layout, second).url == info.url
    assert layout.api_key.read_text() == key
    second.send_signal(signal.SIGKILL)
    second.wait()
    assert _running(layout, start()).url == info.url


def test_sigterm_ends_open_streams(start: Start, layout: Layout) -> None:
    process = start()
    info = _running(layout, process)
    headers = {"X-API-Key": layout.api_key.read_text()}
    body = {"provider_id": "LOCAL"}
    group = urllib3.request("POST", f"{info.url}/compute/group", json=body, headers=headers).json()["id"]
    task = {"simulator": "arbitrary_commands", "resource_pool": group}
    task_id = urllib3.request("POST", f"{info.url}/tasks/submit", json=task, headers=headers).json()["id"]
    stream = urllib3.request("GET", f"{info.url}/tasks/{task_id}/watch", headers=headers, preload_content=False)
    assert json.loads(next(stream.stream()))["status"] == "pending-input"
    process.terminate()
    assert b"".join(stream.stream()) == b""
    assert process.wait(20) == 0


def test_it_ends_by_itself_when_nobody_asks(start: Start, layout: Layout) -> None:
    process = start("--idle-seconds", "0.2")
    assert process.wait(20) == 0
    assert read_info(layout.server_info) is not None


def test_a_given_port_that_is_taken_is_an_error(start: Start, layout: Layout, tmp_path: Path) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        process = start("--port", str(taken.getsockname()[1]))
        assert process.wait(20) == 1
    assert "in use" in (tmp_path / "log").read_text()


def test_the_start_time_is_the_processes_own() -> None:
    assert start_time(os.getpid()) > start_time(1) - 1
