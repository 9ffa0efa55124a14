"""Embedded mode: where the user's own server, its runners and its clients find each other.

Everything lives under one per-user data directory, `INDUCTIVA_DATA_DIR` or the platform's (`~/.local/share/inductiva`):

    server/server.json     ServerInfo of the running (or last) server, written whole and renamed into place
    server/lock            held (flock) by the server as long as it lives
    server/start.lock      held by a client while it starts a server
    server/api_key         the embedded user's key, mode 0600
    server/server.log      what the server says
    server/inductiva.db    the database
    objects/               stored files
    machines/<runner id>/  one machine: its workspaces and its log
    environments/          simulators provided for this user (elsewhere with `INDUCTIVA_ENVIRONMENTS_DIR`)
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

DATA_DIR_VARIABLE = "INDUCTIVA_DATA_DIR"
ENVIRONMENTS_DIR_VARIABLE = "INDUCTIVA_ENVIRONMENTS_DIR"


class ServerInfo(msgspec.Struct):
    """`start_time` is the process's start in clock ticks since boot (field 22 of `/proc/PID/stat`), so that a reused
    process id is not mistaken for the server."""

    pid: int
    start_time: int
    url: str
    version: str


def data_dir() -> Path:
    """The user's data directory. Nothing is created."""
    given = os.environ.get(DATA_DIR_VARIABLE)
    if given:
        return Path(given).absolute()
    import platformdirs  # 14 ms that a script with INDUCTIVA_API_URL never pays

    return Path(platformdirs.user_data_dir("inductiva", appauthor=False))


class Layout:
    """Paths below a data directory."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.server = root / "server"
        self.server_info = self.server / "server.json"
        self.lock = self.server / "lock"
        self.start_lock = self.server / "start.lock"
        self.api_key = self.server / "api_key"
        self.log = self.server / "server.log"
        self.database = self.server / "inductiva.db"
        self.objects = root / "objects"
        self.machines = root / "machines"
        shared = os.environ.get(ENVIRONMENTS_DIR_VARIABLE)
        self.environments = Path(shared).absolute() if shared else root / "environments"
