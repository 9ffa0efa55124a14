"""`ZipStream`: what it writes can be read by others, whatever happens to the files meanwhile."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import stat
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.archive.archive_tools import FILE, NOON, file, folder, link, pack

from inductiva.archive import ArchiveError, Entry, ZipStream, read_index, scan
from inductiva.archive.records import Facts, central_record, descriptor, end_records, local_header

LARGE = 3 << 20


def on_disk(path: Path, name: str = "x") -> Entry:
    return Entry(name, path, FILE, NOON, 0)


def test_python_reads_every_kind_of_member(tmp_path: Path) -> None:
    text = b"".join(b"line %d\n" % number for number in range(500_000))
    noise = os.urandom(LARGE)
    (tmp_path / "text").write_bytes(text)
    (tmp_path / "noise").write_bytes(noise)
    entries = [folder("d/"), file("d/ä", b"small"), on_disk(tmp_path / "text", "d/text")]
    entries += [on_disk(tmp_path / "noise", "d/noise"), link("d/l", "text"), file("d/none", b"")]
    with zipfile.ZipFile(io.BytesIO(pack(entries))) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == [entry.name for entry in entries]
        assert archive.read("d/text") == text
        assert archive.read("d/noise") == noise
        methods = {info.filename: info.compress_type for info in archive.infolist()}
        assert (methods["d/text"], methods["d/noise"], methods["d/l"]) == (8, 0, 0)
        assert archive.getinfo("d/l").external_attr >> 16 == stat.S_IFLNK | 0o777


def test_unzip_reads_it_with_links_modes_and_times(tmp_path: Path) -> None:
    if shutil.which("unzip") is None:
        pytest.skip("unzip is missing: apt-get install unzip")
    (tmp_path / "big").write_bytes(b"0123456789\n" * 300_000)
    entries = [folder("d/"), file("d/run", b"#!", FILE | 0o111), on_disk(tmp_path / "big", "d/big"), link("d/l", "big")]
    (tmp_path / "a.zip").write_bytes(pack(entries))
    subprocess.run(["unzip", "-q", "a.zip", "-d", "out"], cwd=tmp_path, check=True, timeout=60)
    out = tmp_path / "out/d"
    assert (out / "l").readlink() == Path("big")
    assert (out / "big").read_bytes() == (tmp_path / "big").read_bytes()
    assert stat.S_IMODE((out / "run").stat().st_mode) == 0o755
    assert (out / "run").stat().st_mtime == NOON


def test_it_tells_size_checksum_files_and_bytes() -> None:
    stream = ZipStream([folder("a/"), file("a/1", b"123"), link("a/2", "1")])
    data = b"".join(stream)
    assert stream.size == len(data)
    assert stream.sha256 == hashlib.sha256(data).hexdigest()
    assert (stream.files, stream.uncompressed_size) == (2, 4)


def test_no_entries_make_an_empty_archive() -> None:
    assert len(pack([])) == 22
    assert read_index(io.BytesIO(pack([]))) == []


def test_chunks_are_about_a_mebibyte(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(os.urandom(10 << 20))
    sizes = [len(chunk) for chunk in ZipStream([on_disk(tmp_path / "f")])]
    assert max(sizes) <= 3 << 20
    assert min(sizes[:-1]) >= 1 << 20


def test_a_second_iteration_is_refused() -> None:
    stream = ZipStream([file("a")])
    list(stream)
    with pytest.raises(RuntimeError, match="once"):
        list(stream)


def test_two_entries_of_one_name_are_refused() -> None:
    with pytest.raises(ArchiveError, match="'a'"):
        pack([file("a"), file("a")])


def test_level_0_stores() -> None:
    assert pack([file("a", b"x" * 1000)], level=0).count(b"x" * 1000) == 1


def test_a_file_that_vanished_is_left_out(tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / name).write_text(name)

    def entries() -> Iterator[Entry]:
        for entry in scan(tmp_path):
            if entry.name == "b":
                (tmp_path / "b").unlink()
            yield entry

    with zipfile.ZipFile(io.BytesIO(pack(entries()))) as archive:
        assert archive.namelist() == ["a", "c"]


def test_a_file_that_became_a_link_a_pipe_or_a_directory_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "l").symlink_to("secret")
    os.mkfifo(tmp_path / "p")
    (tmp_path / "d").mkdir()
    entries = [on_disk(tmp_path / name, name) for name in ("l", "p", "d", "secret")]
    with zipfile.ZipFile(io.BytesIO(pack(entries))) as archive:
        assert archive.namelist() == ["secret"]


@pytest.mark.parametrize("change", ["grow", "shrink", "remove"])
@pytest.mark.parametrize("noise", [True, False])
def test_a_file_that_changes_while_it_is_packed_breaks_nothing(tmp_path: Path, change: str, noise: bool) -> None:
    path = tmp_path / "f"
    size = 12 << 20
    before = os.urandom(size) if noise else os.urandom(16).hex().encode() * (size // 32)
    path.write_bytes(before)
    entries = [on_disk(path), file("after")]
    stream = iter(ZipStream(entries))
    data = next(stream)
    if change == "grow":
        with path.open("ab") as output:
            output.write(b"more" * size)
    elif change == "shrink":
        os.truncate(path, size // 2 + 17)
    else:
        path.unlink()
    data += b"".join(stream)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.read("after") == b"content"
        got = archive.read("x")
    assert before.startswith(got)
    assert len(got) >= size // 2 if change == "shrink" and noise else len(got) >= 1 << 20
    if change != "shrink":
        assert got == before


def test_an_unreadable_file_is_an_error_or_reported(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 300)  # longer than a name may be: no user, not even root, can open it
    with pytest.raises(OSError, match="name too long"):
        pack([on_disk(deep)])
    told: list[str] = []
    data = b"".join(ZipStream([on_disk(deep, "x"), file("y")], on_error=lambda name, error: told.append(name)))
    assert told == ["x"]
    assert [member.name for member in read_index(io.BytesIO(data))] == ["y"]


@pytest.mark.parametrize("mtime", [-1e10, -1.5, 0, 315532800, 1.7e9 + 0.75, 4e9, 1e11])
def test_any_time_of_change_can_be_packed(mtime: float) -> None:
    data = pack([Entry("a", b"", FILE, mtime, 0)])
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert 1980 <= archive.infolist()[0].date_time[0] <= 2107
    if abs(mtime) < 2**31:
        assert read_index(io.BytesIO(data))[0].mtime == mtime // 1


@pytest.mark.parametrize("count", [65_534, 65_535, 65_536, 70_000])
def test_more_members_than_fit_16_bits(count: int) -> None:
    data = pack(file(f"{number}", b"") for number in range(count))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert len(archive.namelist()) == count
    members = read_index(io.BytesIO(data))
    assert len(members) == count
    assert members[-1].name == f"{count - 1}"


def test_records_with_64_bit_numbers() -> None:
    huge = Facts(b"n", NOON, FILE, 5 << 32, 8, 1, 6 << 32, 4 << 32, streamed=True, wide=True)
    header = local_header(huge)
    assert header[18:26] == b"\xff" * 8
    assert header[31:35] == b"\x01\x00\x10\x00"
    assert len(descriptor(huge)) == 24
    record = central_record(huge)
    assert record[47:51] == b"\x01\x00\x18\x00"
    assert [int.from_bytes(record[at : at + 8], "little") for at in (51, 59, 67)] == [6 << 32, 4 << 32, 5 << 32]
    far = central_record(huge._replace(size=10, packed=5))
    assert far[47:51] == b"\x01\x00\x08\x00"
    assert int.from_bytes(far[51:59], "little") == 5 << 32
    assert len(end_records(1, 100, 100)) == 22
    assert len(end_records(1, 100, 5 << 32)) == 22 + 20 + 56
