"""The user's own server: find it, start it, stop it. `inductiva.protocol.embedded` says where its files are."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from inductiva import __version__
from inductiva.api import transport
from inductiva.api.errors import ServerUnreachable
from inductiva.protocol.embedded import DATA_DIR_VARIABLE, Layout, ServerInfo, data_dir

START_SECONDS = 20.0
STOP_SECONDS = 15.0
IDLE_SECONDS = 900
_POLL_SECONDS = 0.01
_LOG_LINES = 15

# What a server must not inherit: it has no use for the user's keys, and no business with another server.
_PRIVATE = ("INDUCTIVA_API_KEY", "INDUCTIVA_API_URL", "INDUCTIVA_MACHINES_CATALOGUE_API_URL")

_children: list[subprocess.Popen[bytes]] = []
"""Servers that this process started: kept so that one that ended is reaped and not taken for a live process."""


@dataclass(frozen=True, slots=True)
class EmbeddedStatus:
    """What is known of the user's server; `info` is None when it does not run."""

    info: ServerInfo | None
    data_dir: Path
    log: Path

    @property
    def running(self) -> bool:
        return self.info is not None


class _Count(msgspec.Struct):
    total_size: int


def layout() -> Layout:
    """Where the user's server keeps its files."""
    return Layout(data_dir())


def _start_time(pid: int) -> int | None:
    """Start of a live process in clock ticks since boot; None when it is gone or only waits to be reaped."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def _alive(info: ServerInfo) -> bool:
    for child in _children:
        child.poll()
    return _start_time(info.pid) == info.start_time


def recorded(files: Layout) -> ServerInfo | None:
    """The server named in `server.json`, if its process is alive."""
    try:
        info = msgspec.json.decode(files.server_info.read_bytes(), type=ServerInfo)
    except (OSError, msgspec.MsgspecError):
        return None
    return info if _alive(info) else None


def _healthy(info: ServerInfo) -> bool:
    call = transport.Call("GET", f"{info.url}/healthz", {}, read_seconds=5.0)
    try:
        return transport.send_once(call).status == 200
    except ServerUnreachable:
        return False


def find(files: Layout | None = None) -> ServerInfo | None:
    """The user's running server, None when there is none that answers."""
    info = recorded(files or layout())
    return info if info is not None and _healthy(info) else None


def status() -> EmbeddedStatus:
    """The user's server as it is now. Starts nothing."""
    files = layout()
    return EmbeddedStatus(find(files), files.root, files.log)


def ensure() -> ServerInfo:
    """The user's running server, started when necessary. Raises ServerUnreachable when it does not come up.

    One of an older version of this package, which an upgrade left behind, is replaced when no task needs it.
    """
    files = layout()
    info = find(files)
    if info is not None and _older(info.version, __version__) and not _in_use(info, files):
        with suppress(TimeoutError):  # then it is just ending, which the start waits for
            stop()
        info = None
    return info or _start(files)


def _older(version: str, than: str) -> bool:
    """Whether `version` comes before `than`; texts that are no versions come before nothing."""
    try:
        first, second = (tuple(map(int, text.split("."))) for text in (version, than))
    except ValueError:
        return False
    return first < second


def _in_use(info: ServerInfo, files: Layout) -> bool:
    """Whether a task has not ended, or that cannot be found out."""
    try:
        headers = {"X-API-Key": files.api_key.read_text("utf-8").strip()}
        answer = transport.send_once(transport.Call("GET", f"{info.url}/tasks?active=true&per_page=1", headers))
        return msgspec.json.decode(answer.data, type=_Count).total_size > 0
    except (OSError, ServerUnreachable, msgspec.MsgspecError):
        return True


start = ensure


def stop(timeout: float = STOP_SECONDS) -> bool:
    """Ask the server to end; its runners and simulations go on. Returns whether one was running.

    Raises TimeoutError when it is still there after `timeout` seconds.
    """
    info = recorded(layout())
    if info is None:
        return False
    with suppress(ProcessLookupError):
        os.kill(info.pid, signal.SIGTERM)
    if not _until(lambda: not _alive(info), timeout):
        raise TimeoutError(f"the server (process {info.pid}) has not ended {timeout:g} s after SIGTERM")
    return True


def _until(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


@contextmanager
def _only_starter(files: Layout, seconds: float) -> Iterator[None]:
    """Hold `start.lock`, so that of several scripts that find no server one starts it and the others find it."""
    try:
        files.server.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ServerUnreachable(
            f"Your own server cannot keep its data in {files.root}: {error.strerror}. "
            f"Set {DATA_DIR_VARIABLE} to a directory that you can write to."
        ) from error
    with files.start_lock.open("a") as lock:

        def taken() -> bool:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True

        if not _until(taken, seconds):
            raise ServerUnreachable(
                f"Another process has been starting the server for {seconds:g} s (it holds {files.start_lock})."
            )
        yield


def _spawn(files: Layout) -> subprocess.Popen[bytes]:
    environment = {name: value for name, value in os.environ.items() if name not in _PRIVATE}
    environment[DATA_DIR_VARIABLE] = str(files.root)
    # The directory is not the user's: `-m` puts it on the module path, where a user's `queue.py` would be taken.
    command = [sys.executable, "-m", "inductiva.server", "--idle-seconds", str(IDLE_SECONDS)]
    with files.log.open("ab") as log:
        return subprocess.Popen(
            command,
            cwd=files.root,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _start(files: Layout) -> ServerInfo:
    with _only_starter(files, START_SECONDS):
        deadline = time.monotonic() + START_SECONDS
        log_start = files.log.stat().st_size if files.log.exists() else 0
        child: subprocess.Popen[bytes] | None = None
        while time.monotonic() < deadline:
            if info := find(files):
                return info
            code = child.poll() if child is not None else 0
            if code not in (None, 0):
                break
            # 0: nothing started yet, or it gave way to a server that is just ending.
            if code == 0:
                child = _spawn(files)
                _children.append(child)
            time.sleep(_POLL_SECONDS)
    raise ServerUnreachable(_failure(files, log_start))


def _failure(files: Layout, log_start: int) -> str:
    lines: list[str] = []
    with suppress(OSError), files.log.open("rb") as log:
        log.seek(log_start)
        lines = log.read().decode("utf-8", "replace").splitlines()[-_LOG_LINES:]
    said = "\n".join(f"  {line}" for line in lines) or "  (nothing)"
    return f"The embedded server did not come up. The end of its log, {files.log}:\n{said}"
