"""Pages stay flat: whatever a page reads of a large table, it reads by an index, and a bounded number of times."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.storage.plans import plans_of, troubles
from tests.web.conftest import Network
from trust.storage.reading import Reader, reading
from trust.web import agents, cases
from trust.web import network as of_network
from trust.web.rendering import Page, whole

MAX_QUERIES = 60


def _pages(reader: Reader, seen: Network) -> dict[str, Callable[[], Page]]:
    return {
        "home": lambda: of_network.home_page(reader),
        "claim": lambda: cases.claim_page(reader, seen.rejected, -1),
        "task": lambda: cases.task_page(reader, "task-fail", -1),
        "tasks": lambda: cases.tasks_page(reader, "", {}, ""),
        "claims": lambda: cases.claims_page(reader, "open", {}, ""),
        "agent": lambda: agents.agent_page(reader, seen.house.workers[0].did, -1, None),
        "verifier": lambda: agents.agent_page(reader, seen.house.verifiers[0].did, -1, None),
        "agents": lambda: agents.agents_page(reader, "", "verifier", ""),
        "relays": lambda: agents.relays_page(reader, ""),
        "entries": lambda: of_network.entries_page(reader, "", None),
        "kind": lambda: of_network.entries_page(reader, "draw", None),
        "entry": lambda: of_network.entry_page(reader, "25"),
        "search": lambda: of_network.search(reader, "task", "")[0],
        "policy": lambda: of_network.policy_page(reader, None),
        "stats": lambda: of_network.stats_page(reader, "day", None),
        "convictions": lambda: of_network.convictions_page(reader, None),
        "due": lambda: of_network.due_page(reader, ""),
    }


NAMES = (
    "home", "claim", "task", "tasks", "claims", "agent", "verifier", "agents", "relays", "entries", "kind", "entry",
    "search", "policy", "stats", "convictions", "due",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_page_reads_by_indexes_and_asks_a_bounded_number_of_times(network: Network, name: str) -> None:
    with reading(network.house.database) as reader:
        page = _pages(reader, network)[name]

        def made() -> None:
            whole(page(), reader, "/", "")

        plans = plans_of(reader.connection, made)
        scanned = {plan: [each for each in troubles(plan) if "B-TREE" not in each] for plan in plans}
        assert {plan: lines for plan, lines in scanned.items() if lines} == {}
        assert len(plans) <= MAX_QUERIES
