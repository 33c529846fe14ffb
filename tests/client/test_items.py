"""A batch's tree: roots as RFC 9162 has them, openings that the rulebook's check takes, blobs that are their leaves."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trust.client.items import MAX_OPENED, ItemTree, item_of
from trust.core.strict import b64
from trust.log.merkle import CompactRange, leaf_hash, verify_inclusion
from trust.verify.failures import NotProven


@given(st.lists(st.binary(max_size=20), min_size=1, max_size=70))
def test_every_opening_leads_to_the_root_of_all_items(items: list[bytes]) -> None:
    tree = ItemTree(items)
    for index in range(len(items)):
        opening = tree.opening(index)
        path = [b64(step, 32) for step in opening.path]
        verify_inclusion(b64(opening.leaf, 32), index, len(items), path, bytes.fromhex(tree.root()))


def test_the_root_is_that_of_a_log_of_the_same_items() -> None:
    items = [b"%d" % number for number in range(1_000)]
    grown = CompactRange()
    for item in items:
        grown.append(leaf_hash(item))
    assert ItemTree(items).root() == grown.root().hex()


def test_an_items_blob_has_the_leaf_as_its_digest_and_gives_the_item_back() -> None:
    tree = ItemTree([b"first", b"", b"third"])
    for index, item in enumerate([b"first", b"", b"third"]):
        assert sha256(tree.blob(index)).digest() == tree.leaf(index)
        assert item_of(tree.blob(index), tree.leaf(index)) == item


@pytest.mark.parametrize("blob", [b"", b"first", b"\x00other", b"\x01first"])
def test_a_blob_that_does_not_open_the_leaf_is_refused(blob: bytes) -> None:
    with pytest.raises(NotProven):
        item_of(blob, ItemTree([b"first"]).leaf(0))


def test_bytes_with_the_right_digest_that_are_no_leafs_preimage_are_refused() -> None:
    with pytest.raises(NotProven):
        item_of(b"raw", sha256(b"raw").digest())


def test_openings_are_cut_into_what_a_statement_may_hold() -> None:
    tree = ItemTree([b"%d" % number for number in range(50)])
    assert [len(part) for part in tree.openings(range(35))] == [MAX_OPENED, MAX_OPENED, 3]


def test_a_batch_has_items() -> None:
    with pytest.raises(ValueError, match="at least one"):
        ItemTree([])
