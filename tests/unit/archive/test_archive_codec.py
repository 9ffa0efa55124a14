"""The codec with `isal` and without it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROUND_TRIP = """
import io, sys
from pathlib import Path
if sys.argv[1] == "zlib":
    sys.modules["isal"] = None
from inductiva.archive import ArchiveError, Entry, ZipStream, codec, extract, read_index, read_member
assert codec._zlib.__name__ == sys.argv[1], codec._zlib
text = b"0123456789" * 500_000
Path("text").write_bytes(text)
entries = [Entry("a", b"small " * 99, 0o100644, 0, 594), Entry("b", Path("text"), 0o100644, 0, 0)]
data = b"".join(ZipStream(entries))
assert len(data) < len(text) / 5
assert extract(io.BytesIO(data), Path("out")).files == 2
assert Path("out/b").read_bytes() == text
member = read_index(io.BytesIO(data))[1]
broken = data[: member.data_offset + 10] + b"junk" + data[member.data_offset + 14 :]
try:
    list(read_member(io.BytesIO(broken), member))
except ArchiveError as error:
    print(error)
"""


@pytest.mark.parametrize("library", ["isal.isal_zlib", "zlib"])
def test_archives_with_either_library(tmp_path: Path, library: str) -> None:
    command = [sys.executable, "-c", ROUND_TRIP, library]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "the archive is damaged" in done.stdout
