"""What every test may ask for: databases of both kinds, and one Hypothesis profile."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from tests.postgres import Postgres

# Two shared cores: a deadline would measure the neighbours.
hypothesis.settings.register_profile("trust", deadline=None, print_blob=True)
hypothesis.settings.load_profile("trust")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """The one PostgreSQL server of this run, started by the first test that needs it.

    Where it cannot start the test is skipped with the reason, or fails under TRUST_TEST_POSTGRES=required.
    """
    try:
        server = Postgres()
    except Exception as reason:
        if os.environ.get("TRUST_TEST_POSTGRES") == "required":
            raise
        pytest.skip(f"PostgreSQL does not start here: {reason!r}")
    yield server
    server.stop()


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """A SQLite database file that does not exist yet."""
    return f"sqlite:///{tmp_path / 'trust.db'}"


@pytest.fixture
def postgres_url(postgres: Postgres) -> Iterator[str]:
    """An empty PostgreSQL database; dropped afterwards, whoever is still connected."""
    url = postgres.create()
    yield url
    postgres.drop(url)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest) -> str:
    """An empty database; the test runs once on each kind."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url
