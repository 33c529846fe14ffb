"""Every call to the database fails once, in a process that goes on, and the same bytes come again: the log, its
tables and what callers are told are what they would have been."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
from sqlalchemy import Connection, event
from sqlalchemy.exc import DatabaseError, OperationalError

from tests.core import steps
from tests.core.flows import Scene
from tests.core.invariants import check_log
from tests.core.terms import EXACT
from tests.services.histories import Recorded, Step
from tests.storage.stores import all_rows
from trust.audit.log_check import check_log as check_tree
from trust.core import payloads as p
from trust.core.commands import Incoming, Spoken
from trust.core.refusal import Refused
from trust.errors import TrustError
from trust.log.note import Signer
from trust.services.inbox import Submission
from trust.services.rebuilding import rebuild
from trust.services.receipts import Receipt, Refusal
from trust.services.sequencing import Sequencer
from trust.storage.engine import Database
from trust.storage.reading import reading
from trust.storage.sealing import store
from trust.storage.unit import aside

ERRORS: list[Callable[[], Exception]] = [
    lambda: OperationalError("SELECT", None, sqlite3.OperationalError("disk I/O error")),
    lambda: DatabaseError("SELECT", None, sqlite3.DatabaseError("database disk image is malformed")),
]


class Failing:
    """Has the call number `fail_at` of a database fail; commits fail before or after the fact, in turns."""

    def __init__(self, database: Database) -> None:
        self.struck = False
        self._fail_at = 0
        self._calls = 0
        self._strikes = 0
        for engine in (database.readers, database.writers):
            event.listen(engine, "before_cursor_execute", self._executing)
        self._engine = database.writers

    @contextmanager
    def at(self, call: int) -> Iterator[None]:
        self._fail_at, self._calls, self.struck = call, 0, False
        commit = Connection.commit

        def failing(connection: Connection) -> None:
            if connection.engine is self._engine and self._strike():
                if self._strikes % 2:
                    commit(connection)
                raise OperationalError("COMMIT", None, sqlite3.OperationalError("connection lost"))
            commit(connection)

        Connection.commit = failing  # type: ignore[method-assign,assignment]
        try:
            yield
        finally:
            Connection.commit = commit  # type: ignore[method-assign]
            self._fail_at = 0

    def _executing(self, *_: Any) -> None:
        if self._strike():
            raise ERRORS[self._strikes % len(ERRORS)]()

    def _strike(self) -> bool:
        self._calls += 1
        if self._calls != self._fail_at:
            return False
        self.struck = True
        self._strikes += 1
        return True


Shape = tuple[type[Incoming], type[object], str, tuple[str, ...]]


def shape_of(step: Step) -> Shape | None:
    """What was said and which events came of it, or the refusal; None where time alone led to a step."""
    if step.incoming is None:
        return None
    events = msgspec.json.decode(step.entry)["events"] if step.entry else ()
    said = step.incoming.payload if isinstance(step.incoming, Spoken) else step.incoming
    return type(step.incoming), type(said), step.refused, tuple(each["kind"] for each in events)


class Player:
    """A service that lives a recorded history; `fresh` has it begin anew before each step.

    Calls fail in the first step of each shape and wherever time leads on, with `every` in every step.
    """

    def __init__(
        self, net: Recorded, database: Database, head: Path, *, fresh: bool, every: bool = False
    ) -> None:
        self.net, self.database, self.failing = net, database, Failing(database)
        self._head, self._fresh = head, fresh
        self._now_ms = 0
        self._begin()
        self._shapes: set[Shape] | None = None if every else set()
        self.failures = self.tried = 0

    def live(self) -> None:
        """Every step of the history."""
        for step in self.net.steps:
            self._live(step)

    def _is_new(self, step: Step) -> bool:
        if self._shapes is None or (shape := shape_of(step)) is None:
            return True
        is_new = shape not in self._shapes
        self._shapes.add(shape)
        return is_new

    def _begin(self) -> None:
        signer = Signer("trust.example.org/test", self.net.log.seed)
        self._sequencer = Sequencer(self.database, [signer], self._head, now_ms=lambda: self._now_ms)
        self._sequencer.open()

    def _live(self, step: Step) -> None:
        """One step, each of its calls failing once where it is new."""
        self._now_ms = step.now_ms
        if step.nodes:
            with aside(self.database) as connection:
                store(connection, step.nodes)
        is_new = self._is_new(step)
        self.tried += is_new
        for call in count(1) if is_new else (0,):
            if self._fresh:
                self._begin()
            with self.failing.at(call):
                done = self._done(step)
            if done or not self.failing.struck:
                assert done, step
                return
            self.failures += 1

    def _done(self, step: Step) -> bool:
        if step.incoming is None:
            return self._sequencer.serve([])
        submission = Submission([step.incoming])
        self._sequencer.serve([submission])
        if (error := submission.answer.exception(timeout=0)) is not None:
            assert isinstance(error, TrustError), error
            assert error.code == "overloaded"
            return False
        [outcome] = submission.answer.result(timeout=0)
        if step.refused == "repeated":
            assert isinstance(outcome, Receipt), outcome
            assert outcome.repeated
        elif isinstance(outcome, Receipt):
            assert outcome.entry == step.entry, step
        else:
            assert isinstance(outcome, Refusal), (outcome, step)
            assert outcome.code == step.refused, (outcome, step)
        return True


def check(player: Player) -> None:
    """The log is the one that was recorded, replay bears it out, and the tables are what it leads to."""
    net, database = player.net, player.database
    with reading(database) as reader:
        assert [entry.data for entry in reader.entries(0, reader.head().size)] == [
            e.data for e in net.entries
        ]
    check_log(net.entries, net.records())
    assert check_tree(database, str(Signer("trust.example.org/test", net.log.seed).verifier)).ok
    with database.snapshot() as connection:
        before = all_rows(connection)
    rebuild(database)
    with database.snapshot() as connection:
        assert all_rows(connection) == before


def mixed() -> Recorded:
    """Claims that pass, fail and run out, what the rules refuse, and statements that come a second time."""
    net = Recorded()
    scene = Scene(net, verifiers=4, kinds=(EXACT,))
    scene.ended("passes")
    scene.ended("fails", "fail")
    scene.claimed("runs-out")
    contested = scene.request("runs-out", scene.rival)
    deposit = net.statement(
        p.StakeDeposit, net.operator, account=scene.rival.did, amount_units=7, reference="again"
    )
    for said in (
        contested,
        deposit,
        deposit,
        net.statement(p.VerifierLeave, scene.rival),
    ):
        with suppress(Refused):
            net.do(said)
    net.tick(net.policy.claims.lease_ms)
    scene.submitted("waits")
    return net


@pytest.mark.parametrize("fresh", [False, True], ids=["one process", "a new process for each step"])
def test_each_call_fails_once_and_the_log_is_the_one_without_failures(
    sqlite_template: Path, tmp_path: Path, fresh: bool
) -> None:
    shutil.copy(sqlite_template, tmp_path / "trust.db")
    database = Database(f"sqlite:///{tmp_path / 'trust.db'}")
    player = Player(short() if fresh else mixed(), database, tmp_path / "head", fresh=fresh)
    player.live()
    assert player.tried > 10
    assert player.failures > 5 * player.tried
    check(player)
    database.close()


@pytest.mark.postgres
def test_each_call_fails_once_on_postgres_as_well(postgres_url: str, tmp_path: Path) -> None:
    database = Database(postgres_url)
    player = Player(short(), database, tmp_path / "head", fresh=False)
    player.live()
    check(player)
    database.close()


def short() -> Recorded:
    """A task that is claimed once and wanted twice."""
    net = Recorded()
    scene = Scene(net, verifiers=3, kinds=(EXACT,))
    scene.claimed("task")
    with suppress(Refused):
        net.do(scene.request("task", scene.rival))
    net.tick(net.policy.claims.lease_ms)
    return net


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_each_call_of_a_long_random_history_fails_once(
    sqlite_template: Path, tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "Net", Recorded)
    shutil.copy(sqlite_template, tmp_path / "trust.db")
    database = Database(f"sqlite:///{tmp_path / 'trust.db'}")
    told = steps.Steps()
    steps.run(told, Random(seed), 180)
    assert isinstance(told.net, Recorded)
    player = Player(told.net, database, tmp_path / "head", fresh=False, every=True)
    player.live()
    check(player)
    database.close()
