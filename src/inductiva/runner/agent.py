"""The runner: holds attempts, tells the server, does what it is told."""

from __future__ import annotations

import asyncio
import logging
import time
from pathlib import Path

from inductiva.protocol.runner import (
    PROTOCOL,
    Assign,
    Drop,
    Finished,
    FromRunner,
    Goodbye,
    Heartbeat,
    Hello,
    LiveCancel,
    LiveRequest,
    LogAck,
    MachineConfig,
    Ready,
    Report,
    ReportAck,
    ReportRefused,
    Retire,
    Stop,
    StopCause,
    ToRunner,
    Urls,
    Welcome,
    Work,
)
from inductiva.runner import disk, host, outcomes, sandbox
from inductiva.runner.attempt import Attempt
from inductiva.runner.connection import Connection, RefusedError
from inductiva.runner.live import LiveRequests
from inductiva.runner.tools import Provided, Tools
from inductiva.runner.workspace import Workspace

_LOG = logging.getLogger(__name__)
_Key = tuple[str, int]
_LEAVE_SECONDS = 60.0
_FLUSH_SECONDS = 2.0
_GRACE_SECONDS = 10.0


class Agent:
    """One machine's runner. `run` returns the exit code of the process."""

    def __init__(self, directory: Path, config: MachineConfig) -> None:
        self._directory = directory
        self._config = config
        self._attempts_directory = directory / "attempts"
        self._attempts_directory.mkdir(parents=True, exist_ok=True)
        self._spare = directory / "spare"
        self._has_spare = False
        Workspace(self._spare).remove()
        self._sandbox = sandbox.detect(directory / "etc")
        self._tools = Tools(self._sandbox, Provided(Path(config.environments)), self._post)
        self._connection = Connection(config, self._hello, self._on_message, self._on_close)
        self._attempts: dict[_Key, Attempt] = {}
        self._runs: dict[_Key, asyncio.Task[None]] = {}
        self._drops: set[asyncio.Task[None]] = set()
        self._live = LiveRequests(self._post)
        self._is_online = False
        self._is_ready = False
        self._retiring: str | None = None
        self._idle = asyncio.Event()
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._heartbeat: asyncio.Task[None] | None = None

    async def run(self) -> int:
        """Serve until told to leave."""
        _LOG.info("runner %s, sandbox %s %s", self._config.runner_id, self._sandbox.kind, self._sandbox.reason)
        self._adopt_all()
        connection = asyncio.ensure_future(self._connection.run())
        leaving = asyncio.ensure_future(self._left())
        await asyncio.wait({connection, leaving, self._failed}, return_when=asyncio.FIRST_COMPLETED)
        if self._failed.done():
            _LOG.critical("an attempt failed unforeseen", exc_info=self._failed.exception())
            return 1
        if connection.done():
            return await self._refused(connection)
        self._post(Goodbye(self._retiring or ""))
        await self._connection.flush(_FLUSH_SECONDS)
        connection.cancel()
        return 0

    async def _left(self) -> None:
        await self._idle.wait()

    async def _refused(self, connection: asyncio.Future[None]) -> int:
        error = connection.exception()
        if not isinstance(error, RefusedError):
            connection.result()
            return 1
        _LOG.error("leaving: %s", error)
        if not error.is_replaced:
            for key in list(self._attempts):
                self._drop(key)
            await asyncio.gather(*self._drops)
        return 0 if error.is_replaced else 1

    async def terminate(self) -> None:
        """Stop and store everything, then leave; after a minute leave anyway. The next runner then goes on."""
        self._retire("the runner was told to stop")
        for attempt in self._attempts.values():
            attempt.stop(StopCause.RUNNER_TERMINATED, min(_GRACE_SECONDS, attempt.work.grace_seconds))
        await asyncio.sleep(_LEAVE_SECONDS)
        _LOG.error("leaving with %d attempts that could not be stored in time", len(self._attempts))
        self._idle.set()

    # attempts

    def _adopt_all(self) -> None:
        for path in sorted(self._attempts_directory.iterdir()):
            workspace = Workspace(path)
            work = workspace.read_work()
            if work is None:
                workspace.remove()
            else:
                _LOG.info("going on with task %s, attempt %d", work.task_id, work.attempt)
                self._begin(work, workspace)

    def _begin(self, work: Work, workspace: Workspace) -> None:
        key = (work.task_id, work.attempt)
        attempt = Attempt(work, workspace, self._tools, self._offer)
        self._attempts[key] = attempt
        run = asyncio.ensure_future(self._hold(key, attempt))
        self._runs[key] = run
        run.add_done_callback(self._on_run_done)

    def _on_run_done(self, run: asyncio.Task[None]) -> None:
        """What nobody foresaw ends this process: the next one goes on from the journals, simulations run on."""
        if not run.cancelled() and (error := run.exception()) is not None and not self._failed.done():
            self._failed.set_exception(error)

    async def _hold(self, key: _Key, attempt: Attempt) -> None:
        await attempt.run()
        await self._forget(key, attempt)

    async def _forget(self, key: _Key, attempt: Attempt) -> None:
        self._attempts.pop(key, None)
        self._runs.pop(key, None)
        await self._live.end_of(attempt)
        attempt.close()
        if self._has_spare or not attempt.workspace.recycle(self._spare):
            await asyncio.to_thread(attempt.workspace.remove)
        else:
            self._has_spare = True
        self._offer()

    def _assign(self, work: Work) -> None:
        key = (work.task_id, work.attempt)
        if key in self._attempts:
            return
        self._is_ready = False
        workspace = Workspace(self._attempts_directory / f"{work.task_id}.{work.attempt}")
        try:
            workspace.create(work, self._spare if self._has_spare else None)
            self._has_spare = False
            self._begin(work, workspace)
        except OSError as error:
            _LOG.exception("task %s cannot be taken", work.task_id)
            outcome = outcomes.of_os_error("taking the task", error)
            self._post(Report(*key, 1, time.time(), Finished(outcome.event, detail=outcome.detail)))
            workspace.remove()
            self._offer()

    def _drop(self, key: _Key) -> None:
        attempt, run = self._attempts.get(key), self._runs.get(key)
        if attempt is None or run is None:
            return
        run.cancel()
        dropping = asyncio.ensure_future(self._end_and_forget(key, attempt, run))
        self._drops.add(dropping)
        dropping.add_done_callback(self._drops.discard)

    async def _end_and_forget(self, key: _Key, attempt: Attempt, run: asyncio.Task[None]) -> None:
        await asyncio.wait({run})
        await attempt.end_processes()
        await self._forget(key, attempt)

    # the server's side

    def _hello(self) -> FromRunner:
        refs = [attempt.ref for attempt in self._attempts.values()]
        return Hello(self._config.runner_id, PROTOCOL, host.describe(self._directory, self._sandbox.kind), refs)

    def _on_close(self) -> None:
        self._is_online = self._is_ready = False
        self._live.end_all()
        if self._heartbeat is not None:
            self._heartbeat.cancel()
            self._heartbeat = None

    def _post(self, message: FromRunner) -> bool:
        if self._is_online:
            self._connection.post(message)
        return self._is_online

    def _on_message(self, message: ToRunner) -> None:
        match message:
            case Welcome():
                self._welcome(message)
            case Assign():
                self._assign(message.work)
            case Drop():
                self._drop((message.task_id, message.attempt))
            case Retire():
                self._retire(message.reason)
            case LiveRequest():
                self._live.begin(message, self._attempt_of(message.task_id))
            case LiveCancel():
                self._live.cancel(message.request_id)
            case _:
                self._tell_attempt(message)

    def _tell_attempt(self, message: Stop | ReportAck | ReportRefused | LogAck | Urls) -> None:
        attempt = self._attempts.get((message.task_id, message.attempt))
        if attempt is None:
            return
        match message:
            case Stop():
                attempt.stop(message.cause, message.grace_seconds)
            case ReportAck():
                attempt.reporter.on_ack(message.seq)
            case ReportRefused():
                attempt.reporter.on_refused(message.seq, message.reason)
            case LogAck():
                attempt.logs.on_ack(message.stream, message.offset)
            case Urls():
                attempt.on_urls(message)

    def _attempt_of(self, task_id: str) -> Attempt | None:
        return next((attempt for attempt in self._attempts.values() if attempt.work.task_id == task_id), None)

    def _welcome(self, welcome: Welcome) -> None:
        self._is_online = True
        known = {(state.task_id, state.attempt): state for state in welcome.attempts}
        for key in list(self._attempts):
            if key in known:
                self._attempts[key].resume(known[key])
            else:
                self._drop(key)
        self._heartbeat = asyncio.ensure_future(self._beat(welcome.heartbeat_seconds))
        self._offer()

    async def _beat(self, seconds: float) -> None:
        while True:
            await asyncio.sleep(seconds)
            self._post(Heartbeat([attempt.ref for attempt in self._attempts.values()]))
            self._offer()  # a disk that was full may have room again

    def _offer(self) -> None:
        """Ask for work when there is room, or leave when leaving and nothing is held."""
        if self._retiring is not None:
            if not self._attempts:
                self._idle.set()
            return
        is_free = all(attempt.is_finished for attempt in self._attempts.values())
        if is_free and self._is_online and not self._is_ready and not disk.is_full(self._directory):
            self._is_ready = True
            self._post(Ready(1))

    def _retire(self, reason: str) -> None:
        if self._retiring is None:
            self._retiring = reason
            if self._is_ready:
                self._post(Ready(0))
        self._offer()
