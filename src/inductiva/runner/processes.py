"""What runs on this machine, read from `/proc`: identities that survive reuse of a pid, and the tree of an attempt.

A process belongs to an attempt when it descends from one of the attempt's supervisors, is in the session of one, or
carries the attempt's mark in the environment it was started with. Together they find children that were forked twice,
that made a session of their own, or that ignore hang-ups.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from inductiva.runner.frames import contents

_PROC = Path("/proc")
MARK_VARIABLE = "INDUCTIVA_ATTEMPT"


@dataclass(frozen=True, slots=True)
class Stat:
    """The part of `/proc/PID/stat` that matters here. `start` is in clock ticks since boot."""

    pid: int
    name: str
    state: str
    parent: int
    session: int
    start: int


def parse_stat(line: str) -> Stat:
    """One line of `/proc/PID/stat`. The name may hold blanks and brackets. Raises ValueError."""
    head, _, tail = line.rpartition(")")
    pid, _, name = head.partition(" (")
    fields = tail.split()
    if len(fields) < 20:
        raise ValueError(f"not a line of /proc/PID/stat: {line[:80]!r}")
    return Stat(int(pid), name, fields[0], int(fields[1]), int(fields[3]), int(fields[19]))


def read_stat(pid: int) -> Stat | None:
    """The process as it is now; None when there is none (a zombie counts as none)."""
    try:
        stat = parse_stat(contents(f"/proc/{pid}/stat").decode(errors="replace"))
    except (OSError, ValueError):
        return None
    return None if stat.state in "ZX" else stat


def boot_id() -> str:
    """Changes at each start of the machine."""
    return (_PROC / "sys/kernel/random/boot_id").read_text().strip()


def everything() -> dict[int, Stat]:
    """All living processes."""
    pids = (int(name) for name in os.listdir(_PROC) if name.isdigit())  # noqa: PTH208 as Path objects would double the time
    return {pid: stat for pid in pids if (stat := read_stat(pid)) is not None}


def is_marked(pid: int, mark: bytes) -> bool:
    """Whether the process was started with `mark` (`NAME=VALUE`) in its environment, as far as we may look."""
    try:
        return mark in contents(f"/proc/{pid}/environ").split(b"\0")
    except OSError:
        return False


def tree(roots: Collection[int], mark: bytes) -> dict[int, Stat]:
    """Everything that belongs to `roots` or carries `mark`, this process left out."""
    processes = everything()
    own = os.getpid()
    seeds = {pid for pid in processes if pid in roots or processes[pid].session in roots or is_marked(pid, mark)}
    found = seeds - {own}
    grown = True
    while grown:
        children = {pid for pid, stat in processes.items() if stat.parent in found and pid not in found} - {own}
        found |= children
        grown = bool(children)
    return {pid: processes[pid] for pid in found}


def send(pids: Iterable[int], number: signal.Signals) -> None:
    """Signal each process that is still there and ours to signal."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except (ProcessLookupError, PermissionError):
            continue
