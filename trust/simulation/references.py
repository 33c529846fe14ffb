"""Three plain schemes on the same events: the same works, the same verifiers with their errors and their ring.

Nobody has a stake there, nobody is shut out and a false vote costs nothing, so the ring always lies.
"""

from __future__ import annotations

from collections.abc import Callable

from trust.core.lifecycle import ClaimState
from trust.simulation.chance import Chance, Work
from trust.simulation.tally import Tally
from trust.simulation.worlds import PPM, Size

TRUSTED_STREAK = 10
PANEL = 3

Judge = Callable[[Work], tuple[bool, int]]
"""Whether a work is accepted, and by how many votes that was decided."""


def no_checks(_: Chance) -> Judge:
    """Everything is accepted."""
    return lambda _: (True, 0)


def majority_of_three(chance: Chance) -> Judge:
    """Three verifiers look at everything."""
    return lambda work: (sum(_passes(chance, work)) > PANEL // 2, PANEL)


def adaptive_replication(chance: Chance) -> Judge:
    """BOINC: who had n >= 10 checked results valid in a row is checked with probability 1/n, others always.

    One verifier looks; where it disagrees, the majority of three decides.
    """
    streaks: dict[int, int] = {}

    def judge(work: Work) -> tuple[bool, int]:
        streak = streaks.get(work.worker, 0)
        coin = chance.below(PPM, "replicate", work.worker, work.number)
        if streak >= TRUSTED_STREAK and coin * streak >= PPM:
            return True, 0
        first, *others = _passes(chance, work)
        accepted = first or all(others)
        streaks[work.worker] = streak + 1 if accepted else 0
        return accepted, 1 if first else PANEL

    return judge


def _passes(chance: Chance, work: Work) -> list[bool]:
    panel = chance.panel(work, PANEL)
    return [chance.verdict(verifier, work, ring_holds=True) == "pass" for verifier in panel]


SCHEMES: dict[str, Callable[[Chance], Judge]] = {
    "no checks": no_checks,
    "majority of three": majority_of_three,
    "BOINC adaptive": adaptive_replication,
}


def play(scheme: str, chance: Chance, size: Size) -> Tally:
    """One game under a reference scheme."""
    judge = SCHEMES[scheme](chance)
    tally = Tally(honest_workers=size.workers - chance.cheats)
    for number in range(size.tasks):
        for worker in range(size.workers):
            work = chance.work(worker, number)
            accepted, checks = judge(work)
            tally.voted(work, checks)
            tally.ended(work, ClaimState.ACCEPTED if accepted else ClaimState.REJECTED)
            if accepted:
                tally.paid(work, work.price_units)
    return tally
