"""Outputs on their way to the user, beside `cp` of the same bytes on the same disk."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from bench.measure import Result, median, seconds
from bench.server import Server, quiet

IMAGE = "docker://inductiva/kutu:base-image_v0.1.1"
MEBIBYTES = 512
RUNS = 3
FILL = f"dd if=/dev/urandom of=field.bin bs=1M count={MEBIBYTES} status=none"


def run() -> Iterator[Result]:
    with Server(), tempfile.TemporaryDirectory() as scratch:
        import inductiva

        with quiet():
            group = inductiva.resources.MachineGroup("c2-standard-4", max_idle_time=60)
            group.start()
            task = large_task(group, Path(scratch))
            results = list(downloads(task, Path(scratch)))
        yield from results


def large_task(group: Any, scratch: Path) -> Any:
    """Half a gibibyte that cannot be compressed, and one small file."""
    import inductiva

    source = scratch / "input"
    source.mkdir()
    (source / "small.txt").write_text("here")
    commands = [FILL, "cp small.txt result.txt"]
    task = inductiva.simulators.CustomImage(IMAGE).run(str(source), commands=commands, on=group, verbose=False)
    if task.wait(silent_mode=True, download_std_on_completion=False) != "success":
        raise RuntimeError(f"the task to download from ended as {task.status}: {task.info}")
    return task


def downloads(task: Any, scratch: Path) -> Iterator[Result]:
    packed = task.download_outputs(output_dir=str(scratch / "packed"), uncompress=False)
    whole = task.download_outputs(output_dir=str(scratch / "whole"))

    def archive(target: Path) -> None:
        task.download_outputs(output_dir=str(target), uncompress=False)

    def tree(target: Path) -> None:
        task.download_outputs(output_dir=str(target))

    yield beside_copy("download the archive", archive, packed, scratch)
    yield beside_copy("download and unpack", tree, whole, scratch)
    one = [
        seconds(lambda: task.download_outputs(filenames=["result.txt"], output_dir=str(scratch / "one")))
        for _ in range(10)
    ]
    yield Result(f"one small file out of a {MEBIBYTES} MiB archive", 1000 * median(one), "ms", 100)


def beside_copy(name: str, action: Callable[[Path], None], source: Path, scratch: Path) -> Result:
    """In turn, each on a disk that has nothing left to write: dirty pages of one would slow the other."""

    def copy(target: Path) -> None:
        subprocess.run(["cp", "-a", source, target], check=True)

    taken: dict[str, list[float]] = {"ours": [], "copy": []}
    for number in range(RUNS):
        for who, act in (("ours", action), ("copy", copy)):
            target = scratch / f"{who}-{number}"
            os.sync()
            taken[who].append(seconds(partial(act, target)))
            shutil.rmtree(target)
    value, peer = MEBIBYTES / median(taken["ours"]), MEBIBYTES / median(taken["copy"])
    return Result(f"{name}, {MEBIBYTES} MiB", value, "MiB/s", 0.7 * peer, True, peer, "MiB/s cp -a")
