"""The machines of groups: started, started again when they end, added when a queue is long, and sent home."""

from __future__ import annotations

import asyncio
import logging
import secrets
import subprocess
import time
import uuid
from pathlib import Path

from sqlalchemy import Connection, func, select

from inductiva.protocol.compute import MachineGroupStatus, Provider
from inductiva.protocol.runner import MachineConfig, Retire
from inductiva.protocol.status import TaskStatusCode
from inductiva.server import problems
from inductiva.server.context import Context
from inductiva.server.db.schema import machine_groups, machines, tasks
from inductiva.server.engines import local
from inductiva.server.services import groups
from inductiva.server.services.machines import NewMachine, create, holds_work, note_pid

logger = logging.getLogger(__name__)

START_SECONDS = 20.0
FIRST_BACKOFF, LAST_BACKOFF = 0.1, 2.0
HEALTHY_SECONDS = 10.0


class Fleet:
    """Starts, watches and ends the runner processes of machine groups."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.host = local.this_host()
        self._watching: dict[str, asyncio.Task[None]] = {}
        self.server_url = ""
        self.retiring = False
        self._limits: dict[str, int] = {}
        self._growing: set[str] = set()

    def directory(self, machine_id: str) -> Path:
        return self._context.config.layout.machines / machine_id

    async def start(self, group: groups.GroupRow) -> None:
        """Starts a group's machines and waits until they have connected. Raises Unavailable."""
        wanted = [await self.add(group["id"]) for _ in range(group["num_vms"])]
        try:
            await asyncio.wait_for(self._connected(group["id"], wanted), START_SECONDS)
        except TimeoutError:
            missing = next(machine_id for machine_id in wanted if machine_id not in self._context.links)
            directory = self.directory(missing)
            raise problems.Unavailable(
                f"the runner of machine {missing} did not connect within {START_SECONDS:.0f} s; "
                f"the end of its log {directory / 'runner.log'} says: {local.last_words(directory)}"
            ) from None

    async def _connected(self, group_id: str, machine_ids: list[str]) -> None:
        event = asyncio.Event()
        with self._context.hub.listen(event, group_id):
            while not all(machine_id in self._context.links for machine_id in machine_ids):
                event.clear()
                await event.wait()

    async def add(self, group_id: str) -> str:
        """Adds a machine to a group and starts its runner. Returns its id."""
        new = NewMachine(str(uuid.uuid4()), group_id, secrets.token_urlsafe(32))
        await self._context.db.write(create, new)
        local.prepare(self.directory(new.id), self._config(new))
        self.watch(new.id, None)
        return new.id

    def _config(self, new: NewMachine) -> MachineConfig:
        layout = self._context.config.layout
        return MachineConfig(
            runner_id=new.id,
            token=new.token,
            server_url=self.server_url,
            environments=str(layout.environments),
            server_info=str(layout.server_info),
        )

    def resume(self) -> None:
        """After a start of the server: watches the machines of groups that are in use, starting those that are gone."""
        for machine_id, pid in self._context.db.query(_machines_in_use):
            self.watch(machine_id, pid)

    def watch(self, machine_id: str, pid: int | None) -> None:
        if machine_id not in self._watching:
            task = self._context.spawn(self._keep_running(machine_id, pid))
            self._watching[machine_id] = task
            task.add_done_callback(lambda _: self._watching.pop(machine_id, None))

    async def _keep_running(self, machine_id: str, pid: int | None) -> None:
        backoff = FIRST_BACKOFF
        while not self._ending() and self._context.db.peek(lambda c: _is_wanted(c, machine_id)):
            process: subprocess.Popen[bytes] | None = None
            if pid is None or not local.is_runner(pid, self.directory(machine_id)):
                process = local.spawn(self.directory(machine_id))
                pid = process.pid
                await self._context.db.write(note_pid, (machine_id, pid))
            began = time.monotonic()
            await local.ended(pid)
            if process is not None:
                logger.info("runner %s (pid %d) ended with %s", machine_id, pid, process.poll())
            pid = self._context.db.peek(lambda c: _pid(c, machine_id))  # another may hold the machine's lock
            backoff = FIRST_BACKOFF if time.monotonic() - began > HEALTHY_SECONDS else min(backoff * 2, LAST_BACKOFF)
            if not self._ending():
                await asyncio.sleep(backoff)
        await self._context.db.write(groups.machine_left, machine_id)
        if self._context.db.peek(lambda c: _has_left(c, machine_id)):
            await asyncio.to_thread(local.forget, self.directory(machine_id))
        self._context.sweeper.wake()

    def _ending(self) -> bool:
        return self.retiring or self._context.closing.is_set()

    async def retire(self, seconds: float) -> None:
        """Sends all machines home, because the server ends with nothing left to do."""
        self.retiring = True
        for link in self._context.links.values():
            link.retiring = True
            link.send(Retire("the server ends because there is nothing to do"))
        if self._watching:
            await asyncio.wait(self._watching.values(), timeout=seconds)

    def kill(self, machine_id: str) -> None:
        """Ends a runner process that did not leave when it was asked to."""
        local.kill(self._context.db.query(lambda connection: _pid(connection, machine_id)), self.directory(machine_id))

    def grow(self, group_id: str) -> None:
        """Adds a machine to an elastic group while tasks wait, none of its machines is free, and it may have more."""
        if group_id not in self._limits:
            self._limits[group_id] = self._context.db.peek(lambda connection: _limit(connection, group_id))
        if self._limits[group_id] and group_id not in self._growing:
            self._growing.add(group_id)
            self._context.spawn(self._grow(group_id))

    async def _grow(self, group_id: str) -> None:
        try:
            if self._context.db.peek(lambda connection: _may_grow(connection, group_id, self._limits[group_id])):
                machine_id = await self.add(group_id)
                await asyncio.wait_for(self._connected(group_id, [machine_id]), START_SECONDS)
        except TimeoutError:
            logger.warning("a machine added to group %s has not connected within %.0f s", group_id, START_SECONDS)
        finally:
            self._growing.discard(group_id)


def _pid(connection: Connection, machine_id: str) -> int | None:
    return connection.execute(select(machines.c.pid).where(machines.c.id == machine_id)).scalar_one_or_none()


def _has_left(connection: Connection, machine_id: str) -> bool:
    query = select(machines.c.terminated_at).where(machines.c.id == machine_id)
    return connection.execute(query).scalar_one_or_none() is not None


def _is_wanted(connection: Connection, machine_id: str) -> bool:
    """Whether a machine should run: its group is in use, or is ending and waits for what the machine holds."""
    row = connection.execute(
        select(machine_groups.c.status, machines.c.terminated_at).join(machines).where(machines.c.id == machine_id)
    ).one_or_none()
    if row is None or row.terminated_at is not None:
        return False
    return row.status in _IN_USE or (
        row.status == MachineGroupStatus.SHUTTING_DOWN and holds_work(connection, machine_id)
    )


_IN_USE = (MachineGroupStatus.STARTING, MachineGroupStatus.STARTED)


def _limit(connection: Connection, group_id: str) -> int:
    """How many machines an elastic group may have; 0 for a group that does not grow."""
    elastic = (machine_groups.c.is_elastic.is_(True)) & (machine_groups.c.provider_id != Provider.LOCAL)
    query = select(machine_groups.c.max_vms).where(machine_groups.c.id == group_id, elastic)
    return connection.execute(query).scalar_one_or_none() or 0


def _may_grow(connection: Connection, group_id: str, limit: int) -> bool:
    status = connection.execute(select(machine_groups.c.status).where(machine_groups.c.id == group_id)).scalar()
    present = select(func.count()).where(machines.c.group_id == group_id, machines.c.terminated_at.is_(None))
    waits = select(tasks.c.id).where(tasks.c.group_id == group_id, tasks.c.status == TaskStatusCode.SUBMITTED).limit(1)
    return (
        status == MachineGroupStatus.STARTED
        and connection.execute(present).scalar_one() < limit
        and connection.execute(waits).first() is not None
    )


def _machines_in_use(connection: Connection) -> list[tuple[str, int | None]]:
    query = (
        select(machines.c.id, machines.c.pid)
        .join(machine_groups)
        .where(machines.c.terminated_at.is_(None), machine_groups.c.provider_id != Provider.LOCAL)
    )
    return [(row.id, row.pid) for row in connection.execute(query)]
