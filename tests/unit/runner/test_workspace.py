"""Inputs unpacked, outputs packed: what is new or changed, and nothing else."""

from __future__ import annotations

import io
import os
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.unit.runner.fake_server import make_input

from inductiva import archive
from inductiva.protocol.runner import ExtraParams, Work
from inductiva.runner import supervisor
from inductiva.runner.journal import CommandBegun, Journal
from inductiva.runner.supervisor import CommandFiles
from inductiva.runner.workspace import Workspace

WORK = Work("t" * 25, 1, "s", None, ExtraParams(), "", 0, "", "", 0.0)

OTHER = Work("u" * 25, 1, "s", None, ExtraParams(), "", 0, "", "", 0.0)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    made = Workspace(tmp_path / "attempt")
    made.create(WORK)
    return made


def unpack(workspace: Workspace, files: dict[str, bytes]) -> None:
    workspace.input.write_bytes(make_input(files))
    workspace.unpack("sim_dir", lambda: None)


def packed(workspace: Workspace) -> list[str]:
    with zipfile.ZipFile(io.BytesIO(b"".join(workspace.pack()))) as opened:
        assert opened.testzip() is None
        names = [name.removeprefix("artifacts/") for name in opened.namelist()]
    assert names[0] == ""
    return [name for name in names if name not in ("", "stdout.txt", "stderr.txt")]


def test_work_survives(workspace: Workspace) -> None:
    assert workspace.read_work() == WORK
    workspace.work.write_bytes(b"\xc1")
    assert workspace.read_work() is None


def test_untouched_inputs_are_left_out(workspace: Workspace) -> None:
    unpack(workspace, {"a.txt": b"a", "dir/b.txt": b"b"})
    assert packed(workspace) == ["dir/"]
    assert workspace.input.stat().st_size <= 1


def rewrite_same_size(path: Path) -> None:
    path.write_bytes(b"X")


def rewrite_and_restore_time(path: Path) -> None:
    stat = path.stat()
    path.write_bytes(b"X")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def replace(path: Path) -> None:
    stat = path.stat()
    other = path.with_name("other")
    other.write_bytes(b"X")
    os.utime(other, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    other.rename(path)


@pytest.mark.parametrize(
    "change", [rewrite_same_size, rewrite_and_restore_time, replace, Path.touch, lambda p: p.chmod(0o600)]
)
def test_a_change_right_after_unpacking_is_seen(workspace: Workspace, change: Callable[[Path], None]) -> None:
    """Clocks of file systems tick coarsely: no time may pass between the unpacking and the change."""
    unpack(workspace, {"a.txt": b"a", "b.txt": b"b"})
    tick = workspace.artifacts.stat().st_ctime_ns
    while time.time_ns() - tick < 12_000_000:
        pass  # the change time of an inode has the resolution of a kernel tick
    change(workspace.artifacts / "a.txt")
    assert packed(workspace) == ["a.txt"]


def test_a_rewrite_is_seen_even_within_a_tick(workspace: Workspace) -> None:
    for _ in range(20):
        unpack(workspace, {"a.txt": b"a"})
        (workspace.artifacts / "a.txt").write_bytes(b"X")
        assert packed(workspace) == ["a.txt"]


def test_new_files_links_modes_and_empty_directories_are_kept(workspace: Workspace) -> None:
    unpack(workspace, {"a.txt": b"a"})
    (workspace.artifacts / "empty").mkdir()
    (workspace.artifacts / "link").symlink_to("a.txt")
    script = workspace.artifacts / "script.sh"
    script.write_text("x")
    script.chmod(0o751)
    with zipfile.ZipFile(io.BytesIO(b"".join(workspace.pack()))) as opened:
        modes = {info.filename: info.external_attr >> 16 for info in opened.infolist()}
        assert opened.read("artifacts/link") == b"a.txt"
    assert modes["artifacts/script.sh"] & 0o777 == 0o751
    assert "artifacts/empty/" in modes


def test_links_that_lead_out_are_not_followed(workspace: Workspace, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    unpack(workspace, {"a.txt": b"a"})
    for name in ("out", "stdout.txt"):
        (workspace.artifacts / name).symlink_to(secret)
    data = b"".join(workspace.pack())
    with zipfile.ZipFile(io.BytesIO(data)) as opened:
        assert all(b"secret" not in opened.read(name) or name == "artifacts/out" for name in opened.namelist())
        assert opened.read("artifacts/stdout.txt") == b""
    assert secret.read_text() == "secret"


def test_unpacking_again_after_a_crash_starts_clean(workspace: Workspace) -> None:
    (workspace.artifacts / "half").write_text("x")
    unpack(workspace, {"a.txt": b"a"})
    assert sorted(path.name for path in workspace.artifacts.iterdir()) == ["a.txt"]


def test_what_does_not_belong_into_an_archive_is_refused(workspace: Workspace) -> None:
    workspace.input.write_bytes(b"no archive at all")
    with pytest.raises(archive.ArchiveError):
        workspace.unpack("sim_dir", lambda: None)


def test_unpacking_can_be_given_up(workspace: Workspace) -> None:
    class GivenUpError(Exception):
        pass

    def check() -> None:
        raise GivenUpError

    workspace.input.write_bytes(make_input({"a.txt": b"a"}))
    with pytest.raises(GivenUpError):
        workspace.unpack("sim_dir", check)


def test_a_locked_directory_is_removed(workspace: Workspace) -> None:
    locked = workspace.artifacts / "locked" / "deep"
    locked.mkdir(parents=True)
    (locked / "file").write_text("x")
    locked.chmod(0)
    locked.parent.chmod(0)
    workspace.remove()
    assert not workspace.root.exists()


def test_a_recycled_workspace_tells_nothing_of_the_attempt_before(workspace: Workspace, tmp_path: Path) -> None:
    unpack(workspace, {"a.txt": b"secret of the first"})
    journal = Journal(workspace.journal)
    journal.append(CommandBegun(0))
    journal.close()
    for name in ("0.pid", "0.exit", "0.info"):
        (workspace.commands / name).write_text("0\n")
    workspace.artifacts.chmod(0o700)
    workspace.scratch.chmod(0o700)
    workspace.input.write_bytes(bytes(10_000_000))  # as a download that failed leaves it
    assert workspace.recycle(tmp_path / "spare")
    assert not workspace.root.exists()

    following = Workspace(tmp_path / "following")
    (tmp_path / "spare").rename(following.root)
    assert following.read_work() is None  # as a crash would leave it
    following.root.rename(tmp_path / "spare")
    following.create(OTHER, tmp_path / "spare")
    assert following.read_work() == OTHER
    journal = Journal(following.journal)
    assert (journal.progress.begun, journal.progress.phase) == (None, 0)
    journal.close()
    assert supervisor.read_identity(CommandFiles(following.commands, 0)) is None
    assert supervisor.read_exit(CommandFiles(following.commands, 0)) is None
    assert [oct(path.stat().st_mode) for path in (following.artifacts, following.scratch)] == ["0o40755"] * 2
    assert list(following.artifacts.iterdir()) == []
    left = b"".join(path.read_bytes() for path in following.root.rglob("*") if path.is_file())
    assert len(left) < 100_000
    assert b"secret" not in left
    assert b"a.txt" not in left


@pytest.mark.parametrize("name", ["commands/1.pid", "commands/0.stdin", "artifacts/locked/file"])
def test_what_is_unusual_is_not_recycled(workspace: Workspace, tmp_path: Path, name: str) -> None:
    path = workspace.root / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("x")
    many = workspace.artifacts / "many"
    many.mkdir()
    for index in range(100):
        (many / str(index)).touch()
    assert not workspace.recycle(tmp_path / "spare")
    workspace.remove()
    assert not workspace.root.exists()
    assert not (tmp_path / "spare").exists()
