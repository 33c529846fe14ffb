"""Named scores as of the log's head: what a relay ranks candidates by, and what an agent's record says.

The same `core.scoring` that decides reads them, over the same records, so anyone with the log gets the same ppm
(docs/reputation.md 2 and 4). Times are those of the last entry, never of the wall clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import asdict

from trust.core import ledger, rawsums, reputation, scoring
from trust.core.decay import HalfLives
from trust.core.rawsums import Reading, Sums
from trust.core.records import AdoptedPolicy, Handle, Party, Score
from trust.errors import CODES
from trust.services import foreign_scores
from trust.storage import ranking
from trust.storage.holdings import locked_units
from trust.storage.observations import Seen, observations
from trust.storage.reading import Reader
from trust.storage.state import SqlView
from trust.verify.scores import AgentScores

if TYPE_CHECKING:
    from trust.services.graph import Pass

RECENT_OBSERVATIONS = 1_000
SHOWN_OBSERVATIONS = 20


def view_of(reader: Reader) -> SqlView:
    """The rulebook's view of a snapshot."""
    return SqlView(reader.connection, reader.head())


def resolve(reader: Reader, name: str) -> Party | None:
    """The party of a DID or of an @handle."""
    if name.startswith("@"):
        handle = reader.record(Handle, name[1:])
        return None if handle is None else reader.record(Party, handle.party)
    return reader.record(Party, name)


def dids_of(reader: Reader, names: Sequence[str]) -> list[str]:
    """The DIDs of DIDs and @handles, in their order; a handle that nobody has stays."""
    handles = [name.removeprefix("@") for name in names if name.startswith("@")]
    parties = {f"@{handle.id}": handle.party for handle in reader.records(Handle, handles)} if handles else {}
    return [parties.get(name, name) for name in names]


def priorities(reader: Reader, task_kind: str, candidates: Sequence[str], task: str) -> dict[str, Any]:
    """The candidates in the order in which a relay should prefer them, as of the log's head."""
    view = view_of(reader)
    entrants = ranking.entrants(reader.connection, candidates, task_kind, view.at_ms)
    ranked = scoring.ranked(view, entrants, task or task_kind)
    others = foreign_scores.scores_by_agent(reader.connection, candidates)
    return {
        "task_kind": task_kind,
        "task": task or None,
        "as_of": {"size": view.size, "at_ms": view.at_ms},
        "candidates": [
            {
                "rank": rank,
                **asdict(each),
                "hint": CODES[each.reason].hint if each.reason else "",
                "elsewhere": _as_worker(others.get(each.agent, ()), task_kind),
            }
            for rank, each in enumerate(ranked, 1)
        ],
    }


def _as_worker(others: Sequence[AgentScores], task_kind: str) -> list[dict[str, Any]]:
    """Returns an agent's scores for this kind of work in other networks; it has no part in its rank here."""
    return [
        {"network": each.network, "at_ms": each.at_ms, "left": each.left or None, **asdict(score)}
        for each in others
        for score in each.scores
        if (score.role, score.task_kind) == ("worker", task_kind)
    ]


def record_of(
    reader: Reader, party: Party, task_kind: str = "", role: str = "", graph: Pass | None = None
) -> dict[str, Any]:
    """An agent's named scores in every role and task kind unless given, with what stands behind them."""
    view = view_of(reader)
    scores = [
        score
        for score in reader.scores_of(party.id)
        if task_kind in ("", score.task_kind) and role in ("", score.role)
    ]
    locked = locked_units(reader.connection, [party.id]).get(party.id, 0)
    return {
        "agent": party.id,
        "handle": party.handle or None,
        "as_of": {"size": view.size, "at_ms": view.at_ms},
        "scores": [_scored(view, score) for score in scores],
        "newcomer": _newcomer(),
        "liveness_ppm": scoring.liveness_ppm(view, party.id, view.at_ms),
        "rater_ppm": scoring.rater_ppm(view, party.id),
        "stake_units": ledger.balance(view, ledger.free(party.id)) + locked,
        "locked_units": locked,
        "age_ms": view.at_ms - party.registered_ms,
        "rotations": party.rotations,
        "left": party.left or None,
        "jailed_until_ms": party.jailed_until_ms if party.jailed_until_ms > view.at_ms else None,
        "failed_exact_checks_ms": party.failures_ms,
        "liveness_faults_ms": party.liveness_ms,
        "elsewhere": msgspec.to_builtins(
            foreign_scores.scores_by_agent(reader.connection, [party.id]).get(party.id, ())
        ),
        "moved_most": _moved_most(view, reader, party.id, task_kind, role),
        "graph": graph.of(party.owner) if graph else None,
    }


def _scored(view: SqlView, score: Score) -> dict[str, Any]:
    """One record's read-outs in ppm, what they are made of, and its decayed observations in milli-units."""
    record = scoring.reading(view, score.agent, score.role, score.task_kind, view.at_ms)
    return {
        "role": score.role,
        "task_kind": score.task_kind,
        **read_outs(score.role, record),
        "interval_ppm": reputation.interval_ppm(record),
        "components": _components(score.role, record),
        "observations_milli": record.good_slow + record.bad_slow,
        "good_slow_milli": record.good_slow,
        "bad_slow_milli": record.bad_slow,
        "good_fast_milli": record.good_fast,
        "bad_fast_milli": record.bad_fast,
        "events": score.events,
        "last_index": score.index,
    }


def read_outs(role: str, record: Reading) -> dict[str, int]:
    """A record's named scores: a verifier's expected one is called accuracy, only a worker has a priority."""
    expected = reputation.expected_ppm(record)
    if role == "verifier":
        return {"accuracy_ppm": expected}
    if role != "worker":
        return {"expected_ppm": expected}
    return {"expected_ppm": expected, "priority_ppm": reputation.priority_ppm(record)}


def _components(role: str, record: Reading) -> dict[str, int]:
    """The records that the scores are computed from (docs/reputation.md 2)."""
    slow, fast = reputation.means_ppm(record)
    components = {
        "slow_mean_ppm": slow,
        "fast_mean_ppm": fast,
        "slow_share_ppm": reputation.SLOW_SHARE_PPM,
    }
    if role == "worker":
        components |= {
            "slow_bound_ppm": reputation.slow_bound_ppm(record),
            "fast_bound_ppm": reputation.fast_bound_ppm(record),
            "newcomer_bound_ppm": reputation.NEWCOMER_BOUND_PPM,
        }
    return components


def _newcomer() -> dict[str, int]:
    """The score of an agent without any observation."""
    return {
        "expected_ppm": reputation.expected_ppm(scoring.EMPTY),
        "priority_ppm": reputation.priority_ppm(scoring.EMPTY),
    }


def _moved_most(view: SqlView, reader: Reader, agent: str, task_kind: str, role: str) -> list[dict[str, Any]]:
    """Of the agent's latest observations those that weigh most today, each with its entry."""
    network = reader.network()
    latest = observations(reader.connection, agent, role, task_kind, RECENT_OBSERVATIONS)
    worths = [(worth_milli(observation, view.at_ms, network), observation) for observation in latest]
    worths.sort(key=lambda each: (-abs(each[0]), -each[1].index))
    return [
        {
            "index": observation.index,
            "entry": f"/v1/receipts/{observation.index}",
            "at_ms": observation.at_ms,
            "role": observation.role,
            "task_kind": observation.task_kind,
            "why": observation.why,
            "effect_milli": observation.good_milli - observation.bad_milli - observation.failure_milli,
            "worth_milli": worth,
        }
        for worth, observation in worths[:SHOWN_OBSERVATIONS]
    ]


def worth_milli(observation: Seen, at_ms: int, decay: HalfLives) -> int:
    """Returns what an observation adds to the slow record today; below zero for a bad one."""
    sums = Sums()
    for kind, milli in rawsums.weights(observation):
        sums = rawsums.add(sums, decay, kind, milli, observation.at_ms)
    now = rawsums.read(sums, decay, at_ms)
    return now.good_slow - now.bad_slow


def policy_of(reader: Reader, number: int) -> AdoptedPolicy | None:
    """An adopted policy by its number."""
    return reader.record(AdoptedPolicy, str(number))
