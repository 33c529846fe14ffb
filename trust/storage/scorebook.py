"""The content of a seal of scores: the tree over all records of scores as they stood when its epoch began.

Both who seals and who audits come here, so that they cannot differ. The rows that changed since the seal before are
stored first, each with the epochs that it is part of; then the tree is that over the rows of this epoch. The state may
have moved on since the epoch began: raw sums are exact, so what was observed later is taken off again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, bindparam, delete, func, select, update
from sqlmodel import col

from trust.core import rawsums, scorebook
from trust.core.entry import Seal
from trust.core.records import Pool, SealedPool
from trust.core.scorebook import Row
from trust.log import merkle
from trust.storage import bulk, tables
from trust.storage.bulk import Existing
from trust.storage.engine import ids_of, listed
from trust.storage.observations import between
from trust.storage.reading import Reader
from trust.storage.rows import table_of

STANDING = 2**53 - 1
_TABLE = tables.SealedScores


class Tree(NamedTuple):
    """A tree with all its rows of hashes, the leaves first."""

    levels: list[list[bytes]]

    @classmethod
    def over(cls, leaves: list[bytes]) -> Tree:
        """The tree over leaf hashes."""
        levels = [leaves]
        while len(levels[-1]) > 1:
            levels.append(merkle.parents(levels[-1]))
        return cls(levels)

    @property
    def size(self) -> int:
        """Number of leaves."""
        return len(self.levels[0])

    def node(self, level: int, index: int) -> bytes:
        """The hash of a complete subtree."""
        return self.levels[level][index]

    def root(self) -> bytes:
        """The root over all leaves."""
        return merkle.root(self.size, self.node)


def changed(reader: Reader, pool: Pool, size: int) -> list[Row]:
    """The rows that are new or other in the epoch that scores are in, as they stood when it began.

    `size` entries are folded into the state. None where they are stored already: epochs without a change have no seal.
    """
    stored = select(func.count()).select_from(_TABLE).where(col(_TABLE.epoch) == pool.epoch)
    if reader.connection.execute(stored).scalar_one():
        return []
    before = reader.record(SealedPool, pool.sealed) if pool.sealed else None
    since = before.as_of if before else 0
    return [*_scored(reader, since, pool.as_of, size), *_left(reader, since, pool.as_of)]


def _scored(reader: Reader, since: int, as_of: int, size: int) -> list[Row]:
    scores = {score.id: score for score in reader.scores_since(since)}
    events = {id: score.events for id, score in scores.items()}
    sums = {id: rawsums.stored(score) for id, score in scores.items()}
    network = reader.network()
    for observation in between(reader.connection, as_of, size) if as_of < size else ():
        id = f"{observation.agent}/{observation.role}/{observation.task_kind}"
        events[id] -= 1
        sums[id] = rawsums.without(sums[id], observation, observation.at_ms, network)
    return [scorebook.scored(score, events[id], sums[id]) for id, score in scores.items() if events[id]]


def _left(reader: Reader, since: int, as_of: int) -> list[Row]:
    return [Row(party.id, scorebook.PARTY, left=party.left) for party in reader.left_between(since, as_of)]


def store(connection: Connection, pool: Pool, rows: Sequence[Row]) -> None:
    """Stores the changed rows of the epoch that scores are in, in place of those that they change.

    A row that changed only after the epoch began stands as it was: whether it is among `rows` depends on when they were
    read, and what is stored must not. Nor may it depend on rows that were stored for an epoch that came to no seal.
    """
    if not rows:
        return
    _drop_unsealed(connection, pool)
    leaves = [(row.id, data, merkle.leaf_hash(data)) for row in rows for data in (row.encode(),)]
    standing = _standing(connection, [row.id for row in rows])
    leaves = [leaf for leaf in leaves if standing.get(leaf[0]) != leaf[2]]
    if not leaves:
        return
    connection.execute(delete(_TABLE).where(col(_TABLE.until_epoch) <= pool.sealed_epoch))
    connection.execute(_SUPERSEDE, [{"of": id, "now": pool.epoch} for id, _, _ in leaves])
    new = [(id, pool.epoch, STANDING, data, leaf_hash) for id, data, leaf_hash in leaves]
    bulk.insert(connection, table_of(_TABLE), new, Existing.KEEP)


def _drop_unsealed(connection: Connection, pool: Pool) -> None:
    """Takes back what was stored for epochs after the last sealed one and before this one: a service that ended before
    it had sealed left it, and the next epoch began."""
    after, before = pool.sealed_epoch, pool.epoch
    connection.execute(delete(_TABLE).where(col(_TABLE.epoch) > after, col(_TABLE.epoch) < before))
    superseded = and_(col(_TABLE.until_epoch) > after, col(_TABLE.until_epoch) < before)
    connection.execute(update(_TABLE).where(superseded).values(until_epoch=STANDING))


def _standing(connection: Connection, ids: Sequence[str]) -> dict[str, bytes]:
    """Returns the leaf hashes of the rows that no later one replaced, by id."""
    query = select(col(_TABLE.id), col(_TABLE.leaf_hash)).where(
        col(_TABLE.until_epoch) == STANDING, col(_TABLE.id).in_(listed(connection.dialect.name))
    )
    return {id: bytes(leaf_hash) for id, leaf_hash in connection.execute(query, ids_of(ids))}


def seal(reader: Reader, pool: Pool) -> Seal:
    """The seal of the epoch that scores are in, whose changed rows are stored."""
    tree = tree_of(reader, pool.epoch)
    return Seal(pool.id, pool.epoch, pool.as_of, tree.root().hex(), tree.size, 0, (), 0, 0)


def tree_of(reader: Reader, epoch: int) -> Tree:
    """The tree of the seal of an epoch: the last one, or the one that is due."""
    query = select(col(_TABLE.leaf_hash)).where(_part_of(epoch)).order_by(col(_TABLE.id))
    return Tree.over(list(reader.connection.execute(query).scalars()))


def rows_about(reader: Reader, epoch: int, agent: str) -> tuple[int, list[bytes]]:
    """The rows of an agent in the seal of an epoch with the one before and the one after them, where there are such.

    And the place of the first of these.
    """
    id, data = col(_TABLE.id), col(_TABLE.data)
    first, end = f"{agent}/", f"{agent}0"  # 0 is what follows a slash
    part = select(data).where(_part_of(epoch))
    before = reader.connection.execute(part.where(id < first).order_by(id.desc()).limit(1)).scalars().all()
    own = reader.connection.execute(part.where(id >= first, id < end).order_by(id)).scalars().all()
    after = reader.connection.execute(part.where(id >= end).order_by(id).limit(1)).scalars().all()
    count = select(func.count()).select_from(_TABLE).where(_part_of(epoch), id < first)
    place: int = reader.connection.execute(count).scalar_one()
    return place - len(before), [*before, *own, *after]


def _part_of(epoch: int) -> ColumnElement[bool]:
    return and_(col(_TABLE.epoch) <= epoch, col(_TABLE.until_epoch) > epoch)


_SUPERSEDE = (
    update(_TABLE)
    .where(
        col(_TABLE.id) == bindparam("of"),
        col(_TABLE.epoch) < bindparam("now"),
        col(_TABLE.until_epoch) > bindparam("now"),
    )
    .values(until_epoch=bindparam("now"))
)
