"""The log store: by offset, without gaps, durable before it is said."""

from __future__ import annotations

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inductiva.protocol.watch import LogStream
from inductiva.server.services.logs import LogStore

OUT = LogStream.STDOUT
TASK = "abcdefghijklmnopqrstuvwxy"


@pytest.fixture
def logs(tmp_path: Path) -> LogStore:
    return LogStore(tmp_path)


def test_chunks_are_appended_at_their_offset(logs: LogStore) -> None:
    assert logs.append(TASK, 1, OUT, 0, b"one\n")
    assert logs.append(TASK, 1, OUT, 4, b"two\n")
    assert logs.read(TASK, 1, OUT, 0) == b"one\ntwo\n"
    assert logs.read(TASK, 1, OUT, 4, 2) == b"tw"
    assert logs.size(TASK, 1, OUT) == 8


def test_what_is_there_already_is_left_alone(logs: LogStore) -> None:
    logs.append(TASK, 1, OUT, 0, b"abcdef")
    assert logs.append(TASK, 1, OUT, 2, b"XX")
    assert logs.append(TASK, 1, OUT, 4, b"XXgh")
    assert logs.read(TASK, 1, OUT, 0) == b"abcdefgh"


def test_a_gap_stores_nothing(logs: LogStore) -> None:
    logs.append(TASK, 1, OUT, 0, b"ab")
    assert not logs.append(TASK, 1, OUT, 3, b"d")
    assert logs.size(TASK, 1, OUT) == 2


def test_attempts_and_streams_are_apart(logs: LogStore) -> None:
    logs.append(TASK, 1, OUT, 0, b"1")
    logs.append(TASK, 2, OUT, 0, b"22")
    logs.append(TASK, 1, LogStream.STDERR, 0, b"333")
    assert [logs.size(TASK, attempt, OUT) for attempt in (1, 2, 3)] == [1, 2, 0]
    assert logs.read(TASK, 1, LogStream.STDERR, 0) == b"333"


def test_durable_is_told_once_for_everything_that_waits(logs: LogStore) -> None:
    told: list[int] = []

    async def write() -> None:
        done = asyncio.Event()
        for number in range(20):
            logs.append(TASK, 1, OUT, number, b"x")
            logs.when_durable(TASK, 1, OUT, lambda number=number: told.append(number))  # type: ignore[misc]
        logs.when_durable(TASK, 1, OUT, done.set)
        await asyncio.wait_for(done.wait(), 20)

    asyncio.run(write())
    assert told == list(range(20))


@given(st.lists(st.text("ab", max_size=5), max_size=12), st.integers(0, 14), st.booleans())
def test_the_tail_is_the_last_lines(lines: list[str], count: int, end: bool) -> None:
    directory = TemporaryDirectory()
    logs = LogStore(Path(directory.name))
    text = "\n".join(lines) + ("\n" if end and lines else "")
    logs.append(TASK, 1, OUT, 0, text.encode())
    offset = logs.tail_offset(TASK, 1, OUT, count)
    expected = "".join(text.splitlines(keepends=True)[-count:]) if count else ""
    assert text.encode()[offset:].decode() == expected
    directory.cleanup()


def test_the_tail_of_a_long_log_is_found_from_its_end(logs: LogStore) -> None:
    block = b"x" * 99 + b"\n"
    logs.append(TASK, 1, OUT, 0, block * 9000)
    assert logs.tail_offset(TASK, 1, OUT, 5000) == 100 * 4000
