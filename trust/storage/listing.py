"""Lists of what the state holds, the newest first, each page answered from one index (docs/protocol.md 5.4).

A list goes on after a place, never by offset: an index of the log and an id, or a weight and a number. Where several
filters are given, the index of the first answers, and the others are looked at row by row, at most LOOKED rows for a
page: a page may hold less than was asked for, even nothing, although the list goes on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    CompoundSelect,
    Connection,
    Select,
    Table,
    Text,
    bindparam,
    literal_column,
    select,
    text,
    tuple_,
    union_all,
)

from trust.core.lifecycle import ClaimState, TaskState
from trust.core.records import Claim, Conviction, Party, Record, Relay, Seat, Slot, Squad, Task, Timer
from trust.storage.tables import OF_A_RELAY, OFFERS_CHECKS, OFFERS_WORK, OPEN_SEAT, STATE

LOOKED = 1_000

TASK_STATES: Final = (
    TaskState.OPEN,
    TaskState.ALLOCATING,
    TaskState.CLAIMED,
    TaskState.SPLIT,
    TaskState.CLOSED,
)
OPEN_CLAIM: Final = (
    ClaimState.CLAIMED,
    ClaimState.SUBMITTED,
    ClaimState.UNCHECKED,
    ClaimState.CHECKING,
    ClaimState.PASSING,
    ClaimState.FAILING,
    ClaimState.VOIDING,
)
"""The states of a claim that has not ended."""
CLAIM_STATES: Final = (
    *OPEN_CLAIM,
    ClaimState.ACCEPTED,
    ClaimState.REJECTED,
    ClaimState.ABANDONED,
    ClaimState.EXPIRED,
    ClaimState.VOIDED,
)

_LED_BY = {Task: ("requester", "relay", "task_kind"), Claim: ("worker", "task_kind")}
"""The filters that have an index, the most telling first; each of these indexes goes on with state, index and id."""
_WHERE = {"relay": OF_A_RELAY}
_ROLES = {"worker": OFFERS_WORK, "verifier": OFFERS_CHECKS}
_SLOT = STATE[Slot].c
_RELAY = STATE[Relay].c
_SQUAD = STATE[Squad].c
_TIMER = STATE[Timer].c


class Page(NamedTuple):
    """The keys of a page, and the place after which the list goes on; "" at its end."""

    keys: list[str]
    after: str


def tasks(
    connection: Connection, states: Sequence[str], filters: Mapping[str, str], after: str, limit: int
) -> Page:
    """Tasks in these states, by requester, relay and kind where named."""
    return _in_states(connection, Task, states, filters, after, limit)


def claims(
    connection: Connection, states: Sequence[str], filters: Mapping[str, str], after: str, limit: int
) -> Page:
    """Claims in these states, by worker and kind where named."""
    return _in_states(connection, Claim, states, filters, after, limit)


def open_seats(connection: Connection, after: str, limit: int) -> Page:
    """The seats that wait for their verifiers."""
    query = _list(Seat, bool(after), OPEN_SEAT)
    return _page(connection.execute(query, _place_of(after, limit + 1)).all(), {}, limit, is_more=False)


def parties(connection: Connection, role: str, after: str, limit: int) -> Page:
    """The parties that offer work (`worker`) or checks (`verifier`); all where no role is named."""
    query = _list(Party, bool(after), _ROLES[role] if role else "")
    return _page(connection.execute(query, _place_of(after, limit + 1)).all(), {}, limit, is_more=False)


def places(connection: Connection, pool: str, *, by_weight: bool, after: str, limit: int) -> Page:
    """The agents in a pool, the newest or the heaviest place first."""
    order = (_SLOT.weight, _SLOT.number) if by_weight else (_SLOT.number,)
    query = select(*order, _SLOT.agent).where(_SLOT.pool == pool)
    if after:
        query = query.where(_before(order, map(int, after.split("."))))
    rows = connection.execute(query.order_by(*(each.desc() for each in order)).limit(limit + 1)).all()
    kept = rows[:limit]
    return Page([row[-1] for row in kept], _place(kept[-1][:-1]) if len(rows) > limit else "")


def convictions(connection: Connection, before: int, limit: int) -> list[str]:
    """The facts that convicted somebody by an entry before an index, at most `limit`, the newest first."""
    table = STATE[Conviction].c
    query = select(table.id).where(table.index < before).order_by(table.index.desc(), table.id.desc())
    return list(connection.execute(query.limit(limit)).scalars())


def due(connection: Connection, after: tuple[int, str, str], limit: int) -> list[Timer]:
    """What is due, in the order in which it is settled: (due_ms, kind, id), after such a place."""
    order = (_TIMER.due_ms, _TIMER.kind, _TIMER.id)
    query = select(_TIMER.id, _TIMER.due_ms, _TIMER.kind).where(tuple_(*order) > tuple_(*after))
    return [Timer(*row) for row in connection.execute(query.order_by(*order).limit(limit))]


def relays(connection: Connection, after: str, limit: int) -> Page:
    """All relays by id."""
    query = select(_RELAY.id).where(_RELAY.id > after).order_by(_RELAY.id).limit(limit + 1)
    ids = list(connection.execute(query).scalars())
    return Page(ids[:limit], ids[limit - 1] if len(ids) > limit else "")


def squads(connection: Connection, filters: Mapping[str, str], after: str, limit: int) -> Page:
    """Squads by id, of a task and in a state where named: these are looked at row by row."""
    columns = [_SQUAD[name] for name in filters]
    query = select(_SQUAD.id, *columns).where(_SQUAD.id > after).order_by(_SQUAD.id)
    most = LOOKED if filters else limit + 1
    rows = connection.execute(query.limit(most)).all()
    ids = [str(row[0]) for row in rows if tuple(row[1:]) == tuple(filters.values())]
    if len(ids) > limit:
        return Page(ids[:limit], ids[limit - 1])
    return Page(ids, str(rows[-1][0]) if filters and len(rows) == most else "")


def _in_states(
    connection: Connection,
    kind: type[Record],
    states: Sequence[str],
    filters: Mapping[str, str],
    after: str,
    limit: int,
) -> Page:
    """One index gives each state's newest rows in order; here they are put together."""
    led_by = next((name for name in _LED_BY[kind] if name in filters), "")
    others = {name: value for name, value in filters.items() if name != led_by}
    most = max(limit + 1, LOOKED // len(states)) if others else limit + 1
    query = _lists(kind, tuple(states), led_by, tuple(others), bool(after))
    values = _place_of(after, most) | {"led": filters.get(led_by)}
    rows = sorted(connection.execute(query, values).all(), key=_key, reverse=True)
    more = [state for state, count in Counter(row.listed for row in rows).items() if count == most]
    return _page(_known(rows, more), others, limit, is_more=bool(more))


def _key(row: Any) -> tuple[int, str]:
    return row[0], row[1]


def _known(rows: Sequence[Any], more: Sequence[str]) -> Sequence[Any]:
    """The rows down to where a state's next one, which was not read, may stand between."""
    if not more:
        return rows
    last = max(min(_key(row) for row in rows if row.listed == state) for state in more)
    return [row for row in rows if _key(row) >= last]


@cache
def _list(kind: type[Record], goes_on: bool, where: str) -> Select[Any]:
    """The newest rows of a kind, of those that fulfil a condition where there is one."""
    return _newest(STATE[kind], goes_on, [text(where)] if where else [])


@lru_cache(maxsize=1_000)
def _lists(
    kind: type[Record], states: tuple[str, ...], led_by: str, others: tuple[str, ...], goes_on: bool
) -> CompoundSelect[Any]:
    """The newest rows in each state, of those that have the value `led` in the field that leads an index."""
    table = STATE[kind]
    where: list[Any] = [table.c[led_by] == bindparam("led")] if led_by else []
    where += [text(_WHERE[led_by])] if led_by in _WHERE else []
    parts = (_newest(table, goes_on, [*where, table.c.state == state], state, *others) for state in states)
    return union_all(*(select(part.subquery()) for part in parts))


def _newest(table: Table, goes_on: bool, where: Sequence[Any], listed: str = "", *others: str) -> Select[Any]:
    """Index and id of rows, the newest first and, where the list goes on, older than a place; in which part of the list
    they are, and what else is to be looked at."""
    named: Any = literal_column(f"'{listed}'").label("listed")
    query = select(table.c.index, table.c.id, named, *(table.c[name] for name in others)).where(*where)
    if goes_on:
        query = query.where(
            _before(
                (table.c.index, table.c.id),
                (bindparam("index", type_=BigInteger), bindparam("id", type_=Text)),
            )
        )
    return query.order_by(text('"index" DESC'), text("id DESC")).limit(bindparam("most"))


def _place_of(after: str, most: int) -> dict[str, Any]:
    """The parameters of `_newest`: where a list goes on, and how many rows are read."""
    index, _, id = after.partition(".")
    return {"most": most, "index": int(index), "id": id} if after else {"most": most}


def _before(columns: Sequence[ColumnElement[Any]], place: Any) -> ColumnElement[bool]:
    return tuple_(*columns) < tuple_(*place)


def _page(rows: Sequence[Any], others: Mapping[str, str], limit: int, *, is_more: bool) -> Page:
    """The rows that match; the list goes on after the last of them, or after the last that was looked at."""
    wanted = tuple(others.values())
    matching = [row for row in rows if tuple(row[3:]) == wanted]
    kept = [str(row[1]) for row in matching[:limit]]
    if len(matching) > limit:
        return Page(kept, _place(matching[limit - 1][:2]))
    return Page(kept, _place(rows[-1][:2]) if is_more else "")


def _place(values: Sequence[Any]) -> str:
    return ".".join(map(str, values))
