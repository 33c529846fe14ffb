"""Evidence is judged by the rules: what convicts costs exactly this, once and in time; what proves nothing says why."""

from __future__ import annotations

from typing import Any

import pytest

from tests.core.flows import ARTIFACT, STAKE, Scene, scene
from tests.core.network import Who
from tests.core.proofs import OTHER, Lied, evidence, postings, second_output, text, whole
from tests.core.terms import JUDGED
from trust.core import commands, envelope, rulebook
from trust.core import payloads as p
from trust.core.payloads import MAX_LARGE_PAYLOAD_BYTES
from trust.core.records import Claim, Conviction, Withdrawal
from trust.core.strict import Malformed

FEES = 39
HOLD = 30
FREE = 5_000
FINE = (FREE - STAKE) // 20


@pytest.fixture
def town() -> Scene:
    return scene()


# -- equivocation


def test_two_outputs_for_one_claim_cost_the_stake_a_twentieth_of_the_rest_and_the_identity(
    town: Scene,
) -> None:
    lied = Lied(town)
    decided = lied.convict(town.rival)
    slash = STAKE + FINE
    assert postings(decided, "slash.equivocation") == [
        {
            f"claim/{lied.claim}/stake": -STAKE,
            "burn": slash - 50,
            f"agent/{town.worker.did}/free": -FINE,
            f"agent/{town.rival.did}/free": 50,
        }
    ]
    assert town.party(town.worker).left == "tombstoned"
    assert town.net.free(town.worker) == 0
    assert town.net.balance(f"agent/{town.worker.did}/unbonding") == FREE - STAKE - FINE
    assert town.state(lied.claim) == "submitted"
    whole(town)


def test_the_requester_gets_the_fees_of_the_check_back_that_it_has_paid(town: Scene) -> None:
    lied = Lied(town)
    town.net.draw(lied.claim)
    [moved] = postings(lied.convict(town.rival), "slash.equivocation")
    assert (moved[f"agent/{town.requester.did}/free"], moved[f"agent/{town.rival.did}/free"]) == (39, 50)
    assert moved["burn"] == STAKE + FINE - 39 - 50


def test_the_convicted_output_is_judged_all_the_same_without_a_stake(town: Scene) -> None:
    lied = Lied(town)
    lied.convict(town.rival)
    town.net.draw(lied.claim)
    town.open(lied.claim)
    town.judge(lied.claim, "fail")
    town.net.tick(1_000)
    assert town.state(lied.claim) == "rejected"
    assert town.net.balance(f"claim/{lied.claim}/stake") == 0
    whole(town)


def test_after_acceptance_what_is_held_is_lost_and_the_hold_ends(town: Scene) -> None:
    claim = town.claimed()
    first = town.output(claim)
    town.net.do(first)
    second = second_output(town, claim)
    town.net.draw(claim)
    town.open(claim)
    town.judge(claim)
    town.net.tick(1_000)
    decided = town.net.do(evidence(town, town.rival, "equivocation", second, first))
    [moved] = postings(decided, "slash.equivocation")
    assert moved[f"claim/{claim}/stake"] == -HOLD
    assert town.net.get(Claim, claim).hold_units == 0
    town.net.tick(10_000)
    whole(town)


def test_evidence_is_too_late_at_the_very_end_of_its_window(town: Scene) -> None:
    lied = Lied(town)
    town.net.draw(lied.claim)
    town.open(lied.claim)
    town.judge(lied.claim)
    town.net.tick(1_000)
    ended_ms = town.net.get(Claim, lied.claim).ended_ms
    town.net.tick_to(ended_ms + 1_998)
    in_time = town.fork()
    town.net.tick(1)
    town.net.refused("too-late", lied.shown(town.rival))
    assert in_time.net.do(lied.shown(in_time.rival)).at_ms == ended_ms + 1_999


def test_unbonding_money_is_reached_and_its_withdrawals_share_the_loss(town: Scene) -> None:
    for amount in (1_000, 333):
        town.net.say(p.StakeWithdraw, town.worker, amount_units=amount)
    lied = Lied(town)
    [moved] = postings(lied.convict(town.rival), "slash.equivocation")
    rest = FREE - 1_333 - STAKE
    waiting = f"agent/{town.worker.did}/unbonding"
    assert moved[waiting] == -(1_333 // 20)
    assert moved[f"agent/{town.worker.did}/free"] == -(rest // 20)
    town.net.tick(130_000)
    town.net.tick(130_000)
    left = town.net.balance(waiting)
    assert left == 1_333 - 66 + rest - rest // 20
    before = town.net.balance("external")
    for number, withdrawal in enumerate(sorted(w.id for w in town.net.all(Withdrawal))):
        town.net.say(
            p.StakePayout, town.net.operator, town.worker, withdrawal=withdrawal, reference=f"paid-{number}"
        )
        whole(town)
    assert town.net.balance(waiting) == 0
    assert town.net.balance("external") == before + left
    assert town.party(town.worker).unbonding_lost_units == 0


def test_a_fact_convicts_once(town: Scene) -> None:
    lied = Lied(town)
    lied.convict(town.rival)
    third = second_output(town, lied.claim, artifacts=(OTHER, OTHER))
    refused = town.net.refused(
        "convicted-already", evidence(town, town.requester, "equivocation", lied.first, third)
    )
    assert refused.facts["index"] == town.net.get(Conviction, f"equivocation/{lied.claim}").index


def test_a_reporter_who_reports_himself_earns_nothing() -> None:
    """A ring reports its own fault in order to be paid for it, as slashers' rewards on some chains allow.

    The worker and a second agent under his owner get nothing; an accomplice of another owner five fees.
    """
    town = scene()
    owner = Who("owner of two")
    worker, shadow = (town.net.join(name, owner=owner) for name in ("one of two", "two of two"))
    town.worker = worker
    for reporter in (worker, shadow):
        alone = town.fork()
        lied = Lied(alone)
        [moved] = postings(lied.convict(reporter), "slash.equivocation")
        assert f"agent/{shadow.did}/free" not in moved
        assert moved["burn"] == STAKE + FINE
    ring = town.fork()
    ring.requester = ring.rival
    lied = Lied(ring)
    [moved] = postings(lied.convict(ring.rival), "slash.equivocation")
    assert moved[f"agent/{ring.rival.did}/free"] == 50
    assert moved["burn"] == STAKE + FINE - 50


def test_a_requester_who_is_the_worker_under_another_name_gets_nothing_of_the_slash() -> None:
    town = scene()
    owner = Who("owner of both ends")
    town.worker, town.requester = (town.net.join(name, owner=owner) for name in ("end one", "end two"))
    lied = Lied(town)
    [moved] = postings(lied.convict(town.rival), "slash.equivocation")
    assert moved["burn"] == STAKE + FINE - 50
    whole(town)


def test_whoever_is_not_registered_may_show_evidence_and_earns_nothing(town: Scene) -> None:
    lied = Lied(town)
    [moved] = postings(lied.convict(Who("passer-by")), "slash.equivocation")
    assert moved["burn"] == STAKE + FINE


def test_harmless_retries_are_not_taken_for_equivocation(town: Scene) -> None:
    """A client that got no answer says it again: with the same bytes, with a new date, or anew before the log spoke.

    Honest validators are slashed for less: 75 of Staked's on Ethereum signed a second time after a restart that had
    forgotten the first (Staked's post-mortem, 2 February 2021).
    """
    claim = town.claimed()
    first = town.output(claim)
    early = town.output(
        claim, artifacts=(OTHER,), issued_ms=town.net.now_ms - 100, expires_ms=town.net.now_ms
    )
    town.net.do(first)
    again = town.output(claim, issued_ms=town.net.now_ms + 1)
    renamed = town.output(
        claim,
        issued_ms=town.net.now_ms + 1,
        artifacts=(p.Artifact(name="other-name.json", sha256="1" * 64, size_bytes=3),),
    )
    twice = town.output(claim, issued_ms=town.net.now_ms + 1, artifacts=(ARTIFACT, ARTIFACT))
    for code, other in (
        ("same-output", twice),
        ("same-statement", first),
        ("same-output", again),
        ("same-output", renamed),
        ("not-at-once", early),
    ):
        town.net.refused(code, evidence(town, town.rival, "equivocation", first, other))
    assert town.party(town.worker).left == ""


def test_a_second_vote_is_refused_and_proves_nothing(town: Scene) -> None:
    seat = town.seats(town.opened())[0]
    votes = [
        town.net.statement(p.VoteCommit, town.sitter(seat), seat=seat.id, commitment=digit * 64)
        for digit in "12"
    ]
    town.net.do(votes[0])
    town.net.refused("already-committed", votes[1])
    town.net.refused("not-evidence", evidence(town, town.rival, "equivocation", *votes))


def test_evidence_by_a_key_that_was_rotated_away_counts_for_what_it_signed_in_its_time(town: Scene) -> None:
    lied = Lied(town)
    new = Who("new key")
    town.net.tick(5)
    town.net.say(p.AgentRotate, town.worker, new, new_key=new.did)
    late = second_output(town, lied.claim)
    town.net.refused("other-keys", evidence(town, town.rival, "equivocation", lied.first, late))
    lied.convict(town.rival)
    assert town.party(town.worker).left == "tombstoned"


def test_hostile_evidence_is_refused_each_with_its_code(town: Scene) -> None:
    lied = Lied(town)
    other_claim = town.claimed("t2", task_kind=JUDGED)
    elsewhere = second_output(town, lied.claim, network="trust.example.org/other")
    stranger = town.net.statement(
        p.OutputSubmit, town.rival, claim=lied.claim, artifacts=(OTHER,), issued_ms=town.net.now_ms + 1
    )
    not_logged = second_output(town, lied.claim, artifacts=(OTHER, OTHER))
    unknown = [
        town.net.statement(p.OutputSubmit, town.worker, claim="clm_" + "a" * 26, artifacts=(OTHER,) * number)
        for number in (1, 2)
    ]
    hostile: tuple[tuple[str, commands.Spoken, commands.Spoken], ...] = (
        ("foreign-network", lied.first, elsewhere),
        ("other-claims", lied.first, second_output(town, other_claim)),
        ("other-keys", lied.first, stranger),
        ("not-on-log", lied.second, not_logged),
        ("unknown-claim", unknown[0], unknown[1]),
        ("not-evidence", lied.first, lied.shown(town.rival)),
    )
    for code, one, other in hostile:
        town.net.refused(code, evidence(town, town.rival, "equivocation", one, other))
    town.net.refused("not-evidence", evidence(town, town.rival, "equivocation", lied.first))
    town.net.refused("not-evidence", evidence(town, town.rival, "log-fork", lied.first, lied.second))
    town.net.refused("not-evidence", evidence(town, town.rival, "relay-confirm", lied.first))
    town.net.refused("not-evidence", evidence(town, town.rival, "canary", lied.first, lied.second))


def test_what_is_not_signed_in_evidence_never_reaches_the_rules(town: Scene) -> None:
    lied = Lied(town)
    stolen = lied.second.signed.envelope.signatures[0]
    forged = envelope.Envelope(
        lied.second.signed.envelope.payloadType, lied.second.signed.envelope.payload, (stolen,)
    )
    other = envelope.Envelope(forged.payloadType, lied.first.signed.envelope.payload, (stolen,))
    fields: dict[str, Any] = {
        "type": "equivocation",
        "statements": (text(lied.first), envelope.encode(other).decode()),
    }
    with pytest.raises(envelope.BadSignature):
        town.net.statement(p.EvidenceSubmit, town.rival, **fields)
    bare = text(lied.second).replace(
        text(lied.second)[text(lied.second).index('"signatures"') :], '"signatures":[]}'
    )
    for broken in ("{}", "[" * 40, bare, text(lied.second)[:-1]):
        with pytest.raises(Malformed):
            town.net.statement(p.EvidenceSubmit, town.rival, type="equivocation", statements=(broken,))
    with pytest.raises(Malformed):
        town.net.statement(p.EvidenceSubmit, town.rival, type="equivocation", statements=("{}",) * 16)
    with pytest.raises(Malformed, match="at most"):
        commands.parse(
            envelope.sign(
                b'{"kind":"evidence.submit","x":"' + b"x" * MAX_LARGE_PAYLOAD_BYTES + b'"}', [bytes(32)]
            )
        )


# -- sizes


def test_the_largest_evidence_fits_an_entry(town: Scene) -> None:
    lied = Lied(town)
    said = msg_with_notes(lied, MAX_LARGE_PAYLOAD_BYTES)
    assert len(said.signed.payload) > MAX_LARGE_PAYLOAD_BYTES - 2_000
    rulebook.verify(said)
    command = commands.bytes_of(said)
    decided = lied.convict(town.rival)
    assert len(command) + len(decided.data) < 65_535


def msg_with_notes(lied: Lied, most: int) -> commands.Spoken:
    """Evidence of nearly `most` bytes."""
    artifacts = tuple(
        p.Artifact(name="n" * 200, sha256=f"{number:064x}", size_bytes=1) for number in range(36)
    )
    big = second_output(lied.town, lied.claim, artifacts=artifacts)
    fields: dict[str, Any] = {"type": "equivocation", "notes": ("x" * 16_000, "x" * (most - 16_000 - 17_300))}
    return lied.town.net.statement(p.EvidenceSubmit, lied.town.rival, statements=(text(big),), **fields)
