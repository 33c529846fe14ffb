"""The agenda in memory says what the timers' table would say, however small its window."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trust.audit import agenda
from trust.audit.agenda import Agenda, Batch
from trust.core.records import Timer
from trust.core.state import Draft, MemoryState

Changes = list[tuple[str, int | None]]
changes = st.lists(
    st.tuples(st.sampled_from("abcdefghijkl"), st.one_of(st.none(), st.integers(0, 20))), max_size=8
)


@given(batches=st.lists(st.lists(changes, max_size=5), max_size=5), window=st.integers(2, 5))
def test_a_batch_knows_the_same_timers_as_a_draft(
    batches: list[list[list[tuple[str, int | None]]]], window: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(agenda, "WINDOW", window)
        state, kept = MemoryState(), Agenda()
        for entries in batches:
            quick, plain = Batch(state, kept), Draft(state)
            for entry in entries:
                for draft in (quick, plain):
                    child = Draft(draft)
                    for id, due_ms in entry:
                        change(child, id, due_ms)
                    draft.absorb(child)
                for limit in (1, 2):
                    assert quick.timers(limit) == plain.timers(limit)
                assert quick.due(10, 2) == plain.due(10, 2)
            state.absorb(plain)


def change(draft: Draft, id: str, due_ms: int | None) -> None:
    """Gives an object a due date, or takes it away."""
    if due_ms is None:
        draft.clear_timer(id)
    else:
        draft.set_timer(id, "lease", due_ms)


def test_a_batch_remembers_what_is_not_there() -> None:
    state = MemoryState()
    batch = Batch(state, Agenda())
    assert batch.get(Timer, "a") is None
    state.put_all([Timer(id="a", due_ms=1, kind="lease")])
    assert batch.get(Timer, "a") is None
    assert Batch(state, Agenda()).get(Timer, "a") is not None
