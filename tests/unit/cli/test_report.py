"""The report of a task."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec
import pytest

from inductiva.protocol.tasks import TaskWithStatusHistory
from inductiva.tasks.report import render_task

NOW = datetime.fromisoformat("2026-11-22T23:50:00+00:00")


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def stamp(seconds: float) -> str:
    return f"{datetime.now().year}-11-22T23:43:{seconds:09.6f}+00:00"


def entry(status: str, alias: str, start: float, end: float | None, operations: Any = ()) -> dict[str, Any]:
    return {
        "machine_id": None,
        "status": status,
        "alias": alias,
        "description": "…",
        "timestamp": stamp(start),
        "end_timestamp": None if end is None else stamp(end),
        "operations": list(operations),
    }


def command(text: str, start: float, end: float | None, code: int | None = 0) -> dict[str, Any]:
    return {
        "name": "exec_command",
        "alias": "Execute command",
        "status": "RUNNING" if end is None else "OK",
        "start_timestamp": stamp(start),
        "end_timestamp": None if end is None else stamp(end),
        "attributes": {"command": text, "exit_code": code},
    }


def wire(**changes: Any) -> TaskWithStatusHistory:
    """A finished task as the server sends it."""
    task = {
        "task_id": "dk02946ypqv9q1gllwtfx1ffl",
        "status": "success",
        "status_alias": "Success",
        "simulator": "splishsplash",
        "project": "proj-a",
        "is_terminated": True,
        "num_retries": 0,
        "estimated_computation_cost": 0.0012,
        "orchestration_fee": {"amount": 0.02, "charged": True, "currency": "USD"},
        "metrics": {"output_zipped_size_bytes": 123_456, "output_size_bytes": 654_321, "output_total_files": 12},
        "executer": {
            "uuid": "1",
            "cpu_count_logical": 4,
            "cpu_count_physical": 2,
            "memory": 16_000_000_000,
            "n_mpi_hosts": 1,
            "vm_type": "c2d-highcpu-4",
            "host_type": "GCP",
            "vm_name": "api-x",
            "error_detail": None,
        },
        "status_history": [
            entry("pending-input", "Waiting for Input", 1, 2.2),
            entry("submitted", "In Queue", 2.2, 21),
            entry("started", "Preparing to Compute", 21, 26),
            entry(
                "computation-started",
                "In Progress",
                26,
                46,
                [command("cp /in .", 26, 27), command("mpirun --np 4 sim config", 27, 46)],
            ),
            entry("computation-ended", "Finalizing", 46, 47),
            entry("success", "Success", 47, None),
        ],
    }
    return msgspec.convert({**task, **changes}, TaskWithStatusHistory)


def test_a_finished_task() -> None:
    assert render_task(wire(), NOW) == (
        "Task status: Success\n"
        "\n"
        "Timeline (UTC):\n"
        "\tWaiting for Input         at 22/11, 23:43:01      1.2 s\n"
        "\tIn Queue                  at 22/11, 23:43:02      18.8 s\n"
        "\tPreparing to Compute      at 22/11, 23:43:21      5.0 s\n"
        "\tIn Progress               at 22/11, 23:43:26      20.0 s\n"
        "\t\t├> 1.0 s           cp /in .\n"
        "\t\t└> 19.0 s          mpirun --np 4 sim config\n"
        "\tFinalizing                at 22/11, 23:43:46      1.0 s\n"
        "\tSuccess                   at 22/11, 23:43:47\n"
        "\n"
        "Data:\n"
        "\tSize of zipped output:    123.46 KB\n"
        "\tSize of unzipped output:  654.32 KB\n"
        "\tNumber of output files:   12\n"
        "\n"
        "Total estimated cost (US$): 0.0212 US$\n"
        "\tEstimated computation cost (US$): 0.0012 US$\n"
        "\tTask orchestration fee (US$): 0.020 US$\n"
    )


def test_a_running_task_says_how_long_it_has_been_running() -> None:
    running = wire(
        status="computation-started",
        status_alias="In Progress",
        is_terminated=False,
        metrics={},
        estimated_computation_cost=None,
        orchestration_fee=None,
        status_history=[entry("computation-started", "In Progress", 0, None, [command("sim", 0, None, None)])],
    )
    now = datetime.fromisoformat(stamp(12.5))
    text = render_task(running, now)
    assert "12.5 s (ongoing)\n\t\t└> 12.5 s (ongoing) sim\n" in text
    assert "Size of zipped output:    N/A until the task ends\n" in text
    assert text.endswith("Estimated computation cost (US$): N/A until the task ends\n")


def test_a_clock_behind_the_servers_shows_no_negative_time() -> None:
    running = wire(status_history=[entry("computation-started", "In Progress", 30, None)])
    assert "0.0 s (ongoing)" in render_task(running, datetime.fromisoformat(stamp(1)))


def test_a_failed_command_shows_its_exit_code() -> None:
    failed = wire(status_history=[entry("computation-started", "In Progress", 0, 1, [command("false", 0, 1, 7)])])
    assert "└> 1.0 s           false  (exit code 7)\n" in render_task(failed, NOW)


def test_the_cause_follows_the_status_and_long_labels_stay_aligned() -> None:
    ended = wire(
        status="zombie",
        status_alias="Machine Terminated in Queue",
        error_detail="the machine group was terminated",
        status_history=[
            entry("submitted", "In Queue", 0, 1),
            entry("zombie", "Machine Terminated in Queue", 1, None),
        ],
    )
    lines = render_task(ended, NOW).splitlines()
    assert lines[1] == "Status detail: the machine group was terminated"
    assert lines[4].index(" at ") == lines[5].index(" at ")


def test_what_a_reclaimed_machine_did_is_shown() -> None:
    operation = {**command("x", 3, 4), "alias": "Machine stopped", "attributes": {}}
    reclaimed = wire(
        status="spot-instance-preempted",
        status_history=[entry("spot-instance-preempted", "Spot Reclaimed", 3, None, [operation])],
    )
    assert "└> 1.0 s           Machine stopped\n" in render_task(reclaimed, NOW)


def test_hours_are_also_said_in_hours() -> None:
    long = entry("computation-started", "In Progress", 0, None)
    long["end_timestamp"] = f"{datetime.now().year}-11-23T00:45:00+00:00"
    assert "3720.0 s (1 h 2 m)" in render_task(wire(status_history=[long]), NOW)
