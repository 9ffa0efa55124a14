"""Between server and runner: msgpack messages over one outbound WebSocket, `GET /task-runner/connect`.

The runner opens it with `Authorization: Bearer TOKEN`, says `Hello`, and gets `Welcome`. From then on both sides push.
A runner journals every `Report` and sends it again until it is acknowledged; numbers grow by one within an attempt,
and the server ignores (but acknowledges) those it has seen. Log bytes are resumed by offset. What names an older
attempt than the task's current one changes nothing: the answer is `Drop`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

from inductiva.protocol.commands import CommandSpec
from inductiva.protocol.status import TaskEvent
from inductiva.protocol.tasks import OperationName
from inductiva.protocol.watch import LiveOperation, LiveStatus, LogStream

PROTOCOL = 1
MAX_LOG_CHUNK_BYTES = 256 * 1024
CLOSE_UNAUTHORIZED = 4401
"""WebSocket close code: the token is wrong or revoked; the runner must not come back."""
CLOSE_REPLACED = 4409
"""WebSocket close code: another process connected as this runner; the older one must stop."""


class StopCause(StrEnum):
    """Why a running attempt must stop. The value is the event that the runner then reports."""

    KILL = TaskEvent.KILLED.value
    TTL = TaskEvent.TTL_EXCEEDED.value
    GROUP_TERMINATED = TaskEvent.TERMINATED_BY_USER.value
    MACHINE_TIME_LIMIT = TaskEvent.MACHINE_TIME_LIMIT.value
    CREDITS_EXHAUSTED = TaskEvent.CREDITS_EXHAUSTED.value
    RUNNER_TERMINATED = TaskEvent.RUNNER_TERMINATED.value
    PREEMPTED = TaskEvent.PREEMPTED.value


class HostInfo(msgspec.Struct):
    """The machine as the runner may use it (limits of its container included). Memory and disk in bytes."""

    host_name: str
    cpu_count_logical: int
    cpu_count_physical: int
    memory_bytes: int
    disk_free_bytes: int
    pid: int
    sandbox: str
    """How simulations are isolated here: `bubblewrap` or `none`."""


class ExtraParams(msgspec.Struct):
    """What the submit request says about the run itself; keys it does not know are ignored."""

    commands: list[CommandSpec] = []
    sim_dir: str = "sim_dir"
    run_subprocess_dir: str | None = None
    env: dict[str, str] = {}


class Work(msgspec.Struct):
    """One attempt of one task, whole: what a runner needs to run it. Seconds for times, bytes for sizes."""

    task_id: str
    attempt: int
    simulator: str
    container_image: str | None
    params: ExtraParams
    input_url: str
    input_size: int
    input_sha256: str
    output_url: str
    submitted_at: float
    time_to_live_seconds: float | None = None
    grace_seconds: float = 10.0


# What a runner tells of an attempt.


class OperationStarted(msgspec.Struct, tag="operation-started"):
    operation_id: str
    name: OperationName
    attributes: dict[str, Any] = {}


class OperationEnded(msgspec.Struct, tag="operation-ended"):
    operation_id: str
    ok: bool
    attributes: dict[str, Any] = {}


class ComputationStarted(msgspec.Struct, tag="computation-started"):
    pass


class ComputationEnded(msgspec.Struct, tag="computation-ended"):
    pass


class Metrics(msgspec.Struct, tag="metrics"):
    """Names as in `protocol.tasks.TaskMetrics`."""

    values: dict[str, float]


class StoredOutput(msgspec.Struct):
    """The archive as the runner sent it. The server compares it with what arrived before it believes it."""

    size: int
    sha256: str
    files: int
    uncompressed_size: int


class Finished(msgspec.Struct, tag="finished"):
    """The attempt is over and nothing of it runs any more. `event` is one of `status.ENDING_EVENTS`.

    `output` is None only when nothing could be stored; the detail then says why.
    """

    event: TaskEvent
    output: StoredOutput | None = None
    exit_code: int | None = None
    signal: int | None = None
    detail: str | None = None


ReportBody = OperationStarted | OperationEnded | ComputationStarted | ComputationEnded | Metrics | Finished


class AttemptRef(msgspec.Struct):
    task_id: str
    attempt: int


class MachineConfig(msgspec.Struct):
    """`machine.json` in a machine's directory (mode 0600): what a runner process needs to start.

    `server_info` names the embedded server's `server.json`, read again at each connection because a restarted server
    may have another port; without it `server_url` is fixed.
    """

    runner_id: str
    token: str
    server_url: str
    environments: str
    server_info: str | None = None


# Runner → server


class Hello(msgspec.Struct, tag="hello"):
    """`runner_id` is kept on the machine's disk, so a restarted runner is the same machine."""

    runner_id: str
    protocol: int
    host: HostInfo
    attempts: list[AttemptRef] = []


class Ready(msgspec.Struct, tag="ready"):
    """The runner can take `slots` more tasks now (0 takes the offer back)."""

    slots: int


class Heartbeat(msgspec.Struct, tag="heartbeat"):
    """Renews the leases of the attempts that the runner holds: those named."""

    attempts: list[AttemptRef] = []


class Report(msgspec.Struct, tag="report"):
    """`seq` starts at 1 in each attempt; `time` is seconds since the epoch by the runner's clock."""

    task_id: str
    attempt: int
    seq: int
    time: float
    body: ReportBody


class LogChunk(msgspec.Struct, tag="log"):
    """Bytes `offset` … of a stream of an attempt; `crc32` of `data` (zlib's)."""

    task_id: str
    attempt: int
    stream: LogStream
    offset: int
    data: bytes
    crc32: int


class UrlsRequest(msgspec.Struct, tag="urls-request"):
    """The signed URLs of an attempt have expired (or may have): give new ones."""

    task_id: str
    attempt: int


class LiveFrame(msgspec.Struct, tag="live-frame"):
    """An answer to a `LiveRequest`; `last` when no more will come."""

    request_id: str
    status: LiveStatus
    message: Any
    last: bool = True


class Goodbye(msgspec.Struct, tag="goodbye"):
    """The runner leaves for good and holds nothing any more."""

    reason: str


FromRunner = Hello | Ready | Heartbeat | Report | LogChunk | UrlsRequest | LiveFrame | Goodbye


# Server → runner


class AttemptState(msgspec.Struct):
    """What the server knows of an attempt that the runner holds: where to go on telling."""

    task_id: str
    attempt: int
    last_seq: int
    stdout_offset: int
    stderr_offset: int


class Welcome(msgspec.Struct, tag="welcome"):
    """Attempts that the runner named and that are missing here are not its own any more: it must end and drop them."""

    group_id: str
    heartbeat_seconds: float
    lease_seconds: float
    attempts: list[AttemptState] = []


class Assign(msgspec.Struct, tag="assign"):
    work: Work


class Stop(msgspec.Struct, tag="stop"):
    """Stop an attempt: signal, wait `grace_seconds`, kill the whole process tree, store outputs, report."""

    task_id: str
    attempt: int
    cause: StopCause
    grace_seconds: float


class Drop(msgspec.Struct, tag="drop"):
    """The attempt is not this runner's any more: end its processes at once, report nothing, forget it."""

    task_id: str
    attempt: int


class ReportAck(msgspec.Struct, tag="report-ack"):
    """Every report of the attempt up to `seq` is durable."""

    task_id: str
    attempt: int
    seq: int


class ReportRefused(msgspec.Struct, tag="report-refused"):
    """The server does not believe a `Finished`: what is stored is not what was sent. Send the output again."""

    task_id: str
    attempt: int
    seq: int
    reason: str


class LogAck(msgspec.Struct, tag="log-ack"):
    """All bytes before `offset` are durable. An offset below what was sent asks to go on from there."""

    task_id: str
    attempt: int
    stream: LogStream
    offset: int


class Urls(msgspec.Struct, tag="urls"):
    task_id: str
    attempt: int
    input_url: str
    output_url: str


class LiveRequest(msgspec.Struct, tag="live-request"):
    request_id: str
    task_id: str
    op: LiveOperation
    follow: bool = False
    args: dict[str, Any] = {}


class LiveCancel(msgspec.Struct, tag="live-cancel"):
    request_id: str


class Retire(msgspec.Struct, tag="retire"):
    """Take no more work; leave (`Goodbye`) as soon as nothing is held."""

    reason: str


ToRunner = (
    Welcome | Assign | Stop | Drop | ReportAck | ReportRefused | LogAck | Urls | LiveRequest | LiveCancel | Retire
)
