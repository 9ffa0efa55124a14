"""What a provided simulator is on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

MARKER = "environment.json"


class EnvironmentUnavailable(Exception):  # noqa: N818 - the state of a thing, not a mistake
    """The image cannot be run here: what is missing and the command that cures it."""


class Environment(msgspec.Struct, frozen=True):
    """A simulator provided on this machine.

    `prefix`: its directory, bound read-only at the same path. `root`: a tree whose top-level entries are overlaid at
    "/", or None. `path`: PATH entries before the system's. `env`: variables of every command. `binds`: more
    directories to bind read-only at the same path, such as a Python that lives outside /usr.
    """

    name: str
    version: str
    image: str
    prefix: Path
    root: Path | None
    path: list[str]
    env: dict[str, str]
    binds: list[Path]


def save(environment: Environment) -> None:
    """Write the marker, whole or not at all: a directory without it is a half build and never used."""
    marker = environment.prefix / MARKER
    fresh = marker.with_suffix(".new")
    fresh.write_bytes(msgspec.json.format(msgspec.json.encode(environment, enc_hook=str), indent=2))
    fresh.rename(marker)


def read(prefix: Path) -> Environment | None:
    """The environment provided in `prefix`; None when there is none, or one that was moved here and cannot run."""
    try:
        environment = msgspec.json.decode((prefix / MARKER).read_bytes(), type=Environment, dec_hook=_path)
    except (OSError, msgspec.DecodeError):
        return None
    return environment if environment.prefix == prefix else None


def _path(kind: type[Any], value: Any) -> Any:
    return kind(value)
