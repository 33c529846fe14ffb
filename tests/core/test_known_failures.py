"""What went wrong with checks and verdicts elsewhere, and must not go wrong here: a test each, and where it was."""

from __future__ import annotations

import pytest

from tests.core.flows import PRICE, STAKE, Scene, posted, scene, unchecked
from tests.core.network import Net
from tests.core.terms import EXACT, policy_of
from trust.core import payloads as p
from trust.core.records import Challenge, Claim, Round, Seat, Timer
from trust.core.rules import disputes

DOUBT = {"reason": "doubt"}


@pytest.fixture
def town() -> Scene:
    return scene(verifiers=30)


# -- verdicts


@pytest.mark.parametrize("verdict", ["pass", "fail"])
def test_a_single_vote_is_no_verdict_where_three_were_due(town: Scene, verdict: str) -> None:
    """AgenC resolved disputes by whatever votes there were: one arbiter was a hundred percent (issue 546)."""
    claim = town.opened()
    voter, *others = town.seats(claim)
    vote = town.vote(voter, verdict)
    town.commit(voter, vote)
    for seat in others:
        town.commit(seat, town.vote(seat))
    town.reveal(voter, vote)
    town.net.tick_to(town.round(claim).until_ms)
    record = town.net.get(Claim, claim)
    assert (record.verdict, record.draw_round) == ("", 2)


def test_silence_never_wins(town: Scene) -> None:
    """AgenC took a dispute without votes as rejected: keeping the voters away decided it (issue 546)."""
    claim = town.opened()
    for _ in range(3):
        town.net.tick_to(max(seat.until_ms for seat in town.seats(claim)))
    assert town.net.get(Round, f"{claim}/1").verdict == ""
    assert (town.net.get(Claim, claim).verdict, town.net.get(Claim, claim).draw_round) == ("", 2)


def test_silence_costs_no_less_than_a_wrong_vote(town: Scene) -> None:
    """Witnet and Joystream had to add a penalty for votes that were committed and never revealed."""
    claim = town.opened()
    silent, wrong, right = town.seats(claim)
    for seat in (silent, wrong, right):
        town.commit(seat, town.vote(seat, "fail" if seat is wrong else "pass"))
    for seat in (wrong, right):
        town.reveal(seat, town.vote(seat, "fail" if seat is wrong else "pass"))
    town.net.tick_to(town.round(claim).until_ms)
    town.net.draw(claim)
    town.judge(claim, "pass")
    slashed = posted(town.window_over(claim), "seat.slash")
    assert slashed[f"verifier/{silent.agent}/stake"] == slashed[f"verifier/{wrong.agent}/stake"] == -100
    assert town.party(town.sitter(silent)).jailed_until_ms > town.net.now_ms


def test_nobody_judges_his_own_case(town: Scene) -> None:
    """AgenC let a worker, or the initiator by a second agent of the same wallet, vote on its dispute (789, 790)."""
    town = Scene(Net(), verifiers=12)
    net = town.net
    owner = net.join("wallet")
    first, second = net.join("first", owner=owner), net.join("second", owner=owner)
    net.enroll(owner, first, second, town.worker, town.requester, net.join("neutral"), kinds=(EXACT,))
    claim = town.judged()
    town.challenged(claim, first)
    parties = {owner.did, first.did, second.did, town.worker.did, town.requester.did}
    seated = {seat.agent for seat in town.seats(claim)} | {
        each.agent for each in town.round(claim).alternates
    }
    assert not seated & parties


def test_the_draw_is_made_once_and_nobody_can_ask_for_another(town: Scene) -> None:
    """Aragon Court's drafter chose the batch size, and so among several juries (aragon-court issue 167)."""
    claim = town.submitted()
    draw = town.net.draw_of(claim)
    later = town.fork()
    later.net.tick(5_000)
    assert later.net.draw_of(claim) == draw
    town.net.do(draw)
    seats = [seat.agent for seat in town.seats(claim)]
    town.net.refused("no-draw-due", draw)
    for who in (town.requester, town.worker):
        town.net.refuses("panel-at-work", p.VerdictChallenge, who, claim=claim, **DOUBT)
    later.net.draw(claim)
    assert [seat.agent for seat in later.seats(claim)] == seats


def test_an_appeal_that_cannot_be_seated_erases_no_verdict(town: Scene) -> None:
    """In Aragon Court an appeal that nobody confirmed flipped the ruling at once (aragon-court issue 91)."""
    for number, verdict in enumerate(("pass", "fail")):
        claim = town.judged(f"t{number}", verdict)
        lone = town.fork()
        lone.challenge(claim, lone.rival)
        seated = {seat.agent for seat in lone.seats(claim)}
        for who in [each for each in lone.verifiers if each.did not in seated]:
            lone.net.say(p.VerifierLeave, who)
        lone.net.draw(claim)
        assert lone.net.get(Claim, claim).verdict == verdict
        assert lone.state(claim) == ("accepted" if verdict == "pass" else "rejected")


def test_an_appeal_without_a_verdict_erases_none_and_nobody_is_wrong_by_it(town: Scene) -> None:
    """In Aragon Court the appeal's fees went to its confirmer where no juror was coherent, even the loser (101)."""
    claim = town.judged()
    found = town.challenged(claim, town.rival)
    for seat in town.seats(claim):
        assert seat.round == 2
    town.judge(claim, "pass", "pass", "pass", "pass", "fail")
    for who in town.verifiers:
        if who.did not in {seat.agent for seat in town.net.all(Seat) if seat.claim == claim}:
            town.net.say(p.VerifierLeave, who)
    town.net.draw(claim)
    assert (town.state(claim), town.net.get(Challenge, found.id).state) == ("accepted", "returned")
    outcomes = [seat.outcome for seat in town.net.all(Seat) if (seat.claim, seat.round) == (claim, 2)]
    assert outcomes == ["heard"] * 7


def test_there_are_never_two_panels_on_one_claim(town: Scene) -> None:
    """Card disputes: WooPayments completed an order while a second dispute of the same charge was open (11997)."""
    claim = town.judged()
    for who in (town.rival, town.requester, town.worker):
        other = town.fork()
        other.challenge(claim, who)
        for next_one in (town.rival, town.requester, town.worker):
            other.net.refuses("challenged-already", p.VerdictChallenge, next_one, claim=claim, **DOUBT)
    town.challenged(claim, town.rival)
    open_rounds = [each for each in town.net.all(Round) if each.claim == claim and each.phase != "over"]
    assert [each.number for each in open_rounds] == [2]


# -- the last moment


def test_a_challenge_in_the_last_millisecond_gives_the_next_panel_its_whole_time(town: Scene) -> None:
    """In Arbitrum's challenges one could answer in the last seconds and leave the other no time (nitro issue 1343)."""
    claim = town.judged()
    town.net.tick_to(town.net.get(Timer, claim).due_ms - 2)
    town.challenge(claim, town.rival)
    assert town.net.get(Timer, claim).due_ms == town.net.now_ms + town.net.policy.windows.draw_ms
    town.net.tick(5_000)
    town.net.draw(claim)
    windows = {seat.until_ms for seat in town.seats(claim)}
    assert windows == {town.net.now_ms + town.net.policy.windows.commit_ms}
    town.judge(claim)
    assert town.net.get(Timer, claim).due_ms == town.net.now_ms + town.net.policy.windows.challenge_ms


def test_an_alternate_has_seen_no_vote_before_its_own_is_fixed(town: Scene) -> None:
    """OurDAO's commit and reveal had no phases: who came late had seen the votes of the others (issue 18)."""
    claim = town.opened()
    late, *others = town.seats(claim)
    for seat in others:
        vote = town.vote(seat)
        town.commit(seat, vote)
        town.net.refuses("commits-open", p.VoteReveal, town.sitter(seat), **vote)
    town.net.tick_to(late.until_ms)
    alternate = town.seats(claim)[late.place]
    assert (alternate.state, town.round(claim).phase) == ("seated", "commit")
    for seat in others:
        town.net.refuses("commits-open", p.VoteReveal, town.sitter(seat), **town.vote(seat))
    town.commit(alternate, town.vote(alternate))
    assert town.round(claim).phase == "reveal"


def test_a_vote_cannot_be_copied_to_another_seat_or_another_round(town: Scene) -> None:
    """UMA's commitments were not bound to the voter: anybody could copy one, and reveal it after him (issue 1216)."""
    claim = town.opened()
    leader, copycat, _ = town.seats(claim)
    vote = town.vote(leader)
    town.commit(leader, vote)
    stolen = town.net.get(Seat, leader.id).commitment
    town.net.say(p.VoteCommit, town.sitter(copycat), seat=copycat.id, commitment=stolen)
    third = town.seats(claim)[2]
    town.commit(third, town.vote(third))
    town.reveal(leader, vote)
    copied = {**vote, "seat": copycat.id}
    town.net.refuses("commitment-mismatch", p.VoteReveal, town.sitter(copycat), **copied)
    town.net.refuses("not-seated", p.VoteReveal, town.sitter(copycat), **vote)


def test_a_commitment_of_one_round_opens_nothing_in_the_next(town: Scene) -> None:
    """In OurDAO one commitment was good for every open proposal: nothing in it said what it was for (issue 19)."""
    claim = town.judged()
    first = town.seats(claim)[0]
    revealed, commitment = town.vote(first), first.commitment
    town.challenged(claim, town.rival)
    copycat, *others = town.seats(claim)
    town.net.say(p.VoteCommit, town.sitter(copycat), seat=copycat.id, commitment=commitment)
    for seat in others:
        town.commit(seat, town.vote(seat))
    again = {**revealed, "seat": copycat.id}
    town.net.refuses("commitment-mismatch", p.VoteReveal, town.sitter(copycat), **again)
    town.net.refuses("already-revealed", p.VoteReveal, town.sitter(first), **revealed)


def test_a_late_finish_hides_no_absence(town: Scene) -> None:
    """Whoever answers after the deadline must not end up as if it had been there: the clock is settled first."""
    claim = town.opened()
    absent, *others = town.seats(claim)
    said = town.net.statement(
        p.VoteCommit,
        town.sitter(absent),
        seat=absent.id,
        commitment=town.commitment(absent, town.vote(absent)),
    )
    for seat in others:
        town.commit(seat, town.vote(seat))
    town.net.now_ms = absent.until_ms - 1
    town.net.refused("too-late", said)
    assert town.net.get(Seat, absent.id).state == "passed"
    alternate = town.seats(claim)[absent.place]
    town.commit(alternate, town.vote(alternate))
    for seat in (*others, alternate):
        town.reveal(seat, town.vote(seat))
    town.window_over(claim)
    assert town.net.get(Seat, absent.id).outcome == "passed"
    assert town.net.balance("burn") == 2


# -- who pays, who is paid


def test_a_worker_who_won_the_dispute_loses_nothing(town: Scene) -> None:
    """AgenC slashed the worker also where the arbiters had rejected the dispute (issue 136)."""
    for number, verdicts in enumerate((("pass", "pass"), ("fail", "pass"))):
        before = town.net.free(town.worker)
        claim = town.judged(f"t{number}", verdicts[0])
        found = town.challenged(claim, town.rival if verdicts[0] == "pass" else town.worker)
        town.judge(claim, verdicts[1])
        entries = town.window_over(claim)
        assert town.state(claim) == "accepted"
        assert posted(entries, "slash.failed-check") == posted(entries, "slash.seat-fee") == {}
        half = found.bond_units // 2 if verdicts[0] == "pass" else 0
        assert town.net.free(town.worker) == before + PRICE - STAKE // 5 + half


def test_disputing_oneself_is_not_free() -> None:
    """UMA's optimistic oracle burns a share of the loser's bond, or a proposer would dispute himself for nothing."""
    town, claim = unchecked()
    found = town.challenged(claim, town.worker)
    town.open(claim)
    town.judge(claim, "pass")
    entries = town.window_over(claim)
    assert posted(entries, "challenge.lost") == {f"challenge/{found.id}/bond": -30, "burn": 30}
    assert posted(entries, "seat.fee")[f"challenge/{found.id}/bond"] == -30
    assert posted(entries, "challenge.return") == {}


def test_a_cheat_that_reports_itself_by_another_of_its_agents_saves_nothing() -> None:
    """In URC an operator could equivocate, slash itself and so avoid the penalty (its audit, finding 3.2)."""
    town = Scene(Net(policy_of()), verifiers=30)
    owner = town.net.join("owner")
    cheat, twin = (town.net.join(name, owner=owner) for name in ("cheat", "twin"))
    town.post()
    claim = town.claim(worker=cheat)
    town.net.do(town.output(claim))
    town.net.draw(claim)
    town.open(claim)
    town.judge(claim, "pass")
    town.challenged(claim, twin)
    town.judge(claim, "fail")
    split = posted(town.window_over(claim), "slash.failed-check")
    assert split == {f"claim/{claim}/stake": -80, f"agent/{town.requester.did}/free": 39, "burn": 41}
    assert town.net.free(twin) == 5_000


def test_a_challenger_cannot_be_outbid_by_a_second_right_one(town: Scene) -> None:
    """Loom's Plasma Cash paid a bond to whoever challenged; it had to settle on the first (plasma-cash 111)."""
    claim = town.judged()
    town.challenged(claim, town.rival)
    town.judge(claim, "pass")
    town.challenged(claim, town.requester)
    town.judge(claim, "fail")
    states = [each.state for each in disputes.of_claim(town.net.draft, town.net.get(Claim, claim))]
    assert states == ["won", "won"]
    assert town.net.free(town.rival) == 5_000, "the panels had the whole slash"
