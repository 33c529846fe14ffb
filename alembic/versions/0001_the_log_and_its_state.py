"""The log, the state that is folded from it, its projections, and blobs."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
WORDS = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
EMPTY_ROOT = bytes.fromhex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")


def whole(name: str) -> sa.Column[int]:
    return sa.Column(name, WHOLE, nullable=False)


def words(name: str) -> sa.Column[str]:
    return sa.Column(name, WORDS, nullable=False)


def text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=False)


def data(name: str) -> sa.Column[bytes]:
    return sa.Column(name, sa.LargeBinary(), nullable=False)


def truth(name: str) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean(), nullable=False)


def table(
    name: str, *columns: sa.Column[object], key: tuple[str, ...] = ("id",), clustered: bool = False
) -> None:
    """A table; `clustered` keeps its rows in the primary key's own tree on SQLite."""
    op.create_table(name, *columns, sa.PrimaryKeyConstraint(*key), sqlite_with_rowid=not clustered)


def upgrade() -> None:
    create_log()
    create_projections()
    create_parties()
    create_money()
    create_work()
    create_checks()
    create_conduct()
    create_pools()
    create_clockwork()


def create_log() -> None:
    table(
        "entries",
        whole("index"),
        whole("at_ms"),
        words("kind"),
        data("data"),
        data("leaf_hash"),
        key=("index",),
    )
    op.create_index("ix_entries_leaf_hash", "entries", [sa.text('("index" >> 14)'), "leaf_hash"])
    table("tiles", whole("level"), whole("number"), data("data"), key=("level", "number"))
    table("head", whole("id"), whole("size"), whole("at_ms"), data("root"), data("checkpoint"))
    table("cosigned", whole("policy"), whole("size"), whole("at_ms"), data("note"), key=("policy",))
    op.execute(
        sa.text(
            "INSERT INTO head (id, size, at_ms, root, checkpoint) VALUES (0, 0, 0, :root, :note)"
        ).bindparams(root=EMPTY_ROOT, note=b"")
    )


def create_projections() -> None:
    table(
        "postings",
        whole("index"),
        whole("position"),
        words("account"),
        whole("change_units"),
        words("why"),
        key=("index", "position"),
        clustered=True,
    )
    op.create_index("ix_postings_account", "postings", ["account", "index", "position"])
    table("mentions", words("subject"), whole("index"), key=("subject", "index"), clustered=True)
    table(
        "weights",
        words("pool"),
        whole("slot"),
        whole("index"),
        words("agent"),
        words("owner"),
        whole("weight"),
        key=("pool", "slot", "index"),
        clustered=True,
    )
    op.create_index("ix_weights_pool_index", "weights", ["pool", "index"])
    table(
        "observations",
        whole("index"),
        whole("position"),
        words("agent"),
        words("role"),
        words("task_kind"),
        words("why"),
        words("rater"),
        whole("good_milli"),
        whole("bad_milli"),
        whole("failure_milli"),
        key=("index", "position"),
        clustered=True,
    )
    op.create_index("ix_observations_agent", "observations", ["agent", "index", "position"])
    table(
        "sealed_scores",
        words("id"),
        whole("epoch"),
        whole("until_epoch"),
        data("data"),
        data("leaf_hash"),
        key=("id", "epoch"),
        clustered=True,
    )
    table(
        "elsewhere", words("agent"), words("network"), text("shown"), key=("agent", "network"), clustered=True
    )
    table("blobs", words("sha256"), whole("size"), data("data"), whole("created_ms"), key=("sha256",))
    op.create_index("ix_blobs_created_ms", "blobs", ["created_ms"])


def create_parties() -> None:
    table(
        "network",
        words("id"),
        words("origin"),
        words("operator"),
        words("log_key"),
        words("draw_key"),
        whole("t0_ms"),
        whole("slow_half_life_ms"),
        whole("fast_half_life_ms"),
        whole("rules"),
        whole("policy"),
        whole("policies"),
        whole("bond_lost_units"),
    )
    table("policies", words("id"), whole("effective_ms"), whole("index"), text("terms"))
    table(
        "rules", words("id"), whole("effective_ms"), whole("index"), words("release"), words("source_sha256")
    )
    table(
        "parties",
        words("id"),
        words("key"),
        words("owner"),
        words("handle"),
        text("capabilities"),
        whole("registered_ms"),
        whole("index"),
        text("places"),
        whole("rotations"),
        words("left"),
        whole("left_index"),
        whole("jailed_ms"),
        whole("jailed_until_ms"),
        text("enrolled"),
        text("vacated"),
        text("liveness_ms"),
        text("failures_ms"),
        whole("unbonding_lost_units"),
        whole("caught_ms"),
        truth("expelled"),
        clustered=True,
    )
    op.create_index("ix_parties_owner", "parties", ["owner"])
    table("houses", words("id"), whole("enrolled"), clustered=True)
    table(
        "keys",
        words("id"),
        words("party"),
        whole("since_index"),
        whole("until_index"),
        whole("until_ms"),
        words("before"),
        clustered=True,
    )
    table("handles", words("id"), words("party"), clustered=True)
    table("roles", words("id"), words("party"), words("role"), clustered=True)
    table(
        "relays",
        words("id"),
        words("name"),
        text("coordinators"),
        whole("threshold"),
        whole("index"),
        truth("suspended"),
        text("convicted"),
    )


def create_money() -> None:
    table("accounts", words("id"), whole("balance_units"), clustered=True)
    table("bookings", words("id"), whole("index"), clustered=True)
    table(
        "withdrawals",
        words("id"),
        words("party"),
        words("source"),
        whole("amount_units"),
        words("state"),
        whole("matures_ms"),
        whole("index"),
        words("reference"),
    )
    op.create_index("ix_withdrawals_party", "withdrawals", ["party"])


def create_work() -> None:
    table(
        "tasks",
        words("id"),
        words("requester"),
        words("task_kind"),
        whole("index"),
        whole("policy"),
        words("state"),
        whole("posted_ms"),
        whole("deadline_ms"),
        whole("price_units"),
        whole("fees_units"),
        whole("stake_units"),
        whole("lease_ms"),
        words("spec_sha256"),
        words("spec_uri"),
        whole("items_count"),
        whole("tolerated_bad_ppm"),
        words("assignee"),
        words("relay"),
        words("claim"),
        words("closed_why"),
        words("older"),
        words("newer"),
        whole("exclusive_until_ms"),
        truth("abandoned"),
    )
    op.create_index("ix_tasks_requester", "tasks", ["requester"])
    table("posters", words("id"), words("newest"), words("closing"), clustered=True)
    table("pins", words("id"), text("open"))
    table(
        "allocations",
        words("id"),
        words("statement"),
        whole("index"),
        words("draw_key"),
        words("state"),
        whole("size"),
        whole("exclusive_ms"),
        text("candidates"),
        words("pool"),
        words("lane"),
        whole("eligible"),
        whole("owners"),
        text("shortlist"),
        truth("used"),
        whole("asked_ms"),
    )
    op.create_index(
        "ix_allocations_awaited",
        "allocations",
        ["index"],
        sqlite_where=sa.text("state = 'awaited'"),
        postgresql_where=sa.text("state = 'awaited'"),
    )
    table("probations", words("id"), words("claim"), clustered=True)
    table("lapses", words("id"), data("count"), clustered=True)
    table("bars", words("id"), words("claim"), clustered=True)
    table(
        "claims",
        words("id"),
        words("task"),
        words("worker"),
        words("relay"),
        whole("index"),
        words("state"),
        whole("stake_units"),
        whole("opened_ms"),
        whole("lease_until_ms"),
        whole("rate_ppm"),
        words("draw_key"),
        words("pool"),
        words("route"),
        whole("delta_ppm"),
        whole("renewals"),
        words("output"),
        whole("output_index"),
        words("items_root"),
        whole("draw_round"),
        whole("round"),
        truth("opened"),
        words("verdict"),
        whole("verdict_round"),
        truth("accepted_by_requester"),
        whole("hold_units"),
        whole("ended_ms"),
        truth("unchecked"),
        words("challenge"),
        whole("submitted_ms"),
        words("canary"),
        truth("appealable"),
        truth("caught"),
        truth("measured"),
    )
    op.create_index(
        "ix_claims_draw_round",
        "claims",
        ["draw_round"],
        sqlite_where=sa.text("draw_round > 0"),
        postgresql_where=sa.text("draw_round > 0"),
    )
    op.create_index("ix_claims_task", "claims", ["task"])
    op.create_index("ix_claims_worker", "claims", ["worker"])


def create_checks() -> None:
    table(
        "rounds",
        words("id"),
        words("claim"),
        whole("number"),
        words("phase"),
        whole("until_ms"),
        whole("quorum"),
        whole("accept_count"),
        text("seats"),
        text("alternates"),
        text("items"),
        text("to_open"),
        text("replaced"),
        text("past_seats"),
        words("verdict"),
        text("bad"),
        text("disputed"),
        text("samples"),
    )
    op.create_index("ix_rounds_claim", "rounds", ["claim"])
    table(
        "seats",
        words("id"),
        words("claim"),
        whole("round"),
        whole("place"),
        words("agent"),
        words("owner"),
        words("state"),
        whole("until_ms"),
        whole("index"),
        words("commitment"),
        words("verdict"),
        words("salt"),
        text("bad"),
        words("outcome"),
    )
    op.create_index("ix_seats_agent", "seats", ["agent"])
    op.create_index("ix_seats_claim", "seats", ["claim"])
    table(
        "challenges",
        words("id"),
        words("claim"),
        words("challenger"),
        whole("index"),
        words("against"),
        whole("round"),
        whole("bond_units"),
        whole("prepaid_units"),
        words("before"),
        words("state"),
    )
    op.create_index("ix_challenges_challenger", "challenges", ["challenger"])
    op.create_index("ix_challenges_claim", "challenges", ["claim"])
    table("openings", words("id"), words("leaf"), clustered=True)
    table(
        "canary_roots",
        words("id"),
        whole("count"),
        whole("opened"),
        whole("open_by_ms"),
        whole("committed_ms"),
        whole("index"),
        clustered=True,
    )
    table(
        "canaries",
        words("id"),
        words("root"),
        whole("number"),
        words("verdict"),
        words("claim"),
        whole("index"),
        clustered=True,
    )
    table("convictions", words("id"), words("reporter"), whole("index"), clustered=True)


def create_conduct() -> None:
    table(
        "tracks",
        words("id"),
        whole("streak"),
        whole("rotations"),
        whole("checks"),
        whole("unchecked_milli"),
    )
    table(
        "scores",
        words("id"),
        words("agent"),
        words("role"),
        words("task_kind"),
        whole("events"),
        whole("index"),
        data("good_slow"),
        data("bad_slow"),
        data("failure_slow"),
        data("good_fast"),
        data("bad_fast"),
        data("failure_fast"),
        clustered=True,
    )
    op.create_index("ix_scores_agent", "scores", ["agent"])
    table("pairings", words("id"), data("good"), clustered=True)
    table("raters", words("id"), whole("agree_milli"), whole("against_milli"), clustered=True)
    table("liveness", words("id"), data("done"), data("expired"), clustered=True)


def create_pools() -> None:
    table(
        "pools",
        words("id"),
        whole("slots"),
        truth("dirty"),
        whole("epoch"),
        whole("as_of"),
        whole("sealed_epoch"),
        words("sealed"),
    )
    table(
        "sealed_pools",
        words("id"),
        words("pool"),
        whole("epoch"),
        whole("as_of"),
        words("root"),
        whole("count"),
        whole("total"),
        text("heavy"),
        whole("members"),
        whole("owners"),
    )
    table(
        "slots",
        words("id"),
        words("pool"),
        whole("number"),
        words("agent"),
        words("owner"),
        whole("weight"),
        whole("index"),
    )
    op.create_index("ix_slots_pool_index", "slots", ["pool", "index"])
    table("nodes", words("id"), data("data"))


def create_clockwork() -> None:
    table("said", words("id"), whole("index"), clustered=True)
    table("timers", words("id"), whole("due_ms"), words("kind"), clustered=True)
    op.create_index("ix_timers_due", "timers", ["due_ms", "kind", "id"])
