"""Draws: who proves them, whom they seat, and what becomes of a claim that no panel can be found for.

Specified in docs/rules.md 6.
"""

from __future__ import annotations

import msgspec
import pytest

from tests.core.flows import PRICE, STAKE, Scene, scene
from tests.core.network import Net, Who, flipped
from tests.core.terms import EXACT, policy_of
from trust.core import payloads as p
from trust.core.entry import Beacon, Draw
from trust.core.events import CoinTossed
from trust.core.records import Claim, Pool, Seat, Task, Track
from trust.core.rulebook import Decided
from trust.core.rules import panel
from trust.core.sampling import vrf

FEES = 39


@pytest.fixture
def town() -> Scene:
    return scene()


def coin(decided: Decided) -> bool:
    return next(event.checked for event in decided.events if isinstance(event, CoinTossed))


def money(town: Scene) -> dict[str, int]:
    """Where the scene's money is, the verifiers' apart."""
    net = town.net
    return {
        "requester": net.free(town.requester),
        "worker": net.free(town.worker),
        "bond": net.balance("operator/bond"),
        "pool": net.balance("pool/verification"),
    }


def trusted(town: Scene) -> None:
    """Gives the worker a long streak, as if earned."""
    town.net.draft.put(Track(id=f"{town.worker.did}/{EXACT}", streak=1_000, checks=1_000))


# -- the proof


def test_a_draw_is_proved_for_this_claim_and_round_by_the_claims_key(town: Scene) -> None:
    net = town.net
    first, second = town.submitted("t1"), town.submitted("t2")
    good = net.draw_of(first)
    beacon = good.beacons[0]
    other = net.draw_of(second).beacons[0]
    thief = Who("thief")
    pi = vrf.prove(thief.seed, panel.alpha(net.draft, net.get(Claim, first), 1))
    for beacons in (
        (other,),
        (),
        (beacon, beacon),
        (msgspec.structs.replace(beacon, beta=other.beta),),
        (msgspec.structs.replace(beacon, pi=flipped(beacon.pi)),),
        (msgspec.structs.replace(beacon, pi="zz"),),
        (msgspec.structs.replace(beacon, pi=""),),
        (Beacon(thief.did, pi.hex(), vrf.proof_to_hash(pi).hex()),),
    ):
        net.refused("bad-draw", Draw(of=good.of, beacons=beacons))
    net.refused("bad-draw", msgspec.structs.replace(good, checkpoint="a note"))
    net.do(good)


@pytest.mark.parametrize(
    "of", ["", "clm_x/1", "{claim}", "{claim}/0", "{claim}/2", "{claim}/01", "{claim}/1/1"]
)
def test_a_draw_that_is_not_awaited_is_refused(town: Scene, of: str) -> None:
    claim = town.submitted()
    draw = msgspec.structs.replace(town.net.draw_of(claim), of=of.format(claim=claim))
    town.net.refused("no-draw-due", draw)


def test_a_draw_happens_once(town: Scene) -> None:
    claim = town.submitted()
    draw = town.net.draw_of(claim)
    town.net.do(draw)
    town.net.refused("no-draw-due", draw)


def test_no_log_position_enters_the_draw(town: Scene) -> None:
    claim = town.submitted()
    later = town.fork()
    later.net.deposit(town.rival.did, 5)
    later.net.tick(1_000)
    assert later.net.draw_of(claim) == town.net.draw_of(claim)
    town.net.draw(claim)
    later.net.draw(claim)
    assert [seat.agent for seat in later.seats(claim)] == [seat.agent for seat in town.seats(claim)]


# -- the coin


def test_the_check_is_paid_by_its_rate_whatever_the_coin_says(town: Scene) -> None:
    tosses = set()
    for number in range(12):
        trusted(town)
        claim = town.submitted(f"t{number}")
        rate_ppm = town.net.get(Claim, claim).rate_ppm
        assert rate_ppm < 600_000
        before = town.net.balance("pool/verification")
        tosses.add(coin(town.net.draw(claim)))
        assert town.net.balance("pool/verification") - before == -(-FEES * rate_ppm // 1_000_000)
    assert tosses == {True, False}


def test_an_unchecked_output_is_accepted_when_nobody_challenged(town: Scene) -> None:
    for number in range(12):
        trusted(town)
        claim = town.submitted(f"t{number}")
        if not coin(town.net.draw(claim)):
            break
    assert town.state(claim) == "unchecked"
    town.net.tick(999)
    assert town.state(claim) == "unchecked"
    before = town.net.free(town.worker)
    town.net.tick(1)
    assert town.state(claim) == "accepted"
    assert town.net.free(town.worker) == before + PRICE + STAKE - STAKE // 5


# -- whom it seats


def test_a_panel_leaves_out_everybody_with_a_part_in_it() -> None:
    town = Scene(Net(), verifiers=0)
    net = town.net
    owner, coordinator = net.join("owner"), net.join("coordinator")
    bot, twin, theirs = (
        net.join(name, owner=of) for name, of in (("bot", owner), ("twin", owner), ("theirs", coordinator))
    )
    outsiders = [net.join(f"outsider {number}") for number in range(3)]
    net.enroll(town.requester, owner, coordinator, bot, twin, theirs, *outsiders, kinds=(EXACT,))
    town.post()
    claim = town.claim(worker=bot)
    net.do(town.output(claim))
    net.draw(claim)
    assert {seat.agent for seat in town.seats(claim)} == {who.did for who in outsiders}
    assert town.round(claim).alternates == ()


def test_one_owner_has_one_seat_in_all_rounds_of_a_claim() -> None:
    town = Scene(Net(policy_of(panels=[2, 3])), verifiers=0)
    owners = [town.net.join(f"owner {number}") for number in range(6)]
    bots = [
        town.net.join(f"bot {number} {twin}", owner=owners[number]) for number in range(6) for twin in (0, 1)
    ]
    town.net.enroll(*bots, kinds=(EXACT,))
    claim = town.opened()
    town.judge(claim, "pass", "fail")
    town.net.draw(claim)
    first, second = ({seat.owner for seat in round_seats} for round_seats in rounds(town, claim))
    assert (len(first), len(second), first & second) == (2, 3, set())


def rounds(town: Scene, claim: str) -> list[list[Seat]]:
    seats = [seat for seat in town.net.all(Seat) if seat.claim == claim]
    numbers = sorted({seat.round for seat in seats})
    return [[seat for seat in seats if seat.round == number] for number in numbers]


def test_who_is_jailed_or_gone_since_the_seal_is_not_seated_and_who_is_broke_is() -> None:
    town = Scene(Net(), verifiers=5)
    net = town.net
    jailed, gone, broke = town.verifiers[:3]
    for number in range(3):
        town.post(f"j{number}")
        town.claim(f"j{number}", worker=jailed)
    net.tick(10_000)
    assert town.party(jailed).jailed_until_ms > net.now_ms
    net.say(p.StakeWithdraw, broke, amount_units=net.free(broke))
    net.say(p.AgentRevoke, gone, reason="done")
    claim = town.drawn()
    assert {seat.agent for seat in town.seats(claim)} == {who.did for who in town.verifiers[2:]}


def test_nobody_enrols_before_it_is_old_enough() -> None:
    town = Scene(Net(policy_of(min_age_ms=60_000)), verifiers=0)
    young = town.net.join("young")
    said = {"task_kinds": (EXACT,), "stake_units": 1_000}
    town.net.refuses("too-early", p.VerifierEnroll, young, **said)
    town.net.tick(60_000)
    town.net.say(p.VerifierEnroll, young, **said)


# -- pools that cannot seat a panel: nobody is stuck, and no money is lost


def without_a_panel(town: Scene) -> Scene:
    """A scene whose pool seats nobody's first panel: no claim is taken, so nobody works for nothing."""
    before = money(town)
    town.post()
    town.net.refused("no-panel", town.request())
    assert money(town) == {**before, "requester": before["requester"] - PRICE - FEES}
    return town


def test_a_pool_that_was_never_sealed_lets_nobody_claim() -> None:
    without_a_panel(Scene(Net(), verifiers=0))


def test_a_pool_of_two_lets_nobody_claim() -> None:
    without_a_panel(Scene(Net(), verifiers=2))


def test_a_pool_that_everybody_left_lets_nobody_claim() -> None:
    town = Scene(Net(), verifiers=3)
    for who in town.verifiers:
        town.net.say(p.VerifierLeave, who)
    town.net.tick(500)
    assert town.net.sealed().total == 0
    without_a_panel(town)


def test_a_pool_all_of_one_owner_lets_nobody_claim() -> None:
    town = Scene(Net(), verifiers=0)
    owner = town.net.join("owner")
    bots = [town.net.join(f"bot {number}", owner=owner) for number in range(5)]
    town.net.enroll(*bots, kinds=(EXACT,))
    without_a_panel(town)


def test_the_parties_verifiers_do_not_count_for_a_panel() -> None:
    """Three owners, of whom one is the requester's: it would have the work for nothing once no panel was found."""
    town = Scene(Net(), verifiers=2)
    twin = town.net.join("twin", owner=town.requester)
    town.net.enroll(twin, kinds=(EXACT,))
    assert town.net.sealed().owners == 3
    without_a_panel(town)


def test_a_panel_that_left_after_the_claim_voids_it_and_gives_everything_back() -> None:
    town = Scene(Net(), verifiers=3)
    before = money(town)
    claim = town.submitted()
    town.net.say(p.VerifierLeave, town.verifiers[0])
    town.net.draw(claim)
    assert (town.state(claim), town.task_state()) == ("voided", "open")
    assert town.net.free(town.worker) == before["worker"]
    assert town.net.balance("task/t1/escrow") == PRICE + FEES
    assert money(town) == {**before, "requester": before["requester"] - PRICE - FEES}


def test_a_later_panel_that_cannot_be_seated_voids_what_has_no_verdict() -> None:
    town = Scene(Net(), verifiers=5)
    claim = town.opened()
    town.judge(claim, "pass", "pass", "fail")
    assert (town.state(claim), town.net.get(Claim, claim).draw_round) == ("checking", 2)
    burned = town.net.balance("burn")
    town.net.draw(claim)
    assert (town.state(claim), town.task_state()) == ("voided", "open")
    assert town.net.balance("burn") == burned
    assert [seat.outcome for seat in town.seats(claim)] == ["heard"] * 3
    assert [town.net.free(town.sitter(seat)) for seat in town.seats(claim)] == [5_010] * 3


# -- draws that nobody makes


def test_a_draw_overdue_burns_price_and_stake_out_of_the_operators_bond_and_pays_nobody(town: Scene) -> None:
    claim = town.submitted()
    draw = town.net.draw_of(claim)
    town.net.tick(9_999)
    assert town.state(claim) == "submitted"
    late = town.fork()
    late.net.refused("no-draw-due", draw)
    assert late.state(claim) == "voided"
    town.net.tick(1)
    assert (town.state(claim), town.net.get(Task, "t1").closed_why) == ("voided", "draw-overdue")
    assert money(town) == {"requester": 5_000, "worker": 5_000, "bond": 4_750, "pool": 0}


def test_an_overdue_draw_of_a_later_round_settles_the_earlier_seats(town: Scene) -> None:
    claim = town.opened()
    town.judge(claim, "pass", "pass", "fail")
    town.net.tick(10_000)
    assert (town.state(claim), town.net.get(Task, "t1").closed_why) == ("voided", "draw-overdue")
    assert money(town) == {"requester": 5_000 - FEES, "worker": 5_000, "bond": 4_750, "pool": 9}
    assert [town.net.free(town.sitter(seat)) for seat in town.seats(claim)] == [5_010] * 3


def test_a_bond_that_is_being_withdrawn_burns_too() -> None:
    town = scene()
    town.submitted()
    town.net.say(p.StakeWithdraw, town.net.operator, amount_units=4_000, account="operator/bond")
    for number in range(2, 6):
        town.submitted(f"t{number}")
    town.net.tick(10_000)
    assert (money(town)["bond"], town.net.balance("operator/unbonding")) == (0, 5_000 - 5 * 250)


# -- seals


def test_a_seal_is_taken_once_and_only_for_the_epoch_that_began(town: Scene) -> None:
    net = town.net
    net.say(p.VerifierEnroll, town.verifiers[0], stake_units=1_000)
    pool = net.get(Pool, f"verifiers/{EXACT}")
    net.refused("no-seal-due", net.seal_of(pool))
    net.now_ms += 500
    net.settle()
    seal = net.seal_of(net.get(Pool, pool.id))
    net.refused("no-seal-due", msgspec.structs.replace(seal, epoch=seal.epoch + 1))
    net.refused("no-seal-due", msgspec.structs.replace(seal, as_of=seal.as_of - 1))
    net.refused("unknown-pool", msgspec.structs.replace(seal, of="verifiers/nothing"))
    net.do(seal)
    net.refused("no-seal-due", seal)
    assert net.sealed().total == seal.total


def test_a_claim_is_drawn_from_the_pool_that_was_sealed_before_it() -> None:
    town = Scene(Net(), verifiers=3)
    claim = town.submitted()
    for who in [town.net.join(f"late {number}") for number in range(4)]:
        town.net.enroll(who, kinds=(EXACT,))
    town.net.draw(claim)
    assert {seat.agent for seat in town.seats(claim)} == {who.did for who in town.verifiers}
