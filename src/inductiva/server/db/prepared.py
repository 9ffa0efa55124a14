"""Statements of the hot paths: compiled by SQLAlchemy once, run by the driver.

For one row SQLAlchemy's way from a statement to its result costs ten times what SQLite takes for it. A `Prepared` keeps
the text, and the types' conversions of parameters and results, so that a run is nothing but the driver's.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import BindParameter, ColumnElement, Connection, Executable, or_
from sqlalchemy.dialects import sqlite
from sqlalchemy.sql import ClauseElement
from sqlalchemy.types import TypeEngine


def to_json(value: object) -> str:
    return msgspec.json.encode(value).decode()


_DIALECT = sqlite.dialect(paramstyle="named", json_serializer=to_json, json_deserializer=msgspec.json.decode)


def driver(connection: Connection) -> sqlite3.Connection:
    found: sqlite3.Connection = connection.connection.driver_connection  # type: ignore[assignment]
    return found


class Prepared:
    """A statement, with `one_of` in place of `in_`. Its parameters are those `bindparam`s that have no value, and the
    columns that an insert or update sets: `columns`, or without them all."""

    def __init__(self, statement: Executable, columns: Sequence[str] | None = None) -> None:
        assert isinstance(statement, ClauseElement)
        compiled = statement.compile(
            dialect=_DIALECT,
            column_keys=None if columns is None else list(columns),
        )
        self.text = str(compiled)
        parameters: Mapping[str, BindParameter[Any]] = compiled.binds  # type: ignore[attr-defined]
        self._to_driver = {
            name: convert
            for name, parameter in parameters.items()
            if (convert := _implementation(parameter.type).bind_processor(_DIALECT)) is not None
        }
        self._fixed = {
            name: value
            for name, value in compiled.params.items()
            if name not in parameters or not (parameters[name].required or value is None)
        }
        selected: list[ColumnElement[Any]] = list(getattr(statement, "selected_columns", ()))
        self._names = [str(column.key) for column in selected]
        self._from_driver = [
            (str(column.key), convert)
            for column in selected
            if (convert := _implementation(column.type).result_processor(_DIALECT, None)) is not None
        ]

    def rows(self, connection: Connection, **values: Any) -> list[dict[str, Any]]:
        """The rows of a select as dicts."""
        found = driver(connection).execute(self.text, self._parameters(values)).fetchall()
        return [self._row(row) for row in found]

    def first(self, connection: Connection, **values: Any) -> dict[str, Any] | None:
        """The first row of a select; None when there is none."""
        found = self.rows(connection, **values)
        return found[0] if found else None

    def scalar(self, connection: Connection, **values: Any) -> Any:
        """The first column of a select's first row; None when there is no row."""
        found = driver(connection).execute(self.text, self._parameters(values)).fetchall()
        return self._row(found[0])[self._names[0]] if found else None

    def run(self, connection: Connection, values: Mapping[str, Any]) -> int:
        """Writes; returns the number of rows that changed."""
        return driver(connection).execute(self.text, self._parameters(values)).rowcount

    def run_all(self, connection: Connection, values: Iterable[Mapping[str, Any]]) -> None:
        """Writes once for each of `values`."""
        driver(connection).executemany(self.text, map(self._parameters, values))

    def _parameters(self, values: Mapping[str, Any]) -> dict[str, Any]:
        given = {**self._fixed, **values}
        for name, convert in self._to_driver.items():
            if name in values:
                given[name] = convert(values[name])
        return given

    def _row(self, values: Sequence[Any]) -> dict[str, Any]:
        row = dict(zip(self._names, values, strict=True))
        for name, convert in self._from_driver:
            row[name] = convert(row[name])
        return row


def one_of(column: ColumnElement[Any], values: Iterable[object]) -> ColumnElement[bool]:
    """`column IN values`, which are known when the statement is made; SQLite sees no difference."""
    return or_(*(column == value for value in values))


def _implementation(kind: TypeEngine[Any]) -> TypeEngine[Any]:
    return kind.dialect_impl(_DIALECT)
