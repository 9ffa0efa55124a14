"""Run the commands of an attempt one after the other, or go on with those that an earlier runner started."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from inductiva.protocol.runner import Work
from inductiva.protocol.status import TaskEvent
from inductiva.protocol.tasks import OperationName
from inductiva.protocol.watch import LogStream
from inductiva.runner import command as commands
from inductiva.runner import disk, outcomes, sandbox, supervisor
from inductiva.runner.environments import Environment
from inductiva.runner.journal import CommandBegun, CommandEnded, Journal, Outcome
from inductiva.runner.outcomes import Over
from inductiva.runner.polling import until
from inductiva.runner.reporter import Reporter
from inductiva.runner.stopping import Interrupted, Stopping
from inductiva.runner.supervisor import CommandFiles, Process, Streams, Tree
from inductiva.runner.tools import Tools
from inductiva.runner.workspace import Workspace

_STARTUP_SECONDS = 2.0
_SETTLE_SECONDS = 0.05

Resolve = Callable[[], Awaitable[Environment]]


class Computation:
    """The commands of one attempt. The journal says which of them are over."""

    def __init__(
        self, work: Work, workspace: Workspace, tools: Tools, journal: Journal, reporter: Reporter, stopping: Stopping
    ) -> None:
        self._work = work
        self._workspace = workspace
        self._tools = tools
        self._journal = journal
        self._reporter = reporter
        self._stopping = stopping
        self._mark = f"{work.task_id}.{work.attempt}"
        self.tree = Tree(workspace.commands, self._mark)

    async def run(self, environment: Resolve) -> Outcome:
        """Run what is left to run. Whatever comes of it, nothing of it runs any more afterwards.

        `environment` is asked when a command has to be started. Raises Over, Interrupted, and OSError when the
        machine cannot start a command. Cancelled, it leaves running what runs.
        """
        try:
            outcome = await self._run_all(environment)
        except (Over, Interrupted, OSError):
            await self._end_leftovers()
            raise
        await self._end_leftovers()
        return outcome

    async def _end_leftovers(self) -> None:
        if not await self._is_over():
            await self.tree.end(self._grace())

    async def _is_over(self) -> bool:
        """Whether nothing was left running in the background."""
        if self._tools.sandbox.bwrap is None:
            return self.tree.is_empty()
        return await self.tree.sandboxes_empty(_SETTLE_SECONDS)

    def _grace(self) -> float:
        stop = self._journal.progress.stop
        return stop.grace_seconds if stop else self._work.grace_seconds

    async def _run_all(self, environment: Resolve) -> Outcome:
        specs = self._work.params.commands
        for index in range(self._journal.progress.next_command, len(specs)):
            if self._stopping.is_set and self._journal.progress.begun is None:
                break
            attributes = {
                "command": commands.text(specs[index]),
                "container_command": " ".join(commands.words(specs[index])),
            }
            with self._reporter.operation(OperationName.EXEC_COMMAND, attributes, index) as ending:
                code = await self._run(index, environment)
                ending.update(ok=code == 0, exit_code=code)
            outcome = outcomes.lost(index, specs) if code is None else outcomes.of_exit(index, specs, code)
            self._journal.append(CommandEnded(index))
            if outcome is not None:
                return outcomes.on_full_disk(outcome) if disk.is_full(self._workspace.root) else outcome
        return Outcome(TaskEvent.SUCCEEDED)

    async def _run(self, index: int, environment: Resolve) -> int | None:
        """The exit code of command `index`; None when nobody knows it."""
        files = CommandFiles(self._workspace.commands, index)
        process = None
        if self._journal.progress.begun == index:
            process = await self._adopt(files)
            if process is None and supervisor.read_identity(files) is not None:
                return supervisor.read_exit(files)
        if process is None:
            provided = await environment()
            self._journal.append(CommandBegun(index))
            process = self._start(index, provided, files)
        try:
            code = await self._until_ended(process)
        finally:
            process.close()
        if code is None:
            await self.tree.end(0.0)
        commands.write_footer(self._workspace)
        return code

    async def _adopt(self, files: CommandFiles) -> Process | None:
        """The running command, if an earlier runner got as far as starting it."""

        def is_settled() -> bool:
            """It may be there but not yet have written who it is."""
            return supervisor.read_identity(files) is not None or self.tree.is_empty()

        await until(is_settled, _STARTUP_SECONDS, _SETTLE_SECONDS)
        return supervisor.adopt(files)

    def _start(self, index: int, environment: Environment, files: CommandFiles) -> Process:
        spec = self._work.params.commands[index]
        directory = commands.directory_outside(self._work, self._workspace)
        if directory is None:
            raise outcomes.failed_to_run(
                f"The directory {self._work.params.run_subprocess_dir!r}, in which the commands should run, "
                "is not in the input."
            )
        inside = commands.directory_inside(self._work)
        own = {**self._work.params.env, **spec.env}
        place = sandbox.Place(self._workspace.artifacts, self._workspace.scratch, self._mark)
        argv = sandbox.command_line(
            self._tools.sandbox, environment, place, inside, sandbox.variables(environment, own), commands.words(spec)
        )
        commands.write_header(self._workspace, self._tools.sandbox, spec, inside, own)
        streams = Streams(
            self._workspace.prompts(index, spec.prompts),
            self._workspace.log(LogStream.STDOUT),
            self._workspace.log(LogStream.STDERR),
        )
        return supervisor.spawn(argv, files, streams, directory, self._mark)

    async def _until_ended(self, process: Process) -> int | None:
        waiting = asyncio.ensure_future(process.wait())
        stop = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait({waiting, stop}, return_when=asyncio.FIRST_COMPLETED)
            if not waiting.done():
                await self.tree.end(self._grace())
            return await waiting
        finally:
            waiting.cancel()
            stop.cancel()
