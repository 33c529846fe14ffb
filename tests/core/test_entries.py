"""The largest statement of each kind, and the largest thing that a clock entry settles, fit (docs/protocol.md 3)."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from tests.core.flows import ARTIFACT, Scene
from tests.core.network import DAY_MS, START_MS, Net, Who, kinds, nonce
from tests.core.terms import policy_of, policy_text
from tests.core.witnesses import witness
from trust.core import commands, envelope, rulebook
from trust.core import payloads as p
from trust.core.commands import Spoken
from trust.core.entry import MAX_ENTRY_BYTES, InvalidEntry, decode_entry, derive_id
from trust.core.rulebook import Decided
from trust.log.quorum import MAX_WITNESSES

MOST = 2**53 - 1
LISTS_BYTES = 4_000  # what long numbers and lists of items may add to the entries below
KINDS = tuple(f"{number:02d}" + "k" * 62 for number in range(16))


def longest_quorum() -> list[str]:
    """As many witnesses as a policy may have, all of them needed, in lines as long as they may be."""
    labels = [f"{number:x}" for number in range(MAX_WITNESSES)]
    room = 160 - len(f"witness 0 {witness('0', 'n').verifier}")
    lines = [f"witness {label} {witness(label, label + 'n' * room).verifier}" for label in labels]
    return [*lines, f"group most all {' '.join(labels)}", "quorum most"]


POLICY = policy_of(
    exact_kinds=[KINDS[0]],
    commit_ms=2_000,
    reveal_ms=3_000,
    open_ms=60_000,
    notice_ms=60_000,
    unbonding_ms=10**9,
    quorum=longest_quorum(),
)


def padded(said: Spoken, *signers: Who) -> Spoken:
    """The same statement in as many bytes as its kind may have: white space is legal."""
    large = p.kind_of(said.payload) in p.LARGE_KINDS
    limit = p.MAX_LARGE_PAYLOAD_BYTES if large else p.MAX_PAYLOAD_BYTES
    payload = said.signed.payload
    return commands.parse(
        envelope.sign(b" " * (limit - len(payload)) + payload, [who.seed for who in signers])
    )


def in_full(town: Scene, kind: type[p.Payload], who: Who, *others: Who, **fields: Any) -> Decided:
    """Says the statement in its longest form."""
    decided = town.net.do(padded(town.net.statement(kind, who, *others, **fields), who, *others))
    assert len(decided.data) <= MAX_ENTRY_BYTES
    return decided


@pytest.fixture(scope="module")
def crowded() -> Scene:
    """Sixty verifiers, each with another owner and as many enrolments, and a worker with a long past."""
    town = Scene(Net(POLICY), verifiers=0)
    for number in range(60):
        who = town.net.join(f"verifier {number}", owner=Who(f"owner {number}"))
        town.net.say(p.VerifierEnroll, who, task_kinds=KINDS, stake_units=1_000)
        town.verifiers.append(who)
    town.net.say(p.VerifierEnroll, town.worker, task_kinds=KINDS, stake_units=1_000)
    town.net.tick(POLICY.verifiers.epoch_ms)
    worker = town.party(town.worker)
    past = tuple(START_MS - number for number in range(2))
    town.net.draft.put(msgspec.structs.replace(worker, failures_ms=past, liveness_ms=past * 10))
    return town


@pytest.fixture
def town(crowded: Scene) -> Scene:
    return crowded.fork()


# -- the largest check: three panels, every place replaced while alternates last


def largest_check(town: Scene) -> str:
    """A claim before the last reveals of its last panel, every place of every panel passed on."""
    claim = town.drawn("t" * 64, task_kind=KINDS[0])
    town.open(claim)
    for number in (1, 2, 3):
        town.net.tick_to(town.seats(claim)[0].until_ms)
        votes = [(seat, town.vote(seat, _split(number, seat.place))) for seat in town.seats(claim)]
        for seat, vote in votes:
            town.commit(seat, vote)
        if number < 3:
            for seat, vote in votes:
                town.reveal(seat, vote)
            town.net.draw(claim)
    assert len(town.round(claim).past_seats) == 15
    return claim


def _split(number: int, place: int) -> str:
    return "fail" if number == 3 or place % 2 else "pass"


def test_the_last_reveal_of_the_largest_check_fits_with_its_settlement(town: Scene) -> None:
    claim = largest_check(town)
    *others, last = [(seat, town.vote(seat, "fail")) for seat in town.seats(claim)]
    for seat, vote in others:
        town.reveal(seat, vote)
    decided = in_full(town, p.VoteReveal, town.sitter(last[0]), **last[1])
    assert len(decided.data) < MAX_ENTRY_BYTES - LISTS_BYTES
    said = kinds(decided.events)
    assert (said.count("seat.settled"), said.count("party.left"), said.count("parties.due")) == (50, 1, 1)
    assert (town.state(claim), town.party(town.worker).left) == ("rejected", "tombstoned")
    followed(town)


def test_the_largest_check_fits_with_all_of_its_challenges(town: Scene) -> None:
    claim = town.drawn("t" * 64, task_kind=KINDS[0])
    town.open(claim)
    for number in (1, 2, 3):
        town.net.tick_to(town.seats(claim)[0].until_ms)
        verdict = "fail" if number == 3 else "pass"
        votes = [(seat, town.vote(seat, verdict)) for seat in town.seats(claim)]
        for seat, vote in votes:
            town.commit(seat, vote)
        *others, (last, reveal) = votes
        for seat, vote in others:
            town.reveal(seat, vote)
        decided = in_full(town, p.VoteReveal, town.sitter(last), **reveal)
        if number < 3:
            in_full(
                town, p.VerdictChallenge, town.rival, claim=claim, reason="r" * 256, report_sha256="0" * 64
            )
            town.net.draw(claim)
    assert kinds(decided.events).count("challenge.ended") == 2
    assert len(decided.data) < MAX_ENTRY_BYTES - LISTS_BYTES
    followed(town)


def test_the_clock_entry_that_settles_the_largest_check_fits(town: Scene) -> None:
    claim = largest_check(town)
    for seat in town.seats(claim)[:8]:
        town.reveal(seat, town.vote(seat, "fail"))
    town.net.now_ms = town.round(claim).until_ms
    [ended, *_] = [each for each in town.net.settle() if "claim.ended" in kinds(each.events)]
    assert kinds(ended.events).count("seat.silent") == 7
    assert len(ended.data) < MAX_ENTRY_BYTES - LISTS_BYTES
    followed(town)


def followed(town: Scene) -> None:
    """What follows for fifty verifiers of sixteen kinds each comes at once, in entries that fit."""
    town.net.settle()
    weights = [
        kind for each in town.net.entries[-12:] for kind in kinds(each.events) if kind == "pool.weight"
    ]
    assert len(weights) > 100
    assert max(len(each.data) for each in town.net.entries) <= MAX_ENTRY_BYTES
    assert not [timer for timer in town.net.draft.timers(100) if timer.due_ms <= town.net.now_ms]


def test_the_draw_of_the_largest_panel_fits(town: Scene) -> None:
    largest_check(town)
    draws = [each for each in town.net.entries if "round.opened" in kinds(each.events)]
    assert len(draws) == 3
    assert max(len(each.data) for each in draws) < MAX_ENTRY_BYTES // 2
    assert all(each.data.count(b"\xe2\x80\x94") == 1 + MAX_WITNESSES for each in draws)


def test_who_leaves_with_many_enrolments_weighs_nothing_any_more(town: Scene) -> None:
    leaver = town.verifiers[0]
    decided = in_full(town, p.AgentRevoke, leaver, reason="r" * 256)
    assert kinds(decided.events).count("pool.weight") == 16


# -- the largest statement of each kind


def test_the_largest_statements_of_parties_fit(town: Scene) -> None:
    new, owner = Who("new"), town.rival
    fields = {"handle": "h" * 32, "owner": owner.did, "capabilities": KINDS, "pow": nonce(new.did, 4)}
    in_full(town, p.AgentRegister, new, owner, **fields)
    in_full(town, p.VerifierLeave, town.worker)
    in_full(town, p.VerifierEnroll, town.worker, task_kinds=KINDS, stake_units=1)
    in_full(town, p.AgentRotate, town.verifiers[0], Who("key"), new_key=Who("key").did)


def test_the_largest_statements_of_the_operator_fit(town: Scene) -> None:
    net = town.net
    group = [Who(f"member {number}") for number in range(14)]
    old, new = group[:7], group[7:]
    fields = {"name": "r" * 64, "coordinators": tuple(who.did for who in old), "threshold": 7}
    relay = in_full(town, p.RelayRegister, net.operator, *old, **fields).events[0]
    changed = {**fields, "relay": relay.relay, "coordinators": tuple(who.did for who in new)}  # type: ignore[attr-defined]
    assert len(in_full(town, p.RelayUpdate, old[0], *old[1:], *new, **changed).data) < MAX_ENTRY_BYTES
    in_full(town, p.RoleGrant, net.operator, party=town.rival.did, role="treasurer")
    in_full(town, p.KeyAdopt, net.operator, use="draw", key=Who("draw 2").did)


def test_the_largest_policy_fits(town: Scene) -> None:
    exact = [f"{number:02d}" + "x" * 62 for number in range(64)]
    name, lines = '"' + "n" * 64 + '"', [line.ljust(160) for line in (*longest_quorum(), *[""] * 6)]
    toml = policy_text(exact_kinds=exact, notice_ms=60_000, unbonding_ms=10**9, name=name, quorum=lines)
    decided = in_full(
        town, p.PolicyAdopt, town.net.operator, toml=toml, effective_ms=town.net.now_ms + DAY_MS
    )
    assert len(decided.data) > 60_000


def test_the_largest_statements_about_money_fit(town: Scene) -> None:
    net, agent = town.net, town.verifiers[0]
    big = {"account": agent.did, "amount_units": 2**52, "reference": "r" * 64}
    in_full(town, p.StakeDeposit, net.operator, **big)
    decided = in_full(town, p.StakeWithdraw, agent, amount_units=2**52)
    net.tick(POLICY.windows.unbonding_ms)
    withdrawal = next(event.withdrawal for event in decided.events if hasattr(event, "withdrawal"))
    in_full(town, p.StakePayout, net.operator, agent, withdrawal=withdrawal, reference="o" * 64)


def test_the_largest_statements_about_tasks_and_claims_fit(town: Scene) -> None:
    terms = town.terms("t" * 64, task_kind=KINDS[0], assignee=town.worker.did, relay=town.relay)
    in_full(town, p.TaskPost, town.requester, **terms)
    said = town.request("t" * 64)
    decided = town.net.do(padded(said, town.worker, town.net.coordinator))
    claim = decided.events[0].claim  # type: ignore[attr-defined]
    in_full(town, p.ClaimRenew, town.worker, claim=claim)
    artifacts = tuple(p.Artifact(name="n" * 100, sha256="0" * 64, size_bytes=MOST) for _ in range(64))
    in_full(town, p.OutputSubmit, town.worker, claim=claim, artifacts=artifacts)
    in_full(town, p.OutputAccept, town.requester, claim=claim)
    assert max(len(each.data) for each in town.net.entries[-4:]) < 40_000


def test_the_largest_allocation_fits_with_its_draw() -> None:
    town = Scene(Net(policy_of(max_shortlist=128, probation_ppm=500_000)), verifiers=0)
    candidates = tuple(
        town.net.join(f"candidate {number}", capabilities=(KINDS[0],)).did for number in range(128)
    )
    town.post("t" * 64, task_kind=KINDS[0], relay=town.relay)
    fields = {"relay": town.relay, "candidates": candidates, "shortlist": 128, "exclusive_ms": 1_000}
    in_full(town, p.TaskAllocate, town.net.coordinator, task="t" * 64, **fields)
    drawn = town.net.do(town.net.shortlist_draw_of("t" * 64))
    assert len(drawn.events[0].shortlist) == 128  # type: ignore[attr-defined]
    assert len(drawn.data) < MAX_ENTRY_BYTES // 2


def test_who_offers_and_checks_many_kinds_leaves_in_entries_that_fit(town: Scene) -> None:
    owner = Who("owner")
    who = town.net.join("many-sided", owner=owner, capabilities=KINDS)
    in_full(town, p.VerifierEnroll, who, task_kinds=KINDS, stake_units=1_000)
    left = in_full(town, p.AgentRevoke, who, reason="r" * 256)
    town.net.settle()
    followed_by = town.net.entries[-1]
    assert [kinds(each.events).count("pool.weight") for each in (left, followed_by)] == [16, 32]
    assert len(followed_by.data) <= MAX_ENTRY_BYTES


def test_the_largest_opening_of_items_fits(town: Scene) -> None:
    claim = town.drawn("t1", **town.batch_task(100_000), task_kind=KINDS[0])
    seats = town.seats(claim)
    shut = [(seat, index) for seat in seats for index in town.items_of(seat)]
    for seat, index in shut[:-16]:
        town.net.say(p.ItemsOpen, town.worker, seat=seat.id, items=town.opening([index]))
    last = [index for _, index in shut[-16:]]
    decided = in_full(town, p.ItemsOpen, town.worker, seat=seats[-1].id, items=town.opening(last))
    assert "phase.began" in kinds(decided.events)


def test_an_entry_that_would_not_fit_is_refused_and_changes_nothing(
    town: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rulebook, "MAX_ENTRY_BYTES", 1_000)
    town.net.refuses("too-large", p.TaskPost, town.requester, **town.terms("t1"))


# -- bytes


def test_entries_are_what_json_dumps_makes_of_them(town: Scene) -> None:
    for decided in town.net.entries:
        parsed = json.loads(decided.data)
        assert json.dumps(parsed, separators=(",", ":"), ensure_ascii=False).encode() == decided.data
        assert list(parsed) == ["v", "at_ms", "command", "events"]


def test_events_have_no_escapes_whatever_the_payload_says(town: Scene) -> None:
    artifact = msgspec.structs.replace(ARTIFACT, name="a b ~!#")
    claim = town.claimed("t1", task_kind=KINDS[0])
    decided = town.net.do(town.output(claim, artifacts=(artifact,)))
    assert b"\\" not in decided.data
    assert decided.data.isascii()


@pytest.mark.parametrize(
    "change",
    [
        {"v": 2},
        {"events": [{"kind": "money.printed"}]},
        {"events": [{"kind": "party.left", "party": "a", "how": "b", "more": 1}]},
        {"command": {}},
        {"command": {"clock": [], "draw": {"for": "x", "beacons": []}}},
        {"command": {"wish": 1}},
        {"at_ms": "now"},
        {"more": 1},
    ],
)
def test_bytes_that_are_no_entry_are_refused(town: Scene, change: dict[str, object]) -> None:
    good = json.loads(town.net.entries[-1].data)
    with pytest.raises(InvalidEntry):
        decode_entry(json.dumps({**good, **change}).encode())


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"\xff", b"[" * 100_000, b"null"])
def test_nonsense_is_no_entry(data: bytes) -> None:
    with pytest.raises(InvalidEntry):
        decode_entry(data)


def test_an_id_follows_from_command_place_and_number() -> None:
    ids = {
        derive_id(prefix, command, index, serial)
        for prefix in ("clm_", "seat_")
        for command in (b"a", b"b")
        for index in (0, 1)
        for serial in (1, 2)
    }
    assert len(ids) == 16
    assert derive_id("clm_", b"a", 0, 1) == derive_id("clm_", b"a", 0, 1)
    assert all(msgspec.convert(id, p.Id) == id for id in ids)
