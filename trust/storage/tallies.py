"""What happened in each hour and each day: counters that are folded from the entries.

Statistics over time are a few rows, however long the log is. Nothing that decides reads them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import Connection, func, select

from trust.core.events import (
    ClaimEnded,
    ClaimOpened,
    CoinTossed,
    Convicted,
    Event,
    MoneyMoved,
    OutputSubmitted,
    PartyRegistered,
    RoundOpened,
    TaskPosted,
    VerdictChallenged,
    WithdrawalOpened,
)
from trust.core.records import Claim, Record
from trust.storage import bulk, tables
from trust.storage.bulk import Existing
from trust.storage.rows import table_of

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
WIDTHS: Final = (HOUR_MS, DAY_MS)
_TALLIES = table_of(tables.Tallies)
_OF = _TALLIES.c
Counts = Mapping[str, int]


SUMMED: Final = {
    "external": "external",
    "agents_free": "agent/%/free",
    "agents_unbonding": "agent/%/unbonding",
    "escrow": "task/%/escrow",
    "stakes": "claim/%/stake",
    "verifier_stakes": "verifier/%/stake",
    "name_bonds": "agent/%/name",
    "challenge_bonds": "challenge/%/bond",
    "verification_pool": "pool/verification",
    "operator_bond": "operator/bond",
    "operator_unbonding": "operator/unbonding",
    "burnt": "burn",
}
"""The kinds of accounts, by the names of theirs in SQL."""
POOL: Final = "verification_pool_units"
LIES: Final = tuple(f"{name}_units" for name in SUMMED)
"""The counters of what came onto accounts of each kind, less what went."""
_KINDS = {tuple(pattern.split("/%/")): f"{name}_units" for name, pattern in SUMMED.items()}


@lru_cache(maxsize=4_096)
def _kind(account: str) -> str:
    """The counter of an account's kind."""
    kind, _, rest = account.partition("/")
    _, slash, lock = rest.rpartition("/")
    return _KINDS.get((kind, lock) if slash else (account,), "other_units")


def _moved(event: MoneyMoved) -> Counts:
    """Units by kinds of accounts, and what a slash took from whoever was slashed."""
    moved: dict[str, int] = {}
    for account, units in event.postings:
        kind = _kind(account)
        moved[kind] = moved.get(kind, 0) + units
    if "slash" in event.why.split("."):
        moved["slashes"] = 1
        moved["slashed_units"] = -sum(units for _, units in event.postings if units < 0)
    return moved


_COUNTED: dict[type[Event], Callable[[Any], Counts]] = {
    PartyRegistered: lambda _: {"registered": 1},
    TaskPosted: lambda _: {"tasks": 1},
    ClaimOpened: lambda _: {"claims": 1},
    OutputSubmitted: lambda _: {"outputs": 1},
    CoinTossed: lambda event: {"checked" if event.checked else "spared": 1},
    ClaimEnded: lambda event: {event.state: 1},
    VerdictChallenged: lambda _: {"challenges": 1},
    Convicted: lambda _: {"convictions": 1},
    RoundOpened: lambda event: {"panels": 1, "seats": len(event.seats)},
    WithdrawalOpened: lambda _: {"withdrawals": 1},
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
                for name, amount in counted(event).items():
                    hour[name] += amount
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
        """Adds the counters to those in the database; those that come to nothing too, however entries were batched."""
        found: Counter[tuple[int, str, int]] = Counter()
        for hour, counters in self._hours.items():
            for name, amount in counters.items():
                for width in WIDTHS:
                    found[width, name, hour - hour % width] += amount
        rows = [(*key, amount) for key, amount in sorted(found.items())]
        bulk.insert(connection, _TALLIES, rows, Existing.ADD)


def between(connection: Connection, width_ms: int, start_ms: int, end_ms: int) -> dict[int, Counter[str]]:
    """The counters of the periods that begin in [start, end), by when they begin."""
    query = select(_OF.since_ms, _OF.name, _OF.amount).where(
        _OF.width_ms == width_ms,
        _OF.name.in_((*NAMES, POOL)),
        _OF.since_ms >= start_ms,
        _OF.since_ms < end_ms,
    )
    found: defaultdict[int, Counter[str]] = defaultdict(Counter)
    for since_ms, name, amount in connection.execute(query):
        found[since_ms][name] = amount
    return found


def totals(connection: Connection, names: Collection[str]) -> dict[str, int]:
    """The sums of counters over the whole log."""
    query = select(_OF.name, func.sum(_OF.amount)).where(_OF.width_ms == DAY_MS, _OF.name.in_(names))
    sums = {name: int(total) for name, total in connection.execute(query.group_by(_OF.name))}
    return {name: sums.get(name, 0) for name in names}


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
    "entries", "registered", "tasks", "claims", "outputs", "checked", "spared", "panels", "seats", *ENDS,
    "challenges", "convictions", "withdrawals", "slashes", "slashed_units", "burnt_units",
    "delivered", "wait_ms", "work_ms", "settle_ms",
)  # fmt: skip
"""The counters of what happened."""
