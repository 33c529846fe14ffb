"""Named scores as of the log's head: what a relay ranks candidates by, and what an agent's record says.

The same `core.scoring` that decides reads them, over the same records, so anyone with the log gets the same ppm
(reputation.md 2 and 4). Times are those of the last entry, never of the wall clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec.structs import asdict

from trust.core import ledger, reputation, scoring
from trust.core.entry import decode_entry
from trust.core.events import NETWORK, Observed
from trust.core.records import (
    Account,
    AdoptedPolicy,
    Handle,
    Liveness,
    Network,
    Party,
    Score,
)
from trust.core.standing import Standing
from trust.core.state import Key
from trust.services import elsewhere
from trust.storage.reading import Reader
from trust.storage.standing import latest_mentions, locked_units
from trust.storage.state import SqlView

RECENT_ENTRIES = 200
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


def priorities(reader: Reader, task_kind: str, candidates: Sequence[str], task: str) -> dict[str, Any]:
    """The candidates in the order in which a relay should prefer them, as of the log's head."""
    view = view_of(reader)
    view.load(_read_of(candidates, task_kind))
    locked = locked_units(reader.connection, candidates)
    ranked = scoring.priorities(view, task_kind, candidates, task, locked)
    others = elsewhere.standings(reader.connection, candidates)
    return {
        "task_kind": task_kind,
        "task": task or None,
        "as_of": {"size": view.size, "at_ms": view.at_ms},
        "candidates": [
            {"rank": rank, **asdict(each), "elsewhere": _as_worker(others.get(each.agent, ()), task_kind)}
            for rank, each in enumerate(ranked, 1)
        ],
    }


def _as_worker(others: Sequence[Standing], task_kind: str) -> list[dict[str, Any]]:
    """What other networks say of an agent's work of this kind; it has no part in its rank here."""
    return [
        {"network": said.network, "at_ms": said.at_ms, "left": said.left or None, **asdict(score)}
        for said in others
        for score in said.scores
        if (score.role, score.task_kind) == ("worker", task_kind)
    ]


def _read_of(agents: Sequence[str], task_kind: str) -> list[Key]:
    """What ranking reads of each agent, so that it is one SELECT a table."""
    keys: list[Key] = [(Network, NETWORK)]
    for agent in agents:
        keys += [
            (Party, agent),
            (Account, ledger.free(agent)),
            (Score, f"{agent}/worker/{task_kind}"),
            (Liveness, agent),
        ]
    return keys


def record_of(reader: Reader, party: Party, task_kind: str = "") -> dict[str, Any]:
    """An agent's named scores in every role and task kind, with what stands behind them."""
    view = view_of(reader)
    scores = [score for score in reader.scores_of(party.id) if task_kind in ("", score.task_kind)]
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
            elsewhere.standings(reader.connection, [party.id]).get(party.id, ())
        ),
        "moved_most": _moved_most(reader, party.id, task_kind),
    }


def _scored(view: SqlView, score: Score) -> dict[str, Any]:
    """One record's read-outs in ppm and its decayed observations in milli-units."""
    seen = scoring.reading(view, score.agent, score.role, score.task_kind, view.at_ms)
    expected = reputation.expected_ppm(seen)
    named = {"accuracy_ppm": expected} if score.role == "verifier" else {"expected_ppm": expected}
    if score.role == "worker":
        named["priority_ppm"] = reputation.priority_ppm(seen)
        named["lower_bound_ppm"] = max(
            0,
            reputation.lower_bound_ppm(
                reputation.PRIORITY_Z_MILLI, 1_000 + seen.good_slow, 1_000 + seen.bad_slow
            ),
        )
    return {
        "role": score.role,
        "task_kind": score.task_kind,
        **named,
        "observations_milli": seen.good_slow + seen.bad_slow,
        "good_slow_milli": seen.good_slow,
        "bad_slow_milli": seen.bad_slow,
        "good_fast_milli": seen.good_fast,
        "bad_fast_milli": seen.bad_fast,
        "events": score.events,
        "last_index": score.index,
    }


def _newcomer() -> dict[str, int]:
    """What an agent without any observation is given."""
    return {
        "expected_ppm": reputation.expected_ppm(scoring.EMPTY),
        "priority_ppm": reputation.priority_ppm(scoring.EMPTY),
    }


def _moved_most(reader: Reader, agent: str, task_kind: str) -> list[dict[str, Any]]:
    """Of the agent's latest entries, the observations with the greatest weight."""
    latest = latest_mentions(reader.connection, agent, RECENT_ENTRIES)
    entries = reader.timeline([agent], latest[-1] - 1, RECENT_ENTRIES) if latest else []
    found = [
        {"index": entry.index, "at_ms": entry.at_ms, **_observation(event)}
        for entry in entries
        if b'"agent.observed"' in entry.data
        for event in decode_entry(entry.data).events
        if isinstance(event, Observed) and event.agent == agent and task_kind in ("", event.task_kind)
    ]
    found.sort(key=lambda each: (-abs(each["effect_milli"]), -each["index"]))
    return found[:SHOWN_OBSERVATIONS]


def _observation(event: Observed) -> dict[str, Any]:
    return {
        "role": event.role,
        "task_kind": event.task_kind,
        "why": event.why,
        "effect_milli": event.good_milli - event.bad_milli - event.failure_milli,
    }


def policy_of(reader: Reader, number: int) -> AdoptedPolicy | None:
    """An adopted policy by its number."""
    return reader.record(AdoptedPolicy, str(number))
