"""Run by Alembic: applies all migrations in one transaction, so that a crash leaves the old schema or the new one."""

from __future__ import annotations

from typing import Any

import sqlalchemy
from alembic import context

from inductiva.server.db.schema import metadata

engine = sqlalchemy.create_engine(context.config.get_main_option("sqlalchemy.url") or "")


@sqlalchemy.event.listens_for(engine, "connect")
def _leave_transactions_to_us(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # Python's module would commit before each DDL statement


@sqlalchemy.event.listens_for(engine, "begin")
def _begin(connection: sqlalchemy.Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


with engine.begin() as connection:
    context.configure(connection=connection, target_metadata=metadata, render_as_batch=True, transactional_ddl=True)
    context.run_migrations()
engine.dispose()
