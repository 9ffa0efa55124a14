"""One writer, many commits in one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError, OperationalError
from tests.unit.server.rig import Rig, insert_user

from inductiva.server.db import engine
from inductiva.server.db.changes import TaskChange
from inductiva.server.db.engine import Transaction
from inductiva.server.db.schema import tasks, users
from inductiva.server.services import lifecycle


def _count(rig: Rig) -> int:
    return rig.query(lambda connection: connection.execute(select(func.count()).select_from(users)).scalar_one())


def test_a_write_is_seen_by_readers_when_it_returns(rig: Rig) -> None:
    before = _count(rig)
    rig.write(insert_user, "bob")
    assert _count(rig) == before + 1


def test_writes_that_wait_share_a_transaction(rig: Rig) -> None:
    batches: list[int] = []

    def insert_all(tx: Transaction, names: list[str]) -> list[str]:
        batches.append(len(names))
        return [insert_user(tx, name) for name in names]

    async def submit_many() -> list[str]:
        writes = (rig.context.db.write_batched(insert_all, f"user-{number}") for number in range(200))
        return list(await asyncio.gather(*writes))

    assert len(set(rig.run(submit_many()))) == 200
    assert sum(batches) == 200
    assert len(batches) < 20


def test_a_failure_harms_only_itself(rig: Rig) -> None:
    async def three() -> list[object]:
        writes = [rig.context.db.write(insert_user, name) for name in ("eve", "ada", "fay")]
        return list(await asyncio.gather(*writes, return_exceptions=True))

    eve, ada, fay = rig.run(three())
    assert isinstance(eve, str)
    assert isinstance(ada, IntegrityError)
    assert isinstance(fay, str)
    assert _count(rig) == 3


def test_a_batch_that_fails_is_tried_one_by_one(rig: Rig) -> None:
    def insert_all(tx: Transaction, names: list[str]) -> list[str]:
        return [insert_user(tx, name) for name in names]

    async def three() -> list[object]:
        writes = [rig.context.db.write_batched(insert_all, name) for name in ("eve", "ada", "fay")]
        return list(await asyncio.gather(*writes, return_exceptions=True))

    results = rig.run(three())
    assert [isinstance(result, Exception) for result in results] == [False, True, False]
    assert _count(rig) == 3


def test_changes_are_told_after_the_commit_and_not_for_what_failed(rig: Rig) -> None:
    told: list[tuple[int, int]] = []

    def note(changes: Sequence[TaskChange]) -> None:
        told.append((len(changes), _count(rig)))

    def change(tx: Transaction, fail: bool) -> None:
        insert_user(tx, f"user-{fail}")
        tx.changes.append(object())  # type: ignore[arg-type]
        if fail:
            raise ValueError("no")

    rig.context.db.on_commit = note
    rig.write(change, False)
    with pytest.raises(ValueError, match="no"):
        rig.write(change, True)
    assert told == [(1, 2)]


def test_readers_cannot_write(rig: Rig) -> None:
    with pytest.raises(OperationalError, match="readonly"):
        rig.query(lambda connection: connection.execute(users.delete()))


def test_commits_are_synced_to_disk(rig: Rig) -> None:
    def pragmas(tx: Transaction, _argument: None) -> tuple[int, str]:
        synchronous = tx.conn.exec_driver_sql("PRAGMA synchronous").scalar_one()
        return synchronous, tx.conn.exec_driver_sql("PRAGMA journal_mode").scalar_one()

    assert rig.write(pragmas, None) == (2, "wal")


def test_the_database_is_private(rig: Rig, tmp_path: Path) -> None:
    assert (rig.context.config.layout.database.stat().st_mode & 0o777) == 0o600


def test_what_a_write_changed_of_a_task_is_seen_within_it_and_gone_when_it_fails(rig: Rig) -> None:
    task_id = rig.submit(rig.group())
    query = select(tasks.c.error_detail).where(tasks.c.id == task_id)

    def change_twice(tx: Transaction, fail: bool) -> list[object]:
        task = lifecycle.load(tx, [task_id])[task_id]
        lifecycle.change(tx, task, {"error_detail": "first"})
        lifecycle.change(tx, task, {"exit_code": 3})
        seen = [tx.conn.execute(query).scalar_one()]
        lifecycle.change(tx, task, {"error_detail": "second"})
        if fail:
            raise ValueError("no")
        return seen

    with pytest.raises(ValueError, match="no"):
        rig.write(change_twice, True)
    assert rig.task(task_id)["error_detail"] is None
    assert rig.write(change_twice, False) == ["first"]
    assert (rig.task(task_id)["error_detail"], rig.task(task_id)["exit_code"]) == ("second", 3)


def test_the_write_ahead_log_begins_anew_while_writes_go_on(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "CHECKPOINT_CHANGES", 20)
    database = rig.context.config.layout.database
    log = database.with_name(f"{database.name}-wal")
    for number in range(600):
        rig.write(insert_user, f"user-{number}")
    page = 4096  # each commit adds one to the log at the least
    assert log.stat().st_size < 600 * page, "what was copied has been written over"
    assert _count(rig) == 601
