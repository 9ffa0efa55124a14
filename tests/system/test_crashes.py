"""`kill -9` of everything that can die. Accepted = terminal, nothing twice, nothing missing."""

from __future__ import annotations

import time

import pytest
from tests.system.harness import Platform, eventually

from inductiva.protocol.status import TaskStatusCode as S

COUNT = (
    "i=0; while [ $i -lt {n} ]; do echo line-$i; i=$((i+1)); sleep 0.05; done; echo pid-$$ >> pids.txt; exit {code}\n"
)


def lines(n: int) -> list[str]:
    return [f"line-{i}" for i in range(n)]


def counted(output: dict[str, bytes]) -> list[str]:
    return [line for line in output["stdout.txt"].decode().splitlines() if line.startswith("line-")]


def begun(platform: Platform, task: str) -> None:
    eventually(lambda: "line-3" in platform.live_file(task, "stdout.txt"), "the simulation writes")


@pytest.mark.parametrize("code", [0, 3])
def test_a_killed_runner_is_started_again_and_adopts(fresh: Platform, code: int) -> None:
    group = fresh.group()
    task = fresh.submit(group, ["bash run.sh", "touch second"], {"run.sh": COUNT.format(n=60, code=code)})
    begun(fresh, task)
    simulation = {process.pid for process in fresh.task_processes()}
    fresh.kill_runners()
    told = fresh.wait(task, S.SUCCESS if code == 0 else S.FAILED)
    output = fresh.output(task)
    assert counted(output) == lines(60), "no gap and no repetition in the log"
    assert output["pids.txt"].count(b"pid-") == 1, "the same process ran to its end"
    assert simulation
    assert told["num_retries"] == 0
    assert ("second" in output) is (code == 0), "the sequence goes on after an adopted command"


def test_a_killed_server_changes_no_tasks_fate(fresh: Platform) -> None:
    group = fresh.group()
    runs = fresh.submit(group, ["bash run.sh"], {"run.sh": COUNT.format(n=60, code=0)})
    waits = fresh.submit(group, ["echo waited"])
    begun(fresh, runs)
    runners = {process.pid for process in fresh.runner_processes()}
    fresh.kill_server()
    fresh.start()
    assert {process.pid for process in fresh.runner_processes()} == runners, "no second runner is started"
    fresh.wait(runs, S.SUCCESS)
    assert counted(fresh.output(runs)) == lines(60)
    fresh.wait(waits, S.SUCCESS)


def test_a_simulation_that_ends_while_the_server_is_away_is_told_when_it_is_back(fresh: Platform) -> None:
    group = fresh.group()
    task = fresh.submit(group, ["bash run.sh"], {"run.sh": COUNT.format(n=20, code=0)})
    begun(fresh, task)
    fresh.kill_server()
    eventually(lambda: not fresh.task_processes(), "the simulation ends by itself")
    fresh.start()
    fresh.wait(task, S.SUCCESS)
    assert counted(fresh.output(task)) == lines(20)


def test_server_and_runner_both_killed(fresh: Platform) -> None:
    group = fresh.group()
    task = fresh.submit(group, ["bash run.sh"], {"run.sh": COUNT.format(n=100, code=0)})
    begun(fresh, task)
    fresh.kill_server()
    fresh.kill_runners()
    fresh.start()
    told = fresh.wait(task, S.SUCCESS)
    assert counted(fresh.output(task)) == lines(100)
    assert told["num_retries"] == 0


@pytest.mark.parametrize("resubmit", [False, True])
def test_after_a_power_cut_nothing_accepted_is_lost(fresh: Platform, resubmit: bool) -> None:
    group = fresh.group()
    done = fresh.submit(group, ["echo done"])
    fresh.wait(done, S.SUCCESS)
    script = "echo kept > kept.dat; " + (COUNT.format(n=40, code=0) if resubmit else "echo line-3; sleep 1000\n")
    runs = fresh.submit(group, ["bash run.sh"], {"run.sh": script}, resubmit_on_preemption=resubmit)
    begun(fresh, runs)
    waits = fresh.submit(group, ["echo waited"])
    fresh.power_cut()
    assert not fresh.task_processes()
    fresh.start()
    told = fresh.wait(runs, S.SUCCESS if resubmit else S.EXECUTER_TERMINATED)
    assert told["num_retries"] == (1 if resubmit else 0)
    if not resubmit:
        assert "machine" in told["error_detail"]
    output = fresh.output(runs)
    assert output["kept.dat"] == b"kept\n", "what it had written can be downloaded"
    assert "line-3" in output["stdout.txt"].decode()
    fresh.wait(waits, S.SUCCESS)
    assert fresh.output(done)["stdout.txt"]
    checked = fresh.fsck()
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_a_machine_that_never_comes_back_is_noticed_within_a_lease(fresh: Platform) -> None:
    """The machine directory is gone with the machine: only the shipped log is left, and it is the output."""
    group = fresh.group()
    task = fresh.submit(group, ["bash run.sh"], {"run.sh": "echo line-3; sleep 1000\n"})
    begun(fresh, task)
    eventually(lambda: "line-3" in shipped(fresh, task), "the log reached the server")
    machine = fresh.task(task)["executer"]["uuid"]
    simulation = fresh.task_processes()
    fresh.kill_runners()
    (fresh.layout.machines / machine).rename(fresh.data_dir / "lost-machine")
    told = fresh.wait(task, S.EXECUTER_TERMINATED, seconds=30)
    assert told["error_detail"]
    assert b"line-3" in fresh.output(task)["stdout.txt"]
    for process in simulation:
        process.kill()


def shipped(platform: Platform, task: str) -> str:
    """What the server keeps of the task's stdout."""
    return "".join(path.read_text() for path in (platform.data_dir / "logs").rglob(f"{task}.*.stdout.txt"))


def test_a_stopped_runner_ends_its_task_with_outputs(fresh: Platform) -> None:
    """SIGTERM to the runner, as a machine's shutdown sends it."""
    group = fresh.group()
    task = fresh.submit(group, ["bash run.sh"], {"run.sh": "echo kept > kept.dat; echo line-3; sleep 1000\n"})
    begun(fresh, task)
    for process in fresh.runner_processes():
        process.terminate()
    fresh.wait(task, S.EXECUTER_TERMINATED)
    assert fresh.output(task)["kept.dat"] == b"kept\n"
    assert not fresh.task_processes()


def test_a_stopped_server_leaves_simulations_alone(fresh: Platform) -> None:
    group = fresh.group()
    task = fresh.submit(group, ["bash run.sh"], {"run.sh": COUNT.format(n=60, code=0)})
    begun(fresh, task)
    server = fresh.server_process()
    assert server is not None
    server.terminate()
    assert fresh.process is not None
    assert fresh.process.wait(timeout=20) == 0
    assert fresh.task_processes()
    fresh.start()
    fresh.wait(task, S.SUCCESS)
    assert counted(fresh.output(task)) == lines(60)


def test_many_crashes_at_random_moments_lose_and_repeat_nothing(fresh: Platform) -> None:
    group = fresh.group(2)
    tasks = [fresh.submit(group, ["bash run.sh"], {"run.sh": COUNT.format(n=10, code=0)}) for _ in range(12)]
    for victim in ("runners", "server", "runners", "both"):
        done = sum(fresh.status(task).value == "success" for task in tasks)
        if victim in ("runners", "both"):
            fresh.kill_runners()
        if victim in ("server", "both"):
            fresh.kill_server()
            fresh.start()

        def progressed(before: int = done) -> bool:
            return sum(fresh.status(task).value == "success" for task in tasks) > min(before, len(tasks) - 1)

        eventually(progressed, f"tasks go on after killing {victim}")
    for task in tasks:
        told = fresh.wait(task, S.SUCCESS)
        output = fresh.output(task)
        assert counted(output) == lines(10)
        assert output["pids.txt"].count(b"pid-") == 1
        assert told["num_retries"] == 0
    checked = fresh.fsck()
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_a_server_that_was_stopped_for_longer_than_a_lease_declares_nothing_dead(fresh: Platform) -> None:
    """As when a laptop sleeps: what the runner said meanwhile is unread, not unsaid."""
    group = fresh.group()
    task = fresh.submit(group, ["bash run.sh"], {"run.sh": COUNT.format(n=200, code=0)})
    begun(fresh, task)
    server = fresh.server_process()
    assert server is not None
    server.suspend()
    stopped = time.monotonic()
    eventually(lambda: time.monotonic() > stopped + 5, "more than a lease passes")
    server.resume()
    told = fresh.wait(task, S.SUCCESS)
    assert told["num_retries"] == 0
    assert counted(fresh.output(task)) == lines(200)


def test_a_runner_that_was_stopped_for_longer_than_a_lease_is_fenced_when_it_wakes(fresh: Platform) -> None:
    group = fresh.group()
    task = fresh.submit(group, ["bash run.sh"], {"run.sh": COUNT.format(n=30, code=0)}, resubmit_on_preemption=True)
    begun(fresh, task)
    runner = fresh.runner_processes()[0]
    runner.suspend()
    fresh.wait(task, S.SUBMITTED, seconds=30)
    runner.resume()
    told = fresh.wait(task, S.SUCCESS)
    assert told["num_retries"] == 1
    output = fresh.output(task)
    assert counted(output) == lines(30)
    assert output["pids.txt"].count(b"pid-") == 1, "nothing of the first attempt is in the output"
