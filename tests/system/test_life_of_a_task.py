"""What a task is and how it ends, on the wire: a real server, a real runner, real processes."""

from __future__ import annotations

import time

import pytest
from tests.system.harness import Platform, eventually

from inductiva.protocol import ids
from inductiva.protocol.status import TaskStatusCode as S


def codes(task: dict) -> list[str]:  # type: ignore[type-arg]
    return [entry["status"] for entry in task["status_history"]]


def commands_ended(platform: Platform, task: str) -> int:
    operations = [op for entry in platform.task(task)["status_history"] for op in entry["operations"]]
    return sum(op["name"] == "exec_command" and op["status"] == "OK" for op in operations)


def test_a_task_runs_its_commands_and_keeps_what_they_wrote(platform: Platform, group: str) -> None:
    script = "echo out; echo err >&2; mkdir -p deep/er; echo made > deep/er/made.txt; ln -s er deep/link\n"
    task = platform.submit(group, ["bash run.sh", "ls"], {"run.sh": script, "untouched.dat": "same"})
    assert ids.is_task_id(task)
    told = platform.wait(task, S.SUCCESS)
    assert codes(told) == [
        "pending-input",
        "submitted",
        "started",
        "computation-started",
        "computation-ended",
        "success",
    ]
    assert told["is_terminated"] is True
    assert told["error_detail"] is None
    assert told["metrics"]["output_total_files"] >= 3
    output = platform.output(task)
    assert output["deep/er/made.txt"] == b"made\n"
    assert "deep/link" in output
    assert "untouched.dat" not in output, "inputs that nothing changed do not travel back"
    text = output["stdout.txt"].decode()
    assert text.startswith("# COMMAND: ['bash', 'run.sh']\n# Working directory: /workdir/output/artifacts\n# Env: {")
    assert "\nout\n" in text
    assert "# COMMAND: ['ls']" in text
    assert "\nerr\n" in output["stderr.txt"].decode()
    operations = [op for entry in told["status_history"] for op in entry["operations"]]
    runs = [op for op in operations if op["name"] == "exec_command"]
    assert [op["attributes"]["command"] for op in runs] == ["bash run.sh", "ls"]
    assert all(op["status"] == "OK" and op["attributes"]["exit_code"] == 0 for op in runs)


def test_the_same_run_twice_is_two_tasks(platform: Platform, group: str) -> None:
    first, second = (platform.submit(group, ["true"]) for _ in range(2))
    assert first != second
    for task in (first, second):
        platform.wait(task, S.SUCCESS)


def test_a_submit_whose_answer_was_lost_makes_no_second_task(platform: Platform, group: str) -> None:
    before = platform.rest.get("/tasks?per_page=1")["total_size"]
    first = platform.register(group, ["true"], key="the-same-key")
    again = platform.register(group, ["true"], key="the-same-key")
    assert first.json["id"] == again.json["id"]
    assert platform.rest.get("/tasks?per_page=1")["total_size"] == before + 1
    other = platform.register(group, ["false"], key="the-same-key")
    assert other.status == 409
    assert "Idempotency-Key" in other.json["detail"]
    platform.rest("POST", f"/tasks/{first.json['id']}/kill")


def test_a_failing_command_ends_the_task_with_its_code_and_keeps_outputs(platform: Platform, group: str) -> None:
    script = "echo partial > result.dat; echo why >&2; exit 7\n"
    task = platform.submit(group, ["bash run.sh", "touch never"], {"run.sh": script})
    told = platform.wait(task, S.FAILED)
    assert "bash run.sh" in told["error_detail"]
    assert "7" in told["error_detail"]
    output = platform.output(task)
    assert output["result.dat"] == b"partial\n"
    assert b"why" in output["stderr.txt"]
    assert "never" not in output


def test_a_simulation_that_is_killed_from_outside_says_by_what(platform: Platform, group: str) -> None:
    task = platform.submit(group, ["bash run.sh"], {"run.sh": "echo before; kill -SEGV $$\n"})
    told = platform.wait(task, S.FAILED)
    assert "SIGSEGV" in told["error_detail"] or "signal 11" in told["error_detail"]
    assert b"before" in platform.output(task)["stdout.txt"]


def test_prompts_environment_and_folder_reach_the_command(platform: Platform, group: str) -> None:
    command = {"cmd": "bash ask.sh", "prompts": ["34", "", "last"], "env": {"MINE": "1 2"}}
    script = 'read a; read b; read c; echo "<$a|$b|$c|$MINE|$ALL|$PWD>"\n'
    task = platform.submit(
        group,
        [command],
        {"sub dir/ask.sh": script},
        extra_params={"run_subprocess_dir": "sub dir", "env": {"ALL": "x"}, "n_vcpus": 2},
    )
    platform.wait(task, S.SUCCESS)
    text = platform.output(task)["stdout.txt"].decode()
    assert "<34||last|1 2|x|/workdir/output/artifacts/sub dir>" in text
    assert "# Working directory: /workdir/output/artifacts/sub dir" in text


def test_without_prompts_stdin_is_at_its_end(platform: Platform, group: str) -> None:
    task = platform.submit(group, ["cat"])
    platform.wait(task, S.SUCCESS)


def test_names_with_spaces_and_other_alphabets_survive(platform: Platform, group: str) -> None:
    name = "eingabe für Ströme 水.txt"
    task = platform.submit(group, [f"cp '{name}' 'copy of {name}'"], {name: "wasser"})
    platform.wait(task, S.SUCCESS)
    assert platform.output(task)[f"copy of {name}"] == b"wasser"


def test_first_come_first_served_and_positions_say_so(platform: Platform) -> None:
    group = platform.group()
    hold = platform.submit(group, ["sleep 60"])
    platform.wait(hold, S.COMPUTATION_STARTED)
    queued = [platform.submit(group, ["true"]) for _ in range(3)]
    ahead = [platform.rest.get(f"/tasks/{task}/status")["position_in_queue"]["tasks_ahead"] for task in queued]
    assert ahead == [0, 1, 2]
    assert platform.rest.get(f"/tasks/{hold}/status")["position_in_queue"] is None
    platform.rest("POST", f"/tasks/{hold}/kill")
    ended = [platform.wait(task, S.SUCCESS) for task in queued]
    starts = [task["start_time"] for task in ended]
    assert starts == sorted(starts)
    platform.rest("DELETE", f"/compute/group?machine_group_id={group}")


def test_two_machines_of_a_group_run_two_tasks_at_once(platform: Platform) -> None:
    group = platform.group(2)
    script = "touch here; while ! [ -e go ]; do sleep 0.05; done\n"
    both = [platform.submit(group, ["bash run.sh"], {"run.sh": script}) for _ in range(2)]
    for task in both:
        platform.wait(task, S.COMPUTATION_STARTED)
    machines = {platform.task(task)["executer"]["uuid"] for task in both}
    assert len(machines) == 2
    platform.rest("DELETE", f"/compute/group?machine_group_id={group}")
    for task in both:
        platform.wait(task, S.EXECUTER_TERMINATED_BY_USER)


class TestKill:
    def test_in_the_queue_it_is_at_once(self, platform: Platform) -> None:
        group = platform.group()
        hold = platform.submit(group, ["sleep 60"])
        queued = platform.submit(group, ["true"])
        assert platform.rest("POST", f"/tasks/{queued}/kill").json["status"] == "killed"
        platform.rest("POST", f"/tasks/{hold}/kill")
        platform.wait(hold, S.KILLED)
        platform.rest("DELETE", f"/compute/group?machine_group_id={group}")

    def test_before_the_input_it_is_at_once(self, platform: Platform, group: str) -> None:
        task = platform.register(group, ["true"]).json["id"]
        platform.rest("POST", f"/tasks/{task}/kill")
        assert platform.status(task) == S.KILLED

    def test_while_computing_the_whole_tree_dies_and_outputs_stay(self, platform: Platform, group: str) -> None:
        script = (
            "echo kept > kept.dat\nsetsid nohup sleep 1000 &\n(sleep 1001 &)\n"
            "trap '' TERM\necho ready\nwhile true; do sleep 1; done\n"
        )
        task = platform.submit(group, ["bash run.sh"], {"run.sh": script})
        eventually(lambda: "ready" in platform.live_file(task, "stdout.txt"), "the script is ready")
        assert platform.task_processes()
        began = time.monotonic()
        answer = platform.rest("POST", f"/tasks/{task}/kill")
        assert answer.json["status"] == "pending-kill"
        told = platform.wait(task, S.KILLED, seconds=30)
        assert time.monotonic() - began < 20
        assert codes(told)[-2:] == ["pending-kill", "killed"]
        assert platform.output(task)["kept.dat"] == b"kept\n"
        assert not platform.task_processes()

    def test_a_simulation_may_tidy_up_when_it_is_told(self, platform: Platform, group: str) -> None:
        script = "trap 'echo checkpoint > saved.dat; exit 0' TERM\necho ready\nwhile true; do sleep 0.1; done\n"
        task = platform.submit(group, ["bash run.sh"], {"run.sh": script})
        eventually(lambda: "ready" in platform.live_file(task, "stdout.txt"), "the script is ready")
        platform.rest("POST", f"/tasks/{task}/kill")
        platform.wait(task, S.KILLED)
        assert platform.output(task)["saved.dat"] == b"checkpoint\n"

    @pytest.mark.parametrize("done", [0, 1, 7, 19, 20])
    def test_between_commands_the_task_ends_and_later_commands_do_not_run(
        self, platform: Platform, group: str, done: int
    ) -> None:
        task = platform.submit(group, ["true"] * 20 + ["sleep 30", "touch never"])
        eventually(lambda: commands_ended(platform, task) >= done, f"{done} commands have ended")
        platform.rest("POST", f"/tasks/{task}/kill")
        platform.wait(task, S.KILLED)
        url = platform.rest.get(f"/storage/signed-urls?operation=download&paths={task}/output.zip")[0]
        if url and platform.rest("HEAD", url).status == 200:
            assert "never" not in platform.output(task)

    def test_after_the_end_it_changes_nothing(self, platform: Platform, group: str) -> None:
        task = platform.submit(group, ["true"])
        platform.wait(task, S.SUCCESS)
        assert platform.rest("POST", f"/tasks/{task}/kill").json["status"] == "success"
        assert platform.status(task) == S.SUCCESS


def test_time_to_live_ends_the_tree_and_keeps_outputs(platform: Platform, group: str) -> None:
    script = "echo kept > kept.dat; echo begun\nsleep 100\n"
    task = platform.submit(group, ["bash run.sh", "touch never"], {"run.sh": script}, time_to_live_seconds=1)
    told = platform.wait(task, S.TTL_EXCEEDED, seconds=30)
    assert "1" in told["error_detail"]
    output = platform.output(task)
    assert output["kept.dat"] == b"kept\n"
    assert "never" not in output
    assert not platform.task_processes()


def test_a_terminated_group_ends_what_runs_and_what_waits(platform: Platform) -> None:
    group = platform.group()
    script = "echo kept > kept.dat; echo ready; sleep 100\n"
    runs = platform.submit(group, ["bash run.sh"], {"run.sh": script})
    eventually(lambda: "ready" in platform.live_file(runs, "stdout.txt"), "the script is ready")
    waits = platform.submit(group, ["true"])
    assert platform.rest("DELETE", f"/compute/group?machine_group_id={group}").status == 202
    assert platform.status(waits) == S.ZOMBIE
    platform.wait(runs, S.EXECUTER_TERMINATED_BY_USER)
    assert platform.output(runs)["kept.dat"] == b"kept\n"
    eventually(lambda: not [g for g in platform.rest.get("/compute/groups") if g["id"] == group], "the group is gone")
    refused = platform.register(group, ["true"])
    assert refused.status in (404, 409)
    assert "terminated" in refused.json["detail"]


def test_an_idle_group_ends_by_itself(platform: Platform) -> None:
    group = platform.group(max_idle_time=1)
    eventually(
        lambda: not [g for g in platform.rest.get("/compute/groups") if g["id"] == group], "the idle group ends", 30
    )


def test_a_machine_that_left_leaves_nothing_behind(fresh: Platform) -> None:
    group = fresh.group()
    fresh.wait(fresh.submit(group, ["true"]), S.SUCCESS)
    assert list(fresh.layout.machines.iterdir())
    fresh.rest("DELETE", f"/compute/group?machine_group_id={group}")
    eventually(lambda: not list(fresh.layout.machines.iterdir()), "its directory is gone")


def test_files_of_a_running_task_are_live(platform: Platform, group: str) -> None:
    script = "mkdir d; echo one > d/a.txt; echo ready; while ! [ -e stop ]; do sleep 0.05; done\n"
    task = platform.submit(group, ["bash run.sh"], {"run.sh": script})
    eventually(lambda: "ready" in platform.live_file(task, "stdout.txt"), "the script is ready")
    frame = platform.rest.get(f"/tasks/{task}/live/ls")
    assert frame["status"] == "success"
    assert "stdout.txt" in frame["message"]
    assert {"d": ["a.txt"]} in frame["message"]
    assert platform.live_file(task, "d/a.txt") == "one"
    newest = platform.rest.get(f"/tasks/{task}/live/last_modified_file")["message"]
    assert set(newest) == {"most_recent_file", "most_recent_timestamp", "now_timestamp", "time_since_last_mod"}
    assert "sleep" in platform.rest.get(f"/tasks/{task}/live/top")["message"]
    for outside in ("../../work.msgpack", "/etc/passwd", "d/../../../x"):
        answer = platform.rest("GET", f"/tasks/{task}/live/tail?filename={outside}").json
        assert answer["status"] != "success"
    platform.rest("POST", f"/tasks/{task}/kill")
    platform.wait(task, S.KILLED)
    assert "d" in str(platform.rest.get(f"/tasks/{task}/live/ls")["message"]), "files stay listed after the end"
