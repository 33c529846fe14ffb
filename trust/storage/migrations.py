"""The tables of a database: made as this release has them, or brought to it by the migrations that it carries.

A migration may drop and refold any table but the log's own (`entries`, `tiles`, `head`). All that are due run
in one transaction, one process at a time. Revisions are a line of numbers, which their files begin with; Alembic is
loaded only where one is due, and an empty database needs none: its tables are made as all migrations would leave them.
"""

from __future__ import annotations

from enum import Enum
from pathlib import Path

import sqlalchemy
from sqlalchemy import Column, Connection, MetaData, String, Table, insert
from sqlalchemy.engine import make_url

from trust.errors import Unusable
from trust.settings import shipped
from trust.storage import tables
from trust.storage.engine import Database, file_of
from trust.storage.unit import aside

_LOCK = 0x7472757374  # "trust"
_MAGIC = b"SQLite format 3\x00"
_REVISION = Table(
    "alembic_version", MetaData(), Column("version_num", String(32), primary_key=True, nullable=False)
)
"""Alembic's own table: the revision that a database has."""


class Age(Enum):
    """Whose tables a database has."""

    EMPTY = "none yet"
    OLDER = "an older release's"
    SAME = "this release's"
    NEWER = "a newer release's"


def check_kind(path: Path) -> None:
    """`Unusable` where a file is no SQLite database; FileNotFoundError where there is none."""
    with path.open("rb") as file:
        begins = file.read(len(_MAGIC))
    if begins not in (b"", _MAGIC):
        raise Unusable(f"{path} is no SQLite database", hint="name the database file, or its data directory")


def age(connection: Connection) -> Age:
    """Whose tables a database has; `Unusable` where they are another program's."""
    names = set(sqlalchemy.inspect(connection).get_table_names())
    if not {"alembic_version", "entries"} <= names:
        if "alembic_version" in names or (names and connection.dialect.name == "sqlite"):
            raise Unusable("the tables in this database are another program's", hint="give another database")
        return Age.EMPTY
    versions = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalars().all()
    known = revisions()
    if not set(known).issuperset(versions):
        return Age.NEWER
    return Age.SAME if versions == known[-1:] else Age.OLDER


def revisions() -> list[str]:
    """Returns the revisions that this release carries, the newest last."""
    return sorted(file.name.partition("_")[0] for file in (shipped("alembic") / "versions").glob("[0-9]*.py"))


def newer(url: str) -> Unusable:
    """The error about a database that a newer release has migrated."""
    shown = make_url(url).render_as_string(hide_password=True)
    return Unusable(
        f"{shown} has the tables of a newer release of trust", hint="use that release; no table was changed"
    )


def upgrade(url: str) -> None:
    """Brings the tables of a database to this release; an empty one gets all of them.

    `Unusable` where it is none of ours, or a newer release's.
    """
    path = file_of(url)
    if path is not None and path.exists():
        check_kind(path)
    database = Database(url)
    try:
        with database.snapshot() as connection:
            version = age(connection)
        if version is Age.NEWER:
            raise newer(url)
        if version is Age.SAME:
            return
        with aside(database) as connection:
            if not database.is_sqlite:  # there BEGIN IMMEDIATE has locked everything already
                connection.exec_driver_sql("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
            if age(connection) is Age.EMPTY:  # another process may have been first
                create(connection)
            else:
                migrate(connection)
    finally:
        database.close()


def create(connection: Connection) -> None:
    """Makes every table of this release in an empty database, in the transaction that the connection is in."""
    tables.METADATA.create_all(connection, checkfirst=False)
    connection.execute(insert(tables.Head).values(tables.EMPTY_HEAD))
    _REVISION.create(connection)
    connection.execute(insert(_REVISION).values(version_num=revisions()[-1]))


def migrate(connection: Connection) -> None:
    """Runs every migration that is due, in the transaction that the connection is in."""
    from alembic.config import Config

    from alembic import command

    config = Config()
    config.set_main_option("script_location", str(shipped("alembic")).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
