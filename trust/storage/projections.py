"""Rows that reads need and state does not hold, folded from entries: postings, who an entry names, weights,
observations, counters.

Only ever added to, and as much a fold of the log as state is: a rebuild makes the same rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

import msgspec
from sqlalchemy import Connection

from trust.core.entry import Entry
from trust.core.envelope import open_envelope
from trust.core.events import Event, ItemsOpened, MoneyMoved, Observed, PoolWeight
from trust.core.payloads import Reference
from trust.core.records import Record
from trust.core.strict import b64
from trust.storage import bulk, tables
from trust.storage.bulk import Existing
from trust.storage.rows import table_of
from trust.storage.tallies import Tally

TABLES = tuple(map(table_of, tables.PROJECTED))
PANELS = "panels"
"""The rater of what is nobody's word alone: verdicts, and whatever else the rules found out."""

ON_REQUESTERS_WORD = frozenset({"accepted", "completed", "expired"})
"""Why an observation is on the word of its counterparty, and not of the panels."""

SUBJECTS = frozenset(
    {
        *("party", "agent", "worker", "requester", "verifier", "challenger"),
        *("claim", "task", "seat", "challenge", "relay", "withdrawal", "spec_sha256", "squad"),
    }
)
"""The event fields that name something whose history can be asked for."""

NESTED = frozenset({"seats", "next", "shortlist", "references", "members"})
"""The event fields that hold seats which were taken, places on a shortlist or in a squad, or names elsewhere."""


class _Artifact(msgspec.Struct):
    sha256: str


class _Said(msgspec.Struct):
    actor: str
    artifacts: tuple[_Artifact, ...] = ()
    inputs: tuple[str, ...] = ()
    report_sha256: str | None = None
    statement: str = ""


_said_decoder = msgspec.json.Decoder(_Said)


class Projections:
    """The rows of the entries that were added."""

    def __init__(self) -> None:
        self._postings: list[tuple[int, int, str, int, str]] = []
        self._mentions: list[tuple[str, int]] = []
        self._weights: dict[tuple[str, int, int], tuple[str, str, int]] = {}
        self._observations: list[tuple[int, int, str, str, str, str, str, int, int, int]] = []
        self._tally = Tally()

    def add(
        self, index: int, at_ms: int, actor: str, events: Sequence[Event], subjects: Iterable[str] = ()
    ) -> None:
        """Takes up entry `index`; `actor` said it ("" where no statement did), and named `subjects`."""
        self._tally.add(at_ms, events)
        named = {actor, *subjects} if actor else set()
        position = 0
        for event in events:
            named.update(named_by(event))
            if isinstance(event, MoneyMoved):
                for account, change_units in event.postings:
                    self._postings.append((index, position, account, change_units, event.why))
                    position += 1
            elif isinstance(event, PoolWeight):
                self._weights[event.pool, event.slot, index] = event.agent, event.house, event.weight
            elif isinstance(event, Observed):
                self._observe(index, event)
        self._mentions += [(subject, index) for subject in sorted(named) if subject]

    def _observe(self, index: int, observed: Observed) -> None:
        last, before = self._observations[-1][:2] if self._observations else (-1, -1)
        position = before + 1 if last == index else 0
        rater = observed.counterparty if observed.why in ON_REQUESTERS_WORD else PANELS
        subject = observed.agent, observed.role, observed.task_kind, observed.why, rater
        milli = observed.good_milli, observed.bad_milli, observed.failure_milli
        self._observations.append((index, position, *subject, *milli))

    def write(self, connection: Connection, writes: Mapping[tuple[type[Record], str], Record | None]) -> None:
        """Stores the rows; `writes` are the records as the entries left them."""
        postings, mentions, weights, observations, _ = TABLES
        bulk.insert(connection, postings, self._postings)
        bulk.insert(connection, mentions, self._mentions)
        bulk.insert(connection, observations, self._observations)
        rows = [(*key, *value) for key, value in self._weights.items()]
        bulk.insert(connection, weights, rows, Existing.REPLACE)
        self._tally.add_legs(writes)
        self._tally.write(connection)


def actor_of(entry: Entry) -> str:
    """Returns the actor of the statement that caused an entry; "" where none did."""
    return actor_and_subjects(entry)[0]


def actor_and_subjects(entry: Entry) -> tuple[str, list[str]]:
    """Returns the actor of an entry's statement, and the subjects that only its payload names."""
    if entry.command.statement is None:
        return "", []
    payload = _said_decoder.decode(b64(entry.command.statement.payload))
    return payload.actor, subjects_of(payload)


def subjects_of(payload: object) -> list[str]:
    """Returns what a payload, or what a relay attests in it, names and its events do not: the digests of what was
    delivered and of reports, and what the output was made from (`made_from`)."""
    if attested := getattr(payload, "statement", ""):
        payload = _said_decoder.decode(open_envelope(attested.encode()).payload)
    report = getattr(payload, "report_sha256", None)
    delivered = [artifact.sha256 for artifact in getattr(payload, "artifacts", ())]
    sources = [made_from(source) for source in getattr(payload, "inputs", ())]
    return [*delivered, *sources, report] if report else [*delivered, *sources]


def made_from(source: str) -> str:
    """Returns the subject under which the outputs that were made from a claim or a digest are found."""
    return f"input/{source}"


def reference_subject(value: str) -> str:
    """The subject under which entries are found that give a name from elsewhere."""
    return f"reference/{value}"


def named_by(value: msgspec.Struct) -> list[str]:
    """Returns the subjects that an event names, some of them perhaps twice."""
    if isinstance(value, Reference):
        return [reference_subject(value.value)]
    if isinstance(value, ItemsOpened):
        return [value.claim, *(leaf for _, leaf in value.items)]
    named, nested = _fields(type(value))
    subjects: list[str] = [getattr(value, name) for name in named]
    for name in nested:
        inner = getattr(value, name)
        for each in inner if isinstance(inner, tuple) else (inner,):
            subjects += named_by(each) if isinstance(each, msgspec.Struct) else ()
    return subjects


@lru_cache(maxsize=1_024)
def _fields(kind: type[msgspec.Struct]) -> tuple[list[str], list[str]]:
    """The fields of a type that name a subject, and those that hold such."""
    names = kind.__struct_fields__
    return [name for name in names if name in SUBJECTS], [name for name in names if name in NESTED]
