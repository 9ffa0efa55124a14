"""What all attempts of a machine share."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from inductiva.runner.reporter import Post
from inductiva.runner.sandbox import Sandbox
from inductiva.runner.transfer import Transfer


class Transfers:
    """Lends transfers, so that each thread has one of its own and connections are used again."""

    def __init__(self) -> None:
        self._idle: list[Transfer] = []
        self._lock = threading.Lock()

    @contextmanager
    def lend(self) -> Iterator[Transfer]:
        """A transfer for one thread."""
        with self._lock:
            transfer = self._idle.pop() if self._idle else Transfer()
        try:
            yield transfer
        finally:
            with self._lock:
                self._idle.append(transfer)


@dataclass(frozen=True)
class Tools:
    """`environments`: where simulators are provided; `post` sends to the server if it is there."""

    sandbox: Sandbox
    environments: Path
    post: Post
    transfers: Transfers = field(default_factory=Transfers)
