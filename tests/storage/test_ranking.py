"""Ranking by columns is ranking by records: the same candidates in the same order."""

from __future__ import annotations

from tests.core.terms import EXACT
from tests.storage.stores import founded
from trust.core import payloads as p
from trust.core import scoring
from trust.core.records import Party
from trust.storage.engine import Database
from trust.storage.holdings import locked_units
from trust.storage.ranking import entrants
from trust.storage.reading import reading
from trust.storage.state import SqlView


def test_columns_and_whole_records_rank_alike(database: Database) -> None:
    store, scene = founded(database)
    scene.ended("t1")
    scene.ended("t2", "fail")
    scene.submitted("t3")
    leaver = scene.net.join("leaver")
    scene.net.say(p.AgentRevoke, leaver, reason="moved on")
    agents = [party.id for party in scene.net.all(Party)] + ["did:key:z6MkNobodyKnows"]
    with reading(database) as reader:
        view = SqlView(reader.connection, reader.head())
        for task_kind in (EXACT, "essay", "unheard-of"):
            locked = locked_units(reader.connection, agents)
            whole = scoring.priorities(view, task_kind, agents, "", locked)
            found = entrants(reader.connection, agents, task_kind, view.at_ms)
            assert [each.agent for each in found] == agents
            assert scoring.ranked(view, found, task_kind) == whole
            assert {each.reason for each in whole} >= {"unknown-agent", "revoked"}
    store.close()
