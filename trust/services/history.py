"""How an agent's score came to be what it is: the read-outs just after each observation, in exact integers.

The record's sums as they are now are exact, so they can be walked back: taking the newest observation off them gives
the sums before it. That costs what is shown, however long the record is.
"""

from __future__ import annotations

from typing import Any

from trust.core import rawsums, reputation
from trust.core.rawsums import Sums
from trust.core.records import Network, Party, Score
from trust.services.scoring import read_outs
from trust.storage.observations import Seen, observations
from trust.storage.reading import Reader

MAX_OBSERVATIONS = 10_000
MAX_POINTS = 1_000


def history(reader: Reader, party: Party, role: str, task_kind: str, points: int) -> dict[str, Any]:
    """Up to `points` points of one record, the oldest first, evenly taken from its last observations.

    `complete` says whether they go back to the first. Read-outs are as of the observation's own time.
    """
    head = reader.head()
    score = reader.record(Score, f"{party.id}/{role}/{task_kind}")
    newest_first = (
        observations(reader.connection, party.id, role, task_kind, MAX_OBSERVATIONS) if score else []
    )
    points_shown = _walk_back(reader, score, newest_first, role, points) if score else []
    return {
        "agent": party.id,
        "role": role,
        "task_kind": task_kind,
        "as_of": {"size": head.size, "at_ms": head.at_ms},
        "observations": score.events if score else 0,
        "complete": score is None or len(newest_first) == score.events,
        "points": points_shown[::-1],
    }


def _walk_back(
    reader: Reader, score: Score, newest_first: list[Seen], role: str, points: int
) -> list[dict[str, Any]]:
    network = reader.network()
    sums = rawsums.stored(score)
    wanted = _evenly(len(newest_first), points)
    points_shown = []
    for at, observation in enumerate(newest_first):
        if at in wanted:
            points_shown.append(_point(sums, network, observation, role))
        sums = rawsums.without(sums, observation, observation.at_ms, network)
    return points_shown


def _evenly(count: int, points: int) -> set[int]:
    """`points` of the positions 0..count-1, the first and the last among them."""
    if points >= count:
        return set(range(count))
    if points == 1:
        return {0}
    return {at * (count - 1) // (points - 1) for at in range(points)}


def _point(sums: Sums, network: Network, observation: Seen, role: str) -> dict[str, Any]:
    reading = rawsums.read(sums, network, observation.at_ms)
    return {
        "index": observation.index,
        "at_ms": observation.at_ms,
        "why": observation.why,
        "effect_milli": observation.good_milli - observation.bad_milli - observation.failure_milli,
        **read_outs(role, reading),
        "interval_ppm": reputation.interval_ppm(reading),
    }
