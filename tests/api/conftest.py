"""A running service for the tests of its API."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.house import House, house


@pytest.fixture
def home(tmp_path: Path, sqlite_url: str) -> Iterator[House]:
    """A service on SQLite with nobody registered."""
    with house(tmp_path, sqlite_url) as running:
        yield running


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A service on SQLite where everybody is registered, and no scores are sealed; shared by a module's tests."""
    directory = tmp_path_factory.mktemp("house")
    url = f"sqlite:///{directory / 'trust.db'}"
    with house(directory, url, score_epoch_ms=600_000) as running:
        running.settle_in()
        yield running
