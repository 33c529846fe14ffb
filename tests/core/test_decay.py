"""The table of decay is exact, and growth doubles with every half-life."""

from __future__ import annotations

from math import isqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trust.core import decay

DAY_MS = 86_400_000
CENTURY_MS = 36_525 * DAY_MS
T0 = 1_700_000_000_000


def test_every_entry_of_the_table_is_exact() -> None:
    assert len(decay.TABLE) == 4096
    for j in range(0, 4096, 61):
        value = decay.TABLE[j]
        assert value**4096 <= 1 << (16 * 4096 + j) < (value + 1) ** 4096
    assert list(decay.TABLE) == sorted(set(decay.TABLE))


def test_the_table_equals_twelve_nested_integer_roots() -> None:
    for j in (1, 2, 1365, 2048, 4095):
        value = 1 << (16 * 4096 + j)
        for _ in range(12):
            value = isqrt(value)
        assert decay.TABLE[j] == value


def test_growth_doubles_every_half_life() -> None:
    assert decay.growth(T0, T0, DAY_MS) == 1 << 16
    for days in (1, 2, 60, 36_525):
        assert decay.growth(T0 + days * DAY_MS, T0, DAY_MS) == 1 << (16 + days)
    assert decay.growth(T0 + DAY_MS // 2, T0, DAY_MS) == 92_681


@given(st.integers(T0, T0 + CENTURY_MS), st.integers(0, CENTURY_MS))
def test_growth_never_falls(t_ms: int, later_ms: int) -> None:
    assert decay.growth(t_ms, T0, 14 * DAY_MS) <= decay.growth(t_ms + later_ms, T0, 14 * DAY_MS)


def test_a_time_before_the_zero_of_time_is_refused() -> None:
    with pytest.raises(ValueError, match="zero of time"):
        decay.growth(T0 - 1, T0, DAY_MS)
