"""Versions of simulators, ordered as people order them: 9.1 before 10.1, 9.01A before 11.01."""

from __future__ import annotations

import re
from collections.abc import Iterable

LATEST = "latest"
GPU_SUFFIX = "_gpu"
_PART = re.compile(r"\d+|[a-zA-Z]+")


def key(version: str) -> tuple[tuple[int, int | str], ...]:
    """What to sort versions by: numbers as numbers, after letters in the same place."""
    return tuple((1, int(part)) if part.isdigit() else (0, part.lower()) for part in _PART.findall(version))


def plain(versions: Iterable[str]) -> list[str]:
    """The versions of a listing without marks of GPU images, oldest first."""
    return sorted({version.partition("_")[0] for version in versions}, key=key)


def has_gpu_image(versions: Iterable[str], version: str) -> bool:
    return f"{version}{GPU_SUFFIX}" in versions
