"""The graph pass over a million agents and twenty million ratings, against one `np.bincount` over the same ratings.

Both are timed in turns, the best of several: the matrix is made once and kept, as the service keeps what it has read.
Memory is what the arrays take at their peak.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from time import perf_counter

import numpy as np

from tests.benchmarks.table import Row, at_most, figure
from trust.services import eigentrust
from trust.services.eigentrust import ITERATIONS, ONE, Ints, Matrix

GOAL_PASSES = 10
SEEDS = 20
ROUNDS = 5


def network(agents: int, ratings: int) -> tuple[Ints, Ints, Ints]:
    """Rater, target and net milli-units of ratings among random pairs, one in ten a complaint."""
    rng = np.random.default_rng(1)
    net = rng.integers(1, 8_000, ratings)
    net[rng.random(ratings) < 0.1] *= -3
    return rng.integers(0, agents, ratings), rng.integers(0, agents, ratings), net


def run(quick: bool) -> list[Row]:
    """Twenty ratings an agent."""
    agents, ratings = (100_000, 2_000_000) if quick else (1_000_000, 20_000_000)
    raters, targets, net = network(agents, ratings)
    pretrusted = np.zeros(agents, np.int64)
    pretrusted[:SEEDS] = ONE // SEEDS
    begun = perf_counter()
    matrix = eigentrust.matrix(agents, raters, targets, net)
    made_s = perf_counter() - begun
    passes, counts, turns = [], [], []
    for _ in range(ROUNDS):
        counts.append(_took_s(lambda: np.bincount(targets, weights=net, minlength=agents)))
        turns.append(_took_s(lambda: matrix.by_target @ pretrusted))
        passes.append(_took_s(lambda: eigentrust.trust(matrix, pretrusted)))
    count_s, turn_s, pass_s = min(counts), min(turns), min(passes)
    against = f"one bincount, {count_s * 1e3:.0f} ms"
    name = f"graph of {agents:,} agents, {ratings:,} ratings"
    return [
        at_most(
            f"{name}: {ITERATIONS} iterations",
            f"{pass_s * 1e3:.0f} ms",
            against,
            pass_s / count_s,
            GOAL_PASSES,
        ),
        figure(f"{name}: one iteration in full", f"{turn_s * 1e3:.0f} ms", against, turn_s / count_s),
        figure(f"{name}: the matrix, made once", f"{made_s:.1f} s", against, made_s / count_s),
        _memory(name, matrix, raters, targets, net, pretrusted),
    ]


def _memory(name: str, matrix: Matrix, raters: Ints, targets: Ints, net: Ints, pretrusted: Ints) -> Row:
    """What the kept matrix takes, and what is taken at most beyond the ratings themselves."""
    making = _peak(lambda: eigentrust.matrix(len(pretrusted), raters, targets, net))
    passing = _peak(lambda: eigentrust.trust(matrix, pretrusted))
    peaks = f"at most {making / 1e6:.0f} MB to make, {passing / 1e6:.0f} MB in a pass"
    measured = f"{matrix.nbytes / 1e6:.0f} MB kept; {peaks}"
    given = raters.nbytes + targets.nbytes + net.nbytes
    return figure(f"{name}: memory", measured, f"the ratings, {given / 1e6:.0f} MB", matrix.nbytes / given)


def _took_s(call: Callable[[], object]) -> float:
    begun = perf_counter()
    call()
    return perf_counter() - begun


def _peak(call: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
