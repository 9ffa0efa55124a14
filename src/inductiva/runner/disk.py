"""Room on the machine's disk."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path

from inductiva.runner.polling import until

RESERVE_BYTES = 64 << 20
_RESERVE_SHARE = 0.01
_PERIOD_SECONDS = 1.0


def is_full(directory: Path) -> bool:
    """Whether less is free than what is kept to end an attempt decently: 64 MiB, or 1 % of a small disk."""
    stat = os.statvfs(directory)
    return stat.f_bavail * stat.f_frsize < min(RESERVE_BYTES, stat.f_blocks * stat.f_frsize * _RESERVE_SHARE)


async def watch_disk(directory: Path, on_full: Callable[[], None]) -> None:
    """Call `on_full` once when the disk of `directory` is full. Runs until then or until cancelled."""
    if await until(lambda: is_full(directory), math.inf, _PERIOD_SECONDS):
        on_full()
