"""A request to stop, as every step of an attempt can wait for it or look at it, in the loop and in threads."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

_Result = TypeVar("_Result")


class Interrupted(Exception):  # noqa: N818 as nothing went wrong
    """The attempt must stop: the step was given up."""


class Stopping:
    """Set once, never cleared."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self._busy: set[asyncio.Future[Any]] = set()
        self.is_set = False

    def set(self) -> None:
        """Stop from now on."""
        self.is_set = True
        self._event.set()

    def check(self) -> None:
        """Raises Interrupted once set. May be called in a thread."""
        if self.is_set:
            raise Interrupted

    async def wait(self, seconds: float | None = None) -> bool:
        """Wait until set, at most `seconds`. Returns whether it is."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._event.wait(), seconds)
        return self.is_set

    async def in_thread(self, function: Callable[[], _Result]) -> _Result:
        """What `function` returns, run in a thread. It is expected to look at `check` itself."""
        future = asyncio.ensure_future(asyncio.to_thread(function))
        self._busy.add(future)
        future.add_done_callback(self._busy.discard)
        return await asyncio.shield(future)

    async def unless(self, work: Awaitable[_Result]) -> _Result:
        """What `work` gives, or Interrupted when set before; `work` is then cancelled (a thread goes on unheeded)."""
        self.check()
        future = asyncio.ensure_future(work)
        waiter = asyncio.ensure_future(self._event.wait())
        try:
            await asyncio.wait({future, waiter}, return_when=asyncio.FIRST_COMPLETED)
            if future.done():
                return future.result()
        finally:
            waiter.cancel()
            future.cancel()
            await asyncio.wait({future})
        raise Interrupted

    async def threads_ended(self, seconds: float) -> None:
        """Wait for the threads that were begun here, at most `seconds`."""
        if self._busy:
            await asyncio.wait(set(self._busy), timeout=seconds)
