"""`scan`: what goes into an archive and what does not."""

from __future__ import annotations

import errno
import os
import socket
import stat
from pathlib import Path

import pytest

from inductiva.archive import Entry, check, scan
from inductiva.archive.index import Member


def names(root: Path, prefix: str = "", *, follow: bool = True) -> list[str]:
    return [entry.name for entry in scan(root, prefix, follow=follow)]


def test_it_is_sorted_with_parents_first_and_empty_directories(tmp_path: Path) -> None:
    for name in ("b/c/deep.txt", "a.txt", "b/a", "z"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "empty").mkdir()
    expected = ["a.txt", "b/", "b/a", "b/c/", "b/c/deep.txt", "empty/", "z"]
    assert names(tmp_path) == expected
    assert names(tmp_path, "sim_dir/") == ["sim_dir/", *("sim_dir/" + name for name in expected)]
    assert names(tmp_path, "sim_dir") == names(tmp_path, "sim_dir/")


def test_an_entry_tells_mode_time_and_size(tmp_path: Path) -> None:
    path = tmp_path / "run"
    path.write_text("12345")
    path.chmod(0o750)
    os.utime(path, (1, 1.5e9))
    assert list(scan(tmp_path)) == [Entry("run", path, stat.S_IFREG | 0o750, 1.5e9, 5)]


def test_links_inside_stay_links_and_others_are_followed(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    (root / "sub").mkdir(parents=True)
    (outside / "inner").mkdir(parents=True)
    (outside / "inner/f").write_text("from outside")
    (outside / "inner/own").symlink_to("f")
    (outside / "inner/up").symlink_to("../inner/f")
    (root / "f").write_text("f")
    (root / "sub/up").symlink_to("../f")
    (root / "dangling").symlink_to("not/there")
    (root / "absolute").symlink_to(root / "f")
    (root / "file").symlink_to("../outside/inner/f")
    (root / "folder").symlink_to(outside / "inner")
    (root / "gone").symlink_to("../nowhere")
    (root / "around").symlink_to("../root/f")
    found = {entry.name: entry for entry in scan(root)}
    kept = {name: entry.source for name, entry in found.items() if stat.S_ISLNK(entry.mode)}
    assert kept == {"sub/up": b"../f", "dangling": b"not/there", "folder/own": b"f"}
    assert found["file"].source == outside / "inner/f"
    assert found["folder/up"].source == outside / "inner/f"
    assert found["absolute"].source == found["around"].source == root / "f"
    assert "gone" not in found
    without = names(root, follow=False)
    assert without == ["dangling", "f", "sub/", "sub/up"]


def test_a_link_through_a_link_that_leaves_is_no_link_inside(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "root/out").symlink_to("..")
    (tmp_path / "root/sly").symlink_to("out/secret")
    assert names(tmp_path / "root", follow=False) == []


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d/back").symlink_to(tmp_path)
    (tmp_path / "self").symlink_to("self")
    assert names(tmp_path) == ["d/", "self"]


def test_what_is_no_file_is_left_out(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "null").symlink_to("/dev/null")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        assert names(tmp_path) == []


def test_skip_sees_names_below_the_root_and_prunes(tmp_path: Path) -> None:
    (tmp_path / "cache/deep").mkdir(parents=True)
    (tmp_path / "keep").write_text("")
    asked: list[str] = []

    def skip(name: str) -> bool:
        asked.append(name)
        return name == "cache/"

    assert [entry.name for entry in scan(tmp_path, "p/", skip=skip)] == ["p/", "p/keep"]
    assert asked == ["cache/", "keep"]


def test_what_vanishes_during_the_walk_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "b/f").write_text("")
    walk = scan(tmp_path)
    assert next(walk).name == "a/"
    (tmp_path / "b/f").unlink()
    (tmp_path / "b").rmdir()
    assert [entry.name for entry in walk] in (["b/"], [])


def test_names_that_archives_must_not_have_are_rewritten_once_each(tmp_path: Path) -> None:
    for name in (b"C:x", b"a\\b", b"line\nbreak", b"bad\xff", b"a%5Cb", "grüße".encode()):
        Path(os.fsdecode(bytes(tmp_path) + b"/" + name)).write_bytes(name)
    entries = list(scan(tmp_path))
    assert sorted(entry.name for entry in entries) == sorted(
        ["C%3Ax", "a%5Cb", "a%5Cb_", "bad%FF", "grüße", "line%0Abreak"]
    )
    check([Member(entry.name, 1, 1, 0, 0, 0, 0, entry.mode, 0) for entry in entries])


def test_a_root_that_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        list(scan(tmp_path / "nothing"))


def test_a_directory_that_cannot_be_read_is_an_error_or_reported(tmp_path: Path) -> None:
    """One whose path is longer than the system opens, which stops root, too."""
    (tmp_path / "after").write_text("")
    open_now = os.open(tmp_path, os.O_RDONLY)
    for _ in range(20):
        os.mkdir("a" * 250, dir_fd=open_now)
        below = os.open("a" * 250, os.O_RDONLY, dir_fd=open_now)
        os.close(open_now)
        open_now = below
    os.close(open_now)
    with pytest.raises(OSError, match="File name too long"):
        list(scan(tmp_path))
    told: list[tuple[str, int | None]] = []
    found = [entry.name for entry in scan(tmp_path, on_error=lambda name, error: told.append((name, error.errno)))]
    assert found[-1] == "after"
    assert [code for _, code in told] == [errno.ENAMETOOLONG]
