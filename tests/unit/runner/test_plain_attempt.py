"""Whole attempts without a sandbox: plain processes, and still none of them survives its task."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.runner.fake_server import FakeServer, StartRunner
from tests.unit.runner.test_attempt import (
    CAREFUL,
    ERR,
    OUT,
    STUBBORN,
    WAIT,
    Runner,
    assert_nothing_left,
    let_go,
    processes_of,
    restart,
    wait_running,
)

from inductiva.protocol.status import TaskEvent


@pytest.fixture
def isolation() -> str:
    return "none"


def test_that_there_is_no_sandbox_is_said(server: FakeServer, runner: Runner) -> None:
    task = server.assign(server.new_work(["pwd"]))
    assert server.wait_finished(task).event == TaskEvent.SUCCEEDED
    assert server.hellos[0].host.sandbox == "none"
    assert b"# Sandbox: none (INDUCTIVA_SANDBOX=none asks for it)\n" in task.logs[ERR]
    assert b"/artifacts\n" in task.logs[OUT]


def test_paths_of_the_task_are_the_real_ones(server: FakeServer, runner: Runner) -> None:
    task = server.assign(server.new_work(["cat /workdir/output/artifacts/in.txt", "env"], {"in.txt": b"input\n"}))
    assert server.wait_finished(task).event == TaskEvent.SUCCEEDED
    assert b"input\n" in task.logs[OUT]
    assert b"must-not-be-seen" not in task.logs[OUT]
    assert server.token.encode() not in task.logs[OUT]


def test_background_children_end_with_their_task(server: FakeServer, runner: Runner, machine: Path) -> None:
    script = b"setsid sleep 1000 & (setsid nohup sleep 1001 &) ; trap '' HUP; sleep 1002 & echo started"
    work = server.new_work(["bash run.sh"], {"run.sh": script})
    assert server.wait_finished(server.assign(work)).event == TaskEvent.SUCCEEDED
    assert_nothing_left(server, machine, work)


@pytest.mark.parametrize(("script", "grace"), [(CAREFUL, 5.0), (STUBBORN, 0.2)])
def test_kill(server: FakeServer, runner: Runner, machine: Path, script: bytes, grace: float) -> None:
    work = server.new_work(["bash run.sh"], {"run.sh": script})
    task = server.assign(work)
    wait_running(server, task)
    server.stop(work, grace=grace)
    assert server.wait_finished(task).event == TaskEvent.KILLED
    assert ("artifacts/checkpoint.txt" in task.files()) == (script is CAREFUL)
    assert_nothing_left(server, machine, work)


def test_adoption(server: FakeServer, start_runner: StartRunner, machine: Path) -> None:
    runner = start_runner()
    work = server.new_work(["bash run.sh 7"], {"run.sh": WAIT})
    task = server.assign(work)
    wait_running(server, task)
    restart(runner, start_runner)
    server.wait(lambda: len(server.hellos) == 2, "the new runner")
    assert processes_of(work)
    let_go(machine, work)
    assert server.wait_finished(task).exit_code == 7
    assert task.files()["artifacts/stdout.txt"] == task.logs[OUT]


def test_a_missing_program_is_explained(server: FakeServer, runner: Runner) -> None:
    finished = server.wait_finished(server.assign(server.new_work(["no-such-program"])))
    assert finished.exit_code == 127
