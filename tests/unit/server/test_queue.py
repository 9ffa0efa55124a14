"""First come, first served; one claim, one attempt."""

from __future__ import annotations

from tests.unit.server.rig import START, Rig

from inductiva.protocol.compute import MachineGroupStatus
from inductiva.protocol.status import TaskStatusCode
from inductiva.server.services import groups
from inductiva.server.services.queue import tasks_ahead
from inductiva.server.services.tasks import kill


def _ahead(rig: Rig, task_id: str) -> int:
    task = rig.task(task_id)
    return rig.query(lambda connection: tasks_ahead(connection, task["group_id"], task["queue_seq"]))


def test_tasks_are_handed_out_in_the_order_of_their_input(rig: Rig) -> None:
    group = rig.group()
    late, early = rig.submit(group), rig.submit(group)
    rig.upload(early)
    rig.upload(late)
    machine = rig.machine(group)
    order = [rig.claim(group, machine)[0]["id"] for _ in range(2)]
    assert order == [early, late]
    assert rig.claim(group, machine) == []


def test_a_claim_numbers_the_attempt_and_begins_a_lease(rig: Rig) -> None:
    group = rig.group()
    task_id, machine = rig.queued(group), rig.machine(group)
    [claimed] = rig.claim(group, machine)
    assert claimed == rig.task(task_id)
    assert (claimed["attempt"], claimed["runner_id"], claimed["status"]) == (1, machine, TaskStatusCode.STARTED)
    assert claimed["lease_until"] == START + rig.context.config.lease_seconds


def test_each_slot_gets_a_task_of_its_own(rig: Rig) -> None:
    group = rig.group()
    queued = [rig.queued(group) for _ in range(5)]
    first, second = rig.machine(group), rig.machine(group)
    claimed = rig.claim(group, first, first, second)
    assert [(task["id"], task["runner_id"]) for task in claimed] == list(
        zip(queued[:3], (first, first, second), strict=True)
    )


def test_groups_have_queues_of_their_own(rig: Rig) -> None:
    mine, other = rig.group(), rig.group()
    rig.queued(other)
    assert rig.claim(mine, rig.machine(mine)) == []


def test_a_group_that_has_not_started_hands_out_nothing(rig: Rig) -> None:
    group = rig.group()
    task_id, machine = rig.queued(group), rig.machine(group)
    rig.write(groups.set_status, groups.StatusChange(group, MachineGroupStatus.STARTING))
    assert rig.claim(group, machine) == []
    rig.write(groups.set_status, groups.StatusChange(group, MachineGroupStatus.STARTED))
    assert [task["id"] for task in rig.claim(group, machine)] == [task_id]


def test_the_position_counts_those_ahead_in_the_same_queue(rig: Rig) -> None:
    group = rig.group()
    rig.queued(rig.group())
    first, second, third = (rig.queued(group) for _ in range(3))
    assert [_ahead(rig, task_id) for task_id in (first, second, third)] == [0, 1, 2]
    rig.write(kill, second)
    assert _ahead(rig, third) == 1
    rig.claim(group, rig.machine(group))
    assert _ahead(rig, third) == 0


def test_a_killed_task_is_not_handed_out(rig: Rig) -> None:
    group = rig.group()
    task_id = rig.queued(group)
    rig.write(kill, task_id)
    assert rig.status(task_id) is TaskStatusCode.KILLED
    assert rig.claim(group, rig.machine(group)) == []
