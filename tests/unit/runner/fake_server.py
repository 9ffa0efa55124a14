"""A small server that speaks the real WebSocket and HTTP of a control plane, in threads of the test process."""

from __future__ import annotations

import asyncio
import hashlib
import http.server
import io
import subprocess
import threading
import time
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from inductiva.protocol.commands import CommandSpec
from inductiva.protocol.ids import new_task_id
from inductiva.protocol.runner import (
    Assign,
    AttemptRef,
    AttemptState,
    ExtraParams,
    Finished,
    FromRunner,
    Goodbye,
    Heartbeat,
    Hello,
    LiveFrame,
    LogAck,
    LogChunk,
    Ready,
    Report,
    ReportAck,
    ReportRefused,
    Stop,
    StopCause,
    StoredOutput,
    ToRunner,
    Urls,
    UrlsRequest,
    Welcome,
    Work,
)
from inductiva.protocol.watch import LogStream

Key = tuple[str, int]
StartRunner = Callable[[], "subprocess.Popen[bytes]"]
"""Starts a runner process of the test's machine."""


@dataclass
class TaskRecord:
    """What the server knows of one attempt."""

    work: Work
    reports: list[Report] = field(default_factory=list)
    logs: dict[LogStream, bytes] = field(default_factory=lambda: dict.fromkeys(LogStream, b""))
    archive: bytes | None = None

    @property
    def last_seq(self) -> int:
        return self.reports[-1].seq if self.reports else 0

    @property
    def finished(self) -> Finished | None:
        return next((r.body for r in self.reports if isinstance(r.body, Finished)), None)

    def bodies(self, kind: type[Any]) -> list[Any]:
        return [report.body for report in self.reports if isinstance(report.body, kind)]

    def files(self) -> dict[str, bytes]:
        """The output archive, opened."""
        assert self.archive is not None
        with zipfile.ZipFile(io.BytesIO(self.archive)) as opened:
            assert opened.testzip() is None
            return {info.filename: opened.read(info) for info in opened.infolist()}


class FakeServer:
    """`faults` may answer an HTTP request in the real handler's place: (method, path) → status or None."""

    def __init__(self, heartbeat_seconds: float = 0.2) -> None:
        self.heartbeat_seconds = heartbeat_seconds
        self.tasks: dict[Key, TaskRecord] = {}
        self.inputs: dict[str, bytes] = {}
        self.hellos: list[Hello] = []
        self.frames: dict[str, list[LiveFrame]] = defaultdict(list)
        self.faults: list[Callable[[str, str], int | None]] = []
        self.refuse_finished = 0
        self.known_attempts = True
        self.ready = 0
        self.token = "secret-token-of-the-machine"
        self.goodbyes = 0
        self.held: list[AttemptRef] = []
        self.auto: list[Work] = []
        self._socket: ServerConnection | None = None
        self._changed = threading.Condition()
        self._http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._http.daemon_threads = True
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._stop = asyncio.Event()
        self.port = 0

    # running

    def __enter__(self) -> FakeServer:
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()
        threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),), daemon=True).start()
        assert self._started.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._http.shutdown()
        self._http.server_close()

    async def _serve(self) -> None:
        async with serve(self._talk, "127.0.0.1", self.port, compression=None, max_size=None) as server:
            self.port = next(iter(server.sockets)).getsockname()[1]
            self._started.set()
            await self._stop.wait()
            server.close(close_connections=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def http_url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def disconnect(self, code: int = 1012) -> None:
        """Close the runner's connection."""

        async def close() -> None:
            if self._socket is not None:
                await self._socket.close(code)

        asyncio.run_coroutine_threadsafe(close(), self._loop).result(10)

    # talking

    async def _talk(self, socket: ServerConnection) -> None:
        decoder = msgspec.msgpack.Decoder(FromRunner)
        assert socket.request is not None
        if socket.request.headers.get("Authorization") != f"Bearer {self.token}":
            await socket.close(4401)
            return
        self._socket = socket
        try:
            async for data in socket:
                assert isinstance(data, bytes)
                message: FromRunner = decoder.decode(data)
                for answer in self._take(message):
                    await socket.send(msgspec.msgpack.encode(answer))
        except ConnectionClosed:
            pass
        finally:
            if self._socket is socket:
                self._socket = None

    def _take(self, message: FromRunner) -> list[ToRunner]:
        with self._changed:
            if isinstance(message, Heartbeat):
                self.held = message.attempts
            answers = self._answers(message)
            self._changed.notify_all()
        return answers

    def _answers(self, message: FromRunner) -> list[ToRunner]:
        match message:
            case Hello():
                self.hellos.append(message)
                return [Welcome("group", self.heartbeat_seconds, 30.0, self._states(message))]
            case Ready():
                self.ready = message.slots
                return self._next()
            case Report():
                return self._report(message)
            case LogChunk():
                return [self._log(message)]
            case UrlsRequest():
                work = self.tasks[message.task_id, message.attempt].work
                return [Urls(message.task_id, message.attempt, *self.urls(message.task_id, message.attempt, work))]
            case LiveFrame():
                self.frames[message.request_id].append(message)
            case Goodbye():
                self.goodbyes += 1
        return []

    def _next(self) -> list[ToRunner]:
        if not self.auto or not self.ready:
            return []
        self.ready -= 1
        return [Assign(self.auto.pop(0))]

    def _states(self, hello: Hello) -> list[AttemptState]:
        if not self.known_attempts:
            return []
        found = [(ref, self.tasks.get((ref.task_id, ref.attempt))) for ref in hello.attempts]
        return [
            AttemptState(
                ref.task_id,
                ref.attempt,
                task.last_seq,
                len(task.logs[LogStream.STDOUT]),
                len(task.logs[LogStream.STDERR]),
            )
            for ref, task in found
            if task is not None
        ]

    def _report(self, report: Report) -> list[ToRunner]:
        task = self.tasks[report.task_id, report.attempt]
        if report.seq > task.last_seq:
            assert report.seq == task.last_seq + 1, f"a gap before {report}"
            if isinstance(report.body, Finished) and (problem := self._problem(task, report.body)):
                return [ReportRefused(report.task_id, report.attempt, report.seq, problem)]
            task.reports.append(report)
        return [ReportAck(report.task_id, report.attempt, task.last_seq)]

    def _problem(self, task: TaskRecord, finished: Finished) -> str | None:
        if self.refuse_finished:
            self.refuse_finished -= 1
            task.archive = None
            return "refused by the test"
        stored = finished.output
        if stored is None:
            return None
        data = task.archive or b""
        found = StoredOutput(len(data), hashlib.sha256(data).hexdigest(), stored.files, stored.uncompressed_size)
        return None if found == stored else f"{found} is not {stored}"

    def _log(self, chunk: LogChunk) -> LogAck:
        task = self.tasks[chunk.task_id, chunk.attempt]
        assert zlib.crc32(chunk.data) == chunk.crc32
        have = len(task.logs[chunk.stream])
        if chunk.offset <= have:
            task.logs[chunk.stream] += chunk.data[have - chunk.offset :]
        return LogAck(chunk.task_id, chunk.attempt, chunk.stream, len(task.logs[chunk.stream]))

    # what tests do

    def send(self, message: ToRunner) -> None:
        """Push a message to the runner."""

        async def push() -> None:
            assert self._socket is not None
            await self._socket.send(msgspec.msgpack.encode(message))

        asyncio.run_coroutine_threadsafe(push(), self._loop).result(10)

    def urls(self, task_id: str, attempt: int, work: Work | None = None) -> tuple[str, str]:
        base = f"{self.http_url}/{task_id}/{attempt}"
        return f"{base}/input?token=x", f"{base}/output?token=x"

    def new_work(self, commands: list[str | CommandSpec], files: dict[str, bytes] | None = None, **more: Any) -> Work:
        """A task with an input archive; it is known to the server but not yet assigned."""
        task_id = new_task_id()
        data = make_input(files or {})
        self.inputs[task_id] = data
        specs = [CommandSpec(item) if isinstance(item, str) else item for item in commands]
        input_url, output_url = self.urls(task_id, 1)
        parameters = {name: more.pop(name) for name in ("run_subprocess_dir", "env") if name in more}
        work = Work(
            task_id=task_id,
            attempt=1,
            simulator="arbitrary_commands",
            params=ExtraParams(commands=specs, **parameters),
            input_url=input_url,
            input_size=len(data),
            input_sha256=hashlib.sha256(data).hexdigest(),
            output_url=output_url,
            submitted_at=time.time(),
            **{"container_image": None, "grace_seconds": 2.0, **more},
        )
        self.tasks[task_id, 1] = TaskRecord(work)
        return work

    def assign(self, work: Work) -> TaskRecord:
        """Give the task to the runner, as soon as it is there."""
        self.wait(lambda: self._socket is not None and self.ready > 0, "a runner that is ready")
        self.ready -= 1
        self.send(Assign(work))
        return self.tasks[work.task_id, work.attempt]

    def stop(self, work: Work, cause: StopCause = StopCause.KILL, grace: float = 2.0) -> None:
        self.send(Stop(work.task_id, work.attempt, cause, grace))

    def wait(self, condition: Callable[[], Any], what: str, seconds: float = 30.0) -> Any:
        """What `condition` gives as soon as it is true. It is looked at after each message, and now and then."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while not (found := condition()):
                assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
                self._changed.wait(0.02)
        return found

    def wait_finished(self, task: TaskRecord, seconds: float = 30.0) -> Finished:
        found = self.wait(lambda: task.finished, f"the end of {task.work.task_id}", seconds)
        assert isinstance(found, Finished)
        return found


def make_input(files: dict[str, bytes]) -> bytes:
    """An input archive as the SDK sends it. Names ending in `/` are directories; scripts are executable."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(zipfile.ZipInfo("sim_dir/", (2024, 1, 2, 3, 4, 6)), b"")
        for name, data in files.items():
            info = zipfile.ZipInfo(f"sim_dir/{name}", (2024, 1, 2, 3, 4, 6))
            info.external_attr = (0o100755 if data.startswith(b"#!") else 0o100644) << 16
            archive.writestr(info, data)
    return buffer.getvalue()


def _handler(server: FakeServer) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = 1 << 16

        def log_message(self, *_: object) -> None:
            return

        def _answer(self, status: int, data: bytes = b"") -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def _fault(self) -> bool:
            for fault in list(server.faults):
                status = fault(self.command, self.path)
                if status is not None:
                    self.close_connection = True
                    if status:
                        self._answer(status, b'{"detail":"the test wants it"}')
                    return True
            return False

        def do_GET(self) -> None:
            if not self._fault():
                self._answer(200, server.inputs[self.path.split("/")[1]])

        def do_PUT(self) -> None:
            if self._fault():
                return
            data = b""
            while size := int(self.rfile.readline(), 16):
                data += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            _, task_id, attempt, _ = self.path.split("/")
            server.tasks[task_id, int(attempt)].archive = data
            self._answer(200)

    return Handler
