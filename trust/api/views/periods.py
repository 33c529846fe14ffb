"""Statistics over time: what happened in each hour or day, from counters that are folded as entries come."""

from __future__ import annotations

from collections import Counter
from typing import Any

from trust.core import ledger
from trust.core.records import Account
from trust.storage import tallies
from trust.storage.reading import Reader

PER = {"hour": tallies.HOUR_MS, "day": tallies.DAY_MS}
PPM = 1_000_000


def periods(reader: Reader, per: str, after: int | None, limit: int) -> dict[str, Any]:
    """Hours or days, the newest first, also those in which nothing happened; the list goes on before `after`.

    The newest period is not over: its counters are as of the newest entry.
    """
    head, width = reader.head(), PER[per]
    first = reader.entry(0)
    first_ms = head.at_ms if first is None else first.at_ms
    begin_ms, end_ms = _floor(first_ms, width), _floor(head.at_ms, width) + width
    if after is not None:
        end_ms = min(end_ms, _floor(after, width))
    start_ms = max(begin_ms, end_ms - limit * width)
    counted = tallies.between(reader.connection, width, start_ms, end_ms)
    pool = reader.record(Account, ledger.VERIFICATION)
    level = (0 if pool is None else pool.balance_units) - tallies.sum_from(
        reader.connection, tallies.POOL, max(start_ms, end_ms)
    )
    rows = []
    for since_ms in range(end_ms - width, start_ms - width, -width):
        counters = counted.get(since_ms, Counter())
        rows.append(_period(since_ms, counters, level))
        level -= counters[tallies.POOL]
    return {
        "as_of": {"size": head.size, "at_ms": head.at_ms},
        "per": per,
        "width_ms": width,
        "periods": rows,
        "after": start_ms if start_ms > begin_ms else None,
    }


def _floor(at_ms: int, width: int) -> int:
    return at_ms - at_ms % width


def _period(since_ms: int, counters: Counter[str], pool_units: int) -> dict[str, Any]:
    """A period's counters, what they come to, and the pool of fees at its end."""
    drawn = counters["checked"] + counters["spared"]
    coordination_ms = counters["wait_ms"] + counters["settle_ms"]
    life_ms = coordination_ms + counters["work_ms"]
    return {
        "since_ms": since_ms,
        **{name: counters[name] for name in tallies.NAMES},
        "checked_ppm": counters["checked"] * PPM // drawn if drawn else None,
        "pool_units": pool_units,
        "coordination_ppm": coordination_ms * PPM // life_ms if life_ms else None,
    }
