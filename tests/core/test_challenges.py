"""Who may challenge what, until when, and which round it opens (docs/rules.md 3 and 4)."""

from __future__ import annotations

import base64
from hashlib import sha256

import pytest

from tests.core.flows import Scene, posted, salt_of, scene, unchecked
from tests.core.network import ORIGIN, Net, Who, created
from tests.core.terms import EXACT, policy_of
from trust.core import payloads as p
from trust.core.entry import Beacon, Draw
from trust.core.events import VerdictChallenged
from trust.core.records import Challenge, Claim, Round, Task, Timer
from trust.core.rules import disputes, panel
from trust.core.rules.decision import Decision
from trust.core.rules.draws import seed_input
from trust.core.sampling import vrf
from trust.core.sampling.draw import Stream

SAYS = {"reason": "doubt"}


@pytest.fixture
def town() -> Scene:
    return scene(verifiers=30)


@pytest.fixture
def claim(town: Scene) -> str:
    """A claim that passed its first panel."""
    return town.judged()


def refused(town: Scene, code: str, who: Who, claim: str) -> None:
    town.net.refuses(code, p.VerdictChallenge, who, claim=claim, **SAYS)


# -- what it opens


def test_a_challenge_opens_the_next_round_and_locks_bond_and_fees(town: Scene, claim: str) -> None:
    decided = town.challenge(claim, town.rival)
    id = created(decided, "challenge")
    assert posted([decided], "challenge.bond") == {
        f"agent/{town.rival.did}/free": -140,
        f"challenge/{id}/bond": 140,
    }
    record = town.net.get(Claim, claim)
    assert (record.state, record.draw_round, record.challenge) == ("checking", 2, id)
    town.net.draw(claim)
    assert (town.round(claim).number, len(town.round(claim).seats), town.round(claim).quorum) == (2, 7, 5)
    found = town.net.get(Challenge, id)
    assert (found.against, found.round, found.bond_units, found.prepaid_units) == ("pass", 2, 70, 70)


def test_the_bond_is_a_tenth_of_the_price_where_that_is_more(town: Scene) -> None:
    town.post(price_units=1_000)
    claim = town.claim(stake_units=1_000)
    town.net.do(town.output(claim))
    town.net.draw(claim)
    town.open(claim)
    town.judge(claim)
    found = town.challenged(claim, town.rival)
    assert (found.bond_units, found.prepaid_units) == (100, 70)


def test_an_unchecked_output_is_challenged_into_the_first_round() -> None:
    town, claim = unchecked()
    before = town.net.balance("pool/verification")
    found = town.challenged(claim, town.rival)
    assert (found.against, found.round, found.bond_units, found.prepaid_units) == ("pass", 1, 30, 30)
    assert (town.round(claim).number, len(town.round(claim).seats)) == (1, 3)
    assert town.net.balance("pool/verification") == before, "the check was paid when the coin was tossed"


def test_the_second_draw_of_round_one_tosses_no_coin_and_has_a_seed_of_its_own() -> None:
    town, claim = unchecked()
    town.challenged(claim, town.rival)
    record = town.net.get(Claim, claim)
    assert panel.alpha(town.net.draft, record, 1) == seed_input(ORIGIN, claim, 1, record.output, "unchecked")


def _seed(town: Scene, claim: str, number: int) -> bytes:
    return panel.alpha(town.net.draft, town.net.get(Claim, claim), number)


def test_the_salts_that_a_panel_revealed_enter_the_seed_of_the_next_round(town: Scene, claim: str) -> None:
    town.challenge(claim, town.rival)
    salts = b"".join(base64.b64decode(salt_of(seat)) for seat in town.seats(claim))
    assert len(salts) == 3 * 32
    output = town.net.get(Claim, claim).output
    assert _seed(town, claim, 2) == seed_input(ORIGIN, claim, 2, output, sha256(salts).hexdigest())


@pytest.mark.parametrize("number", range(3))
def test_one_other_salt_makes_another_draw(town: Scene, number: int) -> None:
    claim = town.opened()
    other = town.fork()
    town.judge(claim)
    votes = [(seat, other.vote(seat)) for seat in other.seats(claim)]
    votes[number][1]["salt"] = base64.b64encode(bytes(32)).decode()
    for act in (other.commit, other.reveal):
        for seat, vote in votes:
            act(seat, vote)
    assert other.state(claim) == town.state(claim) == "passing"
    assert _seed(town, claim, 2) != _seed(other, claim, 2)


def test_a_seat_that_did_not_reveal_gives_no_salt(town: Scene) -> None:
    claim = town.opened()
    seats = town.seats(claim)
    for seat in seats:
        town.commit(seat, town.vote(seat))
    for seat in seats[:2]:
        town.reveal(seat, town.vote(seat))
    town.net.tick_to(town.net.get(Timer, f"{claim}/1").due_ms)
    assert town.net.get(Claim, claim).draw_round == 2
    salts = b"".join(base64.b64decode(salt_of(seat)) for seat in seats[:2])
    output = town.net.get(Claim, claim).output
    assert _seed(town, claim, 2) == seed_input(ORIGIN, claim, 2, output, sha256(salts).hexdigest())


def test_a_draw_over_the_seed_without_the_salts_is_refused(town: Scene, claim: str) -> None:
    town.challenge(claim, town.rival)
    key = town.net.draw_key
    plain = seed_input(ORIGIN, claim, 2, town.net.get(Claim, claim).output)
    pi = vrf.prove(key.seed, plain)
    beacon = Beacon(key.did, pi.hex(), vrf.proof_to_hash(pi).hex())
    town.net.refused("bad-draw", Draw(of=f"{claim}/2", beacons=(beacon,)))


def test_a_verdict_of_the_second_round_can_be_challenged_again_and_the_third_is_final(
    town: Scene, claim: str
) -> None:
    town.challenged(claim, town.rival)
    town.judge(claim, "fail")
    assert town.state(claim) == "failing"
    found = town.challenged(claim, town.worker)
    assert (found.against, found.round, found.bond_units, found.prepaid_units) == ("fail", 3, 150, 150)
    assert len(town.round(claim).seats) == 15
    town.judge(claim, "pass")
    assert town.state(claim) == "accepted"
    states = [each.state for each in disputes.of_claim(town.net.draft, town.net.get(Claim, claim))]
    assert states == ["lost", "won"]
    refused(town, "too-late", town.rival, claim)


def test_a_panel_that_is_the_last_leaves_nothing_to_challenge() -> None:
    town = scene(policy_of(panels=[3]), verifiers=12)
    claim = town.judged()
    assert town.state(claim) == "accepted"
    refused(town, "too-late", town.rival, claim)


# -- until when


def test_a_challenge_in_the_last_millisecond_counts_and_at_the_end_is_too_late(
    town: Scene, claim: str
) -> None:
    until_ms = town.net.get(Timer, claim).due_ms
    late = town.fork()
    town.net.tick_to(until_ms - 2)
    assert town.challenge(claim, town.rival).at_ms == until_ms - 1
    late.net.tick_to(until_ms - 1)
    refused(late, "too-late", town.rival, claim)
    assert late.state(claim) == "accepted"


def test_what_has_no_verdict_yet_is_not_challenged_and_each_reason_has_its_code(town: Scene) -> None:
    claim = town.claimed()
    refused(town, "no-output", town.rival, claim)
    town.net.do(town.output(claim))
    refused(town, "draw-pending", town.rival, claim)
    town.net.draw(claim)
    refused(town, "panel-at-work", town.rival, claim)
    town.open(claim)
    refused(town, "panel-at-work", town.rival, claim)
    town.judge(claim, "fail", "pass")
    refused(town, "draw-pending", town.rival, claim)
    refused(town, "unknown-claim", town.rival, "clm_" + "a" * 26)


def test_of_two_challenges_of_one_verdict_the_first_in_the_log_wins(town: Scene, claim: str) -> None:
    first = created(town.challenge(claim, town.rival), "challenge")
    refusal = town.net.refuses("challenged-already", p.VerdictChallenge, town.requester, claim=claim, **SAYS)
    assert refusal.facts["challenge"] == first
    refused(town, "challenged-already", town.rival, claim)
    town.net.draw(claim)
    refused(town, "challenged-already", town.requester, claim)
    town.judge(claim)
    town.challenge(claim, town.requester)


def test_while_the_round_after_a_challenged_one_is_drawn_the_challenge_still_waits(
    town: Scene, claim: str
) -> None:
    town.challenged(claim, town.rival)
    town.judge(claim, "fail", "fail", "fail", "pass")
    assert town.net.get(Claim, claim).draw_round == 3
    refused(town, "challenged-already", town.requester, claim)


# -- who


def test_worker_requester_and_any_agent_with_the_money_may_challenge(town: Scene, claim: str) -> None:
    for who in (town.worker, town.requester, town.rival, town.sitter(town.seats(claim)[0])):
        each = town.fork()
        each.challenge(claim, who)
        assert each.state(claim) == "checking"


def test_without_the_money_or_the_right_nobody_challenges(town: Scene, claim: str) -> None:
    poor = town.net.join("poor", units=139)
    refused(town, "insufficient-funds", poor, claim)
    refused(town, "unknown-agent", Who("nobody"), claim)
    town.net.say(p.AgentRevoke, town.rival, reason="done")
    refused(town, "revoked", town.rival, claim)
    stolen = town.net.statement(p.VerdictChallenge, town.worker, signers=[poor], claim=claim, **SAYS)
    town.net.refused("wrong-signer", stolen)


def test_who_accepted_an_output_does_not_challenge_it_but_others_may(town: Scene) -> None:
    claim = town.opened()
    town.net.say(p.OutputAccept, town.requester, claim=claim)
    town.judge(claim)
    refused(town, "right-given-up", town.requester, claim)
    town.challenge(claim, town.rival)


def test_after_a_panel_has_revealed_the_output_is_accepted_no_more(town: Scene, claim: str) -> None:
    town.challenged(claim, town.rival)
    assert town.round(claim).phase == "commit"
    town.net.refuses("too-late", p.OutputAccept, town.requester, claim=claim)


def test_neither_the_challenger_nor_its_house_nor_an_earlier_seat_judges() -> None:
    town = Scene(Net(), verifiers=12)
    net = town.net
    owner = net.join("owner")
    challenger, twin = (net.join(name, owner=owner) for name in ("challenger", "twin"))
    net.enroll(owner, challenger, twin, kinds=(EXACT,))
    claim = town.judged()
    earlier = {seat.agent for seat in town.seats(claim)}
    asks = challenger if challenger.did not in earlier else town.rival
    town.challenged(claim, asks)
    seated = {seat.agent for seat in town.seats(claim)}
    alternates = {each.agent for each in town.round(claim).alternates}
    assert not (seated | alternates) & (earlier | {owner.did, challenger.did, twin.did})


# -- what the pool cannot seat


@pytest.mark.parametrize(("verifiers", "seated"), [(9, False), (10, True)])
def test_a_round_that_the_pool_cannot_seat_is_refused_before_any_money_moves(
    verifiers: int, seated: bool
) -> None:
    town = scene(verifiers=verifiers)
    claim = town.judged()
    if seated:
        town.challenged(claim, town.rival)
        assert len(town.seats(claim)) == 7
    else:
        refused(town, "no-panel", town.rival, claim)
        town.window_over(claim)
        assert town.state(claim) == "accepted"


def test_a_challenger_who_checks_takes_a_place_from_its_own_panel() -> None:
    town = scene(verifiers=10)
    claim = town.judged()
    seated = {seat.agent for seat in town.seats(claim)}
    free = next(who for who in town.verifiers if who.did not in seated)
    refused(town, "no-panel", free, claim)


@pytest.mark.parametrize("leavers", [0, 1])
def test_whether_a_panel_can_be_seated_does_not_depend_on_the_statement(leavers: int) -> None:
    town = scene(verifiers=10)
    claim = town.judged()
    town.challenge(claim, town.rival)
    seated = {seat.agent for seat in town.seats(claim)}
    for who in [each for each in town.verifiers if each.did not in seated][:leavers]:
        town.net.say(p.VerifierLeave, who)
    d = Decision(town.net.draft, b"{}", town.net.now_ms)
    record, task = d.need(Claim, claim), d.need(Task, "t1")
    streams = (Stream(bytes([number]), b"trial") for number in range(20))
    outcomes = {panel.can_be_seated(d, record, task, d.task_policy(task), stream) for stream in streams}
    assert outcomes == {leavers == 0}


def test_what_a_challenge_says_is_in_its_entry(town: Scene, claim: str) -> None:
    decided = town.challenge(claim, town.requester, report_sha256="a" * 64)
    [event] = [each for each in decided.events if isinstance(each, VerdictChallenged)]
    assert (event.challenger, event.against, event.round) == (town.requester.did, "pass", 2)
    assert town.net.get(Round, f"{claim}/1").verdict == "pass"
