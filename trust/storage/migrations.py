"""The tables of a database, brought to this release by the migrations that it carries.

A migration may drop and refold any table but the log's own (`entries`, `tiles`, `head`). All that are due run
in one transaction, one process at a time.
"""

from __future__ import annotations

import alembic.command
from alembic.config import Config
from sqlalchemy import Connection

from trust.settings import shipped
from trust.storage.engine import Database
from trust.storage.unit import aside

_LOCK = 0x7472757374  # "trust"


def upgrade(url: str) -> None:
    """Brings the tables of a database to this release; an empty one gets all of them."""
    database = Database(url)
    try:
        with aside(database) as connection:
            if not database.is_sqlite:  # there BEGIN IMMEDIATE has locked everything already
                connection.exec_driver_sql("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
            alembic.command.upgrade(_config(connection), "head")
    finally:
        database.close()


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(shipped("alembic")).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
