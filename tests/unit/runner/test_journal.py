"""The journal: what was written is read again, whatever became of its end."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inductiva.protocol.runner import ComputationStarted, Finished, Metrics, Report, StoredOutput
from inductiva.protocol.status import ENDING_EVENTS, TaskEvent
from inductiva.runner import journal
from inductiva.runner.journal import (
    CommandBegun,
    CommandEnded,
    Decided,
    Journal,
    Outcome,
    Phase,
    Reached,
    Record,
    Said,
    StopAsked,
    Stored,
)

outcomes = st.builds(
    Outcome,
    st.sampled_from(sorted(ENDING_EVENTS)),
    st.none() | st.text(),
    st.none() | st.integers(0, 255),
    st.none() | st.integers(1, 64),
)
bodies = st.one_of(
    st.just(ComputationStarted()),
    st.builds(Metrics, st.dictionaries(st.text(max_size=5), st.floats(allow_nan=False, width=32), max_size=3)),
    st.builds(Finished, st.sampled_from(sorted(ENDING_EVENTS)), detail=st.none() | st.text()),
)
sizes = st.integers(0, 2**63 - 1)
records: st.SearchStrategy[list[Record]] = st.lists(
    st.one_of(
        st.builds(Reached, st.sampled_from(Phase), st.floats(0, 2e9)),
        st.builds(CommandBegun, st.integers(0, 9)),
        st.builds(CommandEnded, st.integers(0, 9)),
        st.builds(Decided, outcomes),
        st.builds(StopAsked, outcomes, st.floats(0, 60)),
        st.builds(Stored, st.none() | st.builds(StoredOutput, sizes, st.text(), sizes, sizes)),
        st.builds(Said, st.builds(Report, st.just("t"), st.just(1), st.integers(1, 20), st.floats(0, 2e9), bodies)),
    ),
    max_size=12,
)


def written(items: list[Record], directory: str) -> Path:
    path = Path(directory) / "journal"
    log = Journal(path)
    for item in items:
        log.append(item)
    log.close()
    return path


@given(records, st.integers(0, 10_000), st.binary(max_size=20))
def test_any_beginning_of_the_file_is_a_beginning_of_the_story(items: list[Record], cut: int, rubbish: bytes) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = written(items, directory)
        data = path.read_bytes()
        assert [record for record, _ in journal.read(data)] == items
        path.write_bytes(data[:cut] + (rubbish if cut < len(data) else b""))
        found = [record for record, _ in journal.read(data[:cut])]
        assert found == items[: len(found)]
        assert found == items or cut < len(data)


@given(records, st.integers(0, 10_000))
def test_a_journal_cut_anywhere_goes_on(items: list[Record], cut: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = written(items, directory)
        path.write_bytes(path.read_bytes()[:cut])
        whole = [record for record, _ in journal.read(path.read_bytes())]
        more = Decided(Outcome(TaskEvent.SUCCEEDED))
        log = Journal(path)
        log.append(more)
        log.close()
        assert [record for record, _ in journal.read(path.read_bytes())] == [*whole, more]


@given(records)
def test_what_is_read_adds_up_to_what_was_known(items: list[Record]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "journal"
        first = Journal(path)
        for item in items:
            first.append(item)
        second = Journal(path)
        assert vars(first.progress) == vars(second.progress)
        sequence = [report.seq for report in second.progress.reports]
        assert sequence == sorted(set(sequence))
        first.close()
        second.close()


@given(records, st.data())
def test_a_damaged_record_ends_the_story(items: list[Record], data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as directory:
        content = bytearray(written(items, directory).read_bytes())
        if not items:
            return
        place = data.draw(st.integers(0, journal.read(bytes(content))[-1][1] - 1))
        content[place] ^= 0xFF
        found = [record for record, _ in journal.read(bytes(content))]
        assert found == items[: len(found)]
        assert len(found) < len(items)


def test_a_full_disk_does_not_silence_an_attempt(tmp_path: Path) -> None:
    """As a limit of the file's size is the nearest thing to a full disk: room taken ahead is not asked for again."""
    script = f"""
import resource
from pathlib import Path
from inductiva.runner.journal import CommandBegun, Journal
log = Journal(Path({str(tmp_path / "journal")!r}))
resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, 64 * 1024))
for index in range(1000):
    log.append(CommandBegun(index))
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=30)
    found = [record for record, _ in journal.read((tmp_path / "journal").read_bytes())]
    assert found == [CommandBegun(index) for index in range(1000)]


def test_no_room_is_said_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError, match="no space"):
        Journal(tmp_path / "journal")
