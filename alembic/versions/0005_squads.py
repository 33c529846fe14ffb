"""Squads: tasks that can be split say so, their parts say of what, and who takes the parts together is a table."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

WORDS = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("tasks", sa.Column("parts", sa.Text(), nullable=False, server_default="[]"))
    op.add_column("tasks", sa.Column("most_parts", NUMBER, nullable=False, server_default="1"))
    op.add_column("tasks", sa.Column("parent", WORDS, nullable=False, server_default=""))
    op.add_column("tasks", sa.Column("part", WORDS, nullable=False, server_default=""))
    op.add_column("tasks", sa.Column("first_item", NUMBER, nullable=False, server_default="0"))
    op.add_column("tasks", sa.Column("squad", WORDS, nullable=False, server_default=""))
    op.create_table(
        "squads",
        sa.Column("id", WORDS, nullable=False, primary_key=True),
        sa.Column("task", WORDS, nullable=False),
        sa.Column("founder", WORDS, nullable=False),
        sa.Column("index", NUMBER, nullable=False),
        sa.Column("state", WORDS, nullable=False),
        sa.Column("until_ms", NUMBER, nullable=False),
        sa.Column("members", sa.Text(), nullable=False),
        sa.Column("tasks", sa.Text(), nullable=False),
    )
