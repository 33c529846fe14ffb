"""Blobs count against a party, and the digests that statements name are found like everything else that they name."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

WORDS = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
KINDS = ("task.post", "output.submit", "items.open", "vote.reveal", "verdict.challenge")
CHUNK = 10_000


def upgrade() -> None:
    op.add_column("blobs", sa.Column("party", WORDS, nullable=False, server_default=""))
    op.create_index("ix_blobs_party", "blobs", ["party"])
    entries = sa.table("entries", sa.column("index"), sa.column("kind"), sa.column("data"))
    mentions = sa.table("mentions", sa.column("subject"), sa.column("index"))
    connection, after = op.get_bind(), -1
    query = sa.select(entries.c.index, entries.c.data).where(entries.c.kind.in_(KINDS))
    while rows := connection.execute(
        query.where(entries.c.index > after).order_by(entries.c.index).limit(CHUNK)
    ).all():
        found = [{"subject": digest, "index": index} for index, data in rows for digest in named(data)]
        if found:
            connection.execute(mentions.insert(), found)
        after = rows[-1][0]


def named(data: bytes) -> set[str]:
    """The digests that the statement of an entry names."""
    return set(_digests(json.loads(base64.b64decode(json.loads(data)["command"]["statement"]["payload"]))))


def _digests(said: dict[str, object]) -> Iterator[str]:
    for name in ("spec_sha256", "report_sha256"):
        if isinstance(digest := said.get(name), str):
            yield digest
    artifacts, items = said.get("artifacts"), said.get("items")
    for artifact in artifacts if isinstance(artifacts, list) else ():
        yield artifact["sha256"]
    if said.get("kind") == "items.open":
        for item in items if isinstance(items, list) else ():
            yield base64.b64decode(item["leaf"]).hex()
