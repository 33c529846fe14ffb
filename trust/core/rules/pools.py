"""Seals of pools and of scores: an epoch begins, a seal follows (docs/rules.md 6.2, docs/reputation.md 5)."""

from __future__ import annotations

from trust.core import scorebook
from trust.core.entry import Seal
from trust.core.events import PoolEpoch, PoolSealed
from trust.core.records import Pool
from trust.core.refusal import Refused
from trust.core.rules.acts import due
from trust.core.rules.decision import Decision


@due("epoch")
def begin_epoch(d: Decision, id: str) -> None:
    """Begins the next epoch of a pool that changed: it will be sealed as it stands after this entry."""
    pool = d.need(Pool, id)
    is_scores = id == scorebook.POOL
    epoch_ms = d.policy.reputation.score_epoch_ms if is_scores else d.policy.verifiers.epoch_ms
    epoch = max((d.at_ms - d.network.t0_ms) // epoch_ms, pool.epoch + 1)
    d.emit(PoolEpoch(pool=id, epoch=epoch, as_of=d.size + 1))


def seal(d: Decision, said: Seal) -> None:
    """Takes the service's word for the root; the audit rebuilds it and names a wrong one."""
    pool = d.get(Pool, said.of)
    if pool is None:
        raise Refused("unknown-pool", f"there is no pool {said.of}")
    if pool.epoch <= pool.sealed_epoch or (said.epoch, said.as_of) != (pool.epoch, pool.as_of):
        raise Refused("no-seal-due", f"{said.of} awaits no seal of epoch {said.epoch} as of {said.as_of}")
    d.emit(
        PoolSealed(
            pool=said.of,
            epoch=said.epoch,
            as_of=said.as_of,
            root=said.root,
            count=said.count,
            total=said.total,
            members=said.members,
            owners=said.owners,
            heavy=said.heavy,
        )
    )
