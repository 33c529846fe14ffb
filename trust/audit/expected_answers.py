"""The answers that a truthful service gives, from the replayed state alone: the facts of one question as JSON has them.

Written again from the rulebook and the tables' meaning, not taken from the service's own views: those are what is
checked.
"""

from __future__ import annotations

import re
from collections import Counter
from itertools import islice
from typing import Any, NamedTuple, TypeVar

import msgspec
from msgspec.structs import asdict
from sqlalchemy import func, select

from trust.core import ledger, reputation, scoring
from trust.core import overhead as overheads
from trust.core.entry import decode_entry
from trust.core.events import NETWORK, Convicted
from trust.core.identity import PATTERN
from trust.core.lifecycle import SeatState
from trust.core.records import (
    Account,
    AdoptedPolicy,
    Claim,
    Conviction,
    Network,
    Overhead,
    Party,
    Record,
    Relay,
    Round,
    Score,
    Seat,
    Squad,
    Task,
    Timer,
)
from trust.core.words import sentences
from trust.storage import tables, tallies
from trust.storage.holdings import bonded_units, challenges_on, locked_units
from trust.storage.listing import LOOKED
from trust.storage.reading import Reader
from trust.storage.rows import CODECS, table_of
from trust.storage.state import SqlView
from trust.storage.tables import STATE

R = TypeVar("R", bound=Record)
Facts = dict[str, Any]
PAGE = 100
PERIODS = 48
PPM = 1_000_000
PER = {"hour": tallies.HOUR_MS, "day": tallies.DAY_MS}
COUNTED = ("parties", "relays", "tasks", "claims", "seats", "withdrawals")


class Replayed(NamedTuple):
    """The state at the size to which a log is replayed."""

    view: SqlView
    reader: Reader

    def need(self, kind: type[R], id: str) -> R:
        """A record that was there when it was asked for."""
        record = self.view.get(kind, id)
        assert record is not None
        return record

    def locked(self, agent: str) -> int:
        """Returns what an agent has in stakes on claims."""
        return locked_units(self.reader.connection, [agent]).get(agent, 0)


def _shown(record: Record, *hidden: str) -> Facts:
    """A record's fields but its id, empty texts as null."""
    fields: Facts = msgspec.to_builtins(record)
    shown = {name: value for name, value in fields.items() if name not in ("id", *hidden)}
    return {name: None if value == "" else _listed(value) for name, value in shown.items()}


def _listed(value: Any) -> Any:
    return [_listed(each) for each in value] if isinstance(value, tuple | list) else value


def stats(replayed: Replayed) -> Facts:
    """The whole network: counts, and the sum on each kind of account."""
    reader = replayed.reader
    counted = {name: reader.count(name) for name in COUNTED}
    return {"size": replayed.view.size, "at_ms": replayed.view.at_ms, **counted, **reader.summed()}


def overhead(replayed: Replayed) -> Facts:
    """Returns the cost of coordination, judged by the policy in force: in all, and of the first pairs of kind and
    relay."""
    view, reader = replayed.view, replayed.reader
    policy = replayed.need(AdoptedPolicy, str(replayed.need(Network, NETWORK).policy)).terms
    terms = overheads.thresholds(policy)
    whole = view.get(Overhead, overheads.NETWORK) or Overhead(id="", task_kind="", relay="")

    def figures(record: Overhead) -> Facts:
        facts: Facts = msgspec.to_builtins(overheads.figures(record, view.at_ms, terms))
        return facts | {"advice": _listed(facts["advice"])}

    pairs = [(each, {"task_kind": each.task_kind, "relay": each.relay}) for each in reader.overhead()]
    return {
        "as_of": {"size": view.size, "at_ms": view.at_ms},
        "network": figures(whole),
        "pairs": [named | figures(each) for each, named in pairs],
    }


def periods(replayed: Replayed, per: str) -> Facts:
    """The newest hours or days down to that of the first entry, also those in which nothing happened."""
    view, connection, width = replayed.view, replayed.reader.connection, PER[per]
    counted = table_of(tables.Tallies).c
    first_ms = connection.execute(
        select(func.min(counted.since_ms)).where(counted.width_ms == width)
    ).scalar_one()
    last_ms = view.at_ms - view.at_ms % width
    start_ms = max(first_ms, last_ms - (PERIODS - 1) * width)
    found = tallies.between(connection, width, start_ms, last_ms + width)
    pool_units, rows = _balance(replayed, ledger.VERIFICATION), []
    for since_ms in range(last_ms, start_ms - 1, -width):
        counters = found.get(since_ms, Counter())
        rows.append({"since_ms": since_ms, "pool_units": pool_units, **_happened(counters)})
        pool_units -= counters[tallies.POOL]
    return {"as_of": {"size": view.size, "at_ms": view.at_ms}, "per": per, "periods": rows}


def _happened(counters: Counter[str]) -> Facts:
    """A period's counters, and the shares that they come to; null where they are of nothing."""
    coordination_ms = counters["wait_ms"] + counters["settle_ms"]
    return {
        **{name: counters[name] for name in tallies.NAMES},
        "checked_ppm": _share(counters["checked"], counters["spared"]),
        "coordination_ppm": _share(coordination_ms, counters["work_ms"]),
    }


def _share(part: int, rest: int) -> int | None:
    return part * PPM // (part + rest) if part + rest else None


def agent(replayed: Replayed, id: str) -> Facts:
    """A party as it stands, with its balances."""
    party = replayed.need(Party, id)
    free, unbonding = (ledger.balance(replayed.view, name(id)) for name in (ledger.free, ledger.unbonding))
    return {
        "agent": id,
        **_shown(party, "vacated", "liveness_ms", "failures_ms", "enrolled"),
        "enrolled": [{"task_kind": kind, "slot": slot} for kind, slot in party.enrolled],
        "balances": {
            "free_units": free,
            "staked_units": replayed.locked(id),
            "bonded_units": bonded_units(replayed.reader.connection, id),
            "unbonding_units": unbonding,
        },
    }


def _scored(replayed: Replayed, score: Score) -> Facts:
    """One record's named scores in ppm, and the decayed observations behind them."""
    record = scoring.reading(replayed.view, score.agent, score.role, score.task_kind, replayed.view.at_ms)
    facts = {
        "role": score.role,
        "task_kind": score.task_kind,
        "good_slow_milli": record.good_slow,
        "bad_slow_milli": record.bad_slow,
        "good_fast_milli": record.good_fast,
        "bad_fast_milli": record.bad_fast,
        "events": score.events,
        "last_index": score.index,
    }
    expected = reputation.expected_ppm(record)
    if score.role == "verifier":
        return facts | {"accuracy_ppm": expected}
    facts["expected_ppm"] = expected
    return facts | ({"priority_ppm": reputation.priority_ppm(record)} if score.role == "worker" else {})


def reputation_of(replayed: Replayed, id: str) -> Facts:
    """An agent's scores in every role and task kind."""
    view, party, locked = replayed.view, replayed.need(Party, id), replayed.locked(id)
    return {
        "agent": id,
        "as_of": {"size": view.size, "at_ms": view.at_ms},
        "scores": [_scored(replayed, score) for score in replayed.reader.scores_of(id)],
        "liveness_ppm": scoring.liveness_ppm(view, id, view.at_ms),
        "rater_ppm": scoring.rater_ppm(view, id),
        "stake_units": ledger.balance(view, ledger.free(id)) + locked,
        "locked_units": locked,
        "age_ms": view.at_ms - party.registered_ms,
        "rotations": party.rotations,
        "left": party.left or None,
        "jailed_until_ms": party.jailed_until_ms if party.jailed_until_ms > view.at_ms else None,
    }


def priorities(replayed: Replayed, task_kind: str, candidates: list[str]) -> Facts:
    """Candidates in the order in which a relay should prefer them."""
    view = replayed.view
    locked = locked_units(replayed.reader.connection, candidates)
    ranked = scoring.priorities(view, task_kind, candidates, "", locked)
    return {
        "task_kind": task_kind,
        "as_of": {"size": view.size, "at_ms": view.at_ms},
        "candidates": [
            {"rank": rank, **{name: _listed(value) for name, value in asdict(each).items()}}
            for rank, each in enumerate(ranked, 1)
        ],
    }


def task(replayed: Replayed, id: str) -> Facts:
    """A task with every claim that it had."""
    return {
        **_task(replayed.need(Task, id)),
        "escrow_units": _balance(replayed, ledger.escrow(id)),
        "claims": [_brief(each) for each in replayed.reader.claims_on(id)],
    }


def _task(record: Task) -> Facts:
    return {"task": record.id, **_shown(record)}


def _brief(claim: Claim) -> Facts:
    named = {"claim": claim.id, "worker": claim.worker, "state": claim.state, "index": claim.index}
    return named | {"verdict": claim.verdict or None}


def claim(replayed: Replayed, id: str) -> Facts:
    """A claim with its task, its challenges, its rounds and their seats, and what is due next."""
    reader, record = replayed.reader, replayed.need(Claim, id)
    timer = reader.record(Timer, id)
    seats = reader.seats_on(id)
    output = {"statement": record.output, "index": record.output_index, "opened": record.opened}
    return {
        "claim": id,
        **_shown(record),
        "staked_units": _balance(replayed, ledger.stake(id)),
        "due": None if timer is None else {"kind": timer.kind, "due_ms": timer.due_ms},
        "task": _task(replayed.need(Task, record.task)),
        "output": output if record.output else None,
        "challenges": [
            {"challenge": each.id, **_shown(each, "claim")} for each in challenges_on(reader.connection, id)
        ],
        "rounds": [_round(each, seats) for each in reader.rounds_of(id)],
    }


def _round(round_: Round, seats: list[Seat]) -> Facts:
    mine = [seat for seat in seats if seat.round == round_.number]
    current = set(round_.seats)
    return {
        "round": round_.number,
        **_shown(round_, "seats", "claim", "past_seats", "items", "to_open", "replaced"),
        "seats": [
            {"seat": seat.id, **_shown(seat, "claim", "round"), "current": seat.id in current}
            for seat in mine
        ],
    }


def tasks(replayed: Replayed, where: Facts) -> Facts:
    """The newest tasks whose fields are as given."""
    return {"tasks": [_task(each) for each in _newest(replayed, Task, where)]}


def claims(replayed: Replayed, where: Facts) -> Facts:
    """The newest claims whose fields are as given."""
    return {"claims": [{"claim": each.id, **_shown(each)} for each in _newest(replayed, Claim, where)]}


def open_seats(replayed: Replayed) -> Facts:
    """The newest seats that wait for their verifiers."""
    seat = STATE[Seat].c
    waits = seat.state.in_((SeatState.SEATED, SeatState.COMMITTED)) & (seat.outcome == "")
    seats = _newest(replayed, Seat, {}, waits)
    return {"seats": [{"seat": each.id, **_shown(each, "until_ms")} for each in seats]}


def agents(replayed: Replayed) -> Facts:
    """The newest parties, and what they offer."""
    return {
        "agents": [
            {
                "agent": each.id,
                "handle": each.handle or None,
                "owner": each.owner,
                "capabilities": list(each.capabilities),
                "checks": [kind for kind, _ in each.enrolled],
                "left": each.left or None,
                "jailed_until_ms": each.jailed_until_ms,
            }
            for each in _newest(replayed, Party, {})
        ]
    }


def relays(replayed: Replayed) -> Facts:
    """The first relays by id."""
    return {"relays": [{"relay": each.id, **_shown(each)} for each in _first(replayed, Relay, PAGE, "id")]}


def squads(replayed: Replayed, state: str = "") -> Facts:
    """The first squads by id; with a state those that are in it, of the first that the service looks at."""
    looked = _first(replayed, Squad, LOOKED if state else PAGE, "id")
    found = islice((each for each in looked if state in ("", each.state)), PAGE)
    return {"squads": [_squad(each) for each in found]}


def squad(replayed: Replayed, id: str) -> Facts:
    """A squad with the parts of its task and their claims."""
    record = replayed.need(Squad, id)
    parts = [
        {
            **_task(replayed.need(Task, part)),
            "claims": [_brief(each) for each in replayed.reader.claims_on(part)],
        }
        for part in record.tasks
    ]
    return {**_squad(record), "parts": parts}


def _squad(record: Squad) -> Facts:
    return {"squad": record.id, **_shown(record)}


def convictions(replayed: Replayed) -> Facts:
    """The newest facts that convicted somebody."""
    reader = replayed.reader
    return {"convictions": [_conviction(reader, each) for each in _newest(replayed, Conviction, {})]}


def _conviction(reader: Reader, record: Conviction) -> Facts:
    """A fact, whom it convicted by the entry's own event, and that entry in words."""
    stored = reader.entry(record.index)
    assert stored is not None
    entry = decode_entry(stored.data)
    told = (each for each in entry.events if isinstance(each, Convicted))
    return {
        "fact": record.id,
        **_shown(record),
        "type": record.id.split("/")[0],
        "party": next(each.party for each in told if each.fact == record.id),
        "at_ms": stored.at_ms,
        "words": sentences(stored.kind, entry),
    }


def due(replayed: Replayed) -> Facts:
    """What is due first, each with what it is about."""
    view = replayed.view
    timers = _first(replayed, Timer, PAGE, "due_ms", "kind", "id")
    return {
        "as_of": {"size": view.size, "at_ms": view.at_ms},
        "due": [{"id": each.id, **_shown(each), **_about(replayed, each)} for each in timers],
    }


def _about(replayed: Replayed, timer: Timer) -> Facts:
    """The claim of a date, or that of its seat, and who has to act; else the task or the agent that its id names."""
    kind, _, name = timer.id.partition("/")
    seat = replayed.view.get(Seat, timer.id)
    claim = replayed.view.get(Claim, kind if seat is None else seat.claim)
    named = re.search(PATTERN, timer.id)
    if claim is None:
        agent = named[0] if named else None
        return {"claim": None, "task": name if kind == "task" else None, "agent": agent}
    return {"claim": claim.id, "task": claim.task, "agent": claim.worker if seat is None else seat.agent}


def _first(replayed: Replayed, kind: type[R], limit: int, *order: str) -> list[R]:
    """The first records of a kind by these fields."""
    table = STATE[kind]
    query = select(table).order_by(*(table.c[name] for name in order)).limit(limit)
    records: Any = map(CODECS[kind].to_record, replayed.reader.connection.execute(query))
    return list(records)


def _newest(replayed: Replayed, kind: type[R], where: Facts, *more: Any) -> list[R]:
    """A page of records as they lie in the replay's own table, the newest first."""
    table = STATE[kind]
    wanted = [table.c[name] == value for name, value in where.items()]
    query = select(table).where(*wanted, *more).order_by(table.c.index.desc(), table.c.id.desc()).limit(PAGE)
    records: Any = map(CODECS[kind].to_record, replayed.reader.connection.execute(query))
    return list(records)


def _balance(replayed: Replayed, account: str) -> int:
    record = replayed.view.get(Account, account)
    return 0 if record is None else record.balance_units
