"""For any tree: what goes in comes out, through our reader and through Python's, from our writer and from Python's."""

from __future__ import annotations

import contextlib
import io
import shutil
import tempfile
import zipfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.archive.archive_tools import file, folder, link, pack, tree

from inductiva.archive import ArchiveError, Extracted, StreamExtractor, ZipStream, check_file, extract, scan
from inductiva.archive.codec import CHUNK

PART = st.text(
    st.characters(codec="utf-8", exclude_characters="/\\:", exclude_categories=("Cc", "Cs")), min_size=1, max_size=12
)
NAME = st.lists(PART.filter(lambda part: part not in (".", "..")), min_size=1, max_size=4).map("/".join)
SIZE = st.sampled_from([0, 1, 31, 33, 1000, 70_000, CHUNK, CHUNK + 1, 2 * CHUNK + 12345])
CONTENT = st.builds(
    lambda seed, size: (seed * (size // len(seed) + 1))[:size], st.binary(min_size=1, max_size=999), SIZE
)
FILES = st.dictionaries(NAME, st.tuples(CONTENT, st.sampled_from([0o644, 0o755, 0o600, 0o444])), max_size=8)

SMALL = pack([file("a", b"1" * 40), folder("d/"), link("d/l", "../a"), file("d/b", bytes(range(200)))])


def build(root: Path, files: dict[str, tuple[bytes, int]], folders: list[str]) -> None:
    """As much of the tree as its names allow: what is a file already cannot become a directory."""
    root.mkdir()
    for name, (content, mode) in files.items():
        path = root / name
        if not any(parent.is_file() for parent in path.parents) and not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            path.chmod(mode)
    for name in folders:
        if not any(parent.is_file() for parent in (root / name, *(root / name).parents)):
            (root / name).mkdir(parents=True, exist_ok=True)


@settings(max_examples=60, deadline=None)
@given(FILES, st.lists(NAME, max_size=3), st.sampled_from(["", "sim_dir/", "artifacts/"]), st.integers(0, 3), st.data())
def test_any_tree_comes_back(
    files: dict[str, tuple[bytes, int]], folders: list[str], prefix: str, level: int, data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        root, archive_path = Path(scratch, "root"), Path(scratch, "a.zip")
        build(root, files, folders)
        stream = ZipStream(scan(root, prefix), level=level)
        archive_path.write_bytes(b"".join(stream))
        members = check_file(archive_path)
        with archive_path.open("rb") as archive:
            assert extract(archive, Path(scratch, "whole"), prefix=prefix) == Extracted(
                stream.files, stream.uncompressed_size
            )
        assert tree(Path(scratch, "whole")) == tree(root)
        with zipfile.ZipFile(archive_path) as python:
            assert python.testzip() is None
            assert python.namelist() == [member.name for member in members]
            assert [info.file_size for info in python.infolist()] == [member.size for member in members]
        step = data.draw(st.sampled_from([100, 65536, 1 << 20]))
        if stream.size // step < 20_000:
            extractor = StreamExtractor(members, Path(scratch, "streamed"), prefix)
            content = archive_path.read_bytes()
            for start in range(0, len(content), step):
                extractor.feed(content[start : start + step])
            extractor.close()
            assert tree(Path(scratch, "streamed")) == tree(root)


@settings(max_examples=40, deadline=None)
@given(FILES, st.lists(NAME, max_size=3))
def test_what_python_packs_comes_back(files: dict[str, tuple[bytes, int]], folders: list[str]) -> None:
    """As the published client packs its inputs: `shutil.make_archive` of a directory that holds `sim_dir/`."""
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch, "top/sim_dir")
        root.parent.mkdir()
        build(root, files, folders)
        made = shutil.make_archive(str(Path(scratch, "input")), "zip", root.parent)
        check_file(Path(made))
        with Path(made).open("rb") as archive:
            extract(archive, Path(scratch, "out"), prefix="sim_dir/")
        assert tree(Path(scratch, "out")) == tree(root)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 400), st.integers(0, 80))
def test_no_damage_does_worse_than_an_archive_error(junk: bytes, where: int, cut: int) -> None:
    broken = SMALL[:where] + junk + SMALL[where + cut :]
    with tempfile.TemporaryDirectory() as scratch:
        with contextlib.suppress(ArchiveError):
            extract(io.BytesIO(broken), Path(scratch, "out"))
        assert [path.name for path in Path(scratch).iterdir()] in ([], ["out"])
