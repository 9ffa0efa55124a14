"""The server's services on a real database in a directory of their own, with a clock that tests move."""

from __future__ import annotations

import asyncio
import hashlib
import time
import uuid
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, insert, select

from inductiva.archive import Entry, ZipStream
from inductiva.protocol.compute import Provider, RegisterGroupRequest
from inductiva.protocol.runner import (
    AttemptRef,
    ComputationEnded,
    ComputationStarted,
    Finished,
    HostInfo,
    Report,
    ReportBody,
    StoredOutput,
)
from inductiva.protocol.status import TaskEvent, TaskStatusCode
from inductiva.protocol.tasks import TaskRequest
from inductiva.server.config import Config
from inductiva.server.context import Context, open_context
from inductiva.server.db.engine import Transaction
from inductiva.server.db.schema import task_events, tasks, users
from inductiva.server.services import attempts, groups, machines, queue, submission
from inductiva.server.services import tasks as task_services
from inductiva.server.services.links import RunnerLink

T = TypeVar("T")
START = 1_800_000_000.0
HOST = HostInfo("host", 4, 2, 16 * 10**9, 10**11, 4242, "none")
DIRECTORY, FILE = 0o040755, 0o100644


@dataclass
class Clock:
    """Seconds since the epoch, moved by hand."""

    now: float = START

    def __call__(self) -> float:
        return self.now


def eventually(look: Callable[[], T | None], what: str, seconds: float = 20.0) -> T:
    """Looks until there is something to see; fails with `what` after a deadline."""
    deadline = time.monotonic() + seconds
    while not (seen := look()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:.0f} s: {what}")
        time.sleep(0.005)
    return seen


def zipped(files: dict[str, bytes], root: str) -> bytes:
    """A zip archive with an entry for its root directory."""
    entries = [Entry(root, None, DIRECTORY, START, 0)]
    entries += [Entry(root + name, data, FILE, START, len(data)) for name, data in files.items()]
    return b"".join(ZipStream(entries))


INPUT = zipped({"run.sh": b"true\n"}, "sim_dir/")
OUTPUT = zipped({"stdout.txt": b"hello\n", "stderr.txt": b"", "vtk/frame.vtk": b"points"}, "artifacts/")


def stored(data: bytes) -> StoredOutput:
    return StoredOutput(len(data), hashlib.sha256(data).hexdigest(), files=3, uncompressed_size=12)


def insert_user(tx: Transaction, name: str) -> str:
    user_id = str(uuid.uuid4())
    tx.conn.execute(insert(users).values(id=user_id, username=name, email=f"{name}@localhost", created_at=tx.now))
    return user_id


@dataclass
class Rig:
    """`run` awaits something in the rig's loop; the other methods do what clients and runners cause."""

    context: Context
    clock: Clock
    runner: asyncio.Runner
    user_id: str
    seq: dict[tuple[str, int], int] = field(default_factory=dict)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def write(self, handler: Callable[[Transaction, Any], T], argument: Any) -> T:
        return self.run(self.context.db.write(handler, argument))

    def query(self, query: Callable[[Connection], T]) -> T:
        return self.context.db.query(query)

    def group(self, **given: Any) -> str:
        """A started group whose machines join by themselves."""
        request = RegisterGroupRequest(provider_id=Provider.LOCAL, **given)
        return self.write(groups.register, groups.prepare(self.user_id, request, self.context.fleet.host))

    def machine(self, group_id: str) -> str:
        new = machines.NewMachine(str(uuid.uuid4()), group_id, str(uuid.uuid4()))
        self.write(machines.create, new)
        return new.id

    def link(self, group_id: str, slots: int = 0) -> RunnerLink:
        """A runner that is connected."""
        link = RunnerLink(self.machine(group_id), group_id, "http://server", slots=slots)
        self.context.links[link.runner_id] = link
        return link

    def submit(self, group_id: str, key: str | None = None, **given: Any) -> str:
        request = TaskRequest(simulator="arbitrary_commands", resource_pool=group_id, **given)
        prepared = submission.prepare(self.user_id, request, key)
        submitted: submission.Submitted = self.run(self.context.db.write_batched(submission.insert_all, prepared))
        return submitted.task_id

    def task(self, task_id: str) -> dict[str, Any]:
        row = self.query(
            lambda connection: connection.execute(select(tasks).where(tasks.c.id == task_id)).mappings().one()
        )
        return dict(row)

    def status(self, task_id: str) -> TaskStatusCode:
        return TaskStatusCode(self.task(task_id)["status"])

    def events(self, task_id: str) -> list[TaskEvent]:
        query = select(task_events.c.event).where(task_events.c.task_id == task_id).order_by(task_events.c.seq)
        return [TaskEvent(event) for event in self.query(lambda connection: connection.execute(query).scalars().all())]

    def put(self, path: Path, data: bytes) -> None:
        with self.context.store.incoming(path) as incoming:
            incoming.write(data)
            incoming.commit()

    def upload(self, task_id: str, data: bytes = INPUT) -> None:
        task = self.task(task_id)
        self.put(self.context.store.locate(self.user_id, task_services.input_path(task)), data)
        self.run(task_services.input_uploaded(self.context, task))

    def queued(self, group_id: str, **given: Any) -> str:
        task_id = self.submit(group_id, **given)
        self.upload(task_id)
        return task_id

    def claim(self, group_id: str, *runner_ids: str) -> list[dict[str, Any]]:
        lease = self.context.config.lease_seconds
        return self.write(queue.claim, queue.ClaimRequest(group_id, list(runner_ids), lease))

    def running(self, group_id: str, runner_id: str, **given: Any) -> str:
        """A task that computes on a machine, in its first attempt."""
        task_id = self.queued(group_id, **given)
        self.claim(group_id, runner_id)
        self.tell(runner_id, task_id, 1, ComputationStarted())
        return task_id

    def tell(self, runner_id: str, task_id: str, attempt: int, *bodies: ReportBody) -> list[attempts.Answer]:
        """Reports with the next numbers of the attempt."""
        reports = []
        for body in bodies:
            place = (task_id, attempt)
            self.seq[place] = self.seq.get(place, 0) + 1
            reports.append(Report(task_id, attempt, self.seq[place], self.clock.now, body))
        return self.deliver(runner_id, reports)

    def deliver(self, runner_id: str, reports: Iterable[Report]) -> list[attempts.Answer]:
        return self.run(attempts.accept(self.context, runner_id, list(reports)))

    def stage(self, task_id: str, attempt: int, data: bytes = OUTPUT) -> None:
        self.put(self.context.store.staged(task_id, attempt), data)

    def succeed(self, runner_id: str, task_id: str, attempt: int = 1) -> list[attempts.Answer]:
        self.stage(task_id, attempt)
        finished = Finished(TaskEvent.SUCCEEDED, stored(OUTPUT), exit_code=0)
        return self.tell(runner_id, task_id, attempt, ComputationEnded(), finished)

    def renew(self, runner_id: str, *attempts_held: tuple[str, int]) -> list[Any]:
        refs = [AttemptRef(*held) for held in attempts_held]
        return self.write(attempts.renew, attempts.Renewal(runner_id, self.context.config.lease_seconds, refs))

    def sweep(self) -> float:
        return self.run(self.context.sweeper.sweep())


def open_rig(directory: Path, **options: Any) -> Rig:
    clock = Clock()
    context = open_context(Config(data_dir=directory, **options), clock)
    runner = asyncio.Runner()
    context.db.bind(runner.get_loop())
    rig = Rig(context, clock, runner, "")
    rig.user_id = rig.write(insert_user, "ada")
    return rig


def close_rig(rig: Rig) -> None:
    rig.context.closing.set()
    rig.context.db.close()
    rig.runner.close()


def reopen_rig(rig: Rig) -> Rig:
    """The same data directory and time after a crash of the server: nothing that it only remembered is left."""
    context = open_context(rig.context.config, rig.clock)
    close_rig(rig)
    runner = asyncio.Runner()
    context.db.bind(runner.get_loop())
    return Rig(context, rig.clock, runner, rig.user_id, rig.seq)
