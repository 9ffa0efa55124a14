"""The migrations make the schema that the code uses."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

import inductiva.server.db
from inductiva.server.db.schema import metadata
from inductiva.server.db.upgrade import HEAD, upgrade

FOLDER = Path(inductiva.server.db.__path__[0]) / "migrations"


def test_a_new_database_has_the_schema_of_the_code(tmp_path: Path) -> None:
    upgrade(tmp_path / "new.db")
    engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path / 'new.db'}")
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_head_is_the_newest_migration() -> None:
    assert ScriptDirectory(str(FOLDER)).get_current_head() == HEAD


def test_upgrading_twice_changes_nothing(tmp_path: Path) -> None:
    upgrade(tmp_path / "new.db")
    before = (tmp_path / "new.db").read_bytes()
    upgrade(tmp_path / "new.db")
    assert (tmp_path / "new.db").read_bytes() == before
