"""Search by a word: a party, a task, a claim, an entry and so on, each found by one key or one index.

The kinds are asked in a fixed order, and each gives its finds in the order of their ids, so a search goes on after a
find like any other list.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from sqlalchemy import literal_column, select
from sqlmodel import col

from trust.core.entry import decode_entry
from trust.core.events import TaskPosted
from trust.core.records import (
    Booking,
    Challenge,
    Claim,
    Handle,
    Key,
    Party,
    Record,
    Relay,
    Said,
    Seat,
    Task,
    Withdrawal,
)
from trust.storage import tables
from trust.storage.projections import reference_subject
from trust.storage.reading import Reader
from trust.storage.tables import STATE

_DIGITS = re.compile(r"0|[1-9][0-9]{0,15}")
_HEX32 = re.compile(r"[0-9a-f]{64}")
_PREFIX = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_LAST = "\uffff"
_HANDLE, _TASK, _SAID = STATE[Handle].c, STATE[Task].c, STATE[Said].c


class Find(NamedTuple):
    """Something that was found: of which kind, its id, where it is read, and what of it was matched."""

    kind: str
    id: str
    path: str
    matched: str


class Finds(NamedTuple):
    """A page of finds, and the find after which it goes on; "" at the end."""

    found: list[Find]
    after: str


Source = Callable[[Reader, str, str, int], Iterator[Find]]
"""Gives what a word names in one way, at most so many, after an id."""


def search(reader: Reader, word: str, after: str, limit: int) -> Finds:
    """Returns a page of what a word names; it goes on `after` the number of a source and an id, ValueError where
    that is no such place."""
    begin, _, last = after.partition(".")
    if after and not (_DIGITS.fullmatch(begin) and int(begin) < len(_SOURCES)):
        raise ValueError("no place in what a search finds")
    finds: list[tuple[int, Find]] = []
    for number in range(int(begin or 0), len(_SOURCES)):
        left = limit + 1 - len(finds)
        if left > 0:
            after_id = last if number == int(begin or 0) else ""
            finds += [(number, each) for each in _SOURCES[number](reader, word, after_id, left)]
    kept = finds[:limit]
    goes_on = f"{kept[-1][0]}.{kept[-1][1].id}" if len(finds) > limit else ""
    return Finds([each for _, each in kept], goes_on)


def _agent(id: str, matched: str) -> Find:
    return Find("agent", id, f"/v1/agents/{id}", matched)


def _entry(index: int, matched: str) -> Find:
    return Find("entry", str(index), f"/v1/receipts/{index}", matched)


def _task(id: str, matched: str) -> Find:
    return Find("task", id, f"/v1/tasks/{id}", matched)


def _by_payment(reader: Reader, word: str, after: str, _: int) -> Iterator[Find]:
    """The entry that booked a payment of this reference."""
    if not after and (booked := reader.record(Booking, word)) is not None:
        yield _entry(booked.index, "payment")


def _by_did(reader: Reader, word: str, after: str, _: int) -> Iterator[Find]:
    """A party by its DID, or by a key that is or was its own."""
    if after or not word.startswith("did:"):
        return
    if reader.record(Party, word) is not None:
        yield _agent(word, "did")
    elif (key := reader.record(Key, word)) is not None:
        yield _agent(key.party, "key")


def _by_handle(reader: Reader, word: str, after: str, limit: int) -> Iterator[Find]:
    """Parties whose handles begin with a word."""
    begin = word.removeprefix("@")
    if not _PREFIX.fullmatch(begin):
        return
    last = reader.record(Party, after) if after else None
    query = select(_HANDLE.party).where(_HANDLE.id >= begin, _HANDLE.id < begin + _LAST)
    if last is not None:
        query = query.where(_HANDLE.id > last.handle)
    for party in reader.connection.execute(query.order_by(_HANDLE.id).limit(limit)).scalars():
        yield _agent(party, "handle")


def _by_task(reader: Reader, word: str, after: str, limit: int) -> Iterator[Find]:
    """Tasks whose ids begin with a word."""
    if not _PREFIX.fullmatch(word):
        return
    query = select(_TASK.id).where(_TASK.id >= word, _TASK.id < word + _LAST, _TASK.id > after)
    for id in reader.connection.execute(query.order_by(_TASK.id).limit(limit)).scalars():
        yield _task(id, "id")


def _path_of(record: Record) -> str:
    if isinstance(record, Claim):
        return f"/v1/claims/{record.id}"
    if isinstance(record, Relay):
        return f"/v1/relays/{record.id}"
    if isinstance(record, Withdrawal):
        return f"/v1/agents/{record.party}/ledger"
    assert isinstance(record, Seat | Challenge)
    return f"/v1/claims/{record.claim}"


def _by_id(kind: type[Record]) -> Source:
    """Returns a source for things of a kind that the rulebook gave an id."""

    def by_id(reader: Reader, word: str, after: str, _: int) -> Iterator[Find]:
        record = None if after or "_" not in word else reader.record(kind, word)
        if record is not None:
            yield Find(kind.__name__.lower(), record.id, _path_of(record), "id")

    return by_id


def _by_index(reader: Reader, word: str, after: str, _: int) -> Iterator[Find]:
    if not after and _DIGITS.fullmatch(word) and int(word) < reader.head().size:
        yield _entry(int(word), "index")


def _by_leaf_hash(reader: Reader, word: str, after: str, _: int) -> Iterator[Find]:
    index = reader.index_of_leaf(bytes.fromhex(word)) if not after and _HEX32.fullmatch(word) else None
    if index is not None:
        yield _entry(index, "leaf hash")


def _by_statement(reader: Reader, word: str, after: str, _: int) -> Iterator[Find]:
    """The entry of a statement, by its id with or without the name of the hash."""
    digest = word.removeprefix("sha256:")
    if after or not _HEX32.fullmatch(digest):
        return
    query = select(_SAID.index).where(
        literal_column(tables.SEGMENT).in_(reader.segments()),
        literal_column(tables.SAID_IN) == f"sha256:{digest}",
    )
    for index in reader.connection.execute(query).scalars():
        yield _entry(index, "statement id")


def _by_blob(reader: Reader, word: str, after: str, _: int) -> Iterator[Find]:
    if after or not _HEX32.fullmatch(word):
        return
    query = select(col(tables.Blobs.sha256)).where(col(tables.Blobs.sha256) == word)
    for digest in reader.connection.execute(query).scalars():
        yield Find("blob", digest, f"/v1/blobs/{digest}", "sha256")


def _by_digest(reader: Reader, word: str, after: str, limit: int) -> Iterator[Find]:
    """The entries that name a digest: a specification, an artifact, an item, a report."""
    if _HEX32.fullmatch(word):
        for index in _mentioning(reader, word, after, limit):
            yield _entry(index, "digest")


def _by_reference(reader: Reader, word: str, after: str, limit: int) -> Iterator[Find]:
    """The tasks that say they are called so elsewhere."""
    subject = reference_subject(word)
    last = reader.record(Task, after) if after else None
    for index in _mentioning(reader, subject, "" if last is None else str(last.index), limit):
        entry = reader.entry(index)
        for event in decode_entry(entry.data).events if entry else ():
            if isinstance(event, TaskPosted):
                yield _task(event.task, "reference")


def _mentioning(reader: Reader, subject: str, after: str, limit: int) -> list[int]:
    one: Any = tables.Mentions
    if after and not _DIGITS.fullmatch(after):
        raise ValueError("no index of the log")
    query = select(one.index).where(one.subject == subject, one.index > int(after or -1))
    return list(reader.connection.execute(query.order_by(one.index).limit(limit)).scalars())


_GIVEN_IDS: tuple[type[Record], ...] = (Claim, Seat, Relay, Challenge, Withdrawal)
_SOURCES: tuple[Source, ...] = (
    _by_payment,
    _by_did,
    _by_handle,
    _by_task,
    *[_by_id(kind) for kind in _GIVEN_IDS],
    _by_index,
    _by_leaf_hash,
    _by_statement,
    _by_blob,
    _by_digest,
    _by_reference,
)
