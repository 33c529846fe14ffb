"""What reads need and state does not hold: folded from the entries, and only ever added to.

`sealed_scores` is made again from state and log.
"""

from __future__ import annotations

from sqlalchemy import Index
from sqlmodel import SQLModel

from trust.storage.columns import Bytes, Clustered, KeyWhole, KeyWords, Whole, Words


class Postings(SQLModel, table=True):
    """Money: the `position`-th posting of an entry."""

    __table_args__ = (Index("ix_postings_account", "account", "index", "position"), Clustered.__table_args__)
    index: KeyWhole
    position: KeyWhole
    account: Words
    change_units: Whole
    why: Words


class Mentions(Clustered, table=True):
    """That an entry names a party, task, claim, seat, relay or withdrawal, or was said by it."""

    subject: KeyWords
    index: KeyWhole


class Weights(SQLModel, table=True):
    """What a pool's slot weighed from entry `index` on, so that a pool can be read as of a size."""

    __table_args__ = (Index("ix_weights_pool_index", "pool", "index"), Clustered.__table_args__)
    pool: KeyWords
    slot: KeyWhole
    index: KeyWhole
    agent: Words
    owner: Words
    weight: Whole


class Observations(SQLModel, table=True):
    """The `position`-th observation of entry `index`: what moved an agent's record, and on whose word."""

    __table_args__ = (Index("ix_observations_agent", "agent", "index", "position"), Clustered.__table_args__)
    index: KeyWhole
    position: KeyWhole
    agent: Words
    role: Words
    task_kind: Words
    why: Words
    rater: Words
    good_milli: Whole
    bad_milli: Whole
    failure_milli: Whole


class SealedScores(Clustered, table=True):
    """A row that seals of scores commit to (`core/scorebook.py`), from that of `epoch` on and before `until_epoch`."""

    __tablename__ = "sealed_scores"
    id: KeyWords
    epoch: KeyWhole
    until_epoch: Whole
    data: Bytes
    leaf_hash: Bytes
