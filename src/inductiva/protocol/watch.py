"""Watching a task: one stream of what happens to it, pushed as it happens.

`GET /tasks/{id}/watch?logs=BOOL&tail=LINES&stdout_offset=N&stderr_offset=N` answers `application/x-ndjson`: one JSON
object a line, tagged by `type`. It begins with the current status, ends with `end` after a terminal status and the last
byte of the logs; a line `{"type":"ping"}` comes at least every `PING_SECONDS` so that a dead connection is noticed.
A watcher that comes back gives the offsets it has seen and misses nothing.

Live files, `GET /tasks/{id}/live/{op}?follow=BOOL&filename=NAME&lines=N`: a stream of `LiveAnswer`, one JSON object a
line, the same frames that the published client gets over its data channel.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

from inductiva.protocol.status import TaskStatusCode
from inductiva.protocol.times import Timestamp

PING_SECONDS = 15.0


class LogStream(StrEnum):
    STDOUT = "stdout"
    STDERR = "stderr"

    @property
    def filename(self) -> str:
        return f"{self.value}.txt"


class StatusChange(msgspec.Struct, tag="status"):
    status: TaskStatusCode
    alias: str
    description: str
    time: Timestamp
    is_terminated: bool
    tasks_ahead: int | None = None
    detail: str | None = None


class QueuePosition(msgspec.Struct, tag="position"):
    tasks_ahead: int


class LogText(msgspec.Struct, tag="log"):
    """Bytes `offset` … of a stream, decoded as UTF-8 with undecodable bytes replaced; `size` is their number."""

    stream: LogStream
    offset: int
    size: int
    text: str


class Ping(msgspec.Struct, tag="ping"):
    pass


class End(msgspec.Struct, tag="end"):
    status: TaskStatusCode


WatchMessage = StatusChange | QueuePosition | LogText | Ping | End


class LiveOperation(StrEnum):
    LS = "ls"
    TAIL = "tail"
    TOP = "top"
    LAST_MODIFIED_FILE = "last_modified_file"


class LiveStatus(StrEnum):
    SUCCESS = "success"
    INVALID = "invalid"
    ERROR = "error"


class LiveAnswer(msgspec.Struct):
    """`message`: ls → nested list of names and `{directory: [...]}`; tail → list of lines; top → text;
    last_modified_file → `{most_recent_file, most_recent_timestamp, now_timestamp, time_since_last_mod}`;
    otherwise → what went wrong."""

    status: LiveStatus
    message: Any
