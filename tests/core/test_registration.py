"""Who takes part: registration, owners, handles, rotation, revocation, enrolment.

Specified in docs/rules.md 7, docs/protocol.md 1.
"""

from __future__ import annotations

import pytest

from tests.core.flows import STAKE, Scene, scene
from tests.core.network import ORIGIN, Net, Who, nonce
from tests.core.terms import EXACT, JUDGED
from trust.core import payloads as p
from trust.core.events import MoneyMoved, ReferenceBooked
from trust.core.records import Account, Handle, Key, Party, Pool, Slot, Withdrawal
from trust.core.rules.parties import MAX_ENROLMENTS, work_bits

BITS = 4


@pytest.fixture
def net() -> Net:
    return Net().found()


@pytest.fixture
def town() -> Scene:
    return scene()


def registration(who: Who, **fields: object) -> dict[str, object]:
    return {"pow": nonce(who.did, BITS), **fields}


# -- registration


def test_a_registered_agent_is_its_own_owner_and_holds_its_key_and_handle(net: Net) -> None:
    who = net.join("bob", handle="bob", capabilities=(EXACT, EXACT))
    party = net.get(Party, who.did)
    assert (party.owner, party.key, party.handle, party.capabilities) == (who.did, who.did, "bob", (EXACT,))
    assert net.get(Handle, "bob").party == who.did
    assert net.get(Key, who.did).until_index == -1


def test_work_is_bound_to_network_and_key(net: Net) -> None:
    who, other = Who("bob"), Who("eve")
    lazy = next(str(n) for n in range(10_000) if work_bits(ORIGIN, who.did, str(n)) < BITS)
    net.refuses("proof-of-work", p.AgentRegister, who, pow=lazy)
    stolen = next(
        str(n)
        for n in range(10_000)
        if work_bits(ORIGIN, who.did, str(n)) >= BITS > work_bits(ORIGIN, other.did, str(n))
    )
    net.refuses("proof-of-work", p.AgentRegister, other, pow=stolen)
    net.say(p.AgentRegister, who, pow=stolen)


def test_nobody_registers_twice(net: Net) -> None:
    who = net.join("bob")
    net.refuses("already-registered", p.AgentRegister, who, **registration(who))


def test_a_handle_belongs_to_the_first_who_took_it(net: Net) -> None:
    net.join("bob", handle="bob")
    eve = Who("eve")
    net.refuses("handle-taken", p.AgentRegister, eve, **registration(eve, handle="bob"))


def test_an_owner_is_believed_only_with_its_signature(net: Net) -> None:
    owner, bot = Who("owner"), Who("bot")
    net.refuses("wrong-signer", p.AgentRegister, bot, **registration(bot, owner=owner.did))
    net.say(p.AgentRegister, bot, owner, **registration(bot, owner=owner.did))
    assert net.get(Party, bot.did).owner == owner.did


def test_a_signature_that_has_no_part_in_it_is_refused(net: Net) -> None:
    bob, eve = Who("bob"), Who("eve")
    net.refuses("unexpected-signature", p.AgentRegister, bob, eve, **registration(bob))


def test_nobody_registers_another(net: Net) -> None:
    bob, eve = Who("bob"), Who("eve")
    net.refuses("wrong-signer", p.AgentRegister, bob, signers=[eve], **registration(bob))


def test_only_who_registered_acts(net: Net) -> None:
    net.refuses("unknown-agent", p.VerifierEnroll, Who("ghost"), task_kinds=(EXACT,))


# -- rotation


def test_after_a_rotation_the_new_key_speaks_for_the_same_party(town: Scene) -> None:
    net, bob, new = town.net, town.worker, Who("new")
    net.say(p.AgentRotate, bob, new, new_key=new.did)
    town.post()
    claim = net.do(town.request(signers=[new, net.coordinator]))
    assert claim.events[0].worker == bob.did  # type: ignore[attr-defined]
    assert net.get(Key, bob.did).until_index == net.get(Key, new.did).since_index


def test_a_rotated_key_speaks_no_more(town: Scene) -> None:
    net, bob, new = town.net, town.worker, Who("new")
    net.say(p.AgentRotate, bob, new, new_key=new.did)
    refused = net.refuses("retired-key", p.StakeWithdraw, bob, amount_units=1)
    assert bob.did in refused.detail


def test_a_rotation_needs_both_keys(net: Net) -> None:
    bob, new = net.join("bob"), Who("new")
    net.refuses("wrong-signer", p.AgentRotate, bob, new_key=new.did)
    net.refuses("wrong-signer", p.AgentRotate, bob, signers=[new], new_key=new.did)


def test_a_key_that_was_ever_used_is_never_taken_again(net: Net) -> None:
    bob, eve, new = net.join("bob"), net.join("eve"), Who("new")
    net.say(p.AgentRotate, bob, new, new_key=new.did)
    net.refuses("key-used", p.AgentRotate, eve, new, new_key=new.did)
    net.refuses("key-used", p.AgentRegister, new, **registration(new))
    old = Who("bob")
    bob.seed = new.seed
    net.refuses("key-used", p.AgentRotate, bob, old, signers=[new, old], new_key=old.did)


def test_a_party_cannot_be_spoken_for_by_its_new_key_as_if_it_were_another(net: Net) -> None:
    bob, new = net.join("bob"), Who("new")
    net.say(p.AgentRotate, bob, new, new_key=new.did)
    net.refuses("unknown-agent", p.StakeWithdraw, new, amount_units=1)


# -- revocation


def test_a_revoked_agent_starts_nothing_new_and_its_free_money_unbonds(town: Scene) -> None:
    net, bob = town.net, town.worker
    town.post()
    net.say(p.AgentRevoke, bob, reason="done")
    assert net.free(bob) == 0
    assert net.balance(f"agent/{bob.did}/unbonding") == 5_000
    [withdrawal] = net.all(Withdrawal)
    assert (withdrawal.party, withdrawal.amount_units, withdrawal.state) == (bob.did, 5_000, "unbonding")
    net.refused("revoked", town.request())
    net.refuses("revoked", p.TaskPost, bob, **town.terms("t2"))
    net.refuses("revoked", p.VerifierEnroll, bob, task_kinds=(EXACT,))
    net.refuses("revoked", p.AgentRotate, bob, Who("new"), new_key=Who("new").did)
    net.refuses("revoked", p.StakeDeposit, net.operator, account=bob.did, amount_units=1, reference="x")


def test_what_a_revoked_agent_delivered_is_judged_and_its_money_follows_it_out(town: Scene) -> None:
    net = town.net
    claim = town.submitted()
    net.say(p.AgentRevoke, town.worker, reason="done")
    net.draw(claim)
    town.open(claim)
    town.judge(claim)
    net.tick(net.policy.windows.challenge_ms)
    assert town.state(claim) == "accepted"
    net.tick(net.policy.windows.evidence_ms)
    assert net.free(town.worker) == 0
    assert net.balance(f"agent/{town.worker.did}/unbonding") == 5_000 + 100


def test_the_task_of_a_requester_who_left_can_be_claimed_no_more(town: Scene) -> None:
    town.post()
    town.net.say(p.AgentRevoke, town.requester, reason="done")
    town.net.refused("task-closed", town.request())


def test_a_revocation_is_the_partys_own_or_the_operators(town: Scene) -> None:
    net = town.net
    net.refuses("not-operator", p.AgentRevoke, town.rival, reason="spite", party=town.worker.did)
    net.refuses("operator-stays", p.AgentRevoke, net.operator, reason="bye")
    net.say(p.AgentRevoke, net.operator, reason="abuse", party=town.worker.did)
    assert town.party(town.worker).left == "revoked"
    net.refuses("revoked", p.AgentRevoke, town.worker, reason="again")


def test_the_seat_of_a_verifier_who_left_passes_on_without_penalty(town: Scene) -> None:
    net = town.net
    claim = town.opened()
    seat, *others = town.seats(claim)
    leaver = town.sitter(seat)
    for each in others:
        town.commit(each, town.vote(each))
    net.say(p.AgentRevoke, leaver, reason="done")
    net.tick(net.policy.windows.commit_ms)
    alternate = town.seats(claim)[0]
    assert alternate.agent != leaver.did
    town.commit(alternate, town.vote(alternate))
    for each in town.seats(claim):
        town.reveal(each, town.vote(each))
    net.tick(net.policy.windows.challenge_ms)
    assert town.state(claim) == "accepted"
    assert net.balance(f"agent/{leaver.did}/unbonding") == 5_000
    assert net.staked(leaver) == 3_000
    net.tick(net.policy.windows.unbonding_ms)
    mine = [each for each in net.all(Withdrawal) if each.party == leaver.did]
    assert [(each.amount_units, each.state) for each in mine] == [(5_000, "payable"), (3_000, "payable")]


# -- enrolment


def test_an_enrolment_takes_the_next_slot_and_comes_back_to_it(net: Net) -> None:
    ann, bob = net.join("ann"), net.join("bob")
    net.enroll(ann, bob, kinds=(EXACT,))
    assert net.get(Party, bob.did).enrolled == ((EXACT, 1),)
    net.say(p.VerifierLeave, bob)
    assert net.get(Slot, f"verifiers/{EXACT}/1").weight == 0
    net.say(p.VerifierEnroll, bob, task_kinds=(EXACT, JUDGED))
    assert dict(net.get(Party, bob.did).enrolled) == {EXACT: 1, JUDGED: 0}
    assert net.get(Pool, f"verifiers/{EXACT}").slots == 2
    assert net.get(Slot, f"verifiers/{EXACT}/1").weight > 0


def test_a_kind_is_enrolled_for_once_and_left_only_by_who_is_in(net: Net) -> None:
    bob = net.join("bob")
    net.refuses("not-enrolled", p.VerifierLeave, bob)
    net.refuses("not-enrolled", p.VerifierEnroll, bob, stake_units=1_000)
    net.enroll(bob, kinds=(EXACT,))
    net.refuses("already-enrolled", p.VerifierEnroll, bob, task_kinds=(JUDGED, EXACT))


def test_enrolments_are_limited_in_number_at_once_and_in_a_life(net: Net) -> None:
    bob = net.join("bob")
    many = tuple(f"kind-{number}" for number in range(MAX_ENROLMENTS))
    net.enroll(bob, kinds=many)
    net.refuses("too-many-enrolments", p.VerifierEnroll, bob, task_kinds=("one-more",))


def test_a_verifier_stakes_once_and_weighs_by_that_and_not_by_its_money(net: Net) -> None:
    bob = net.join("bob", units=3_000)
    net.refuses("insufficient-stake", p.VerifierEnroll, bob, task_kinds=(EXACT,), stake_units=999)
    net.refuses("insufficient-funds", p.VerifierEnroll, bob, task_kinds=(EXACT,), stake_units=3_001)
    net.say(p.VerifierEnroll, bob, task_kinds=(EXACT,), stake_units=1_000)
    slot = f"verifiers/{EXACT}/0"
    assert net.get(Slot, slot).weight == 900  # times the prior accuracy of 0.9
    assert [type(event) for event in net.deposit(bob.did, 5_000).events] == [ReferenceBooked, MoneyMoved]
    net.say(p.VerifierEnroll, bob, stake_units=500)
    assert (net.staked(bob), net.get(Slot, slot).weight) == (1_500, 1_350)


def test_a_stake_that_fell_under_half_of_the_least_weighs_nothing_until_it_is_filled(town: Scene) -> None:
    claim = town.opened()
    wrong = town.sitter(town.seats(claim)[0])
    town.net.draft.put(Account(id=f"verifier/{wrong.did}/stake", balance_units=550))
    town.judge(claim, "fail", "pass")
    town.net.draw(claim)
    town.judge(claim, "pass")
    town.window_over(claim)
    slots = [
        each for each in town.net.all(Slot) if each.agent == wrong.did and each.pool.startswith("verifiers/")
    ]
    assert (town.net.staked(wrong), {slot.weight for slot in slots}) == (450, {0})
    town.net.say(p.VerifierEnroll, wrong, stake_units=550)
    assert all(town.net.get(Slot, slot.id).weight > 0 for slot in slots)


def test_the_stake_of_who_stopped_checking_answers_for_its_seats_until_the_end(town: Scene) -> None:
    claim = town.opened()
    seat = town.seats(claim)[0]
    leaver = town.sitter(seat)
    town.net.say(p.VerifierLeave, leaver)
    assert town.net.get(Party, leaver.did).enrolled == ()
    town.judge(claim, "fail", "pass")
    town.net.draw(claim)
    town.judge(claim, "pass")
    town.window_over(claim)
    assert (town.net.staked(leaver), town.net.free(leaver)) == (2_900, 5_000)
    town.net.tick(town.net.policy.windows.unbonding_ms)
    assert (town.net.staked(leaver), town.net.free(leaver)) == (0, 7_900)


def test_who_comes_back_before_its_stake_does_goes_on_with_it(town: Scene) -> None:
    who = town.verifiers[0]
    town.net.say(p.VerifierLeave, who)
    town.net.say(p.VerifierEnroll, who, task_kinds=(EXACT,))
    town.net.tick(town.net.policy.windows.unbonding_ms)
    assert (town.net.staked(who), town.net.free(who)) == (3_000, 5_000)


def test_leaving_a_pool_does_not_free_from_a_seat(town: Scene) -> None:
    claim = town.opened()
    seat = town.seats(claim)[0]
    town.net.say(p.VerifierLeave, town.sitter(seat))
    town.judge(claim)
    assert town.state(claim) == "passing"
    assert town.net.balance(f"claim/{claim}/stake") == STAKE
