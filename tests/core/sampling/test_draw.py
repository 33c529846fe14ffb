"""Integers and picks that follow from a beta: the same for everybody, and of the right weight."""

from __future__ import annotations

from collections import Counter
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trust.core.sampling import draw, sumtree
from trust.core.sampling.draw import Picker, Stream, coin
from trust.core.sampling.sumtree import BadNode, Root, Slot

Store = dict[bytes, bytes]


def sealed(weights: list[int], owners: list[str] | None = None) -> tuple[Root, Store]:
    names = owners or [f"o{number}" for number in range(len(weights))]
    slots = [Slot(f"a{number}", names[number], weight) for number, weight in enumerate(weights)]
    store: Store = {}
    return sumtree.build(slots, store.__setitem__), store


def stream(label: str) -> Stream:
    return Stream(sha256(label.encode()).digest(), b"test")


def anyone(slot: Slot) -> bool:
    return True


def picks(picker: Picker, count: int) -> list[str]:
    return [slot.id for _ in range(count) if (slot := picker.pick(anyone)) is not None]


def test_a_stream_is_sha_256_in_counter_mode() -> None:
    key = sha256(b"trust/draw/v1\n4\nbeta5\nlabel").digest()
    blocks = [int.from_bytes(sha256(key + number.to_bytes(8)).digest()) for number in range(3)]
    one = Stream(b"beta", b"label")
    assert [one.below(1000) for _ in blocks] == [block % 1000 for block in blocks]


def test_streams_of_other_betas_or_labels_differ() -> None:
    pairs = [(b"a", b"bc"), (b"ab", b"c"), (b"abc", b""), (b"", b"abc"), (b"a", b"bd")]
    assert len({Stream(*pair).below(2**256) for pair in pairs}) == len(pairs)


def test_values_over_the_last_multiple_are_rejected() -> None:
    n = 2**255 + 1
    one = stream("reject")
    key = one._key
    blocks = [int.from_bytes(sha256(key + number.to_bytes(8)).digest()) for number in range(200)]
    fitting = [block for block in blocks if block < n]
    assert len(fitting) < len(blocks)
    assert [one.below(n) for _ in fitting] == fitting


@given(st.integers(1, 2**256), st.binary(max_size=8))
def test_every_integer_lies_below_n(n: int, beta: bytes) -> None:
    assert 0 <= Stream(beta, b"").below(n) < n


@pytest.mark.parametrize("n", [0, -1, 2**256 + 1])
def test_there_is_no_integer_below_an_impossible_bound(n: int) -> None:
    with pytest.raises(ValueError, match="uniform"):
        stream("x").below(n)


def test_small_integers_are_uniform() -> None:
    one = stream("uniform")
    seen = Counter(one.below(7) for _ in range(70_000))
    assert set(seen) == set(range(7))
    assert sum((count - 10_000) ** 2 / 10_000 for count in seen.values()) < 22.5  # chi-square, 6 d.f., 0.1 %


def test_a_coin_is_true_as_often_as_it_should() -> None:
    one = stream("coin")
    assert not any(coin(one, 0) for _ in range(1000))
    assert all(coin(one, 1_000_000) for _ in range(1000))
    assert 2_300 < sum(coin(one, 50_000) for _ in range(50_000)) < 2_700


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 50), min_size=1, max_size=40), st.binary(max_size=4))
def test_each_slot_that_weighs_anything_is_picked_once_and_then_nobody_is_left(
    weights: list[int], beta: bytes
) -> None:
    root, store = sealed(weights)
    picked = picks(Picker(root, store.__getitem__, Stream(beta, b""), {}), len(weights) + 1)
    assert sorted(picked) == sorted(f"a{number}" for number, weight in enumerate(weights) if weight)


def test_an_empty_pool_gives_nobody() -> None:
    root, store = sealed([])
    assert Picker(root, store.__getitem__, stream("x"), {}).pick(anyone) is None


def test_picks_are_proportional_to_weight_and_without_replacement() -> None:
    root, store = sealed([1, 2, 3, 4])
    pairs = Counter(
        tuple(picks(Picker(root, store.__getitem__, stream(f"w{n}"), {}), 2)) for n in range(12_000)
    )
    total, chi = 10, 0.0
    for first in range(4):
        for second in set(range(4)) - {first}:
            expected = 12_000 * (first + 1) / total * (second + 1) / (total - first - 1)
            chi += (pairs[f"a{first}", f"a{second}"] - expected) ** 2 / expected
    assert chi < 31.3  # 11 d.f., 0.1 %


def test_whom_the_caller_rejects_is_asked_about_once() -> None:
    root, store = sealed([5] * 20)
    asked: list[str] = []

    def only_last(slot: Slot) -> bool:
        asked.append(slot.id)
        return slot.id == "a19"

    picker = Picker(root, store.__getitem__, stream("once"), {})
    found = picker.pick(only_last)
    assert found is not None
    assert found.id == "a19"
    assert picker.pick(only_last) is None
    assert sorted(asked) == sorted(f"a{number}" for number in range(20))


def test_an_owner_over_a_tenth_is_held_down_to_about_a_tenth() -> None:
    weights = [100] * 9 + [10] * 10  # the nine are one owner's: 900 of 1,000
    owners = ["big"] * 9 + [f"o{number}" for number in range(10)]
    root, store = sealed(weights, owners)
    big = sum(
        int(picks(Picker(root, store.__getitem__, stream(f"c{n}"), {"big": 900}), 1)[0][1:]) < 9
        for n in range(4_000)
    )
    assert 1_850 < big < 2_150  # kept at 0.1 of full rate: 0.9 * 1/9 against 0.1


def test_an_owner_of_exactly_a_tenth_is_not_capped() -> None:
    root, store = sealed([10] * 10)
    free = picks(Picker(root, store.__getitem__, stream("same"), {}), 10)
    assert picks(Picker(root, store.__getitem__, stream("same"), {"o1": 10}), 10) == free


def test_a_pool_of_one_capped_owner_is_picked_all_the_same() -> None:
    root, store = sealed([1_000], ["big"])
    assert picks(Picker(root, store.__getitem__, stream("one"), {"big": 1_000}), 2) == ["a0"]


def test_a_pick_gives_up_after_a_bounded_number_of_tries() -> None:
    root, store = sealed([1] * 1_500)
    asked = 0

    def nobody(slot: Slot) -> bool:
        nonlocal asked
        asked += 1
        return False

    assert Picker(root, store.__getitem__, stream("none"), {}).pick(nobody) is None
    assert asked == draw.MAX_TRIES


def test_only_the_nodes_on_the_ways_down_are_loaded() -> None:
    root, store = sealed([1] * 70_000)
    loaded: list[bytes] = []

    def get(digest: bytes) -> bytes:
        loaded.append(digest)
        return store[digest]

    assert len(picks(Picker(root, get, stream("lazy"), {}), 5)) == 5
    assert len(loaded) == len(set(loaded)) <= 1 + 2 + 5


def test_what_was_loaded_is_enough_to_repeat_the_draw() -> None:
    root, store = sealed(list(range(1_000)))
    shown: Store = {}

    def get(digest: bytes) -> bytes:
        shown[digest] = store[digest]
        return shown[digest]

    drawn = picks(Picker(root, get, stream("again"), {}), 15)
    assert picks(Picker(root, shown.__getitem__, stream("again"), {}), 15) == drawn
    with pytest.raises(KeyError):
        picks(Picker(root, shown.__getitem__, stream("other"), {}), 15)


def test_a_node_that_was_tampered_with_is_noticed() -> None:
    root, store = sealed([5] * 10)
    with pytest.raises(BadNode):
        Picker(root, lambda digest: store[digest].replace(b"a3", b"b3"), stream("x"), {}).pick(anyone)
