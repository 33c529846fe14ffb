"""What happened in each hour and each day: counters that are folded from the entries.

Statistics over time are a few rows, however long the log is. Nothing that decides reads them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from sqlalchemy import Connection, func, select

from trust.core import ledger
from trust.core.events import (
    ClaimEnded,
    ClaimOpened,
    CoinTossed,
    Convicted,
    Event,
    MoneyMoved,
    OutputSubmitted,
    PartyRegistered,
    TaskPosted,
    VerdictChallenged,
)
from trust.core.records import Claim, Record
from trust.storage import bulk, tables
from trust.storage.bulk import Existing
from trust.storage.rows import table_of

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
WIDTHS: Final = (HOUR_MS, DAY_MS)
POOL: Final = "pool_units"
_TALLIES = table_of(tables.Tallies)
_OF = _TALLIES.c
Counts = Mapping[str, int]


def _moved(event: MoneyMoved) -> dict[str, int]:
    """Units that went into the pool of fees and into nothing, and what a slash took from whoever was slashed."""
    change = dict(event.postings)
    found = {POOL: change.get(ledger.VERIFICATION, 0), "burnt_units": change.get(ledger.BURN, 0)}
    if "slash" in event.why.split("."):
        found |= {"slashes": 1, "slashed_units": -sum(units for units in change.values() if units < 0)}
    return found


_COUNTED: dict[type[Event], Callable[[Any], Counts]] = {
    PartyRegistered: lambda _: {"registered": 1},
    TaskPosted: lambda _: {"tasks": 1},
    ClaimOpened: lambda _: {"claims": 1},
    OutputSubmitted: lambda _: {"outputs": 1},
    CoinTossed: lambda event: {"checked" if event.checked else "spared": 1},
    ClaimEnded: lambda event: {event.state: 1},
    VerdictChallenged: lambda _: {"challenges": 1},
    Convicted: lambda _: {"convictions": 1},
    MoneyMoved: _moved,
}


class Tally:
    """The counters of some entries, by period."""

    def __init__(self) -> None:
        self._hours: defaultdict[int, Counter[str]] = defaultdict(Counter)
        self.ended: set[str] = set()
        """The claims that ended, whose legs are not taken up yet."""

    def add(self, at_ms: int, events: Iterable[Event]) -> None:
        """Takes up an entry."""
        hour = self._hours[at_ms - at_ms % HOUR_MS]
        hour["entries"] += 1
        for event in events:
            if (counted := _COUNTED.get(type(event))) is not None:
                hour.update(counted(event))
            if isinstance(event, ClaimEnded):
                self.ended.add(event.claim)

    def add_legs(self, writes: Mapping[tuple[type[Record], str], Record | None]) -> None:
        """Takes up what the claims took that ended, of the records as the entries left them."""
        for id in self.ended:
            claim = writes[Claim, id]
            if isinstance(claim, Claim) and claim.output:
                self._hours[claim.ended_ms - claim.ended_ms % HOUR_MS].update(
                    delivered=1,
                    wait_ms=claim.waited_ms,
                    work_ms=claim.submitted_ms - claim.opened_ms,
                    settle_ms=claim.ended_ms - claim.submitted_ms,
                )
        self.ended.clear()

    def write(self, connection: Connection) -> None:
        """Adds the counters to those in the database."""
        found: Counter[tuple[int, str, int]] = Counter()
        for hour, counters in self._hours.items():
            for name, amount in counters.items():
                for width in WIDTHS:
                    found[width, name, hour - hour % width] += amount
        rows = [(*key, amount) for key, amount in sorted(found.items()) if amount]
        bulk.insert(connection, _TALLIES, rows, Existing.ADD)


def between(connection: Connection, width_ms: int, start_ms: int, end_ms: int) -> dict[int, Counter[str]]:
    """The counters of the periods that begin in [start, end), by when they begin."""
    query = select(_OF.since_ms, _OF.name, _OF.amount).where(
        _OF.width_ms == width_ms, _OF.name.in_(NAMES), _OF.since_ms >= start_ms, _OF.since_ms < end_ms
    )
    found: defaultdict[int, Counter[str]] = defaultdict(Counter)
    for since_ms, name, amount in connection.execute(query):
        found[since_ms][name] = amount
    return found


def sum_from(connection: Connection, name: str, start_ms: int) -> int:
    """The sum of a counter over everything from the beginning of an hour on."""
    next_day = -(-start_ms // DAY_MS) * DAY_MS
    total = func.coalesce(func.sum(_OF.amount), 0)
    of_hours = select(total).where(
        _OF.width_ms == HOUR_MS, _OF.name == name, _OF.since_ms >= start_ms, _OF.since_ms < next_day
    )
    of_days = select(total).where(_OF.width_ms == DAY_MS, _OF.name == name, _OF.since_ms >= next_day)
    return sum(int(connection.execute(query).scalar_one()) for query in (of_hours, of_days))


ENDS: Final = ("accepted", "rejected", "voided", "abandoned", "expired")
NAMES: Final = (
    "entries", "registered", "tasks", "claims", "outputs", "checked", "spared", *ENDS, "challenges", "convictions",
    "slashes", "slashed_units", "burnt_units", POOL, "delivered", "wait_ms", "work_ms", "settle_ms",
)  # fmt: skip
"""Every counter."""
