"""What coordination takes, by task kind and relay, folded from the log as it stands."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from alembic import op
from trust.core.overhead import NETWORK, Legs, added, overhead_id
from trust.core.records import Overhead

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
WORDS = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
MARKS = ("task.posted", "task.reopened", "claim.opened", "output.submitted", "claim.ended")
CHUNK = 10_000


def upgrade() -> None:
    op.add_column("tasks", sa.Column("reopened_ms", WHOLE, nullable=False, server_default="0"))
    op.add_column("claims", sa.Column("waited_ms", WHOLE, nullable=False, server_default="0"))
    op.create_table(
        "overhead",
        *(sa.Column(name, WORDS, nullable=False) for name in ("id", "task_kind", "relay")),
        sa.Column("since_ms", WHOLE, nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("total", "recent", "before")),
        sa.PrimaryKeyConstraint("id"),
        sqlite_with_rowid=False,
    )
    _fill(op.get_bind())


def _fill(connection: sa.Connection) -> None:
    fold = Fold()
    for at_ms, event in events(connection):
        fold.take(at_ms, event)
    for table, column, found in (
        ("tasks", "reopened_ms", fold.reopened),
        ("claims", "waited_ms", fold.waited),
    ):
        target = sa.table(table, sa.column("id"), sa.column(column))
        changed = (
            sa.update(target).where(target.c.id == sa.bindparam("of")).values({column: sa.bindparam("ms")})
        )
        if found:
            connection.execute(changed, [{"of": id, "ms": ms} for id, ms in found.items()])
    names = ("id", "task_kind", "relay", "since_ms", "total", "recent", "before")
    rows = [
        {
            name: getattr(record, name) if place < 4 else msgspec.json.encode(getattr(record, name)).decode()
            for place, name in enumerate(names)
        }
        for record in fold.records.values()
    ]
    if rows:
        connection.execute(sa.table("overhead", *map(sa.column, names)).insert(), rows)


def events(connection: sa.Connection) -> Iterator[tuple[int, dict[str, Any]]]:
    """The events of the log that mark a claim's legs, in order, each with its entry's time."""
    entries, after = sa.table("entries", sa.column("index"), sa.column("data")), -1
    query = sa.select(entries.c.index, entries.c.data).order_by(entries.c.index).limit(CHUNK)
    while rows := connection.execute(query.where(entries.c.index > after)).all():
        for _, data in rows:
            entry = json.loads(data)
            yield from ((entry["at_ms"], event) for event in entry["events"] if event["kind"] in MARKS)
        after = rows[-1][0]


class Fold:
    """The records of overhead, and what tasks and claims remember for them."""

    def __init__(self) -> None:
        self.records: dict[str, Overhead] = {}
        self.reopened: dict[str, int] = {}
        self.waited: dict[str, int] = {}
        self._kinds: dict[str, str] = {}
        self._open_ms: dict[str, int] = {}
        self._claims: dict[str, tuple[str, str, int]] = {}
        self._outputs: dict[str, int] = {}

    def take(self, at_ms: int, event: dict[str, Any]) -> None:
        """Takes up an event."""
        match event["kind"]:
            case "task.posted":
                self._kinds[event["task"]] = event["task_kind"]
                self._open_ms[event["task"]] = at_ms
            case "task.reopened":
                self._open_ms[event["task"]] = self.reopened[event["task"]] = at_ms
            case "claim.opened":
                self._claims[event["claim"]] = event["task"], event["relay"], at_ms
                self.waited[event["claim"]] = at_ms - self._open_ms[event["task"]]
            case "output.submitted":
                self._outputs[event["claim"]] = at_ms
            case "claim.ended":
                self._end(event["claim"], at_ms)

    def _end(self, claim: str, at_ms: int) -> None:
        task, relay, opened_ms = self._claims.pop(claim)
        output_ms, waited_ms = self._outputs.pop(claim, None), self.waited[claim]
        legs = Legs(waited_ms, lost_ms=at_ms - opened_ms)
        if output_ms is not None:
            legs = Legs(waited_ms, output_ms - opened_ms, at_ms - output_ms)
        kind = self._kinds[task]
        for id, task_kind, through in ((overhead_id(kind, relay), kind, relay), (NETWORK, "", "")):
            so_far = self.records.get(id) or Overhead(id=id, task_kind=task_kind, relay=through)
            self.records[id] = added(so_far, legs, at_ms)
