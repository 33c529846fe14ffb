"""Who sits on a panel, and what a full or an empty hand changes about it."""

from __future__ import annotations

from tests.core.attacks.ring import PRICE, claimed, delivered, looked_at, rich, states, town_of, worth
from tests.core.terms import EXACT, JUDGED
from trust.core import payloads as p
from trust.core.records import Claim, Seat, Slot
from trust.core.rules import panel

TINY = 3


def test_three_tiny_verifiers_never_wait_until_everybody_else_is_excluded() -> None:
    """Before: who sat on a worker's last five checks sat last, so three verifiers with 0.04 % of the weight took the
    whole panel 12 times of 12 (by weight 4e-10). Now the draw is by weight alone, 0.2 % a seat: of 36 seats more than
    three would be theirs once in a million logs, so that no other byte of a log makes this test fail by chance."""
    town = town_of(verifiers=0)
    strong = [town.net.join(f"strong {number}", 200_000) for number in range(15)]
    tiny = [town.net.join(f"tiny {number}") for number in range(TINY)]
    town.net.enroll(*strong, units=100_000)
    town.net.enroll(*tiny, units=1_000)
    claims = []
    for number in range(12):
        claims.append(claimed(town, f"t{number}", town.worker, town.requester))
        delivered(town, claims[-1:])
        looked_at(town, claims[-1:], "pass")
    seats = [seat for seat in town.net.all(Seat) if seat.claim in claims]
    assert len(seats) >= 30
    assert sum(seat.agent in {who.did for who in tiny} for seat in seats) <= TINY


def test_cheap_tasks_freeze_no_verifier_and_garbage_is_caught() -> None:
    """Before: fifty tasks of price 0 locked every honest bond (1,950 of fees froze 30,000); of 40 garbage outputs then
    36 were accepted, 4 voided, 0 slashed, 36 challenges refused `no-panel`, the ring +33,699. A seat locks nothing
    now: every output of the unknown worker is checked, rejected, and can be challenged."""
    town = town_of()
    cheat, friend = rich(town, "cheat"), rich(town, "friend")
    before = worth(town, cheat, friend)
    hogs = [town.net.join(f"hog {number}") for number in range(20)]
    frozen = [
        claimed(town, f"hog-{n}", hog, friend, price_units=0, stake_units=100) for n, hog in enumerate(hogs)
    ]
    delivered(town, frozen)
    assert states(town, frozen) == ["checking"] * 20
    garbage = [claimed(town, f"garbage-{number}", cheat, town.requester) for number in range(10)]
    delivered(town, garbage)
    assert states(town, garbage) == ["checking"] * 10
    town.open(garbage[0])
    town.judge(garbage[0], "pass")
    town.challenge(garbage[0], town.requester)
    looked_at(town, garbage, "fail")
    assert set(states(town, garbage)) <= {"rejected", "accepted"}
    assert states(town, garbage).count("rejected") >= 9
    assert worth(town, cheat, friend) < before - 9 * PRICE


def test_an_honest_delivery_is_judged_and_paid_however_many_seats_its_judges_have() -> None:
    """Before: the same freeze voided an honest worker's delivery, unpaid."""
    town = town_of(verifiers=10)
    friend = rich(town, "friend")
    hogs = [town.net.join(f"hog {number}") for number in range(20)]
    frozen = [
        claimed(town, f"hog-{n}", hog, friend, price_units=0, stake_units=100) for n, hog in enumerate(hogs)
    ]
    delivered(town, frozen)
    before = worth(town, town.worker)
    honest = claimed(town, "honest", town.worker, town.requester)
    delivered(town, [honest])
    looked_at(town, [honest], "pass")
    assert (town.state(honest), worth(town, town.worker)) == ("accepted", before + PRICE)


def test_no_work_is_had_for_nothing_where_no_panel_can_be_seated() -> None:
    """Before: a requester posted where the pool could seat nobody; each output was voided: three outputs for 0."""
    town = town_of(verifiers=3)
    town.net.enroll(town.net.join("twin", owner=town.requester), kinds=(EXACT,))
    for who in town.verifiers[:2]:
        town.net.say(p.VerifierLeave, who)
    town.net.tick(town.net.policy.verifiers.epoch_ms)
    town.post(price_units=PRICE)
    town.net.refused("no-panel", town.request(stake_units=2_000))


def test_where_nobody_could_appeal_a_fail_costs_the_judged_share_and_no_strike() -> None:
    """Before: three colluding verifiers of a pool of nine took the whole stake, and nobody could appeal."""
    town = town_of(verifiers=9)
    before = worth(town, town.worker)
    claim = claimed(town, "t1", town.worker, town.requester, stake_units=5_000)
    assert not town.net.get(Claim, claim).appealable
    delivered(town, [claim])
    looked_at(town, [claim], "fail")
    assert town.state(claim) == "rejected"
    assert worth(town, town.worker) == before - 5_000 // 5
    assert town.party(town.worker).failures_ms == ()
    large = town_of(verifiers=10)
    assert large.net.get(Claim, claimed(large, "t1", large.worker, large.requester)).appealable


def test_a_bribe_for_a_dear_task_must_make_up_for_a_share_of_its_price() -> None:
    """Before: a seat on a task of 100,000 answered for 200 units, as on one of 100."""
    town = town_of()
    policy = town.net.policy
    assert policy.liability_units(100) == 200
    assert policy.liability_units(100_000) == 20_000


def test_a_weight_does_not_follow_money_so_that_buying_weight_takes_a_stake() -> None:
    town = town_of()
    who = town.verifiers[0]
    slots = {slot.id: slot.weight for slot in town.net.all(Slot) if slot.agent == who.did}
    town.net.deposit(who.did, 10**6)
    assert {slot.id: slot.weight for slot in town.net.all(Slot) if slot.agent == who.did} == slots


def test_the_dissenter_on_judged_work_pays_the_seats_that_its_doubt_called() -> None:
    """Before: the dissenter paid 0, and the honest seats shared 18 to 45 of the 90 units that were due."""
    town = town_of()
    claim = claimed(town, "t1", town.worker, town.requester, task_kind=JUDGED, stake_units=2_000)
    delivered(town, [claim])
    town.open(claim)
    dissenter = town.sitter(town.seats(claim)[0])
    town.judge(claim, "fail", "pass")
    town.net.draw(claim)
    town.judge(claim, "pass")
    town.net.tick(town.net.policy.windows.challenge_ms)
    honest = [seat for seat in town.net.all(Seat) if seat.claim == claim and seat.agent != dissenter.did]
    assert [town.net.free(town.sitter(seat)) for seat in honest] == [5_010] * 9
    assert town.net.staked(dissenter) == 3_000 - 70


def test_a_ring_that_is_most_of_a_small_pool_leaves_and_honest_work_is_for_nothing() -> None:
    """Open, and listed in docs/threats.md: the claim was taken while the pool had owners enough. Nobody is punished for
    it; the worker has its stake back and no price."""
    town = town_of(verifiers=2)
    ring = [town.net.join(f"ring {number}") for number in range(10)]
    town.net.enroll(*ring, units=1_000)
    before = worth(town, town.worker), worth(town, town.requester)
    claim = claimed(town, "t1", town.worker, town.requester)
    for who in ring:
        town.net.say(p.VerifierLeave, who)
    delivered(town, [claim])
    assert town.state(claim) == "voided"
    assert (worth(town, town.worker), worth(town, town.requester)) == before


def test_no_wording_of_a_challenge_and_no_challenger_changes_who_judges_it() -> None:
    """Before: the challenge's statement was part of the seed, and the operator, who alone sees a draw before it is
    made, could try statements until a panel suited it: one in 240 gave a fifth of the weight the last word."""
    town = town_of()
    claim = claimed(town, "t1", town.worker, town.requester)
    delivered(town, [claim])
    town.open(claim)
    town.judge(claim, "pass")
    seeds = set()
    for who, reason in ((town.requester, "a"), (town.requester, "b"), (town.worker, "a")):
        other = town.fork()
        other.net.say(p.VerdictChallenge, who, claim=claim, reason=reason)
        seeds.add(panel.alpha(other.net.draft, other.net.get(Claim, claim), 2))
    assert len(seeds) == 1
