"""A seal is made from the weights as they stood when its epoch began, whatever changed since."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.core.network import Net
from tests.core.terms import EXACT
from tests.storage.stores import SqlStore, founded
from trust.core import payloads as p
from trust.core.entry import Seal
from trust.core.records import Node, Pool
from trust.services.sealing import due_seals
from trust.storage.engine import Database

POOL = f"verifiers/{EXACT}"


@pytest.fixture
def net(database: Database) -> Iterator[Net]:
    """Verifiers whose pools are sealed; from here on nobody seals but the test."""
    store, scene = founded(database, verifiers=14)
    yield scene.net
    store.close()


def begin_epoch(net: Net) -> dict[str, Seal]:
    """What falls due is settled; the seals that are due then, as the test network makes them from its entries."""
    net.now_ms += net.policy.verifiers.epoch_ms
    net.settle()
    nodes = {node.id for node in net.all(Node)}
    seals = {pool.id: net.seal_of(pool) for pool in net.all(Pool) if pool.epoch > pool.sealed_epoch}
    store = net.store
    assert isinstance(store, SqlStore)
    with store.database.writers.connect() as connection:  # nodes of the test's own making must not help
        for node in net.all(Node):
            if node.id not in nodes:
                connection.exec_driver_sql(f"DELETE FROM nodes WHERE id = '{node.id}'")
        connection.commit()
    return seals


def test_nothing_is_due_while_no_epoch_begins(net: Net, database: Database) -> None:
    assert due_seals(database) == []


def test_a_seal_from_the_last_one_and_what_changed_equals_one_from_all_slots(
    net: Net, database: Database
) -> None:
    for round_ in range(3):
        net.join(f"late {round_}", owner=None)
        late = [
            net.join(f"verifier {round_} {number}", units=3_000 + number) for number in range(2 * round_ + 1)
        ]
        for who in late:
            net.say(p.VerifierEnroll, who, task_kinds=(EXACT,), stake_units=1_000)
        net.say(p.VerifierLeave, late[0])
        expected = begin_epoch(net)
        net.say(p.VerifierEnroll, late[0], task_kinds=(EXACT,), stake_units=1_000)  # too late for this epoch
        seals = {seal.of: seal for seal in due_seals(database)}
        assert seals == expected
        assert seals[POOL].count == 14 + (round_ + 1) ** 2
        for seal in seals.values():
            net.do(seal)
        assert due_seals(database) == []


def test_an_owner_with_over_a_tenth_of_the_weight_is_named_in_the_seal(net: Net, database: Database) -> None:
    owner = net.join("owner")
    ring = [net.join(f"ring {number}", owner=owner, units=50_000) for number in range(3)]
    for who in ring:
        net.say(p.VerifierEnroll, who, task_kinds=(EXACT,), stake_units=5_000)
    expected = begin_epoch(net)
    (seal,) = [seal for seal in due_seals(database) if seal.of == POOL]
    assert seal == expected[POOL]
    assert [name for name, _ in seal.heavy] == [owner.did]
    assert seal.heavy[0][1] * 10 > seal.total


def test_the_nodes_of_a_seal_are_stored_before_it_is_on_the_log(net: Net, database: Database) -> None:
    net.say(p.VerifierEnroll, net.join("one more"), task_kinds=(EXACT,), stake_units=1_000)
    begin_epoch(net)
    (seal,) = [seal for seal in due_seals(database) if seal.of == POOL]
    assert due_seals(database)[0] == seal  # made twice: the same nodes, no harm
    assert (Node, seal.root) in net.store.records()
