"""Agents, their money and the seats that wait for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from trust.api.views import cases, lists
from trust.api.views.log import entry_facts
from trust.api.views.shapes import find_party, page, shown
from trust.core import ledger
from trust.core.records import Account, Party, Role
from trust.core.scorebook import ScoreFile
from trust.services import history as histories
from trust.services import scoring
from trust.services.blobs import stored
from trust.services.scoreproofs import ScoreProofs
from trust.storage.holdings import accounts_of, bonded_units, locked_units, withdrawals_of
from trust.storage.reading import Reader

if TYPE_CHECKING:
    from trust.services.graph import Pass

ACCOUNTS = (ledger.free, ledger.unbonding)
MAX_POSITION = 10**9 - 1


def agent(reader: Reader, name: str) -> dict[str, Any]:
    """A party as it stands: key, owner, capabilities, enrolments, balances."""
    party = find_party(reader, name)
    return {
        **shown(party, "agent", "vacated", "liveness_ms", "failures_ms"),
        "enrolled": [{"task_kind": kind, "slot": slot} for kind, slot in party.enrolled],
        "roles": _roles(reader, party),
        "balances": _balances(reader, party),
        "blobs": msgspec.to_builtins(stored(reader.connection, party.id)),
    }


def _roles(reader: Reader, party: Party) -> list[str]:
    held = reader.record(Role, f"treasurer/{party.id}")
    return ["agent"] if held is None else ["agent", held.role]


def _balances(reader: Reader, party: Party) -> dict[str, int]:
    accounts = {record.id: record.balance_units for record in _accounts(reader, party)}
    free, unbonding = (accounts.get(name(party.id), 0) for name in ACCOUNTS)
    locked = locked_units(reader.connection, [party.id]).get(party.id, 0)
    return {
        "free_units": free,
        "staked_units": locked,
        "bonded_units": bonded_units(reader.connection, party.id),
        "unbonding_units": unbonding,
    }


def _accounts(reader: Reader, party: Party) -> list[Account]:
    return reader.records(Account, [name(party.id) for name in ACCOUNTS])


def money(reader: Reader, name: str, after: str, limit: int) -> dict[str, Any]:
    """An agent's ledger: balances, its newest 100 withdrawals, and the postings on its accounts and its locks, the
    newest first. All withdrawals are among the postings.

    A lock is the stake on a claim, the bond of a seat or of a challenge: a slash shows where it was taken from.
    `after` is the index and the position of the last posting, "42.3"; without a position, all of that entry.
    """
    party = find_party(reader, name)
    postings = reader.ledger(accounts_of(party.id), _position(after), limit + 1)
    return {
        "agent": party.id,
        "balances": _balances(reader, party),
        "withdrawals": [
            shown(each, "withdrawal", "party") for each in withdrawals_of(reader.connection, party.id)
        ],
        **page("postings", msgspec.to_builtins(postings), limit, "index", "position"),
    }


def _position(after: str) -> tuple[int, int] | None:
    index, _, position = after.partition(".")
    return (int(index), int(position or MAX_POSITION)) if index else None


def reputation(reader: Reader, name: str, task_kind: str, role: str, graph: Pass | None) -> dict[str, Any]:
    """An agent's named scores, and what the last graph pass says of its owner."""
    return scoring.record_of(reader, find_party(reader, name), task_kind, role, graph)


def history(reader: Reader, name: str, role: str, task_kind: str, points: int) -> dict[str, Any]:
    """How one of an agent's scores came to be."""
    return histories.history(reader, find_party(reader, name), role, task_kind, points)


def proof(reader: Reader, proofs: ScoreProofs, name: str) -> ScoreFile:
    """The file that shows an agent's scores elsewhere."""
    return proofs.of(reader, find_party(reader, name))


def seats(reader: Reader, name: str, state: str, after: str, limit: int) -> dict[str, Any]:
    """A verifier's seats, each with all that it needs to do the work."""
    party = find_party(reader, name)
    seat_records = reader.seats_of(party.id, state, after, limit + 1)
    return {"agent": party.id, **page("seats", cases.duties(reader, seat_records), limit, "seat")}


def tasks(reader: Reader, name: str, after: str, limit: int) -> dict[str, Any]:
    """The tasks that an agent posted, the newest first."""
    return lists.tasks(reader, "", {"requester": name}, after, limit)


def claims(reader: Reader, name: str, after: str, limit: int) -> dict[str, Any]:
    """The claims that an agent won, the newest first."""
    return lists.claims(reader, "", {"worker": name}, after, limit)


def timeline(reader: Reader, name: str, after: int, limit: int) -> dict[str, Any]:
    """The entries that name an agent, in log order."""
    party = find_party(reader, name)
    entries = [entry_facts(each) for each in reader.timeline([party.id], after, limit + 1)]
    return {"agent": party.id, **page("entries", entries, limit, "index")}
