"""The directory of one attempt on the machine's disk.

work.msgpack     what to do; a directory without it was not whole and is thrown away
journal          what was done
input.zip        the input as it came; cut once unpacked
manifest         the input's files as they were before the first command
commands/        pids, exit codes and prompts of the commands
scratch/         /tmp of the commands
artifacts/       /workdir/output/artifacts of the commands, where they run
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec

from inductiva import archive
from inductiva.protocol.runner import Work
from inductiva.protocol.watch import LogStream
from inductiva.runner import clearing, files, frames

_LOG = logging.getLogger(__name__)
_OF_FIRST_COMMAND = ("0.pid", "0.exit", "0.info")
ARCHIVE_PREFIX = "artifacts/"

Stamp = tuple[int, int, int, int]
"""Size, modification and change time in nanoseconds, inode."""


class Workspace:
    """Paths of one attempt, and what is done with them. Nothing is created by the constructor."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.work = root / "work.msgpack"
        self.journal = root / "journal"
        self.input = root / "input.zip"
        self.manifest = root / "manifest"
        self.commands = root / "commands"
        self.scratch = root / "scratch"
        self.artifacts = root / "artifacts"
        self._scratch_stamp: Stamp | None = None

    def create(self, work: Work, spare: Path | None = None) -> None:
        """Make the directories, or take the `spare` ones, and write `work` down, last.

        Half of it would not be taken for the whole.
        """
        if spare is not None:
            spare.rename(self.root)
        for directory in (self.root, self.commands, self.scratch, self.artifacts):
            if spare is None or not directory.exists():
                directory.mkdir(exist_ok=True)
        self._scratch_stamp = _of(self.scratch.stat())
        frames.write(self.work, msgspec.msgpack.encode(work))

    def recycle(self, spare: Path) -> bool:
        """Make the directory of an attempt that is over the `spare` one of the next: no byte of it is left.

        Some file systems take a millisecond for each new file when many were deleted lately. False when there is too
        much or something unusual in it; `remove` it then.
        """
        try:
            for path in (self.work, self.manifest, self.journal):
                frames.wipe(path)  # the work first: what is left is not taken for a whole attempt
            self._cut_input()  # also one that came in part
            for name in os.listdir(self.commands):  # noqa: PTH208 as it is quicker
                if name not in _OF_FIRST_COMMAND:
                    return False
                frames.wipe(self.commands / name)
            if not clearing.remove_little(self.artifacts):
                return False
            # A simulation may have changed more of its scratch directory than one sees: it is kept only if untouched.
            if _stamp(self.scratch) != self._scratch_stamp and not clearing.remove_little(self.scratch):
                return False
            self.root.rename(spare)
        except OSError:
            return False
        return True

    def read_work(self) -> Work | None:
        """What the attempt is; None when the directory is not whole."""
        try:
            return msgspec.msgpack.decode(frames.read(self.work), type=Work)
        except (OSError, msgspec.DecodeError):
            return None

    def log(self, stream: LogStream) -> Path:
        """The file to which a stream of all commands is appended."""
        return self.artifacts / stream.filename

    def prompts(self, index: int, prompts: list[str]) -> Path:
        """The file that command `index` reads as its standard input: one prompt a line."""
        if not prompts:
            return Path(os.devnull)
        path = self.commands / f"{index}.stdin"
        path.write_text("".join(f"{prompt}\n" for prompt in prompts))
        return path

    def unpack(self, sim_dir: str, check: Callable[[], None]) -> int:
        """Unpack the input to where the commands run and note what is there. Returns the bytes unpacked.

        `check` is called now and then and may raise to give up. Raises `archive.ArchiveError` and OSError.
        """
        self._clear()
        with self.input.open("rb") as file:
            extracted = archive.extract(file, self.artifacts, prefix=f"{sim_dir}/", progress=lambda _: check())
        frames.write(self.manifest, msgspec.msgpack.encode(stamps(self.artifacts)))
        self._cut_input()
        return extracted.total_bytes

    def _cut_input(self) -> None:
        """Give its room back."""
        if self.input.exists():
            os.truncate(self.input, 1)  # not 0, after which ext4 writes the next input to the disk at once

    def _clear(self) -> None:
        """An earlier try to unpack may have left a part."""
        if any(self.artifacts.iterdir()):
            shutil.rmtree(self.artifacts)
            self.artifacts.mkdir()

    def pack(self) -> archive.ZipStream:
        """The output archive: everything in the artifacts but input files that were not touched."""
        for stream in LogStream:
            files.append(self.log(stream), "")
        before: dict[str, Stamp] = {}
        if data := frames.read(self.manifest):
            before = msgspec.msgpack.decode(data, type=dict[str, Stamp])

        def is_untouched(name: str) -> bool:
            return name in before and _stamp(self.artifacts / name) == before[name]

        # Links out of the artifacts are not followed: they lead to files that the simulation itself could not see.
        entries = archive.scan(self.artifacts, ARCHIVE_PREFIX, skip=is_untouched, follow=False, on_error=_left_out)
        return archive.ZipStream(entries)

    def is_small(self) -> bool:
        """Whether the artifacts are packed sooner than a thread would be started for it."""
        return clearing.is_little(self.artifacts)

    def remove(self) -> None:
        """Delete the whole attempt. What a simulation made unreadable for its own user is opened first."""
        self.work.unlink(missing_ok=True)
        if not clearing.remove_little(self.root):
            shutil.rmtree(self.root, onerror=_open_and_retry)


def stamps(root: Path) -> dict[str, Stamp]:
    """Relative name → stamp of every file and link below `root`, directories left out."""
    found: dict[str, Stamp] = {}
    pending = [""]
    while pending:
        base = pending.pop()
        with os.scandir(root / base) as entries:
            for entry in entries:
                name = f"{base}{entry.name}"
                if entry.is_dir(follow_symlinks=False):
                    pending.append(f"{name}/")
                else:
                    found[name] = _of(entry.stat(follow_symlinks=False))
    return found


def _left_out(name: str, error: OSError) -> None:
    _LOG.warning("Left out of the output: %s (%s)", name, error)


def _of(stat: os.stat_result) -> Stamp:
    return stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino


def _stamp(path: Path) -> Stamp | None:
    try:
        return _of(path.lstat())
    except OSError:
        return None


def _open_and_retry(function: Callable[..., object], path: str, _: object) -> None:
    """A simulation may leave directories that even their owner cannot enter."""
    for directory in (Path(path).parent, Path(path)):
        if directory.is_dir() and not directory.is_symlink():
            directory.chmod(0o700)
    if function in (os.unlink, os.rmdir):
        try:
            function(path)
        except OSError:
            return
    elif Path(path).is_dir():
        shutil.rmtree(path, ignore_errors=True)
