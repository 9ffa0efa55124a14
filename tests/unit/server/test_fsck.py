"""`fsck` finds nothing where all is well, and each thing that is not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import delete, update
from tests.unit.server.rig import Rig

from inductiva.protocol.status import TaskStatusCode
from inductiva.protocol.watch import LogStream
from inductiva.server.__main__ import main
from inductiva.server.db.engine import Transaction
from inductiva.server.db.schema import task_events, tasks
from inductiva.server.services.tasks import kill, output_path


def _fsck(rig: Rig, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[str]]:
    code = main(["fsck", "--json", "--data-dir", str(rig.context.config.data_dir)])
    report = json.loads(capsys.readouterr().out)
    return code, [finding["kind"] for finding in report["findings"]]


@pytest.fixture
def story(rig: Rig) -> str:
    """A task of each kind; returns the one that succeeded."""
    group = rig.group()
    first, second = rig.machine(group), rig.machine(group)
    done = rig.running(group, first)
    rig.context.logs.append(done, 1, LogStream.STDOUT, 0, b"log")
    rig.succeed(first, done)
    rig.running(group, first, resubmit_on_preemption=True)
    rig.running(group, second)
    rig.clock.now += 31
    rig.sweep()
    rig.running(group, first)
    rig.write(kill, rig.queued(group))
    rig.submit(group)
    return done


def test_all_is_well(rig: Rig, story: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert _fsck(rig, capsys) == (0, [])
    assert main(["fsck", "--data-dir", str(rig.context.config.data_dir)]) == 0
    assert "6 tasks checked, 0 findings" in capsys.readouterr().out


def _set_status(tx: Transaction, task_id: str) -> None:
    tx.conn.execute(update(tasks).where(tasks.c.id == task_id).values(status=TaskStatusCode.FAILED))


def _lose_event(tx: Transaction, task_id: str) -> None:
    tx.conn.execute(delete(task_events).where(task_events.c.task_id == task_id, task_events.c.seq == 2))


def _set_attempt(tx: Transaction, task_id: str) -> None:
    tx.conn.execute(update(tasks).where(tasks.c.id == task_id).values(attempt=2))


def _set_time(tx: Transaction, task_id: str) -> None:
    tx.conn.execute(update(tasks).where(tasks.c.id == task_id).values(started_at=5.0))


@pytest.mark.parametrize(
    ("damage", "kind"),
    [(_set_status, "status"), (_lose_event, "status"), (_set_attempt, "attempt"), (_set_time, "time")],
)
def test_a_damaged_database_is_found(
    rig: Rig, story: str, capsys: pytest.CaptureFixture[str], damage: Callable[[Transaction, str], None], kind: str
) -> None:
    rig.write(damage, story)
    code, kinds = _fsck(rig, capsys)
    assert code == 1
    assert kind in kinds


def _output(rig: Rig, story: str) -> Path:
    return rig.context.store.locate(rig.user_id, output_path(rig.task(story)))


def test_a_missing_or_changed_output_is_found(rig: Rig, story: str, capsys: pytest.CaptureFixture[str]) -> None:
    output = _output(rig, story)
    whole = output.read_bytes()
    output.write_bytes(whole[:-1])
    assert _fsck(rig, capsys) == (1, ["output"])
    output.unlink()
    assert _fsck(rig, capsys) == (1, ["output"])
    output.write_bytes(whole)
    assert _fsck(rig, capsys) == (0, [])


def test_what_belongs_to_nothing_is_found(rig: Rig, story: str, capsys: pytest.CaptureFixture[str]) -> None:
    rig.stage(story, 1)
    (rig.context.config.layout.machines / "m" / "attempts" / f"{story}.1").mkdir(parents=True)
    assert _fsck(rig, capsys) == (1, ["orphan", "orphan"])


def test_a_directory_without_a_database_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fsck", "--data-dir", str(tmp_path)]) == 2
    assert "no database" in capsys.readouterr().err
