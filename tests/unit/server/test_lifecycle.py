"""The one function that changes statuses."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.server.rig import START, Rig

from inductiva.protocol.status import Actor, TaskEvent, TaskStatusCode
from inductiva.server.db.engine import Transaction
from inductiva.server.services.lifecycle import load, transition


def _apply(rig: Rig, task_id: str, event: TaskEvent, actor: Actor, **given: Any) -> TaskStatusCode | None:
    def handler(tx: Transaction, _argument: None) -> TaskStatusCode | None:
        return transition(tx, load(tx, [task_id])[task_id], event, actor, **given)

    return rig.write(handler, None)


def test_a_transition_writes_status_time_and_event(rig: Rig) -> None:
    task_id = rig.submit(rig.group())
    rig.clock.now += 5
    assert _apply(rig, task_id, TaskEvent.INPUT_UPLOADED, Actor.CLIENT) is TaskStatusCode.SUBMITTED
    task = rig.task(task_id)
    assert task["status"] == TaskStatusCode.SUBMITTED
    assert task["input_submitted_at"] == START + 5
    assert task["event_seq"] == 1
    assert rig.events(task_id) == [TaskEvent.INPUT_UPLOADED]


def test_an_event_that_cannot_happen_changes_nothing(rig: Rig) -> None:
    task_id = rig.submit(rig.group())
    before = rig.task(task_id)
    assert _apply(rig, task_id, TaskEvent.SUCCEEDED, Actor.RUNNER) is None
    assert rig.task(task_id) == before
    assert rig.events(task_id) == []


def test_an_actor_may_send_only_its_own_events(rig: Rig) -> None:
    task_id = rig.submit(rig.group())
    with pytest.raises(ValueError, match="runner may not send"):
        _apply(rig, task_id, TaskEvent.INPUT_UPLOADED, Actor.RUNNER)


def test_terminal_statuses_absorb_everything(rig: Rig) -> None:
    task_id = rig.submit(rig.group())
    _apply(rig, task_id, TaskEvent.KILL_REQUESTED, Actor.CLIENT)
    before = rig.task(task_id)
    assert before["status"] == TaskStatusCode.KILLED
    for event, actor in ((TaskEvent.INPUT_UPLOADED, Actor.CLIENT), (TaskEvent.SUCCEEDED, Actor.RUNNER)):
        assert _apply(rig, task_id, event, actor) is None
    assert rig.task(task_id) == before
