"""An agent's record in words: what each score is, what it is made of, and which entries moved it most."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Facts = dict[str, Any]

WHY = {
    "verdict": "a panel's verdict",
    "fraud": "a failed exact check, or what was drawn was withheld",
    "accepted": "the requester accepted it unchecked",
    "completed": "delivered, and nobody looked",
    "expired": "the lease ran out, or it was given up late",
    "right": "voted with the final verdict",
    "wrong": "voted against the final verdict",
    "passed": "never committed to a vote",
    "silent": "never revealed its vote",
}
ENOUGH_MILLI = 500


def sentences(facts: Facts) -> Iterator[str]:
    """The named scores, one line each."""
    yield f"{facts['agent']} as of entry {facts['as_of']['size'] - 1}"
    for score in facts["scores"]:
        yield f"  {score['role']} of {score['task_kind']}: {_named(score)}"
    if not facts["scores"]:
        yield "  no observations yet: a newcomer"
    for other in facts["elsewhere"]:
        for score in other["scores"]:
            yield f"  {other['network']} says: {score['role']} of {score['task_kind']}: {_named(score)}"
    yield from _graph(facts["graph"])


def explained(facts: Facts) -> Iterator[str]:
    """Returns the scores in lines: what each is made of, what stands behind the agent, the entries that count most."""
    yield f"{facts['agent']} as of entry {facts['as_of']['size'] - 1}"
    for score in facts["scores"]:
        yield f"{score['role']} of {score['task_kind']}: {_named(score)}"
        yield from (f"  {line}" for line in _made_of(score))
    if not facts["scores"]:
        newcomer = facts["newcomer"]
        yield f"no observations yet: a newcomer's {_named(newcomer)}"
    yield from _standing(facts)
    yield from _graph(facts["graph"])
    if facts["moved_most"]:
        yield "what counts most today:"
    for moved in facts["moved_most"]:
        why = WHY.get(moved["why"], moved["why"])
        now, then = moved["worth_milli"], moved["effect_milli"]
        what = f"{moved['role']} of {moved['task_kind']}"
        yield f"  entry {moved['index']}: {why}: {now / 1_000:+.2f} ({then / 1_000:+.2f} then), {what}"


def _named(score: Facts) -> str:
    named = {name.removesuffix("_ppm"): score[name] for name in score if name.endswith("_ppm")}
    return ", ".join(f"{name} {_share(value)}" for name, value in named.items() if isinstance(value, int))


def _made_of(score: Facts) -> Iterator[str]:
    parts = score["components"]
    slow, fast = _share(parts["slow_mean_ppm"]), _share(parts["fast_mean_ppm"])
    part = parts["slow_share_ppm"]
    yield (
        f"{score['events']} observations, of which count today {score['good_slow_milli'] / 1_000:.2f} good and "
        f"{score['bad_slow_milli'] / 1_000:.2f} bad (slow), {score['good_fast_milli'] / 1_000:.2f} good and "
        f"{score['bad_fast_milli'] / 1_000:.2f} bad (fast)"
    )
    yield f"expected: {_share(part)} of the slow mean, {slow}, and {_share(1_000_000 - part)} of the fast mean, {fast}"
    if "slow_bound_ppm" in parts:
        yield _priority(score, parts)
    low, high = score["interval_ppm"]
    yield f"its share of good work lies between {_share(low)} and {_share(high)}, about four times in five"


def _priority(score: Facts, parts: Facts) -> str:
    if score["good_slow_milli"] < ENOUGH_MILLI:
        return "priority: zero until half an observation is good"
    slow, fast, newcomer = (_share(parts[f"{name}_bound_ppm"]) for name in ("slow", "fast", "newcomer"))
    return (
        f"priority: the lesser of {slow} (slow record) and {fast} (fast record), less a newcomer's {newcomer}"
    )


def _standing(facts: Facts) -> Iterator[str]:
    yield (
        f"finishes {_share(facts['liveness_ppm'])} of what it claims; {facts['stake_units']} units behind it, "
        f"{facts['locked_units']} of them locked"
    )
    yield f"as a requester, what it accepts counts {_share(facts['rater_ppm'])}"
    if facts["left"]:
        yield f"has left: {facts['left']}"
    if facts["jailed_until_ms"]:
        yield "in jail"


def _graph(graph: Facts | None) -> Iterator[str]:
    if graph is None:
        return
    trusted = graph["trust_q30"] / (1 << 30) * 1_000_000
    yield (
        f"  graph as of entry {graph['as_of']['size'] - 1}: {trusted:.1f} millionths of all trust, expected "
        f"{_share(graph['expected_ppm'])}, its acceptances count {_share(graph['weight_ppm'])}"
    )


def _share(ppm: int) -> str:
    return f"{ppm / 10_000:.2f} %"
