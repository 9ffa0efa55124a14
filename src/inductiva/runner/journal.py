"""What an attempt has been through, appended record by record, so that a restarted runner goes on where it was.

A record is its length and CRC-32 (little-endian, 4 bytes each) and msgpack; zeros follow the last one. What follows a
torn or damaged record is cut off. Nothing is synced: after a power cut the server's own numbers rule.
"""

from __future__ import annotations

import contextlib
import errno
import os
from enum import IntEnum
from pathlib import Path

import msgspec

from inductiva.protocol.runner import Report, StoredOutput
from inductiva.protocol.status import TaskEvent
from inductiva.runner import frames

_ROOM_BYTES = 64 * 1024


class Phase(IntEnum):
    """How far an attempt is; each is reached once, in this order, but an attempt that ends early leaves some out."""

    RECEIVED = 0
    FETCHED = 1
    UNPACKED = 2
    COMPUTING = 3
    COMPUTED = 4
    STORED = 5
    FINISHED = 6


class Outcome(msgspec.Struct, frozen=True):
    """How an attempt ends. `detail` is a sentence for the user."""

    event: TaskEvent
    detail: str | None = None
    exit_code: int | None = None
    signal: int | None = None


class Reached(msgspec.Struct, tag="reached"):
    """`time` in seconds since the epoch; `metrics` as in `protocol.tasks.TaskMetrics`."""

    phase: Phase
    time: float
    metrics: dict[str, float] = {}


class CommandBegun(msgspec.Struct, tag="begun"):
    """Written before the command is started."""

    index: int


class CommandEnded(msgspec.Struct, tag="ended"):
    """Written when its ending is dealt with: command `index` is not looked at again."""

    index: int


class Decided(msgspec.Struct, tag="decided"):
    """What came of the computation."""

    outcome: Outcome


class StopAsked(msgspec.Struct, tag="stop"):
    """The attempt must stop; it ends with `outcome` whatever its commands come to."""

    outcome: Outcome
    grace_seconds: float


class Stored(msgspec.Struct, tag="stored"):
    """The output is where the server wants it; None when nothing could be stored."""

    output: StoredOutput | None


class Said(msgspec.Struct, tag="said"):
    """A report that the server must get."""

    report: Report


Record = Reached | CommandBegun | CommandEnded | Decided | StopAsked | Stored | Said


class Progress:
    """The journal's records added up."""

    def __init__(self) -> None:
        self.phase = Phase.RECEIVED
        self.times: dict[Phase, float] = {}
        self.metrics: dict[str, float] = {}
        self.next_command = 0
        self.begun: int | None = None
        self.decided: Outcome | None = None
        self.stop: StopAsked | None = None
        self.output: StoredOutput | None = None
        self.reports: list[Report] = []

    @property
    def outcome(self) -> Outcome | None:
        """How the attempt ends as far as is known: what asked it to stop wins over what its commands came to."""
        return self.stop.outcome if self.stop else self.decided

    def add(self, record: Record) -> None:
        """One more record."""
        match record:
            case Reached():
                self.phase = max(self.phase, record.phase)
                self.times[record.phase] = record.time
                self.metrics.update(record.metrics)
            case CommandBegun():
                self.begun = record.index
            case CommandEnded():
                self.begun, self.next_command = None, record.index + 1
            case Decided():
                self.decided = record.outcome
            case StopAsked():
                self.stop = record
            case Stored():
                self.output = record.output
            case Said():
                # A report that the server refused is said again with its number and replaces what followed it.
                while self.reports and self.reports[-1].seq >= record.report.seq:
                    self.reports.pop()
                self.reports.append(record.report)


class Journal:
    """The file of one attempt. Room is taken ahead, so that a full disk does not silence an attempt."""

    def __init__(self, path: Path) -> None:
        """Open or make the file and read what it holds. Raises OSError when there is no room for it."""
        self.progress = Progress()
        self._end = 0
        data = frames.contents(path) if path.exists() else b""
        for record, end in read(data):
            self.progress.add(record)
            self._end = end
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if data.count(0, self._end) < len(data) - self._end:
            os.ftruncate(self._file, self._end)
        self._room = self._end
        self._take_room()

    def append(self, record: Record) -> None:
        """Write and add a record. Raises OSError when the disk takes no more."""
        body = _ENCODER.encode(record)
        frame = frames.frame(body)
        if os.pwrite(self._file, frame, self._end) < len(frame):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._end += len(frame)
        self.progress.add(record)
        if self._room - self._end < _ROOM_BYTES // 2:
            with contextlib.suppress(OSError):  # there is some left, and perhaps more next time
                self._take_room()

    def _take_room(self) -> None:
        os.posix_fallocate(self._file, self._end, _ROOM_BYTES)
        self._room = self._end + _ROOM_BYTES

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._file)


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(Record)


def read(data: bytes) -> list[tuple[Record, int]]:
    """The whole records at the beginning of `data`, each with the offset at which it ends."""
    records: list[tuple[Record, int]] = []
    offset = 0
    while body := frames.unframe(data, offset):
        try:
            record = _DECODER.decode(body)
        except msgspec.DecodeError:
            break
        offset += frames.HEAD.size + len(body)
        records.append((record, offset))
    return records
