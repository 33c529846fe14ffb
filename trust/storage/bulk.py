"""Many rows of one table in one statement, in the form that is fastest on each database.

SQLite takes as many rows a statement as it can and gives all rows of a query as one JSON text (a single row as it
is): the driver gives the interpreter's lock up for each step, and must get it back from threads that parse. PostgreSQL
gets each column as one binary array, so a batch costs one round trip a table. The texts are built from the tables once,
and nothing else writes SQL for whole rows; a row has its values in the order of the table's columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import Enum
from functools import lru_cache
from itertools import chain
from typing import Any

import msgspec
from sqlalchemy import Connection, LargeBinary, Table

Rows = Sequence[Sequence[Any]]
MAX_VALUES = 32_766
SIZES = (1_000, 500, 200, 100, 50, 20, 10, 5, 2, 1)


class Existing(Enum):
    """How an insert treats a row whose key is there already."""

    REFUSE = "refuse"
    KEEP = "keep"
    REPLACE = "replace"
    ADD = "add"
    """What is there and no part of the key is a number, to which the row's is added."""


def insert(connection: Connection, table: Table, rows: Rows, existing: Existing = Existing.REFUSE) -> None:
    """Stores the rows; under REPLACE and ADD no two of them have the same key."""
    if not rows:
        return
    if _is_postgres(connection):
        columns = [list(column) for column in zip(*rows, strict=True)]
        connection.exec_driver_sql(_insert_arrays(table, existing), tuple(columns))
    else:
        start = 0
        for count in _pieces(len(rows), MAX_VALUES // len(table.columns)):
            values = tuple(chain.from_iterable(rows[start : start + count]))
            connection.exec_driver_sql(_insert_values(table, existing, count), values)
            start += count


def _pieces(rows: int, most: int) -> Iterator[int]:
    """Cuts a number of rows into a few of the sizes for which there is a statement."""
    for size in SIZES:
        while size <= most and rows >= size:
            yield size
            rows -= size


def delete(connection: Connection, table: Table, ids: Sequence[str]) -> None:
    """Deletes the rows with these ids."""
    if ids:
        connection.exec_driver_sql(
            f"DELETE FROM {table.name} WHERE {_id_in(connection)}", _ids(connection, ids)
        )


def select(connection: Connection, table: Table, ids: Sequence[str]) -> Rows:
    """The rows with these ids, in any order."""
    if _is_postgres(connection):
        text = f"SELECT {_names(table)} FROM {table.name} WHERE {_id_in(connection)}"
        return connection.exec_driver_sql(text, _ids(connection, ids)).fetchall()
    if len(ids) == 1:
        return connection.exec_driver_sql(_select_one(table), (ids[0],)).fetchall()
    text, blobs = _select_json(table)
    rows: list[list[Any]] = msgspec.json.decode(
        connection.exec_driver_sql(text, _ids(connection, ids)).scalar_one()
    )
    for row in rows:
        for at in blobs:
            row[at] = bytes.fromhex(row[at])
    return rows


def _is_postgres(connection: Connection) -> bool:
    return connection.dialect.name == "postgresql"


def _id_in(connection: Connection) -> str:
    """One parameter whatever the number of ids, so that one prepared statement serves them all."""
    return "id = ANY(%b)" if _is_postgres(connection) else "id IN (SELECT value FROM json_each(?))"


def _ids(connection: Connection, ids: Sequence[str]) -> tuple[Any]:
    return (list(ids) if _is_postgres(connection) else msgspec.json.encode(ids).decode(),)


@lru_cache(maxsize=256)
def _select_one(table: Table) -> str:
    return f"SELECT {_names(table)} FROM {table.name} WHERE id = ?"


@lru_cache(maxsize=256)
def _select_json(table: Table) -> tuple[str, list[int]]:
    """A query for rows as one JSON text, and the columns that stand in it in hexadecimal."""
    blobs = [at for at, column in enumerate(table.columns) if isinstance(column.type, LargeBinary)]
    values = [f'"{column.name}"' for column in table.columns]
    for at in blobs:
        values[at] = f"hex({values[at]})"
    row = f"json_array({','.join(values)})"
    where = "id IN (SELECT value FROM json_each(?))"
    return f"SELECT json_group_array({row}) FROM {table.name} WHERE {where}", blobs


@lru_cache(maxsize=256)
def _insert_values(table: Table, existing: Existing, rows: int) -> str:
    places = f"({','.join('?' * len(table.columns))})"
    values = ",".join([places] * rows)
    return f"INSERT INTO {table.name} ({_names(table)}) VALUES {values}{_on_conflict(table, existing)}"


@lru_cache(maxsize=256)
def _insert_arrays(table: Table, existing: Existing) -> str:
    arrays = ",".join(f"%b::{_postgres_type(column.type)}[]" for column in table.columns)
    source = f"SELECT * FROM unnest({arrays})"
    return f"INSERT INTO {table.name} ({_names(table)}) {source}{_on_conflict(table, existing)}"


def _on_conflict(table: Table, existing: Existing) -> str:
    if existing is Existing.REFUSE:
        return ""
    kept = [column.name for column in table.columns if column.primary_key or column.info.get("fixed")]
    changing = [column.name for column in table.columns if column.name not in kept]
    so_far = f'"{table.name}"."{{name}}"+' if existing is Existing.ADD else ""
    changes = ",".join(f'"{name}"={so_far.format(name=name)}excluded."{name}"' for name in changing)
    if existing is Existing.KEEP or not changes:
        return " ON CONFLICT DO NOTHING"
    key = ",".join(f'"{column.name}"' for column in table.primary_key)
    return f" ON CONFLICT ({key}) DO UPDATE SET {changes}"


def _names(table: Table) -> str:
    return ",".join(f'"{column.name}"' for column in table.columns)


def _postgres_type(type_: Any) -> str:
    from sqlalchemy.dialects import postgresql  # SQLite starts sooner without

    compiled: str = type_.compile(postgresql.dialect())  # type: ignore[no-untyped-call]
    return compiled.partition(" COLLATE")[0]
