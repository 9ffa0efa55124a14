"""Fetching example files."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO
from urllib.error import URLError
from urllib.parse import unquote, urlsplit

from inductiva import archive
from inductiva.utils.files import move_into

MIRROR_VARIABLE = "INDUCTIVA_DOWNLOAD_MIRROR"
_TIMEOUT_SECONDS = 60
_JUNK = "__MACOSX/"


def download_from_url(url: str, unzip: bool = False, path: str | os.PathLike[str] | None = None) -> str:
    """Download a file to the current directory, under its own name. Returns the absolute path of what is there then.

    `unzip`: unpack a zip archive to `path`, or to a folder with the archive's name without `.zip`. An archive that
    holds nothing but a folder of that name is not unpacked into a second one. Without `unzip`, `path` is the file.

    `INDUCTIVA_DOWNLOAD_MIRROR`, a directory or the beginning of a URL, is where files are taken from instead, by the
    last part of their URL. Raises URLError when there is no such file, ArchiveError when it is no proper archive.
    """
    name = _name(url)
    with tempfile.TemporaryDirectory(prefix=".download-", dir=".") as workshop:
        fetched = Path(workshop) / "fetched"
        with _opened(url, name) as source, fetched.open("wb") as target:
            shutil.copyfileobj(source, target, 1 << 20)
        if not unzip:
            place = Path(path if path is not None else name).absolute()
            place.parent.mkdir(parents=True, exist_ok=True)
            fetched.replace(place)
            return str(place)
        place = Path(path if path is not None else _stem(name)).absolute()
        _unpack(fetched, Path(workshop) / "files", _stem(name), place)
    return str(place)


def _name(url: str) -> str:
    """The last part of the URL's path. Raises ValueError when it has none."""
    name = unquote(PurePosixPath(urlsplit(url).path).name)
    if not name or "/" in name or "\0" in name or name in {".", ".."}:
        raise ValueError(f"{url!r} does not end in the name of a file")
    return name


def _stem(name: str) -> str:
    return name[: -len(".zip")] if name.lower().endswith(".zip") else PurePosixPath(name).stem


def _unpack(packed: Path, files: Path, name: str, place: Path) -> None:
    files.mkdir()
    with packed.open("rb") as file:
        members = [member.name for member in archive.read_index(file) if not member.name.startswith(_JUNK)]
        own_folder = bool(members) and all(member.startswith(f"{name}/") for member in members)
        archive.extract(file, files, prefix=f"{name}/" if own_folder else "")
    shutil.rmtree(files / _JUNK.rstrip("/"), ignore_errors=True)
    move_into(files, place)


@contextmanager
def _opened(url: str, name: str) -> Iterator[BinaryIO]:
    """The file's bytes, from the mirror when there is one."""
    mirror = os.environ.get(MIRROR_VARIABLE, "").strip()
    if mirror and "://" not in mirror:
        path = Path(mirror).expanduser() / name
        if not path.is_file():
            raise URLError(f"the mirror {mirror} ({MIRROR_VARIABLE}) has no file {name!r}, which {url} asks for")
        with path.open("rb") as file:
            yield file
        return
    with _requested(f"{mirror.rstrip('/')}/{name}" if mirror else url) as answer:
        yield answer


@contextmanager
def _requested(url: str) -> Iterator[BinaryIO]:
    import urllib.request

    from inductiva.api.agent import get_api_agent

    if urlsplit(url).scheme not in {"http", "https"}:
        raise ValueError(f"{url!r} is no http or https URL")
    request = urllib.request.Request(url, headers={"User-Agent": get_api_agent()})
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as answer:
            yield answer
    except (TimeoutError, URLError) as error:
        reason = getattr(error, "reason", error)
        code = getattr(error, "code", "")
        raise URLError(
            f"cannot download {url}: {code} {reason}; check the address and the network, or set {MIRROR_VARIABLE} "
            "to a directory that has the file"
        ) from error
