"""The server that starts by itself, and how the command line manages it."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.system.harness import Platform, eventually

LIST = "import inductiva; print(len(inductiva.tasks.get_all()))"


@pytest.fixture
def embedded(tmp_path: Path, _environments: None) -> Iterator[Platform]:
    """No server runs yet."""
    folder = tmp_path / "data"
    folder.mkdir()
    own = Platform(folder)
    yield own
    own.stop()


def test_the_first_call_starts_it_and_the_next_session_finds_it(embedded: Platform) -> None:
    first = embedded.run_python(LIST)
    assert (first.returncode, first.stdout.strip()) == (0, "0"), first.stderr
    process = embedded.server_process()
    assert process is not None
    embedded.run_python(LIST)
    again = embedded.server_process()
    assert again is not None
    assert again.pid == process.pid


def test_importing_starts_nothing_and_says_nothing(embedded: Platform) -> None:
    done = embedded.run_python("import inductiva; inductiva.tasks.Task('a' * 25); inductiva.simulators")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert embedded.server_process() is None


def test_scripts_that_start_together_get_one_server(embedded: Platform) -> None:
    running = [
        subprocess.Popen(
            [sys.executable, "-c", LIST], env=embedded.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for _ in range(6)
    ]
    outcomes = [process.communicate(timeout=60) for process in running]
    assert [(process.returncode, out.strip()) for process, (out, _) in zip(running, outcomes, strict=True)] == [
        (0, b"0")
    ] * 6, outcomes
    servers = embedded._processes(lambda command: "inductiva.server" in command)
    ours = [process for process in servers if process.environ().get("INDUCTIVA_DATA_DIR") == str(embedded.data_dir)]
    assert len(ours) == 1


def test_it_comes_back_after_kill_9(embedded: Platform) -> None:
    embedded.run_python(LIST)
    embedded.kill_server()
    done = embedded.run_python(LIST)
    assert done.returncode == 0, done.stderr


def test_its_key_is_the_users_alone_and_never_stored_in_clear(embedded: Platform) -> None:
    embedded.run_python(LIST)
    assert stat.S_IMODE(embedded.layout.api_key.stat().st_mode) == 0o600
    assert embedded.key.encode() not in embedded.layout.database.read_bytes()


def test_the_command_line_manages_it(embedded: Platform) -> None:
    assert "does not run" in embedded.cli("server", "status").stdout
    assert embedded.cli("server", "start").returncode == 0
    status = json.loads(embedded.cli("server", "status", "--json").stdout)
    assert status["running"] is True
    exports = embedded.cli("server", "env").stdout
    for name in ("INDUCTIVA_API_URL", "INDUCTIVA_API_KEY", "INDUCTIVA_MACHINES_CATALOGUE_API_URL"):
        assert f"export {name}=" in exports
    shell = subprocess.run(
        ["sh", "-c", f'{exports}\n{sys.executable} -c "{LIST}"'],
        env={**embedded.environment, "INDUCTIVA_DATA_DIR": "/nowhere"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert shell.stdout.strip() == "0", shell.stderr
    assert embedded.cli("server", "fsck").returncode == 0
    assert embedded.cli("server", "logs").returncode == 0
    assert embedded.cli("server", "stop").returncode == 0
    eventually(lambda: embedded.server_process() is None, "the server is gone")


def test_it_ends_by_itself_when_nobody_needs_it(tmp_path: Path) -> None:
    own = Platform(tmp_path / "data", ["--idle-seconds", "1"]).start()
    assert own.process is not None
    assert own.process.wait(timeout=30) == 0


def test_a_wrong_key_and_a_server_that_is_not_there_are_one_clear_line(embedded: Platform) -> None:
    embedded.cli("server", "start")
    wrong = embedded.cli("tasks", "list", INDUCTIVA_API_URL=embedded.url, INDUCTIVA_API_KEY="wrong")
    assert wrong.returncode == 1
    assert "INDUCTIVA_API_KEY" in wrong.stderr
    nowhere = embedded.cli("tasks", "list", INDUCTIVA_API_URL="http://127.0.0.1:9", INDUCTIVA_API_KEY="x")
    assert nowhere.returncode == 3
    assert "127.0.0.1:9" in nowhere.stderr
    for outcome in (wrong, nowhere):
        assert "Traceback" not in outcome.stderr
        assert len(outcome.stderr.strip().splitlines()) <= 3
