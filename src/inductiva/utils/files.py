"""Local files: where downloads go, sizes, names."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from inductiva.constants import DEFAULT_OUTPUT_DIR

if TYPE_CHECKING:
    from inductiva.utils.download import download_from_url

__all__ = [
    "download_from_url",
    "get_output_dir",
    "get_path_size",
    "get_sorted_files",
    "get_timestamped_path",
    "move_into",
    "near",
    "resolve_output_path",
    "set_output_dir",
]

OUTPUT_DIR_VARIABLE = "INDUCTIVA_OUTPUT_DIR"
_LOOKED_AT = 10_000
"""Files that are looked at for names alike; more would take longer than a mistake is worth."""
_NOT_SET = object()
_output_dir: Any = _NOT_SET


def set_output_dir(new_output_dir: str | os.PathLike[str] | None) -> None:
    """Download below this directory from now on, in every thread; None means the current directory."""
    global _output_dir
    _output_dir = None if new_output_dir is None else os.fspath(new_output_dir)


def get_output_dir() -> str | None:
    """The directory that downloads go below: what was set, else `INDUCTIVA_OUTPUT_DIR`, else `inductiva_output`."""
    if _output_dir is _NOT_SET:
        return os.environ.get(OUTPUT_DIR_VARIABLE) or DEFAULT_OUTPUT_DIR
    directory: str | None = _output_dir
    return directory


def resolve_output_path(path: str | os.PathLike[str] | None) -> Path:
    """`path` below the output directory; an absolute path stays as it is."""
    base = Path(get_output_dir() or ".")
    return base if path is None else base / path


def get_timestamped_path(path: str | os.PathLike[str], sep: str = "-") -> Path:
    """`path` with the present time appended to its name, before the suffix."""
    given = Path(path)
    stamp = datetime.now().strftime("%Y-%m-%dT%Hh%Mm%Ss")
    return given.with_name(f"{given.stem}{sep}{stamp}{given.suffix}")


def get_path_size(path: str | os.PathLike[str]) -> int:
    """Bytes of a file, or of all files below a directory."""
    given = Path(path)
    if given.is_file():
        return given.stat().st_size
    return sum(item.stat().st_size for item in given.rglob("*") if item.is_file())


def get_sorted_files(
    data_dir: str | os.PathLike[str], file_format: str, key: Callable[[str], Any] | None = None
) -> list[str]:
    """Paths of the files in `data_dir` whose names end in `file_format`, sorted by name or by `key`."""
    names = [str(item) for item in Path(data_dir).iterdir() if item.is_file() and item.name.endswith(file_format)]
    return sorted(names, key=key)


def move_into(source: Path, target: Path) -> None:
    """Merge the tree `source` into `target`; files of the same name are replaced whole."""
    target.mkdir(parents=True, exist_ok=True)
    for item in source.iterdir():
        destination = target / item.name
        if item.is_dir() and not item.is_symlink():
            if destination.is_dir() and not destination.is_symlink():
                move_into(item, destination)
                continue
            destination.unlink(missing_ok=True)
        elif destination.is_dir() and not destination.is_symlink():
            shutil.rmtree(destination)
        item.replace(destination)


def near(directory: Path, name: str) -> list[str]:
    """Up to three files below `directory` that `name` may have meant: of that name elsewhere, or spelled alike."""
    import difflib

    names = [
        path.relative_to(directory).as_posix() for _, path in zip(range(_LOOKED_AT), _files(directory), strict=False)
    ]
    wanted = PurePosixPath(name).name.lower()
    same = [found for found in names if PurePosixPath(found).name.lower() == wanted]
    return same[:3] or difflib.get_close_matches(name, names, n=3)


def _files(directory: Path) -> Iterator[Path]:
    return (path for path in directory.rglob("*") if path.is_file())


def __getattr__(name: str) -> Any:
    # Guides write `utils.files.download_from_url` as well as `utils.download_from_url`.
    if name == "download_from_url":
        from inductiva.utils.download import download_from_url

        return download_from_url
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
