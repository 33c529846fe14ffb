"""What went wrong with stakes, fees and tasks elsewhere, and must not go wrong here: a test each, and where it was."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.flows import PRICE, STAKE, Scene, posted, scene
from tests.core.invariants import Checker
from tests.core.network import Who
from tests.core.terms import EXACT, JUDGED, policy_of
from trust.core import payloads as p
from trust.core.events import MoneyMoved
from trust.core.records import Account, Claim, Seat

FEES = 39
VERDICTS = st.sampled_from(["pass", "fail"])


@pytest.fixture
def town() -> Scene:
    return scene(verifiers=30)


# -- slashes


def test_a_slash_moves_money_and_says_from_where_to_where(town: Scene) -> None:
    """A Stellar price oracle counted a slash and transferred nothing: the slashed kept their tokens (issue 511)."""
    claim = town.judged(verdict="fail")
    entries = town.window_over(claim)
    moved = posted(entries, "slash.failed-check")
    assert moved == {
        f"claim/{claim}/stake": -STAKE,
        f"agent/{town.requester.did}/free": FEES,
        "burn": STAKE - FEES,
    }
    assert town.net.balance(f"claim/{claim}/stake") == 0
    assert town.net.balance("burn") == STAKE - FEES


@pytest.mark.parametrize("kind", [EXACT, JUDGED])
@pytest.mark.parametrize("stake", [100, 150, 199])
def test_no_slash_takes_more_than_was_locked(kind: str, stake: int) -> None:
    """Keep's TokenStaking failed where an operator had less than was to be slashed; The Graph's went below zero."""
    town = scene(policy_of(liveness_ppm=1_000_000), verifiers=12)
    for number in range(3):
        town.post(f"t{number}", task_kind=kind)
        claim = town.claim(f"t{number}", stake_units=stake)
        if number == 2:
            town.net.do(town.output(claim))
            town.net.draw(claim)
            town.open(claim)
            town.judge(claim, "fail")
        town.window_over(claim)
        assert town.net.balance(f"claim/{claim}/stake") == 0
    assert all(account.balance_units >= 0 or account.id == "external" for account in town.net.all(Account))


def test_nobody_unbonds_before_the_slash(town: Scene) -> None:
    """In Celo a pending withdrawal was out of a slash's reach (2887); in Gravity Bridge unbonding escaped it (13)."""
    claim = town.judged(verdict="fail")
    net = town.net
    net.say(p.StakeWithdraw, town.worker, amount_units=net.free(town.worker))
    net.refuses("insufficient-funds", p.StakeWithdraw, town.worker, amount_units=1)
    net.say(p.AgentRevoke, town.worker, reason="gone")
    entries = town.window_over(claim)
    assert posted(entries, "slash.failed-check")[f"claim/{claim}/stake"] == -STAKE
    terms = net.policy
    assert terms.windows.unbonding_ms > terms.windows.evidence_ms + terms.longest_dispute_ms


@settings(max_examples=30, deadline=None)
@given(
    fee=st.integers(0, 97), price=st.integers(0, 10_007), stake=st.integers(0, 9_973), verdict=VERDICTS, final=VERDICTS,
    kind=st.sampled_from([EXACT, JUDGED]), ppm=st.integers(300_000, 999_999),
)  # fmt: skip
def test_rounding_never_makes_money(
    fee: int, price: int, stake: int, verdict: str, final: str, kind: str, ppm: int
) -> None:
    """TruStory rounded up and its reward pool went negative (truchain 358); in Namada the parts could (1830)."""
    terms = {"fee_units": fee, "challenge_burn_ppm": ppm, "liability_ppm": 123_457, "weight_cap_units": 10**6}
    terms |= {
        "min_stake_units": 0,
        "max_stake_ratio_ppm": 1_000_000_000,
        "min_liabilities": 1,
        "catch_ppm": 1_000_000,
    }
    town = scene(policy_of(**terms, margin_ppm=0), verifiers=12)
    for who in (town.requester, town.rival, town.worker, *town.verifiers):
        town.net.deposit(who.did, 30_011)
    town.net.deposit("operator/bond", 100_000)
    checker = Checker()
    town.post(price_units=price, task_kind=kind)
    claim = town.claim(stake_units=price + stake)
    town.net.do(town.output(claim))
    town.net.draw(claim)
    town.open(claim)
    town.judge(claim, verdict)
    town.challenged(claim, town.rival)
    town.judge(claim, final)
    town.window_over(claim)
    assert town.state(claim) == ("accepted" if final == "pass" else "rejected")
    checker.check(town.net.records(), town.net.entries, town.net.draft.at_ms)
    moved = [event for entry in town.net.entries for event in entry.events if isinstance(event, MoneyMoved)]
    assert all(sum(units for _, units in event.postings) == 0 for event in moved)


def test_who_merely_leaves_pays_nothing(town: Scene) -> None:
    """AgenC locked workers for ever who had once been in a dispute (issue 821): leaving is open and costs nothing."""
    claim = town.opened()
    leaver = town.sitter(town.seats(claim)[0])
    town.post("t2")
    held = town.claim("t2", town.rival)
    whole = {leaver.did: 8_000, town.rival.did: 5_000}
    net = town.net
    net.say(p.AgentRevoke, leaver, reason="done")
    net.say(p.AgentRevoke, net.operator, reason="abuse", party=town.rival.did)
    for seat in town.seats(claim)[1:]:
        town.commit(seat, town.vote(seat))
    town.net.tick_to(town.seats(claim)[0].until_ms)
    alternate = town.seats(claim)[0]
    town.commit(alternate, town.vote(alternate))
    for seat in town.seats(claim):
        town.reveal(seat, town.vote(seat))
    town.net.tick(10_000)
    assert (town.state(claim), town.state(held)) == ("accepted", "expired")
    for who in (leaver, town.rival):
        staked = town.net.staked(who)
        assert town.net.free(who) + town.net.balance(f"agent/{who.did}/unbonding") + staked == whole[who.did]
        assert (town.party(who).jailed_ms, town.party(who).liveness_ms) == (0, ())


# -- fees


def test_newcomers_cannot_pump_the_pool_of_fees(town: Scene) -> None:
    """Where fees come out of one pool, new identities are its pump: each check must be paid by who caused it."""
    before = town.net.balance("pool/verification")
    for number in range(5):
        newcomer = town.net.join(f"newcomer {number}")
        town.post(f"t{number}")
        claim = town.claim(f"t{number}", newcomer)
        town.net.do(town.output(claim))
        paid = posted([town.net.draw(claim)], "check.fees")
        town.open(claim)
        town.judge(claim, "pass" if number % 2 else "fail")
        earned = posted(town.window_over(claim), "seat.fee")
        assert paid["pool/verification"] == FEES
        assert earned["pool/verification"] == -30
    assert town.net.balance("pool/verification") == before + 5 * (FEES - 30)


def test_a_short_pool_is_shared_and_settlement_never_waits() -> None:
    """A payout that waits for a fund waits for ever: Aragon Court's refunds had to be thought of twice (101)."""
    town = scene(policy_of(round_reserve_ppm=0), verifiers=30)
    claim = town.judged(verdict="fail")
    town.challenged(claim, town.worker)
    town.judge(claim, "pass")
    entries = town.window_over(claim)
    assert town.state(claim) == "accepted"
    assert posted(entries, "seat.fee")["pool/verification"] == -28
    assert town.net.balance("pool/verification") == 2


# -- tasks


@pytest.mark.parametrize(
    ("terms", "code"),
    [
        ({"lease_ms": 499}, "bad-lease"),
        ({"lease_ms": 600_001}, "bad-lease"),
        ({"stake_units": 5 * PRICE + 1}, "stake-too-high"),
        ({"price_units": 0, "stake_units": 101}, "stake-too-high"),
    ],
)
def test_no_task_is_a_trap(town: Scene, terms: dict[str, Any], code: str) -> None:
    """AgenC had tasks without a deadline whose escrow never came back (issue 60); here no term is out of bounds."""
    town.net.refuses(code, p.TaskPost, town.requester, **town.terms(**terms))


def test_two_identities_cannot_hold_a_task_in_turn_for_ever(town: Scene) -> None:
    """In AgenC a worker could claim and abandon at no cost, and block a task for good (issue 60)."""
    owner = town.net.join("owner")
    pair = [town.net.join(name, owner=owner) for name in ("one", "other")]
    town.post()
    first = town.claim(worker=pair[0])
    town.net.say(p.ClaimAbandon, pair[0], claim=first)
    for who in (*pair, owner):
        town.net.refused("barred", town.request(worker=who))
    strangers = [town.net.join(f"stranger {number}") for number in range(3)]
    for who in strangers:
        entries = [town.net.say(p.ClaimAbandon, who, claim=town.claim(worker=who))]
        assert posted(entries, "slash.liveness")["burn"] == 1, "the first has given it up for free"
        town.net.refused("barred", town.request(worker=who))
    for _ in range(2):
        claim = town.claim("t1", town.net.join(f"late {town.net.now_ms}"))
        town.net.tick(9_000)
        holder = town.worker_of(claim)
        entries = [town.net.say(p.ClaimAbandon, holder, claim=claim)]
        assert posted(entries, "slash.liveness")["burn"] == 1
    assert town.task_state() == "open"


def test_a_verdict_is_settled_with_who_did_the_work_and_not_with_who_holds_its_name_now(town: Scene) -> None:
    """AgenC paid whichever wallet was named at the payout (799), and slashed whichever worker was passed in (798)."""
    first = town.judged(verdict="fail")
    worker, before = town.worker, town.net.free(town.worker)
    new = Who("new key")
    town.net.say(p.AgentRotate, worker, new, new_key=new.did)
    town.window_over(first)
    town.net.refuses("key-used", p.AgentRotate, town.rival, worker, new_key=worker.did)
    assert town.net.free(worker) == before
    later = town.claim("t1", town.rival)
    town.net.do(town.output(later))
    town.net.draw(later)
    town.open(later)
    town.judge(later, "pass")
    town.window_over(later)
    assert (town.net.get(Claim, first).worker, town.net.get(Claim, first).state) == (worker.did, "rejected")
    assert town.net.free(town.rival) == 5_000 + PRICE - 30
    assert town.net.free(worker) == before


def test_a_slot_that_is_taken_again_brings_nobody_the_old_seats_money(town: Scene) -> None:
    """Ethereum's plan to use validator indices again had to keep the old one's guilt off the new (EIP-6914)."""
    claim = town.opened()
    seat = town.seats(claim)[0]
    gone = town.sitter(seat)
    town.net.say(p.VerifierLeave, gone)
    newcomer = town.net.join("newcomer")
    town.net.enroll(newcomer, kinds=(EXACT,))
    town.judge(claim, "pass")
    town.window_over(claim)
    assert town.net.get(Seat, seat.id).agent == gone.did
    assert (town.net.free(gone), town.net.free(newcomer)) == (5_010, 2_000)
