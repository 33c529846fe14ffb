"""The cost of coordination in a task's life, folded as claims end (docs/coordination.md 1).

A claim's life has three legs: `wait`, from the task being open to its claim; `work`, from the claim to its output; and
`settle`, from the output to the claim's end. The first and the last are coordination. Sums and histograms are kept by
task kind and relay and of the whole network, over all time and over the hour that runs and the one before it, so an
answer reads a few records however long the log is. Nothing that decides reads them. All times in ms, in integers.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping

import msgspec
from msgspec.structs import replace

from trust.core.policy import PPM, Coordination, Policy
from trust.core.records import EMPTY_SPENT, Counts, Overhead, Spent

NETWORK = "network"
"""The id of the record of everything; the others have a slash in theirs."""
HOUR_MS = 3_600_000
STEPS = 4
"""Buckets an octave: a percentile is off by an eighth at most."""
DEFAULT = Coordination(
    work_ratio=10, overhead_ppm=500_000, queue_ppm=500_000, waiting_milli=8_000, min_claims=20
)
"""What holds where a policy says nothing."""


def overhead_id(task_kind: str, relay: str) -> str:
    """The id of the record of work of a kind through a relay."""
    return f"{task_kind}/{relay}"


def thresholds(policy: Policy) -> Coordination:
    """The numbers from which on the policy advises against a way to coordinate."""
    return policy.coordination or DEFAULT


# -- folding


class Legs(msgspec.Struct, frozen=True):
    """One claim's legs in ms; `work_ms` and `settle_ms` are -1 where it ended without an output, after `lost_ms`."""

    wait_ms: int
    work_ms: int = -1
    settle_ms: int = -1
    lost_ms: int = 0


def added(record: Overhead, legs: Legs, at_ms: int) -> Overhead:
    """The record with one more claim, which ended at `at_ms`."""
    hour = at_ms - at_ms % HOUR_MS
    recent, before = record.recent, record.before
    if hour > record.since_ms:
        before = recent if hour == record.since_ms + HOUR_MS else EMPTY_SPENT
        recent = EMPTY_SPENT
    return replace(
        record,
        since_ms=max(hour, record.since_ms),
        total=spent(record.total, legs, at_ms),
        recent=spent(recent, legs, at_ms),
        before=before,
    )


def spent(so_far: Spent, legs: Legs, at_ms: int) -> Spent:
    """The sums with one more claim. One without an output counts as lost; its wait belongs to nothing."""
    begun_ms = at_ms - legs.wait_ms - (legs.lost_ms if legs.work_ms < 0 else legs.work_ms + legs.settle_ms)
    first_ms = begun_ms if so_far.is_empty else min(so_far.first_ms, begun_ms)
    if legs.work_ms < 0:
        lost = replace(so_far, lost=so_far.lost + 1, lost_ms=so_far.lost_ms + legs.wait_ms + legs.lost_ms)
        return replace(lost, first_ms=first_ms, last_ms=at_ms)
    return Spent(
        claims=so_far.claims + 1,
        lost=so_far.lost,
        lost_ms=so_far.lost_ms,
        first_ms=first_ms,
        last_ms=at_ms,
        wait_ms=so_far.wait_ms + legs.wait_ms,
        work_ms=so_far.work_ms + legs.work_ms,
        settle_ms=so_far.settle_ms + legs.settle_ms,
        waits=_counted(so_far.waits, legs.wait_ms),
        works=_counted(so_far.works, legs.work_ms),
        settles=_counted(so_far.settles, legs.settle_ms),
    )


def bucket(ms: int) -> int:
    """The bucket of a time: four an octave, each ms by itself below 4."""
    if ms < STEPS:
        return max(ms, 0)
    octave = ms.bit_length() - 1
    return STEPS * (octave - 1) + ((ms >> (octave - 2)) & (STEPS - 1))


def middle(number: int) -> int:
    """The time in ms in the middle of a bucket."""
    if number < STEPS:
        return number
    octave, part = number // STEPS + 1, number % STEPS
    low = (STEPS + part) << (octave - 2)
    return low + ((1 << (octave - 2)) >> 1)


def _counted(counts: Counts, ms: int) -> Counts:
    number = bucket(ms)
    at = bisect_left(counts, (number,))
    if at < len(counts) and counts[at][0] == number:
        return (*counts[:at], (number, counts[at][1] + 1), *counts[at + 1 :])
    return (*counts[:at], (number, 1), *counts[at:])


def merged(one: Spent, other: Spent) -> Spent:
    """Returns the sum of both."""
    if one.is_empty or other.is_empty:
        return other if one.is_empty else one
    sums = {name: getattr(one, name) + getattr(other, name) for name in _SUMS}
    return Spent(
        **sums,
        first_ms=min(one.first_ms, other.first_ms),
        last_ms=max(one.last_ms, other.last_ms),
        waits=_added_up(one.waits, other.waits),
        works=_added_up(one.works, other.works),
        settles=_added_up(one.settles, other.settles),
    )


_SUMS = ("claims", "lost", "lost_ms", "wait_ms", "work_ms", "settle_ms")


def _added_up(one: Counts, other: Counts) -> Counts:
    by_bucket = dict(one)
    for number, count in other:
        by_bucket[number] = by_bucket.get(number, 0) + count
    return tuple(sorted(by_bucket.items()))


# -- reading


class Leg(msgspec.Struct, frozen=True):
    """One leg: its mean and percentiles in ms, and its share of the tasks' lives in ppm."""

    mean_ms: int
    p50_ms: int
    p90_ms: int
    p99_ms: int
    share_ppm: int


class Reading(msgspec.Struct, frozen=True):
    """The figures of sums and histograms. `coordination_ppm` is the share of `wait` and `settle`; `waiting_milli`
    is how many tasks stood open and unclaimed on average from `first_ms` to `last_ms` (Little's law), in
    thousandths; `lost` are claims that ended without an output, `lost_ms` the time that they took."""

    claims: int
    lost: int
    lost_ms: int
    first_ms: int
    last_ms: int
    wait: Leg
    work: Leg
    settle: Leg
    coordination_ppm: int
    waiting_milli: int


def reading(so_far: Spent) -> Reading:
    """The figures of some sums."""
    life_ms = so_far.wait_ms + so_far.work_ms + so_far.settle_ms
    wait, work, settle = (
        _leg(total_ms, counts, so_far.claims, life_ms)
        for total_ms, counts in (
            (so_far.wait_ms, so_far.waits),
            (so_far.work_ms, so_far.works),
            (so_far.settle_ms, so_far.settles),
        )
    )
    return Reading(
        claims=so_far.claims,
        lost=so_far.lost,
        lost_ms=so_far.lost_ms,
        first_ms=so_far.first_ms,
        last_ms=so_far.last_ms,
        wait=wait,
        work=work,
        settle=settle,
        coordination_ppm=(life_ms - so_far.work_ms) * PPM // max(1, life_ms),
        waiting_milli=so_far.wait_ms * 1_000 // max(1, so_far.last_ms - so_far.first_ms),
    )


def recent(record: Overhead, at_ms: int) -> Spent:
    """The sums of the hour that runs at `at_ms` and the one before it."""
    hour = at_ms - at_ms % HOUR_MS
    if hour <= record.since_ms:
        return merged(record.before, record.recent)
    return record.recent if hour == record.since_ms + HOUR_MS else EMPTY_SPENT


def _leg(total_ms: int, counts: Counts, claims: int, life_ms: int) -> Leg:
    p50_ms, p90_ms, p99_ms = (percentile(counts, share) for share in (500_000, 900_000, 990_000))
    return Leg(total_ms // max(1, claims), p50_ms, p90_ms, p99_ms, total_ms * PPM // max(1, life_ms))


def percentile(counts: Counts, share_ppm: int) -> int:
    """The time in ms that this share of a histogram is not over; 0 of an empty one."""
    left = sum(count for _, count in counts) * share_ppm
    for number, count in counts:
        left -= count * PPM
        if left <= 0:
            return middle(number)
    return 0


# -- advice


class Advice(msgspec.Struct, frozen=True):
    """A piece of advice that the numbers support: a code, and a sentence for people."""

    code: str
    said: str


def advice(read: Reading, policy: Coordination, *, is_one_relay: bool = True) -> list[Advice]:
    """Returns the advice that the log's own times support; none before there are `min_claims`."""
    if read.claims < policy.min_claims:
        return []
    remarks = [_short_work(read, policy), _much_coordination(read, policy)]
    remarks += [_waiting_tasks(read, policy)] if is_one_relay else []
    return [each for each in remarks if each is not None]


def _short_work(read: Reading, policy: Coordination) -> Advice | None:
    wait_ms, work_ms = read.wait.p50_ms, read.work.p50_ms
    if work_ms >= policy.work_ratio * wait_ms:
        return None
    sentence = (
        f"the median work takes {work_ms} ms and waits {wait_ms} ms for its claim: under {policy.work_ratio} times the "
        "coordination, so more agents are a net loss here; make the tasks larger, or do them where they arise"
    )
    return Advice("work-too-short", sentence)


def _much_coordination(read: Reading, policy: Coordination) -> Advice | None:
    if read.coordination_ppm <= policy.overhead_ppm:
        return None
    sentence = f"{read.coordination_ppm // 10_000} % of a task's life is coordination, the most of it "
    if read.wait.share_ppm >= read.settle.share_ppm:
        return Advice("mostly-waiting", sentence + "waiting for a claim: simplify the pattern")
    remedy = "simplify the pattern, shorten the windows, or let consumers start before the check is over"
    return Advice("mostly-settling", f"{sentence}between output and settlement: {remedy}")


def _waiting_tasks(read: Reading, policy: Coordination) -> Advice | None:
    """A task that is posted can be worked on at once, so those that stand open side by side depend on none other."""
    if read.waiting_milli <= policy.waiting_milli:
        return None
    sentence = (
        f"{read.waiting_milli // 1_000} tasks that depend on none other stand open at a time: go event-driven, so "
        "that they do not wait for one coordinator"
    )
    return Advice("tasks-wait", sentence)


class Figures(msgspec.Struct, frozen=True):
    """The figures of one record as answers show them: over all time, lately, and the advice that they support."""

    total: Reading
    recent: Reading
    advice: tuple[Advice, ...]


def figures(record: Overhead, at_ms: int, policy: Coordination) -> Figures:
    """Returns the figures of a record as of a time; advice by the recent ones where there are enough of them, else
    by all."""
    total, lately = reading(record.total), reading(recent(record, at_ms))
    judged = lately if lately.claims >= policy.min_claims else total
    return Figures(total, lately, tuple(advice(judged, policy, is_one_relay=record.relay != "")))


def queue_advice(fill_ppm: Mapping[str, int], policy: Coordination) -> list[Advice]:
    """Returns the advice on coordinators' queues: `fill_ppm` is the fullest that each was, by its name, as a share
    of its bound."""
    return [
        Advice(
            "queue-saturated",
            f"{name}: its queue was {share // 10_000} % full: add relays, or let agents work peer to peer",
        )
        for name, share in sorted(fill_ppm.items())
        if share > policy.queue_ppm
    ]
