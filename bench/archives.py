"""Packing and unpacking on one core, beside Python's `zipfile` at level 1 and beside `cp`."""

from __future__ import annotations

import array
import hashlib
import io
import math
import os
import random
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from bench.measure import Result, median, seconds
from inductiva.archive import Entry, ZipStream, extract, read_index, scan

MEBIBYTE = 1 << 20
RUNS = 3
FILE_BYTES = 4 * MEBIBYTE
BUDGET = 200
"""MiB/s a core of mixed data that the design asks for."""


def run() -> Iterator[Result]:
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        kinds: dict[str, Callable[[int], bytes]] = {"ascii": ascii_fields, "floats": float_fields, "log": solver_log}
        for name, make in kinds.items():
            fill(root / name, make, 8)
        mixed(root)
        for name in (*kinds, "mixed"):
            yield packing(root, name)
        yield unpacking(root)
        yield small()


def ascii_fields(seed: int) -> bytes:
    """Numbers as text, as OpenFOAM writes its fields."""
    values = random.Random(seed)
    lines = [f"({values.gauss(1, 0.1):.6g} {values.gauss(0, 1e-3):.6g} 0)\n" for _ in range(20_000)]
    block = "".join(lines).encode()
    return repeated(block)


def float_fields(seed: int) -> bytes:
    """Single precision numbers of a smooth field with a little noise."""
    noise = random.Random(seed)
    values = array.array("f", (math.sin(i / 500 + seed) + noise.random() * 1e-3 for i in range(250_000)))
    return repeated(values.tobytes())


def solver_log(seed: int) -> bytes:
    values = random.Random(seed)
    lines = [
        f"Time = {i}\nGAMG: Solving for p, Initial residual = {values.random():.9f}, No Iterations {i % 9}\n"
        for i in range(20_000)
    ]
    return repeated("".join(lines).encode())


def repeated(block: bytes) -> bytes:
    """4 MiB; the block is far larger than what deflate looks back to, so that repeating it helps nobody."""
    return (block * (FILE_BYTES // len(block) + 1))[:FILE_BYTES]


def fill(folder: Path, make: Callable[[int], bytes], count: int) -> None:
    folder.mkdir()
    for number in range(count):
        (folder / f"{number}.dat").write_bytes(make(number))


def mixed(root: Path) -> None:
    """All kinds, two files that cannot be compressed, and two thousand small ones."""
    for name in ("ascii", "floats", "log"):
        shutil.copytree(root / name, root / "mixed" / name)
    for number in range(2):
        (root / "mixed" / f"{number}.h5").write_bytes(os.urandom(FILE_BYTES))
    text = ascii_fields(99)
    for number in range(2000):
        path = root / "mixed/small" / str(number % 50) / f"{number}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text[number * 100 : number * 100 + 2000])


def size_of(folder: Path) -> float:
    """MiB of all files below."""
    return sum(entry.size for entry in scan(folder)) / MEBIBYTE


def speed(size: float, action: Callable[[], object]) -> float:
    return size / median([seconds(action) for _ in range(RUNS)])


def packing(root: Path, name: str) -> Result:
    folder, size = root / name, size_of(root / name)
    packed = 0

    def ours() -> None:
        nonlocal packed
        packed = sum(map(len, ZipStream(scan(folder, "artifacts/"))))

    def theirs() -> None:
        with zipfile.ZipFile(root / "peer.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for entry in scan(folder):
                archive.write(folder / entry.name, entry.name)
        hashlib.sha256((root / "peer.zip").read_bytes())

    value, peer = speed(size, ours), speed(size, theirs)
    ratio = f"{size * MEBIBYTE / packed:.2f}:1, zipfile {size * MEBIBYTE / (root / 'peer.zip').stat().st_size:.2f}:1"
    budget = BUDGET if name == "mixed" else None
    return Result(f"pack {name}, with SHA-256", value, "MiB/s", budget, True, peer, "MiB/s zipfile level 1", ratio)


def unpacking(root: Path) -> Result:
    size = size_of(root / "mixed")
    archive = root / "mixed.zip"
    with archive.open("wb") as output:
        output.writelines(ZipStream(scan(root / "mixed")))

    def ours(target: Path) -> None:
        with archive.open("rb") as file:
            extract(file, target)

    def theirs(target: Path) -> None:
        subprocess.run(["cp", "-a", root / "mixed", target], check=True)

    def fresh(name: str, action: Callable[[Path], object]) -> float:
        """Each run into a directory of its own: ext4 is slow at making files right after many were removed."""
        return size / median([seconds(partial(action, root / f"{name}-{number}")) for number in range(RUNS)])

    return Result(
        "unpack mixed", fresh("ours", ours), "MiB/s", None, True, fresh("theirs", theirs), "MiB/s cp -a", "checked"
    )


def small() -> Result:
    """The input of a tiny task, packed and its index read."""
    entries = [
        Entry("sim_dir/", None, 0o40755, 1.7e9, 0),
        Entry("sim_dir/in.txt", b"a line\n" * 30, 0o100644, 1.7e9, 210),
    ]

    def once() -> None:
        read_index(io.BytesIO(b"".join(ZipStream(entries))))

    taken = median([seconds(once) for _ in range(500)]) * 1e6
    return Result("pack one small file and read its index", taken, "µs", 100)
