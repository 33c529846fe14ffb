"""Squads whose members are drawn: until when workers may ask to join one, and for which one a draw was asked."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

WORDS = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("squads", sa.Column("asks_until_ms", NUMBER, nullable=False, server_default="0"))
    op.add_column("allocations", sa.Column("squad", WORDS, nullable=False, server_default=""))
