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


def seal(d: Decision, command: Seal) -> None:
    """Books the seal of a pool. The service's root is taken as it is; the audit rebuilds it and names a wrong one."""
    pool = d.get(Pool, command.of)
    if pool is None:
        raise Refused("unknown-pool", f"there is no pool {command.of}")
    if pool.epoch <= pool.sealed_epoch or (command.epoch, command.as_of) != (pool.epoch, pool.as_of):
        raise Refused(
            "no-seal-due", f"{command.of} awaits no seal of epoch {command.epoch} as of {command.as_of}"
        )
    d.emit(
        PoolSealed(
            pool=command.of,
            epoch=command.epoch,
            as_of=command.as_of,
            root=command.root,
            count=command.count,
            total=command.total,
            members=command.members,
            owners=command.owners,
            heavy=command.heavy,
        )
    )
