"""The databases that tests run on are what they claim to be."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from tests.postgres import Postgres


def _run(url: str, *statements: str) -> object:
    """What the last statement answers, if it answers."""
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        results = [connection.execute(sa.text(statement)) for statement in statements]
        value: object = results[-1].scalar() if results[-1].returns_rows else None
    engine.dispose()
    return value


def test_a_database_of_each_kind_takes_a_table(database_url: str) -> None:
    _run(database_url, "CREATE TABLE one (n BIGINT)", "INSERT INTO one VALUES (7)")
    assert _run(database_url, "SELECT n FROM one") == 7
    _run(database_url, "DROP TABLE one")


@pytest.mark.postgres
@pytest.mark.parametrize("setting", ["fsync", "synchronous_commit", "full_page_writes"])
def test_a_commit_on_the_test_server_is_durable(postgres_url: str, setting: str) -> None:
    assert _run(postgres_url, f"SHOW {setting}") == "on"


@pytest.mark.postgres
def test_a_copy_of_a_template_has_its_tables_and_shares_no_rows(postgres: Postgres) -> None:
    def prepare(url: str) -> None:
        _run(url, "CREATE TABLE one (n BIGINT)", "INSERT INTO one VALUES (1)")

    first, second = (postgres.create(postgres.template("one row", prepare)) for _ in range(2))
    _run(first, "DELETE FROM one")
    assert _run(first, "SELECT count(*) FROM one") == 0
    assert _run(second, "SELECT count(*) FROM one") == 1
    postgres.drop(first)
    postgres.drop(second)
