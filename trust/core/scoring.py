"""The named scores as the state has them at its time, and what a pool weighs by them (docs/reputation.md 2 and 4)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import msgspec

from trust.core import ledger, rawsums, reputation
from trust.core.decay import decayed
from trust.core.events import NETWORK
from trust.core.policy import Policy
from trust.core.rawsums import Reading, Sums
from trust.core.records import AdoptedPolicy, Lapses, Liveness, Network, Pairing, Party, Rater, Score
from trust.core.state import View

EMPTY = Reading(0, 0, 0, 0)
PPM = 1_000_000
ACCURACY_STEP_PPM = 100_000


def verifier_pool(task_kind: str) -> str:
    """The id of the pool of those who check work of this kind."""
    return f"verifiers/{task_kind}"


def worker_pool(task_kind: str) -> str:
    """The id of the pool of those who offer work of this kind, by what their record says."""
    return f"workers/{task_kind}"


def probation_pool(task_kind: str) -> str:
    """The id of the pool of those among them whom nobody knows yet."""
    return f"probation/{task_kind}"


def network_of(view: View) -> Network:
    """The network that a state is of, which has its genesis."""
    network = view.get(Network, NETWORK)
    assert network is not None
    return network


def _policy(view: View) -> Policy:
    adopted = view.get(AdoptedPolicy, str(network_of(view).policy))
    assert adopted is not None
    return adopted.terms


def reading(view: View, agent: str, role: str, task_kind: str, at_ms: int) -> Reading:
    """The decayed observations of one record at `at_ms`."""
    score = view.get(Score, f"{agent}/{role}/{task_kind}")
    return EMPTY if score is None else rawsums.read(rawsums.stored(score), network_of(view), at_ms)


def priority_ppm(view: View, agent: str, task_kind: str, at_ms: int) -> int:
    """P of a worker in a task kind."""
    return reputation.priority_ppm(reading(view, agent, "worker", task_kind, at_ms))


def accuracy_ppm(view: View, agent: str, task_kind: str, at_ms: int) -> int:
    """The expected read-out of a verifier in a task kind."""
    return reputation.expected_ppm(reading(view, agent, "verifier", task_kind, at_ms))


def weight(view: View, party: Party, task_kind: str) -> int:
    """min(stake, cap) * accuracy in steps: what a verifier weighs in its pool (docs/rules.md 6.3); 0 under half of the
    stake that enrolling takes, so that who staked the least is not out by its first fault."""
    policy = _policy(view)
    staked = ledger.balance(view, ledger.verifier_stake(party.id))
    if party.left or 2 * staked < policy.verifier_stake_units:
        return 0
    steps = accuracy_ppm(view, party.id, task_kind, view.at_ms) // ACCURACY_STEP_PPM
    return ledger.share(min(staked, policy.verifiers.weight_cap_units), steps * ACCURACY_STEP_PPM)


def worker_weight(view: View, party: Party, task_kind: str) -> int:
    """1 + P^4 in billionths: what a worker weighs in the pool of its kind (docs/reputation.md 4); 0 once it has left.

    The 1 keeps those who are there apart from those who left, and makes them all equally likely while no record says
    anything; beside one record that does, a thousand of them weigh nothing.
    """
    if party.left:
        return 0
    return 1 + priority_ppm(view, party.id, task_kind, view.at_ms) ** 4 // 10**15


def probation_weight(view: View, party: Party, task_kind: str) -> int:
    """1 while a worker is in the probation lane of this kind, by the policy in force; else 0. Only names that have paid
    are in it: a lane of names that cost nothing would be full of those of cheats."""
    policy = _policy(view)
    needed = policy.registration.name_bond_units
    paid = not needed or ledger.balance(view, ledger.name_bond(party.id)) >= needed
    few = policy.allocation.probation_milli
    return int(not party.left and paid and observed_milli(view, party.id, task_kind) < few)


def observed_milli(view: View, agent: str, task_kind: str) -> int:
    """The decayed observations of a worker in a task kind, good and bad, in milli-units."""
    record = reading(view, agent, "worker", task_kind, view.at_ms)
    return record.good_slow + record.bad_slow


def lapses_milli(view: View, owner: str, task_kind: str) -> int:
    """The decayed count of allocations that came to nothing through requesters of this owner."""
    lapses = view.get(Lapses, f"{owner}/{task_kind}")
    return 0 if lapses is None else decayed_milli(view, lapses.count, view.at_ms)


def decayed_milli(view: View, packed: bytes, at_ms: int) -> int:
    """A packed slow sum at `at_ms`, in milli-units."""
    network = network_of(view)
    return decayed(rawsums.unpack(packed), at_ms, network.t0_ms, network.slow_half_life_ms)


def praised_milli(view: View, agent: str, task_kind: str, owner: str, at_ms: int) -> int:
    """The decayed count of earlier good events of this agent from this counterparty's owner."""
    pairing = view.get(Pairing, f"{agent}/{task_kind}/{owner}")
    return 0 if pairing is None else decayed_milli(view, pairing.good, at_ms)


def rater_ppm(view: View, requester: str) -> int:
    """Returns the weight of a requester's acceptances in ppm."""
    rater = view.get(Rater, requester)
    if rater is None:
        return reputation.rater_weight_ppm(0, 0)
    return reputation.rater_weight_ppm(rater.agree_milli, rater.against_milli)


def liveness_ppm(view: View, agent: str, at_ms: int) -> int:
    """The decayed share of an agent's claims that it finished."""
    record = view.get(Liveness, agent)
    if record is None:
        return reputation.liveness_ppm(0, 0)
    return _live_ppm(record.done, record.expired, network_of(view), at_ms)


def _live_ppm(done: bytes, expired: bytes, network: Network, at_ms: int) -> int:
    growth = at_ms, network.t0_ms, network.slow_half_life_ms
    return reputation.liveness_ppm(
        decayed(rawsums.unpack(done), *growth), decayed(rawsums.unpack(expired), *growth)
    )


class Candidate(msgspec.Struct, frozen=True):
    """One agent among others for a task kind; `rank_ppm` is P x liveness x (1 + min(1, stake/reference))."""

    agent: str
    eligible: bool
    reason: str
    rank_ppm: int
    priority_ppm: int
    expected_ppm: int
    interval_ppm: tuple[int, int]
    liveness_ppm: int
    stake_units: int
    observations_milli: int


class Entrant(msgspec.Struct, frozen=True):
    """The inputs of an agent's rank: the reason why it may not claim now ("" if it may), the units that it has to
    stake, free and locked, and its packed sums: those of its record in the order of `Sums`, and of its finished and
    expired claims."""

    agent: str
    reason: str
    stake_units: int
    sums: tuple[bytes, ...] = ()
    done: bytes = b""
    expired: bytes = b""


def priorities(
    view: View, task_kind: str, agents: Sequence[str], task: str = "", locked: dict[str, int] | None = None
) -> list[Candidate]:
    """Candidates in the order in which a relay should prefer them; `locked` is what each has in stakes beside its free
    money."""
    entrants = [_entrant(view, agent, task_kind, (locked or {}).get(agent, 0)) for agent in agents]
    return ranked(view, entrants, task or task_kind)


def ranked(view: View, entrants: Iterable[Entrant], salt: str) -> list[Candidate]:
    """Entrants as candidates, in order (docs/reputation.md 4): ineligible ones last, ties by a hash of `salt` (the
    task, or the kind where there is none) and agent. Of `view` it reads what holds for all.
    """
    network, reference = network_of(view), _policy(view).reputation.stake_reference_units
    candidates = [_candidate(entrant, network, reference, view.at_ms) for entrant in entrants]
    return sorted(candidates, key=lambda each: (not each.eligible, -each.rank_ppm, _tie(salt, each.agent)))


def _tie(salt: str, agent: str) -> bytes:
    return hashlib.sha256(f"{salt}\n{agent}".encode()).digest()


def _candidate(entrant: Entrant, network: Network, reference: int, at_ms: int) -> Candidate:
    record = EMPTY
    if entrant.sums:
        record = rawsums.read(Sums(*map(rawsums.unpack, entrant.sums)), network, at_ms)
    bound = reputation.slow_bound_ppm(record)
    priority = reputation.priority_ppm(record, bound)
    live = _live_ppm(entrant.done, entrant.expired, network, at_ms)
    backing = PPM + min(PPM, entrant.stake_units * PPM // reference)
    return Candidate(
        agent=entrant.agent,
        eligible=not entrant.reason,
        reason=entrant.reason,
        rank_ppm=priority * live * backing // PPM**2,
        priority_ppm=priority,
        expected_ppm=reputation.expected_ppm(record),
        interval_ppm=reputation.interval_ppm(record, bound),
        liveness_ppm=live,
        stake_units=entrant.stake_units,
        observations_milli=record.good_slow + record.bad_slow,
    )


def _entrant(view: View, agent: str, task_kind: str, locked: int) -> Entrant:
    party, live = view.get(Party, agent), view.get(Liveness, agent)
    score = view.get(Score, f"{agent}/worker/{task_kind}")
    reason = "unknown-agent"
    if party is not None:
        reason = why_not(party.left, party.jailed_until_ms, task_kind in party.capabilities, view.at_ms)
    return Entrant(
        agent,
        reason,
        ledger.balance(view, ledger.free(agent)) + locked,
        rawsums.packed(score) if score else (),
        live.done if live else b"",
        live.expired if live else b"",
    )


def why_not(left: str, jailed_until_ms: int, capable: bool, at_ms: int) -> str:
    """Returns the reason why a party may not claim work of a kind now, in a word; "" where it may."""
    if left:
        return left
    if jailed_until_ms > at_ms:
        return "jailed"
    return "" if capable else "not-capable"
