"""A clock that jumps is not believed at once (docs/rules.md 2)."""

from __future__ import annotations

from trust.clock import CONFIRM_MS, JUMP_MS, Clock, now_ms

T0 = 1_800_000_000_000
HOUR = 3_600_000


class Readings:
    """A wall clock and a monotonic clock that a test moves by hand."""

    def __init__(self) -> None:
        self.wall = T0
        self.monotonic = 5_000
        self.clock = Clock(lambda: self.wall, lambda: self.monotonic)

    def after(self, ms: int, *, jump: int = 0) -> int:
        """What the guarded clock says `ms` later, the wall clock having jumped by `jump` beside it."""
        self.monotonic += ms
        self.wall += ms + jump
        return self.clock.now_ms()


def test_a_steady_clock_is_the_wall_clock() -> None:
    readings = Readings()
    assert [readings.after(10) for _ in range(3)] == [T0 + 10, T0 + 20, T0 + 30]


def test_a_jump_of_sixty_seconds_is_believed_at_once_and_one_more_is_not() -> None:
    assert Readings().after(10, jump=JUMP_MS) == T0 + 10 + JUMP_MS
    assert Readings().after(10, jump=JUMP_MS + 1) == T0 + 10


def test_a_jump_is_believed_when_a_second_reading_one_second_later_agrees() -> None:
    readings = Readings()
    assert readings.after(10, jump=HOUR) == T0 + 10
    assert readings.after(CONFIRM_MS - 1) == T0 + 10 + CONFIRM_MS - 1
    assert readings.after(1) == T0 + 10 + CONFIRM_MS + HOUR


def test_a_jump_back_is_guarded_as_one_forward() -> None:
    readings = Readings()
    assert readings.after(10, jump=-HOUR) == T0 + 10
    assert readings.after(CONFIRM_MS) == T0 + 10 + CONFIRM_MS - HOUR


def test_a_single_wrong_reading_leaves_no_trace() -> None:
    readings = Readings()
    assert readings.after(10, jump=HOUR) == T0 + 10
    assert readings.after(CONFIRM_MS, jump=-HOUR) == T0 + 10 + CONFIRM_MS
    assert readings.after(10, jump=HOUR) == T0 + 20 + CONFIRM_MS  # the first reading does not count any more


def test_two_readings_that_disagree_are_both_not_believed() -> None:
    readings = Readings()
    assert readings.after(10, jump=HOUR) == T0 + 10
    assert readings.after(CONFIRM_MS, jump=HOUR) == T0 + 10 + CONFIRM_MS
    assert readings.after(CONFIRM_MS) == T0 + 10 + 2 * CONFIRM_MS + 2 * HOUR


def test_a_clock_that_creeps_away_step_by_step_is_caught() -> None:
    readings = Readings()
    assert readings.after(10, jump=JUMP_MS) == T0 + 10 + JUMP_MS
    assert readings.after(10, jump=JUMP_MS) == T0 + 20


def test_the_clock_of_the_process_goes_on() -> None:
    first = now_ms()
    assert first > T0 - 10 * 365 * 24 * HOUR
    assert 0 <= now_ms() - first < JUMP_MS
