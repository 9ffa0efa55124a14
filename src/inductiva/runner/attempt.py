"""One run of one task on this machine: a state machine that a single coroutine drives and a journal remembers.

received → fetched → unpacked → computing → computed → stored → finished. Whatever happens on the way, it goes on with
storing what there is; a request to stop is heeded at every point. After a restart of the runner `run` goes on from
the journal.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from inductiva import archive
from inductiva.protocol.runner import (
    AttemptRef,
    AttemptState,
    ComputationEnded,
    ComputationStarted,
    Finished,
    Metrics,
    StopCause,
    StoredOutput,
    Urls,
    Work,
)
from inductiva.protocol.status import TaskEvent
from inductiva.protocol.tasks import OperationName
from inductiva.protocol.watch import LogStream
from inductiva.runner import command, environments, outcomes
from inductiva.runner.computation import Computation
from inductiva.runner.disk import watch_disk
from inductiva.runner.exchange import SMALL_BYTES, Exchange
from inductiva.runner.journal import Decided, Journal, Outcome, Phase, Reached, StopAsked, Stored
from inductiva.runner.logs import LogShipper
from inductiva.runner.outcomes import Over
from inductiva.runner.reporter import Reporter
from inductiva.runner.stopping import Interrupted, Stopping
from inductiva.runner.tools import Tools
from inductiva.runner.workspace import Workspace

_LOG = logging.getLogger(__name__)
_THREAD_SECONDS = 30.0


class Attempt:
    """Made for new work, or again from what is on the disk. `on_finished`: its end is told, nothing of it runs."""

    def __init__(self, work: Work, workspace: Workspace, tools: Tools, on_finished: Callable[[], None]) -> None:
        self.work = work
        self._on_finished = on_finished
        self.ref = AttemptRef(work.task_id, work.attempt)
        self.workspace = workspace
        self._tools = tools
        self._journal = Journal(workspace.journal)
        self._progress = self._journal.progress
        self._stopping = Stopping()
        self.reporter = Reporter(work, self._journal, tools.post)
        self.exchange = Exchange(work, tools)
        self.computation = Computation(work, workspace, tools, self._journal, self.reporter, self._stopping)
        paths = {stream: workspace.log(stream) for stream in LogStream}
        self.logs = LogShipper(work.task_id, work.attempt, paths, tools.post)
        self._environment: environments.Environment | None = None
        self._expiry: asyncio.TimerHandle | None = None
        if self._progress.stop:
            self._stopping.set()

    @property
    def is_finished(self) -> bool:
        """Whether the end has been reported: the machine is free for other work."""
        return self._progress.phase >= Phase.FINISHED

    def resume(self, state: AttemptState) -> None:
        """After a connect: what the server has of this attempt."""
        self.reporter.resume(state.last_seq)
        self.logs.resume({LogStream.STDOUT: state.stdout_offset, LogStream.STDERR: state.stderr_offset})

    def on_urls(self, urls: Urls) -> None:
        """Fresh URLs, asked for because the old ones did not work."""
        self.exchange.renew(urls)

    def stop(self, cause: StopCause, grace_seconds: float, limit: str = "") -> None:
        """End the attempt. The first cause counts, but a kill overrides the time to live."""
        self._stop(outcomes.stopped(cause, self._where(), limit), grace_seconds)

    def _stop(self, outcome: Outcome, grace_seconds: float) -> None:
        known = self._progress.stop
        is_kill_after_ttl = (
            known is not None and known.outcome.event == TaskEvent.TTL_EXCEEDED and outcome.event == TaskEvent.KILLED
        )
        if self.is_finished or (known is not None and not is_kill_after_ttl):
            return
        self._journal.append(StopAsked(outcome, grace_seconds))
        self._stopping.set()

    def _where(self) -> str:
        commands = self.work.params.commands
        if self._progress.phase < Phase.COMPUTING:
            return "before its first command"
        if self._progress.phase > Phase.COMPUTING:
            return "after its last command, while its output was being stored"
        if self._progress.begun is None:
            return f"before command {self._progress.next_command + 1} of {len(commands)}"
        return f"while {outcomes.name_command(self._progress.begun, commands)} was running"

    async def run(self) -> None:
        """Everything up to the server's acknowledgement of the end. Cancelled, it leaves all as it is."""
        self._reach(Phase.RECEIVED, queue_time_seconds=max(0.0, time.time() - self.work.submitted_at))
        shipping = asyncio.ensure_future(self.logs.run())
        try:
            if self._progress.phase < Phase.COMPUTED:
                await self._work_until_over()
            if self._progress.phase < Phase.STORED:
                await self._store()
        finally:
            shipping.cancel()
            self._disarm()
        await self._finish()

    def _reach(self, phase: Phase, **metrics: float) -> None:
        if phase not in self._progress.times:
            self._journal.append(Reached(phase, time.time(), {name: round(v, 6) for name, v in metrics.items()}))

    # preparing and computing

    async def _work_until_over(self) -> None:
        disk = asyncio.ensure_future(watch_disk(self.workspace.root, self._on_disk_full))
        try:
            outcome = self._progress.decided or await self._work()
        finally:
            disk.cancel()
        if self._progress.decided is None:
            self._journal.append(Decided(outcome))
        self._disarm()
        self.logs.ship()  # the server takes the end of the logs while the output is packed
        seconds = 0.0
        if (began := self._progress.times.get(Phase.COMPUTING)) is not None:
            seconds = max(0.0, time.time() - began)
            self.reporter.say(ComputationEnded())
        self._reach(Phase.COMPUTED, computation_seconds=seconds)

    def _on_disk_full(self) -> None:
        self._stop(outcomes.disk_full(self._where()), self.work.grace_seconds)

    async def _work(self) -> Outcome:
        doing = "preparing the task"
        try:
            self._arm(self._progress.times[Phase.RECEIVED])
            problem = command.problem_of(self.work)
            if problem:
                raise outcomes.failed_to_run(problem)
            await self._fetch()
            await self._unpack()
            await self._provide()
            doing = "running the commands"
            return await self._compute()
        except Over as over:
            return over.outcome
        except Interrupted:
            return Outcome(TaskEvent.EXECUTION_FAILED, "The task was stopped before its first command.")
        except archive.ArchiveError as error:
            return Outcome(TaskEvent.EXECUTION_FAILED, f"The input cannot be unpacked: {error}")
        except OSError as error:
            _LOG.exception("%s failed while %s", self.work.task_id, doing)
            return outcomes.of_os_error(doing, error)

    async def _fetch(self) -> None:
        if self._progress.phase >= Phase.FETCHED:
            return
        with self.reporter.operation(OperationName.DOWNLOAD_INPUT):
            began = time.monotonic()
            size = await self._stopping.unless(self.exchange.fetch(self.workspace.input))
        self._reach(Phase.FETCHED, input_download_seconds=time.monotonic() - began, input_zipped_size_bytes=size)

    async def _unpack(self) -> None:
        if self._progress.phase >= Phase.UNPACKED:
            return
        with self.reporter.operation(OperationName.UNCOMPRESS_INPUT):
            began = time.monotonic()
            sim_dir = command.relative_directory(self.work.params.sim_dir) or "."
            if self.work.input_size <= SMALL_BYTES:
                self._stopping.check()
                size = self.workspace.unpack(sim_dir, self._stopping.check)
            else:
                size = await self._stopping.in_thread(lambda: self.workspace.unpack(sim_dir, self._stopping.check))
        self._reach(Phase.UNPACKED, input_decompression_seconds=time.monotonic() - began, input_size_bytes=size)

    async def _provide(self) -> None:
        if self._progress.phase >= Phase.COMPUTING:
            return  # and asked for again only when another command has to be started
        with self.reporter.operation(OperationName.DOWNLOAD_CONTAINER, {"image_uri": self.work.container_image or ""}):
            self._environment = await self._resolve()

    async def _provided(self) -> environments.Environment:
        if self._environment is None:
            self._environment = await self._resolve()
        return self._environment

    async def _resolve(self) -> environments.Environment:
        image, provided = self.work.container_image, self._tools.environments
        self._stopping.check()
        try:
            if (known := provided.get(image)) is not None:
                return known
            return await self._stopping.unless(asyncio.to_thread(provided.resolve, image))
        except environments.EnvironmentUnavailable as error:
            raise outcomes.failed_to_run(str(error)) from error

    async def _compute(self) -> Outcome:
        if self._progress.phase < Phase.COMPUTING:
            self._stopping.check()
            self.reporter.say(ComputationStarted())
            self._reach(Phase.COMPUTING)
        self._arm(self._progress.times[Phase.COMPUTING])
        return await self.computation.run(self._provided)

    # time to live: once for the way to the first command, once for the commands

    def _arm(self, began: float) -> None:
        self._disarm()
        limit = self.work.time_to_live_seconds
        if limit is None:
            return

        def expire() -> None:
            self.stop(StopCause.TTL, self.work.grace_seconds, f" of {limit:g} s")

        self._expiry = asyncio.get_running_loop().call_later(max(0.0, began + limit - time.time()), expire)

    def _disarm(self) -> None:
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None

    # storing and telling

    async def _store(self) -> None:
        with self.reporter.operation(OperationName.UPLOAD_OUTPUT) as ending:
            began = time.monotonic()
            output, problem = await self._send_output()
            ending.update(ok=output is not None)
        self._journal.append(Stored(output))
        metrics = {"output_upload_seconds": time.monotonic() - began, **_sizes(output)}
        if output is None:
            self._explain_missing_output(problem)
        self._reach(Phase.STORED, **metrics)

    async def _send_output(self) -> tuple[StoredOutput | None, str]:
        return await self.exchange.store(self.workspace.pack, is_small=self.workspace.is_small())

    def _explain_missing_output(self, problem: str) -> None:
        outcome = self._outcome()
        event = TaskEvent.EXECUTION_FAILED if outcome.event == TaskEvent.SUCCEEDED else outcome.event
        detail = f"{outcome.detail or 'The commands succeeded.'} The output could not be stored: {problem}"
        self._journal.append(Decided(Outcome(event, detail, outcome.exit_code, outcome.signal)))

    def _outcome(self) -> Outcome:
        return self._progress.outcome or Outcome(TaskEvent.RUNNER_LOST, "The runner lost track of the task.")

    async def _finish(self) -> None:
        await self.logs.drain()
        if not self.is_finished:
            self._tell_end()
        while not await self.reporter.wait_for_all():
            _LOG.warning("the output of %s was refused: %s", self.work.task_id, self.reporter.refusal)
            output, problem = await self._send_output()
            self._journal.append(Stored(output))
            if output is None:
                self._explain_missing_output(problem)
            self.reporter.take_back()
            self._say_finished()

    def _tell_end(self) -> None:
        self.reporter.say(Metrics(self._progress.metrics))
        self._say_finished()
        self._reach(Phase.FINISHED)
        self._on_finished()

    def _say_finished(self) -> None:
        outcome, output = self._outcome(), self._progress.output
        self.reporter.say(Finished(outcome.event, output, outcome.exit_code, outcome.signal, outcome.detail))

    async def end_processes(self) -> None:
        """End everything at once: the attempt is not this machine's any more."""
        self._stopping.set()
        await self.computation.tree.end(0.0)
        await self._stopping.threads_ended(_THREAD_SECONDS)

    def close(self) -> None:
        """Let go of the files."""
        self.logs.close()
        self._journal.close()


def _sizes(output: StoredOutput | None) -> dict[str, float]:
    if output is None:
        return {}
    return {
        "output_zipped_size_bytes": output.size,
        "output_size_bytes": output.uncompressed_size,
        "output_total_files": output.files,
    }
