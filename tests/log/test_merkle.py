"""Hashing, proofs and verifiers: against published vectors, the RFC's definitions and two other libraries."""

from __future__ import annotations

import json
import random
import warnings
from base64 import b64decode
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.log.trees import WholeTree, flipped, leaf_hashes, mth, path, subproof
from tests.shared import VECTORS, need
from trust.log import merkle
from trust.log.merkle import CompactRange, ProofError

TREE = WholeTree(leaf_hashes(1_100))
ROOTS = [merkle.root(size, TREE.node) for size in range(len(TREE.leaves) + 1)]
SIZES = st.integers(1, len(TREE.leaves))


@pytest.fixture(scope="module")
def reference() -> dict[str, Any]:
    file = need(VECTORS / "google_certificate-transparency" / "rfc6962_reference_tree.json")
    return dict(json.loads(file.read_text()))


@pytest.fixture(scope="module")
def reference_tree(reference: dict[str, Any]) -> WholeTree:
    return WholeTree([merkle.leaf_hash(bytes.fromhex(leaf)) for leaf in reference["leaves_hex"]])


def unhex(hashes: list[str]) -> list[bytes]:
    return [bytes.fromhex(text) for text in hashes]


def test_leaf_and_node_hashes_are_the_published_ones(reference: dict[str, Any]) -> None:
    for case in reference["leaf_hashes"]:
        assert merkle.leaf_hash(bytes.fromhex(case["leaf_hex"])).hex() == case["hash"]
    for case in reference["node_hashes"]:
        assert merkle.node_hash(*unhex([case["left"], case["right"]])).hex() == case["hash"]


def test_roots_of_the_reference_tree_are_the_published_ones(
    reference: dict[str, Any], reference_tree: WholeTree
) -> None:
    roots = [reference["empty_root"], *reference["roots_hex_size_1_to_8"]]
    assert [merkle.root(size, reference_tree.node).hex() for size in range(9)] == roots


def test_proofs_of_the_reference_tree_are_the_published_ones(
    reference: dict[str, Any], reference_tree: WholeTree
) -> None:
    for case in reference["inclusion_paths"]:
        proof = merkle.inclusion_proof(case["leaf_index"], case["tree_size"], reference_tree.node)
        assert proof == unhex(case["path"])
    for case in reference["consistency_proofs"]:
        proof = merkle.consistency_proof(case["size1"], case["size2"], reference_tree.node)
        assert proof == unhex(case["proof"])


def test_a_path_of_a_real_log_of_millions_verifies(reference: dict[str, Any]) -> None:
    case = reference["real_ct_audit_path"]
    leaf, steps, root = merkle.leaf_hash(bytes.fromhex(case["leaf_hex"])), unhex(case["path"]), case["root"]
    merkle.verify_inclusion(leaf, case["leaf_index"], case["tree_size"], steps, bytes.fromhex(root))
    with pytest.raises(ProofError, match="leads to"):
        merkle.verify_inclusion(leaf, case["leaf_index"] + 1, case["tree_size"], steps, bytes.fromhex(root))


def test_the_tree_of_one_leaf_in_the_go_vectors_is_its_leaf_hash() -> None:
    case = json.loads(need(VECTORS / "golang_mod" / "tlog_cases.json").read_text())
    assert merkle.EMPTY_ROOT.hex() == case["empty_root_hex"]
    root = case["tree_body"]["text"].split("\n")[2]
    assert merkle.leaf_hash(case["tree_body"]["leaf_hash_of"].encode()) == b64decode(root)


def test_every_root_and_proof_of_small_trees_is_what_the_rfc_defines() -> None:
    for size in range(41):
        leaves = TREE.leaves[:size]
        assert ROOTS[size] == mth(leaves)
        for index in range(size):
            assert merkle.inclusion_proof(index, size, TREE.node) == path(index, leaves)
        for old in range(1, size + 1):
            assert merkle.consistency_proof(old, size, TREE.node) == subproof(old, leaves)


def sampled(size: int) -> list[int]:
    """Eight positions of a tree: the ends, and six others that are the same in every run."""
    return sorted({0, size - 1, *random.Random(size).choices(range(size), k=6)})


def test_roots_and_paths_equal_those_of_merkletools_for_every_size_up_to_1100() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        merkletools = pytest.importorskip("merkletools")
    oracle = merkletools.MerkleTools()
    # It separates no domains: the leaves come hashed with their prefix, the nodes get theirs here.
    oracle.hash_function = lambda pair: sha256(b"\x01" + pair)
    for size in range(1, 1_101):
        oracle.add_leaf(TREE.leaves[size - 1].hex())
        oracle.make_tree()
        assert oracle.get_merkle_root() == ROOTS[size].hex()
        for index in sampled(size):
            theirs = [step for side in oracle.get_proof(index) for step in side.values()]
            assert theirs == [step.hex() for step in merkle.inclusion_proof(index, size, TREE.node)]


def test_roots_and_paths_equal_those_of_pymerkle_for_every_size_up_to_1100() -> None:
    pymerkle = pytest.importorskip("pymerkle")
    oracle = pymerkle.InmemoryTree.init_from_entries([b"%d" % index for index in range(1_100)])
    assert oracle.get_root(0) == merkle.EMPTY_ROOT
    for size in range(1, 1_101):
        assert oracle.get_root(size) == ROOTS[size]
        for index in sampled(size):
            # Its paths start with the leaf itself.
            theirs = oracle.prove_inclusion(index + 1, size).path[1:]
            assert theirs == merkle.inclusion_proof(index, size, TREE.node)


def test_consistency_proofs_of_larger_trees_are_what_the_rfc_defines() -> None:
    for new in range(42, 1_101, 46):
        for old in {index + 1 for index in sampled(new - 1)}:
            assert merkle.consistency_proof(old, new, TREE.node) == subproof(old, TREE.leaves[:new])


@settings(max_examples=150, deadline=None)
@given(SIZES, st.data())
def test_every_inclusion_proof_verifies_and_any_bit_flipped_is_refused(
    size: int, data: st.DataObject
) -> None:
    index = data.draw(st.integers(0, size - 1))
    leaf, root = TREE.leaves[index], ROOTS[size]
    steps = merkle.inclusion_proof(index, size, TREE.node)
    merkle.verify_inclusion(leaf, index, size, steps, root)
    joined = b"".join([leaf, root, *steps])
    changed = flipped(joined, data.draw(st.integers(0, 8 * len(joined) - 1)))
    bad_leaf, bad_root, *bad = merkle.hashes(changed)
    with pytest.raises(ProofError):
        merkle.verify_inclusion(bad_leaf, index, size, bad, bad_root)


@settings(max_examples=100, deadline=None)
@given(SIZES.filter(lambda size: size > 1), st.data())
def test_a_proof_for_another_index_or_of_another_length_is_refused(size: int, data: st.DataObject) -> None:
    index, other = data.draw(st.lists(st.integers(0, size - 1), min_size=2, max_size=2, unique=True))
    steps = merkle.inclusion_proof(index, size, TREE.node)
    for at, bad in (
        (other, steps),
        (index, steps[1:]),
        (index, [*steps, steps[0]]),
        (index, [b"", *steps[1:]]),
    ):
        with pytest.raises(ProofError):
            merkle.verify_inclusion(TREE.leaves[index], at, size, bad, ROOTS[size])


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 1_100), st.integers(0, 1_100), st.data())
def test_trees_of_any_two_sizes_are_consistent_and_any_bit_flipped_is_refused(
    one: int, other: int, data: st.DataObject
) -> None:
    old, new = sorted((one, other))
    steps = merkle.consistency_proof(old, new, TREE.node)
    merkle.verify_consistency(old, ROOTS[old], new, ROOTS[new], steps)
    # From nothing everything follows, so there the new root is not what the proof is about.
    joined = b"".join([ROOTS[old], *([ROOTS[new]] if old else []), *steps])
    changed = flipped(joined, data.draw(st.integers(0, 8 * len(joined) - 1)))
    parts = merkle.hashes(changed)
    bad_old, bad_new, bad = (parts[0], parts[1], parts[2:]) if old else (parts[0], ROOTS[new], [])
    with pytest.raises(ProofError):
        merkle.verify_consistency(old, bad_old, new, bad_new, bad)


def test_a_log_that_rewrote_an_old_leaf_has_no_consistency_proof() -> None:
    forged = WholeTree([merkle.leaf_hash(b"forged"), *TREE.leaves[1:]])
    for old, new in ((1, 2), (5, 9), (8, 16), (700, 1_100)):
        steps = merkle.consistency_proof(old, new, forged.node)
        with pytest.raises(ProofError, match="leads to"):
            merkle.verify_consistency(old, ROOTS[old], new, merkle.root(new, forged.node), steps)


@pytest.mark.parametrize(("index", "size"), [(0, 0), (1, 1), (-1, 5), (5, 5), (0, 2**63)])
def test_there_is_no_inclusion_of_a_leaf_outside_the_tree(index: int, size: int) -> None:
    with pytest.raises(ProofError, match="there is no leaf"):
        merkle.verify_inclusion(TREE.leaves[0], index, size, [], TREE.leaves[0])
    if size <= 1_100:
        with pytest.raises(ProofError, match="there is no leaf"):
            merkle.inclusion_proof(index, size, TREE.node)


@pytest.mark.parametrize(("old", "new"), [(2, 1), (-1, 5)])
def test_a_smaller_tree_never_extends_a_larger_one(old: int, new: int) -> None:
    with pytest.raises(ProofError, match="does not extend"):
        merkle.consistency_proof(old, new, TREE.node)
    with pytest.raises(ProofError, match="does not extend"):
        merkle.verify_consistency(old, ROOTS[0], new, ROOTS[1], [])


def test_trees_of_size_zero_have_the_empty_root_and_no_path() -> None:
    assert sha256(b"").digest() == merkle.EMPTY_ROOT
    merkle.verify_consistency(0, merkle.EMPTY_ROOT, 0, merkle.EMPTY_ROOT, [])
    for old_root, new_root, steps in (
        (ROOTS[1], ROOTS[5], []),
        (ROOTS[0], ROOTS[5], [ROOTS[1]]),
        (ROOTS[0], b"", []),
    ):
        with pytest.raises(ProofError):
            merkle.verify_consistency(0, old_root, 5, new_root, steps)
    with pytest.raises(ProofError):
        merkle.verify_consistency(0, ROOTS[0], 0, ROOTS[1], [])


def test_a_compact_range_knows_the_root_of_every_size() -> None:
    frontier = CompactRange()
    for size, leaf in enumerate(TREE.leaves):
        assert (frontier.size, frontier.root()) == (size, ROOTS[size])
        if size % 97 == 0:
            resumed = CompactRange(size, frontier.peaks)
            assert resumed.root() == frontier.root()
            frontier = resumed
        frontier.append(leaf)


@pytest.mark.parametrize(("size", "peaks"), [(0, 1), (1, 0), (3, 1), (-1, 1)])
def test_a_compact_range_with_the_wrong_number_of_peaks_is_refused(size: int, peaks: int) -> None:
    with pytest.raises(ValueError, match="peaks"):
        CompactRange(size, TREE.leaves[:peaks])
