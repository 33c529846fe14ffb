"""Databases for the tests beside this, and a network over one of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services.houses import House
from tests.services.logs import check_log
from tests.storage.stores import database, migrated_url, shared_database, sqlite_template
from trust.storage.engine import Database

__all__ = ["database", "migrated_url", "shared_database", "sqlite_template"]


@pytest.fixture
def house(database: Database, tmp_path: Path) -> Iterator[House]:
    """A founded network; its log is checked from first to last when the test is over."""
    house = House(database, tmp_path).found()
    yield house
    check_log(database, house.town.log.verifier)
