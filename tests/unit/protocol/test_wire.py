"""Times, ids, commands and messages on the wire."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inductiva.protocol import commands, ids, runner, tasks, times
from inductiva.protocol.status import TaskEvent, TaskStatusCode
from inductiva.protocol.watch import LogStream


@given(st.floats(min_value=0, max_value=4e9, allow_nan=False))
def test_times_keep_their_microseconds_and_always_look_the_same(seconds: float) -> None:
    text = times.to_wire(seconds)
    assert text is not None
    assert len(text) == len("2025-01-31T12:34:56.123456+00:00")
    assert text.endswith("+00:00")
    assert math.isclose(times.from_wire(text).timestamp(), seconds, abs_tol=1e-5)


def test_a_time_without_an_offset_is_refused() -> None:
    with pytest.raises(ValueError, match="no UTC offset"):
        times.from_wire("2025-01-31T12:34:56.123456")
    assert times.from_wire("2025-01-31T12:34:56+00:00") == datetime(2025, 1, 31, 12, 34, 56, tzinfo=UTC)


def test_task_ids_have_the_published_form_and_differ() -> None:
    made = {ids.new_task_id() for _ in range(1000)}
    assert len(made) == 1000
    assert all(ids.is_task_id(text) for text in made)
    for bad in ("", "a" * 24, "a" * 26, "A" * 25, "a" * 24 + "\n", "../" + "a" * 22):
        assert not ids.is_task_id(bad)


@pytest.mark.parametrize("character", list("|><&;?~$"))
def test_shell_characters_are_refused_by_name(character: str) -> None:
    message = commands.problem(f"run a{character}b", [])
    assert message is not None
    assert character in message
    assert "script" in message


@pytest.mark.parametrize(
    ("cmd", "prompts"),
    [("", []), ("   ", []), ("echo 'a", []), ("echo ''", []), ("echo " + "a" * 513, []), ("cat", ["a" * 513])],
)
def test_commands_that_cannot_run_are_refused(cmd: str, prompts: list[str]) -> None:
    assert commands.problem(cmd, prompts) is not None


def test_well_formed_commands_pass() -> None:
    for cmd in ("echo hi", "bash 'my script.sh'", "cp *.dat out", "run --x=ü"):
        assert commands.problem(cmd, ["", "34"]) is None


def test_runner_messages_survive_the_wire() -> None:
    report = runner.Report("t", 1, 2, 3.5, runner.Finished(TaskEvent.FAILED, None, 3, None, "why"))
    chunk = runner.LogChunk("t", 1, LogStream.STDOUT, 7, b"\xff\x00", 1)
    decoder = msgspec.msgpack.Decoder(runner.FromRunner)
    for message in (report, chunk, runner.Ready(1)):
        assert decoder.decode(msgspec.msgpack.encode(message)) == message


def test_unknown_extra_params_are_ignored_and_bad_ones_named() -> None:
    params = msgspec.convert({"commands": [{"cmd": "ls"}], "n_vcpus": 2}, runner.ExtraParams)
    assert params.commands[0].cmd == "ls"
    with pytest.raises(msgspec.ValidationError, match=r"commands\[0\]"):
        msgspec.convert({"commands": [{"cmd": 1}]}, runner.ExtraParams)


def test_a_task_on_the_wire_has_an_object_of_metrics() -> None:
    task = tasks.Task(
        task_id="t",
        status=TaskStatusCode.SUBMITTED,
        status_alias="In Queue",
        simulator="s",
        project="default",
        is_terminated=False,
        num_retries=0,
    )
    assert msgspec.json.decode(msgspec.json.encode(task))["metrics"]["total_seconds"] is None
