"""Reports, fencing, leases and endings."""

from __future__ import annotations

import zipfile

import pytest
from tests.unit.server.rig import OUTPUT, START, Rig, stored

from inductiva.protocol.runner import (
    ComputationEnded,
    ComputationStarted,
    Drop,
    Finished,
    Metrics,
    OperationEnded,
    OperationStarted,
    Report,
    ReportAck,
    ReportRefused,
    StoredOutput,
)
from inductiva.protocol.status import ON_MACHINE, TaskEvent, TaskStatusCode
from inductiva.protocol.tasks import OperationName, OperationStatus
from inductiva.protocol.watch import LogStream
from inductiva.server.services import attempts, views
from inductiva.server.services.tasks import kill, output_path


def _output(rig: Rig, task_id: str) -> zipfile.ZipFile:
    task = rig.task(task_id)
    return zipfile.ZipFile(rig.context.store.locate(task["user_id"], output_path(task)))


def _requeued(rig: Rig, group: str, first: str) -> str:
    """A task whose first attempt was lost on machine `first`, and that waits again."""
    task_id = rig.running(group, first, resubmit_on_preemption=True)
    rig.clock.now += 31
    rig.sweep()
    assert rig.status(task_id) is TaskStatusCode.SUBMITTED
    return task_id


def test_the_happy_path(rig: Rig) -> None:
    group = rig.group()
    machine = rig.machine(group)
    task_id = rig.running(group, machine)
    assert rig.status(task_id) is TaskStatusCode.COMPUTATION_STARTED
    assert rig.succeed(machine, task_id) == [ReportAck(task_id, 1, 3)]
    task = rig.task(task_id)
    assert task["status"] == TaskStatusCode.SUCCESS
    assert (task["output_size"], task["output_sha256"]) == (len(OUTPUT), stored(OUTPUT).sha256)
    assert (task["exit_code"], task["lease_until"], task["ended_at"]) == (0, None, START)
    assert _output(rig, task_id).read("artifacts/stdout.txt") == b"hello\n"
    assert not rig.context.store.staged(task_id, 1).exists()


def test_reports_that_come_again_are_acknowledged_and_change_nothing(rig: Rig) -> None:
    group = rig.group()
    machine = rig.machine(group)
    task_id = rig.running(group, machine)
    again = Report(task_id, 1, 1, START, ComputationStarted())
    rig.succeed(machine, task_id)
    before, events = rig.task(task_id), rig.events(task_id)
    assert rig.deliver(machine, [again]) == [ReportAck(task_id, 1, 3)]
    assert (rig.task(task_id), rig.events(task_id)) == (before, events)


def test_a_report_ahead_of_its_turn_is_not_acknowledged(rig: Rig) -> None:
    group = rig.group()
    machine = rig.machine(group)
    task_id = rig.running(group, machine)
    assert rig.deliver(machine, [Report(task_id, 1, 5, START, ComputationEnded())]) == []
    assert rig.status(task_id) is TaskStatusCode.COMPUTATION_STARTED


def test_the_runners_clock_counts_only_between_claim_and_now(rig: Rig) -> None:
    group = rig.group()
    machine = rig.machine(group)
    task_id = rig.queued(group)
    rig.claim(group, machine)
    rig.clock.now += 10
    rig.deliver(machine, [Report(task_id, 1, 1, START - 9999, ComputationStarted())])
    rig.deliver(machine, [Report(task_id, 1, 2, START + 9999, ComputationEnded())])
    task = rig.task(task_id)
    assert (task["computation_started_at"], task["computation_ended_at"]) == (START, START + 10)


def test_an_older_attempt_is_told_to_drop_and_changes_nothing(rig: Rig) -> None:
    group = rig.group()
    first, second = rig.machine(group), rig.machine(group)
    task_id = _requeued(rig, group, first)
    rig.claim(group, second)
    assert rig.tell(first, task_id, 1, ComputationEnded()) == [Drop(task_id, 1)]
    rig.stage(task_id, 1)
    late = Finished(TaskEvent.SUCCEEDED, stored(OUTPUT))
    assert rig.tell(first, task_id, 1, late) == [Drop(task_id, 1)]
    assert rig.renew(first, (task_id, 1)) == [Drop(task_id, 1)]
    assert rig.status(task_id) is TaskStatusCode.STARTED
    assert rig.task(task_id)["attempt"] == 2


def test_another_machine_cannot_report_for_an_attempt(rig: Rig) -> None:
    group = rig.group()
    task_id = rig.running(group, rig.machine(group))
    stranger = rig.machine(group)
    assert rig.deliver(stranger, [Report(task_id, 1, 2, START, ComputationEnded())]) == [Drop(task_id, 1)]
    assert rig.status(task_id) is TaskStatusCode.COMPUTATION_STARTED


def test_success_without_an_output_is_refused(rig: Rig) -> None:
    group = rig.group()
    machine = rig.machine(group)
    task_id = rig.running(group, machine)
    [answer] = rig.tell(machine, task_id, 1, Finished(TaskEvent.SUCCEEDED))
    assert isinstance(answer, ReportRefused)
    assert rig.status(task_id) is TaskStatusCode.COMPUTATION_STARTED


@pytest.mark.parametrize("said", [StoredOutput(1, "0" * 64, 1, 1), StoredOutput(len(OUTPUT), "0" * 64, 1, 1)])
def test_an_output_that_is_not_what_was_sent_is_refused_and_can_be_sent_again(rig: Rig, said: StoredOutput) -> None:
    group = rig.group()
    machine = rig.machine(group)
    task_id = rig.running(group, machine)
    rig.stage(task_id, 1)
    [answer] = rig.deliver(machine, [Report(task_id, 1, 2, START, Finished(TaskEvent.SUCCEEDED, said))])
    assert isinstance(answer, ReportRefused)
    assert rig.status(task_id) is TaskStatusCode.COMPUTATION_STARTED
    good = Report(task_id, 1, 2, START, Finished(TaskEvent.SUCCEEDED, stored(OUTPUT)))
    assert rig.deliver(machine, [good]) == [ReportAck(task_id, 1, 2)]
    assert rig.status(task_id) is TaskStatusCode.SUCCESS


def test_an_output_that_is_no_archive_is_refused(rig: Rig) -> None:
    group = rig.group()
    machine = rig.machine(group)
    task_id = rig.running(group, machine)
    rig.stage(task_id, 1, b"not a zip")
    finished = Finished(TaskEvent.SUCCEEDED, stored(b"not a zip"))
    [answer] = rig.tell(machine, task_id, 1, finished)
    assert isinstance(answer, ReportRefused)
    assert "cannot be opened" in answer.reason


def test_an_output_that_was_published_before_a_crash_is_accepted(rig: Rig) -> None:
    """The server renamed it into place, and died before the commit."""
    group = rig.group()
    machine = rig.machine(group)
    task_id = rig.running(group, machine)
    rig.put(rig.context.store.locate(rig.user_id, output_path(rig.task(task_id))), OUTPUT)
    finished = Finished(TaskEvent.SUCCEEDED, stored(OUTPUT))
    assert rig.tell(machine, task_id, 1, finished) == [ReportAck(task_id, 1, 2)]
    assert rig.status(task_id) is TaskStatusCode.SUCCESS


def test_an_ending_without_output_gets_an_archive_of_the_log(rig: Rig) -> None:
    group = rig.group()
    machine = rig.machine(group)
    task_id = rig.running(group, machine)
    rig.context.logs.append(task_id, 1, LogStream.STDOUT, 0, b"so far\n")
    ended = Finished(TaskEvent.EXECUTION_FAILED, detail="The disk is full.")
    assert rig.tell(machine, task_id, 1, ended) == [ReportAck(task_id, 1, 2)]
    assert rig.task(task_id)["error_detail"] == "The disk is full."
    archive = _output(rig, task_id)
    assert archive.namelist() == ["artifacts/", "artifacts/stdout.txt", "artifacts/stderr.txt"]
    assert archive.read("artifacts/stdout.txt") == b"so far\n"


def test_operations_and_metrics_are_part_of_the_story(rig: Rig) -> None:
    group = rig.group()
    machine = rig.machine(group)
    task_id = rig.running(group, machine)
    begun = OperationStarted("one", OperationName.EXEC_COMMAND, {"command": "true"})
    left = OperationStarted("two", OperationName.UPLOAD_OUTPUT)
    rig.tell(machine, task_id, 1, begun, OperationEnded("one", True, {"exit_code": 0}), left)
    rig.tell(machine, task_id, 1, Metrics({"output_upload_seconds": 0.5}))
    rig.clock.now += 1
    rig.succeed(machine, task_id)
    info = rig.query(lambda connection: views.task_with_history(connection, views.find(connection, task_id)))
    [computing] = [entry for entry in info.status_history if entry.status is TaskStatusCode.COMPUTATION_STARTED]
    command, upload = computing.operations
    assert (command.status, command.attributes) == (OperationStatus.OK, {"command": "true", "exit_code": 0})
    assert (upload.status, upload.end_timestamp is not None) == (OperationStatus.FAILED, True)
    assert info.metrics.output_upload_seconds == 0.5
    assert info.metrics.output_zipped_size_bytes == len(OUTPUT)


# Leases


def test_a_renewed_lease_does_not_run_out(rig: Rig) -> None:
    group = rig.group()
    machine = rig.machine(group)
    task_id = rig.running(group, machine)
    for _ in range(5):
        rig.clock.now += 20
        assert rig.renew(machine, (task_id, 1)) == []
        rig.sweep()
    assert rig.status(task_id) is TaskStatusCode.COMPUTATION_STARTED


def test_a_lease_that_runs_out_ends_the_task_with_its_log(rig: Rig) -> None:
    group = rig.group()
    machine = rig.machine(group)
    task_id = rig.running(group, machine)
    rig.context.logs.append(task_id, 1, LogStream.STDERR, 0, b"oh\n")
    rig.clock.now += 29
    rig.sweep()
    assert rig.status(task_id) is TaskStatusCode.COMPUTATION_STARTED
    rig.clock.now += 2
    rig.sweep()
    task = rig.task(task_id)
    assert task["status"] == TaskStatusCode.EXECUTER_TERMINATED
    assert machine in task["error_detail"]
    assert _output(rig, task_id).read("artifacts/stderr.txt") == b"oh\n"


def test_a_lost_task_whose_output_had_arrived_keeps_it(rig: Rig) -> None:
    group = rig.group()
    machine = rig.machine(group)
    task_id = rig.running(group, machine)
    rig.stage(task_id, 1)
    rig.clock.now += 31
    rig.sweep()
    assert rig.status(task_id) is TaskStatusCode.EXECUTER_TERMINATED
    assert _output(rig, task_id).read("artifacts/vtk/frame.vtk") == b"points"


def test_a_lost_task_that_asked_for_it_goes_back_to_its_place(rig: Rig) -> None:
    group = rig.group()
    first, second = rig.machine(group), rig.machine(group)
    task_id = _requeued(rig, group, first)
    task = rig.task(task_id)
    assert (task["runner_id"], task["started_at"], task["num_retries"]) == (None, None, 1)
    later = rig.queued(group)
    assert [claimed["id"] for claimed in rig.claim(group, second, second)] == [task_id, later]
    rig.seq[task_id, 2] = 0
    rig.tell(second, task_id, 2, ComputationStarted())
    rig.succeed(second, task_id, 2)
    assert rig.status(task_id) is TaskStatusCode.SUCCESS


def test_a_kill_wins_over_a_lost_machine_and_over_requeueing(rig: Rig) -> None:
    group = rig.group()
    task_id = rig.running(group, rig.machine(group), resubmit_on_preemption=True)
    rig.write(kill, task_id)
    assert rig.status(task_id) is TaskStatusCode.PENDING_KILL
    rig.clock.now += 31
    rig.sweep()
    assert rig.status(task_id) is TaskStatusCode.KILLED


def test_a_kill_wins_over_a_success_that_was_on_its_way(rig: Rig) -> None:
    group = rig.group()
    machine = rig.machine(group)
    task_id = rig.running(group, machine)
    rig.write(kill, task_id)
    rig.succeed(machine, task_id)
    assert rig.status(task_id) is TaskStatusCode.KILLED


def test_a_server_that_was_down_waits_one_lease_before_it_looks(rig: Rig) -> None:
    group = rig.group()
    task_id = rig.running(group, rig.machine(group))
    rig.clock.now += 1000
    rig.context.started_at = rig.clock.now
    rig.sweep()
    assert rig.status(task_id) in ON_MACHINE
    rig.clock.now += 31
    rig.sweep()
    assert rig.status(task_id) is TaskStatusCode.EXECUTER_TERMINATED


def test_a_lease_renewed_while_the_sweeper_looked_counts(rig: Rig) -> None:
    group = rig.group()
    machine = rig.machine(group)
    task_id = rig.running(group, machine)
    rig.clock.now += 31
    seen = rig.task(task_id)
    rig.renew(machine, (task_id, 1))
    assert rig.run(attempts.expire(rig.context, seen, "lost")) is None
    assert rig.status(task_id) is TaskStatusCode.COMPUTATION_STARTED
