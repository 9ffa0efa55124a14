"""What the outputs of a task consist of, without downloading them."""

from __future__ import annotations

from dataclasses import dataclass

from inductiva.protocol.storage import ZipArchiveInfo


@dataclass(frozen=True, slots=True)
class FileInfo:
    """A file of the outputs; sizes in bytes."""

    name: str
    size: int
    compressed_size: int


@dataclass(frozen=True, slots=True)
class TaskOutputInfo:
    """The files of a task's outputs; `total_size_bytes` is their unpacked size."""

    files: list[FileInfo]
    total_size_bytes: int

    @property
    def n_files(self) -> int:
        return len(self.files)

    @property
    def total_compressed_size_bytes(self) -> int:
        return sum(file.compressed_size for file in self.files)

    def __str__(self) -> str:
        from inductiva.utils.format_utils import bytes_formatter

        lines = [
            f"Total size: {bytes_formatter(self.total_size_bytes)}",
            f"Total compressed size: {bytes_formatter(self.total_compressed_size_bytes)}",
            f"Number of files: {self.n_files}",
            "Contents:",
            f"  {'Size':<12} {'Compressed':<12} Name",
        ]
        for file in self.files:
            size, compressed = bytes_formatter(file.size), bytes_formatter(file.compressed_size)
            lines.append(f"  {size:<12} {compressed:<12} {file.name}")
        return "\n".join(lines) + "\n"


def from_archive(archive: ZipArchiveInfo) -> TaskOutputInfo:
    """The files (not the directories) of an archive's listing."""
    files = [FileInfo(item.name, item.size, item.compressed_size) for item in archive.contents if item.name[-1:] != "/"]
    return TaskOutputInfo(files, archive.size)
