"""Following a task over connections that come and go."""

from __future__ import annotations

import io
import json
import queue
from collections.abc import Iterator
from contextlib import redirect_stdout
from typing import Any

import pytest
from tests.unit.sdk.web import DROP, Reply, Request, Web, error, ok

import inductiva
from inductiva.api import errors, transport
from inductiva.protocol.status import STATUSES, TaskStatusCode
from inductiva.protocol.watch import End, LogText, StatusChange
from inductiva.tasks import waiting, watch

ID = "t" * 25
PATH = f"/tasks/{ID}/watch"
TIME = "2026-11-23T10:00:00.000000+00:00"


def status(code: str, **more: Any) -> dict[str, Any]:
    info = STATUSES[TaskStatusCode(code)]
    fields = {"alias": info.alias, "description": info.description, "time": TIME, "is_terminated": info.terminal}
    return {"type": "status", "status": code, **fields, **more}


def log(text: str, offset: int, stream: str = "stdout") -> dict[str, Any]:
    return {"type": "log", "stream": stream, "offset": offset, "size": len(text), "text": text}


def end(code: str) -> dict[str, Any]:
    return {"type": "end", "status": code}


def lines(*messages: dict[str, Any], breaks_off: bool = False) -> Reply:
    chunks = iter([json.dumps(message).encode() + b"\n" for message in messages])
    return Reply(chunks=chunks, breaks_off=breaks_off, headers={"Content-Type": "application/x-ndjson"})


def everything(following: watch.Watch) -> list[Any]:
    got: list[Any] = []
    while not got or not isinstance(got[-1], End):
        got.append(following.next(timeout=20))
        assert got[-1] is not None
    return got


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "_PAUSES", (0.0, 0.0, 0.0))
    monkeypatch.setattr(transport, "RETRY_PAUSES", (0.0,))


def test_a_dropped_connection_is_resumed_where_it_was(web: Web) -> None:
    first = lines(
        status("computation-started"), log("abc\n", 10), log("err\n", 0, "stderr"), {"type": "ping"}, breaks_off=True
    )
    second = lines(status("computation-started"), log("def\n", 14), status("success"), end("success"))
    web.on("GET", PATH, first, DROP, error(503, "restarting"), second)
    with watch.Watch(ID, logs=True) as following:
        got = everything(following)
    assert [message.text for message in got if isinstance(message, LogText)] == ["abc\n", "err\n", "def\n"]
    assert [m.status for m in got if isinstance(m, StatusChange)] == ["computation-started", "success"]
    begun, resumed = web.requests[0].query, web.requests[-1].query
    assert begun == {"logs": ["true"], "tail": ["50"]}
    assert (resumed["stdout_offset"], resumed["stderr_offset"]) == (["14"], ["4"])


def test_a_task_that_is_queued_again_begins_its_log_anew(web: Web) -> None:
    first = lines(status("computation-started"), log("abc\n", 0), status("submitted"), breaks_off=True)
    web.on("GET", PATH, first, lines(status("success"), end("success")))
    with watch.Watch(ID, logs=True) as following:
        everything(following)
    assert "stdout_offset" not in web.requests[-1].query


def test_lines_may_arrive_in_pieces(web: Web) -> None:
    text = b"".join(json.dumps(message).encode() + b"\n" for message in (status("success"), end("success")))
    web.on("GET", PATH, Reply(chunks=iter([text[:7], text[7:50], text[50:51], text[51:-1]])))
    with watch.Watch(ID) as following:
        assert len(everything(following)) == 2


def test_an_unknown_task_is_an_error_at_once(web: Web) -> None:
    web.on("GET", PATH, error(404, "There is no task of yours with this id."))
    with pytest.raises(errors.NotFoundException, match="no task of yours"), watch.Watch(ID) as following:
        following.next(timeout=20)


def test_a_server_that_is_not_there_is_an_error_soon(web: Web) -> None:
    web.on("GET", PATH, DROP)
    with pytest.raises(errors.ServerUnreachable), watch.Watch(ID) as following:
        following.next(timeout=20)


def test_leaving_ends_the_reading_thread(web: Web) -> None:
    gate: queue.SimpleQueue[None] = queue.SimpleQueue()

    def stuck(request: Request) -> Reply:
        def chunks() -> Iterator[bytes]:
            yield json.dumps(status("submitted")).encode() + b"\n"
            gate.get(timeout=60)

        return Reply(chunks=chunks())

    web.on("GET", PATH, stuck)
    with watch.Watch(ID) as following:
        assert isinstance(following.next(timeout=20), StatusChange)
    following._thread.join(timeout=20)
    assert not following._thread.is_alive()
    gate.put(None)


class TestWait:
    def test_it_shows_what_happens_and_returns_the_status(self, web: Web, capsys: pytest.CaptureFixture[str]) -> None:
        web.on(
            "GET",
            PATH,
            lines(
                status("submitted", tasks_ahead=2),
                {"type": "position", "tasks_ahead": 1},
                status("computation-started"),
                log("step 1\nst", 0),
                log("ep 2\n", 9),
                log("careful\n", 0, "stderr"),
                log("unfinished", 14),
                status("failed", detail="Command 1 of 1, 'x', exited with code 3."),
                end("failed"),
            ),
        )
        task = inductiva.tasks.Task(ID)
        assert task.wait(download_std_on_completion=False) == "failed"
        said = capsys.readouterr().out.splitlines()
        assert said == [
            f"Waiting for task {ID} to complete...",
            "■ The task waits in the queue of its machine group.",
            "Tasks ahead in queue: 2",
            "Tasks ahead in queue: 1",
            "■ The simulation is running.",
            "│step 1",
            "│step 2",
            "│careful",
            "│unfinished",
            "■ A command of the simulation failed.",
            "  Command 1 of 1, 'x', exited with code 3.",
        ]
        assert "failed" in repr(task)

    def test_silence(self, web: Web, capsys: pytest.CaptureFixture[str]) -> None:
        web.on("GET", PATH, lines(status("success"), end("success")))
        task = inductiva.tasks.Task(ID)
        assert task.wait(silent_mode=True, download_std_on_completion=False) is TaskStatusCode.SUCCESS
        assert capsys.readouterr() == ("", "")
        assert web.requests[0].query["logs"] == ["false"]

    def test_a_timeout_leaves_the_task_alone(self, web: Web) -> None:
        gate: queue.SimpleQueue[None] = queue.SimpleQueue()

        def slow(request: Request) -> Reply:
            def chunks() -> Iterator[bytes]:
                yield json.dumps(status("submitted")).encode() + b"\n"
                gate.get(timeout=60)

            return Reply(chunks=chunks())

        web.on("GET", PATH, slow)
        with pytest.raises(TimeoutError, match="goes on"):
            inductiva.tasks.Task(ID).wait(silent_mode=True, timeout=0.2)
        gate.put(None)
        assert web.seen("POST", f"/tasks/{ID}/kill") == []

    def test_ctrl_c_says_how_to_come_back(
        self, web: Web, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def interrupted(*_: Any) -> TaskStatusCode:
            raise KeyboardInterrupt

        monkeypatch.setattr(waiting, "_follow", interrupted)
        with pytest.raises(KeyboardInterrupt):
            inductiva.tasks.Task(ID).wait()
        assert f"inductiva logs {ID}" in capsys.readouterr().err
        assert web.requests == []

    def test_ctrl_c_kills_a_task_that_is_tied_to_the_block(self, web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
        def interrupted(*_: Any) -> TaskStatusCode:
            raise KeyboardInterrupt

        monkeypatch.setattr(waiting, "_follow", interrupted)
        web.on("GET", f"/tasks/{ID}/status", ok({"id": ID, "status": "started", "is_terminated": False}))
        web.on("POST", f"/tasks/{ID}/kill", ok({}))
        task = inductiva.tasks.Task(ID)
        with task.sync_context():
            task.wait()
        assert len(web.seen("POST", f"/tasks/{ID}/kill")) == 1

    def test_a_closed_stdout_does_not_matter_to_silent_waits(self, web: Web) -> None:
        web.on("GET", PATH, lines(status("success"), end("success")))
        closed = io.StringIO()
        closed.close()
        with redirect_stdout(closed):
            inductiva.tasks.Task(ID).wait(silent_mode=True, download_std_on_completion=False)
