"""Runs migrations on the connection that `trust.storage.migrations` brings, or on alembic.ini's database."""

from __future__ import annotations

from sqlalchemy import Connection

from alembic import context
from trust.storage import tables
from trust.storage.engine import Database
from trust.storage.unit import aside


def migrate(connection: Connection) -> None:
    """Every migration that is due, in the transaction that the connection is in."""
    context.configure(connection=connection, target_metadata=tables.METADATA, transactional_ddl=True)
    context.run_migrations()


given = context.config.attributes.get("connection")
if given is None:
    with aside(Database(context.config.get_main_option("sqlalchemy.url") or "")) as own:
        migrate(own)
else:
    migrate(given)
