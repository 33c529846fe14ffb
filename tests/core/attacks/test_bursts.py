"""A record earned cheaply and spent at once."""

from __future__ import annotations

from tests.core.attacks.ring import PRICE, STAKE, claimed, delivered, looked_at, rich, states, town_of, worth
from tests.core.flows import Scene
from tests.core.network import Who
from tests.core.terms import EXACT
from trust.core.records import Claim, Track


def warmed_up(town: Scene, worker: Who, friend: Who, tasks: int = 10) -> None:
    """So many self-dealt tasks, each checked and passed."""
    for number in range(tasks):
        claim = claimed(town, f"warm-up-{number}", worker, friend)
        delivered(town, [claim])
        looked_at(town, [claim], "pass")


def test_a_burst_after_a_warm_up_of_self_dealt_tasks_loses_every_stake() -> None:
    """Before: ten self-dealt checked tasks for 390 units, then 60 claims of garbage at once: 47 accepted, 13 slashed,
    the ring +20,610. Now the first that is caught has all others looked at: none is accepted."""
    town = town_of()
    cheat, friend = rich(town, "cheat"), rich(town, "friend")
    before = worth(town, cheat, friend)
    warmed_up(town, cheat, friend)
    assert worth(town, cheat, friend) == before - 10 * 39, "what the warm-up costs"
    burst = [claimed(town, f"burst-{number}", cheat, town.requester) for number in range(20)]
    assert town.net.get(Claim, burst[0]).rate_ppm == 388_889
    delivered(town, burst)
    assert 4 < states(town, burst).count("unchecked") < 17
    looked_at(town, burst, "fail")
    assert set(states(town, burst)) == {"rejected"}
    assert worth(town, cheat, friend) == before - 390 - 20 * STAKE


def test_each_claim_of_garbage_loses_money_even_where_nobody_else_is_caught() -> None:
    """Before, in closed form: +500 a cheat at a price of 1,000 wherever the deterrence bound, since it was measured
    against honest work. Now -50: the margin of 5 %, over doing nothing."""
    town = town_of()
    cheat, friend = rich(town, "cheat"), rich(town, "friend")
    warmed_up(town, cheat, friend)
    p_ppm = town.net.get(Claim, claimed(town, "one", cheat, town.requester)).rate_ppm
    caught = p_ppm * town.net.policy.checks.catch_ppm / 10**12
    assert -60 < (1 - caught) * PRICE - caught * STAKE <= -50


def test_a_dear_task_dealt_to_oneself_buys_no_trust_on_dear_work() -> None:
    """Before: 390 units bought a streak of 10 and a mean price of 125,000, then 370,000 at p = 18.5 %. Now the rate of
    a dear task follows from its own price and stake."""
    town = town_of()
    town.net.deposit(town.requester.did, 10**6)
    cheat, friend = rich(town, "cheat"), rich(town, "friend")
    warmed_up(town, cheat, friend, tasks=9)
    dear = claimed(town, "dear", cheat, friend, price_units=125_000, stake_units=130_000)
    delivered(town, [dear])
    looked_at(town, [dear], "pass")
    claim = claimed(town, "target", cheat, town.requester, price_units=370_000, stake_units=400_000)
    p_ppm = town.net.get(Claim, claim).rate_ppm
    assert p_ppm * 0.9 * (370_000 + 400_000) > 370_000 * 1.05 * 10**6
    assert p_ppm > 560_000


def test_work_for_ones_own_house_and_assigned_work_make_no_streak() -> None:
    """The cheapest warm-up of all: passed checks of work that the requester gave to whom it chose."""
    town = town_of()
    friend = rich(town, "friend")
    twin = town.net.join("twin", 100_000, owner=friend, capabilities=(EXACT,))
    for number, worker in enumerate((twin, town.worker)):
        named = {"assignee": worker.did} if worker is town.worker else {}
        claim = claimed(town, f"t{number}", worker, friend, **named)
        delivered(town, [claim])
        looked_at(town, [claim], "pass")
        track = town.net.draft.get(Track, f"{worker.did}/{EXACT}")
        assert track is None or (track.streak, track.checks) == (0, 0)


def test_claims_made_between_the_verdict_and_its_end_are_checked_too() -> None:
    """While a caught cheat's verdict waits for its challenge, its streak still stands: it would claim again at once."""
    town = town_of()
    cheat, friend = rich(town, "cheat"), rich(town, "friend")
    warmed_up(town, cheat, friend)
    first = claimed(town, "first", cheat, town.requester)
    number = 0
    delivered(town, [first])
    while town.state(first) == "unchecked":
        number += 1
        first = claimed(town, f"first-{number}", cheat, town.requester)
        delivered(town, [first])
    town.open(first)
    town.judge(first, "fail")
    assert town.state(first) == "failing"
    assert town.net.get(Claim, claimed(town, "next", cheat, town.requester)).rate_ppm == 1_000_000


def test_what_was_spared_is_looked_at_before_it_is_paid_and_the_tasks_own_fees_pay_for_it() -> None:
    town = town_of()
    cheat, friend = rich(town, "cheat"), rich(town, "friend")
    warmed_up(town, cheat, friend)
    claims = [claimed(town, f"t{number}", cheat, town.requester) for number in range(12)]
    delivered(town, claims)
    spared = [claim for claim in claims if town.state(claim) == "unchecked"]
    caught = next(claim for claim in claims if claim not in spared)
    town.open(caught)
    town.judge(caught, "fail")
    pool = town.net.balance("pool/verification")
    town.net.tick(town.net.policy.windows.challenge_ms)
    records = [town.net.get(Claim, claim) for claim in spared]
    assert {(each.state, each.draw_round, each.caught) for each in records} == {("checking", 1, True)}
    paid_before = -(-39 * records[0].rate_ppm // 1_000_000)
    seats = 3 * 10  # of the claim that was caught
    assert town.net.balance("pool/verification") - pool == len(spared) * (39 - paid_before) - seats
