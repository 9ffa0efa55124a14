"""Tells those who wait that something has happened. What it was they read for themselves, so nobody misses anything."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager


class Hub:
    """Topics are task ids and group ids. Used in the event loop's thread only."""

    def __init__(self) -> None:
        self._waiting: defaultdict[str, set[asyncio.Event]] = defaultdict(set)

    @contextmanager
    def listen(self, event: asyncio.Event, topic: str) -> Iterator[None]:
        """Sets `event` whenever something happens to `topic`."""
        self._waiting[topic].add(event)
        try:
            yield
        finally:
            self._waiting[topic].discard(event)
            if not self._waiting[topic]:
                del self._waiting[topic]

    def publish(self, topic: str) -> None:
        for event in self._waiting.get(topic, ()):
            event.set()

    def publish_all(self) -> None:
        """Wakes everybody, for instance because the server ends."""
        for topic in list(self._waiting):
            self.publish(topic)
