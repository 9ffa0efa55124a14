"""Reads and checks `simulators/*.toml`."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import msgspec

from inductiva.catalogue.model import Catalogue, Simulator, Version

_SIMULATORS = Path(__file__).parent / "simulators"
_PROGRAMS = Path(__file__).parent / "programs"


class CatalogueError(Exception):
    """A file of the catalogue is not as it should be: which file, where in it, what."""


@cache
def load(directory: Path = _SIMULATORS) -> Catalogue:
    """The simulators described in `directory`; the package's own by default. Raises CatalogueError."""
    return Catalogue({path.stem: read(path) for path in sorted(directory.glob("*.toml"))})


def read(path: Path) -> Simulator:
    """One simulator's file. Raises CatalogueError."""
    try:
        simulator = msgspec.toml.decode(path.read_bytes(), type=Simulator)
    except msgspec.DecodeError as error:  # ValidationError included
        raise CatalogueError(f"{path}: {error}") from error
    problem = _problem(simulator, path)
    if problem:
        raise CatalogueError(f"{path}: {problem}")
    return simulator


def resource(name: str) -> Path:
    """A file that versions put into their overlay tree, by the name the catalogue gives it."""
    return _PROGRAMS / name


def _problem(simulator: Simulator, path: Path) -> str | None:
    if simulator.name != path.stem:
        return f"`name` is {simulator.name!r}, the file says {path.stem!r}; make them equal"
    versions = [version.version for version in simulator.versions]
    if not versions:
        return "`versions` is empty; give at least one"
    if len(set(versions)) != len(versions):
        return "`versions` has a version twice"
    return next((text for version in simulator.versions for text in _version_problems(version)), None)


def _version_problems(version: Version) -> Iterator[str]:
    where = f"version {version.version!r}: "
    if not version.version or "_" in version.version or "/" in version.version:
        yield f"{where}a version is not empty and has no '_' and no '/'"
    for requirement in version.native.python:
        if "==" not in requirement:
            yield f"{where}`python` requirement {requirement!r} is not pinned; write NAME==VERSION"
    for target, source in version.native.files.items():
        if not target.startswith("/") or ".." in target.split("/"):
            yield f"{where}`files` path {target!r} must be absolute and without '..'"
        if not resource(source).is_file():
            yield f"{where}`files` entry {target!r} names {source!r}, which is not in {_PROGRAMS}"
