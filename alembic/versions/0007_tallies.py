"""Counters by hour and day, folded from the log as it stands; convictions and held stakes by indexes."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from alembic import op
from trust.core.entry import decode_entry
from trust.core.records import Claim
from trust.storage.rows import CODECS
from trust.storage.tallies import Tally

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

WORDS = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
CHUNK = 2_000


def upgrade() -> None:
    op.create_table(
        "tallies",
        sa.Column("width_ms", NUMBER, nullable=False, primary_key=True, autoincrement=False),
        sa.Column("name", WORDS, nullable=False, primary_key=True),
        sa.Column("since_ms", NUMBER, nullable=False, primary_key=True, autoincrement=False),
        sa.Column("amount", NUMBER, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_convictions_listed", "convictions", ["index", "id"])
    held = sa.text("hold_units > 0")
    op.create_index("ix_claims_held", "claims", ["worker"], sqlite_where=held, postgresql_where=held)
    _fill(op.get_bind())


def _fill(connection: sa.Connection) -> None:
    entries, after = sa.table("entries", sa.column("index"), sa.column("data")), -1
    query = sa.select(entries.c.index, entries.c.data).order_by(entries.c.index).limit(CHUNK)
    while rows := connection.execute(query.where(entries.c.index > after)).all():
        tally = Tally()
        for _, data in rows:
            entry = decode_entry(data)
            tally.add(entry.at_ms, entry.events)
        tally.add_legs({(Claim, each.id): each for each in _claims(connection, sorted(tally.ended))})
        tally.write(connection)
        after = rows[-1][0]


def _claims(connection: sa.Connection, ids: list[str]) -> list[Claim]:
    codec = CODECS[Claim]
    found = []
    for start in range(0, len(ids), 500):
        query = sa.select(codec.table).where(codec.table.c.id.in_(ids[start : start + 500]))
        found += [codec.to_record(row) for row in connection.execute(query)]
    return found
