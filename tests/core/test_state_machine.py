"""The invariants of docs/rules.md 9 under random statements, parties, times and repeats, and then a replay of the log.

Hypothesis chooses and shrinks over a state in memory; the same steps, from seeds, run over SQL on both databases.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tests.core.diligent import Diligent
from tests.core.network import Records
from tests.core.steps import ACTIONS, Steps, run
from tests.tables import make_tables
from trust.core.entry import decode_entry
from trust.core.records import RECORDS, Node, Record
from trust.core.rulebook import Decided
from trust.core.state import Draft, View
from trust.log.merkle import leaf_hash
from trust.storage import bulk
from trust.storage.bulk import Existing
from trust.storage.engine import Database
from trust.storage.projections import Projections
from trust.storage.rows import CODECS
from trust.storage.state import SqlView
from trust.storage.unit import Head, StoredEntry, aside, unit


class SqlStore:
    """State in a database: one transaction a batch, rows read back through the view."""

    def __init__(self, url: str) -> None:
        make_tables(url)
        self.database = Database(url)
        self._view = SqlView()
        self._read: Records | None = None

    def view(self) -> View:
        """Reads through a connection of its own, as of the last batch."""
        self._reading = self.database.readers.connect()
        self._view.open(self._reading, Head(self._view.size, self._view.at_ms, bytes(32), b""))
        return self._view

    def absorb(self, draft: Draft, entries: Sequence[Decided]) -> None:
        self._read = None
        self._reading.close()
        stored = [
            StoredEntry(each.index, each.at_ms, "test", each.data, leaf_hash(each.data)) for each in entries
        ]
        with unit(self.database) as current:
            current.append(stored, [], Head(draft.size, draft.at_ms, bytes(32), b""))
            current.write_state(draft.writes, Projections())
        self._view.absorb(draft)
        self._view.forget()

    def put_nodes(self, nodes: Sequence[Node]) -> None:
        self._read = None
        codec = CODECS[Node]
        with aside(self.database) as connection:
            bulk.insert(connection, codec.table, list(map(codec.to_row, nodes)), Existing.KEEP)
        self._reading.close()  # its snapshot is older than the nodes
        self.view()

    def records(self, *kinds: type[Record]) -> Records:
        """Every row of every table, read once after each write."""
        if self._read is None:
            self._read = self._rows()
        return self._read

    def _rows(self) -> Records:
        found: Records = {}
        with self.database.readers.connect() as connection:
            for kind in RECORDS:
                codec = CODECS[kind]
                for row in connection.execute(codec.table.select()):
                    record = codec.to_record(row)
                    found[kind, record.id] = record
        return found

    def close(self) -> None:
        self._reading.close()
        self.database.close()


@pytest.fixture
def sql_store(database_url: str) -> Iterator[SqlStore]:
    store = SqlStore(database_url)
    yield store
    store.close()


class Machine(RuleBasedStateMachine):
    """Each rule is one step; Hypothesis is the source of its choices."""

    def __init__(self) -> None:
        super().__init__()
        self.steps = Steps()

    @rule(action=st.sampled_from(ACTIONS), rng=st.randoms(use_true_random=False))
    def step(self, action: str, rng: Random) -> None:
        getattr(self.steps, action)(rng)

    @invariant()
    def holds(self) -> None:
        self.steps.check()

    def teardown(self) -> None:
        self.steps.finish()


TestMachine = Machine.TestCase
TestMachine.settings = settings(
    max_examples=12,
    stateful_step_count=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def seeds(few: int, many: int) -> list[Any]:
    """Seeds from 0 on: a few in each run, the others where what is slow runs."""
    return [*range(few), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(few, many))]


@lru_cache(maxsize=4)
def walked(seed: int, count: int) -> Steps:
    """Random steps in memory, each statement in a batch of its own; several tests look at the same."""
    steps = Steps()
    run(steps, Random(seed), count)
    return steps


@pytest.mark.parametrize("seed", seeds(3, 50))
def test_random_steps_keep_every_invariant_and_replay_to_the_byte(seed: int) -> None:
    assert walked(seed, 300).accepted


@pytest.mark.parametrize("seed", seeds(2, 20))
def test_who_follows_the_sdk_loses_at_most_one_liveness_fault_to_others_acts(seed: int) -> None:
    """Conservation of honesty: no act of anybody else, the operator included, makes the diligent miss their duties."""
    steps, rng = Diligent(), Random(seed)
    for _ in range(200):
        getattr(steps, rng.choice((*ACTIONS, *["ask"] * 6)))(rng)
        steps.check()
    steps.finish()
    assert steps.done > 0


@pytest.mark.parametrize("seed", seeds(2, 10))
def test_what_stands_in_one_batch_decides_as_if_each_statement_had_its_own(seed: int) -> None:
    steps = Steps()
    steps.net.autoflush = False
    run(steps, Random(seed), 300)
    alone = walked(seed, 300)
    assert [entry.data for entry in steps.net.entries] == [entry.data for entry in alone.net.entries]


def test_the_tables_hold_what_the_fold_makes_row_for_row(sql_store: SqlStore) -> None:
    steps = Steps(sql_store)
    steps.net.autoflush = False
    run(steps, Random(7), 120)
    memory = walked(7, 120)
    assert [entry.data for entry in steps.net.entries] == [entry.data for entry in memory.net.entries]
    assert sql_store.records() == memory.net.records()
    assert decode_entry(steps.net.entries[-1].data).at_ms == steps.net.draft.at_ms
