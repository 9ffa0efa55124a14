"""`read_index`, `check`, `check_file`: what is read, and everything that is refused."""

from __future__ import annotations

import bz2
import contextlib
import io
import shutil
import stat
import struct
import subprocess
import zipfile
from pathlib import Path

import pytest
from tests.unit.archive.archive_tools import FILE, FOLDER, LINK, NOON, Raw, file, folder, link, pack, raw_zip

from inductiva.archive import OWN_LIMITS, ArchiveError, Limits, Member, check, check_file, read_index, read_member
from inductiva.archive.links import check_links
from inductiva.archive.records import end_records


def index(data: bytes) -> list[Member]:
    return read_index(io.BytesIO(data))


def member(name: str, *, size: int = 0, packed: int = 0, mode: int = FILE) -> Member:
    return Member(name, size, packed, 0, 8, 0, 0, mode, 0.0)


def test_our_own_index_is_what_was_packed() -> None:
    data = pack([folder("d/"), file("d/f", b"ab" * 500, FILE & ~0o044), link("d/l", "f")])
    first, second, third = index(data)
    assert (first.name, first.is_dir, first.mode, first.size) == ("d/", True, FOLDER, 0)
    assert (second.size, second.mode, second.mtime, second.method) == (1000, FILE & ~0o044, NOON, 8)
    assert third.is_link
    assert data[third.data_offset : third.data_offset + third.compressed_size] == b"f"


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_pythons_archives_are_read(compression: int, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", compression) as archive:
        archive.writestr("plain", b"1" * 5000)
        archive.writestr("ü/x", b"2")
        archive.writestr(zipfile.ZipInfo("old", (2001, 2, 3, 4, 5, 6)), b"3")
        with archive.open("wide", "w", force_zip64=True) as output:
            output.write(b"4" * 5000)
        archive.comment = b"a remark"
    members = check_file(tmp_path / "a.zip")
    with (tmp_path / "a.zip").open("rb") as data, zipfile.ZipFile(tmp_path / "a.zip") as archive:
        for item in members:
            assert b"".join(read_member(data, item)) == archive.read(item.name)
    assert [stat.S_IFMT(item.mode) for item in members] == [stat.S_IFREG] * 4


def test_what_zip_streams_is_read(tmp_path: Path) -> None:
    """Info-ZIP writing to a pipe: descriptors, zip64 fields, other extra fields."""
    if shutil.which("zip") is None:
        pytest.skip("zip is missing: apt-get install zip")
    (tmp_path / "d").mkdir()
    (tmp_path / "d/f").write_bytes(b"12345" * 10000)
    piped = subprocess.run(["zip", "-qr", "-", "d"], cwd=tmp_path, check=True, capture_output=True, timeout=60).stdout
    (tmp_path / "d/l").symlink_to("f")
    subprocess.run(["zip", "-qry", "a.zip", "d"], cwd=tmp_path, check=True, timeout=60)
    assert {item.name: item.is_link for item in index(piped)} == {"d/": False, "d/f": False}
    assert b"".join(read_member(io.BytesIO(piped), index(piped)[1])) == b"12345" * 10000
    assert {item.name: item.is_link for item in check_file(tmp_path / "a.zip")} == {
        "d/": False,
        "d/f": False,
        "d/l": True,
    }


def test_zip64_numbers_are_read() -> None:
    """Sizes that fit are written to the 64-bit field all the same, as archives of large files have it."""
    wide = struct.pack("<2H2Q", 1, 16, 7, 7)
    data = raw_zip([Raw(b"a", extra=wide, index_size=0xFFFFFFFF, index_packed=0xFFFFFFFF)])
    (only,) = index(data)
    assert (only.size, only.compressed_size) == (7, 7)
    missing = raw_zip([Raw(b"a", extra=struct.pack("<2HQ", 1, 8, 7), index_size=0xFFFFFFFF, index_packed=0xFFFFFFFF)])
    with pytest.raises(ArchiveError, match="zip64 sizes of 'a'"):
        index(missing)


def test_members_beyond_four_gibibytes(tmp_path: Path) -> None:
    """A real archive with a hole in it: the member and the index lie beyond 4 GiB."""
    path = tmp_path / "far.zip"
    far = (4 << 30) + 12345
    with path.open("wb") as output, zipfile.ZipFile(output, "w") as archive:
        archive.writestr("near", b"near")
        output.seek(far)
        archive.start_dir = far
        archive.writestr("far", b"far")
    near_by, far_off = check_file(path)
    assert near_by.name == "near"
    assert far_off.header_offset == far
    with path.open("rb") as data:
        assert b"".join(read_member(data, far_off)) == b"far"


def test_names_of_other_systems_are_decoded() -> None:
    assert index(raw_zip([Raw(b"caf\x82", flags=0, made=20)]))[0].name == "café"
    assert index(raw_zip([Raw("café".encode(), flags=0)]))[0].name == "café"
    with pytest.raises(ArchiveError, match="not UTF-8"):
        index(raw_zip([Raw(b"caf\x82")]))


def test_modes_that_are_not_told_are_the_usual_ones() -> None:
    members = index(raw_zip([Raw(b"a", mode=0), Raw(b"d/", b"", mode=0), Raw(b"w", mode=0o600, made=20)]))
    assert [item.mode for item in members] == [FILE, FOLDER, FILE]


WHOLE = pack([file("one", b"1" * 100), folder("two/"), file("two/three", bytes(range(256)) * 10)])


@pytest.mark.parametrize("size", range(0, len(WHOLE), 7))
def test_every_shortened_archive_is_refused(size: int) -> None:
    with pytest.raises(ArchiveError):
        index(WHOLE[:size])


@pytest.mark.parametrize("where", range(len(WHOLE)))
def test_no_changed_byte_goes_unseen_or_does_worse_than_an_archive_error(where: int) -> None:
    """Either it is refused, or what is read differs only in what no checksum covers (names, modes, times)."""
    broken = bytearray(WHOLE)
    broken[where] ^= 0x55
    data = io.BytesIO(broken)
    with contextlib.suppress(ArchiveError):
        members = read_index(data)
        check(members)
        contents = [b"".join(read_member(data, item)) for item in members]
        assert contents == [b"1" * 100, b"", bytes(range(256)) * 10]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "0 bytes"),
        (b"hello world, this is no archive at all", "no zip archive"),
        (raw_zip([Raw(b"a", flags=0x801)]), "encrypted"),
        (raw_zip([Raw(b"a", flags=0x2800)]), "encrypted"),
        (raw_zip([Raw(b"a", bz2.compress(b"x"), method=12, size=1)]), "bzip2"),
        (raw_zip([Raw(b"a", method=77)]), "method 77"),
        (raw_zip([Raw(b"a"), Raw(b"a", b"other")]), "'a' is in the archive twice"),
        (raw_zip([Raw(b"a"), Raw(b"b", offset=0)]), "does not agree"),
        (raw_zip([Raw(b"a", local_name=b"b")]), "does not agree"),
        (raw_zip([Raw(b"a", offset=5)]), "not where the index says"),
        (raw_zip([Raw(b"a", size=70)]), "two sizes"),
        (raw_zip([Raw(b"a", index_size=2000, index_packed=2000)]), "reaches into"),
        (raw_zip([Raw(b"a")], before=b"#!/bin/sh\n").replace(b"PK\5\6", b"PK\5\5"), "no end of a zip"),
        (b"#!/bin/sh\n" + raw_zip([Raw(b"a")]), "not where the archive says"),
        (raw_zip([Raw(b"a")], count=2), "does not have the 2 records"),
        (raw_zip([Raw(b"a"), Raw(b"b")], count=1), "does not have the 1 records"),
        (end_records(3_000_000, 0, 0), "3000000 members"),
    ],
)
def test_what_is_refused_and_why(data: bytes, message: str) -> None:
    with pytest.raises(ArchiveError, match=message):
        index(data)


def test_members_that_share_bytes_are_refused() -> None:
    """The bomb that inflates the same bytes many times: a member whose data holds another member."""
    inner = raw_zip([Raw(b"b")])
    start = 31
    inner_local = inner[: inner.index(b"PK\1\2")]
    data = raw_zip([Raw(b"a", inner_local), Raw(b"b", offset=start)])
    with pytest.raises(ArchiveError, match="'a' reaches into"):
        index(data)


@pytest.mark.parametrize(
    "name",
    [
        *(
            "../x",
            "a/../../x",
            "a/..",
            "..",
            "/etc/passwd",
            "//x",
            "C:/x",
            "c:x",
            "a\\b",
            "a\0b",
            "a\nb",
            "\x1b[0m",
            "\x7f",
        ),
        *("", "/", ".", "./a", "a/./b", "a//b", "a/b//", "x" * 5000, "d/" * 200 + "f"),
    ],
)
def test_hostile_names_are_refused(name: str) -> None:
    with pytest.raises(ArchiveError, match=r"rename|shorten|flatten"):
        check([member(name)])


@pytest.mark.parametrize("name", ["..a", "a..", "...", "a/.b", "a b", "grüße/日本", "ab:c", "d/c:x", "-rf", "~", "a/"])
def test_unusual_names_are_not(name: str) -> None:
    check([member(name, mode=FOLDER if name.endswith("/") else FILE)])


def test_names_that_are_file_and_directory_are_refused() -> None:
    for names in (["a", "a/b"], ["a/b/c", "a"], ["a/", "a"]):
        with pytest.raises(ArchiveError, match="both a file and a directory"):
            check([member(name, mode=FOLDER if name.endswith("/") else FILE) for name in names])
    check([member("A"), member("a/b")])
    for link_name, other in (("A", "a/b"), ("é", "é/b")):
        with pytest.raises(ArchiveError, match="both a file and a directory"):
            check([member(link_name, size=1, mode=LINK), member(other)])


def test_special_files_and_odd_links_are_refused() -> None:
    for mode in (stat.S_IFIFO, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFSOCK):
        with pytest.raises(ArchiveError, match="device, pipe or socket"):
            check([member("a", mode=mode | 0o644)])
    for size in (0, 10_000):
        with pytest.raises(ArchiveError, match="link"):
            check([member("a", size=size, mode=LINK)])
    with pytest.raises(ArchiveError, match="has content"):
        check([member("a/", size=3, mode=FOLDER)])


def test_limits() -> None:
    check([member("a", size=1 << 33, packed=1 << 25)])
    with pytest.raises(ArchiveError, match="bomb"):
        check([member("a", size=1 << 33, packed=1 << 24)])
    check([member("a", size=1 << 33, packed=1 << 24)], OWN_LIMITS)
    check([member("a", size=4 << 30, packed=10)])
    with pytest.raises(ArchiveError, match="2 members; 1 are allowed"):
        check([member("a"), member("b")], Limits(max_members=1))
    with pytest.raises(ArchiveError, match="holds 11 bytes; 10"):
        check([member("a", size=11, packed=11)], Limits(max_total_bytes=10))
    with pytest.raises(ArchiveError, match="deeper than 2"):
        check([member("a/b/c")], Limits(max_depth=2))


@pytest.mark.parametrize("target", ["/etc/passwd", "../x", "sub/../../x", ""])
def test_check_file_judges_links(tmp_path: Path, target: str) -> None:
    (tmp_path / "a.zip").write_bytes(pack([folder("d/"), link("d/ok", "../d"), link("l", target)]))
    with pytest.raises(ArchiveError, match="'l'"):
        check_file(tmp_path / "a.zip")


def test_check_file_judges_links_below_the_prefix(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(pack([folder("d/"), link("d/l", "../f"), file("f")]))
    check_file(tmp_path / "a.zip")
    with pytest.raises(ArchiveError, match="points out"):
        check_file(tmp_path / "a.zip", prefix="d/")


def test_links_that_cost_too_much_to_follow_are_refused() -> None:
    """Each leads through forty others that are two thousand steps long."""
    chain = {f"l{number}": b"./" * 20 + b"x/../" * 400 + f"l{number + 1}".encode() for number in range(41)}
    check_links({**chain, "l41": b"end"})
    with pytest.raises(ArchiveError, match="lead through one another"):
        check_links({**chain, **{f"start{number}": b"l0" for number in range(1000)}})


def test_links_with_too_much_in_them_are_refused() -> None:
    with pytest.raises(ArchiveError, match="targets of the links"):
        check([member(f"{number}", size=4096, packed=10, mode=LINK) for number in range(20_000)])
