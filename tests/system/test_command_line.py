"""The `inductiva` command as a user types it, right and wrong, on a real server: what it says and its exit code."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.system.harness import BIN, Platform, eventually, in_terminal

from inductiva.protocol.status import TaskStatusCode as S

UNKNOWN = "a" * 25
INDUCTIVA = str(BIN / "inductiva")

Tasks = Mapping[str, str]


@pytest.fixture(scope="module")
def tasks(platform: Platform) -> Iterator[Tasks]:
    """One task of each kind that a user meets, by kind; `group` is the name of their machine group."""
    group = platform.group(max_idle_time=3600)
    ids = {
        "ok": platform.submit(group, ["echo hi"]),
        "failed": platform.submit(group, ["sh run.sh"], {"run.sh": "echo bad >&2; exit 3\n"}),
    }
    for task in ids.values():
        platform.wait(task)
    ids["running"] = platform.submit(group, ["sh run.sh"], {"run.sh": "echo on the way; exec sleep 600\n"})
    platform.wait(ids["running"], S.COMPUTATION_STARTED)
    ids["queued"] = platform.submit(group, ["true"])
    name = next(found["name"] for found in platform.rest.get("/compute/groups") if found["id"] == group)
    yield {**ids, "group": name}
    platform.rest("DELETE", f"/compute/group?machine_group_id={group}")


def filled(words: str, tasks: Tasks) -> list[str]:
    """The words of a command line; `''` stands for an empty one, `_` for a blank."""
    chosen = [word.format(**tasks, unknown=UNKNOWN) for word in words.split()]
    return ["" if word == "''" else word.replace("_", " ") if word.startswith("_") else word for word in chosen]


REFUSED = {
    # unknown and malformed ids, in every command that takes one
    "tasks info {unknown}": ("no task", UNKNOWN),
    "tasks info short": ("'short' is no task id", "inductiva tasks list"),
    "tasks info ''": ("'' is no task id", "inductiva tasks list"),
    "tasks info _a_b": ("is no task id",),
    "tasks info ../../etc": ("is no task id",),
    "tasks info a/b": ("is no task id",),
    "tasks info день": ("is no task id",),
    "tasks info AAAAAAAAAAAAAAAAAAAAAAAAA": ("is no task id",),
    "tasks list --id {ok} {unknown}": ("no task", UNKNOWN),
    "tasks list --id short": ("is no task id",),
    "tasks download {unknown}": ("no task", UNKNOWN),
    "tasks download short": ("is no task id",),
    "tasks kill -y {unknown}": ("no task", UNKNOWN),
    "tasks kill -y short {running}": ("is no task id",),
    "tasks list-files {unknown}": ("no task",),
    "tasks top {unknown}": ("no task",),
    "tasks tail {unknown} stdout.txt": ("no task",),
    "tasks last-modified-file short": ("is no task id",),
    "tasks metadata get {unknown}": ("no task",),
    "tasks metadata set {unknown} a=b": ("no task",),
    "tasks metadata unset short a": ("is no task id",),
    "logs {unknown}": ("no task",),
    "logs short": ("is no task id",),
    "logs STARTED-400": ("STARTED-400 names no task",),
    # the wrong moment
    "logs {queued}": ("has not started", "--wait"),
    "tasks list-files {queued}": ("In Queue",),
    "tasks tail {queued} stdout.txt": ("In Queue",),
    "tasks top {ok}": ("over",),
    "tasks kill -y {ok}": ("already ended", "success"),
    "tasks kill {queued}": ("nobody answered", "--yes"),
    # the wrong file
    "tasks tail {running} nope.txt": ("nope.txt",),
    "tasks tail {running} ../../../etc/passwd": ("leads out",),
    "tasks metadata unset {ok} nothing": ("no metadata nothing",),
    # machines
    "resources start c2-standart-4": ("c2-standart-4", "did you mean", "c2-standard-4"),
    "resources start ''": ("machine_type",),
    "resources start c2-standard-4 -d 5": ("data_disk_gb", "10"),
    "resources info nope": ("'nope'",),
    "resources info ''": ("''",),
    "resources cost c2-standart-4": ("did you mean",),
    "resources terminate -y nope": ("nope", "there are"),
    "resources terminate {group}": ("nobody answered", "--yes"),
    "simulators install nope": ("nope", "splishsplash"),
    "simulators install splishsplash==9.9": ("9.9", "2.19.0"),
    "auth login --api-key x": ("INDUCTIVA_API_URL is not set",),
}

MISUSED = {
    "tasks info": ("Missing argument 'ID'",),
    "tasks inof": ("did you mean 'info'",),
    "task list": ("did you mean 'tasks'",),
    "tasks list --id": ("requires an argument",),
    "tasks list --status succes": ("'success'",),
    "tasks list -n 0": ("x>=1",),
    "tasks list -n x": ("'x' is not a valid whole number",),
    "tasks list -n 2 --all": ("give one of them",),
    "tasks list extra": ("extra",),
    "tasks list --json -w": ("--watch",),
    "tasks list -w 0": ("above 0",),
    "tasks download": ("give the ids",),
    "tasks kill": ("--all",),
    "tasks kill -y -w 0 {queued}": ("x>0",),
    "tasks tail {running}": ("FILE",),
    "tasks metadata set {ok}": ("KEY=VALUE",),
    "tasks metadata set {ok} a": ("KEY=VALUE",),
    "resources start": ("MACHINE_TYPE",),
    "resources start c2-standard-4 --provider AWS": ("gcp", "local"),
    "resources terminate": ("--all",),
    "completion": ("bash",),
    "completion tcsh": ("tcsh",),
    "-x": ("No such option",),
}


@pytest.mark.parametrize("words", REFUSED)
def test_what_cannot_be_done_is_said_in_one_line(platform: Platform, tasks: Tasks, words: str) -> None:
    told = platform.cli(*filled(words, tasks))
    errors = [line for line in told.stderr.splitlines() if line.startswith("Error: ")]
    assert (told.returncode, told.stdout, len(errors)) == (1, "", 1), told
    assert "Traceback" not in told.stderr
    for word in REFUSED[words]:
        assert word in errors[0], errors[0]


@pytest.mark.parametrize("words", MISUSED)
def test_wrong_usage_is_2_and_points_to_the_help(platform: Platform, tasks: Tasks, words: str) -> None:
    told = platform.cli(*filled(words, tasks))
    assert (told.returncode, told.stdout) == (2, ""), told
    assert "Traceback" not in told.stderr
    error = told.stderr[told.stderr.index("Error: ") :].lower()
    for word in MISUSED[words]:
        assert word.lower() in error, error


def test_nothing_was_killed_or_terminated_by_what_was_refused(platform: Platform, tasks: Tasks) -> None:
    platform.cli("tasks", "kill", "-y", "short", tasks["running"])
    platform.cli("resources", "terminate", tasks["group"])
    assert (platform.status(tasks["running"]), platform.status(tasks["queued"])) == (S.COMPUTATION_STARTED, S.SUBMITTED)


@pytest.mark.parametrize(
    ("environment", "code", "said"),
    [
        ({"INDUCTIVA_API_URL": "http://127.0.0.1:9"}, 3, "nothing listens there"),
        ({"INDUCTIVA_API_URL": "127.0.0.1:9"}, 3, "http://host:port"),
        ({"INDUCTIVA_API_URL": "nonsense"}, 3, "http://host:port"),
        ({"INDUCTIVA_API_URL": "http://"}, 3, "http://host:port"),
        ({"INDUCTIVA_API_URL": "URL"}, 1, "inductiva auth login"),
        ({"INDUCTIVA_API_URL": "URL", "INDUCTIVA_API_KEY": "wrong"}, 1, "INDUCTIVA_API_KEY"),
        ({"INDUCTIVA_API_URL": "URL", "INDUCTIVA_API_KEY": "with space"}, 1, "Copy the whole key"),
        ({"INDUCTIVA_DATA_DIR": "/proc/nope"}, 3, "INDUCTIVA_DATA_DIR"),
        ({"INDUCTIVA_DATA_DIR": "/etc/passwd"}, 3, "INDUCTIVA_DATA_DIR"),
    ],
)
@pytest.mark.parametrize("words", ["tasks list", "logs " + UNKNOWN])
def test_no_server_and_wrong_keys(
    platform: Platform, tmp_path: Path, words: str, environment: Mapping[str, str], code: int, said: str
) -> None:
    given = {name: platform.url if value == "URL" else value for name, value in environment.items()}
    told = platform.cli(*words.split(), HOME=str(tmp_path), **given)
    assert (told.returncode, told.stdout) == (code, ""), told
    assert told.stderr.startswith("Error: ")
    assert told.stderr.count("\n") == 1, "one line, without warnings of libraries"
    assert said in told.stderr


def test_a_wrong_key_is_not_stored(platform: Platform, tmp_path: Path) -> None:
    for key in ("wrong", "a b"):
        told = platform.cli("auth", "login", "--api-key", key, HOME=str(tmp_path), INDUCTIVA_API_URL=platform.url)
        assert told.returncode == 1
        assert "copy the whole key" in told.stderr
    assert not list(tmp_path.rglob("api_key"))


def test_a_download_of_what_is_not_there_yet_says_when(platform: Platform, tasks: Tasks) -> None:
    for kind in ("queued", "running"):
        told = platform.cli("tasks", "download", tasks[kind])
        assert (told.returncode, told.stdout) == (1, "")
        assert "Downloading" not in told.stderr
        assert f"inductiva logs --wait {tasks[kind]}" in told.stderr


def test_a_download_names_near_files_and_takes_any_folder(platform: Platform, tasks: Tasks) -> None:
    missing = platform.cli("tasks", "download", tasks["ok"], "--filenames", "stdot.txt", "--dir", "nowhere")
    assert (missing.returncode, missing.stdout) == (1, "")
    assert "'stdout.txt'" in missing.stderr
    got = platform.cli("tasks", "download", tasks["ok"], "--filenames", "stdout.txt", "--dir", "mein Ordner ü")
    assert got.returncode == 0
    assert "hi" in (Path(got.stdout.strip()) / "stdout.txt").read_text()
    (platform.data_dir / "a file").write_text("")
    blocked = platform.cli("tasks", "download", tasks["ok"], "--dir", "a file")
    assert blocked.returncode == 1
    assert "a file" in blocked.stderr.splitlines()[-1]
    assert "[Errno" not in blocked.stderr


READS = [
    "auth whoami",
    "resources available",
    "resources cost c2-standard-4",
    "resources info {group}",
    "resources list",
    "server status",
    "simulators list",
    "tasks info {ok}",
    "tasks info {queued}",
    "tasks last-modified-file {running}",
    "tasks list",
    "tasks list-files {ok}",
    "tasks list-files {running}",
    "tasks metadata get {ok}",
    "tasks top {running}",
    "user info",
    "version",
]


@pytest.mark.parametrize("words", READS)
def test_reads_are_text_for_people_and_one_json_document_for_programs(
    platform: Platform, tasks: Tasks, words: str
) -> None:
    people, programs = (platform.cli(*filled(words, tasks), *more) for more in ([], ["--json"]))
    assert (people.returncode, people.stderr, programs.returncode, programs.stderr) == (0, "", 0, "")
    assert people.stdout.strip()
    assert "\033" not in people.stdout
    assert "None" not in people.stdout
    assert isinstance(json.loads(programs.stdout), dict)


def test_lists_name_the_image_of_a_task_that_is_of_no_known_simulator(platform: Platform, tasks: Tasks) -> None:
    listed = platform.cli("tasks", "list", "--id", tasks["ok"]).stdout
    assert "kutu:base-image_v0.1.1" in listed
    assert "arbitrary_commands" not in listed


def test_status_names_are_taken_in_any_case(platform: Platform, tasks: Tasks) -> None:
    assert tasks["failed"] in platform.cli("tasks", "list", "--all", "--status", "Failed").stdout


def test_metadata_of_any_language(platform: Platform, tasks: Tasks) -> None:
    assert platform.cli("tasks", "metadata", "set", tasks["ok"], "ключ=зна чение", "a=1=2").returncode == 0
    assert json.loads(platform.cli("tasks", "metadata", "get", tasks["ok"], "--json").stdout) == {
        "ключ": "зна чение",
        "a": "1=2",
    }
    assert platform.cli("tasks", "metadata", "unset", tasks["ok"], "a").returncode == 0


@pytest.mark.parametrize(
    "words", ["logs {running}", "tasks tail -f {running} stdout.txt", "tasks list --watch", "server logs -f"]
)
def test_ctrl_c_ends_what_follows_with_130_and_leaves_the_task_alone(
    platform: Platform, tasks: Tasks, words: str
) -> None:
    with subprocess.Popen(
        [INDUCTIVA, *filled(words, tasks)],
        env=platform.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        errors = process.stderr.read().decode()
        assert process.wait(10) == 130
    assert "Traceback" not in errors
    assert platform.status(tasks["running"]) == S.COMPUTATION_STARTED


@pytest.mark.parametrize("words", ["tasks list --all", "simulators list --json", "logs {ok}", "--help"])
def test_a_reader_that_leaves_is_no_error(platform: Platform, tasks: Tasks, words: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    told = subprocess.run(
        [INDUCTIVA, *filled(words, tasks)],
        env=platform.environment,
        stdin=subprocess.DEVNULL,
        stdout=writing,
        stderr=subprocess.PIPE,
        timeout=60,
        check=False,
    )
    os.close(writing)
    assert told.returncode == 0
    assert b"Traceback" not in told.stderr
    assert b"Broken" not in told.stderr


def test_colours_go_to_terminals_and_never_with_no_color(platform: Platform, tasks: Tasks) -> None:
    words = ["tasks", "list", "--id", tasks["ok"]]
    assert "\033[" in in_terminal(platform, words)
    assert "\033[" not in in_terminal(platform, words, NO_COLOR="1")
    assert "\033[" not in in_terminal(platform, words, INDUCTIVA_DISABLE_ANSI="true")


def test_a_terminal_shows_the_frame_of_each_command_once(platform: Platform, tasks: Tasks) -> None:
    shown = in_terminal(platform, ["logs", tasks["failed"]], NO_COLOR="1")
    assert shown.count("# COMMAND:") == 1
    assert "bad" in shown
    apart = platform.cli("logs", tasks["failed"])
    assert (apart.stdout.count("# COMMAND:"), apart.stderr.count("# COMMAND:")) == (1, 1)
    assert "bad" in apart.stderr


@pytest.mark.parametrize("shell", [name for name in ("bash", "zsh", "fish") if shutil.which(name)])
def test_completion_scripts_are_well_formed(platform: Platform, shell: str) -> None:
    script = platform.cli("completion", shell)
    assert script.returncode == 0
    checked = subprocess.run([shell, "-n"], input=script.stdout, text=True, capture_output=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")


def test_bash_completes_commands_and_options(platform: Platform) -> None:
    def completed(line: str) -> str:
        words = line.split(" ")
        script = (
            'eval "$(inductiva completion bash)"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); '
            '_inductiva_completion inductiva; printf "%s\\n" "${COMPREPLY[@]}"'
        )
        path = f"{BIN}:{os.environ['PATH']}"
        told = subprocess.run(
            ["bash", "-c", script, "bash", *words],
            env={**platform.environment, "PATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        assert told.stderr == ""
        return told.stdout

    assert "tasks" in completed("inductiva ta").split()
    assert {"list", "list-files"} <= set(completed("inductiva tasks li").split())
    assert "--json" in completed("inductiva tasks list --js").split()


def test_the_server_command_says_that_other_commands_talk_elsewhere(platform: Platform) -> None:
    told = platform.cli("server", "status", INDUCTIVA_API_URL="http://elsewhere.example")
    assert told.returncode == 0
    assert "talk to http://elsewhere.example" in told.stdout


def server_pid(platform: Platform) -> int:
    info: dict[str, Any] = json.loads(platform.layout.server_info.read_bytes())
    return int(info["pid"])


def say_older(platform: Platform) -> None:
    """Make the running server one that an older version of the package started."""
    info = json.loads(platform.layout.server_info.read_bytes())
    platform.layout.server_info.write_text(json.dumps({**info, "version": "0.0.1"}))


def test_a_server_of_an_older_version_is_replaced_when_nothing_runs(fresh: Platform) -> None:
    before = server_pid(fresh)
    group = fresh.group()
    task = fresh.submit(group, ["sleep 600"])
    fresh.wait(task, S.COMPUTATION_STARTED)
    say_older(fresh)
    assert fresh.cli("tasks", "list").returncode == 0
    assert server_pid(fresh) == before, "a task needs it"
    assert fresh.cli("tasks", "kill", "-y", "-w", "30", task).returncode == 0
    told = fresh.cli("tasks", "list")
    assert (told.returncode, told.stderr) == (0, "")
    assert task in told.stdout
    assert server_pid(fresh) != before
    eventually(lambda: fresh.cli("server", "status", "--json").returncode == 0, "the new server answers")
