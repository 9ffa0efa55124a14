"""The archives that the examples download: the same bytes from the same folder."""

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_archives_are_reproducible(tmp_path: Path) -> None:
    for name in ("a", "b"):
        subprocess.run([sys.executable, ROOT / "examples" / "make_inputs.py", tmp_path / name], check=True)
    name = "splishsplash-input-example"
    assert (tmp_path / "a" / f"{name}.zip").read_bytes() == (tmp_path / "b" / f"{name}.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "a" / f"{name}.zip") as archive:
        assert archive.namelist() == [f"{name}/box.obj", f"{name}/config.json"]
        assert archive.testzip() is None
