"""Holds the answers of a service against what its log leads to: balances, scores, cases, priorities, sums and dates.

- Every answer names the size of the log that it is as of (`Trust-Size`); the audit replays on to that size, under a
  newer checkpoint where need be, and compares there. An answer without a size, or of fewer entries than were asked for
  (`min_size`), or of more than are ever signed, is false too.
- Which parties, claims and tasks are asked for follows from the root by a hash, so nobody chooses them.
- What an answer holds beyond what is expected here is not looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from heapq import nsmallest
from itertools import islice
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import select

from trust.audit import expected_answers
from trust.audit.expected_answers import Facts, Replayed
from trust.audit.fetching import MAX_ANSWER_BYTES, Service
from trust.audit.report import Finding, Step
from trust.audit.scratch import Scratch
from trust.core.lifecycle import SquadState
from trust.core.records import Claim, Party, Record, Squad, Task
from trust.storage.listing import CLAIM_STATES, TASK_STATES
from trust.storage.rows import CODECS

SAMPLE = 200
AT_ONCE = 256
THREADS = 4
CANDIDATES = 50
MAX_KINDS = 20
Expect = Callable[[Replayed], Facts]


class Question(NamedTuple):
    """A path of the service, what is posted to it if anything, and what the replay makes of it."""

    path: str
    expect: Expect
    posted: bytes | None = None


class Answered(NamedTuple):
    """A question, and what the service said: as of which size, None where it says that there is no such thing."""

    question: Question
    size: int
    body: Any


class Asking:
    """The questions to one service. `sample` is how many of each kind, None for all."""

    def __init__(self, service: Service, own: Scratch, sample: int | None) -> None:
        self._service = service
        self._own = own
        self._questions = list(_questions(own, sample))
        self._asked_at = 0

    def rounds(self) -> Iterator[list[Answered]]:
        """The answers, a bounded number at once, each batch as of the size that the replay has then or a later one."""
        self._own.index()
        todo = iter(self._questions)
        with ThreadPoolExecutor(THREADS, thread_name_prefix="ask") as threads:
            while batch := list(islice(todo, AT_ONCE)):
                self._asked_at = self._own.view.size
                yield list(threads.map(self._ask, batch))

    def _ask(self, question: Question) -> Answered:
        joint = "&" if "?" in question.path else "?"
        url = f"{self._service.address}{question.path}{joint}min_size={self._asked_at}"
        answer = self._service.ask(url, MAX_ANSWER_BYTES, question.posted)
        if answer is None:
            return Answered(question, self._asked_at, None)
        try:
            body = msgspec.json.decode(answer.body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            body = None
        return Answered(question, int(answer.size) if answer.size.isdecimal() else -1, body)

    def stale(self, answers: Sequence[Answered]) -> Finding | None:
        """The first answer that is not as of the size that was asked for, or of none."""
        for each in answers:
            if each.size < self._asked_at:
                named = "no size of the log" if each.size < 0 else f"size {each.size}"
                return _false(each, f"it is as of {named}, asked for was at least {self._asked_at}")
        return None

    def unsigned(self, answers: Sequence[Answered]) -> Finding | None:
        """The first answer of more entries than the log has signed since."""
        for each in answers:
            if each.size > self._own.view.size:
                return _false(each, f"it is as of size {each.size}, signed are {self._own.view.size} entries")
        return None

    def compare(self, answers: Sequence[Answered]) -> Finding | None:
        """The first of these answers, all as of the size that the replay has now, that is not what the log leads to."""
        replayed = Replayed(self._own.view, self._own.reader)
        for each in answers:
            if each.body is None:
                return _false(each, "it is denied, or no JSON, although the log has it")
            if difference := _difference(each.question.expect(replayed), each.body, ""):
                return _false(each, f"{difference} at size {each.size}")
        return None


def _false(answer: Answered, reason: str) -> Finding:
    return Finding(None, f"{answer.question.path}: {reason}", Step.ANSWERS)


def _difference(expected: Any, answer: Any, place: str) -> str:
    """Where an answer is not what is expected; empty where it is."""
    if isinstance(expected, dict) and isinstance(answer, dict):
        pairs = [
            (f"{place}.{name}" if place else name, each, answer.get(name)) for name, each in expected.items()
        ]
    elif isinstance(expected, list) and isinstance(answer, list) and len(expected) == len(answer):
        pairs = [(f"{place}[{at}]", each, answer[at]) for at, each in enumerate(expected)]
    elif type(expected) is type(answer) and expected == answer:
        return ""
    else:
        return f"{place or 'all of it'} is reported as {_short(answer)}, the log leads to {_short(expected)}"
    return next(
        (difference for name, each, answered in pairs if (difference := _difference(each, answered, name))),
        "",
    )


def _short(value: Any) -> str:
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= 120 else text[:117] + "..."


def _questions(own: Scratch, sample: int | None) -> Iterator[Question]:
    """The questions, a kind at a time."""
    parties = _chosen(own, Party, sample)
    yield Question("/v1/stats", expected_answers.stats)
    yield Question("/v1/stats/overhead", expected_answers.overhead)
    for per in expected_answers.PER:
        yield Question(f"/v1/stats/periods?per={per}", _of(expected_answers.periods, per))
    for id in parties:
        yield Question(f"/v1/agents/{id}", _of(expected_answers.agent, id))
        yield Question(f"/v1/agents/{id}/reputation", _of(expected_answers.reputation_of, id))
    yield from _priorities(own, parties)
    yield from _lists(parties)
    for kind, path, expect in (
        (Claim, "claims", expected_answers.claim),
        (Task, "tasks", expected_answers.task),
        (Squad, "squads", expected_answers.squad),
    ):
        for id in _chosen(own, kind, sample):
            yield Question(f"/v1/{path}/{id}", _of(expect, id))


def _priorities(own: Scratch, parties: Sequence[str]) -> Iterator[Question]:
    """The candidates' order for each of the first kinds of task, some of them at once."""
    tasks = CODECS[Task].table
    kinds = own.connection.execute(
        select(tasks.c.task_kind).distinct().order_by(tasks.c.task_kind).limit(MAX_KINDS)
    )
    groups = [parties[start : start + CANDIDATES] for start in range(0, len(parties), CANDIDATES)]
    for kind, group in [(kind, group) for kind in kinds.scalars() for group in groups]:
        posted = msgspec.json.encode({"task_kind": kind, "candidates": group})
        yield Question("/v1/priorities", _of(expected_answers.priorities, kind, group), posted)


def _lists(parties: Sequence[str]) -> Iterator[Question]:
    """The first page of each list of state: who keeps a task, a claim, a seat or a
    squad from those who look for it is found, and who keeps back what is due or who was convicted."""
    for state in TASK_STATES:
        yield Question(f"/v1/tasks?state={state}", _of(expected_answers.tasks, {"state": state}))
    for state in CLAIM_STATES:
        yield Question(f"/v1/claims?state={state}", _of(expected_answers.claims, {"state": state}))
    for id in parties:
        yield Question(f"/v1/tasks?requester={id}", _of(expected_answers.tasks, {"requester": id}))
        yield Question(f"/v1/claims?worker={id}", _of(expected_answers.claims, {"worker": id}))
    yield Question("/v1/seats?state=open", expected_answers.open_seats)
    yield Question("/v1/agents", expected_answers.agents)
    yield Question("/v1/relays", expected_answers.relays)
    yield Question("/v1/squads", expected_answers.squads)
    yield Question("/v1/squads?state=calling", _of(expected_answers.squads, SquadState.CALLING))
    yield Question("/v1/convictions", expected_answers.convictions)
    yield Question("/v1/due", expected_answers.due)


def _of(expect: Callable[..., Facts], *named: Any) -> Expect:
    return lambda replayed: expect(replayed, *named)


def _chosen(own: Scratch, kind: type[Record], sample: int | None) -> list[str]:
    """The ids of a kind that the log's root chooses, so that nobody else does; all where `sample` is None."""
    table, root = CODECS[kind].table, own.edge.root()
    ids = own.connection.execute(select(table.c.id)).scalars()

    def rank(id: str) -> bytes:
        return sha256(root + id.encode()).digest()

    return sorted(ids) if sample is None else nsmallest(sample, ids, key=rank)
