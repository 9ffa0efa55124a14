"""Progress of long transfers: a bar on a terminal, else nothing until it is done.

What takes less than `PATIENCE_SECONDS` shows no bar, so that small transfers pay nothing for one.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Any

PATIENCE_SECONDS = 0.5


class Progress:
    """Counts bytes towards `total` (None when unknown). Use as a context manager and call it with each piece's size."""

    def __init__(
        self, label: str, total: int | None, *, shown: bool, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._label = label
        self._total = total
        self._shown = shown and sys.stderr.isatty()
        self._clock = clock
        self._start = clock()
        self._bar: Any = None
        self._task: Any = None
        self.bytes = 0

    def __enter__(self) -> Progress:
        return self

    def __call__(self, count: int) -> None:
        self.bytes += count
        if self._bar is None and self._shown and self._clock() - self._start > PATIENCE_SECONDS:
            self._begin()
        if self._bar is not None:
            self._bar.update(self._task, completed=self.bytes)

    def _begin(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
        from rich.progress import Progress as Bar

        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
        self._bar = Bar(*columns, TimeRemainingColumn(), console=Console(stderr=True))
        self._bar.start()
        self._task = self._bar.add_task(self._label, total=self._total)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def counted(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """`chunks` as they are, counted."""
        for chunk in chunks:
            yield chunk
            self(len(chunk))
