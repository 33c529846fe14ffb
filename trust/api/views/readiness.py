"""The answer of `/health/ready`: the state of the witnesses, where the policy in force names some.

A missing quorum is a warning and not a no: the service goes on to accept, and relays must still reach it. What waits
are the draws.
"""

from __future__ import annotations

import msgspec

from trust import clock
from trust.services.cosigning import QuorumState, WitnessState
from trust.services.liveness import Shown
from trust.services.publishing import cosigned_head
from trust.services.scrub import Scrubbed
from trust.storage.cosigned import policy_in_force
from trust.storage.reading import Reader

MISSING_MS = 5_000
"""A quorum may lack for so long without a word: a witness starts anew, a network hiccups."""

NO_SECOND_PLACE = "the head is kept in one place only: name witnesses, or set head_copy to a second one"


class QuorumReport(msgspec.Struct, frozen=True):
    """The newest cosigned checkpoint and its age (-1: none yet), how long the head has lacked one, and each witness."""

    cosigned_size: int
    cosigned_age_ms: int
    missing_ms: int
    asked: tuple[WitnessState, ...]


class Ready(msgspec.Struct, frozen=True, omit_defaults=True):
    """The answer of a service that may be sent requests."""

    status: str
    warnings: tuple[str, ...] = ()
    witnesses: QuorumReport | None = None
    threads: tuple[Shown, ...] = ()
    scrub: Scrubbed | None = None


class Outlook(msgspec.Struct, frozen=True):
    """The state of this process: its threads, where it keeps the head beside its own file, and what is amiss."""

    threads: tuple[Shown, ...] = ()
    head_copy: str = ""
    notices: tuple[str, ...] = ()
    scrub: Scrubbed | None = None

    def warnings(self, *, is_witnessed: bool) -> tuple[str, ...]:
        """Returns what an operator should look at, in sentences."""
        alone = () if is_witnessed or self.head_copy else (NO_SECOND_PLACE,)
        return (*self.notices, *alone, *(f"{each.name}: {each.wrong}" for each in self.threads if each.wrong))


def readiness(reader: Reader, quorum: QuorumState, outlook: Outlook) -> Ready:
    """That the service is ready, and what an operator should look at."""
    is_witnessed, cosigned = cosigned_head(reader)
    troubled, threads = (*outlook.warnings(is_witnessed=is_witnessed), *small_pools(reader)), outlook.threads
    if not is_witnessed and not quorum.missing_ms:
        return Ready("ready", troubled, threads=threads, scrub=outlook.scrub)
    age_ms = max(0, clock.now_ms() - cosigned.at_ms) if cosigned else -1
    size = cosigned.size if cosigned else 0
    witnesses = QuorumReport(size, age_ms, quorum.missing_ms, quorum.witnesses)
    return Ready("ready", (*troubled, *_warnings(quorum)), witnesses, threads, outlook.scrub)


def small_pools(reader: Reader) -> tuple[str, ...]:
    """Returns, in sentences, which pools of verifiers can seat no panel, or no appeal, by the policy in force."""
    adopted = policy_in_force(reader)
    if adopted is None:
        return ()
    shortages = ((pool.pool, adopted.terms.shortage(pool.owners)) for pool in reader.verifier_pools())
    return tuple(f"{pool}: {shortage}" for pool, shortage in shortages if shortage)


def _warnings(quorum: QuorumState) -> tuple[str, ...]:
    if quorum.missing_ms < MISSING_MS:
        return ()
    failed = "; ".join(
        f"{each.witness}: {each.reason}" for each in quorum.witnesses if each.state != "cosigned"
    )
    why = failed or "no witness has an address: set `witnesses`"
    return (f"witness quorum missing for {quorum.missing_ms // 1_000} s, draws wait: {why}",)
