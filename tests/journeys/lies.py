"""The lies themselves, each by its name, and what an audit says of the entry that each makes false."""

from __future__ import annotations

import json
from collections.abc import Callable

from msgspec.structs import replace

from tests.audit.networks import NAMES, did, seed_of
from tests.journeys.liars import Json, Liar, Lie, event_of, forged, moved
from trust.core import commands
from trust.core.entry import encode_entry
from trust.core.payloads import AgentRotate, OutputOpen, StakeDeposit, VoteCommit
from trust.core.records import AdoptedPolicy, Booking, Key, Party, Pool, Said, Seat, Slot, Task
from trust.core.sampling import sumtree, vrf

LEASE_MS = 30_000
STAKE = 200
LIES: dict[str, tuple[str, Callable[[], Lie]]] = {}
"""Every lie by its name, with what the finding says of it."""


def lie(name: str, reason: str) -> Callable[[Callable[[], Lie]], Callable[[], Lie]]:
    """Registers a lie."""

    def registered(tell: Callable[[], Lie]) -> Callable[[], Lie]:
        LIES[name] = reason, tell
        return tell

    return registered


# -- the log itself, hashed and signed anew


@lie("a byte changed in a stored entry", r"the rules make .* where it says")
def _() -> Lie:
    liar = Liar()
    liar.claimed("bob")
    index = len(liar.entries) - 1
    entries = [*liar.at(index).entries]
    entries[index] = entries[index].replace(b'"stake_units":200', b'"stake_units":201')
    return Lie(entries, index)


@lie("an entry removed", "unknown-agent")
def _() -> Lie:
    liar = Liar()
    index = len(liar.entries)
    liar.register("dora", deposit=5)
    entries = [*liar.last().entries]
    del entries[index]
    return Lie(entries, index)


@lie("an entry inserted", "issued-in-future")
def _() -> Lie:
    liar = Liar()
    index, entries = len(liar.entries) - 2, [*liar.entries]
    liar.wait(60_000)
    said = liar.statement(StakeDeposit, "operator", account=did("bob"), amount_units=9, reference="late")
    before_ms = json.loads(entries[index - 1])["at_ms"]
    entries.insert(index, encode_entry(before_ms, commands.bytes_of(said), []))
    return Lie(entries, index)


@lie("two entries reordered", "unknown-agent")
def _() -> Lie:
    liar = Liar()
    index = len(liar.entries)
    liar.register("dora", deposit=5)
    entries = [*liar.last().entries]
    entries[index : index + 2] = reversed(entries[index : index + 2])
    return Lie(entries, index)


# -- claims and money


@lie("a claim given to the second", "already-claimed")
def _() -> Lie:
    liar = Liar()
    posted = liar.post("alice", "review")
    free = liar.need(Task, "review")
    liar.claim("bob", "review", posted, liar.by)
    liar.forget(liar.need(Task, "review"), free)
    liar.claim("carol", "review", posted, liar.by)
    return liar.last()


@lie("a winner who never asked", "claim.opened")
def _() -> Lie:
    liar = Liar()
    liar.twist("claim.opened", lambda entry: event_of(entry, "claim.opened").update(worker=did("carol")))
    liar.claimed("bob")
    return liar.told()


@lie("a stake not locked", "2 events where it has 1")
def _() -> Lie:
    liar = Liar()
    liar.twist("claim.opened", lambda entry: entry["events"].pop())
    liar.claimed("bob")
    return liar.told()


@lie("a check rate lowered for a friend", "rate_ppm")
def _() -> Lie:
    liar = Liar()
    liar.twist("claim.opened", lambda entry: event_of(entry, "claim.opened").update(rate_ppm=50_000))
    liar.claimed("bob")
    return liar.told()


def _slashed(entry: Json) -> None:
    stake, units = moved(entry, "stake.return")["postings"][0]
    taken = {
        "kind": "money.moved",
        "why": "slash.failed-check",
        "postings": [[stake, units], ["burn", -units]],
    }
    entry["events"][entry["events"].index(moved(entry, "stake.return"))] = taken


@lie("a slash without cause", "stake.return.*slash.failed-check")
def _() -> Lie:
    liar = Liar()
    liar.checked("bob", "pass")
    liar.twist("claim.ended", _slashed)
    liar.wait(3_000)
    return liar.told()


@lie("a slash too large", "slash.liveness")
def _() -> Lie:
    liar = Liar()
    liar.claimed("bob")

    def take_half(entry: Json) -> None:
        for event, units in (
            (moved(entry, "slash.liveness"), 100),
            (moved(entry, "stake.return"), STAKE - 100),
        ):
            (source, _), (target, _) = event["postings"]
            event["postings"] = [[source, -units], [target, units]]

    liar.twist("claim.ended", take_half)
    liar.wait(LEASE_MS + 1_000)
    return liar.told()


@lie("a slash not executed", "slash.failed-check")
def _() -> Lie:
    liar = Liar()
    liar.checked("mallory", "fail")
    liar.twist("claim.ended", lambda entry: entry["events"].remove(moved(entry, "slash.failed-check")))
    liar.wait(3_000)
    return liar.told()


@lie("a posting that does not balance", "money.moved")
def _() -> Lie:
    liar = Liar()

    def print_money(entry: Json) -> None:
        moved(entry, "deposit")["postings"][1][1] += 1

    liar.twist("reference.booked", print_money)
    liar.deposit(did("bob"), 5)
    return liar.told()


@lie("an observation that nobody earned", "agent.observed")
def _() -> Lie:
    liar = Liar()
    liar.checked("bob", "pass")
    liar.twist("claim.ended", lambda entry: moved(entry, "verdict").update(good_milli=9_000))
    liar.wait(3_000)
    return liar.told()


# -- panels and votes


@lie("a panel that was not drawn", "round.opened")
def _() -> Lie:
    liar = Liar()

    def pack(entry: Json) -> None:
        seats = event_of(entry, "round.opened")["seats"]
        seats[0][1:], seats[1][1:] = seats[1][1:], seats[0][1:]

    liar.twist("round.opened", pack)
    liar.drawn("bob")
    return liar.told()


@lie("a VRF proof of another input", "the VRF proof does not hold")
def _() -> Lie:
    return _redrawn("draw", lambda liar: b"whatever suits me")


@lie("a VRF proof of another key", "bad-draw")
def _() -> Lie:
    return _redrawn("log", lambda liar: liar.proofs[-1][1])


def _redrawn(key: str, alpha: Callable[[Liar], bytes]) -> Lie:
    liar = Liar()

    def redraw(entry: Json) -> None:
        pi = vrf.prove(seed_of(key), alpha(liar))
        told = {"key": did(key), "pi": pi.hex(), "beta": vrf.proof_to_hash(pi).hex()}
        entry["command"]["draw"]["beacons"][0].update(told)

    liar.twist("coin.tossed", redraw)
    liar.drawn("bob")
    return liar.told()


@lie("a seal with a wrong weight", "the slots of verifiers/code-review")
def _() -> Lie:
    liar = Liar()
    liar.register("verifier-8", deposit=9_000, verifies=True)
    liar.now_ms += 1_000
    liar.settle()
    pool = liar.need(Pool, "verifiers/code-review")
    slots = [liar.need(Slot, f"{pool.id}/{number}") for number in range(9)]
    weights = [slot.weight * 2 if slot.number == 0 else slot.weight for slot in slots]
    pairs = [
        sumtree.Slot(slot.agent, slot.owner, weight) for slot, weight in zip(slots, weights, strict=True)
    ]
    root = sumtree.build(pairs, lambda digest, data: None)
    honest = liar.seal(pool)
    liar.decide(replace(honest, root=root.digest.hex(), total=root.total))
    return liar.last()


@lie("a vote changed after the reveal", "vote.revealed")
def _() -> Lie:
    liar = Liar()
    liar.twist("vote.revealed", lambda entry: event_of(entry, "vote.revealed").update(verdict="pass"))
    liar.checked("mallory", "fail")
    return liar.told()


@lie("a tally that is wrong", "verdict.reached")
def _() -> Lie:
    liar = Liar()
    liar.twist("verdict.reached", lambda entry: event_of(entry, "verdict.reached").update(verdict="pass"))
    liar.checked("mallory", "fail")
    liar.wait(3_000)
    return liar.told()


@lie("a commit accepted twice", "the rules refuse it: .*commit")
def _() -> Lie:
    liar = Liar()
    claim = liar.drawn("bob")
    liar.say(OutputOpen, "bob", claim=claim)
    seat = liar.need(Seat, liar.panel(claim).seats[0])
    for digit in "01":
        liar.state.put_all([seat])
        liar.say(VoteCommit, NAMES[seat.agent], seat=seat.id, commitment=digit * 64)
    return liar.last()


# -- time, keys and terms


@lie("a deadline not settled in time", "challenge of clm_.* is not settled")
def _() -> Lie:
    liar = Liar()
    liar.checked("mallory", "fail")
    return _overslept(liar, 2_000)


@lie("an expired lease not expired", "lease of clm_.* is not settled")
def _() -> Lie:
    liar = Liar()
    liar.claimed("mallory")
    return _overslept(liar, LEASE_MS)


def _overslept(liar: Liar, ms: int) -> Lie:
    liar.wait(900)
    liar.asleep = True
    liar.now_ms += ms
    liar.deposit(did("alice"), 1)
    index = len(liar.entries) - 1
    liar.asleep = False
    return liar.at(index)


@lie("a policy changed without an entry", '"stake_units":100.*"stake_units":1,')
def _() -> Lie:
    liar = Liar()
    adopted = liar.need(AdoptedPolicy, "0")
    cheap = replace(adopted.terms, claims=replace(adopted.terms.claims, min_stake_units=1))
    liar.state.put_all([replace(adopted, terms=cheap)])
    index = liar.post("alice", "review")
    liar.claim("bob", "review", index, liar.by, stake=99)
    return liar.at(index)


@lie("time going back", "time goes back")
def _() -> Lie:
    liar = Liar()
    liar.deposit(did("bob"), 1)
    liar.now_ms -= 1
    liar.deposit(did("bob"), 2)
    return liar.last()


@lie("a statement replayed", "repeated")
def _() -> Lie:
    liar = Liar()
    said = liar.statement(StakeDeposit, "operator", account=did("bob"), amount_units=9, reference="once")
    liar.decide(said)
    remembered = [key for key in liar.state.records if key[0] is Said and key[1].endswith(said.id)]
    liar.forget(liar.need(Said, remembered[0][1]), None)
    liar.forget(liar.need(Booking, "once"), None)
    liar.decide(said)
    return liar.last()


@lie("an agent's statement forged", "the signature of .* does not hold")
def _() -> Lie:
    liar = Liar()
    honest = liar.statement(StakeDeposit, "operator", account=did("bob"), amount_units=9, reference="mine")
    liar.decide(forged(honest, "mallory"))
    return liar.last()


@lie("a key used after its rotation", "retired-key")
def _() -> Lie:
    liar = Liar()
    party, key = liar.need(Party, did("bob")), liar.need(Key, did("bob"))
    liar.say(AgentRotate, "bob", ["bob's new key"], new_key=did("bob's new key"))
    liar.forget(liar.need(Party, did("bob")), party)
    liar.forget(liar.need(Key, did("bob")), key)
    liar.claimed("bob")
    return liar.last()
