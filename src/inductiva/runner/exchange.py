"""Get the input of an attempt, store its output: as often as it takes, with fresh URLs when the old ones fail."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from inductiva import archive
from inductiva.protocol.runner import StoredOutput, Urls, UrlsRequest, Work
from inductiva.runner import outcomes
from inductiva.runner.tools import Tools
from inductiva.runner.transfer import SourceError, TransferError

_LOG = logging.getLogger(__name__)
_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 10.0
SMALL_BYTES = 16 * 1024
"""An input of at most this size is written and unpacked without a thread: it becomes 16 MiB at the very most."""
_PATIENCE = 5
"""How often a refusal, an unreadable file or a wrong checksum is tried again before it is final."""


class Exchange:
    """Transfers of one attempt."""

    def __init__(self, work: Work, tools: Tools) -> None:
        self._work = work
        self._tools = tools
        self._input_url = work.input_url
        self._output_url = work.output_url
        self._renewed = asyncio.Event()

    def renew(self, urls: Urls) -> None:
        """Use these URLs from now on."""
        self._input_url, self._output_url = urls.input_url, urls.output_url
        self._renewed.set()

    async def _pause(self, tries: int) -> None:
        """Ask for fresh URLs and wait for them, but not for long: the old ones may work again."""
        self._renewed.clear()
        self._tools.post(UrlsRequest(self._work.task_id, self._work.attempt))
        pause = min(_FIRST_PAUSE_SECONDS * 2**tries, _LONGEST_PAUSE_SECONDS)
        loop = asyncio.get_running_loop()
        earliest = loop.time() + min(pause, 0.5)
        try:
            await asyncio.wait_for(self._renewed.wait(), pause)
        except TimeoutError:
            return
        await asyncio.sleep(max(0.0, earliest - loop.time()))

    async def fetch(self, target: Path) -> int:
        """Download the input to `target` and compare it with what was announced. Returns its size in bytes.

        Raises Over when it is refused or does not match, OSError from the disk.
        """
        tries = wrong = 0
        while True:
            try:
                found = await self._download(target)
            except TransferError as error:
                problem, is_wrong = str(error), error.is_refusal
            else:
                if found == (self._work.input_size, self._work.input_sha256):
                    return found[0]
                problem, is_wrong = f"{found[0]} bytes came, {self._work.input_size} were announced", True
            wrong += is_wrong
            if wrong >= _PATIENCE:
                raise outcomes.failed_to_run(f"The input could not be fetched: {problem}")
            _LOG.warning("input of %s: %s", self._work.task_id, problem)
            await self._pause(tries)
            tries += 1

    async def _download(self, target: Path) -> tuple[int, str]:
        is_small = self._work.input_size <= SMALL_BYTES
        with self._tools.transfers.lend() as transfer:
            return await transfer.download(self._input_url, target, is_small=is_small)

    async def store(self, pack: Callable[[], archive.ZipStream], *, is_small: bool) -> tuple[StoredOutput | None, str]:
        """Send the archive that `pack` makes, made anew for each try. None and the reason if refused for good.

        `is_small`: it is packed so soon that the event loop can wait for it.
        """
        tries = wrong = 0
        while True:
            try:
                return await self._upload(pack, is_small), ""
            except TransferError as error:
                problem, is_wrong = str(error), error.is_refusal
            except (SourceError, OSError, archive.ArchiveError) as error:
                problem, is_wrong = str(error), True
            wrong += is_wrong
            if wrong >= _PATIENCE:
                return None, problem
            _LOG.warning("output of %s: %s", self._work.task_id, problem)
            await self._pause(tries)
            tries += 1

    async def _upload(self, pack: Callable[[], archive.ZipStream], is_small: bool) -> StoredOutput:
        streams: list[archive.ZipStream] = []

        def body() -> archive.ZipStream:
            streams.append(pack())
            return streams[-1]

        with self._tools.transfers.lend() as transfer:
            await transfer.upload(self._output_url, body, is_small=is_small)
        stream = streams[-1]
        return StoredOutput(stream.size, stream.sha256, stream.files, stream.uncompressed_size)
