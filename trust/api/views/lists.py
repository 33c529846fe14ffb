"""Lists of the whole network, the newest first, and what a word names (docs/protocol.md 5.4)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeGuard

from trust.api.views import cases
from trust.api.views.log import entry_facts
from trust.api.views.shapes import ID, find, find_party, page, shown
from trust.core import scoring
from trust.core.entry import decode_entry
from trust.core.events import Convicted, Event
from trust.core.records import Claim, Conviction, Party, Relay, Seat, Squad, Task
from trust.errors import TrustError
from trust.storage import listing, searching
from trust.storage.listing import CLAIM_STATES, OPEN_CLAIM, TASK_STATES
from trust.storage.reading import Reader

OPEN = "open"
_WHOLE = r"(0|[1-9][0-9]{0,15})"
BY_WEIGHT = re.compile(rf"{_WHOLE}[.]{_WHOLE}")
BY_NUMBER = re.compile(_WHOLE)
NEWEST = re.compile(rf"{_WHOLE}[.]did:key:[A-Za-z0-9]{{1,64}}")


def tasks(reader: Reader, state: str, filters: Mapping[str, str], after: str, limit: int) -> dict[str, Any]:
    """Tasks by state, requester, relay and kind, as far as they are named."""
    states = (state,) if state else TASK_STATES
    ids, goes_on = listing.tasks(reader.connection, states, _resolved(reader, filters), after, limit)
    return _listed("tasks", [cases.shown_task(each) for each in reader.records(Task, ids)], goes_on)


def claims(reader: Reader, state: str, filters: Mapping[str, str], after: str, limit: int) -> dict[str, Any]:
    """Claims by state (`open`: they have not ended), worker and kind, as far as they are named."""
    states = OPEN_CLAIM if state == OPEN else (state,) if state else CLAIM_STATES
    ids, goes_on = listing.claims(reader.connection, states, _resolved(reader, filters), after, limit)
    return _listed("claims", [shown(each, "claim") for each in reader.records(Claim, ids)], goes_on)


def _resolved(reader: Reader, filters: Mapping[str, str]) -> dict[str, str]:
    """The filters that are set, with DIDs for handles; TrustError `unknown-...` where one names nobody."""
    resolved = {name: value for name, value in filters.items() if value}
    for name in ("requester", "worker"):
        if name in resolved:
            resolved[name] = find_party(reader, resolved[name]).id
    if "relay" in resolved:
        find(reader, Relay, resolved["relay"], ID)
    return resolved


def seats(reader: Reader, after: str, limit: int) -> dict[str, Any]:
    """The seats that wait for their verifiers, each with all that is needed to do the work."""
    ids, goes_on = listing.open_seats(reader.connection, after, limit)
    return _listed("seats", cases.duties(reader, reader.records(Seat, ids)), goes_on)


def agents(reader: Reader, capability: str, role: str, sort: str, after: str, limit: int) -> dict[str, Any]:
    """Parties by what they offer: work, or checks with the role `verifier`, of one kind where named."""
    by_weight = sort == "weight"
    if by_weight and not capability:
        raise TrustError("bad-parameter", "sort: weights are of one kind of work, name a capability")
    place = BY_WEIGHT if by_weight else BY_NUMBER if capability else NEWEST
    if after and not place.fullmatch(after):
        raise TrustError("bad-parameter", "after: it is no place of this list, or of one in another order")
    if not capability:
        ids, goes_on = listing.parties(reader.connection, role, after, limit)
        return _listed("agents", [_agent(each) for each in reader.records(Party, ids)], goes_on)
    pool = (scoring.verifier_pool if role == "verifier" else scoring.worker_pool)(capability)
    ids, goes_on = listing.places(reader.connection, pool, by_weight=by_weight, after=after, limit=limit)
    parties = [each for each in reader.records(Party, ids) if _offers(each, capability, role)]
    return _listed("agents", [_agent(each) for each in parties], goes_on)


def _offers(party: Party, capability: str, role: str) -> bool:
    """Returns whether a party that has, or had, a place in the pool of a kind still offers it."""
    return capability in (dict(party.enrolled) if role == "verifier" else party.capabilities)


def _agent(party: Party) -> dict[str, Any]:
    return {
        "agent": party.id,
        "handle": party.handle or None,
        "owner": party.owner,
        "capabilities": list(party.capabilities),
        "checks": [kind for kind, _ in party.enrolled],
        "registered_ms": party.registered_ms,
        "index": party.index,
        "left": party.left or None,
        "jailed_until_ms": party.jailed_until_ms,
    }


def relays(reader: Reader, after: str, limit: int) -> dict[str, Any]:
    """All relays by id."""
    ids, goes_on = listing.relays(reader.connection, after, limit)
    return _listed("relays", [shown(each, "relay") for each in reader.records(Relay, ids)], goes_on)


def squads(reader: Reader, filters: Mapping[str, str], after: str, limit: int) -> dict[str, Any]:
    """Squads by id, of a task and in a state where they are named."""
    named = {name: value for name, value in filters.items() if value}
    ids, goes_on = listing.squads(reader.connection, named, after, limit)
    return _listed("squads", [shown(each, "squad") for each in reader.records(Squad, ids)], goes_on)


def relay(reader: Reader, id: str) -> dict[str, Any]:
    """One relay, with its coordinators."""
    return shown(find(reader, Relay, id, ID), "relay")


def entries(reader: Reader, kind: str, after: int | None, limit: int) -> dict[str, Any]:
    """The entries before an index, the newest first, with their events."""
    before = reader.head().size if after is None else after
    newest = [entry_facts(each) for each in reader.newest(before, kind, limit + 1)]
    return page("entries", newest, limit, "index")


def convictions(reader: Reader, after: int | None, limit: int) -> dict[str, Any]:
    """The facts that convicted somebody, the newest first, each with its entry in words; an entry convicts once."""
    before = reader.head().size if after is None else after
    facts = listing.convictions(reader.connection, before, limit + 1)
    convictions = [_conviction(reader, each) for each in reader.records(Conviction, facts)]
    return page("convictions", convictions, limit, "index")


def _conviction(reader: Reader, conviction: Conviction) -> dict[str, Any]:
    stored = reader.entry(conviction.index)
    assert stored is not None
    entry = entry_facts(stored)
    party = next(each.party for each in decode_entry(stored.data).events if _is_of(each, conviction.id))
    return {
        **shown(conviction, "fact"),
        "type": conviction.id.partition("/")[0],
        "party": party,
        "at_ms": entry["at_ms"],
        "words": entry["words"],
    }


def _is_of(event: Event, fact: str) -> TypeGuard[Convicted]:
    return isinstance(event, Convicted) and event.fact == fact


def search(reader: Reader, word: str, after: str, limit: int) -> dict[str, Any]:
    """Returns what a word names, as a page of finds."""
    try:
        finds, goes_on = searching.search(reader, word, after, limit)
    except ValueError as error:
        raise TrustError("bad-parameter", f"after: {error}") from None
    return _listed("found", [each._asdict() for each in finds], goes_on)


def _listed(name: str, items: list[dict[str, Any]], goes_on: str) -> dict[str, Any]:
    return {name: items, "after": goes_on or None}
