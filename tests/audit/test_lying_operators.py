"""An operator who writes a false entry, hashes it and signs the log over it: caught at that entry, with the reason.

Each lie is consistent with itself as far as it can be: whoever only checks proofs sees nothing.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.audit.conftest import played
from tests.audit.networks import T0_MS, World, did, publish, seed_of, signer
from trust.audit.auditing import audit
from trust.audit.report import CannotCheck, Finding
from trust.cli import run
from trust.cli.failures import CANNOT_CHECK
from trust.core.commands import bytes_of
from trust.core.entry import encode_entry
from trust.core.events import RulesAnnounced
from trust.core.payloads import RulesAdopt, StakeDeposit
from trust.core.records import Pool, Slot
from trust.core.sampling import sumtree, vrf

VKEY = str(signer().verifier)
Json = dict[str, Any]


def caught(folder: Path, entries: list[bytes]) -> Finding:
    """What an audit finds in a log of these entries, with hashes and signature to match."""
    report = audit(str(publish(folder, entries, signer())), VKEY)
    assert not report.ok
    return report.findings[0]


def find(world: World, event: str, *, command: str = "", nth: int = 0) -> int:
    """The index of the n-th entry with such an event, under such a command."""
    entries = [json.loads(data) for data in world.entries]
    found = [
        index
        for index, entry in enumerate(entries)
        if any(each["kind"] == event for each in entry["events"]) and command in (*entry["command"], "")
    ]
    return found[nth]


def altered(world: World, index: int, change: Callable[[Json], None]) -> list[bytes]:
    """The entries with one of them changed, in canonical bytes."""
    entry = json.loads(world.entries[index])
    change(entry)
    data = json.dumps(entry, separators=(",", ":")).encode()
    assert data != world.entries[index]
    return [*world.entries[:index], data, *world.entries[index + 1 :]]


def event_of(entry: Json, kind: str) -> Json:
    """The first event of this kind."""
    found: Json = next(event for event in entry["events"] if event["kind"] == kind)
    return found


def test_another_winner(world: World, tmp_path: Path) -> None:
    index = find(world, "claim.opened")

    def crown(entry: Json) -> None:
        event_of(entry, "claim.opened")["worker"] = did("mallory")
        event_of(entry, "money.moved")["postings"][0][0] = f"agent/{did('mallory')}/free"

    found = caught(tmp_path, altered(world, index, crown))
    assert found.index == index
    assert did("bob") in found.reason
    assert did("mallory") in found.reason


def test_a_stake_that_is_not_locked(world: World, tmp_path: Path) -> None:
    index = find(world, "claim.opened")
    found = caught(tmp_path, altered(world, index, lambda entry: entry["events"].pop()))
    assert (found.index, found.reason) == (index, "the rules make 2 events where it has 1")


def test_a_posting_that_does_not_balance(world: World, tmp_path: Path) -> None:
    index = find(world, "money.moved")

    def print_money(entry: Json) -> None:
        event_of(entry, "money.moved")["postings"][1][1] += 1

    found = caught(tmp_path, altered(world, index, print_money))
    assert found.index == index
    assert "money.moved" in found.reason


def test_a_lower_slash_than_the_policy_says(world: World, tmp_path: Path) -> None:
    index = find(world, "claim.ended", command="clock", nth=1)

    def spare(entry: Json) -> None:
        slash = next(event for event in entry["events"] if event.get("why") == "slash.failed-check")
        slash["postings"] = [[account, units // 2] for account, units in slash["postings"]]

    found = caught(tmp_path, altered(world, index, spare))
    assert found.index == index
    assert "slash.failed-check" in found.reason


@pytest.mark.parametrize(("event", "kind"), [("claim.ended", "challenge"), ("hold.released", "evidence")])
def test_a_deadline_that_is_not_settled(world: World, tmp_path: Path, event: str, kind: str) -> None:
    index = find(world, event, command="clock")
    after = next(
        later for later in range(index + 1, 300) if "statement" in json.loads(world.entries[later])["command"]
    )
    found = caught(tmp_path, [*world.entries[:index], *world.entries[after:]])
    assert found.index == index
    assert found.reason.startswith(f"{kind} of clm_")
    assert found.reason.endswith("is not settled")


def test_a_deadline_that_is_settled_early(world: World, tmp_path: Path) -> None:
    index = find(world, "hold.released", command="clock")
    early = altered(world, index, lambda entry: entry.update(at_ms=entry["at_ms"] - 1))
    found = caught(tmp_path, early)
    assert (found.index, found.reason) == (index, "nothing was due at the time of this clock entry")


def test_time_going_back(world: World, tmp_path: Path) -> None:
    entries = altered(world, 299, lambda entry: entry.update(at_ms=T0_MS))
    found = caught(tmp_path, entries)
    assert found.index == 299
    assert found.reason.startswith("time goes back")


def test_a_statement_that_nobody_signed(world: World, tmp_path: Path) -> None:
    index = find(world, "money.moved")

    def forge(entry: Json) -> None:
        envelope = entry["command"]["statement"]
        payload = base64.b64decode(envelope["payload"]).replace(
            b'"amount_units":100000', b'"amount_units":900000'
        )
        envelope["payload"] = base64.b64encode(payload).decode()
        event_of(entry, "money.moved")["postings"] = [["external", -900_000], ["operator/bond", 900_000]]

    found = caught(tmp_path, altered(world, index, forge))
    assert (found.index, found.reason) == (index, f"the signature of {did('operator')} does not hold")


def test_a_statement_signed_by_somebody_else(tmp_path: Path) -> None:
    world = played()
    said = world.statement(StakeDeposit, "bob", account=did("bob"), amount_units=1, reference="mine")
    data = encode_entry(world.now_ms, bytes_of(said), [])
    found = caught(tmp_path, [*world.entries, data])
    assert found.index == 300
    assert "not-treasurer" in found.reason


def test_signatures_out_of_order(world: World, tmp_path: Path) -> None:
    index = find(world, "claim.opened")
    entries = altered(world, index, lambda entry: entry["command"]["statement"]["signatures"].reverse())
    found = caught(tmp_path, entries)
    assert found.index == index
    assert "order" in found.reason


def test_a_statement_that_is_repeated(world: World, tmp_path: Path) -> None:
    found = caught(tmp_path, [*world.entries, world.entries[299]])
    assert found.index == 300
    assert "repeated" in found.reason
    assert "entry 299" in found.reason


def test_a_statement_that_had_expired(world: World, tmp_path: Path) -> None:
    late = altered(world, 299, lambda entry: entry.update(at_ms=entry["at_ms"] + 600_000))
    found = caught(tmp_path, late)
    assert found.index == 299
    assert "expired" in found.reason


def test_a_seal_in_which_a_verifier_weighs_more_than_it_should(tmp_path: Path) -> None:
    found, index = caught_seal(tmp_path, lambda number, weight: weight * 2 if number == 0 else weight)
    assert found.index == index
    assert found.reason.startswith("the slots of verifiers/code-review")


def test_a_seal_that_leaves_a_verifier_out(tmp_path: Path) -> None:
    found, index = caught_seal(tmp_path, lambda number, weight: 0 if number == 3 else weight)
    assert found.index == index


def test_a_seal_that_hides_a_heavy_owner(tmp_path: Path) -> None:
    found, index = caught_seal(tmp_path, lambda number, weight: weight, heavy=())
    assert found.index == index


def test_a_seal_of_scores_that_are_not_the_record(world: World, tmp_path: Path) -> None:
    index = next(
        index
        for index, data in enumerate(world.entries)
        if json.loads(data)["command"].get("seal", {}).get("of") == "scores"
    )

    def flatter(entry: Json) -> None:
        for said in (entry["command"]["seal"], event_of(entry, "pool.sealed")):
            said["root"] = "00" * 32

    found = caught(tmp_path, altered(world, index, flatter))
    assert found.index == index
    assert found.reason.startswith("the records of scores")


@pytest.mark.parametrize("counts", [{"members": 90}, {"owners": 90}], ids=["members", "owners"])
def test_a_seal_that_counts_more_than_there_are(tmp_path: Path, counts: dict[str, int]) -> None:
    found, index = caught_seal(tmp_path, lambda number, weight: weight, **counts)
    assert found.index == index
    assert "90" in found.reason


def caught_seal(folder: Path, weigh: Callable[[int, int], int], **others: Any) -> tuple[Finding, int]:
    """What is found where the second seal, and all that follows, comes from other weights."""
    world = World()
    for number in range(8):
        world.register(f"verifier-{number}", deposit=5_000, verifies=True)
    world.wait(1_000)
    world.register("verifier-8", deposit=9_000, verifies=True)
    world.now_ms += 1_000
    world.settle()
    pool = world.need(Pool, "verifiers/code-review")
    nodes: dict[bytes, bytes] = {}
    slots = [world.need(Slot, f"{pool.id}/{number}") for number in range(9)]
    root = sumtree.build(
        [sumtree.Slot(slot.agent, slot.owner, weigh(slot.number, slot.weight)) for slot in slots],
        nodes.__setitem__,
    )
    honest = world.seal(pool)
    assert honest.heavy
    false = replace(honest, **({"root": root.digest.hex(), "total": root.total} | others))
    index = world.decide(false).index
    world.deposit("operator/bond", 5)
    return caught(folder, world.entries), index


def test_a_draw_with_the_proof_of_another_input(world: World, tmp_path: Path) -> None:
    index = find(world, "coin.tossed")
    pi = vrf.prove(seed_of("draw"), b"whatever suits me")

    def redraw(entry: Json) -> None:
        beacon = entry["command"]["draw"]["beacons"][0]
        beacon.update(pi=pi.hex(), beta=vrf.proof_to_hash(pi).hex())

    found = caught(tmp_path, altered(world, index, redraw))
    assert found.index == index
    assert "the VRF proof does not hold" in found.reason


def test_a_draw_by_another_key(world: World, tmp_path: Path) -> None:
    index = find(world, "coin.tossed")
    _, alpha, _ = world.proofs[0]
    pi = vrf.prove(seed_of("log"), alpha)

    def redraw(entry: Json) -> None:
        beacon = entry["command"]["draw"]["beacons"][0]
        beacon.update(key=did("log"), pi=pi.hex(), beta=vrf.proof_to_hash(pi).hex())

    found = caught(tmp_path, altered(world, index, redraw))
    assert found.index == index
    assert "bad-draw" in found.reason


def test_a_panel_that_was_not_drawn(world: World, tmp_path: Path) -> None:
    index = find(world, "round.opened")

    def pack(entry: Json) -> None:
        seats = event_of(entry, "round.opened")["seats"]
        seats[0][1:], seats[1][1:] = seats[1][1:], seats[0][1:]

    found = caught(tmp_path, altered(world, index, pack))
    assert found.index == index
    assert "round.opened" in found.reason


def test_a_verdict_that_the_panel_did_not_reach(world: World, tmp_path: Path) -> None:
    index = find(world, "verdict.reached")
    entries = altered(world, index, lambda entry: event_of(entry, "verdict.reached").update(verdict="fail"))
    found = caught(tmp_path, entries)
    assert found.index == index


def test_bytes_that_are_not_canonical(world: World, tmp_path: Path) -> None:
    spaced = world.entries[299].replace(b'{"v":1,', b'{"v": 1,')
    found = caught(tmp_path, [*world.entries[:299], spaced])
    assert (found.index, found.reason) == (299, "its bytes are not the ones that the rules make")


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"null", b'{"v":1,"at_ms":0,"command":{},"events":[]}', b"\xff"]
)
def test_what_is_no_entry(world: World, tmp_path: Path, data: bytes) -> None:
    assert caught(tmp_path, [*world.entries[:299], data]).index == 299


def test_a_second_genesis(world: World, tmp_path: Path) -> None:
    again = altered(world, 0, lambda entry: entry.update(at_ms=json.loads(world.entries[299])["at_ms"]))
    found = caught(tmp_path, [*world.entries, again[0]])
    assert found.index == 300
    assert "network-exists" in found.reason


# -- what another release would know


def test_a_genesis_of_rules_unknown_here_is_no_finding(world: World, tmp_path: Path) -> None:
    def renew(entry: Json) -> None:
        entry["command"]["genesis"].update(rules=7)

    publish(tmp_path, altered(world, 0, renew), signer())
    with pytest.raises(CannotCheck, match="newer"):
        audit(str(tmp_path), VKEY)


def test_a_genesis_with_terms_unknown_here_is_no_finding_when_its_rules_are(
    world: World, tmp_path: Path
) -> None:
    def renew(entry: Json) -> None:
        entry["command"]["genesis"].update(rules=7, insurance={})

    publish(tmp_path, altered(world, 0, renew), signer())
    with pytest.raises(CannotCheck, match="newer"):
        audit(str(tmp_path), VKEY)


@pytest.mark.parametrize("also", [{}, {"insurance": {}}], ids=["terms of today", "terms of its own"])
def test_a_log_of_rules_1_needs_the_release_that_had_them(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str], also: Json
) -> None:
    def age(entry: Json) -> None:
        entry["command"]["genesis"].update(rules=1, **also)

    publish(tmp_path, altered(world, 0, age), signer())
    assert run(["audit", str(tmp_path), "--key", VKEY]) == CANNOT_CHECK
    assert "needs trust 0.1" in capsys.readouterr().err


def test_adopting_rules_unknown_here_is_no_finding_and_names_the_release(tmp_path: Path) -> None:
    world = World()
    effective_ms = world.now_ms + 86_400_000
    said = world.statement(
        RulesAdopt, "operator", rules=7, release="2.5.0", source_sha256="0" * 64, effective_ms=effective_ms
    )
    event = RulesAnnounced(rules=7, release="2.5.0", source_sha256="0" * 64, effective_ms=effective_ms)
    publish(tmp_path, [*world.entries, encode_entry(world.now_ms, bytes_of(said), [event])], signer())
    with pytest.raises(CannotCheck, match=r"needs trust >= 2\.5\.0"):
        audit(str(tmp_path), VKEY)


@pytest.mark.parametrize("field", ["t0_ms", "slow_half_life_ms", "fast_half_life_ms"])
@pytest.mark.parametrize("value", [0, -1, 2**53, 2**80])
def test_a_genesis_with_numbers_out_of_range(world: World, tmp_path: Path, field: str, value: int) -> None:
    """Where the rules can live with it, it is at least not what they made."""

    def inflate(entry: Json) -> None:
        entry["command"]["genesis"][field] = value

    assert caught(tmp_path, altered(world, 0, inflate)).index == 0


@pytest.mark.parametrize("at_ms", [-1, 2**53, 2**70])
def test_a_time_out_of_range(world: World, tmp_path: Path, at_ms: int) -> None:
    found = caught(tmp_path, altered(world, 299, lambda entry: entry.update(at_ms=at_ms)))
    assert found.index == 299


def test_a_log_whose_clock_ran_ahead_of_the_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    monkeypatch.setattr("trust.clock.now_ms", lambda: world.now_ms - 31_000)
    found = caught(tmp_path, world.entries)
    assert found.index == len(world.entries) - 1
    assert "its time is 31 s ahead of this machine's clock" in found.reason
    monkeypatch.setattr("trust.clock.now_ms", lambda: world.now_ms - 30_000)
    assert audit(str(tmp_path), VKEY).ok
