"""A clock that jumps is not believed at once, and one that jumps ahead not by its own word (docs/rules.md 2)."""

from __future__ import annotations

import pytest

from trust.clock import CONFIRM_MS, JUMP_MS, Clock, InDoubt, Memory, now_ms, sure_ms

T0 = 1_800_000_000_000
HOUR = 3_600_000
DAY = 24 * HOUR


class Readings:
    """A wall clock and the time that goes by, which a test moves by hand."""

    def __init__(self) -> None:
        self.wall = T0
        self.elapsed = 5_000
        self.clock = Clock(lambda: self.wall, lambda: self.elapsed)

    def after(self, ms: int, *, jump: int = 0) -> int | None:
        """The time to write by `ms` later, the wall clock having jumped by `jump` beside it; None: there is none."""
        self.elapsed += ms
        self.wall += ms + jump
        try:
            return self.clock.sure_ms()
        except InDoubt:
            return None


def test_a_steady_clock_is_the_wall_clock() -> None:
    readings = Readings()
    assert [readings.after(10) for _ in range(3)] == [T0 + 10, T0 + 20, T0 + 30]


def test_a_jump_of_sixty_seconds_is_believed_at_once_and_one_more_is_not() -> None:
    assert Readings().after(10, jump=JUMP_MS) == T0 + 10 + JUMP_MS
    assert Readings().after(10, jump=JUMP_MS + 1) is None


def test_while_in_doubt_other_things_go_by_the_clock_that_was_believed() -> None:
    readings = Readings()
    assert readings.after(10, jump=DAY) is None
    assert readings.clock.now_ms() == T0 + 10


def test_a_day_ahead_for_three_seconds_or_three_hours_is_never_believed_alone() -> None:
    readings = Readings()
    assert readings.after(10, jump=DAY) is None
    assert all(readings.after(CONFIRM_MS) is None for _ in range(3))
    assert readings.after(3 * HOUR) is None
    assert "jumped by 86400 s" in readings.clock.doubt()
    assert readings.after(10, jump=-DAY) == T0 + 20 + 3 * CONFIRM_MS + 3 * HOUR
    assert readings.clock.doubt() == ""


def test_a_jump_ahead_is_believed_after_a_second_when_another_clock_bears_it_out() -> None:
    readings = Readings()
    assert readings.after(10, jump=HOUR) is None
    readings.clock.note_other("a witness", readings.wall + 1_000)
    assert readings.after(CONFIRM_MS - 1) is None
    assert readings.after(1) == T0 + 10 + CONFIRM_MS + HOUR


def test_a_jump_ahead_is_believed_by_the_operators_word() -> None:
    readings = Readings()
    assert readings.after(10, jump=HOUR) is None
    readings.clock.accept()
    assert readings.after(1) == T0 + 11 + HOUR
    assert readings.after(1, jump=HOUR) is None


def test_a_jump_back_is_believed_when_two_readings_a_second_apart_agree() -> None:
    readings = Readings()
    assert readings.after(10, jump=-HOUR) is None
    assert readings.after(CONFIRM_MS - 1) is None
    assert readings.after(1) == T0 + 10 + CONFIRM_MS - HOUR


def test_a_single_wrong_reading_leaves_no_trace() -> None:
    readings = Readings()
    assert readings.after(10, jump=-HOUR) is None
    assert readings.after(CONFIRM_MS, jump=HOUR) == T0 + 10 + CONFIRM_MS
    assert readings.after(10, jump=-HOUR) is None  # the first reading does not count any more


def test_two_readings_that_disagree_are_both_not_believed() -> None:
    readings = Readings()
    assert readings.after(10, jump=-HOUR) is None
    assert readings.after(CONFIRM_MS, jump=-HOUR) is None
    assert readings.after(CONFIRM_MS) == T0 + 10 + 2 * CONFIRM_MS - 2 * HOUR


def test_a_clock_that_creeps_away_step_by_step_is_caught() -> None:
    readings = Readings()
    assert readings.after(10, jump=JUMP_MS) == T0 + 10 + JUMP_MS
    assert readings.after(10, jump=JUMP_MS) is None


def test_at_the_start_a_clock_that_all_others_contradict_is_in_doubt() -> None:
    readings = Readings()
    readings.clock.note_other("one", T0 - DAY)
    readings.clock.note_other("two", T0 - DAY)
    assert readings.after(10) is None
    assert "86400 s ahead of that of" in readings.clock.doubt()
    readings.clock.note_other("three", T0 + 10)
    assert readings.after(10) == T0 + 20


def test_a_clock_that_was_sure_is_not_put_in_doubt_by_another_ones_word() -> None:
    readings = Readings()
    assert readings.after(10) == T0 + 10
    readings.clock.note_other("a liar", T0 + DAY)
    assert readings.after(10) == T0 + 20


def test_a_process_goes_on_from_what_the_one_before_knew_on_the_same_machine() -> None:
    readings = Readings()
    before = readings.clock.memory("boot")
    assert before == Memory("boot", 5_000, T0)
    readings.elapsed += 1_000
    readings.wall += 1_000 + DAY
    again = Clock(lambda: readings.wall, lambda: readings.elapsed)
    again.resume(before, "boot")
    with pytest.raises(InDoubt):
        again.sure_ms()
    assert again.memory("boot") is None
    elsewhere = Clock(lambda: readings.wall, lambda: readings.elapsed)
    elsewhere.resume(before, "another boot")
    assert elsewhere.sure_ms() == readings.wall


def test_the_clock_of_the_process_goes_on() -> None:
    first = now_ms()
    assert first > T0 - 10 * 365 * DAY
    assert 0 <= sure_ms() - first < JUMP_MS
