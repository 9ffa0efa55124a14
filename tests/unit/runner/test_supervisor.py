"""Processes started, watched, adopted and ended for real, with and without bubblewrap."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from inductiva.runner import processes, sandbox, supervisor
from inductiva.runner.environments import Environment
from inductiva.runner.sandbox import Place, Sandbox
from inductiva.runner.supervisor import CommandFiles, Process, Streams, Tree

MARK = "task.1"


class Bench:
    """One attempt's directory, and the commands run in it."""

    def __init__(self, root: Path, isolated: Sandbox) -> None:
        self.root = root
        self.sandbox = isolated
        self.place = Place(root / "artifacts", root / "scratch", MARK)
        self.commands = root / "commands"
        for directory in (self.place.artifacts, self.place.scratch, self.commands):
            directory.mkdir()
        self.tree = Tree(self.commands, MARK)
        self.environment = Environment("none", "1", "", root, None, [], {}, [])

    def start(self, script: str, index: int = 0, prompts: str | None = None) -> Process:
        values = sandbox.variables(self.environment)
        words = ["bash", "-c", script]
        line = sandbox.command_line(self.sandbox, self.environment, self.place, sandbox.ARTIFACTS, values, words)
        stdin = Path(os.devnull)
        if prompts is not None:
            stdin = self.root / "stdin"
            stdin.write_text(prompts)
        streams = Streams(stdin, self.place.artifacts / "stdout.txt", self.place.artifacts / "stderr.txt")
        return supervisor.spawn(line, self.files(index), streams, self.place.artifacts, MARK)

    def files(self, index: int = 0) -> CommandFiles:
        return CommandFiles(self.commands, index)

    def out(self) -> str:
        return (self.place.artifacts / "stdout.txt").read_text()

    async def until_said(self, word: str) -> None:
        await until(lambda: word in self.out(), f"{word!r} in the output")


async def until(condition: Callable[[], bool], what: str, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        await asyncio.sleep(0.005)


@pytest.fixture(params=["bubblewrap", "none"])
def bench(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setenv(sandbox.CHOICE_VARIABLE, request.param)
    isolated = sandbox.detect(tmp_path / "etc")
    assert isolated.kind == request.param
    made = Bench(tmp_path, isolated)
    yield made
    run(made.tree.end(0.0))


def run(work: Awaitable[None]) -> None:
    async def whole() -> None:
        await asyncio.wait_for(work, 30)

    asyncio.run(whole())


@pytest.mark.parametrize(
    ("script", "code"),
    [("exit 0", 0), ("exit 3", 3), ("exit 255", 255), ("kill -TERM $$", 143), ("kill -KILL $$", 137)],
)
def test_exit_codes(bench: Bench, script: str, code: int) -> None:
    async def scenario() -> None:
        assert await bench.start(script).wait() == code

    run(scenario())


def test_output_is_appended_and_input_is_fed(bench: Bench) -> None:
    async def scenario() -> None:
        (bench.place.artifacts / "stdout.txt").write_text("before\n")
        await bench.start("cat; echo err >&2", prompts="a\nb\n").wait()
        assert bench.out() == "before\na\nb\n"
        assert (bench.place.artifacts / "stderr.txt").read_text() == "err\n"
        assert await bench.start("cat", 1).wait() == 0

    run(scenario())


def test_a_log_that_was_replaced_by_a_link_is_not_followed(bench: Bench, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    (bench.place.artifacts / "stdout.txt").symlink_to(secret)
    (bench.place.artifacts / "stderr.txt").mkdir()

    async def scenario() -> None:
        assert await bench.start("echo out; echo err >&2").wait() == 0

    run(scenario())
    assert secret.read_text() == "secret"
    assert bench.out() == "out\n"


def test_a_start_takes_few_milliseconds(bench: Bench) -> None:
    async def scenario() -> float:
        times = []
        for index in range(20):
            began = time.perf_counter()
            process = bench.start("true", index)
            times.append(time.perf_counter() - began)
            await process.wait()
        return sorted(times)[len(times) // 2]

    assert asyncio.run(scenario()) < 0.01


def test_adoption_of_a_process_that_is_not_a_child(bench: Bench) -> None:
    """Another Python starts the command and is gone before the command ends."""
    script = "echo started; until [ -e go ]; do sleep 0.01; done; exit 6"
    values = sandbox.variables(bench.environment)
    line = sandbox.command_line(
        bench.sandbox, bench.environment, bench.place, sandbox.ARTIFACTS, values, ["bash", "-c", script]
    )
    starter = f"""
import asyncio
from pathlib import Path
from inductiva.runner.supervisor import *
async def main():
    place, commands = Path({str(bench.place.artifacts)!r}), Path({str(bench.commands)!r})
    streams = Streams(Path("/dev/null"), place / "stdout.txt", place / "stderr.txt")
    spawn({line!r}, CommandFiles(commands, 0), streams, place, "task.1")
asyncio.run(main())
"""
    subprocess.run([sys.executable, "-c", starter], check=True, timeout=20)

    async def scenario() -> None:
        await bench.until_said("started")
        await until(lambda: supervisor.read_identity(bench.files()) is not None, "the identity")
        process = supervisor.adopt(bench.files())
        assert process is not None
        (bench.place.artifacts / "go").touch()
        assert await process.wait() == 6
        assert supervisor.adopt(bench.files()) is None

    run(scenario())


def test_a_reused_pid_is_not_adopted(bench: Bench) -> None:
    async def scenario() -> None:
        process = bench.start("sleep 100")
        await until(lambda: supervisor.read_identity(bench.files()) is not None, "the identity")
        process.close()
        boot, line, _ = bench.files().pid.read_text().split("\n")
        fields = line.split()
        fields[21] = str(int(fields[21]) + 1)
        bench.files().pid.write_text(f"{boot}\n{' '.join(fields)}\n")
        assert supervisor.adopt(bench.files()) is None
        bench.files().pid.write_text(f"another boot\n{line}\n")
        assert supervisor.adopt(bench.files()) is None

    run(scenario())


ESCAPES = {
    "child": "sleep 900 & sleep 900",
    "double fork": "(sleep 900 &) ; sleep 900",
    "own session": "setsid sleep 900 & sleep 900",
    "daemon": "(setsid nohup bash -c 'trap \"\" HUP; sleep 900' >/dev/null 2>&1 &) ; sleep 900",
    "after the end": "(setsid sleep 900 &) ; exit 0",
}


@pytest.mark.parametrize("escape", ESCAPES)
def test_nothing_of_a_tree_survives(bench: Bench, escape: str) -> None:
    async def scenario() -> None:
        process = bench.start(f"echo started; {ESCAPES[escape]}")
        await bench.until_said("started")
        await until(lambda: len(bench.tree.members()) >= 1, "the tree to grow")
        await bench.tree.end(0.5)
        assert await process.wait() is not None
        assert bench.tree.members() == []
        assert bench.tree.is_empty()

    run(scenario())


def test_grace_lets_a_child_of_a_dead_shell_finish(bench: Bench) -> None:
    """The shell dies of the signal at once; what it started still gets its time to save."""
    child = "trap 'sleep 0.3; echo saved > saved; exit 0' TERM; echo started; while :; do sleep 0.01; done"

    async def scenario() -> None:
        process = bench.start(f'bash -c "{child}" & wait; sleep 900')
        await bench.until_said("started")
        await bench.tree.end(5.0)
        await process.wait()
        assert (bench.place.artifacts / "saved").read_text() == "saved\n"

    run(scenario())


def test_stubborn_processes_are_killed_when_the_grace_is_over(bench: Bench) -> None:
    async def scenario() -> None:
        process = bench.start("trap '' TERM; echo started; while :; do sleep 0.01; done")
        await bench.until_said("started")
        began = time.monotonic()
        await bench.tree.end(0.3)
        assert 0.3 <= time.monotonic() - began < 5.0
        assert await process.wait() == 128 + signal.SIGKILL

    run(scenario())


def test_a_lost_supervisor_means_no_exit_code(bench: Bench) -> None:
    async def scenario() -> None:
        process = bench.start("echo started; sleep 900")
        await bench.until_said("started")
        os.kill(process.pid, signal.SIGKILL)
        assert await process.wait() is None
        assert bench.tree.members()
        await bench.tree.end(0.0)
        assert bench.tree.is_empty()

    run(scenario())


def test_stat_lines_with_odd_names() -> None:
    tail = "S 1 2 3 " + " ".join(str(number) for number in range(7, 30))
    stat = processes.parse_stat(f"42 (a) b (c) {tail}")
    assert (stat.pid, stat.name, stat.state, stat.parent, stat.session) == (42, "a) b (c", "S", 1, 3)
    with pytest.raises(ValueError, match="not a line"):
        processes.parse_stat("")
