"""A state with its timers in order gives what one gives that looks for them."""

from __future__ import annotations

from random import Random

from trust.core.state import Draft, MemoryState
from trust.simulation.memory import TimedState


def test_timers_come_in_the_same_order_however_they_were_set_moved_and_cleared() -> None:
    chance = Random(5)
    quick, plain = TimedState(), MemoryState()
    for _ in range(300):
        name, due_ms = f"object {chance.randrange(20)}", chance.randrange(50)
        for state in (quick, plain):
            draft = Draft(state)
            if due_ms < 10:
                draft.clear_timer(name)
            else:
                draft.set_timer(name, "kind", due_ms)
            state.absorb(draft)
        assert quick.timers(5) == plain.timers(5)
        first = plain.timers(1)
        assert quick.next_due_ms == (first[0].due_ms if first else None)
    assert quick.records == plain.records
