"""A real HTTP server of a data directory in a thread, a bare client, and a runner that speaks the protocol."""

from __future__ import annotations

import hashlib
import json
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import msgspec
import urllib3
import uvicorn
from tests.unit.server.rig import HOST, INPUT, OUTPUT, eventually
from websockets.sync.client import ClientConnection, connect

from inductiva.protocol.compute import Provider, RegisterGroupRequest
from inductiva.protocol.runner import (
    PROTOCOL,
    Assign,
    AttemptRef,
    ComputationEnded,
    ComputationStarted,
    Finished,
    FromRunner,
    Hello,
    LogChunk,
    Ready,
    Report,
    ReportBody,
    StoredOutput,
    ToRunner,
    Welcome,
    Work,
)
from inductiva.protocol.status import TaskEvent
from inductiva.protocol.watch import LogStream
from inductiva.server.app import create_app
from inductiva.server.config import Config
from inductiva.server.context import Context, open_context
from inductiva.server.services import accounts, groups, machines

M = TypeVar("M")
_TO_RUNNER: msgspec.msgpack.Decoder[ToRunner] = msgspec.msgpack.Decoder(ToRunner)


@dataclass
class Answer:
    status: int
    data: bytes
    headers: Any

    @property
    def json(self) -> Any:
        return json.loads(self.data)


@dataclass
class Web:
    """The server at `url`, and what one of its users and machines can do."""

    context: Context
    url: str
    key: str
    pool: urllib3.PoolManager = field(default_factory=lambda: urllib3.PoolManager(retries=False, timeout=20.0))

    def __call__(self, method: str, path: str, body: Any = None, key: str | None = None, **headers: str) -> Answer:
        given = {"X-API-Key": self.key if key is None else key}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        url = path if path.startswith("http") else self.url + path
        answer = self.pool.request(method, url, body=data, headers=given)
        return Answer(answer.status, answer.data, answer.headers)

    def account_id(self) -> str:
        account = self.context.db.query(lambda connection: accounts.find(connection, self.key))
        assert account is not None
        return account.id

    def group(self) -> str:
        request = RegisterGroupRequest(provider_id=Provider.LOCAL)
        prepared = groups.prepare(self.account_id(), request, self.context.fleet.host)
        return self.context.db.run(groups.register, prepared)

    def submit(self, group_id: str, **given: Any) -> str:
        body = {"simulator": "arbitrary_commands", "resource_pool": group_id, **given}
        answer = self("POST", "/tasks/submit", body)
        assert answer.status == 202, answer.data
        return str(answer.json["id"])

    def upload(self, task_id: str, data: bytes = INPUT) -> Answer:
        url = self("GET", f"/storage/signed-urls?operation=upload&paths=/{task_id}/input.zip").json[0]
        put = self.pool.request("PUT", url, body=iter([data]))
        assert put.status == 200, put.data
        return self("POST", f"/tasks/{task_id}/input_uploaded")

    def queued(self, group_id: str, **given: Any) -> str:
        task_id = self.submit(group_id, **given)
        assert self.upload(task_id).status == 200
        return task_id

    def status(self, task_id: str) -> str:
        return str(self("GET", f"/tasks/{task_id}/status").json["status"])

    def watch(self, task_id: str, **query: Any) -> Iterator[dict[str, Any]]:
        return self.lines(f"/tasks/{task_id}/watch", **query)

    def lines(self, path: str, **query: Any) -> Iterator[dict[str, Any]]:
        answer = self.pool.request(
            "GET", self.url + path, fields=query, headers={"X-API-Key": self.key}, preload_content=False
        )
        rest = b""
        for chunk in answer.stream():
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                yield json.loads(line)

    def machine(self, group_id: str, name: str = "runner-1") -> FakeRunner:
        new = machines.NewMachine(name, group_id, f"token-of-{name}")
        self.context.db.run(machines.create, new)
        return FakeRunner(self, name, new.token)


@dataclass
class FakeRunner:
    """Speaks the runner's side of the protocol, one message at a time."""

    web: Web
    runner_id: str
    token: str
    socket: ClientConnection | None = None
    seq: int = 0

    def connect(self, *held: AttemptRef, token: str | None = None) -> Welcome:
        self.open(token)
        self.send(Hello(self.runner_id, PROTOCOL, HOST, list(held)))
        welcome: Welcome = self.expect(Welcome)
        return welcome

    def open(self, token: str | None = None) -> None:
        url = self.web.url.replace("http", "ws", 1) + "/task-runner/connect"
        headers = {"Authorization": f"Bearer {token or self.token}"}
        self.socket = connect(url, additional_headers=headers, proxy=None, compression=None, legacy=True)

    def __enter__(self) -> FakeRunner:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        if self.socket is not None:
            self.socket.close()

    def send(self, message: FromRunner) -> None:
        assert self.socket is not None
        self.socket.send(msgspec.msgpack.encode(message))

    def receive(self) -> ToRunner:
        assert self.socket is not None
        data = self.socket.recv(timeout=20)
        assert isinstance(data, bytes)
        return _TO_RUNNER.decode(data)

    def expect(self, kind: Any) -> Any:
        """The next message of a kind; others before it are skipped."""
        while True:
            message = self.receive()
            if type(message) is kind:
                return message

    def take(self) -> Work:
        self.seq = 0
        self.send(Ready(1))
        assign: Assign = self.expect(Assign)
        return assign.work

    def take_after(self, task_id: str) -> Work:
        """The work of a task that was just queued."""
        work = self.take()
        assert work.task_id == task_id
        return work

    def report(self, work: Work, body: ReportBody, time: float | None = None) -> None:
        self.seq += 1
        now = self.web.context.clock() if time is None else time
        self.send(Report(work.task_id, work.attempt, self.seq, now, body))

    def log(self, work: Work, data: bytes, offset: int = 0, stream: LogStream = LogStream.STDOUT) -> None:
        self.send(LogChunk(work.task_id, work.attempt, stream, offset, data, zlib.crc32(data)))

    def finish(self, work: Work, event: TaskEvent = TaskEvent.SUCCEEDED, data: bytes = OUTPUT) -> None:
        """Uploads an output and tells the rest of the attempt's story."""
        put = self.web.pool.request("PUT", work.output_url, body=iter([data]))
        assert put.status == 200, put.data
        self.report(work, ComputationStarted())
        self.report(work, ComputationEnded())
        output = StoredOutput(len(data), hashlib.sha256(data).hexdigest(), 3, 12)
        self.report(work, Finished(event, output, exit_code=0))


@contextmanager
def serve_rig(directory: Path, **given: Any) -> Iterator[Web]:
    """The whole application on a port of its own."""
    config = Config(data_dir=directory, **given)
    context = open_context(config)
    context.db.run(accounts.ensure_embedded_user, config.layout.api_key)
    settings = uvicorn.Config(
        create_app(context), port=0, log_config=None, ws="websockets-sansio", ws_ping_interval=None
    )
    server = uvicorn.Server(settings)
    thread = threading.Thread(target=server.run)
    thread.start()
    eventually(lambda: server.started, "the server listens")
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield Web(context, f"http://127.0.0.1:{port}", config.layout.api_key.read_text())
    finally:
        server.should_exit = True
        thread.join()
        context.db.close()
