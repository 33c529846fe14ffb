"""Commits, reveals, replacements and verdicts on single outputs (docs/rules.md 3 and 4)."""

from __future__ import annotations

import pytest

from tests.core.flows import PRICE, STAKE, Scene, raw, scene
from tests.core.network import DIGEST, Net, Who
from tests.core.terms import policy_of
from trust.core import commands, envelope
from trust.core import payloads as p
from trust.core.records import Claim, Seat, Task
from trust.core.strict import Malformed

LIABILITY = 200


@pytest.fixture
def town() -> Scene:
    return scene()


@pytest.fixture
def claim(town: Scene) -> str:
    """A claim in the commit window of its first panel."""
    return town.opened()


def commit_all(town: Scene, claim: str, *verdicts: str) -> None:
    """Every seat commits; reveals are open afterwards."""
    for place, seat in enumerate(town.seats(claim)):
        town.commit(seat, town.vote(seat, verdicts[place] if verdicts else "pass"))


# -- openings


def test_an_output_is_opened_by_its_worker_once_it_is_drawn(town: Scene) -> None:
    claim = town.submitted()
    town.net.refuses("nothing-drawn", p.OutputOpen, town.worker, claim=claim)
    town.net.draw(claim)
    town.net.refuses("not-yours", p.OutputOpen, town.rival, claim=claim)
    town.net.refuses("unknown-claim", p.OutputOpen, town.worker, claim="clm_" + "a" * 26)
    town.net.say(p.OutputOpen, town.worker, claim=claim)
    assert town.round(claim).phase == "commit"
    town.net.refuses("too-late", p.OutputOpen, town.worker, claim=claim)


def test_what_is_not_opened_in_time_costs_the_whole_stake_whatever_the_kind_of_work(town: Scene) -> None:
    claim = town.drawn(task_kind="essay")
    seats = town.seats(claim)
    town.net.tick(4_999)
    assert town.state(claim) == "checking"
    late = town.fork()
    late.net.refuses("too-late", p.OutputOpen, town.worker, claim=claim)
    assert late.state(claim) == "rejected"
    town.net.tick(1)
    assert (town.state(claim), town.task_state()) == ("rejected", "open")
    assert town.net.free(town.worker) == 5_000 - 150
    assert town.net.balance("burn") == 150 - 39
    assert [town.net.free(town.sitter(seat)) for seat in seats] == [5_000] * 3


# -- commits


def test_only_who_is_seated_votes(town: Scene, claim: str) -> None:
    seat = town.seats(claim)[0]
    stranger = next(who for who in town.verifiers if who.did != seat.agent)
    commitment = town.commitment(seat, town.vote(seat))
    town.net.refuses("not-seated", p.VoteCommit, stranger, seat=seat.id, commitment=commitment)
    town.net.refuses("unknown-seat", p.VoteCommit, stranger, seat="seat_" + "a" * 26, commitment=commitment)
    thief = {"seat": seat.id, "commitment": commitment}
    town.net.refuses("wrong-signer", p.VoteCommit, town.sitter(seat), signers=[stranger], **thief)
    town.commit(seat, town.vote(seat))
    town.net.refuses("not-seated", p.VoteReveal, stranger, **town.vote(seat))


def test_a_second_commit_is_refused_whatever_it_says(town: Scene, claim: str) -> None:
    seat = town.seats(claim)[0]
    town.commit(seat, town.vote(seat))
    for verdict in ("pass", "fail"):
        other = town.commitment(seat, town.vote(seat, verdict))
        town.net.refuses("already-committed", p.VoteCommit, town.sitter(seat), seat=seat.id, commitment=other)
    assert town.net.get(Seat, seat.id).commitment == town.commitment(seat, town.vote(seat))


def test_nobody_commits_before_the_opening(town: Scene) -> None:
    claim = town.drawn()
    seat = town.seats(claim)[0]
    town.net.refuses("not-opened", p.VoteCommit, town.sitter(seat), seat=seat.id, commitment=DIGEST)


def test_a_commit_after_the_window_is_too_late(town: Scene, claim: str) -> None:
    seat = town.seats(claim)[0]
    town.net.now_ms = seat.until_ms - 2
    in_time = town.fork()
    in_time.commit(seat, town.vote(seat))
    town.net.now_ms += 1
    town.net.refuses("too-late", p.VoteCommit, town.sitter(seat), seat=seat.id, commitment=DIGEST)
    assert town.net.get(Seat, seat.id).state == "passed"


def test_a_commit_while_reveals_are_open_is_refused(town: Scene, claim: str) -> None:
    commit_all(town, claim)
    seat = town.seats(claim)[0]
    town.net.refuses("already-committed", p.VoteCommit, town.sitter(seat), seat=seat.id, commitment=DIGEST)


@pytest.mark.parametrize("commitment", ["", "0" * 63, "0" * 65, "G" * 64, "A" * 64, 0])
def test_a_commitment_that_is_no_digest_is_malformed(town: Scene, claim: str, commitment: object) -> None:
    seat = town.seats(claim)[0]
    said = town.net.statement(p.VoteCommit, town.sitter(seat), seat=seat.id, commitment=DIGEST)
    with pytest.raises(Malformed):
        commands.parse(envelope.sign(raw(said, commitment=commitment), [town.sitter(seat).seed]))


# -- reveals


def test_nobody_reveals_before_commits_are_closed(town: Scene, claim: str) -> None:
    first, second, third = town.seats(claim)
    town.net.refuses("no-commitment", p.VoteReveal, town.sitter(first), **town.vote(first))
    town.commit(first, town.vote(first))
    town.net.refuses("commits-open", p.VoteReveal, town.sitter(first), **town.vote(first))
    town.commit(second, town.vote(second))
    town.commit(third, town.vote(third))
    town.reveal(first, town.vote(first))


def test_a_reveal_that_does_not_match_is_refused_and_the_true_one_still_counts(
    town: Scene, claim: str
) -> None:
    commit_all(town, claim)
    seat, other, _ = town.seats(claim)
    who, vote = town.sitter(seat), town.vote(seat)
    for change in ({"verdict": "fail"}, {"salt": town.vote(other)["salt"]}):
        town.net.refuses("commitment-mismatch", p.VoteReveal, who, **{**vote, **change})
    for salt in ("", "AA==", "A" * 43, "!" * 44):
        town.net.refuses("malformed", p.VoteReveal, who, **{**vote, "salt": salt})
    town.reveal(seat, vote)
    town.net.refuses("already-revealed", p.VoteReveal, who, **vote)


def test_a_commitment_is_bound_to_its_seat(town: Scene, claim: str) -> None:
    """Copying another's commitment commits to something that nobody can reveal."""
    first, second, third = town.seats(claim)
    town.commit(first, town.vote(first))
    copied = town.commitment(first, town.vote(first))
    town.net.say(p.VoteCommit, town.sitter(second), seat=second.id, commitment=copied)
    town.commit(third, town.vote(third))
    stolen = {**town.vote(first), "seat": second.id}
    town.net.refuses("commitment-mismatch", p.VoteReveal, town.sitter(second), **stolen)


def test_items_on_an_output_without_items_are_refused(town: Scene, claim: str) -> None:
    seat = town.seats(claim)[0]
    item = p.JudgedItem(index=0, leaf=town.vote(seat)["salt"], good=True)
    vote = {**town.vote(seat), "items": (item,)}
    town.commit(seat, vote)
    for each in town.seats(claim)[1:]:
        town.commit(each, town.vote(each))
    town.net.refuses("items-mismatch", p.VoteReveal, town.sitter(seat), **vote)


def test_a_reveal_after_the_window_is_too_late(town: Scene, claim: str) -> None:
    commit_all(town, claim)
    seat = town.seats(claim)[0]
    town.net.tick_to(town.round(claim).until_ms - 1)
    town.net.refuses("too-late", p.VoteReveal, town.sitter(seat), **town.vote(seat))
    assert town.net.get(Seat, seat.id).state == "silent"


# -- verdicts


@pytest.mark.parametrize(
    ("verdicts", "state"),
    [
        (("pass", "pass", "pass"), "passing"),
        (("fail", "fail", "fail"), "failing"),
        (("pass", "pass", "fail"), "checking"),
        (("fail", "fail", "pass"), "checking"),
    ],
)
def test_the_first_panel_must_be_of_one_mind(
    town: Scene, claim: str, verdicts: tuple[str, ...], state: str
) -> None:
    town.judge(claim, *verdicts)
    record = town.net.get(Claim, claim)
    assert record.state == state
    assert record.draw_round == (2 if state == "checking" else 0)


@pytest.mark.parametrize(
    ("fails", "state"), [(5, "failing"), (4, "checking"), (3, "checking"), (2, "passing")]
)
def test_the_second_panel_needs_two_thirds_of_its_seats(fails: int, state: str) -> None:
    town = scene(verifiers=24)
    claim = town.opened()
    town.judge(claim, "pass", "pass", "fail")
    town.net.draw(claim)
    assert (town.round(claim).phase, town.round(claim).quorum) == ("commit", 5)
    town.judge(claim, *["fail"] * fails, "pass")
    assert town.state(claim) == state


@pytest.mark.parametrize(("fails", "state"), [(8, "rejected"), (7, "accepted")])
def test_the_last_panel_needs_more_than_half_and_is_final_at_once(fails: int, state: str) -> None:
    town = to_the_last_panel()
    claim = town.net.get(Task, "t1").claim
    assert town.round(claim).quorum == 8
    town.judge(claim, *["fail"] * fails, "pass")
    assert town.state(claim) == state


def to_the_last_panel() -> Scene:
    """A claim on which two panels did not agree, in the commit window of the last."""
    town = scene(verifiers=30)
    claim = town.opened()
    town.judge(claim, "pass", "pass", "fail")
    town.net.draw(claim)
    town.judge(claim, "fail", "fail", "fail", "pass")
    town.net.draw(claim)
    return town


def test_a_last_panel_without_a_verdict_voids_the_claim() -> None:
    town = to_the_last_panel()
    claim = town.net.get(Task, "t1").claim
    seats = town.seats(claim)
    votes = [(seat, town.vote(seat, "fail" if seat.place < 7 else "pass")) for seat in seats]
    for seat, vote in votes:
        town.commit(seat, vote)
    for seat, vote in votes[:-1]:
        town.reveal(seat, vote)
    town.net.tick(1_500)
    assert (town.state(claim), town.task_state()) == ("voided", "open")
    assert town.net.free(town.worker) == 5_000
    silent = town.net.get(Seat, seats[-1].id)
    assert (silent.state, silent.outcome) == ("silent", "silent")
    assert town.net.staked(town.sitter(silent)) == 3_000 - LIABILITY // 2


# -- silence


def test_a_seat_without_a_commit_passes_to_an_alternate_twice_at_most(town: Scene, claim: str) -> None:
    alternates = town.round(claim).alternates
    others = town.seats(claim)[1:]
    for seat in others:
        town.commit(seat, town.vote(seat))
    chain = [town.seats(claim)[0]]
    for alternate in alternates[:2]:
        town.net.tick(1_500)
        chain.append(town.seats(claim)[0])
        assert (chain[-1].agent, chain[-1].until_ms) == (alternate.agent, town.net.now_ms + 1_500)
    town.net.tick(1_500)
    assert town.round(claim).phase == "reveal"
    for seat in others:
        town.reveal(seat, town.vote(seat))
    assert town.net.get(Claim, claim).draw_round == 2  # two of three are no verdict
    assert [town.net.get(Seat, seat.id).state for seat in chain] == ["passed"] * 3


def test_a_round_that_nobody_commits_in_costs_nothing_and_the_claim_is_drawn_anew(
    town: Scene, claim: str
) -> None:
    for _ in range(2):
        town.net.tick(1_500)
    assert town.net.get(Claim, claim).draw_round == 2
    seats = [seat for seat in town.net.all(Seat) if seat.claim == claim]
    assert len(seats) == 6  # three seats, three alternates, and nobody after them
    town.net.tick(10_000)
    assert town.state(claim) == "voided"
    assert [town.net.staked(town.sitter(seat)) for seat in seats] == [3_000] * 6


@pytest.mark.parametrize("heard", [0, 1, 2])
def test_who_is_silent_after_committing_pays_what_a_wrong_vote_pays_where_half_were_heard(
    town: Scene, claim: str, heard: int
) -> None:
    commit_all(town, claim)
    for seat in town.seats(claim)[:heard]:
        town.reveal(seat, town.vote(seat, "pass"))
    town.net.tick(1_500)
    silent = town.seats(claim)[heard:]
    assert [seat.state for seat in silent] == ["silent"] * (3 - heard)
    pays = heard > 1
    for seat in silent:
        assert town.party(town.sitter(seat)).jailed_until_ms == pays * (town.net.now_ms + 10_000)
    town.net.tick(10_000)
    assert town.state(claim) == "voided"
    assert [town.net.staked(town.sitter(seat)) for seat in silent] == [3_000 - pays * LIABILITY // 2] * (
        3 - heard
    )
    assert (
        town.net.balance("burn") == pays * LIABILITY // 2 + PRICE + STAKE
    )  # the rest for the draw that nobody made


def test_an_alternate_who_may_no_longer_sit_is_passed_over(town: Scene, claim: str) -> None:
    first, second, _ = town.round(claim).alternates
    town.net.say(p.AgentRevoke, town.net.people[first.agent], reason="done")
    for seat in town.seats(claim)[1:]:
        town.commit(seat, town.vote(seat))
    town.net.tick(1_500)
    assert town.seats(claim)[0].agent == second.agent


def test_a_panel_of_one_decides_alone() -> None:
    town = Scene(Net(policy_of(panels=[1])), verifiers=1)
    claim = town.opened()
    town.judge(claim, "fail")
    assert town.state(claim) == "rejected"


def test_a_verifier_with_a_new_key_reveals_what_the_old_one_committed(town: Scene, claim: str) -> None:
    seat = town.seats(claim)[0]
    who, new = town.sitter(seat), Who("new")
    commit_all(town, claim)
    town.net.say(p.AgentRotate, who, new, new_key=new.did)
    town.net.refuses("retired-key", p.VoteReveal, who, **town.vote(seat))
    town.net.say(p.VoteReveal, who, signers=[new], **town.vote(seat))
