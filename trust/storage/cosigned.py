"""The newest cosigned checkpoint of each policy: kept beside the log, so that a restart and every replica have it.

Several replicas may collect for the same policy at once; of what they keep, the largest size stays.
"""

from __future__ import annotations

import msgspec
from msgspec.structs import astuple
from sqlalchemy import Connection, select, update
from sqlmodel import col

from trust.core.events import NETWORK
from trust.core.records import AdoptedPolicy, Network
from trust.storage import bulk, tables
from trust.storage.bulk import Existing
from trust.storage.reading import Reader
from trust.storage.rows import table_of

_COSIGNED = table_of(tables.Cosigned)


class CosignedHead(msgspec.Struct, frozen=True):
    """A checkpoint of `size` entries with the quorum of policy number `policy` on it, reached at `at_ms`."""

    policy: int
    size: int
    at_ms: int
    note: bytes


def newest(connection: Connection, policy: int) -> CosignedHead | None:
    """The largest checkpoint with that policy's quorum."""
    row = connection.execute(select(_COSIGNED).where(col(tables.Cosigned.policy) == policy)).one_or_none()
    return CosignedHead(*row) if row else None


def every(connection: Connection) -> list[CosignedHead]:
    """Returns the newest cosigned checkpoint of each policy."""
    rows = connection.execute(select(_COSIGNED).order_by(col(tables.Cosigned.policy)))
    return [CosignedHead(*row) for row in rows]


def keep(connection: Connection, head: CosignedHead) -> None:
    """Stores it where it is larger than what is there, or of that size and later."""
    size, at_ms = col(tables.Cosigned.size), col(tables.Cosigned.at_ms)
    older = (size < head.size) | ((size == head.size) & (at_ms < head.at_ms))
    smaller = (col(tables.Cosigned.policy) == head.policy) & older
    values = {"size": head.size, "at_ms": head.at_ms, "note": head.note}
    connection.execute(update(tables.Cosigned).where(smaller).values(values))
    bulk.insert(connection, _COSIGNED, [astuple(head)], Existing.KEEP)


def policy_in_force(reader: Reader) -> AdoptedPolicy | None:
    """The policy that the next task would pin; None before genesis."""
    network = reader.record(Network, NETWORK)
    return None if network is None else reader.record(AdoptedPolicy, str(network.policy))
