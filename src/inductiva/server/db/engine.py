"""The database: many readers, one writer that commits everything that waits in one transaction.

An fsync costs far more than an insert. So writes queue up while a commit is under way, and the writer thread takes all
of them into the next transaction: each is durable when its future resolves, and pays for a share of one fsync.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import msgspec
import sqlalchemy
from sqlalchemy import Connection, Engine

from inductiva.server.db.changes import TaskChange, Unwritten
from inductiva.server.db.prepared import driver, to_json

A = TypeVar("A")
R = TypeVar("R")

MAX_GROUP = 2000
"""Writes of one transaction, so that the first of them does not wait for thousands of others."""
CHECKPOINT_CHANGES = 2000
"""Rows that change until the write-ahead log is copied into the database."""

_PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    "PRAGMA busy_timeout=10000",
    "PRAGMA cache_size=-16000",
    "PRAGMA temp_store=MEMORY",
    "PRAGMA wal_autocheckpoint=0",  # a commit would wait for it: see `_checkpoint_when_due`
)


@dataclass(slots=True)
class Transaction:
    """What a write gets: the connection, the time, and where to note which tasks it changed, and how.

    `connection` is for statements that do not look at tasks and their logs: what is `unwritten` is not there yet.
    """

    connection: Connection
    now: float
    changes: list[TaskChange] = field(default_factory=list)
    unwritten: Unwritten = field(default_factory=Unwritten)

    @property
    def conn(self) -> Connection:
        """The connection, on which everything that was changed can be seen."""
        self.unwritten.write(self.connection)
        return self.connection


Future = asyncio.Future[Any] | concurrent.futures.Future[Any]


class _Outcome:
    """Keeps what a handler returned or raised, for its future. Whatever it raised is its caller's, not the writer's."""

    __slots__ = ("error", "result")

    def __init__(self) -> None:
        self.result: Any = None
        self.error: BaseException | None = None

    def __enter__(self) -> _Outcome:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self.error = error
        return True

    def settle(self, future: Future) -> None:
        if future.done():
            return
        if self.error is not None:
            future.set_exception(self.error)
        else:
            future.set_result(self.result)


@dataclass(slots=True)
class _Write:
    handler: Callable[[Transaction, Any], Any]
    argument: Any
    batched: bool
    future: Future
    outcome: _Outcome = field(default_factory=_Outcome)


def _connect(path: Path, read_only: bool) -> Engine:
    engine = sqlalchemy.create_engine(
        f"sqlite:///{path}",
        isolation_level="AUTOCOMMIT",  # transactions are begun and ended by the writer, in its own words
        json_serializer=to_json,
        json_deserializer=msgspec.json.decode,
    )

    @sqlalchemy.event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: object) -> None:
        for pragma in (*_PRAGMAS, "PRAGMA query_only=ON") if read_only else _PRAGMAS:
            connection.execute(pragma)

    return engine


class Database:
    """`write` and `write_batched` from the event loop, `run` from any other thread; `read`, `peek` for queries.

    `on_commit` is told of the tasks that changed after each commit and before the futures of its writes resolve: in the
    event loop once `bind` named one, else in the writer's thread.
    """

    def __init__(
        self,
        path: Path,
        clock: Callable[[], float],
        on_commit: Callable[[Sequence[TaskChange]], None] = lambda changes: None,
    ) -> None:
        self._clock = clock
        self.on_commit = on_commit
        self._writer_engine = _connect(path, read_only=False)
        self._writer = self._writer_engine.connect()
        self._sqlite = driver(self._writer)
        self._copying: concurrent.futures.Future[None] | None = None
        self._copied_changes = 0
        self._readers = _connect(path, read_only=True)
        self._peeker: Connection | None = None
        self._pool = concurrent.futures.ThreadPoolExecutor(2, thread_name_prefix="db-read")
        self._loop: asyncio.AbstractEventLoop | None = None
        self._queue: queue.SimpleQueue[_Write | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write_all, name="db-write", daemon=True)
        self._thread.start()

    def bind(self, loop: asyncio.AbstractEventLoop) -> None:
        """Names the event loop in which futures resolve and changes are told."""
        self._loop = loop

    # Writes

    async def write(self, handler: Callable[[Transaction, A], R], argument: A) -> R:
        """Runs `handler` in a transaction with others (its own savepoint); returns after the commit."""
        result: R = await self._enqueue(handler, argument, batched=False)
        return result

    async def write_batched(self, handler: Callable[[Transaction, list[A]], Sequence[R | Exception]], argument: A) -> R:
        """As `write`, for a handler that takes what waits for it as one list and answers one result (or error) each."""
        result: R = await self._enqueue(handler, argument, batched=True)
        return result

    def run(self, handler: Callable[[Transaction, A], R], argument: A) -> R:
        """As `write`, for callers outside of the event loop: blocks until the commit."""
        future: concurrent.futures.Future[R] = concurrent.futures.Future()
        self._queue.put(_Write(handler, argument, False, future))
        return future.result()

    def _enqueue(self, handler: Callable[[Transaction, Any], Any], argument: Any, batched: bool) -> asyncio.Future[Any]:
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._queue.put(_Write(handler, argument, batched, future))
        return future

    def _write_all(self) -> None:
        while (first := self._queue.get()) is not None:
            group = [first]
            while len(group) < MAX_GROUP and not self._queue.empty():
                item = self._queue.get()
                if item is None:
                    self._queue.put(None)
                    break
                group.append(item)
            self._commit(group)
            self._checkpoint_when_due()

    def _commit(self, group: list[_Write]) -> None:
        tx = Transaction(self._writer, self._clock())
        with _Outcome() as whole:
            self._sqlite.execute("BEGIN IMMEDIATE")
            for (handler, batched), items in groupby(group, key=lambda item: (item.handler, item.batched)):
                if batched:
                    _run_batch(tx, handler, list(items))
                else:
                    for item in items:
                        _run_one(tx, item)
            self._sqlite.execute("COMMIT")
        if whole.error is not None:
            with _Outcome():
                self._sqlite.execute("ROLLBACK")
            tx.changes.clear()
            for item in group:
                item.outcome.error = whole.error
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._deliver, group, tx.changes)
        else:
            self._deliver(group, tx.changes)

    def _checkpoint_when_due(self) -> None:
        """Another connection copies most of the write-ahead log while commits go on; then the writer the small rest.

        Only when all is copied can the log begin anew, and only between two commits nothing is added to it.
        """
        changes = self._sqlite.total_changes
        if self._copying is None:
            if changes - self._copied_changes >= CHECKPOINT_CHANGES:
                self._copying = self._pool.submit(self.query, _copy_log)
        elif self._copying.done():
            self._copying = None
            self._copied_changes = changes
            with _Outcome():  # a full disk is told to those who write
                _copy_log(self._writer)

    def _deliver(self, group: list[_Write], changes: list[TaskChange]) -> None:
        if changes:
            self.on_commit(changes)
        for item in group:
            item.outcome.settle(item.future)

    # Reads

    async def read(self, query: Callable[[Connection], R]) -> R:
        """Runs a query that may take long in a thread of its own."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, self.query, query)

    def query(self, query: Callable[[Connection], R]) -> R:
        """Runs a query in the calling thread."""
        with self._readers.connect() as connection:
            return query(connection)

    def peek(self, query: Callable[[Connection], R]) -> R:
        """Runs a query by key in the event loop's thread: for one row a thread would cost more than the query."""
        if self._peeker is None:
            self._peeker = self._readers.connect()
        return query(self._peeker)

    def close(self) -> None:
        """Ends the writer after what waits, and closes all connections."""
        self._queue.put(None)
        self._thread.join()
        self._pool.shutdown()
        if self._peeker is not None:
            self._peeker.close()
        self._writer.close()
        self._writer_engine.dispose()
        self._readers.dispose()


def _copy_log(connection: Connection) -> None:
    driver(connection).execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()


def _run_one(tx: Transaction, item: _Write) -> None:
    _within_savepoint(tx, item.outcome, item.handler, item.argument)


def _run_batch(tx: Transaction, handler: Callable[[Transaction, Any], Any], items: list[_Write]) -> None:
    whole = _Outcome()
    _within_savepoint(tx, whole, handler, [item.argument for item in items])
    if whole.error is None:
        for item, result in zip(items, whole.result, strict=True):
            _note(item.outcome, result)
    elif len(items) == 1:
        items[0].outcome.error = whole.error
    else:
        for item in items:  # one of them harms only itself
            _run_batch(tx, handler, [item])


def _within_savepoint(
    tx: Transaction, outcome: _Outcome, handler: Callable[[Transaction, Any], Any], argument: Any
) -> None:
    told = len(tx.changes)
    sqlite = driver(tx.connection)
    sqlite.execute("SAVEPOINT one")
    with outcome:
        outcome.result = handler(tx, argument)
        tx.unwritten.write(tx.connection)
    if outcome.error is not None:
        sqlite.execute("ROLLBACK TO one")
        tx.unwritten.clear()
        del tx.changes[told:]
    sqlite.execute("RELEASE one")


def _note(outcome: _Outcome, result: object) -> None:
    if isinstance(result, Exception):
        outcome.error = result
    else:
        outcome.result = result
