"""Brings a database to the schema of this version."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

HEAD = "0002"
"""The newest migration: a database that is there already costs no import of Alembic."""


def upgrade(path: Path, revision: str = HEAD) -> None:
    """Creates the database when it is not there (readable by its owner alone) and applies the migrations it lacks."""
    path.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    if _version(path) == revision:
        return
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("sqlalchemy.url", f"sqlite:///{path}".replace("%", "%%"))
    command.upgrade(config, revision)


def _version(path: Path) -> str | None:
    with closing(sqlite3.connect(path)) as connection:
        try:
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        except sqlite3.OperationalError:  # a new, empty database
            return None
        return str(row[0]) if row else None
