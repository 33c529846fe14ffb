"""What is committed is on the disk, on both databases."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from trust.storage import engine
from trust.storage.engine import Database, NotDurable, file_of


def value(of: Engine, query: str) -> object:
    with of.connect() as connection:
        return connection.execute(text(query)).scalar_one()


def test_sqlite_syncs_every_commit_of_its_one_writer(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    for connections in (database.writers, database.readers):
        assert value(connections, "PRAGMA journal_mode") == "wal"
        assert value(connections, "PRAGMA synchronous") == 2
        assert value(connections, "PRAGMA busy_timeout") == engine.BUSY_TIMEOUT_MS
    assert database.writers.pool.size() == 1  # type: ignore[attr-defined]
    database.close()


@pytest.mark.postgres
def test_postgres_syncs_every_commit_and_ends_sessions_that_hang(postgres_url: str) -> None:
    database = Database(postgres_url)
    for connections in (database.writers, database.readers):
        for name in ("fsync", "full_page_writes", "synchronous_commit"):
            assert value(connections, f"SHOW {name}") == "on"
        assert value(connections, "SHOW lock_timeout") == "10s"
        assert value(connections, "SHOW tcp_user_timeout") in ("6s", "0")  # 0 on a Unix socket
    assert value(database.writers, "SHOW idle_in_transaction_session_timeout") == "5s"
    assert value(database.readers, "SHOW idle_in_transaction_session_timeout") == "1min"
    assert value(database.writers, "SHOW transaction_isolation") == "read committed"
    assert value(database.readers, "SHOW transaction_isolation") == "repeatable read"
    database.close()


@pytest.mark.postgres
def test_a_database_that_may_lose_commits_is_refused(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "_POSTGRES_OPTIONS", "-c synchronous_commit=off")
    database = Database(postgres_url)
    with pytest.raises(NotDurable, match="synchronous_commit = off"):
        database.writers.connect()
    database.close()


def test_readers_cannot_write(database: Database) -> None:
    with database.snapshot() as connection, pytest.raises(DBAPIError, match=r"(?i)read.?only"):
        connection.execute(text("DELETE FROM entries"))


def test_the_file_of_a_sqlite_database_is_known_and_postgres_has_none() -> None:
    assert file_of("sqlite:////var/trust.db") == Path("/var/trust.db")
    assert file_of("postgresql+psycopg://somewhere/trust") is None
