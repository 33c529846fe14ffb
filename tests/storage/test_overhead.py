"""The records of overhead on both databases: paged, read by key, and made again by an upgrade."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import event

from tests.storage.stores import all_rows, founded, without_lists
from trust.api.views import network
from trust.core.records import Overhead
from trust.storage.engine import Database
from trust.storage.migrations import upgrade
from trust.storage.projections import Projections
from trust.storage.reading import reading
from trust.storage.unit import aside, unit


@pytest.fixture(scope="module")
def played(shared_database: Database) -> Database:
    """A small network's log, whose tables hold claims that passed, failed and ran out."""
    store, scene = founded(shared_database)
    scene.ended("passes")
    scene.ended("fails", "fail")
    scene.claimed("runs-out")
    scene.net.tick(scene.net.policy.claims.lease_ms)
    scene.claim("runs-out", worker=scene.rival)
    store.close()
    return shared_database


def test_an_upgrade_folds_the_log_to_the_same_rows(played: Database) -> None:
    with played.snapshot() as connection:
        kept = all_rows(connection)
    assert len(kept["overhead"]) == 2
    with aside(played) as connection:
        without_lists(connection.exec_driver_sql)
        for change in (
            "DROP TABLE overhead",
            "ALTER TABLE tasks DROP COLUMN reopened_ms",
            "ALTER TABLE claims DROP COLUMN waited_ms",
            "UPDATE alembic_version SET version_num = '0002'",
        ):
            connection.exec_driver_sql(change)
    upgrade(played.url)
    with played.snapshot() as connection:
        assert all_rows(connection) == kept


def test_pages_join_up_and_a_kind_is_found_by_its_name(database: Database) -> None:
    pairs = [(kind, f"rly_{number}") for kind in ("a", "a-b", "b") for number in range(3)]
    records = [Overhead(id=f"{kind}/{relay}", task_kind=kind, relay=relay) for kind, relay in pairs]
    records.append(Overhead(id="network", task_kind="", relay=""))
    with unit(database) as writing:
        writing.write_state({(Overhead, each.id): each for each in records}, Projections())
    with reading(database) as reader:
        assert [each.id for each in reader.overhead("a")] == ["a/rly_0", "a/rly_1", "a/rly_2"]
        found: list[str] = []
        while page := reader.overhead(after=found[-1] if found else "", limit=2):
            found += [each.id for each in page]
        assert found == sorted(each.id for each in records if each.relay)


def test_an_answer_reads_as_many_rows_however_many_claims_there_were(played: Database) -> None:
    queries: list[str] = []

    def note(_: object, __: object, statement: str, *___: object) -> None:
        queries.append(statement)

    with reading(played) as reader:
        event.listen(reader.connection, "before_cursor_execute", note)
        network.overhead(reader, "", "", 100)
    tables = {"head", "network", "policies", "overhead"}
    read = {word.strip() for query in queries for word in re.findall(r"FROM (\w+)", query)}
    assert read <= tables, "neither entries nor claims are looked at"
