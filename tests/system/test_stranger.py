"""What a new user does wrong in a script: each mistake is told before anything is made, in words that help."""

from __future__ import annotations

import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.system.harness import BASE_IMAGE, REPOSITORY, Platform, in_terminal

import inductiva
from inductiva.protocol.status import TaskStatusCode as S
from inductiva.runner import sandbox
from inductiva.runner.environments import Environment


@pytest.fixture(autouse=True)
def _own_server(platform: Platform, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """This process is the user's script."""
    monkeypatch.delenv("INDUCTIVA_API_URL", raising=False)
    monkeypatch.setenv("INDUCTIVA_DATA_DIR", str(platform.data_dir))
    monkeypatch.setenv("INDUCTIVA_OUTPUT_DIR", str(tmp_path / "output"))


@pytest.fixture
def machines(platform: Platform, group: str) -> Any:
    name = next(found["name"] for found in platform.rest.get("/compute/groups") if found["id"] == group)
    return inductiva.resources.machine_groups.get_by_name(name)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An input directory with a blank and an umlaut in its name, and files of such names."""
    made = tmp_path / "meine Eingabe ü"
    (made / "sub").mkdir(parents=True)
    for name in ("config.json", "szene 1 ü.txt", "sub/mesh.obj"):
        (made / name).write_text(f"this is {name}\n")
    return made


def splish() -> inductiva.simulators.SplishSplash:
    return inductiva.simulators.SplishSplash()


def custom() -> inductiva.simulators.CustomImage:
    return inductiva.simulators.CustomImage(BASE_IMAGE)


@pytest.mark.parametrize(
    ("name", "kind", "said"),
    [
        ("confg.json", FileNotFoundError, "did you mean 'config.json'"),
        ("Config.json", FileNotFoundError, "did you mean 'config.json'"),
        ("mesh.obj", FileNotFoundError, "did you mean 'sub/mesh.obj'"),
        ("nothing like it", FileNotFoundError, "has no file 'nothing like it'"),
        ("sub", ValueError, "is a directory"),
        ("../config.json", ValueError, "inside the input directory"),
        ("/etc/passwd", ValueError, "inside the input directory"),
        ("", ValueError, "no file name"),
        (None, ValueError, "no file name"),
    ],
)
def test_a_wrong_file_name_is_told_with_those_that_are_near(
    machines: Any, folder: Path, name: Any, kind: type[Exception], said: str
) -> None:
    with pytest.raises(kind, match=said):
        splish().run(folder, sim_config_filename=name, on=machines)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda folder: folder / "nowhere", "does not exist"),
        (lambda folder: folder / "config.json", "it is a file"),
        (lambda folder: "", "empty text"),
    ],
)
def test_a_wrong_input_directory_is_named(machines: Any, folder: Path, make: Callable[[Path], Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        custom().run(make(folder), commands=["true"], on=machines)


def test_an_empty_input_directory_is_refused(machines: Any, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="is empty"):
        custom().run(tmp_path / "empty", commands=["true"], on=machines)


@pytest.mark.parametrize(
    ("mistake", "kind", "said"),
    [
        (
            lambda: inductiva.resources.MachineGroup("c2-standart-4"),
            inductiva.ApiException,
            "did you mean c2-standard-4",
        ),
        (lambda: inductiva.resources.MachineGroup(""), ValueError, "machine_type"),
        (lambda: inductiva.resources.MachineGroup("c2-standard-4", num_machines=0), ValueError, "num_machines"),
        (lambda: inductiva.resources.MachineGroup("c2-standard-4", data_disk_gb=5), ValueError, "10 to"),
        (lambda: inductiva.resources.MachineGroup("c2-standard-4", provider="AWS"), ValueError, "GCP, LOCAL"),
        (lambda: inductiva.resources.machine_groups.get_by_name("nope"), inductiva.ApiException, "nope"),
        (lambda: inductiva.resources.machine_groups.get_by_name(""), ValueError, "no name"),
        (lambda: inductiva.simulators.SplishSplash(version="9.9"), ValueError, "2.19.0"),
        (lambda: inductiva.simulators.CustomImage("image"), ValueError, "docker://"),
        (lambda: inductiva.tasks.Task(""), ValueError, "25 letters"),
        (lambda: inductiva.tasks.Task("short").get_status(), inductiva.ApiException, "'short'"),
        (lambda: inductiva.tasks.Task("a" * 25).wait(), inductiva.ApiException, "a" * 25),
        (lambda: inductiva.tasks.Task("a" * 25).download_outputs(), inductiva.ApiException, "a" * 25),
        (lambda: inductiva.tasks.Task("a" * 25).kill(wait_timeout=-1), ValueError, "wait_timeout"),
        (lambda: inductiva.tasks.Task("a" * 25).set_metadata({"a": 1}), TypeError, "'a'"),  # type: ignore[dict-item]
        (lambda: inductiva.tasks.Task("a" * 25).set_metadata({"": "1"}), ValueError, "empty"),
        (lambda: inductiva.tasks.get(status="sucess"), ValueError, "'success'"),
        (lambda: inductiva.tasks.get(last_n=0), ValueError, "last_n"),
    ],
)
def test_a_wrong_argument_is_named(mistake: Callable[[], object], kind: type[Exception], said: str) -> None:
    with pytest.raises(kind, match=said):
        mistake()


@pytest.mark.parametrize("commands", [[], "true", ["a | b"], ["echo 'open"], [""], [3]])
def test_wrong_commands_are_told_before_a_task_is_made(
    platform: Platform, machines: Any, folder: Path, commands: Any
) -> None:
    before = platform.rest.get("/tasks?per_page=1")["total_size"]
    with pytest.raises(ValueError, match="command"):
        custom().run(folder, commands=commands, on=machines)
    assert platform.rest.get("/tasks?per_page=1")["total_size"] == before


@pytest.mark.parametrize("on", [None, "c2-standard-4"])
def test_a_run_without_machines_says_what_to_give(folder: Path, on: Any) -> None:
    with pytest.raises(ValueError, match=r"MachineGroup"):
        custom().run(folder, commands=["true"], on=on)


def test_names_with_blanks_and_umlauts_go_there_and_back(machines: Any, folder: Path, tmp_path: Path) -> None:
    task = custom().run(folder, commands=["cp 'szene 1 ü.txt' 'kopie ñ.txt'"], on=machines)
    assert task.wait() == S.SUCCESS
    got = task.download_outputs(output_dir=tmp_path / "Ausgabe ü")
    assert got is not None
    assert (got / "kopie ñ.txt").read_text() == "this is szene 1 ü.txt\n"


def test_a_known_end_is_waited_for_without_asking_anybody(
    machines: Any, folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    task = custom().run(folder, commands=["true"], on=machines)
    assert task.wait() == S.SUCCESS
    capfd.readouterr()
    monkeypatch.setenv("INDUCTIVA_API_URL", "http://127.0.0.1:9")  # where nobody answers
    assert task.wait() == S.SUCCESS
    assert "succeeded" in capfd.readouterr().out


def test_a_script_may_decide_on_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    from inductiva.utils import format_utils

    assert inductiva.ansi_enabled is False, "the output of tests is no terminal"
    monkeypatch.setattr(inductiva, "ansi_enabled", True, raising=False)
    assert format_utils.ansi_enabled()


def test_ctrl_c_while_waiting_says_how_to_come_back_and_leaves_the_task_alone(platform: Platform, group: str) -> None:
    task = platform.submit(group, ["sh run.sh"], {"run.sh": "echo on the way; exec sleep 600\n"})
    script = f"import inductiva\ninductiva.tasks.Task({task!r}).wait()"
    with subprocess.Popen(
        [sys.executable, "-c", script],
        env=platform.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        while b"on the way" not in process.stdout.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        told = process.stderr.read().decode()
    for way in (f"Task({task!r}).wait()", f"inductiva logs {task}", f"inductiva tasks kill {task}"):
        assert way in told
    assert platform.status(task) == S.COMPUTATION_STARTED
    assert inductiva.tasks.Task(task).kill(wait_timeout=30)


def test_tables_on_a_narrow_terminal_have_whole_rows(platform: Platform, group: str) -> None:
    shown = in_terminal(platform, ["resources", "list"], COLUMNS="80", NO_COLOR="1")
    lines = shown.splitlines()
    assert max(len(line) for line in lines if "A wider terminal" not in line) <= 80
    assert "max cost ($/hour)" in shown
    piped = platform.cli("resources", "list").stdout
    assert "MAX COST ($/HOUR)" in piped


def test_an_environment_below_a_folder_that_its_image_has_too_is_not_hidden(tmp_path: Path) -> None:
    """An image has `/home/scripts`, and the user's environments are below `/home/me`: both must be there."""
    found = sandbox.detect(tmp_path / "etc")
    if found.bwrap is None:
        pytest.skip(f"no sandbox on this machine: {found.reason}")
    prefix = tmp_path / "environment"
    top = tmp_path.parts[1]
    for file in (prefix / "own", prefix / "root" / top / "scripts" / "tool"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("#!/bin/sh\necho here\n")
        file.chmod(0o755)
    place = sandbox.Place(tmp_path / "artifacts", tmp_path / "scratch", "one.1")
    place.artifacts.mkdir()
    place.scratch.mkdir()
    environment = Environment("echo", "1", "docker://x", prefix, prefix / "root", [str(prefix)], {}, [])
    words = ["sh", "-c", f"{prefix}/own && /{top}/scripts/tool"]
    line = sandbox.command_line(found, environment, place, sandbox.ARTIFACTS, sandbox.variables(environment), words)
    through = ["/bin/sh", "-c", 'exec "$@" 9>/dev/null', "sh"]  # 9 is where bubblewrap reports
    told = subprocess.run([*through, *line], capture_output=True, text=True, check=False, timeout=20)
    assert (told.stdout, told.stderr) == ("here\nhere\n", "")


def test_the_example_ends_with_an_error_when_the_simulation_does(
    platform: Platform, splishsplash: str, tmp_path: Path
) -> None:
    with zipfile.ZipFile(tmp_path / "splishsplash-input-example.zip", "w") as archive:
        archive.writestr("splishsplash-input-example/config.json", "{ this is no scene")
    told = subprocess.run(
        [sys.executable, REPOSITORY / "examples" / "splishsplash.py"],
        env={**platform.environment, "INDUCTIVA_DOWNLOAD_MIRROR": str(tmp_path)},
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert told.returncode == 1
    assert told.stderr.splitlines()[-1].startswith("The simulation did not succeed; what it printed: inductiva logs ")
    assert "Traceback" not in told.stderr
