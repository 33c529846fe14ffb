"""Every list that comes in pages: the pages together are the whole, whatever the limit."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from tests.api.house import House, house
from trust.core import payloads

MOST = 100
SLOW: dict[str, Any] = {
    "open_ms": 60_000,
    "evidence_ms": 60_000,
    "notice_ms": 60_000,
    "unbonding_ms": 900_000,
}
QUERIES = {"/v1/search": {"q": "s"}}
NAMES = (
    "entries",
    "postings",
    "seats",
    "tasks",
    "claims",
    "agents",
    "squads",
    "relays",
    "found",
    "outputs",
    "pairs",
    "periods",
    "convictions",
    "due",
)
ONE = {
    "/v1/relays",
    "/v1/squads",
    "/v1/stats/overhead",
    "/v1/stats/periods",
    "/v1/convictions",
    "/v1/claims/{claim}/provenance",
}
"""Lists that have one item here, or none."""


Limits = Callable[[int], Iterable[int]]


def _telling(count: int) -> Iterable[int]:
    """Limits of which each cuts a list of this length in another way: singly, in some pages, nearly and wholly."""
    return sorted({1, (count + 3) // 4, (count + 1) // 2, count - 1, count, count + 1} - {-1, 0})


def _all(count: int) -> Iterable[int]:
    return range(1, count + 2)


@pytest.mark.parametrize("limits", [_telling, pytest.param(_all, marks=pytest.mark.slow)])
def test_the_pages_of_every_list_are_the_whole_for_every_limit(
    tmp_path: Path, database_url: str, limits: Limits
) -> None:
    with house(tmp_path, database_url, **SLOW) as home:  # nothing is due meanwhile
        home.settle_in(verifiers=3)
        claim = home.checked("paged", "pass")
        home.checked("second", "pass")
        home.done("/v1/tasks", home.task_post("some"))
        home.done("/v1/stakes", home.say(payloads.StakeWithdraw, home.workers[0], amount_units=5))
        home.delivered("seated")
        home.wait(lambda: home.get("/v1/seats")["seats"])
        agents = [home.requester.did, home.workers[0].did, home.verifiers[0].did]
        names = {"agent": agents, "task": ["paged"], "claim": [claim], "": [""]}
        lists = _lists(home)
        assert len(lists) >= 7
        for template, subject in lists:
            filled = [template.replace(f"{{{subject}}}", name) for name in names[subject]]
            longest = max(_check(home, path, limits, **QUERIES.get(path, {})) for path in filled)
            assert longest > 1 or template in ONE, f"{template}: no list here has two items"


def _lists(home: House) -> list[tuple[str, str]]:
    """Every path that takes a limit, and what its one parameter names."""
    paths = home.get("/schema/openapi.json")["paths"]
    return [
        (path, path.partition("{")[2].partition("}")[0])
        for path, operations in paths.items()
        if any(each["name"] == "limit" for each in operations.get("get", {}).get("parameters", ()))
    ]


def _check(home: House, path: str, limits: Limits, **query: Any) -> int:
    name, whole, after = _page(home, path, MOST, **query)
    assert after is None, f"{path}: more than {MOST} here, the test sees no whole"
    for limit in limits(len(whole)):
        found: list[Any] = []
        given: dict[str, Any] = {}
        for _ in range(len(whole) + 1):
            _, items, after = _page(home, path, limit, **query, **given)
            assert len(items) <= limit
            found += items
            given = {"after": after}
            if after is None:
                break
        assert found == whole, f"{path}: {name} in pages of {limit}"
        assert after is None
    return len(whole)


def _page(home: House, path: str, limit: int, **given: Any) -> tuple[str, list[Any], Any]:
    """The name of a list, its items, and where it goes on."""
    answer = home.get(path, limit=limit, **given)
    name = next(each for each in NAMES if each in answer)
    return name, answer[name], answer["after"]
