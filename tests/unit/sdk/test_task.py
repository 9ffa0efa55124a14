"""What a task object knows, asks and refuses."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from tests.unit.sdk import samples
from tests.unit.sdk.samples import ID
from tests.unit.sdk.web import Reply, Request, Web, error, ok

import inductiva
from inductiva.api import errors
from inductiva.protocol import tasks as wire
from inductiva.tasks import Task, killing
from inductiva.tasks.info import TaskInfo
from inductiva.tasks.live import tree_lines


def status(code: str, ahead: int | None = None) -> Reply:
    position = None if ahead is None else {"tasks_ahead": ahead}
    return ok({"id": ID, "status": code, "is_terminated": code == "success", "position_in_queue": position})


def live(*answers: tuple[str, Any]) -> Reply:
    return Reply(chunks=iter([json.dumps({"status": s, "message": m}).encode() + b"\n" for s, m in answers]))


def test_making_one_asks_nothing(web: Web) -> None:
    task = Task(ID)
    assert repr(task) == f'Task("{ID}", status=unknown)'
    assert task == Task(ID)
    assert len({task, Task(ID), Task("other")}) == 2
    assert web.requests == []


@pytest.mark.parametrize("bad", ["", "  ", None, 5])
def test_what_is_no_id(bad: Any) -> None:
    with pytest.raises(ValueError, match="25 letters"):
        Task(bad)


def test_status_compares_with_text_and_is_not_asked_again_after_the_end(web: Web) -> None:
    web.on("GET", f"/tasks/{ID}/status", status("submitted", 3), status("computation-started"), status("success"))
    task = Task(ID)
    assert task.get_position_in_queue() == 3
    assert task.status == "computation-started"
    assert task.get_status() == "success"
    assert task.is_terminal()
    assert not task.is_failed()
    assert not task.is_running()
    assert len(web.requests) == 3


def test_an_unknown_id_says_so(web: Web) -> None:
    web.on("GET", f"/tasks/{ID}", error(404, f"There is no task {ID!r} of yours."))
    with pytest.raises(inductiva.client.ApiException, match="no task"):
        Task(ID).get_info()


def test_information(web: Web) -> None:
    web.on("GET", f"/tasks/{ID}", ok(samples.whole_task()))
    task = Task(ID)
    info = task.info
    assert info.create_time == datetime(2026, 11, 23, 10, tzinfo=UTC)
    assert info.status_history[0].timestamp == info.status_history[0]["timestamp"] == info.create_time
    assert info.status_history[0].operations[0].attributes["command"] == "true"
    assert info.time_metrics.computation_seconds.value == task.get_computation_time() == 2.5
    assert info.data_metrics.output_size_bytes.label
    assert info.to_dict()["task_id"] == ID
    assert "Success" in str(info)
    assert task.summary == str(info)
    assert len(web.requests) == 1, "what has ended is not asked about again"
    out = io.StringIO()
    task.print_summary(out)
    assert out.getvalue().startswith("Task status: Success")


def test_running_times_go_on() -> None:
    fields = samples.task("computation-started", computation_start_time=samples.TIME, metrics={})
    info = TaskInfo(msgspec.convert(fields, wire.Task))
    now = datetime(2026, 11, 23, 10, 0, 30, tzinfo=UTC)
    assert info.computation_seconds(now) == info.total_seconds(now) == 30.0
    assert info.computation_seconds(now - timedelta(hours=1)) == 0.0, "the clock of this machine may be behind"
    assert info.is_running


class TestMetadata:
    def test_it_is_replaced_whole(self, web: Web) -> None:
        web.on("PUT", f"/tasks/{ID}/metadata", ok({}))
        web.on("GET", f"/tasks/{ID}/metadata", ok({"a": "1"}))
        Task(ID).set_metadata({"a": "1"})
        assert web.requests[0].json == {"a": "1"}
        assert Task(ID).get_metadata() == {"a": "1"}

    @pytest.mark.parametrize(
        ("metadata", "kind", "words"),
        [
            ({"radius": 1}, TypeError, "'radius' is 1"),
            ({1: "a"}, TypeError, "1 is a int"),
            ({"radius": ""}, ValueError, "'radius'"),
            ({"": "x"}, ValueError, "'x'"),
            ([("a", "b")], TypeError, "dict"),
        ],
    )
    def test_what_is_refused(self, web: Web, metadata: Any, kind: type[Exception], words: str) -> None:
        with pytest.raises(kind, match=words):
            Task(ID).set_metadata(metadata)
        assert web.requests == []


class TestKill:
    @pytest.mark.parametrize(
        ("timeout", "kind"), [("1", TypeError), (True, TypeError), (0, ValueError), (-1, ValueError)]
    )
    def test_timeouts(self, web: Web, timeout: Any, kind: type[Exception]) -> None:
        with pytest.raises(kind, match="wait_timeout"):
            Task(ID).kill(timeout)

    def test_verbosity(self, web: Web) -> None:
        with pytest.raises(ValueError, match="verbosity_level"):
            Task(ID).kill(verbosity_level=3)
        assert web.requests == []

    def test_only_asking(self, web: Web, capsys: pytest.CaptureFixture[str]) -> None:
        web.on("GET", f"/tasks/{ID}/status", status("submitted"))
        web.on("POST", f"/tasks/{ID}/kill", ok({}))
        assert Task(ID).kill(wait_timeout=None, verbosity_level=0) is None
        assert capsys.readouterr() == ("", "")

    def test_what_has_ended_is_not_killed(self, web: Web) -> None:
        web.on("GET", f"/tasks/{ID}/status", status("success"))
        web.on("GET", f"/tasks/{ID}", ok(samples.whole_task()))
        assert Task(ID).kill() is False
        assert web.seen("POST", f"/tasks/{ID}/kill") == []

    def test_a_failing_server_is_asked_five_times(self, web: Web) -> None:
        web.on("POST", f"/tasks/{ID}/kill", error(500, "broken"))
        pauses: list[float] = []
        with pytest.raises(RuntimeError, match="broken"):
            killing.request(ID, pauses.append)
        assert (len(web.requests), pauses) == (5, [1.0] * 4)

    def test_a_refusal_is_told_at_once(self, web: Web) -> None:
        web.on("POST", f"/tasks/{ID}/kill", error(404, "no such task"))
        with pytest.raises(errors.NotFoundException):
            killing.request(ID)
        assert len(web.requests) == 1


class TestQueries:
    def test_one_page(self, web: Web) -> None:
        web.on("GET", "/tasks", ok({"total_size": 1, "tasks": [samples.task()]}))
        tasks = inductiva.tasks.get(last_n=3, status="success", project="p")
        assert tasks == [Task(ID)]
        assert repr(tasks[0]) == f'Task("{ID}", status=success)'
        assert tasks[0].info.simulator == "splishsplash"
        assert web.requests[-1].query == {"page": ["1"], "per_page": ["3"], "status": ["success"], "project": ["p"]}
        assert len(web.requests) == 1

    def test_all_pages_without_repetition(self, web: Web) -> None:
        def page(request: Request) -> Reply:
            start = 500 * (int(request.query["page"][0]) - 1) - (1 if request.query["page"] != ["1"] else 0)
            tasks = [samples.task(task_id=f"t{i:024}") for i in range(start, min(start + 500, 700))]
            return ok({"total_size": 700, "tasks": tasks})

        web.on("GET", "/tasks", page)
        tasks = inductiva.tasks.get_tasks(last_n=0)
        assert [task.id for task in tasks] == [f"t{i:024}" for i in range(700)]
        assert len(web.requests) == 2
        assert len(inductiva.tasks.get(last_n=600)) == 600

    @pytest.mark.parametrize("arguments", [{"last_n": 0}, {"status": "in-queue"}])
    def test_what_is_refused(self, web: Web, arguments: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match=r"last_n|in-queue"):
            inductiva.tasks.get(**arguments)
        assert web.requests == []

    def test_columns(self) -> None:
        machine = {"uuid": "u", "cpu_count_logical": 4, "cpu_count_physical": 2, "memory": 1, "n_mpi_hosts": 2}
        fields = samples.task(executer={**machine, "vm_type": "c2-standard-4", "host_type": "GCP"})
        columns = inductiva.tasks.to_dict([Task.from_api_info(msgspec.convert(fields, wire.Task))])
        assert columns["Resource Type"] == ["GCP c2-standard-4 x2"]
        assert columns["Computation Time"] == ["0:00:02"]
        assert list(columns) == [
            "ID", "Simulator", "Status", "Submitted", "Started", "Computation Time", "Resource Type",
        ]  # fmt: skip


class TestLiveFiles:
    def test_tree(self, web: Web) -> None:
        web.on("GET", f"/tasks/{ID}/live/ls", live(("success", ["stdout.txt", {"post": ["a.dat", {"b": ["c.dat"]}]}])))
        text, code = Task(ID).list_files()
        assert code == 0
        assert (text or "").splitlines() == [
            "stdout.txt",
            "post/",
            "├── post/a.dat",
            "└── post/b/",
            "│   └── post/b/c.dat",
        ]

    def test_a_task_that_cannot_answer(self, web: Web, capsys: pytest.CaptureFixture[str]) -> None:
        web.on("GET", f"/tasks/{ID}/live/ls", live(("error", "It waits in the queue; try again when it runs.")))
        assert Task(ID).list_files() == (None, 1)
        assert "try again" in capsys.readouterr().err
        web.on("GET", f"/tasks/{ID}/live/top", error(404, "no such task"))
        assert Task(ID)._top() == (None, 1)

    def test_tails(self, web: Web) -> None:
        web.on("GET", f"/tasks/{ID}/live/tail", live(("success", ["one", "two"])))
        out = io.StringIO()
        assert Task(ID).tail_files("stdout.txt", 2, follow=False, fout=out) == 0
        assert out.getvalue() == "┌ (last 2 lines from stdout.txt)\n│one\n│two\n└\n"
        assert web.requests[0].query == {"follow": ["false"], "filename": ["stdout.txt"], "lines": ["2"]}

    def test_several_files_are_followed_at_once(self, web: Web) -> None:
        def tail(request: Request) -> Reply:
            return live(("success", [f"{request.query['filename'][0]} 1"]), ("success", ["more"]))

        web.on("GET", f"/tasks/{ID}/live/tail", tail)
        out = io.StringIO()
        assert Task(ID).tail_files(["a", "b"], 5, follow=True, fout=out, wait=True) == 0
        assert sorted(out.getvalue().splitlines()) == ["a 1", "b 1", "more", "more"]
        assert web.requests[0].query["wait"] == ["true"]

    def test_last_modified_file(self, web: Web) -> None:
        message = {
            "most_recent_file": "vtk/a.vtk",
            "most_recent_timestamp": 1763892000.0,
            "now_timestamp": 1763892002.5,
            "time_since_last_mod": 2.5,
        }
        web.on("GET", f"/tasks/{ID}/live/last_modified_file", live(("success", message)))
        text, code = Task(ID).last_modified_file()
        assert code == 0
        assert "vtk/a.vtk" in (text or "")
        assert "2.5 s" in (text or "")


def test_trees_of_nothing() -> None:
    assert list(tree_lines([])) == []
