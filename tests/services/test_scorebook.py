"""A seal of scores commits to every record as it stood when its epoch began, whatever was observed since."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy import select

from tests.core.flows import Scene
from tests.core.network import Net
from tests.storage.stores import changed, founded
from trust.core import payloads as p
from trust.core.entry import Seal
from trust.core.records import Pool
from trust.core.scorebook import POOL
from trust.log import merkle
from trust.services.database_check import differences
from trust.services.rebuilding import rebuild
from trust.services.sealing import due_seals
from trust.storage import scorebook, tables
from trust.storage.engine import Database
from trust.storage.reading import reading
from trust.storage.rows import table_of
from trust.storage.unit import aside

EPOCH_MS = 5_000


@pytest.fixture
def scene(database: Database) -> Iterator[Scene]:
    store, scene = founded(database, verifiers=5)
    yield scene
    store.close()


def work(scene: Scene, task: str, verdict: str = "pass") -> None:
    """A claim with all that follows from it: a panel, votes, the end."""
    claim = scene.opened(task)
    for act in (scene.commit, scene.reveal):
        for seat in scene.seats(claim):
            act(seat, scene.vote(seat, verdict))
    scene.net.tick(scene.net.policy.windows.challenge_ms)


def begin_epoch(net: Net) -> Pool:
    """Waits for the scores' next epoch."""
    while (pool := net.get(Pool, POOL)).epoch == pool.sealed_epoch:
        net.now_ms += 100
        net.settle()
    return pool


def due(database: Database) -> Seal:
    return next(seal for seal in due_seals(database) if seal.of == POOL)


def due_after(net: Net, database: Database) -> Seal:
    begin_epoch(net)
    return due(database)


def test_a_seal_of_scores_is_that_of_all_observations_before_its_epoch_whoever_makes_it(
    scene: Scene, database: Database
) -> None:
    net = scene.net
    for number in range(3):
        work(scene, f"early-{number}", "fail" if number == 1 else "pass")
        pool = begin_epoch(net)
        expected = net.seal_of(pool)
        seal = due(database)
        assert due(database) == seal == expected
        assert seal.count == len(net.rows(pool.as_of)) >= 4
        net.do(seal)


def test_a_row_that_changes_between_the_epoch_and_its_seal_stays_the_one_of_the_seal_before(
    scene: Scene, database: Database
) -> None:
    net = scene.net
    work(scene, "early")
    net.do(due_after(net, database))
    before = stored_epochs(database)
    net.say(p.AgentRevoke, scene.rival, reason="enough")
    pool = begin_epoch(net)
    claim = scene.claimed("late")
    net.now_ms += 1_100
    net.settle()
    net.say(p.ClaimAbandon, scene.worker, claim=claim)
    assert net.get(Pool, POOL).epoch == pool.epoch
    net.do(due(database))
    after = stored_epochs(database)
    unchanged = [id for id in before if id.startswith(scene.worker.did)]
    assert unchanged
    assert {id: after[id] for id in unchanged} == {id: before[id] for id in unchanged}


def test_rows_that_all_stand_as_they_are_change_nothing(scene: Scene, database: Database) -> None:
    """A record that moved after the epoch began and not before: a fold of the log meets it among the seal's rows."""
    net = scene.net
    work(scene, "early")
    net.do(due_after(net, database))
    before = stored_epochs(database)
    later = net.get(Pool, POOL)
    with aside(database) as connection:
        scorebook.store(connection, replace(later, epoch=later.epoch + 1), net.rows(later.as_of))
    assert stored_epochs(database) == before


def stored_rows(database: Database) -> list[Any]:
    with reading(database) as reader:
        table = table_of(tables.SealedScores)
        return list(reader.connection.execute(select(table).order_by(table.c.id, table.c.epoch)))


def stored_epochs(database: Database) -> dict[str, int]:
    """The epoch since which each row stands."""
    with reading(database) as reader:
        table = table_of(tables.SealedScores)
        return {row.id: row.epoch for row in reader.connection.execute(select(table).order_by(table.c.epoch))}


def test_what_was_observed_after_the_epoch_began_is_not_in_its_seal(scene: Scene, database: Database) -> None:
    net = scene.net
    work(scene, "early")
    pool = begin_epoch(net)
    expected = net.seal_of(pool)
    claim = scene.claimed("late")
    net.now_ms += 1_100
    net.settle()
    net.say(p.ClaimAbandon, scene.worker, claim=claim)
    net.say(p.AgentRevoke, scene.rival, reason="enough")
    assert net.get(Pool, POOL).as_of == pool.as_of
    assert net.rows(len(net.entries)) != net.rows(pool.as_of)
    assert due(database) == expected


def test_who_left_is_marked_in_the_next_seal(scene: Scene, database: Database) -> None:
    net = scene.net
    work(scene, "before")
    net.do(due_after(net, database))
    net.say(p.AgentRevoke, scene.worker, reason="enough")
    pool = begin_epoch(net)
    seal = due(database)
    assert seal == net.seal_of(pool)
    rows = {row.key: row.left for row in net.rows(pool.as_of)}
    assert rows[scene.worker.did, "party", ""] == "revoked"


def test_the_rows_of_the_last_seal_are_found_again_after_a_rebuild(scene: Scene, database: Database) -> None:
    for task in ("one", "two"):
        work(scene, task)
        scene.net.do(due_after(scene.net, database))
    sealed = scene.net.get(Pool, POOL)
    with reading(database) as reader:
        before = scorebook.tree_of(reader, sealed.sealed_epoch)
        shown = scorebook.rows_about(reader, sealed.sealed_epoch, scene.worker.did)
    rebuild(database)
    with reading(database) as reader:
        assert scorebook.tree_of(reader, sealed.sealed_epoch) == before
        assert scorebook.rows_about(reader, sealed.sealed_epoch, scene.worker.did) == shown


def test_a_check_finds_that_rows_of_the_last_seal_do_not_lead_to_its_root(
    scene: Scene, database: Database
) -> None:
    """Rows that are stored before their seal are no difference."""
    work(scene, "early")
    scene.net.do(due_after(scene.net, database))
    for change in (
        "DELETE FROM sealed_scores WHERE id = (SELECT MIN(id) FROM sealed_scores)",
        "UPDATE sealed_scores SET until_epoch = 0 WHERE id = (SELECT MIN(id) FROM sealed_scores)",
    ):
        with changed(database, change):
            [difference] = differences(database)
        assert difference.startswith("sealed_scores scores/1: its rows"), change
    work(scene, "late")
    due_after(scene.net, database)
    assert list(differences(database)) == []


def test_what_was_stored_for_an_epoch_that_came_to_no_seal_leaves_no_trace(
    scene: Scene, database: Database
) -> None:
    """A service was killed between the two, and the next epoch began before it was back."""
    net = scene.net
    work(scene, "sealed")
    net.do(due_after(net, database))
    work(scene, "unsealed")
    unsealed = begin_epoch(net).epoch
    assert due(database).epoch == unsealed
    net.say(p.AgentRevoke, scene.rival, reason="enough")
    while (pool := net.get(Pool, POOL)).epoch == unsealed:
        net.now_ms += 100
        net.settle()
    expected = net.seal_of(pool)
    seal = due(database)
    assert seal == expected
    net.do(seal)
    before = stored_rows(database)
    assert unsealed not in {row.epoch for row in before}
    rebuild(database)
    assert stored_rows(database) == before


def test_the_rows_of_an_agent_come_with_their_neighbours(scene: Scene, database: Database) -> None:
    work(scene, "shown")
    scene.net.do(due_after(scene.net, database))
    epoch = scene.net.get(Pool, POOL).sealed_epoch
    with reading(database) as reader:
        tree = scorebook.tree_of(reader, epoch)
        for agent in sorted({row.agent for row in scene.net.rows(scene.net.get(Pool, POOL).as_of)}):
            place, rows = scorebook.rows_about(reader, epoch, agent)
            for at, row in enumerate(rows, place):
                path = merkle.inclusion_proof(at, tree.size, tree.node)
                merkle.verify_inclusion(merkle.leaf_hash(row), at, tree.size, path, tree.root())
            mine = [f'"agent":"{agent}"'.encode() in row for row in rows]
            assert any(mine)
            assert mine.count(False) == (place > 0 or mine[0] is False) + (mine[-1] is False)
