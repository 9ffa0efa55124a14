"""Machine groups: what they mean here, and how they end."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.server.rig import START, Rig

from inductiva.protocol.compute import MachineGroupStatus, Provider, RegisterGroupRequest
from inductiva.protocol.runner import ComputationEnded, Finished, StopCause
from inductiva.protocol.status import ON_MACHINE, TaskEvent, TaskStatusCode
from inductiva.protocol.times import to_wire
from inductiva.server import problems
from inductiva.server.domain.shapes import Host
from inductiva.server.services import groups
from inductiva.server.services.links import RunnerLink

SMALL = Host("laptop", 2, 1, 8.0)
LARGE = Host("workstation", 64, 32, 256.0)


def _prepare(host: Host = LARGE, **given: Any) -> dict[str, Any]:
    request = RegisterGroupRequest(**{"machine_type": "c2-standard-4", **given})
    return groups.prepare("user", request, host).values


def _status(rig: Rig, group_id: str) -> str:
    return str(rig.query(lambda connection: groups.find(connection, rig.user_id, group_id))["status"])


def _terminate(rig: Rig, group_id: str, **given: Any) -> None:
    row = rig.query(lambda connection: groups.find(connection, rig.user_id, group_id))
    rig.run(groups.terminate(rig.context, row, **given))


def _names(link: RunnerLink) -> list[str]:
    import msgspec

    from inductiva.protocol.runner import ToRunner

    found = []
    while not link.outbox.empty():
        item = link.outbox.get_nowait()
        assert isinstance(item, bytes)
        found.append(type(msgspec.msgpack.decode(item, type=ToRunner)).__name__)
    return found


def test_a_machine_type_keeps_its_shape() -> None:
    values = _prepare()
    assert (values["cpu_cores_logical"], values["cpu_cores_physical"], values["ram_gb"]) == (4, 2, 16.0)
    assert values["notices"] == []
    assert values["status"] is MachineGroupStatus.REGISTERED


def test_a_smaller_computer_is_said() -> None:
    [notice] = _prepare(SMALL)["notices"]
    assert "4 vCPUs" in notice
    assert "laptop" in notice
    [notice] = _prepare(Host("big", 6, 3, 64.0), num_vms=2)["notices"]
    assert "2 x c2-standard-4" in notice


def test_an_unknown_machine_type_names_close_ones() -> None:
    with pytest.raises(problems.Invalid, match="did you mean c2-standard-4"):
        _prepare(machine_type="c2-standard4")


@pytest.mark.parametrize(
    "given",
    [
        {"num_vms": 0, "min_vms": 0, "max_vms": -1, "is_elastic": True},
        {"num_vms": 1000},
        {"is_elastic": True, "min_vms": 3, "max_vms": 2},
        {"max_idle_time": -1.0},
        {"auto_terminate_ts": "tomorrow"},
        {"auto_terminate_ts": "2026-01-31T12:00:00"},
        {"name": "a/b"},
        {"machine_type": None},
    ],
)
def test_what_makes_no_sense_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(problems.Invalid):
        _prepare(**given)


def test_the_year_9999_means_never() -> None:
    assert _prepare(auto_terminate_ts="9999-12-31T00:00:00+00:00")["auto_terminate_at"] is None


def test_machines_that_join_are_started_at_once(rig: Rig) -> None:
    assert _status(rig, rig.group()) == MachineGroupStatus.STARTED


def test_a_name_is_taken_until_its_group_has_ended(rig: Rig) -> None:
    group = rig.group(name="mine")
    with pytest.raises(problems.Conflict, match="'mine' already"):
        rig.group(name="mine")
    _terminate(rig, group)
    assert _status(rig, group) == MachineGroupStatus.TERMINATED
    assert rig.group(name="mine") != group


def test_termination_ends_what_waits_and_stops_what_runs(rig: Rig) -> None:
    group = rig.group()
    link = rig.link(group)
    running = rig.running(group, link.runner_id)
    waiting, without_input = rig.queued(group), rig.submit(group)
    _terminate(rig, group)
    assert rig.status(waiting) is TaskStatusCode.ZOMBIE
    assert rig.status(without_input) is TaskStatusCode.ZOMBIE
    assert rig.status(running) in ON_MACHINE
    assert _status(rig, group) == MachineGroupStatus.SHUTTING_DOWN
    assert _names(link) == ["Stop", "Retire"]
    rig.tell(link.runner_id, running, 1, ComputationEnded(), Finished(TaskEvent.TERMINATED_BY_USER))
    assert rig.status(running) is TaskStatusCode.EXECUTER_TERMINATED_BY_USER
    rig.write(groups.machine_left, link.runner_id)
    assert _status(rig, group) == MachineGroupStatus.TERMINATED


def test_a_terminated_machine_that_does_not_leave_is_forced(rig: Rig) -> None:
    group = rig.group()
    link = rig.link(group)
    running = rig.running(group, link.runner_id)
    _terminate(rig, group)
    rig.clock.now += 59
    rig.renew(link.runner_id, (running, 1))
    rig.sweep()
    assert rig.status(running) in ON_MACHINE
    rig.clock.now += 2
    rig.sweep()
    assert rig.status(running) is TaskStatusCode.EXECUTER_TERMINATED
    assert _status(rig, group) == MachineGroupStatus.TERMINATED


def _started(rig: Rig, **given: Any) -> str:
    """A group whose machines this server would start, taken for started."""
    request = RegisterGroupRequest(provider_id=Provider.GCP, machine_type="c2-standard-4", **given)
    group = rig.write(groups.register, groups.prepare(rig.user_id, request, LARGE))
    rig.write(groups.set_status, groups.StatusChange(group, MachineGroupStatus.STARTED))
    return group


def test_an_idle_group_ends_after_its_time_and_a_busy_one_does_not(rig: Rig) -> None:
    group = _started(rig, max_idle_time=180.0)
    machine = rig.machine(group)
    task_id = rig.running(group, machine)
    for _ in range(20):
        rig.clock.now += 25
        rig.renew(machine, (task_id, 1))
        rig.sweep()
    rig.tell(machine, task_id, 1, Finished(TaskEvent.FAILED, exit_code=1))
    assert rig.sweep() == rig.clock.now + 180
    rig.clock.now += 179
    rig.sweep()
    assert _status(rig, group) == MachineGroupStatus.STARTED
    rig.clock.now += 2
    rig.sweep()
    assert _status(rig, group) == MachineGroupStatus.SHUTTING_DOWN


def test_a_time_limit_stops_tasks_with_its_own_cause(rig: Rig) -> None:
    group = _started(rig, auto_terminate_ts=to_wire(START + 100))
    machine = rig.machine(group)
    task_id = rig.running(group, machine)
    rig.clock.now += 25
    rig.renew(machine, (task_id, 1))
    assert rig.sweep() <= START + 100
    rig.clock.now = START + 101
    rig.renew(machine, (task_id, 1))
    rig.sweep()
    assert rig.task(task_id)["stop_cause"] == StopCause.MACHINE_TIME_LIMIT


def test_a_task_far_beyond_its_time_to_live_is_stopped(rig: Rig) -> None:
    group = rig.group()
    link = rig.link(group)
    task_id = rig.running(group, link.runner_id, time_to_live_seconds=10.0)
    for _ in range(6):
        rig.clock.now += 25
        rig.renew(link.runner_id, (task_id, 1))
        rig.sweep()
    assert rig.task(task_id)["stop_cause"] == StopCause.TTL
    assert _names(link) == ["Stop"]
