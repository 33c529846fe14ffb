"""Tasks, claims, seats, parties and statements are listed and found by indexes; claims say their kind of task, and
tasks what they are called elsewhere."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

WORDS = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
OPEN_SEAT = "state IN ('seated', 'committed') AND outcome = ''"
SEGMENT = sa.text('("index" >> 14)')
REPLACED = (("tasks", "requester"), ("claims", "worker"), ("seats", "agent"))
NEW = (
    ("ix_entries_kind", "entries", ["kind", "index"], ""),
    ("ix_parties_listed", "parties", ["index", "id"], ""),
    ("ix_parties_workers", "parties", ["index", "id"], "capabilities <> '[]'"),
    ("ix_parties_verifiers", "parties", ["index", "id"], "enrolled <> '[]'"),
    ("ix_tasks_listed", "tasks", ["state", "index", "id"], ""),
    ("ix_tasks_task_kind", "tasks", ["task_kind", "state", "index", "id"], ""),
    ("ix_tasks_requester", "tasks", ["requester", "state", "index", "id"], ""),
    ("ix_tasks_relay", "tasks", ["relay", "state", "index", "id"], "relay <> ''"),
    ("ix_claims_listed", "claims", ["state", "index", "id"], ""),
    ("ix_claims_task_kind", "claims", ["task_kind", "state", "index", "id"], ""),
    ("ix_claims_worker", "claims", ["worker", "state", "index", "id"], ""),
    ("ix_seats_agent", "seats", ["agent", "id"], ""),
    ("ix_seats_open", "seats", ["index", "id"], OPEN_SEAT),
    ("ix_seats_agent_open", "seats", ["agent", "id"], OPEN_SEAT),
    ("ix_slots_pool_number", "slots", ["pool", "number"], ""),
    ("ix_slots_pool_weight", "slots", ["pool", "weight", "number"], ""),
    ("ix_said_statement", "said", [SEGMENT, sa.text("substr(id, 16)")], ""),
)


def upgrade() -> None:
    op.add_column("tasks", sa.Column("references", sa.Text(), nullable=False, server_default="[]"))
    op.add_column("claims", sa.Column("task_kind", WORDS, nullable=False, server_default=""))
    op.execute(
        "UPDATE claims SET task_kind = (SELECT tasks.task_kind FROM tasks WHERE tasks.id = claims.task)"
    )
    for table, column in REPLACED:
        op.drop_index(f"ix_{table}_{column}", table)
    for name, table, columns, where in NEW:
        options = {f"{kind}_where": sa.text(where) for kind in ("sqlite", "postgresql") if where}
        op.create_index(name, table, columns, **options)
