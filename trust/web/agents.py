"""The pages of agents and relays: records with their intervals, money, seats, faults."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trust.api.views import agents, lists
from trust.api.views.shapes import find_party
from trust.storage.holdings import own_accounts
from trust.storage.reading import Reader
from trust.web.rendering import Page, asked

if TYPE_CHECKING:
    from trust.services.graph import Pass

LISTED = 50
BRIEFLY = 10
SHOWN_ENTRIES = 25
SHOWN_SCORES = 40


def agent_page(reader: Reader, name: str, after: int, graph: Pass | None) -> Page:
    """An agent as it stands, and what stands behind it."""
    party = find_party(reader, name)
    did = party.id
    record = agents.reputation(reader, did, "", "", graph)
    data: dict[str, Any] = {
        "agent": agents.agent(reader, did),
        "record": {
            **record,
            "scores": record["scores"][:SHOWN_SCORES],
            "moved_most": record["moved_most"][:BRIEFLY],
        },
        "seats": agents.seats(reader, did, "", "", BRIEFLY)["seats"],
        "tasks": lists.tasks(reader, "", {"requester": did}, "", BRIEFLY)["tasks"],
        "claims": lists.claims(reader, "", {"worker": did}, "", BRIEFLY)["claims"],
        "postings": reader.ledger(own_accounts(did), None, SHOWN_ENTRIES),
        "timeline": agents.timeline(reader, did, after, SHOWN_ENTRIES),
    }
    named = f"@{party.handle}" if party.handle else did
    return Page(
        "agent.html", f"Agent {named}", f"/v1/agents/{did}", data, live=f"agent={did}", proves=[party.index]
    )


def agents_page(reader: Reader, capability: str, role: str, after: str) -> Page:
    """Agents by what they offer, the newest first."""
    agents = lists.agents(reader, capability, role, "registered", after, LISTED)
    return Page(
        "agents.html",
        "Agents",
        asked("/v1/agents", capability=capability, role=role, after=after),
        {**agents, "capability": capability, "role": role},
        proves=[each["index"] for each in agents["agents"]],
    )


def relays_page(reader: Reader, after: str) -> Page:
    """All relays by id."""
    found = lists.relays(reader, after, LISTED)
    proves = [each["index"] for each in found["relays"]]
    return Page("relays.html", "Relays", asked("/v1/relays", after=after), found, proves=proves)


def relay_page(reader: Reader, id: str) -> Page:
    """One relay with its coordinators and the newest tasks through it."""
    record = lists.relay(reader, id)
    tasks = lists.tasks(reader, "", {"relay": id}, "", BRIEFLY)["tasks"]
    data = {"relay": record, "tasks": tasks}
    return Page("relay.html", f"Relay {record['name']}", f"/v1/relays/{id}", data, proves=[record["index"]])
