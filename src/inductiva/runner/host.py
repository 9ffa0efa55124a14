"""What this machine has to offer, as far as the runner may use it."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path

import psutil

from inductiva.protocol.runner import HostInfo

_CGROUP = Path("/sys/fs/cgroup")
_MEMORY_LIMITS = ("memory.max", "memory/memory.limit_in_bytes")


def describe(directory: Path, sandbox: str) -> HostInfo:
    """The machine as it is now. `directory` is on the disk that counts; `sandbox` is how simulations are isolated."""
    logical = len(os.sched_getaffinity(0))
    share = _cpu_share()
    if share is not None:
        logical = max(1, min(logical, int(share)))
    return HostInfo(
        host_name=socket.gethostname(),
        cpu_count_logical=logical,
        cpu_count_physical=max(1, min(logical, psutil.cpu_count(logical=False) or logical)),
        memory_bytes=min([psutil.virtual_memory().total, *_memory_limits()]),
        disk_free_bytes=shutil.disk_usage(directory).free,
        pid=os.getpid(),
        sandbox=sandbox,
    )


def _read(name: str) -> str | None:
    try:
        return (_CGROUP / name).read_text().strip()
    except OSError:
        return None


def _cpu_share() -> float | None:
    """Cores that the container's quota allows; None without a quota."""
    unified = _read("cpu.max")
    quota, period = unified.split() if unified else (_read("cpu/cpu.cfs_quota_us"), _read("cpu/cpu.cfs_period_us"))
    if quota is None or period is None or quota == "max" or int(quota) <= 0:
        return None
    return int(quota) / int(period)


def _memory_limits() -> list[int]:
    texts = [text for name in _MEMORY_LIMITS if (text := _read(name)) is not None]
    return [int(text) for text in texts if text.isdigit()]
