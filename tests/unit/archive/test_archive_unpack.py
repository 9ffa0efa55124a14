"""`extract` and `StreamExtractor`: what was packed comes back, and nothing is written where it must not."""

from __future__ import annotations

import errno
import io
import os
import resource
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pytest
from tests.unit.archive.archive_tools import FILE, FOLDER, NOON, Raw, file, folder, link, pack, packed, raw_zip, tree

from inductiva.archive import ArchiveError, Extracted, StreamExtractor, extract, raw_inflate, read_index, read_member

Unpack = Callable[[bytes, Path, str], Extracted]


def whole(data: bytes, target: Path, prefix: str = "") -> Extracted:
    return extract(io.BytesIO(data), target, prefix=prefix)


def streamed(data: bytes, target: Path, prefix: str = "") -> Extracted:
    extractor = StreamExtractor(read_index(io.BytesIO(data)), target, prefix)
    with extractor:
        for start in range(0, len(data), 1000):
            extractor.feed(data[start : start + 1000])
        assert extractor.position == len(data)
        return extractor.close()


both = pytest.mark.parametrize("unpack", [whole, streamed])


@both
def test_modes_times_links_and_empty_directories_come_back(tmp_path: Path, unpack: Unpack) -> None:
    entries = [
        folder("s/"),
        file("s/run", b"#!" * 900, FILE | 0o111),
        link("s/l", "run"),
        folder("s/e/", FOLDER & ~0o77),
    ]
    assert unpack(pack(entries), tmp_path / "new/out", "s/") == Extracted(2, 1803)
    out = tmp_path / "new/out"
    assert tree(out) == {"run": (0o755, b"#!" * 900), "l": (0o777, "run"), "e": (0o700, None)}
    assert [(out / name).lstat().st_mtime for name in ("run", "l", "e")] == [NOON] * 3


@both
def test_no_set_id_bits_and_directories_stay_usable(tmp_path: Path, unpack: Unpack) -> None:
    entries = [folder("d/", FOLDER & ~0o777), file("d/f", b"x", FILE | stat.S_ISUID | stat.S_ISGID | stat.S_ISVTX)]
    unpack(pack(entries), tmp_path / "o", "")
    assert tree(tmp_path / "o") == {"d": (0o700, None), "d/f": (0o644, b"x")}


@both
def test_only_what_begins_with_the_prefix(tmp_path: Path, unpack: Unpack) -> None:
    data = pack([folder("artifacts/"), file("artifacts/a"), file("artifacts-b"), file("output.json")])
    assert unpack(data, tmp_path / "o", "artifacts/").files == 1
    assert list(tree(tmp_path / "o")) == ["a"]
    assert unpack(data, tmp_path / "p", "artifacts").files == 1


def test_a_choice_of_members(tmp_path: Path) -> None:
    data = packed([file("o/a"), file("o/ab"), file("o/v/1"), file("o/v/2"), file("o/w/1"), link("o/l", "a")])
    done = extract(data, tmp_path / "o", prefix="o/", members=["a", "v/", "not there"])
    assert done.files == 3
    assert sorted(tree(tmp_path / "o")) == ["a", "v", "v/1", "v/2"]
    assert extract(data, tmp_path / "p", prefix="o/", members=[]).files == 0


@both
def test_existing_files_are_replaced_not_written_through(tmp_path: Path, unpack: Unpack) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (tmp_path / "precious").write_text("precious")
    (out / "linked").symlink_to("../precious")
    os.link(tmp_path / "precious", out / "hard")
    (out / "l").write_text("a file")
    unpack(pack([file("linked"), file("hard"), link("l", "hard")]), out, "")
    assert (tmp_path / "precious").read_text() == "precious"
    assert tree(out) == {"linked": (0o644, b"content"), "hard": (0o644, b"content"), "l": (0o777, "hard")}


@both
def test_a_link_in_the_way_of_a_directory_is_refused(tmp_path: Path, unpack: Unpack) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out/d").symlink_to("../elsewhere")
    for entries in ([file("d/f")], [folder("d/")]):
        with pytest.raises(ArchiveError, match="in the way"):
            unpack(pack(entries), tmp_path / "out", "")
    assert list((tmp_path / "elsewhere").iterdir()) == []
    (tmp_path / "out/e/e").mkdir(parents=True)
    with pytest.raises(ArchiveError, match="in the way"):
        unpack(pack([file("e")]), tmp_path / "out", "")


LINKS = {
    "absolute": [link("l", "/etc/passwd")],
    "up": [link("l", "../outside")],
    "deep up": [folder("d/"), link("d/l", "../../outside")],
    "through": [folder("d/"), link("d/l", ".."), link("m", "d/l/../outside")],
    "there and back": [link("l", "../out/f")],
    "after": [link("a", "b/../../x"), link("b", "c"), folder("c/")],
}


@both
@pytest.mark.parametrize("case", LINKS)
def test_links_that_leave_are_refused(tmp_path: Path, unpack: Unpack, case: str) -> None:
    with pytest.raises(ArchiveError, match="points out of the archive"):
        unpack(pack([file("f"), *LINKS[case]]), tmp_path / "out", "")
    assert not [path for path in (tmp_path / "out").rglob("*") if path.is_symlink()]
    if unpack is whole:
        assert not (tmp_path / "out").exists(), "a hostile link is seen before anything is written"


def test_a_link_that_leaves_only_without_the_prefix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="points out"):
        whole(pack([folder("s/"), link("s/l", "../s/f"), file("s/f")]), tmp_path / "o", "s/")


@both
def test_links_inside_are_made_even_in_circles(tmp_path: Path, unpack: Unpack) -> None:
    links = {"a": "b", "b": "a", "d/up": "../f", "d/self": ".", "dot": "./d//up", "gone": "not/there", "d/top": ".."}
    unpack(pack([file("f"), *(link(*item) for item in links.items())]), tmp_path, "")
    assert {name: os.readlink(tmp_path / name) for name in links} == links  # noqa: PTH115 - as it is, `.` and all
    assert (tmp_path / "dot").read_text() == "content"


HOSTILE = [
    raw_zip([Raw(b"ok"), Raw(b"../evil")]),
    raw_zip([Raw(b"ok"), Raw(b"/evil")]),
    raw_zip([Raw(b"ok"), Raw(b"a/../../evil")]),
    raw_zip([Raw(b"ok"), Raw(b"a\\..\\evil")]),
    raw_zip([Raw(b"ok"), Raw(b"x\0y")]),
    raw_zip([Raw(b"ok"), Raw(b"ok/below")]),
    raw_zip([Raw(b"ok"), Raw(b"l", b"target", mode=stat.S_IFLNK | 0o777), Raw(b"l/evil")]),
    raw_zip([Raw(b"ok"), Raw(b"dev", mode=stat.S_IFCHR | 0o666)]),
]


@both
@pytest.mark.parametrize("data", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_archives_write_nothing(tmp_path: Path, unpack: Unpack, data: bytes) -> None:
    with pytest.raises(ArchiveError):
        unpack(data, tmp_path / "in/out", "")
    assert list(tmp_path.rglob("*")) == []


@both
@pytest.mark.parametrize("method", [0, 8])
def test_wrong_checksums_and_sizes_are_noticed(tmp_path: Path, unpack: Unpack, method: int) -> None:
    content = b"some content " * 50
    cases = [Raw(b"f", content, method, crc=1)]
    if method:
        cases += [Raw(b"f", content, method, size=len(content) - 1), Raw(b"f", content, method, size=len(content) + 1)]
    for number, raw in enumerate(cases):
        with pytest.raises(ArchiveError, match="'f'"):
            unpack(raw_zip([raw]), tmp_path / str(number), "")
        assert tree(tmp_path / str(number)) == {}, "no half a file stays behind"


def test_a_bomb_that_lies_about_its_size_writes_no_more_than_it_says(tmp_path: Path) -> None:
    data = raw_zip([Raw(b"bomb", bytes(64 << 20), 8, size=1000)])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    (member,) = read_index(io.BytesIO(data))
    with pytest.raises(ArchiveError, match="more than the 1000 bytes"):
        list(read_member(io.BytesIO(data), member))
    with pytest.raises(ArchiveError, match="more than the 1000 bytes"):
        whole(data, tmp_path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 16 << 10


def test_a_bomb_that_tells_its_size_is_inflated_in_pieces() -> None:
    data = raw_zip([Raw(b"bomb", bytes(64 << 20), 8)])
    (member,) = read_index(io.BytesIO(data))
    sizes = [len(piece) for piece in read_member(io.BytesIO(data), member)]
    assert sum(sizes) == 64 << 20
    assert max(sizes) <= 1 << 20


@pytest.mark.parametrize("content", [b"", b"x", b"short text " * 9, os.urandom(3 << 20), b"0123456789" * 400_000])
@pytest.mark.parametrize("step", [1 << 20, 4096, 37])
def test_one_member_fetched_by_range(content: bytes, step: int) -> None:
    data = pack([file("a"), file("f", content), file("z")])
    member = read_index(io.BytesIO(data))[1]
    span = data[member.data_offset : member.data_offset + member.compressed_size]
    pieces = raw_inflate(member.method, (span[start : start + step] for start in range(0, len(span), step)))
    assert b"".join(pieces) == content


def test_raw_inflate_refuses_what_is_cut_or_broken() -> None:
    data = pack([file("f", b"0123456789" * 1000)])
    (member,) = read_index(io.BytesIO(data))
    span = data[member.data_offset : member.data_offset + member.compressed_size]
    for broken in ([span[:-3]], [span + b"more"], [span, b"more"], [b"\xff" * 50], []):
        with pytest.raises(ArchiveError, match="damaged"):
            list(raw_inflate(8, broken))
    with pytest.raises(ArchiveError, match="method 12"):
        list(raw_inflate(12, [b""]))


def test_progress_tells_every_byte(tmp_path: Path) -> None:
    data = packed([file("a", b"1" * 5000), file("b", os.urandom(3 << 20)), folder("c/")])
    told: list[int] = []
    done = extract(data, tmp_path / "o", progress=told.append)
    assert sum(told) == done.total_bytes == 5000 + (3 << 20)


@pytest.mark.parametrize("step", [1, 7, 64, 1 << 20])
def test_a_stream_may_come_in_pieces_of_any_size(tmp_path: Path, step: int) -> None:
    entries = [
        folder("d/"),
        file("d/none", b""),
        file("d/a", b"ab" * 300),
        link("d/l", "a"),
        file("d/b", os.urandom(99)),
    ]
    data = pack([*entries, file("d/last", b"")])
    extractor = StreamExtractor(read_index(io.BytesIO(data)), tmp_path / "o", "d/")
    for start in range(0, len(data), step):
        extractor.feed(data[start : start + step])
    assert extractor.close() == Extracted(5, 700)
    whole(data, tmp_path / "p", "d/")
    assert tree(tmp_path / "o") == tree(tmp_path / "p")


def test_a_stream_that_stops_early_is_an_error_and_leaves_no_half_file(tmp_path: Path) -> None:
    data = pack([file("a", b"1" * 20), file("b", os.urandom(5000)), file("c")])
    extractor = StreamExtractor(read_index(io.BytesIO(data)), tmp_path / "o")
    extractor.feed(data[:2000])
    with pytest.raises(ArchiveError, match="after 2000 bytes, before 'b' was whole"):
        extractor.close()
    assert list(tree(tmp_path / "o")) == ["a"]


def test_an_archive_in_a_real_file_keeps_its_position(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(pack([file("a")]))
    with (tmp_path / "a.zip").open("rb") as data:
        assert extract(data, tmp_path / "o").files == 1
        assert extract(data, tmp_path / "p").files == 1


def test_a_full_disk_is_an_os_error(tmp_path: Path) -> None:
    """A limit on the size of files stands for the disk: the same call fails, for root, too."""
    data = packed([file("big", os.urandom(3 << 20))])
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
    try:
        with pytest.raises(OSError) as caught:
            extract(data, tmp_path / "o")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.errno == errno.EFBIG
    assert tree(tmp_path / "o") == {}


def test_no_descriptors_are_left_open(tmp_path: Path) -> None:
    good = pack([folder("a/b/c/"), file("a/b/c/f"), link("l", "a")])
    bad = raw_zip([Raw(b"x/y/f", crc=1)])
    before = len(list(Path("/proc/self/fd").iterdir()))
    for unpack in (whole, streamed):
        unpack(good, tmp_path / "o", "")
        with pytest.raises(ArchiveError):
            unpack(bad, tmp_path / "o", "")
    StreamExtractor(read_index(io.BytesIO(good)), tmp_path / "o").__exit__()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_file_of_zipfile_itself_can_be_unpacked(tmp_path: Path) -> None:
    output: BinaryIO = io.BytesIO()
    with zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.mkdir("sim_dir")
        archive.writestr("sim_dir/a", "x" * 1000)
    assert extract(output, tmp_path / "o", prefix="sim_dir/").files == 1
    assert (tmp_path / "o/a").read_text() == "x" * 1000
