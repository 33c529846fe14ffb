"""The sum tree: changes equal rebuilding, proofs hold, and no node can say something else."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Sequence
from functools import lru_cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trust.core.sampling import sumtree
from trust.core.sampling.sumtree import BadNode, Ref, Root, Slot

Store = dict[bytes, bytes]


def slot(number: int, weight: int | None = None) -> Slot:
    return Slot(f"agent{number}", f"owner{number // 3}", number % 97 if weight is None else weight)


def built(slots: list[Slot]) -> tuple[Root, Store]:
    store: Store = {}
    return sumtree.build(slots, store.__setitem__), store


@lru_cache(maxsize=8)
def numbered(count: int) -> tuple[list[Slot], Root, Store]:
    """So many slots, and their tree; tests read it."""
    slots = [slot(number) for number in range(count)]
    return slots, *built(slots)


def descend(root: Root, index: int, get: sumtree.Get) -> Slot:
    """Returns the slot number `index`, by the nodes on its path."""
    if not 0 <= index < root.count:
        raise BadNode(f"no slot {index} among {root.count}")
    node = sumtree.load(sumtree.top(root), get)
    while isinstance(node, sumtree.Branch):
        place, index = divmod(index, sumtree.capacity(node.level))
        node = sumtree.load(node.children[place], get)
    return node.slots[index]


def prove_slot(root: Root, index: int, get: sumtree.Get) -> tuple[bytes, ...]:
    """The node bytes from the root down to the slot: its proof."""
    path: list[bytes] = []

    def remember(digest: bytes) -> bytes:
        path.append(get(digest))
        return path[-1]

    descend(root, index, remember)
    return tuple(path)


def verify_slot(root: Root, index: int, path: Sequence[bytes]) -> Slot:
    """The slot that `path` proves to be number `index` under `root`; BadNode where it proves none."""
    nodes = {sumtree.digest_of(data): data for data in path}
    if len(path) != sumtree._height(root.count) + 1:
        raise BadNode("a path of another length than the tree is high")
    try:
        return descend(root, index, nodes.__getitem__)
    except KeyError:
        raise BadNode("a path that does not hang together") from None


@pytest.mark.parametrize("count", [0, 1, 2, 255, 256, 257, 511, 512, 65_536, 65_537])
def test_the_root_states_count_and_total_and_every_slot_is_found(count: int) -> None:
    slots, root, store = numbered(count)
    assert (root.count, root.total) == (count, sum(each.weight for each in slots))
    for index in {0, 1, 254, 255, 256, count - 1} & set(range(count)):
        path = prove_slot(root, index, store.__getitem__)
        assert verify_slot(root, index, path) == slots[index]


changes = st.lists(
    st.tuples(st.integers(0, 700), st.integers(0, 5), st.lists(st.integers(0, 600), max_size=4)), max_size=4
)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 600), changes)
def test_any_sequence_of_changes_equals_building_anew(
    count: int, steps: list[tuple[int, int, list[int]]]
) -> None:
    slots = [slot(number) for number in range(count)]
    root, store = built(slots)
    for more, weight, replaced in steps:
        change = {index: slot(index, weight) for index in replaced if index < len(slots)}
        change |= {len(slots) + number: slot(number, weight) for number in range(more)}
        root = sumtree.update(root, change, store.__getitem__, store.__setitem__)
        slots += [slot(0)] * more
        for index, each in change.items():
            slots[index] = each
    assert root == built(slots)[0]


def head(level: int, count: int) -> bytes:
    return bytes([level]) + count.to_bytes(8)


@pytest.mark.parametrize(("before", "after"), [(256, 257), (1, 65_537), (65_536, 65_537), (65_535, 65_538)])
def test_a_tree_that_grows_by_levels_equals_building_anew(before: int, after: int) -> None:
    slots, grown, _ = numbered(after)
    _, root, store = numbered(before)
    written = ChainMap({}, store)
    added = dict(enumerate(slots[before:], before))
    assert sumtree.update(root, added, written.__getitem__, written.__setitem__) == grown


def test_a_change_rewrites_one_path_and_old_roots_stay_readable() -> None:
    _, root, store = numbered(65_537)
    written: Store = {}
    new = sumtree.update(root, {65_000: slot(1, 5)}, store.__getitem__, written.__setitem__)
    assert len(written) == 3
    both = store | written
    assert verify_slot(new, 65_000, prove_slot(new, 65_000, both.__getitem__)) == slot(1, 5)
    assert verify_slot(root, 65_000, prove_slot(root, 65_000, both.__getitem__)) == slot(65_000)


def test_no_change_is_the_same_root() -> None:
    root, store = built([slot(1)])
    assert sumtree.update(root, {}, store.__getitem__, store.__setitem__) is root


@pytest.mark.parametrize("indices", [[3], [2, 4], [-1], [0, 5]])
def test_a_gap_is_refused(indices: list[int]) -> None:
    root, store = built([slot(0), slot(1)])
    with pytest.raises(ValueError, match="without a gap"):
        sumtree.update(root, {index: slot(index) for index in indices}, store.__getitem__, store.__setitem__)


@pytest.mark.parametrize("weight", [-1, 2**96])
def test_an_impossible_weight_is_refused(weight: int) -> None:
    with pytest.raises(ValueError, match="weight"):
        built([slot(0, weight)])


def test_the_largest_weights_add_up() -> None:
    root, store = built([slot(number, sumtree.MAX_SLOT_WEIGHT) for number in range(300)])
    assert root.total == 300 * sumtree.MAX_SLOT_WEIGHT
    assert verify_slot(root, 299, prove_slot(root, 299, store.__getitem__)).id == "agent299"


def test_a_name_with_a_line_feed_is_refused() -> None:
    with pytest.raises(ValueError, match="line feed"):
        built([Slot("a\nb", "c", 1)])


def test_names_are_bound_to_their_place() -> None:
    assert built([Slot("ab", "c", 1)])[0] != built([Slot("a", "bc", 1)])[0]
    assert built([Slot("", "", 0)])[0] != built([])[0]


@pytest.mark.parametrize("at", [0, 1])
def test_a_path_with_one_bit_flipped_is_refused(at: int) -> None:
    root, store = built([slot(number) for number in range(600)])
    path = list(prove_slot(root, 300, store.__getitem__))
    for position in range(0, len(path[at]), 101):
        forged = bytearray(path[at])
        forged[position] ^= 1
        with pytest.raises(BadNode):
            verify_slot(root, 300, [*path[:at], bytes(forged), *path[at + 1 :]])


def test_a_path_proves_its_own_slot_under_its_own_root_only() -> None:
    slots = [slot(number) for number in range(600)]
    root, store = built(slots)
    path = prove_slot(root, 300, store.__getitem__)
    assert verify_slot(root, 301, path) == slots[301]
    for wrong in (600, -1, 0, 599):
        with pytest.raises(BadNode):
            verify_slot(root, wrong, path)
    for other in (
        Root(root.digest, 601, root.total),
        Root(root.digest, 600, root.total + 1),
        built(slots[1:])[0],
    ):
        with pytest.raises(BadNode):
            verify_slot(other, 300, path)
    with pytest.raises(BadNode):
        verify_slot(root, 300, path[:1])
    with pytest.raises(BadNode):
        verify_slot(root, 300, [*path, path[0]])


@pytest.mark.parametrize(
    ("count", "weight", "data"),
    [
        (1, 5, head(0, 1) + bytes(15) + b"\5" + b"a\nb\nc"),
        (1, 5, head(0, 1) + bytes(15) + b"\5" + b"a"),
        (1, 5, head(0, 1) + bytes(15) + b"\6" + b"a\nb"),
        (1, 5, head(0, 1) + bytes(9)),
        (1, 5, head(0, 2) + bytes(31) + b"\5" + b"a\nb\na\nb"),
        (1, 5, head(0, 1) + bytes(15) + b"\5" + b"\xff\nb"),
        (257, 5, head(0, 2) + bytes(31) + b"\5" + b"a\nb\na\nb"),
        (257, 5, head(1, 257) + bytes(47) + b"\5"),
        (257, 5, head(1, 258) + bytes(95) + b"\5"),
        (0, 0, b""),
    ],
)
def test_bytes_that_are_no_node_of_their_place_are_refused(count: int, weight: int, data: bytes) -> None:
    ref = Ref(sumtree.digest_of(data), weight, 1 if count > 256 else 0, count)
    with pytest.raises(BadNode):
        sumtree.load(ref, lambda digest: data)
