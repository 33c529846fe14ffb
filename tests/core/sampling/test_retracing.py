"""A draw is followed again without the state: it leads to the panel that was seated, and to no other."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.sampling.test_draw import Store, sealed, stream
from trust.core.sampling.draw import Picker, Stream
from trust.core.sampling.sumtree import BadNode, Root
from trust.core.sampling.trace import NotDrawn, retrace

Holds = Callable[[Stream], bool]


def anything(left: Stream) -> bool:
    return True


def bench(root: Root, store: Store, barred: set[str], size: int) -> tuple[list[str], int]:
    """Seats and alternates as a panel takes them, and the next integer of the stream."""
    label = stream("bench")
    picker = Picker(root, store.__getitem__, label, {})

    def one() -> str | None:
        slot = picker.pick(lambda slot: slot.id not in barred)
        return slot.id if slot is not None else None

    taken = _take(one, size)
    return (taken + _take(one, size) if len(taken) == size else taken), label.below(2**200)


def _take(one: Callable[[], str | None], count: int) -> list[str]:
    taken: list[str] = []
    while len(taken) < count and (name := one()) is not None:
        taken.append(name)
    return taken


@given(
    st.lists(st.integers(0, 100), min_size=3, max_size=600),
    st.sets(st.integers(0, 40)),
    st.integers(1, 9),
)
def test_the_draw_leads_to_the_panel_and_leaves_the_stream_where_the_panel_left_it(
    weights: list[int], barred: set[int], size: int
) -> None:
    root, store = sealed(weights)
    out = {f"a{number}" for number in barred}
    names, after = bench(root, store, out, size)
    if len(names) < size:
        return
    label = stream("bench")
    holds: Holds = lambda left: left.below(2**200) == after  # noqa: E731
    passed = retrace(root, {}, store.__getitem__, label, names[:size], names[size:], holds)
    assert set(passed) <= out


def test_a_stranger_to_the_pool_is_not_drawn() -> None:
    root, store = sealed([5, 1, 7, 3, 9, 2, 2, 8])
    names, _ = bench(root, store, set(), 3)
    with pytest.raises(NotDrawn):
        retrace(root, {}, store.__getitem__, stream("bench"), ["nobody", *names[1:3]], names[3:], anything)


def test_another_order_is_not_drawn() -> None:
    root, store = sealed([5, 1, 7, 3, 9, 2, 2, 8])
    names, _ = bench(root, store, set(), 3)
    first, second, third, *rest = names
    for wrong in ([second, first, third], [third, second, first]):
        with pytest.raises(NotDrawn):
            retrace(root, {}, store.__getitem__, stream("bench"), wrong, rest, anything)


def test_items_that_the_draw_does_not_lead_to_are_refused() -> None:
    root, store = sealed([5, 1, 7, 3, 9, 2, 2, 8])
    names, _ = bench(root, store, set(), 3)
    with pytest.raises(NotDrawn, match="items"):
        retrace(root, {}, store.__getitem__, stream("bench"), names[:3], names[3:], lambda left: False)


def test_nodes_that_are_missing_or_others_are_refused() -> None:
    root, store = sealed([1] * 300)
    names, _ = bench(root, store, set(), 3)
    with pytest.raises(KeyError):
        retrace(root, {}, Store().__getitem__, stream("bench"), names[:3], names[3:], anything)
    with pytest.raises(BadNode):
        retrace(root, {}, lambda digest: b"other", stream("bench"), names[:3], names[3:], anything)
