"""Seals of scores made the plain way, to hold those of the service against."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from trust.core import rawsums, scorebook, strict
from trust.core.decay import HalfLives
from trust.core.entry import Seal
from trust.core.events import Observed, PartyLeft
from trust.core.rawsums import Kind, Sums
from trust.core.records import Pool
from trust.core.rulebook import Decided
from trust.core.scorebook import Row
from trust.log import merkle

KINDS: tuple[Kind, ...] = ("good", "bad", "failure")


def rows_of(entries: Iterable[Decided], decay: HalfLives) -> list[Row]:
    """What a seal over these entries commits to, added up from their observations."""
    sums: dict[tuple[str, str, str], Sums] = {}
    events: Counter[tuple[str, str, str]] = Counter()
    left = []
    for entry in entries:
        for event in entry.events:
            if isinstance(event, PartyLeft):
                left.append(Row(event.party, scorebook.PARTY, left=event.how))
            elif isinstance(event, Observed):
                key = event.agent, event.role, event.task_kind
                events[key] += 1
                for kind in KINDS:
                    weight = getattr(event, f"{kind}_milli")
                    sums[key] = rawsums.add(sums.get(key) or Sums(), decay, kind, weight, entry.at_ms)
    return [*(Row(*key, events[key], packed(total)) for key, total in sums.items()), *left]


def packed(sums: Sums) -> str:
    """Raw sums as they stand in a row."""
    return strict.base64_of(rawsums.encode(sums))


def seal_over(pool: Pool, rows: Sequence[Row]) -> Seal:
    """The seal of the epoch that scores are in."""
    tree = merkle.CompactRange()
    for row in sorted(rows, key=lambda row: row.key):
        tree.append(merkle.leaf_hash(row.encode()))
    return Seal(pool.id, pool.epoch, pool.as_of, tree.root().hex(), tree.size, 0, (), 0, 0)
