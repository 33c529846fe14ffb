"""Lists are whole in pages of any size, newest first, and an index answers each: no scan of a table, no sort."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from typing import Any

import pytest
from sqlalchemy import Connection

from tests.storage.plans import plans_of, troubles
from trust.api.feed import Wanted
from trust.api.views import stream
from trust.core.events import NETWORK
from trust.core.records import Claim, Handle, Key, Network, Party, Record, Relay, Said, Seat, Slot, Task
from trust.core.scoring import worker_pool
from trust.storage import bulk, listing, searching, tables
from trust.storage.engine import Database
from trust.storage.listing import CLAIM_STATES, OPEN_CLAIM, TASK_STATES, Page
from trust.storage.reading import Reader, reading
from trust.storage.rows import CODECS
from trust.storage.unit import aside

KINDS = ("review", "extract")
RELAYS = ("", "rly_" + "a" * 26, "rly_" + "b" * 26)
PEOPLE = tuple(f"did:key:z6Mk{letter * 44}" for letter in "abcd")
COUNT = 60
List = Callable[[str, int], Page]


def _did(number: int) -> str:
    return f"did:key:z6Mk{number:044d}"


def _filled(kind: type[Record], **fields: Any) -> Record:
    """A record with these fields, the others empty."""
    empty = {str: "", int: 0, bool: False, bytes: b""}
    values = {
        name: fields.get(name, empty.get(type_, ()))
        for name, type_ in zip(kind.__struct_fields__, _types(kind), strict=True)
    }
    return kind(**values)


def _types(kind: type[Record]) -> list[Any]:
    from typing import get_type_hints

    hints = get_type_hints(kind)
    return [hints[name] for name in kind.__struct_fields__]


@cache
def _records() -> list[Record]:
    chance = random.Random(2)
    made: list[Record] = [_filled(Network, id=NETWORK, origin="trust.example.org/test")]
    for index in range(COUNT):
        kind, person, relay = chance.choice(KINDS), chance.choice(PEOPLE), chance.choice(RELAYS)
        task = f"task-{index}"
        made.append(
            _filled(
                Task,
                id=task,
                requester=person,
                task_kind=kind,
                relay=relay,
                index=index,
                state=chance.choice(TASK_STATES),
            )
        )
        claim = f"clm_{index:026d}".replace("0", "a").replace("1", "b").replace("8", "c").replace("9", "d")
        made.append(
            _filled(
                Claim,
                id=claim,
                task=task,
                worker=person,
                task_kind=kind,
                index=index,
                state=chance.choice(CLAIM_STATES),
            )
        )
        made += [
            _filled(
                Seat,
                id=f"{claim.replace('clm', 'seat')}{place}",
                claim=claim,
                agent=person,
                index=index,
                place=place,
                state=chance.choice(("seated", "committed", "revealed")),
                outcome=chance.choice(("", "right")),
            )
            for place in range(2)
        ]
        agent = _did(index)
        made.append(
            _filled(
                Party,
                id=agent,
                handle=f"agent-{index}",
                index=index,
                capabilities=chance.choice(((), ("review",))),
                enrolled=chance.choice(((), (("review", 1),))),
            )
        )
        made += [_filled(Handle, id=f"agent-{index}", party=agent), _filled(Key, id=agent, party=agent)]
        made.append(
            _filled(
                Slot,
                id=f"workers/review/{index}",
                pool=worker_pool("review"),
                number=index,
                agent=agent,
                weight=chance.randrange(5),
            )
        )
        made.append(_filled(Said, id=f"{index:014x}/sha256:{index:064x}", index=index))
    made += [_filled(Relay, id=relay, name=f"r{relay[-1]}") for relay in RELAYS if relay]
    return made


@pytest.fixture(scope="module")
def filled(shared_database: Database) -> Database:
    """A database with some hundreds of records."""
    with aside(shared_database) as writing:
        by_kind: dict[type[Record], list[Record]] = {}
        for record in _records():
            by_kind.setdefault(type(record), []).append(record)
        for kind, records in by_kind.items():
            bulk.insert(writing, CODECS[kind].table, list(map(CODECS[kind].to_row, records)))
        writing.execute(tables.METADATA.tables["head"].update().values(size=COUNT))
    return shared_database


@pytest.fixture
def connection(filled: Database) -> Iterator[Connection]:
    """A snapshot of it."""
    with filled.snapshot() as opened:
        yield opened


def _all(kind: type[Record], matches: Callable[[Any], bool]) -> list[str]:
    found: list[Any] = [record for record in _records() if type(record) is kind and matches(record)]
    return [record.id for record in sorted(found, key=lambda each: (each.index, each.id), reverse=True)]


def _paged(listed: List, limit: int) -> list[str]:
    ids, after = listed("", limit)
    while after:
        more, after = listed(after, limit)
        assert len(more) <= limit
        ids = [*ids, *more]
    return ids


def _subsets(**filters: str) -> Iterator[dict[str, str]]:
    for size in range(len(filters) + 1):
        yield from (dict(each) for each in itertools.combinations(filters.items(), size))


@pytest.mark.parametrize("limit", [3, 100])
def test_tasks_are_listed_by_every_combination_of_filters(
    connection: Connection, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "LOOKED", 10)
    for states in (TASK_STATES, ("open",)):
        for filters in _subsets(requester=PEOPLE[0], relay=RELAYS[1], task_kind=KINDS[0]):
            expected = _all(Task, _matching(states, filters))
            listed = _tasks(connection, states, filters)
            assert _paged(listed, limit) == expected, (states, filters)
            assert not _trouble(connection, partial(listed, "5.task-5", limit))
    assert len(_all(Task, _matching(TASK_STATES, {"relay": RELAYS[1], "task_kind": KINDS[0]}))) > 3


@pytest.mark.parametrize("limit", [3, 100])
def test_claims_are_listed_by_every_combination_of_filters(
    connection: Connection, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "LOOKED", 10)
    for states in (CLAIM_STATES, OPEN_CLAIM, ("checking",)):
        for filters in _subsets(worker=PEOPLE[1], task_kind=KINDS[1]):
            expected = _all(Claim, _matching(states, filters))

            def listed(after: str, most: int, states: Any = states, filters: Any = filters) -> Page:
                return listing.claims(connection, states, filters, after, most)

            assert _paged(listed, limit) == expected, (states, filters)
            assert not _trouble(connection, partial(listed, "9.clm_a", limit))


def _tasks(connection: Connection, states: Sequence[str], filters: dict[str, str]) -> List:
    return lambda after, limit: listing.tasks(connection, states, filters, after, limit)


def _matching(states: Sequence[str], filters: dict[str, str]) -> Callable[[Any], bool]:
    return lambda each: (
        each.state in states and all(getattr(each, name) == value for name, value in filters.items())
    )


def _trouble(connection: Connection, call: Callable[[], object]) -> list[str]:
    plans = plans_of(connection, call)
    assert plans
    return [f"{plan}\n-> {found}" for plan in plans if (found := troubles(plan))]


def test_a_page_looks_at_a_bounded_number_of_rows_and_says_where_it_goes_on(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "LOOKED", 2)
    filters = {"requester": PEOPLE[0], "task_kind": "nothing-like-it"}
    ids, after = listing.tasks(connection, ("open",), filters, "", 1)
    assert ids == []
    looked = _all(Task, _matching(("open",), {"requester": PEOPLE[0]}))[:2]
    assert after == f"{looked[-1].removeprefix('task-')}.{looked[-1]}"


@pytest.mark.parametrize("limit", [3, 100])
def test_open_seats_parties_places_and_relays_are_listed(connection: Connection, limit: int) -> None:
    def places(by_weight: bool) -> List:
        return lambda after, most: listing.places(
            connection, worker_pool("review"), by_weight=by_weight, after=after, limit=most
        )

    slots: list[Any] = [each for each in _records() if isinstance(each, Slot)]
    lists: list[tuple[List, list[str]]] = [
        (lambda after, most: listing.open_seats(connection, after, most), _all(Seat, _waits)),
        (lambda after, most: listing.parties(connection, "", after, most), _all(Party, lambda _: True)),
        (
            lambda after, most: listing.parties(connection, "worker", after, most),
            _all(Party, lambda p: p.capabilities),
        ),
        (
            lambda after, most: listing.parties(connection, "verifier", after, most),
            _all(Party, lambda p: p.enrolled),
        ),
        (places(False), [each.agent for each in sorted(slots, key=lambda each: -each.number)]),
        (places(True), [each.agent for each in sorted(slots, key=lambda each: (-each.weight, -each.number))]),
        (lambda after, most: listing.relays(connection, after, most), sorted(RELAYS[1:])),
    ]
    for number, (listed, expected) in enumerate(lists):
        assert _paged(listed, limit) == expected, number
        _, after = listed("", 1)
        assert not _trouble(connection, partial(listed, after, limit)), number


def _waits(seat: Any) -> bool:
    return seat.state in ("seated", "committed") and not seat.outcome


@pytest.mark.parametrize(
    ("word", "kind", "id"),
    [
        (_did(3), "agent", _did(3)),
        ("@agent-7", "agent", _did(7)),
        ("task-12", "task", "task-12"),
        ("clm_" + "a" * 26, "claim", "clm_" + "a" * 26),
        (f"seat_{'a' * 26}1", "seat", f"seat_{'a' * 26}1"),
        (RELAYS[1], "relay", RELAYS[1]),
        ("17", "entry", "17"),
        (f"sha256:{9:064x}", "entry", "9"),
        (f"{9:064x}", "entry", "9"),
    ],
)
def test_a_word_finds_what_it_names_by_an_index(filled: Database, word: str, kind: str, id: str) -> None:
    with reading(filled) as reader:
        found, _ = searching.search(reader, word, "", 100)
        assert (kind, id) in [(each.kind, each.id) for each in found]
        assert not _trouble(reader.connection, lambda: searching.search(reader, word, "", 100))


def test_what_begins_with_a_word_is_found_in_pages(filled: Database) -> None:
    with reading(filled) as reader:
        whole = [each.id for each in searching.search(reader, "task-1", "", 100).found]
        assert len(whole) == 11  # task-1, task-10 to task-19
        for limit in (1, 4, 11):
            found: list[str] = []
            after = ""
            while len(found) < 20:
                page = searching.search(reader, "task-1", after, limit)
                found += [each.id for each in page.found]
                if not (after := page.after):
                    break
            assert found == whole
        handles = searching.search(reader, "agent-1", "", 4)
        more = searching.search(reader, "agent-1", handles.after, 100)
        assert len(handles.found + more.found) == len({each.id for each in handles.found + more.found}) == 11


def test_the_reads_of_streams_agents_and_entries_are_answered_by_indexes(
    filled: Database,
) -> None:
    wanted = Wanted(kind="task.post", agent=PEOPLE[0], claim="clm_" + "a" * 26, task="task-3")
    with reading(filled) as reader:
        calls: list[Callable[[Reader], object]] = [
            lambda reader: stream.first_wanted(reader, 5, wanted),
            lambda reader: reader.newest(50),
            lambda reader: reader.newest(50, "task.post"),
            lambda reader: reader.seats_of(PEOPLE[0], after="seat_a"),
            lambda reader: reader.seats_of(PEOPLE[0], "open", after="seat_a"),
        ]
        for call in calls:
            assert not _trouble(reader.connection, partial(call, reader))
