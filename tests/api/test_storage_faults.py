"""A storage that fails answers 503 with Retry-After, one that is full 507, and never 500; nothing was decided then."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.engine import make_url

from tests.api.house import House, house

NEVER = {500, 501, 502}
pytestmark = pytest.mark.postgres


def admin(url: str) -> psycopg.Connection:
    parsed = make_url(url).set(drivername="postgresql")
    return psycopg.connect(parsed.render_as_string(hide_password=False), autocommit=True)


@pytest.fixture
def home(tmp_path: Path, postgres_url: str) -> Iterator[House]:
    with house(tmp_path, postgres_url) as home:
        home.settle_in()
        yield home


def ask(home: House, number: int) -> list[int]:
    """A blob, a statement and a read: how each was answered, those that may be sent again with Retry-After."""
    answers = [
        home.store(b"bytes %d" % number, home.requester),
        home.post_to("/v1/stakes", home.deposit(home.requester.did, 1)),
        home.client.get("/v1/stats"),
    ]
    for answer in answers:
        assert answer.status_code not in NEVER, answer.text
        assert "retry-after" in answer.headers or answer.status_code < 500
    return [answer.status_code for answer in answers]


def test_sessions_that_are_ended_and_statements_that_take_too_long_are_503(
    home: House, postgres_url: str
) -> None:
    done = threading.Event()

    def disturb() -> None:
        with admin(postgres_url) as connection:
            while not done.wait(0.004):
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )

    disturbing = threading.Thread(target=disturb)
    disturbing.start()
    try:
        statuses = [status for number in range(40) for status in ask(home, number)]
    finally:
        done.set()
        disturbing.join()
    assert 503 in statuses
    assert ask(home, 100) == [201, 201, 200]
    with admin(postgres_url) as connection:
        connection.execute(f"ALTER DATABASE {make_url(postgres_url).database} SET statement_timeout = 1")
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        for number in range(200, 210):
            ask(home, number)
        connection.execute(f"ALTER DATABASE {make_url(postgres_url).database} RESET statement_timeout")
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    home.wait(lambda: ask(home, int.from_bytes(os.urandom(4))) == [201, 201, 200])
    assert home.get("/health/ready")["status"] == "ready"
