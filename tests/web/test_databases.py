"""Every kind of page on PostgreSQL as on SQLite: one past leads to the same HTML, byte for byte."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.storage.stores import SqlStore
from tests.tables import make_tables
from tests.web.documents import read
from tests.web.past import played, signed
from trust.core.records import Claim
from trust.services.cosigning import QuorumState
from trust.storage.engine import Database
from trust.storage.reading import Reader, reading
from trust.web import agents, cases, network
from trust.web.rendering import Page, whole

SINCE_MS = 1_700_000_000_000
HOURS, CASES = 12, 1
CHARTS = 8


def _pages(reader: Reader, claim: Claim, relay: str) -> dict[str, Page]:
    """A page of every kind, of a past in which this claim was made."""
    return {
        "home": network.home_page(reader),
        "claim": cases.claim_page(reader, claim.id, -1),
        "task": cases.task_page(reader, claim.task, -1),
        "tasks": cases.tasks_page(reader, "closed", {"relay": relay}, ""),
        "claims": cases.claims_page(reader, "", {"worker": claim.worker}, ""),
        "agent": agents.agent_page(reader, claim.worker, -1, None),
        "agents": agents.agents_page(reader, claim.task_kind, "worker", ""),
        "relays": agents.relays_page(reader, ""),
        "relay": agents.relay_page(reader, relay),
        "entries": network.entries_page(reader, "", None),
        "entry": network.entry_page(reader, str(claim.index)),
        "search": network.search(reader, "review-", "")[0],
        "policy": network.policy_page(reader, None),
        "witnesses": network.witnesses_page(reader, QuorumState(0, ())),
        "statistics": network.stats_page(reader, "hour", None),
        "convictions": network.convictions_page(reader, None),
        "due": network.due_page(reader, ""),
    }


def _shown(url: str, directory: Path) -> dict[str, str]:
    database = Database(url)
    town = played(database, SINCE_MS, HOURS, CASES)
    assert isinstance(town.net.store, SqlStore)
    town.net.store.close()
    signed(database, directory)
    claim = min(
        (each for each in town.net.records().values() if isinstance(each, Claim)), key=lambda each: each.index
    )
    with reading(database) as reader:
        pages = _pages(reader, claim, town.relay)
        shown = {name: whole(page, reader, "/", "").decode() for name, page in pages.items()}
    database.close()
    return shown


@pytest.mark.postgres
def test_every_kind_of_page_is_the_same_on_both_databases(
    sqlite_url: str, postgres_url: str, tmp_path: Path
) -> None:
    make_tables(sqlite_url)
    on_sqlite, on_postgres = (_shown(url, tmp_path) for url in (sqlite_url, postgres_url))
    assert on_sqlite.keys() == on_postgres.keys()
    for name, page in on_sqlite.items():
        assert page == on_postgres[name], name
        assert read(name, page).wrong == [], name
    assert "rejected" in on_sqlite["claims"] + on_sqlite["home"]
    assert on_sqlite["statistics"].count("<path class=") >= CHARTS
