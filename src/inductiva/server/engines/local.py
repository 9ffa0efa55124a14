"""This computer as a place for machines: each is one runner process with a directory of its own.

Runners outlive the server. A process whose command line names a machine's directory is that machine's runner, whoever
started it; its end is seen through a pidfd, which works for processes that are not children.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import msgspec
import psutil

from inductiva.protocol.runner import MachineConfig
from inductiva.server.domain.shapes import Host

_SECRETS = ("INDUCTIVA_API_KEY",)


def this_host() -> Host:
    """This computer, as its processes may use it."""
    logical = len(os.sched_getaffinity(0))
    physical = min(logical, psutil.cpu_count(logical=False) or logical)
    return Host(socket.gethostname(), logical, physical, psutil.virtual_memory().total / 1e9)


def prepare(directory: Path, config: MachineConfig) -> None:
    """Makes a machine's directory with its `machine.json`, readable by this user alone."""
    directory.mkdir(parents=True, mode=0o700)
    handle = os.open(directory / "machine.json", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(msgspec.json.encode(config))


def spawn(directory: Path) -> subprocess.Popen[bytes]:
    """Starts a machine's runner, in a session of its own and without the user's API key."""
    environment = {name: value for name, value in os.environ.items() if name not in _SECRETS}
    with (directory / "runner.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "inductiva.runner", "--machine-dir", str(directory)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd=directory,
            env=environment,
        )


def is_runner(pid: int | None, directory: Path) -> bool:
    """Whether this process is the runner of the machine."""
    try:
        return pid is not None and os.fsencode(directory.name) in Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False


async def ended(pid: int) -> None:
    """Returns when a process (a child or not) is gone."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    loop, event = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(handle, event.set)
    try:
        await event.wait()
    finally:
        loop.remove_reader(handle)
        os.close(handle)


def kill(pid: int | None, directory: Path) -> None:
    """Ends a machine's runner at once."""
    if pid is not None and is_runner(pid, directory):
        os.kill(pid, signal.SIGKILL)


def forget(directory: Path) -> None:
    """Removes the directory of a machine that left for good, unless something of an attempt is still in it."""
    attempts = directory / "attempts"
    if not attempts.is_dir() or not any(attempts.iterdir()):
        shutil.rmtree(directory, ignore_errors=True)


def last_words(directory: Path) -> str:
    """The end of what a machine's runner has logged."""
    try:
        lines = (directory / "runner.log").read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return "nothing"
    return " / ".join(lines[-3:]) or "nothing"
