"""Looking into a running task, through a real runner."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from tests.unit.runner.fake_server import FakeServer, TaskRecord
from tests.unit.runner.test_attempt import WAIT, Runner, let_go, wait_running

from inductiva.protocol.runner import LiveCancel, LiveFrame, LiveRequest
from inductiva.protocol.watch import LiveOperation, LiveStatus
from inductiva.runner.looking import LookError, Tail, last_modified, list_files

_ids = (f"request-{number}" for number in itertools.count())


@pytest.fixture
def task(server: FakeServer, runner: Runner) -> TaskRecord:
    files = {"run.sh": WAIT, "deep/data.txt": b"one\ntwo\nthree", "empty.txt": b""}
    task = server.assign(server.new_work(["bash run.sh"], files))
    wait_running(server, task)
    return task


def ask(server: FakeServer, task: TaskRecord, op: LiveOperation, follow: bool = False, **args: Any) -> str:
    request = LiveRequest(next(_ids), task.work.task_id, op, follow, args)
    server.send(request)
    return request.request_id


def answer(server: FakeServer, request_id: str) -> LiveFrame:
    frames = server.wait(lambda: server.frames[request_id], "an answer")
    frame = frames[-1]
    assert isinstance(frame, LiveFrame)
    return frame


def test_ls(server: FakeServer, task: TaskRecord) -> None:
    frame = answer(server, ask(server, task, LiveOperation.LS))
    assert frame.last
    assert frame.message == [{"deep": ["data.txt"]}, "empty.txt", "run.sh", "stderr.txt", "stdout.txt"]


def test_top_shows_the_simulation_and_nothing_else(server: FakeServer, task: TaskRecord) -> None:
    text = answer(server, ask(server, task, LiveOperation.TOP)).message
    assert "bash run.sh" in text
    assert "bwrap" not in text


def test_last_modified_file(server: FakeServer, task: TaskRecord) -> None:
    message = answer(server, ask(server, task, LiveOperation.LAST_MODIFIED_FILE)).message
    assert message["most_recent_file"] in ("stdout.txt", "stderr.txt")
    assert message["time_since_last_mod"] >= 0


@pytest.mark.parametrize(
    ("name", "lines", "expected"),
    [
        ("deep/data.txt", 2, ["two", "three"]),
        ("deep/data.txt", 0, []),
        ("deep/data.txt", 99, ["one", "two", "three"]),
        ("empty.txt", 5, []),
    ],
)
def test_tail(server: FakeServer, task: TaskRecord, name: str, lines: int, expected: list[str]) -> None:
    frame = answer(server, ask(server, task, LiveOperation.TAIL, filename=name, lines=lines))
    assert (frame.status, frame.message, frame.last) == (LiveStatus.SUCCESS, expected, True)


@pytest.mark.parametrize("name", ["../../journal", "/etc/passwd", "absent.txt", "deep", "", None])
def test_what_cannot_be_shown_is_explained(server: FakeServer, task: TaskRecord, name: str | None) -> None:
    frame = answer(server, ask(server, task, LiveOperation.TAIL, filename=name))
    assert (frame.status, frame.last) == (LiveStatus.ERROR, True)
    assert isinstance(frame.message, str)


def test_following_gives_whole_lines_and_the_end(server: FakeServer, task: TaskRecord, machine: Path) -> None:
    artifacts = machine / "attempts" / f"{task.work.task_id}.1" / "artifacts"
    request = ask(server, task, LiveOperation.TAIL, follow=True, filename="deep/data.txt", lines=1)
    assert answer(server, request).message == ["two"]
    letters = "é".encode()
    with (artifacts / "deep" / "data.txt").open("ab", buffering=0) as file:
        file.write(b"\nfour\nhalf " + letters[:1])
        server.wait(lambda: len(server.frames[request]) > 1, "the whole lines")
        file.write(letters[1:] + b"\nrest")
    server.wait(lambda: len(server.frames[request]) > 2, "the other line")
    let_go(machine, task.work)
    server.wait(lambda: server.frames[request][-1].last, "the end")
    shown = [line for frame in server.frames[request][1:] for line in frame.message or []]
    assert shown == ["three", "four", "half é", "rest"]


def test_waiting_for_a_file_and_no_longer(server: FakeServer, task: TaskRecord, machine: Path) -> None:
    artifacts = machine / "attempts" / f"{task.work.task_id}.1" / "artifacts"
    waiting = ask(server, task, LiveOperation.TAIL, filename="later.txt", wait=True)
    given_up = ask(server, task, LiveOperation.TAIL, filename="never.txt", wait=True)
    server.send(LiveCancel(given_up))
    answer(server, ask(server, task, LiveOperation.LS))
    assert not server.frames[waiting]
    (artifacts / "later.txt").write_text("now\n")
    assert answer(server, waiting).message == ["now"]
    let_go(machine, task.work)
    server.wait_finished(task)
    assert not server.frames[given_up]


def test_a_task_that_is_not_here(server: FakeServer, task: TaskRecord) -> None:
    server.send(LiveRequest("x", "another", LiveOperation.LS))
    frame = answer(server, "x")
    assert (frame.status, frame.last) == (LiveStatus.ERROR, True)


def test_links_out_of_the_task_are_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    root = tmp_path / "artifacts"
    root.mkdir()
    (root / "link").symlink_to(secret)
    (root / "up").symlink_to("..")
    with pytest.raises(LookError, match="leads out"):
        Tail(root, "link").last_lines(10)
    with pytest.raises(LookError, match="leads out"):
        Tail(root, "up/secret").last_lines(10)
    assert list_files(root) == ["link", "up"]


def test_a_link_loop_and_an_empty_directory(tmp_path: Path) -> None:
    with pytest.raises(LookError, match="no file yet"):
        last_modified(tmp_path)
    (tmp_path / "loop").symlink_to(".")
    assert list_files(tmp_path) == ["loop"]


def test_tail_of_a_large_file_reads_its_end(tmp_path: Path) -> None:
    (tmp_path / "big").write_text("".join(f"line {number}\n" for number in range(200_000)))
    assert Tail(tmp_path, "big").last_lines(2) == ["line 199998", "line 199999"]
