"""The tables are the record types, and the migrations make the tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_type_hints

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import BigInteger, Boolean, Connection, LargeBinary, Text, inspect

from trust.core.records import RECORDS, Record
from trust.log.merkle import EMPTY_ROOT
from trust.settings import shipped
from trust.storage import tables
from trust.storage.engine import Database
from trust.storage.migrations import Age, age, create, migrate, revisions, upgrade
from trust.storage.projections import TABLES
from trust.storage.rows import CODECS
from trust.storage.tables import INDEXES, STATE
from trust.storage.unit import Head, aside, read_head

SCALARS = {str: Text, int: BigInteger, bytes: LargeBinary, bool: Boolean}
LOG_TABLES = {"entries", "tiles", "head", "cosigned", "blobs", "sealed_scores", "elsewhere"}


@pytest.mark.parametrize("kind", RECORDS, ids=lambda kind: kind.__name__)
def test_a_table_has_the_fields_of_its_record_in_their_order_and_types(kind: type[Record]) -> None:
    table = CODECS[kind].table
    assert tuple(column.name for column in table.columns) == kind.__struct_fields__
    types = get_type_hints(kind)
    for name in kind.__struct_fields__:
        assert isinstance(table.columns[name].type, SCALARS.get(types[name], Text)), name
        assert not table.columns[name].nullable
    assert [column.name for column in table.primary_key] == ["id"]


def test_a_table_of_state_has_the_indexes_that_are_named_for_it() -> None:
    assert set(STATE) == set(RECORDS)
    for kind, table in STATE.items():
        assert table.indexes == set(INDEXES.get(kind, ()))
        assert {column.name for column in table.columns if column.info["fixed"]} == set(kind.fixed)
        assert table.dialect_options["sqlite"]["with_rowid"] is not kind.is_clustered


def test_every_table_is_of_the_log_of_a_record_type_or_a_projection() -> None:
    expected = LOG_TABLES | {kind.table for kind in RECORDS} | {table.name for table in TABLES}
    assert set(tables.Entries.metadata.tables) == expected


@pytest.mark.filterwarnings(
    "ignore:.*expression-based index"
)  # SQLite cannot tell of one; PostgreSQL is compared
@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def test_the_migrations_make_exactly_the_tables_that_an_empty_database_gets(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    shapes = []
    for make in (migrate, create):
        url = f"sqlite:///{tmp_path / make.__name__}"
        if kind == "postgres":
            url = request.getfixturevalue("postgres").create()
        database = Database(url)
        with aside(database) as connection:
            make(connection)
        with database.snapshot() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            assert compare_metadata(context, tables.METADATA) == []
            assert read_head(connection) == Head(0, 0, EMPTY_ROOT, b"")
            assert age(connection) is Age.SAME
            shapes.append(_shape(connection))
        database.close()
    assert shapes[0] == shapes[1]


def _shape(connection: Connection) -> dict[str, Any]:
    """Every table, without its columns' order and defaults, which a migration needs for rows that are there."""
    looked_at = inspect(connection)
    shape: dict[str, Any] = {}
    for name in looked_at.get_table_names():
        columns = looked_at.get_columns(name)
        shape[name] = (
            sorted((each["name"], repr(each["type"]), each["nullable"]) for each in columns),
            sorted(map(_index, looked_at.get_indexes(name))),
            looked_at.get_pk_constraint(name)["constrained_columns"],
            looked_at.get_table_options(name),
        )
    return shape


def _index(reflected: Any) -> str:
    options = {name: str(value) for name, value in reflected.get("dialect_options", {}).items()}
    return repr(sorted({**reflected, "dialect_options": options}.items()))


def test_an_upgrade_of_what_is_up_to_date_changes_nothing(database: Database) -> None:
    upgrade(database.url)
    with database.snapshot() as connection:
        assert read_head(connection) == Head(0, 0, EMPTY_ROOT, b"")


def test_the_revisions_are_the_line_that_alembic_walks() -> None:
    config = Config()
    config.set_main_option("script_location", str(shipped("alembic")))
    walked = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
    assert walked == revisions()[::-1]
