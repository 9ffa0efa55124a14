"""The migrations make the schema that the code uses."""

from __future__ import annotations

import sqlite3
from contextlib import closing
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


def test_an_older_database_keeps_its_tasks_and_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    upgrade(path, "0001")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA foreign_keys=OFF")
        names = "id, user_id, project_id, group_id, status, simulator, extra_params, stream_zip, storage_path, metrics"
        rest = "resubmit_on_preemption, attempt, num_retries, report_seq, event_seq, created_at"
        values = "?, 'u', 'p', 'g', ?, 's', '{}', 1, '', '{}', 0, 0, 0, 0, 0, 0"
        statement = f"INSERT INTO tasks ({names}, {rest}) VALUES ({values})"
        connection.executemany(statement, [("a", "failed"), ("b", "failed"), ("c", "success")])
        connection.commit()
    upgrade(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE tasks SET status = 'success' WHERE id = 'a'")
        counts = connection.execute("SELECT status, tasks FROM task_counts ORDER BY status").fetchall()
    assert counts == [("failed", 1), ("success", 2)]


def test_upgrading_twice_changes_nothing(tmp_path: Path) -> None:
    upgrade(tmp_path / "new.db")
    before = (tmp_path / "new.db").read_bytes()
    upgrade(tmp_path / "new.db")
    assert (tmp_path / "new.db").read_bytes() == before
