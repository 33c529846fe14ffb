"""Forward decay in exact integers: how much an observation weighs later (docs/reputation.md 2).

An event at t adds w*G(t) to a sum, a reading at t divides by G(t), and G doubles every half-life.
"""

from __future__ import annotations

from functools import lru_cache
from math import isqrt
from typing import Protocol

import msgspec

STEPS = 4_096

_TABLE_BITS = 16
_PRECISION = 128


class HalfLives(Protocol):
    """The constants of decay, which genesis fixes for ever."""

    @property
    def t0_ms(self) -> int: ...
    @property
    def slow_half_life_ms(self) -> int: ...
    @property
    def fast_half_life_ms(self) -> int: ...


class Decay(msgspec.Struct, frozen=True):
    """The standard half-lives, 60 and 14 days, from a given zero of time; events before it are refused."""

    t0_ms: int
    slow_half_life_ms: int = 60 * 86_400_000
    fast_half_life_ms: int = 14 * 86_400_000


def _table() -> tuple[int, ...]:
    """floor(2^16 * 2^(j/4096)) for j = 0..4095, as products of square roots of two taken by integers."""
    root = 2 << _PRECISION
    values = [1 << _PRECISION]
    while len(values) < STEPS:
        root = isqrt(root << _PRECISION)
        values = [value for low in values for value in (low, low * root >> _PRECISION)]
    return tuple(value >> (_PRECISION - _TABLE_BITS) for value in values)


TABLE = _table()


def growth(t_ms: int, t0_ms: int, half_life_ms: int) -> int:
    """G(t): 2^16 at t0, doubling every half-life, in 4,096 steps each."""
    if t_ms < t0_ms:
        raise ValueError(f"{t_ms} lies before {t0_ms}, the zero of time")
    doublings, step = divmod((t_ms - t0_ms) * STEPS // half_life_ms, STEPS)
    return TABLE[step] << doublings


def decayed(total: int, t_ms: int, t0_ms: int, half_life_ms: int) -> int:
    """Returns the decayed value of a raw sum at t in milli-units, rounded down."""
    return total // _growth_now(t_ms, t0_ms, half_life_ms) if total else 0


_growth_now = lru_cache(maxsize=64)(growth)
"""Readings come by the hundred at one time, observations at many."""
