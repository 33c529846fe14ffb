"""What is made together has keys that lie together, so that a write costs the same however long the log is."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from trust.core.entry import derive_id
from trust.core.records import said_key

INDICES = st.integers(0, 2**40 - 1)


@given(INDICES, st.integers(1, 9), st.binary())
def test_an_id_is_26_characters_that_begin_with_its_entry(index: int, serial: int, command: bytes) -> None:
    made = derive_id("clm_", command, index, serial)
    assert re.fullmatch("clm_[a-z2-7]{26}", made)
    assert made[4:12] == derive_id("seat_", b"another", index, serial)[5:13]


@given(st.sets(st.tuples(INDICES, st.integers(1, 9), st.binary(max_size=8)), min_size=2))
def test_ids_differ_in_entry_serial_and_command(made: set[tuple[int, int, bytes]]) -> None:
    assert len({derive_id("clm_", command, index, serial) for index, serial, command in made}) == len(made)


@given(st.lists(st.integers(0, 2**53 - 1), min_size=2))
def test_statements_lie_in_the_order_in_which_they_were_issued(times: list[int]) -> None:
    keys = [said_key(time, "sha256:" + "f" * 64) for time in times]
    assert [key for _, key in sorted(zip(times, keys, strict=True))] == sorted(keys)
