"""Whole attempts: a real runner process against the fake control plane."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.unit.runner.fake_server import FakeServer, StartRunner, TaskRecord

from inductiva.protocol.commands import CommandSpec, MPISettings
from inductiva.protocol.runner import (
    Assign,
    ComputationEnded,
    ComputationStarted,
    Drop,
    Metrics,
    OperationEnded,
    OperationStarted,
    Retire,
    StopCause,
    Work,
)
from inductiva.protocol.status import TaskEvent
from inductiva.protocol.watch import LogStream

Runner = subprocess.Popen[bytes]
OUT, ERR = LogStream.STDOUT, LogStream.STDERR

# Waits for a file called `go`, as a simulation that takes as long as the test wants.
WAIT = b"#!/bin/bash\necho started\nuntil [ -e go ]; do sleep 0.02; done\necho ended\nexit ${1:-0}\n"
STUBBORN = b"#!/bin/bash\ntrap '' TERM\necho started\nwhile :; do sleep 0.05; done\n"
CAREFUL = b"#!/bin/bash\ntrap 'echo saved > checkpoint.txt; exit 0' TERM\necho started\nwhile :; do sleep 0.02; done\n"


def operations(task: TaskRecord) -> list[str]:
    return [body.name.value for body in task.bodies(OperationStarted)]


def workspace(machine: Path, work: Work) -> Path:
    return machine / "attempts" / f"{work.task_id}.{work.attempt}"


def wait_running(server: FakeServer, task: TaskRecord) -> None:
    server.wait(lambda: b"started\n" in task.logs[OUT], "the simulation to say that it started")


def assert_nothing_left(server: FakeServer, machine: Path, work: Work) -> None:
    """No process of the attempt, no file of it."""
    server.wait(lambda: not workspace(machine, work).exists(), "the workspace to be removed")
    assert not processes_of(work)


def processes_of(work: Work) -> list[str]:
    mark = f"INDUCTIVA_ATTEMPT={work.task_id}.{work.attempt}".encode()
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (path / "environ").read_bytes() and b"\nState:\tZ" not in (path / "status").read_bytes():
                found.append((path / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return found


def test_success_reports_everything_once_and_in_order(server: FakeServer, runner: Runner, machine: Path) -> None:
    work = server.new_work(
        ["bash run.sh", "cat in.txt"], {"run.sh": b"echo out; echo err >&2; echo 3 > new.txt", "in.txt": b"x\n"}
    )
    task = server.assign(work)
    finished = server.wait_finished(task)
    assert (finished.event, finished.exit_code, finished.detail) == (TaskEvent.SUCCEEDED, None, None)
    assert operations(task) == [
        "download_input",
        "uncompress_input",
        "download_container",
        "exec_command",
        "exec_command",
        "upload_output",
    ]
    ends = task.bodies(OperationEnded)
    assert [end.operation_id for end in ends] == [body.operation_id for body in task.bodies(OperationStarted)]
    assert all(end.ok and end.attributes["execution_time_s"] >= 0 for end in ends)
    assert [report.seq for report in task.reports] == list(range(1, len(task.reports) + 1))
    assert len(task.bodies(ComputationStarted)) == len(task.bodies(ComputationEnded)) == 1
    (metrics,) = task.bodies(Metrics)
    assert metrics.values["input_zipped_size_bytes"] == work.input_size
    assert metrics.values["output_zipped_size_bytes"] == len(task.archive or b"")
    assert_nothing_left(server, machine, work)


def test_output_holds_what_is_new_and_the_logs(server: FakeServer, runner: Runner) -> None:
    files = {
        "kept.txt": b"same",
        "changed.txt": b"old",
        "dir/deep.txt": b"same",
        "run.sh": b"echo new > changed.txt; mkdir empty; ln -s changed.txt link",
    }
    task = server.assign(server.new_work(["bash run.sh"], files))
    server.wait_finished(task)
    found = task.files()
    assert list(found) == [
        "artifacts/",
        "artifacts/changed.txt",
        "artifacts/dir/",
        "artifacts/empty/",
        "artifacts/link",
        "artifacts/stderr.txt",
        "artifacts/stdout.txt",
    ]
    assert found["artifacts/changed.txt"] == b"new\n"
    assert found["artifacts/stdout.txt"] == task.logs[OUT]
    assert found["artifacts/stderr.txt"] == task.logs[ERR]


def test_logs_have_a_header_and_a_footer_around_each_command(server: FakeServer, runner: Runner) -> None:
    command = CommandSpec("bash 'my run.sh'", env={"A": "b c"})
    files = {"sub/my run.sh": b"echo $A; pwd; echo $GLOBAL >&2"}
    work = server.new_work([command], files, run_subprocess_dir="sub", env={"GLOBAL": "g"})
    task = server.assign(work)
    server.wait_finished(task)
    head = (
        "# COMMAND: ['bash', 'my run.sh']\n"
        "# Working directory: /workdir/output/artifacts/sub\n"
        "# Env: {'GLOBAL': 'g', 'A': 'b c'}\n\n"
    )
    assert task.logs[OUT].decode() == head + "b c\n/workdir/output/artifacts/sub\n\n -------\n"
    assert task.logs[ERR].decode() == head + "g\n\n -------\n"
    assert task.bodies(OperationStarted)[3].attributes["command"] == "bash 'my run.sh'"


def test_prompts_are_fed_one_a_line(server: FakeServer, runner: Runner) -> None:
    task = server.assign(server.new_work([CommandSpec("cat", prompts=["first", "", "third"]), CommandSpec("cat")]))
    assert server.wait_finished(task).event == TaskEvent.SUCCEEDED
    assert b"\n\nfirst\n\nthird\n\n -------\n" in task.logs[OUT]


def test_first_failing_command_ends_the_sequence(server: FakeServer, runner: Runner) -> None:
    task = server.assign(server.new_work(["true", "bash run.sh", "echo never"], {"run.sh": b"exit 3"}))
    finished = server.wait_finished(task)
    assert (finished.event, finished.exit_code, finished.signal) == (TaskEvent.FAILED, 3, None)
    assert finished.detail == "Command 2 of 3, 'bash run.sh', exited with code 3."
    assert operations(task).count("exec_command") == 2
    assert b"never" not in task.logs[OUT]
    assert task.bodies(OperationEnded)[4].attributes["exit_code"] == 3
    assert not task.bodies(OperationEnded)[4].ok


@pytest.mark.parametrize(
    ("script", "number", "words"),
    [
        (b"kill -SEGV $$", 11, "was killed by signal 11 (SIGSEGV)."),
        (b"kill -KILL $$", 9, "was killed by signal 9 (SIGKILL): probably out of memory."),
    ],
)
def test_a_signal_is_named(server: FakeServer, runner: Runner, script: bytes, number: int, words: str) -> None:
    finished = server.wait_finished(server.assign(server.new_work(["bash run.sh"], {"run.sh": script})))
    assert (finished.event, finished.exit_code, finished.signal) == (TaskEvent.FAILED, None, number)
    assert finished.detail == f"Command 1 of 1, 'bash run.sh', {words}"


def test_a_missing_program_is_explained(server: FakeServer, runner: Runner) -> None:
    finished = server.wait_finished(server.assign(server.new_work(["no-such-program -x"])))
    assert (finished.event, finished.exit_code) == (TaskEvent.FAILED, 127)
    assert "not found in the environment" in (finished.detail or "")


@pytest.mark.parametrize(
    ("commands", "more", "words"),
    [
        (["true", "ls | wc"], {}, "Command 2 of 2 cannot be run"),
        ([], {}, "no commands"),
        (["true"], {"run_subprocess_dir": "../x"}, "relative path"),
        (["true"], {"run_subprocess_dir": "absent"}, "not in the input"),
        (["true"], {"env": {"A=B": "c"}}, "environment variable"),
    ],
)
def test_what_cannot_be_run_is_refused_before_anything_runs(
    server: FakeServer, runner: Runner, commands: list[str | CommandSpec], more: dict[str, Any], words: str
) -> None:
    task = server.assign(server.new_work(commands, **more))
    finished = server.wait_finished(task)
    assert finished.event == TaskEvent.EXECUTION_FAILED
    assert words in (finished.detail or "")
    assert not task.bodies(OperationEnded)[3:-1] or "absent" in str(more)
    assert list(task.files()) == ["artifacts/", "artifacts/stderr.txt", "artifacts/stdout.txt"]


def test_an_unknown_image_is_explained(server: FakeServer, runner: Runner) -> None:
    task = server.assign(server.new_work(["true"], container_image="docker://inductiva/kutu:no-such-simulator_v1"))
    finished = server.wait_finished(task)
    assert finished.event == TaskEvent.EXECUTION_FAILED
    assert "no-such-simulator" in (finished.detail or "")
    assert not task.bodies(ComputationStarted)


def test_a_broken_input_is_explained(server: FakeServer, runner: Runner) -> None:
    work = server.new_work(["true"])
    data = b"this is no archive" * 10
    server.inputs[work.task_id] = data
    work = msgspec.structs.replace(work, input_size=len(data), input_sha256=hashlib.sha256(data).hexdigest())
    finished = server.wait_finished(server.assign(work))
    assert finished.event == TaskEvent.EXECUTION_FAILED
    assert (finished.detail or "").startswith("The input cannot be unpacked: ")


def test_an_input_that_changed_on_the_way_is_not_run(server: FakeServer, runner: Runner) -> None:
    work = server.new_work(["true"])
    server.inputs[work.task_id] += b"x"
    task = server.assign(work)
    finished = server.wait_finished(task)
    assert finished.event == TaskEvent.EXECUTION_FAILED
    assert "were announced" in (finished.detail or "")
    assert not task.bodies(ComputationStarted)


def test_mpi_options_and_a_missing_mpirun(server: FakeServer, runner: Runner) -> None:
    mpi = MPISettings("4.1.6", {"np": 2, "use-hwthread-cpus": True, "left-out": False})
    task = server.assign(server.new_work([CommandSpec("echo hi", mpi_config=mpi)]))
    server.wait_finished(task)
    assert task.bodies(OperationStarted)[3].attributes["command"] == "mpirun --np 2 --use-hwthread-cpus echo hi"


# ends that were asked for


def test_kill_while_a_command_runs_stores_what_was_written(server: FakeServer, runner: Runner, machine: Path) -> None:
    work = server.new_work(["bash run.sh", "echo never"], {"run.sh": CAREFUL})
    task = server.assign(work)
    wait_running(server, task)
    server.stop(work)
    finished = server.wait_finished(task)
    assert finished.event == TaskEvent.KILLED
    assert finished.detail == "The task was killed on request while command 1 of 2, 'bash run.sh', was running."
    assert task.files()["artifacts/checkpoint.txt"] == b"saved\n"
    assert operations(task).count("exec_command") == 1
    assert_nothing_left(server, machine, work)


def test_a_command_that_ignores_the_signal_is_killed_after_the_grace(
    server: FakeServer, runner: Runner, machine: Path
) -> None:
    work = server.new_work(["bash run.sh"], {"run.sh": STUBBORN})
    task = server.assign(work)
    wait_running(server, task)
    server.stop(work, grace=0.2)
    assert server.wait_finished(task, 10).event == TaskEvent.KILLED
    assert b"started" in task.files()["artifacts/stdout.txt"]
    assert_nothing_left(server, machine, work)


def test_background_children_end_with_their_task(server: FakeServer, runner: Runner, machine: Path) -> None:
    script = b"setsid sleep 1000 & (setsid nohup sleep 1001 &) ; env -i sleep 1002 & echo started"
    work = server.new_work(["bash run.sh"], {"run.sh": script})
    assert server.wait_finished(server.assign(work)).event == TaskEvent.SUCCEEDED
    assert_nothing_left(server, machine, work)
    assert not subprocess.run(["pgrep", "-f", "^sleep 100[012]$"], capture_output=True, check=False).stdout


def test_kill_before_the_first_command(server: FakeServer, runner: Runner, machine: Path) -> None:
    holding = [True]
    server.faults.append(lambda method, path: 503 if method == "GET" and holding[0] else None)
    work = server.new_work(["echo ran"])
    task = server.assign(work)
    server.wait(lambda: "download_input" in operations(task), "the download")
    server.stop(work)
    finished = server.wait_finished(task)
    assert finished.event == TaskEvent.KILLED
    assert finished.detail == "The task was killed on request before its first command."
    assert not task.bodies(ComputationStarted)
    assert list(task.files()) == ["artifacts/", "artifacts/stderr.txt", "artifacts/stdout.txt"]


def test_kill_right_after_the_assignment(server: FakeServer, runner: Runner) -> None:
    for _ in range(5):
        work = server.new_work(["sleep 1000"])
        task = server.assign(work)
        server.stop(work, grace=0.0)
        assert server.wait_finished(task, 10).event == TaskEvent.KILLED


def test_kill_while_the_output_is_stored(server: FakeServer, runner: Runner) -> None:
    storing = [True]
    server.faults.append(lambda method, path: 503 if method == "PUT" and storing[0] else None)
    work = server.new_work(["echo whole"])
    task = server.assign(work)
    server.wait(lambda: "upload_output" in operations(task), "the upload")
    server.stop(work)
    storing[0] = False
    finished = server.wait_finished(task)
    assert finished.event == TaskEvent.KILLED
    assert b"whole" in task.files()["artifacts/stdout.txt"]


def test_time_to_live_counts_from_the_first_command(server: FakeServer, runner: Runner, machine: Path) -> None:
    work = server.new_work(["sleep 1000"], time_to_live_seconds=0.5, grace_seconds=0.5)
    task = server.assign(work)
    finished = server.wait_finished(task, 10)
    assert finished.event == TaskEvent.TTL_EXCEEDED
    assert (
        finished.detail == "The task reached its time to live of 0.5 s while command 1 of 1, 'sleep 1000', was running."
    )
    assert_nothing_left(server, machine, work)


def test_time_to_live_bounds_the_preparation_too(server: FakeServer, runner: Runner) -> None:
    server.faults.append(lambda method, path: 503 if method == "GET" else None)
    task = server.assign(server.new_work(["true"], time_to_live_seconds=0.5))
    assert server.wait_finished(task, 10).event == TaskEvent.TTL_EXCEEDED


def test_kill_overrides_the_time_to_live_but_nothing_else_does(server: FakeServer, runner: Runner) -> None:
    for first, second, event in [
        (StopCause.TTL, StopCause.KILL, TaskEvent.KILLED),
        (StopCause.KILL, StopCause.TTL, TaskEvent.KILLED),
        (StopCause.GROUP_TERMINATED, StopCause.KILL, TaskEvent.TERMINATED_BY_USER),
    ]:
        work = server.new_work(["bash run.sh"], {"run.sh": STUBBORN})
        task = server.assign(work)
        wait_running(server, task)
        server.stop(work, first, 0.5)
        server.stop(work, second, 0.5)
        assert server.wait_finished(task).event == event


# trouble on the way to the server


def test_an_upload_that_fails_is_made_anew(server: FakeServer, runner: Runner) -> None:
    answers = [500, 0, 403]
    server.faults.append(lambda method, path: answers.pop(0) if method == "PUT" and answers else None)
    task = server.assign(server.new_work(["bash run.sh"], {"run.sh": b"head -c 3000000 /dev/urandom > big.bin"}))
    finished = server.wait_finished(task)
    assert finished.event == TaskEvent.SUCCEEDED
    assert len(task.files()["artifacts/big.bin"]) == 3_000_000
    assert not answers


def test_a_refused_end_is_stored_and_told_again(server: FakeServer, runner: Runner) -> None:
    server.refuse_finished = 1
    task = server.assign(server.new_work(["echo whole"]))
    assert server.wait_finished(task).event == TaskEvent.SUCCEEDED
    assert b"whole" in task.files()["artifacts/stdout.txt"]


def test_output_that_is_refused_for_good_is_no_success(server: FakeServer, runner: Runner) -> None:
    server.faults.append(lambda method, path: 413 if method == "PUT" else None)
    finished = server.wait_finished(server.assign(server.new_work(["true"])))
    assert (finished.event, finished.output) == (TaskEvent.EXECUTION_FAILED, None)
    assert "could not be stored" in (finished.detail or "")


def test_a_lost_connection_loses_nothing(server: FakeServer, runner: Runner) -> None:
    script = b"for i in $(seq 400); do echo line $i; sleep 0.002; done"
    task = server.assign(server.new_work(["bash run.sh"], {"run.sh": script}))
    for size in (100, 900, 2000):
        server.wait(partial(lambda least: len(task.logs[OUT]) > least, size), "some of the log")
        server.disconnect()
    server.wait_finished(task)
    expected = "".join(f"line {i}\n" for i in range(1, 401)).encode()
    assert expected in task.logs[OUT]
    assert task.files()["artifacts/stdout.txt"] == task.logs[OUT]
    assert len(server.hellos) >= 4


def test_large_logs_arrive_whole(server: FakeServer, runner: Runner) -> None:
    task = server.assign(server.new_work(["seq 1000000"]))
    server.wait_finished(task)
    assert len(task.logs[OUT]) > 6_000_000
    assert task.files()["artifacts/stdout.txt"] == task.logs[OUT]


# the runner's own fate


def restart(runner: Runner, start_runner: StartRunner) -> Runner:
    runner.kill()
    runner.wait(10)
    return start_runner()


def let_go(machine: Path, work: Work) -> None:
    (workspace(machine, work) / "artifacts" / "go").touch()


def test_a_killed_runner_is_replaced_and_the_simulation_adopted(
    server: FakeServer, start_runner: StartRunner, machine: Path
) -> None:
    runner = start_runner()
    work = server.new_work(["bash run.sh 7", "echo never"], {"run.sh": WAIT})
    task = server.assign(work)
    wait_running(server, task)
    before = sorted(processes_of(work))
    runner = restart(runner, start_runner)
    server.wait(lambda: len(server.hellos) == 2, "the new runner")
    assert [(ref.task_id, ref.attempt) for ref in server.hellos[1].attempts] == [(work.task_id, 1)]
    still = {line for line in processes_of(work) if not line.startswith("sleep")}
    assert still == {line for line in before if not line.startswith("sleep")}
    let_go(machine, work)
    finished = server.wait_finished(task)
    assert (finished.event, finished.exit_code) == (TaskEvent.FAILED, 7)
    assert task.logs[OUT].count(b"started\n") == task.logs[OUT].count(b"ended\n") == 1
    assert operations(task).count("exec_command") == 1
    assert len(task.bodies(ComputationStarted)) == 1
    assert task.files()["artifacts/stdout.txt"] == task.logs[OUT]
    assert_nothing_left(server, machine, work)


def test_a_command_that_ends_without_a_runner_keeps_its_exit_code(
    server: FakeServer, start_runner: StartRunner, machine: Path
) -> None:
    runner = start_runner()
    work = server.new_work(["bash run.sh 0", "bash run.sh 5"], {"run.sh": WAIT})
    task = server.assign(work)
    wait_running(server, task)
    runner.kill()
    runner.wait(10)
    let_go(machine, work)
    server.wait(lambda: not processes_of(work), "the command to end")
    start_runner()
    finished = server.wait_finished(task)
    assert finished.detail == "Command 2 of 2, 'bash run.sh 5', exited with code 5."
    assert task.logs[OUT].count(b"ended\n") == 2


def test_processes_that_vanished_are_a_lost_machine(
    server: FakeServer, start_runner: StartRunner, machine: Path
) -> None:
    runner = start_runner()
    work = server.new_work(["bash run.sh"], {"run.sh": WAIT})
    task = server.assign(work)
    wait_running(server, task)
    runner.kill()
    runner.wait(10)
    kill_all(work)
    server.wait(lambda: not processes_of(work), "the machine's end")
    start_runner()
    finished = server.wait_finished(task)
    assert finished.event == TaskEvent.RUNNER_LOST
    assert "without an exit code" in (finished.detail or "")
    assert b"started" in task.files()["artifacts/stdout.txt"]


def kill_all(work: Work) -> None:
    """Everything at once, as when the machine loses its power: the supervising shell first."""
    mark = f"INDUCTIVA_ATTEMPT={work.task_id}.{work.attempt}".encode()
    pids = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (path / "environ").read_bytes():
                pids.append(int(path.name))
        except OSError:
            continue
    for pid in sorted(pids):
        os.kill(pid, signal.SIGSTOP)
    for pid in sorted(pids):
        os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("moment", ["download", "upload"])
def test_a_killed_runner_goes_on_with_what_it_was_doing(
    server: FakeServer, start_runner: StartRunner, machine: Path, moment: str
) -> None:
    method, holding = {"download": "GET", "upload": "PUT"}[moment], [True]
    server.faults.append(lambda m, path: 503 if m == method and holding[0] else None)
    runner = start_runner()
    task = server.assign(server.new_work(["echo once"]))
    server.wait(lambda: any(moment in name for name in operations(task)), f"the {moment}")
    runner = restart(runner, start_runner)
    server.wait(lambda: len(server.hellos) == 2, "the new runner")
    holding[0] = False
    assert server.wait_finished(task).event == TaskEvent.SUCCEEDED
    assert task.logs[OUT].count(b"once\n") == 1
    assert len(set(operations(task))) == 5


def test_kill_of_an_adopted_simulation(server: FakeServer, start_runner: StartRunner, machine: Path) -> None:
    runner = start_runner()
    work = server.new_work(["bash run.sh"], {"run.sh": CAREFUL})
    task = server.assign(work)
    wait_running(server, task)
    restart(runner, start_runner)
    server.wait(lambda: len(server.hellos) == 2, "the new runner")
    server.stop(work)
    assert server.wait_finished(task).event == TaskEvent.KILLED
    assert task.files()["artifacts/checkpoint.txt"] == b"saved\n"
    assert_nothing_left(server, machine, work)


def test_a_terminated_runner_stores_reports_and_says_goodbye(server: FakeServer, runner: Runner, machine: Path) -> None:
    work = server.new_work(["bash run.sh"], {"run.sh": CAREFUL})
    task = server.assign(work)
    wait_running(server, task)
    runner.terminate()
    assert server.wait_finished(task).event == TaskEvent.RUNNER_TERMINATED
    assert task.files()["artifacts/checkpoint.txt"] == b"saved\n"
    assert runner.wait(10) == 0
    assert server.goodbyes == 1


def test_an_idle_runner_leaves_at_once_when_told(server: FakeServer, runner: Runner) -> None:
    server.wait(lambda: server.ready, "the runner")
    server.send(Retire("the group was terminated"))
    assert runner.wait(10) == 0
    assert server.goodbyes == 1


def test_a_busy_runner_retires_after_its_task(server: FakeServer, runner: Runner, machine: Path) -> None:
    work = server.new_work(["bash run.sh"], {"run.sh": WAIT})
    task = server.assign(work)
    wait_running(server, task)
    server.send(Retire("no more work"))
    let_go(machine, work)
    assert server.wait_finished(task).event == TaskEvent.SUCCEEDED
    assert runner.wait(10) == 0
    assert server.ready == 0


@pytest.mark.parametrize("how", ["drop", "not welcome"])
def test_what_is_not_ours_any_more_ends_without_a_report(
    server: FakeServer, runner: Runner, machine: Path, how: str
) -> None:
    work = server.new_work(["bash run.sh"], {"run.sh": STUBBORN})
    task = server.assign(work)
    wait_running(server, task)
    if how == "drop":
        server.send(Drop(work.task_id, work.attempt))
    else:
        server.known_attempts = False
        server.disconnect()
    assert_nothing_left(server, machine, work)
    server.wait(lambda: server.ready, "the runner to be free again")
    assert task.finished is None
    assert not task.bodies(ComputationEnded)


def test_the_same_assignment_twice_runs_once(server: FakeServer, runner: Runner, machine: Path) -> None:
    work = server.new_work(["bash run.sh"], {"run.sh": WAIT})
    task = server.assign(work)
    wait_running(server, task)
    server.send(Assign(work))
    let_go(machine, work)
    server.wait_finished(task)
    assert task.logs[OUT].count(b"started\n") == 1


def test_a_second_runner_of_the_machine_leaves_at_once(
    server: FakeServer, runner: Runner, start_runner: StartRunner
) -> None:
    server.wait(lambda: server.ready, "the first runner")
    assert start_runner().wait(10) == 0
    assert runner.poll() is None


def test_a_revoked_token_ends_the_runner(server: FakeServer, start_runner: StartRunner) -> None:
    server.token = "another"
    assert start_runner().wait(10) == 1


def test_heartbeats_name_what_is_held(server: FakeServer, runner: Runner, machine: Path) -> None:
    work = server.new_work(["bash run.sh"], {"run.sh": WAIT})
    task = server.assign(work)
    server.wait(lambda: any(ref.task_id == work.task_id for ref in server.held), "a heartbeat with the task")
    let_go(machine, work)
    server.wait_finished(task)
    server.wait(lambda: not server.held, "a heartbeat without it")
