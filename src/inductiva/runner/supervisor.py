"""Start, watch, adopt and end the processes of an attempt.

Each command runs under a few lines of `sh` in a session of its own. They write down who they are before the command
and its exit code after it, so that neither is lost when the runner dies; the runner watches a pidfd, which works for
a process that is not its child.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from inductiva.runner import processes
from inductiva.runner.files import open_append
from inductiva.runner.frames import contents, overwrite
from inductiva.runner.polling import until
from inductiva.runner.processes import MARK_VARIABLE, Stat

_WRAPPER = """trap : TERM INT HUP
IFS= read -r boot </proc/sys/kernel/random/boot_id
IFS= read -r stat </proc/$$/stat
printf '%s\\n%s\\n' "$boot" "$stat" 1<>"$1"
ended=$2
cd -- "$3" && shift 3 && "$@"
printf '%s\\n' "$?" 1<>"$ended"
"""
_INFO_FD = 9
_ROOM = b" " * 1024
"""What is written down later overwrites this, so that a full disk cannot prevent it."""
_POLL_SECONDS = 0.02
_WRAPPER_SECONDS = 2.0
_DEFAULT_SIGNALS = [signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@dataclass(frozen=True)
class CommandFiles:
    """Where command number `index` of an attempt leaves what must outlive the runner."""

    directory: Path
    index: int

    @property
    def pid(self) -> Path:
        """Boot id and `/proc/PID/stat` line of the supervising shell."""
        return self.directory / f"{self.index}.pid"

    @property
    def exit(self) -> Path:
        """The exit code, once the command has ended."""
        return self.directory / f"{self.index}.exit"

    @property
    def info(self) -> Path:
        """What bubblewrap says of the namespaces it made."""
        return self.directory / f"{self.index}.info"


@dataclass(frozen=True)
class Streams:
    """Files that a command reads and appends to."""

    stdin: Path
    stdout: Path
    stderr: Path


class SandboxInfo(msgspec.Struct, rename="kebab"):
    """`child_pid` is the first process of the sandbox, as seen from here; the inode names its namespace."""

    child_pid: int
    pid_namespace: int | None = None


_INFO_DECODER = msgspec.json.Decoder(SandboxInfo)


class Watch:
    """Tells when a process ends, a child or not. Raises ProcessLookupError when there is none."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._pidfd = os.pidfd_open(pid)
        self._gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().add_reader(self._pidfd, self._on_exit)

    def _on_exit(self) -> None:
        self.close()
        _reap(self.pid)
        if not self._gone.done():
            self._gone.set_result(None)

    def close(self) -> None:
        """Stop watching; the process goes on."""
        if self._pidfd >= 0:
            asyncio.get_running_loop().remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1

    async def gone_within(self, seconds: float | None) -> bool:
        """Whether the process has ended, at the latest after `seconds`."""
        await asyncio.wait([self._gone], timeout=seconds)
        return self._gone.done()


class Process(Watch):
    """A supervised command, started by this runner or by the one before it."""

    def __init__(self, pid: int, files: CommandFiles) -> None:
        super().__init__(pid)
        self._files = files

    async def wait(self) -> int | None:
        """The exit code as a shell sees it (128 + n for signal n); None when the supervising shell was lost."""
        await asyncio.shield(self._gone)
        return read_exit(self._files)


def _reap(pid: int) -> None:
    with contextlib.suppress(ChildProcessError):  # adopted: its parent is another process
        os.waitpid(pid, os.WNOHANG)


def spawn(argv: Sequence[str], files: CommandFiles, streams: Streams, directory: Path, mark: str) -> Process:
    """Start `argv` in `directory`. `mark` names the attempt (`TASK.ATTEMPT`).

    Raises OSError when a file of `streams` cannot be opened or the shell cannot be started.
    """
    for path in (files.exit, files.pid, files.info):
        overwrite(path, _ROOM)
    stdout = open_append(streams.stdout)
    stderr = open_append(streams.stderr)
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, str(streams.stdin), os.O_RDONLY, 0),
        (os.POSIX_SPAWN_DUP2, stdout, 1),
        (os.POSIX_SPAWN_DUP2, stderr, 2),
        (os.POSIX_SPAWN_OPEN, _INFO_FD, str(files.info), os.O_WRONLY, 0),
    ]
    wrapper = ["sh", "-c", _WRAPPER, "sh", str(files.pid), str(files.exit), str(directory), *argv]
    try:
        pid = os.posix_spawn(
            "/bin/sh",
            wrapper,
            {"PATH": "/usr/bin:/bin", MARK_VARIABLE: mark},
            file_actions=actions,
            setsid=True,
            setsigdef=_DEFAULT_SIGNALS,
        )
    finally:
        os.close(stdout)
        os.close(stderr)
    return Process(pid, files)


def read_exit(files: CommandFiles) -> int | None:
    """The exit code that the command's supervising shell wrote, or None."""
    try:
        line, ended, _ = contents(files.exit).partition(b"\n")
    except OSError:
        return None
    return int(line) if ended else None


def read_identity(files: CommandFiles) -> tuple[str, Stat] | None:
    """Boot id and identity of the command's supervising shell; None before it has written them."""
    try:
        boot, line, _ = files.pid.read_text(errors="replace").split("\n")
        return boot, processes.parse_stat(line)
    except (OSError, ValueError):
        return None


def adopt(files: CommandFiles) -> Process | None:
    """Watch a command that an earlier runner started; None when its supervising shell is gone."""
    identity = read_identity(files)
    if identity is None or identity[0] != processes.boot_id():
        return None
    stat = identity[1]
    if not _is_same(stat):
        return None
    try:
        process = Process(stat.pid, files)
    except ProcessLookupError:
        return None
    if _is_same(stat):
        return process
    process.close()
    return None


def _is_same(stat: Stat) -> bool:
    now = processes.read_stat(stat.pid)
    return now is not None and now.start == stat.start


def sandbox_pid(files: CommandFiles) -> int | None:
    """First process of the command's sandbox while anything runs in it; None without a sandbox or when it is empty."""
    try:
        info = _INFO_DECODER.decode(contents(files.info))
        namespace = os.stat(f"/proc/{info.child_pid}/ns/pid").st_ino  # noqa: PTH116 as it is called for each command
    except (OSError, msgspec.DecodeError):
        return None
    # A dead process that nobody has waited for keeps its entry for a while.
    is_alive = namespace == info.pid_namespace and processes.read_stat(info.child_pid) is not None
    return info.child_pid if is_alive else None


async def _sandbox_gone(files: CommandFiles, seconds: float) -> bool:
    """Whether the command's sandbox has ended, at the latest after `seconds`."""
    if (first := sandbox_pid(files)) is None:
        return True
    try:
        watch = Watch(first)
    except ProcessLookupError:
        return True
    try:
        return sandbox_pid(files) != first or await watch.gone_within(max(0.0, seconds))
    finally:
        watch.close()


class Tree:
    """All processes of an attempt, whichever of its commands started them."""

    def __init__(self, directory: Path, mark: str) -> None:
        self._directory = directory
        self._mark = f"{MARK_VARIABLE}={mark}".encode()

    def _commands(self) -> list[CommandFiles]:
        names = [name for name in os.listdir(self._directory) if name.endswith(".pid")]  # noqa: PTH208 as it is quicker
        return [CommandFiles(self._directory, int(name.removesuffix(".pid"))) for name in names]

    def _guards(self) -> set[int]:
        """Supervising shells and first processes of sandboxes: they hold the tree together and end by themselves."""
        guards = set()
        boot = processes.boot_id()
        for files in self._commands():
            identity = read_identity(files)
            if identity is not None and identity[0] == boot and _is_same(identity[1]):
                guards.add(identity[1].pid)
            if (first := sandbox_pid(files)) is not None:
                guards.add(first)
        return guards

    def _look(self) -> tuple[dict[int, Stat], set[int]]:
        guards = self._guards()
        found = processes.tree(guards, self._mark)
        monitors = {pid for pid, stat in found.items() if stat.parent in guards and stat.name == "bwrap"}
        return found, guards | monitors

    def members(self) -> list[int]:
        """Processes of the simulation itself, supervisors left out."""
        found, guards = self._look()
        return sorted(found.keys() - guards)

    def is_empty(self) -> bool:
        """Whether nothing at all of the attempt runs any more."""
        return not self._look()[0]

    async def sandboxes_empty(self, seconds: float) -> bool:
        """Whether no sandbox holds processes after its command any more; an empty one takes a moment to be gone.

        Quicker than looking at every process.
        """
        deadline = asyncio.get_running_loop().time() + seconds
        for files in self._commands():
            if not await _sandbox_gone(files, deadline - asyncio.get_running_loop().time()):
                return False
        return True

    async def end(self, grace_seconds: float) -> None:
        """SIGTERM to the simulation, up to `grace_seconds` for it to end, then SIGKILL until nothing is left."""
        processes.send(self.members(), signal.SIGTERM)
        await until(lambda: not self.members(), grace_seconds, _POLL_SECONDS)
        await self._kill()

    async def _kill(self) -> None:
        loop = asyncio.get_running_loop()
        patience = loop.time() + _WRAPPER_SECONDS
        while True:
            found, _ = self._look()
            if not found:
                return
            # The shells go last, so that they can write the exit code down.
            shells = {stat.pid for stat in self._shells()}
            processes.send(found.keys() - shells if loop.time() < patience else found, signal.SIGKILL)
            await asyncio.sleep(_POLL_SECONDS / 2)

    def _shells(self) -> list[Stat]:
        return [identity[1] for files in self._commands() if (identity := read_identity(files)) is not None]
