"""A relay that lies about a winner is suspended, a log that was forked costs the operator its bond.

Specified in docs/rules.md 8.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.core.flows import STAKE, Scene, scene
from tests.core.network import Who, kinds
from tests.core.proofs import (
    Lied,
    claim_by,
    confirmation,
    evidence,
    fork,
    note,
    postings,
    three,
    whole,
)
from trust.core import commands
from trust.core import payloads as p
from trust.core.records import Relay, Task


@pytest.fixture
def town() -> Scene:
    return scene()


# -- a relay's word


def test_a_relay_that_names_another_winner_is_suspended_until_those_who_signed_are_gone() -> None:
    town, members = three(scene())
    town.post()
    claim = claim_by(town, members[:2])
    lie = confirmation(town, claim, members[:2], worker=town.rival.did)
    decided = town.net.do(evidence(town, town.requester, "relay-confirm", lie))
    assert kinds(decided.events) == ["convicted", "relay.suspended"]
    town.post("t2")
    posted = town.net.get(Task, "t2")
    request = {"task": "t2", "task_index": posted.index, "relay": town.relay, "stake_units": STAKE}
    town.net.refuses("relay-suspended", p.ClaimRequest, town.worker, *members[:2], **request)
    town.net.refused("convicted-already", evidence(town, town.rival, "relay-confirm", lie))
    fresh = [Who("fresh one"), Who("fresh two")]
    renewed = {"relay": town.relay, "name": "three", "threshold": 2}
    half = [members[2], fresh[0], members[0]]
    town.net.say(
        p.RelayUpdate, members[0], members[2], fresh[0], coordinators=tuple(w.did for w in half), **renewed
    )
    assert town.net.get(Relay, town.relay).suspended
    town.net.refuses("relay-suspended", p.ClaimRequest, town.worker, fresh[0], members[2], **request)
    clean = [members[2], *fresh]
    town.net.say(
        p.RelayUpdate, members[2], fresh[0], fresh[1], coordinators=tuple(w.did for w in clean), **renewed
    )
    assert town.net.get(Relay, town.relay).suspended
    by = (fresh[0], town.net.operator)
    town.net.say(p.RelayUpdate, members[2], *by, coordinators=tuple(w.did for w in clean), **renewed)
    assert not town.net.get(Relay, town.relay).suspended
    town.net.say(p.ClaimRequest, town.worker, *fresh, **request)
    back = [*fresh, members[0]]
    town.net.say(
        p.RelayUpdate, fresh[0], fresh[1], members[0], coordinators=tuple(w.did for w in back), **renewed
    )
    assert town.net.get(Relay, town.relay).suspended
    whole(town)


def test_one_dishonest_coordinator_of_three_convicts_nobody_but_proves_nothing_either() -> None:
    town, members = three(scene())
    town.post()
    claim = claim_by(town, members[:2])
    lie = confirmation(town, claim, members[:1], worker=town.rival.did)
    town.net.refused("threshold-not-met", evidence(town, town.rival, "relay-confirm", lie))


def test_who_lies_for_two_relays_is_suspended_in_both() -> None:
    town, members = three(scene())
    town.post()
    claim = claim_by(town, members[:2])
    other = town.net.register_relay(members, 2, name="same-three")
    lie = confirmation(town, claim, members[:2], worker=town.rival.did)
    for relay in (other, town.relay):
        town.net.do(evidence(town, town.rival, "relay-confirm", lie, relay=relay))
        town.net.refused("convicted-already", evidence(town, town.worker, "relay-confirm", lie, relay=relay))
        assert town.net.get(Relay, relay).suspended


def test_a_true_confirmation_convicts_nobody(town: Scene) -> None:
    claim = town.claimed()
    true = confirmation(town, claim, [town.net.coordinator])
    town.net.refused("no-false-confirmation", evidence(town, town.rival, "relay-confirm", true))


@pytest.mark.parametrize("field", ["task", "worker", "index", "claim"])
def test_a_confirmation_that_is_false_in_any_part_convicts(town: Scene, field: str) -> None:
    claim = town.claimed()
    false: dict[str, Any] = {
        "task": "t9",
        "worker": town.rival.did,
        "index": 3,
        "claim": "clm_" + "a" * 26,
    }
    lie = confirmation(town, claim, [town.net.coordinator], **{field: false[field]})
    town.net.do(evidence(town, town.rival, "relay-confirm", lie, relay=town.relay))
    assert town.net.get(Relay, town.relay).suspended


def test_a_confirmation_of_a_claim_that_never_was_needs_the_relay_named(town: Scene) -> None:
    claim = town.claimed()
    lie = confirmation(town, claim, [town.net.coordinator], claim="clm_" + "a" * 26)
    town.net.refused("not-evidence", evidence(town, town.rival, "relay-confirm", lie))
    town.post("t2", relay=town.relay)
    tied = confirmation(town, claim, [town.net.coordinator], claim="clm_" + "a" * 26, task="t2")
    town.net.do(evidence(town, town.rival, "relay-confirm", tied))
    assert town.net.get(Relay, town.relay).suspended


def test_a_confirmation_about_an_entry_to_come_is_no_evidence_yet(town: Scene) -> None:
    claim = town.claimed()
    early = confirmation(town, claim, [town.net.coordinator], index=10_000)
    town.net.refused("not-evidence", evidence(town, town.rival, "relay-confirm", early))


# -- the log's own lies


def test_two_checkpoints_of_one_size_burn_the_operators_bond_and_stop_claims(town: Scene) -> None:
    town.net.say(p.StakeWithdraw, town.net.operator, amount_units=3_500, account="operator/bond")
    decided = town.net.do(evidence(town, town.rival, "log-fork", notes=fork(town.net)))
    assert postings(decided, "operator.slash") == [{"operator/bond": -1_000, "burn": 1_000}]
    town.post()
    town.net.refused("operator-bond-short", town.request())
    town.net.refused("convicted-already", evidence(town, town.rival, "log-fork", notes=fork(town.net)))
    town.net.do(evidence(town, town.rival, "log-fork", notes=fork(town.net, size=6)))
    assert (town.net.balance("operator/bond"), town.net.balance("operator/unbonding")) == (0, 3_000)
    town.net.deposit("operator/bond", 1_000)
    assert town.claim()
    whole(town)


def test_a_former_key_convicts_for_the_sizes_that_were_its_own_and_for_no_others(town: Scene) -> None:
    net, second, third = town.net, Who("second log"), Who("third log")
    index = net.say(p.KeyAdopt, net.operator, net.log, second, use="log", key=second.did).index
    net.join("between")
    later = net.say(p.KeyAdopt, net.operator, second, third, use="log", key=third.did).index

    def forked(size: int, key: Who) -> commands.Spoken:
        notes = tuple(note(net, size, bytes([root]) * 32, signer=key) for root in range(2))
        return evidence(town, town.rival, "log-fork", notes=notes)

    for size, right, wrong in (
        (5, net.log, second),
        (index + 1, net.log, second),
        (index + 2, second, net.log),
        (later + 1, second, third),
        (later + 2, third, second),
    ):
        net.refused("bad-note", forked(size, wrong))
        net.do(forked(size, right))
        net.refused("convicted-already", forked(size, right))


def test_notes_that_prove_no_fork_are_refused_each_with_its_code(town: Scene) -> None:
    one, other = fork(town.net)
    stranger = Who("stranger")
    for code, notes in (
        ("not-evidence", (one,)),
        ("same-tree", (one, one)),
        ("other-sizes", (one, note(town.net, 6, bytes(32)))),
        ("bad-note", (one, "no note at all")),
        ("bad-note", (one, note(town.net, 5, bytes(32), signer=stranger))),
        ("bad-note", (one, note(town.net, 5, bytes(32), origin="trust.example.org/other"))),
        ("bad-note", (one, other.replace("\n5\n", "\n6\n"))),
        ("bad-note", (one, other + "\u2603")),
    ):
        town.net.refused(code, evidence(town, town.rival, "log-fork", notes=notes))


def test_a_network_with_every_kind_of_evidence_replays(town: Scene) -> None:
    lied = Lied(town)
    town.net.autoflush = False
    town.net.draw(lied.claim)
    town.net.do(evidence(town, town.rival, "log-fork", notes=fork(town.net)))
    lie = confirmation(town, lied.claim, [town.net.coordinator], worker=town.rival.did)
    town.net.do(evidence(town, town.rival, "relay-confirm", lie))
    lied.convict(town.rival)
    town.net.flush()
    for _ in range(4):
        town.net.tick(60_000)
    whole(town)
