"""Statistics over time, on both databases: what the log says, by the hour and by the day, from a few rows."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

import msgspec
import pytest

from tests.storage.plans import plans_of, troubles
from tests.storage.stores import founded
from trust.api.views import due, lists
from trust.api.views.periods import periods
from trust.core.ledger import BURN, VERIFICATION
from trust.core.overhead import NETWORK as WHOLE_NETWORK
from trust.core.records import Overhead
from trust.storage import tallies
from trust.storage.engine import Database
from trust.storage.reading import Reader, reading
from trust.storage.tallies import DAY_MS, HOUR_MS


@pytest.fixture(scope="module")
def played(shared_database: Database) -> Database:
    """A log over two days in which claims pass, fail and run out, with hours between in which nothing happens."""
    store, scene = founded(shared_database)
    scene.ended("passes")
    scene.net.tick(3 * HOUR_MS)
    scene.ended("fails", "fail")
    scene.net.tick(DAY_MS)
    scene.claimed("runs-out")
    scene.net.tick(scene.net.policy.claims.lease_ms)
    scene.post("waits")
    store.close()
    return shared_database


def _said(reader: Reader) -> list[tuple[int, dict[str, Any]]]:
    """Every event as the bytes of the log have it, with its time."""
    entries = [msgspec.json.decode(each.data) for each in reader.entries(0, reader.head().size)]
    return [(each["at_ms"], event) for each in entries for event in each["events"]]


def _expected(reader: Reader, width: int) -> dict[int, Counter[str]]:
    """Some of the counters, added up from the log itself."""
    found: defaultdict[int, Counter[str]] = defaultdict(Counter)
    for at_ms, event in _said(reader):
        counters = found[at_ms - at_ms % width]
        match event["kind"]:
            case "claim.ended":
                counters[event["state"]] += 1
            case "task.posted" | "claim.opened":
                counters[event["kind"].partition(".")[0] + "s"] += 1
            case "coin.tossed":
                counters["checked" if event["checked"] else "spared"] += 1
            case "money.moved":
                change = dict(map(tuple, event["postings"]))
                counters["burnt_units"] += change.get(BURN, 0)
                counters["pool"] += change.get(VERIFICATION, 0)
                if event["why"].startswith("slash.") or event["why"] == "seat.slash":
                    counters["slashes"] += 1
                    counters["slashed_units"] -= sum(units for units in change.values() if units < 0)
    return found


def _whole(reader: Reader, per: str, limit: int) -> list[dict[str, Any]]:
    """All pages of a list of periods."""
    found, after = [], None
    while True:
        answer = periods(reader, per, after, limit)
        found += answer["periods"]
        after = answer["after"]
        if after is None:
            return found


def test_periods_are_what_the_log_says_for_every_page(played: Database) -> None:
    with reading(played) as reader:
        for per, width in (("hour", HOUR_MS), ("day", DAY_MS)):
            _check(reader, per, width)


def _check(reader: Reader, per: str, width: int) -> None:
    expected = _expected(reader, width)
    whole = _whole(reader, per, 100)
    assert {len(_whole(reader, per, limit)) for limit in (1, 7)} == {len(whole)}
    assert _whole(reader, per, 7) == whole
    begun = [each["since_ms"] for each in whole]
    assert begun == list(range(begun[0], begun[-1] - 1, -width))
    names = (
        "accepted",
        "rejected",
        "expired",
        "tasks",
        "claims",
        "checked",
        "burnt_units",
        "slashes",
        "slashed_units",
    )
    for each in whole:
        assert {name: each[name] for name in names} == {
            name: expected[each["since_ms"]][name] for name in names
        }
    assert sum(each["entries"] for each in whole) == reader.head().size
    assert sum(each["slashes"] for each in whole) > 0
    level = 0
    for each in whole[::-1]:
        level += expected[each["since_ms"]]["pool"]
        assert each["pool_units"] == level
    assert level > 0
    total = reader.record(Overhead, WHOLE_NETWORK)
    assert total is not None
    for name in ("wait_ms", "work_ms", "settle_ms"):
        assert sum(each[name] for each in whole) == getattr(total.total, name)
    assert sum(each["delivered"] for each in whole) == total.total.claims


def test_what_is_due_comes_in_the_order_in_which_it_is_settled_by_an_index(played: Database) -> None:
    with reading(played) as reader:
        whole = due.due(reader, "", 100)
        places = [(each["due_ms"], each["kind"], each["id"]) for each in whole["due"]]
        assert places == sorted(places)
        assert len(places) > 2
        waits = next(each for each in whole["due"] if each["task"] == "waits")
        assert (waits["kind"], waits["id"], waits["claim"]) == ("deadline", "task/waits", None)
        assert all(each["what"] != each["kind"] for each in whole["due"])
        first = due.due(reader, "", 2)
        rest = due.due(reader, first["after"], 100)
        assert first["due"] + rest["due"] == whole["due"]
        _answered_by_indexes(reader)


def test_the_sums_of_all_counters_are_what_the_tables_hold(played: Database) -> None:
    with reading(played) as reader:
        sums = tallies.totals(reader.connection, (*tallies.NAMES, *tallies.LIES))
        assert {name: sums[name] for name in tallies.LIES} == reader.summed()
        counted = {"entries": "entries", "registered": "parties", "tasks": "tasks", "claims": "claims"}
        assert {name: sums[name] for name in counted} == {
            name: reader.count(table) for name, table in counted.items()
        }


def _answered_by_indexes(reader: Reader) -> None:
    for call in (
        lambda: periods(reader, "hour", None, 48),
        lambda: due.due(reader, "", 50),
        lambda: lists.convictions(reader, None, 50),
    ):
        plans = plans_of(reader.connection, call)
        assert len(plans) < 12
        assert {plan: troubles(plan) for plan in plans if troubles(plan)} == {}


def test_every_timer_of_the_rulebook_is_told_in_words() -> None:
    import re
    from pathlib import Path

    import trust.core.events as events

    text = "".join(each.read_text() for each in Path(events.__file__).parent.glob("*.py"))
    kinds = set(re.findall(r'set_timer\([^,]+(?:\([^)]*\))?, "([a-z]+)"', text))
    assert len(kinds) > 12
    assert kinds <= due.DUE.keys()
