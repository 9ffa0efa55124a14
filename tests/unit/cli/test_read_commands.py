"""Commands against a server that speaks the wire protocol."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.unit.cli.conftest import Wire

from inductiva.cli.main import run

A, B, C = ("a" * 25, "b" * 25, "c" * 25)
Capture = pytest.CaptureFixture[str]


def stamp(ago: float) -> str:
    return (datetime.now(UTC) - timedelta(seconds=ago)).isoformat(timespec="microseconds")


def task(task_id: str, status: str = "success", alias: str = "Success", **more: Any) -> dict[str, Any]:
    ended = status in {"success", "failed", "killed"}
    return {
        "task_id": task_id,
        "status": status,
        "status_alias": alias,
        "simulator": "splishsplash",
        "project": "default",
        "is_terminated": ended,
        "num_retries": 0,
        "create_time": stamp(100),
        "status_history": [],
        "metrics": {},
        **more,
    }


def executer(hosts: int = 1) -> dict[str, Any]:
    return {
        "uuid": "1",
        "cpu_count_logical": 4,
        "cpu_count_physical": 2,
        "memory": 1,
        "n_mpi_hosts": hosts,
        "vm_type": "c2-standard-4",
        "host_type": "GCP",
    }


def listing(*tasks: dict[str, Any]) -> dict[str, Any]:
    return {"total_size": len(tasks), "tasks": list(tasks)}


def test_list_shows_a_running_tasks_time_so_far(wire: Wire, capfd: Capture) -> None:
    wire.on(
        "GET /tasks",
        listing(
            task(A, "computation-started", "In Progress", computation_start_time=stamp(75.2), start_time=stamp(80)),
            task(B, metrics={"computation_seconds": 100.0}, executer=executer(2)),
            task(C, "submitted", "In Queue"),
        ),
    )
    assert run(["tasks", "list"]) == 0
    lines = capfd.readouterr().out.splitlines()
    headers = "ID SIMULATOR STATUS SUBMITTED STARTED COMPUTATION TIME RESOURCE TYPE"
    assert " ".join(lines[1].split()) == headers
    assert "0:01:15 so far" in lines[2]
    assert "0:01:40" in lines[3]
    assert lines[3].endswith("GCP c2-standard-4 x2")
    assert lines[4].split()[-3:] == ["n/a"] * 3
    assert "Times are" in lines[6]


def test_list_as_json_has_the_names_of_the_wire(wire: Wire, capfd: Capture) -> None:
    wire.on("GET /tasks", listing(task(A)))
    assert run(["tasks", "ls", "--json"]) == 0
    document = json.loads(capfd.readouterr().out)
    assert document["total_size"] == 1
    assert (document["tasks"][0]["task_id"], document["tasks"][0]["status"]) == (A, "success")


def test_list_gives_its_filters_to_the_server(wire: Wire) -> None:
    queries = []

    def answer(query: dict[str, list[str]]) -> Any:
        queries.append(query)
        return listing()

    wire.on("GET /tasks", answer)
    assert run(["tasks", "list", "-n", "3", "-p", "my project", "--status", "failed"]) == 0
    assert queries == [{"page": ["1"], "per_page": ["3"], "project": ["my project"], "status": ["failed"]}]


def test_all_reads_every_page_and_shows_no_task_twice(wire: Wire, capfd: Capture) -> None:
    tasks = [task(f"{number:025d}") for number in range(700)]

    def answer(query: dict[str, list[str]]) -> Any:
        page, size = int(query["page"][0]), int(query["per_page"][0])
        # A task that was submitted between the two requests moves all others by one.
        start = (page - 1) * size - (page > 1)
        return {"total_size": 700, "tasks": tasks[start : start + size]}

    wire.on("GET /tasks", answer)
    assert run(["tasks", "list", "--all", "--json"]) == 0
    ids = [item["task_id"] for item in json.loads(capfd.readouterr().out)["tasks"]]
    assert ids == [item["task_id"] for item in tasks]
    assert run(["tasks", "list", "-n", "600", "--json"]) == 0
    assert len(json.loads(capfd.readouterr().out)["tasks"]) == 600


def test_list_of_ids_in_any_form(wire: Wire, capfd: Capture) -> None:
    for task_id in (A, B, C):
        wire.on(f"GET /tasks/{task_id}", task(task_id))
    assert run(["tasks", "list", "--id", A, B, "-i", C, "--json"]) == 0
    assert [item["task_id"] for item in json.loads(capfd.readouterr().out)["tasks"]] == [A, B, C]


def test_an_unknown_task_is_1_and_the_servers_words(wire: Wire, capfd: Capture) -> None:
    wire.on(f"GET /tasks/{A}", (404, {"detail": "There is no task with this id."}))
    assert run(["tasks", "info", A]) == 1
    shown = capfd.readouterr()
    assert (shown.out, shown.err) == ("", "Error: There is no task with this id.\n")


def test_a_refused_key_is_1_and_says_where_it_came_from(wire: Wire, capfd: Capture) -> None:
    wire.on("GET /tasks", (401, {"detail": "The API key is wrong."}))
    assert run(["tasks", "list"]) == 1
    assert "INDUCTIVA_API_KEY" in capfd.readouterr().err


def test_info(wire: Wire, capfd: Capture) -> None:
    wire.on(f"GET /tasks/{A}", task(A))
    assert run(["tasks", "info", A]) == 0
    assert capfd.readouterr().out.startswith("\nTask status: Success\n")
    assert run(["tasks", "info", A, "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["task_id"] == A


def status(task_id: str, code: str) -> dict[str, Any]:
    return {"id": task_id, "status": code, "is_terminated": code in {"success", "killed"}}


def test_kill_goes_on_after_a_task_that_had_ended(wire: Wire, capfd: Capture) -> None:
    wire.on(f"GET /tasks/{A}/status", status(A, "success"))
    wire.on(f"GET /tasks/{B}/status", status(B, "submitted"))
    wire.on(f"POST /tasks/{B}/kill", {})
    assert run(["tasks", "kill", A, B, "--yes"]) == 1
    shown = capfd.readouterr()
    assert f"{A}: the task has already ended (success)" in shown.err
    assert shown.out == f"Kill of task {B} requested.\n"
    assert f"POST /tasks/{A}/kill" not in wire.seen


def test_kill_waits_for_the_end(wire: Wire, capfd: Capture) -> None:
    wire.on(f"GET /tasks/{A}/status", status(A, "computation-started"))
    wire.on(f"POST /tasks/{A}/kill", {})
    change = {"type": "status", "alias": "", "description": "", "time": stamp(0), "is_terminated": True}
    for code, expected in (("killed", 0), ("success", 1)):
        messages = [{**change, "status": code, "alias": code}, {"type": "end", "status": code}]
        wire.on(f"GET /tasks/{A}/watch", "".join(json.dumps(line) + "\n" for line in messages).encode())
        assert run(["tasks", "kill", A, "-y", "-w", "10"]) == expected
    assert "ended on its own before it was killed (success)" in capfd.readouterr().err


def test_kill_all_takes_what_has_not_ended(wire: Wire, capfd: Capture) -> None:
    pages = {"1": [task(A, "submitted"), task(B, "pending-kill")], "2": []}
    wire.on("GET /tasks", lambda query: {"total_size": 2, "tasks": pages[query["page"][0]]})
    wire.on(f"GET /tasks/{A}/status", status(A, "submitted"))
    wire.on(f"POST /tasks/{A}/kill", {})
    assert run(["tasks", "kill", "--all", "-y"]) == 0
    assert capfd.readouterr().out == f"Kill of task {A} requested.\n"


def test_kill_all_of_nothing_is_1(wire: Wire, capfd: Capture) -> None:
    wire.on("GET /tasks", listing())
    assert run(["tasks", "kill", "--all"]) == 1
    assert "nothing to kill" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("typed", "said"), [("n\n", "not confirmed, nothing was done"), ("", "give --yes to go on without it")]
)
def test_kill_asks(typed: str, said: str, wire: Wire, capfd: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    import io

    monkeypatch.setattr("sys.stdin", io.StringIO(typed))
    assert run(["tasks", "kill", A]) == 1
    shown = capfd.readouterr()
    assert A in shown.err
    assert said in shown.err
    assert wire.seen == []


def log_stream(*lines: dict[str, Any]) -> bytes:
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


def log(stream: str, text: str) -> dict[str, Any]:
    return {"type": "log", "stream": stream, "offset": 0, "size": len(text), "text": text}


def change(code: str, alias: str) -> dict[str, Any]:
    return {
        "type": "status",
        "status": code,
        "alias": alias,
        "description": f"It is {alias}.",
        "time": stamp(0),
        "is_terminated": code == "success",
    }


def test_logs_of_the_task_started_before_the_last(wire: Wire, capfd: Capture) -> None:
    wire.on("GET /tasks", listing(task(C), task(B, start_time=stamp(5)), task(A, start_time=stamp(50))))
    wire.on(f"GET /tasks/{A}/status", status(A, "success"))
    queries = []

    def watch(query: dict[str, list[str]]) -> bytes:
        queries.append(query)
        texts = (log("stdout", "step 1\n"), log("stderr", "careful\n"))
        return log_stream(change("success", "Success"), *texts, {"type": "end", "status": "success"})

    wire.on(f"GET /tasks/{A}/watch", watch)
    assert run(["logs", "STARTED-1"]) == 0
    shown = capfd.readouterr()
    assert shown.out == "step 1\n"
    assert shown.err == "■ It is Success.\ncareful\n"
    assert queries[0] == {"logs": ["true"]}, "the whole log of a task that has ended"
    assert run(["logs", "started-1", "--stderr", "-l", "3"]) == 0
    shown = capfd.readouterr()
    assert (shown.out, shown.err) == ("", "■ It is Success.\ncareful\n")
    assert queries[1] == {"logs": ["true"], "tail": ["3"]}


def test_logs_of_a_task_that_has_not_started(wire: Wire, capfd: Capture) -> None:
    wire.on("GET /tasks", listing(task(A, "submitted", "In Queue")))
    wire.on(f"GET /tasks/{A}/status", status(A, "submitted"))
    wire.on(f"GET /tasks/{A}/watch", log_stream(change("submitted", "In Queue"), {"type": "end", "status": "killed"}))
    assert run(["logs"]) == 1
    assert f"'inductiva logs --wait {A}'" in capfd.readouterr().err
    assert run(["logs", "--wait"]) == 0
    assert run(["logs", "SUBMITTED-7"]) == 1
    assert "SUBMITTED-7 names no task: 1 task has been submitted" in capfd.readouterr().err


def test_metadata_changes_leave_other_keys(wire: Wire, capfd: Capture) -> None:
    wire.on(f"GET /tasks/{A}/metadata", {"a": "1", "b": "2"})
    wire.on(f"PUT /tasks/{A}/metadata", {})
    assert run(["tasks", "metadata", "set", A, "a=x=y"]) == 0
    assert wire.bodies[-1] == {"a": "x=y", "b": "2"}
    assert run(["tasks", "metadata", "unset", A, "a"]) == 0
    assert wire.bodies[-1] == {"b": "2"}
    assert run(["tasks", "metadata", "unset", A, "z"]) == 1
    assert "no metadata z; it has: a, b" in capfd.readouterr().err
    assert run(["tasks", "metadata", "get", A]) == 0
    assert capfd.readouterr().out == "\n KEY   VALUE\n a     1\n b     2\n\n"


def test_live_files(wire: Wire, capfd: Capture) -> None:
    answer = {"status": "success", "message": ["stdout.txt", {"vtk": ["f0.vtk"]}]}
    wire.on(f"GET /tasks/{A}/live/ls", log_stream(answer))
    assert run(["tasks", "list-files", A]) == 0
    assert "f0.vtk" in capfd.readouterr().out
    wire.on(f"GET /tasks/{B}/live/top", log_stream({"status": "error", "message": "The task does not run."}))
    assert run(["tasks", "top", B]) == 1
    shown = capfd.readouterr()
    assert (shown.out, shown.err) == ("", "Error: The task does not run.\n")


def test_machine_types_and_prices(wire: Wire, capfd: Capture) -> None:
    kind = {"machine_type": "c2-standard-4", "num_vcpus": 4, "ram_gb": 16.0, "provider_id": "GCP", "zone": "z"}
    wire.on(
        "GET /pricing/machine-types", [{**kind, "price": 0.2, "spot": False}, {**kind, "price": 0.05, "spot": True}]
    )
    assert run(["resources", "available", "--spot"]) == 0
    assert " ".join(capfd.readouterr().out.splitlines()[2].split()) == "c2-standard-4 4 n/a 16 0.0500 z"
    wire.on("GET /compute/price", {"on_demand_price": 0.2, "preemptible_price": 0.05})
    assert run(["resources", "cost", "c2-standard-4", "--spot", "--num_machines", "3"]) == 0
    assert capfd.readouterr().out == "0.15 US$/h for 3, 0.050 US$/h each\n"


def test_terminate_names_the_groups_there_are(wire: Wire, capfd: Capture) -> None:
    wire.on("GET /compute/groups", [])
    assert run(["resources", "terminate", "api-x", "-y"]) == 1
    assert "no machine group is active" in capfd.readouterr().err
    assert run(["resources", "list"]) == 0
    assert "No active machine groups" in capfd.readouterr().out


def test_only_a_key_that_the_server_knows_is_stored(
    wire: Wire, capfd: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from inductiva.api import keys

    monkeypatch.setattr(keys, "_given", None)
    monkeypatch.delenv("INDUCTIVA_API_KEY")
    wire.on("GET /users/info", (401, {"detail": "unknown key"}))
    assert run(["auth", "login", "--api-key", "wrong"]) == 1
    assert "it was not stored" in capfd.readouterr().err
    assert keys.get_stored_api_key() is None
    user = {
        "email": "you@localhost",
        "username": "you",
        "tier": "open",
        "total_available_credits": 0,
        "terms_and_conditions_decision": "accepted",
        "registration_ts": stamp(0),
        "costs_fee_percentage": 0,
        "terminate_resources_credits_threshold": 0,
    }
    wire.on("GET /users/info", user)
    assert run(["auth", "login", "--api-key", "right"]) == 0
    assert keys.get_stored_api_key() == "right"
    assert keys.stored_key_path().stat().st_mode & 0o077 == 0
    assert run(["auth", "logout"]) == 0
    assert keys.get_stored_api_key() is None
