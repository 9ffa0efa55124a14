"""The command tree: exit codes, messages, what is imported when."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from inductiva import __version__
from inductiva.cli import help_pages
from inductiva.cli.lazy import LazyGroup
from inductiva.cli.main import run
from inductiva.cli.tree import ROOT, Branch, Leaf

TASK = "k3v02946ypqv9q1gllwtfx1ff"
NOBODY = "http://127.0.0.1:9"


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No server runs, and nothing of the user's is touched."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("INDUCTIVA_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.delenv("INDUCTIVA_API_URL", raising=False)
    monkeypatch.delenv("INDUCTIVA_API_KEY", raising=False)


def leaves(branch: Branch, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Leaf]]:
    for name, child in branch.children.items():
        if isinstance(child, Branch):
            yield from leaves(child, (*path, name))
        else:
            yield " ".join([*path, name]), child


def test_the_tree_says_what_the_commands_say() -> None:
    by_path = dict(help_pages.commands())
    for path, leaf in leaves(ROOT):
        command = by_path[f"inductiva {path}"]
        assert not isinstance(command, LazyGroup)
        assert (command.help or "").split("\n\n")[0].replace("\n", " ").startswith(leaf.help), path


def test_every_read_command_has_json() -> None:
    with_json = {path for path, command in help_pages.commands() if any(p.name == "json" for p in command.params)}
    assert {
        f"inductiva {path}"
        for path in (
            "tasks list",
            "tasks info",
            "tasks list-files",
            "tasks top",
            "tasks last-modified-file",
            "tasks metadata get",
            "resources list",
            "resources info",
            "resources available",
            "resources cost",
            "simulators list",
            "server status",
            "user info",
            "auth whoami",
            "version",
        )
    } == with_json


@pytest.mark.parametrize("arguments", [["--help"], ["tasks", "--help"], ["--version"], ["tasks", "metadata"], []])
def test_help_is_printed_without_heavy_modules(arguments: list[str]) -> None:
    script = (
        "import sys\n"
        "from inductiva.cli.main import run\n"
        f"code = run({arguments!r})\n"
        "heavy = {'urllib3', 'rich', 'msgspec', 'litestar', 'sqlalchemy', 'asyncio', 'platformdirs', 'http.client'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
        "sys.exit(code)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "[]\n")
    assert "inductiva" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["taks"], "did you mean 'tasks'?"),
        (["tasks", "lst"], "did you mean 'list'?"),
        (["tasks", "info"], "Missing argument 'ID'"),
        (["tasks", "list", "-n", "0"], "0 is not in the range x>=1"),
        (["tasks", "list", "-n", "3", "--all"], "exclude one another"),
        (["tasks", "list", "-i", TASK, "-p", "x"], "does not go with --project-name"),
        (["tasks", "list", "-i"], "requires an argument"),
        (["tasks", "list", TASK], "unexpected extra argument"),
        (["tasks", "list", "--status", "done"], "'done' is no task status; use one of pending-input"),
        (["tasks", "list", "-w", "0"], "a number of seconds above 0"),
        (["tasks", "list", "--json", "--watch"], "--watch redraws a screen"),
        (["tasks", "kill"], "give the ids of the tasks, or --all"),
        (["tasks", "kill", TASK, "--all"], "give the ids of the tasks, or --all"),
        (["tasks", "kill", TASK, "-w", "0"], "not in the range"),
        (["tasks", "download"], "give the ids of the tasks"),
        (["tasks", "tail", TASK], "Missing argument 'FILE"),
        (["tasks", "metadata", "set", TASK, "a"], "'a' is not KEY=VALUE"),
        (["resources", "terminate"], "give the names of machine groups, or --all"),
        (["completion", "tcsh"], "'tcsh' is not one of"),
        (["server", "env", "--unset", "--json"], "does not go with --json"),
    ],
)
def test_wrong_usage_is_2_and_says_what_is_right(
    arguments: list[str], said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    shown = capfd.readouterr()
    assert said in shown.err
    assert shown.out == ""


@pytest.mark.parametrize(
    "arguments",
    [
        ["tasks", "list"],
        ["tasks", "list", "--id", TASK],
        ["tasks", "info", TASK, "--json"],
        ["tasks", "kill", TASK, "-y"],
        ["tasks", "kill", "--all", "-y"],
        ["tasks", "list-files", TASK],
        ["tasks", "metadata", "get", TASK],
        ["tasks", "download", TASK],
        ["logs"],
        ["resources", "list"],
        ["resources", "cost", "c2-standard-4"],
        ["simulators", "list"],
        ["user", "info"],
        ["auth", "whoami"],
    ],
)
def test_an_unreachable_server_is_3_and_one_line(
    arguments: list[str], capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INDUCTIVA_API_URL", NOBODY)
    monkeypatch.setenv("INDUCTIVA_API_KEY", "key")
    monkeypatch.setattr("inductiva.api.transport.RETRY_PAUSES", ())
    assert run(arguments) == 3
    shown = capfd.readouterr()
    assert shown.err.startswith(f"Error: Cannot reach the server at {NOBODY}")
    assert shown.err.count("\n") == 1
    assert shown.out == ""


def test_an_impossible_key_is_1_and_says_where_it_came_from(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INDUCTIVA_API_URL", NOBODY)
    monkeypatch.setenv("INDUCTIVA_API_KEY", "a key")
    assert run(["tasks", "list"]) == 1
    assert "INDUCTIVA_API_KEY" in capfd.readouterr().err


def test_version(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["-V"]) == run(["version"]) == 0
    assert capfd.readouterr().out == f"inductiva {__version__}\n" * 2
    assert run(["version", "--json"]) == 0
    assert json.loads(capfd.readouterr().out) == {"version": __version__}


def test_a_server_that_never_ran(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["server", "status", "--json"]) == 0
    status = json.loads(capfd.readouterr().out)
    assert (status["running"], status["url"]) == (False, None)
    assert not Path(status["data_dir"]).exists()
    assert run(["server", "stop"]) == 0
    assert run(["server", "logs"]) == 1
    assert "never run here" in capfd.readouterr().err


def test_variables_can_be_taken_back(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["server", "env", "--unset"]) == 0
    assert capfd.readouterr().out.splitlines()[0] == "unset INDUCTIVA_API_URL"


def test_login_without_a_server_explains_itself(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["auth", "login", "--api-key", "x"]) == 1
    assert "needs no login" in capfd.readouterr().err
    assert run(["auth", "logout"]) == 0


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(shell: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["completion", shell]) == 0
    assert "_INDUCTIVA_COMPLETE" in capfd.readouterr().out


def test_commands_complete() -> None:
    environment = {
        **os.environ,
        "_INDUCTIVA_COMPLETE": "bash_complete",
        "COMP_WORDS": "inductiva tasks l",
        "COMP_CWORD": "2",
    }
    script = "from inductiva.cli.main import main; main()"
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert set(done.stdout.split()) == {"plain,last-modified-file", "plain,list", "plain,list-files"}


def test_a_reader_that_leaves_gets_no_traceback() -> None:
    script = "import sys\nfrom inductiva.cli.main import main\nsys.stdin.read()\nmain()"
    command = [sys.executable, "-c", script, "tasks", "--help"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        process.stdin.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


def test_ctrl_c_is_130(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    def interrupted(*_arguments: object, **_options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("inductiva.api.session.embedded_status", interrupted)
    assert run(["server", "status"]) == 130
    assert "Traceback" not in capfd.readouterr().err


def test_the_page_in_the_docs_is_current() -> None:
    page = Path(__file__).parents[3] / "docs" / "cli.md"
    assert page.read_text() == help_pages.render(), "run: python docs/generate.py"


def test_help_pages_name_every_command() -> None:
    page = help_pages.render()
    for path, command in help_pages.commands():
        assert isinstance(command, click.Command)
        assert isinstance(command, LazyGroup) or f"### {path}\n" in page
