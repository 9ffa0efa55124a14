"""The document "Tasks", sentence by sentence, with the real SPlisHSPlasH on an embedded server."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.system.harness import BIN, REPOSITORY, Platform

SCRIPT = """
import inductiva, json, sys
machine_group = inductiva.resources.MachineGroup("c2-standard-4")
machine_group.start()
input_dir = inductiva.utils.download_from_url(
    "https://example.invalid/inductiva-api-demo-files/splishsplash-input-example.zip", unzip=True)
scene = json.load(open(f"{input_dir}/config.json"))
scene["Configuration"]["stopAt"] = 0.2
json.dump(scene, open(f"{input_dir}/config.json", "w"))
splishsplash = inductiva.simulators.SplishSplash()
task = splishsplash.run(input_dir=input_dir, sim_config_filename="config.json", on=machine_group)
again = splishsplash.run(input_dir=input_dir, sim_config_filename="config.json", on=machine_group)
assert task.id != again.id
position = again.get_position_in_queue()
assert position is None or position in (0, 1), position
assert task.status == task.get_status()
one, two = inductiva.tasks.Task(task.id), inductiva.tasks.Task(task.id)
assert one is not two and one.id == two.id
task.set_metadata({"particle_radius": "0.025"})
assert one.get_metadata() == {"particle_radius": "0.025"}
for wrong, error in (({"a": 1}, TypeError), ({1: "a"}, TypeError), ({"a": ""}, ValueError), ({"": "a"}, ValueError)):
    try:
        task.set_metadata(wrong)
    except error as refused:
        assert str(refused)
    else:
        raise AssertionError(wrong)
assert task.wait() == "success" and again.wait() == "success"
folder = task.download_outputs()
some = again.download_outputs(filenames=["stdout.txt"])
task.print_summary()
seen = {"ids": [task.id, again.id], "folder": str(folder), "some": str(some), "repr": repr(task)}
print("REPORT " + json.dumps(seen))
"""


@pytest.fixture(scope="module")
def job(
    tmp_path_factory: pytest.TempPathFactory, mirror: Path, splishsplash: str
) -> Iterator[tuple[Platform, subprocess.CompletedProcess[str]]]:
    own = Platform(tmp_path_factory.mktemp("main-job"))
    yield own, own.run_python(SCRIPT, INDUCTIVA_DOWNLOAD_MIRROR=str(mirror))
    own.stop()


Job = tuple[Platform, subprocess.CompletedProcess[str]]


def report(job: Job) -> dict[str, str]:
    _, done = job
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    found: dict[str, str] = json.loads(done.stdout.split("REPORT ")[1])
    return found


def test_the_script_runs_and_real_particles_come_out(job: Job) -> None:
    folder = job[0].data_dir / report(job)["folder"]
    frames = sorted(folder.glob("vtk/*.vtk"))
    assert len(frames) >= 3
    head = frames[-1].read_bytes()[:400]
    points = re.search(rb"POINTS (\d+)", head)
    assert points is not None
    assert int(points[1]) > 500
    assert "SPHSimulator" in (folder / "stdout.txt").read_text()
    assert not (folder / "SPHSimulator").exists()


def test_a_partial_download_brings_what_was_asked_for(job: Job) -> None:
    some = job[0].data_dir / report(job)["some"]
    assert {path.name for path in some.rglob("*") if path.is_file()} <= {"stdout.txt", "stderr.txt"}


def test_the_terminal_shows_the_queue_and_four_hints_that_work_as_printed(job: Job) -> None:
    platform, done = job
    said = done.stdout + done.stderr
    identity = report(job)["ids"][0]
    assert re.search(r"tasks ahead in the queue: \d+", said)
    hints = set(re.findall(rf"inductiva [a-z -]*{identity}", said))
    for wanted in ("tasks list --id", "logs", "tasks list-files", "tasks info"):
        hint = f"inductiva {wanted} {identity}"
        assert hint in hints, said
        words = shlex.split(hint)
        outcome = platform.cli(*words[1:])
        assert outcome.returncode == 0, (hint, outcome.stdout, outcome.stderr)
        assert outcome.stdout.strip()


def test_the_summary_tells_the_whole_story(job: Job) -> None:
    _, done = job
    for words in (
        "Task status: Success",
        "Timeline",
        "In Progress",
        "SPHSimulator config.json",
        "Number of output files",
    ):
        assert words in done.stdout
    assert report(job)["ids"][0] in report(job)["repr"]


def test_another_session_finds_everything_again(job: Job) -> None:
    platform, _ = job
    identity = report(job)["ids"][0]
    found = platform.run_python(
        "import inductiva, sys\ntask = inductiva.tasks.Task(sys.argv[1])\n"
        "print(task.get_status(), task.get_metadata()['particle_radius'], task.get_output_info().n_files > 3)",
        identity,
    )
    assert found.stdout.split() == ["success", "0.025", "True"], found.stderr


def test_every_read_command_speaks_json(job: Job) -> None:
    platform, _ = job
    identity = report(job)["ids"][0]
    for words in (
        ("tasks", "list"),
        ("tasks", "info", identity),
        ("tasks", "list-files", identity),
        ("resources", "list"),
        ("simulators", "list"),
        ("server", "status"),
    ):
        outcome = platform.cli(*words, "--json")
        assert outcome.returncode == 0, (words, outcome.stderr)
        json.loads(outcome.stdout)


def test_the_example_of_the_readme_runs_as_it_is(tmp_path: Path, mirror: Path, splishsplash: str) -> None:
    own = Platform(tmp_path / "data")
    try:
        done = subprocess.run(
            [sys.executable, REPOSITORY / "examples" / "splishsplash.py"],
            env={**own.environment, "INDUCTIVA_DOWNLOAD_MIRROR": str(mirror), "PATH": f"{BIN}:{os.environ['PATH']}"},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=150,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        assert list(tmp_path.glob("inductiva_output/*/outputs/vtk/*.vtk"))
    finally:
        own.stop()
