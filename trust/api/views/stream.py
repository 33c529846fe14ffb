"""Entries as events of the stream, with all that each is about, and where the wanted ones begin."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import ColumnElement, func, select
from sqlmodel import col

from trust.api.feed import StreamEvent, Wanted, event, kind_tag, task_kind_tag
from trust.api.views.log import described
from trust.core.entry import decode_entry
from trust.core.payloads import CLAIM
from trust.core.records import Claim, Seat, Task
from trust.storage.engine import ids_of, listed
from trust.storage.projections import actor_and_subjects, named_by
from trust.storage.reading import Reader
from trust.storage.tables import STATE, Entries, Mentions
from trust.storage.unit import StoredEntry

_SEAT, _CLAIM = STATE[Seat].c, STATE[Claim].c


class _Named(NamedTuple):
    """An entry as an event, and what its statement and its events name."""

    kind: str
    event: bytes
    subjects: frozenset[str]


def stream_events(reader: Reader, start: int, end: int) -> list[StreamEvent]:
    """The entries [start, end), as far as there are any, as events of the stream."""
    named = [_named(each) for each in reader.entries(start, end)]
    subjects = frozenset().union(*(each.subjects for each in named))
    seats = {each.id: each.claim for each in reader.records(Seat, _having(subjects, "seat_"))}
    claims = {each.id: each for each in reader.records(Claim, _having({*subjects, *seats.values()}, CLAIM))}
    tasks = {*(each.task for each in claims.values()), *(each for each in subjects if ":" not in each)}
    kinds = {each.id: each.task_kind for each in reader.records(Task, sorted(tasks))}
    return [_stream_event(each, seats, claims, kinds) for each in named]


def _named(stored: StoredEntry) -> _Named:
    entry = decode_entry(stored.data)
    actor, subjects = actor_and_subjects(entry)
    named = frozenset([actor, *subjects, *(name for each in entry.events for name in named_by(each))])
    event_bytes = event(stored.index, stored.kind, msgspec.json.encode(described(stored, entry)))
    return _Named(stored.kind, event_bytes, named)


def _having(ids: Iterable[str], prefix: str) -> list[str]:
    return sorted({each for each in ids if each.startswith(prefix)})


def _stream_event(
    named: _Named, seats: dict[str, str], claims: dict[str, Claim], kinds: dict[str, str]
) -> StreamEvent:
    """An entry about a seat is about its claim, one about a claim about its task and relay, one about a task about
    its kind."""
    about = set(named.subjects)
    about |= {seats[each] for each in about if each in seats}
    for claim in [claims[each] for each in about if each in claims]:
        about |= {claim.task, claim.relay}
    about |= {task_kind_tag(kinds[each]) for each in about if each in kinds}
    return StreamEvent(named.event, frozenset({*about, kind_tag(named.kind)}))


def first_wanted(reader: Reader, start: int, wanted: Wanted) -> int:
    """The first index from `start` on that may be wanted, by the indexes of kinds and of who is named where; the end
    of the log where there is none."""
    firsts = [start]
    if wanted.kind:
        firsts.append(_first(reader, col(Entries.index), start, col(Entries.kind) == wanted.kind))
    index, subject = col(Mentions.index), col(Mentions.subject)
    firsts += [
        min(_first(reader, index, start, subject == each) for each in subjects)
        for subjects in _asked(reader, wanted)
    ]
    return max(firsts)


def _asked(reader: Reader, wanted: Wanted) -> list[Sequence[str]]:
    """Returns sets of subjects; an entry must name one of each."""
    asked: list[Sequence[str]] = [[wanted.agent]] if wanted.agent else []
    if wanted.claim:
        asked.append([wanted.claim, *_ids(reader, _SEAT.id, _SEAT.claim, [wanted.claim])])
    if wanted.task:
        claims = _ids(reader, _CLAIM.id, _CLAIM.task, [wanted.task])
        asked.append([wanted.task, *claims, *_ids(reader, _SEAT.id, _SEAT.claim, claims)])
    return asked


def _ids(reader: Reader, id: Any, refers: Any, to: Sequence[str]) -> list[str]:
    query = select(id).where(refers.in_(listed(reader.connection.dialect.name)))
    return list(reader.connection.execute(query, ids_of(to)).scalars())


def _first(reader: Reader, index: Any, start: int, where: ColumnElement[bool]) -> int:
    query = select(func.min(index)).where(where, index >= start)
    first: int | None = reader.connection.execute(query).scalar_one()
    return reader.head().size if first is None else first
