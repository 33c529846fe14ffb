"""Tile paths, bundles, the edge of the tree and the nodes out of tiles."""

from __future__ import annotations

import json
import tracemalloc
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.log.trees import WholeTree, leaf_hashes
from tests.shared import VECTORS, need
from trust.log import merkle
from trust.log.tiles import (
    FullTile,
    TileError,
    TileNodes,
    TilePath,
    TreeEdge,
    decode_bundle,
    encode_bundle,
    partial_tile,
)

EDGES = [0, 1, 255, 256, 257, 65_535, 65_536, 65_537]


@cache
def big_tree() -> WholeTree:
    return WholeTree(leaf_hashes(70_000))


def drop_height(path: str) -> str:
    """The path of the Go checksum database without the tile height that C2SP fixed at 8."""
    return "tile/" + path.split("/", 2)[2]


def test_go_tile_paths_mean_the_same_here() -> None:
    cases = json.loads(need(VECTORS / "golang_mod" / "tlog_cases.json").read_text())
    for text, tile in cases["go_tile_paths (sumdb form tile/H/L/N; C2SP drops H)"]:
        width = tile["W"] if ".p/" in text else 256
        assert TilePath.parse(drop_height(text)) == TilePath(tile["L"], tile["N"], width)
    for text in cases["bad_tile_paths"]:
        with pytest.raises(TileError):
            TilePath.parse(drop_height(text))


def test_the_spec_examples_of_paths_and_tile_counts_hold() -> None:
    examples = json.loads(need(VECTORS / "C2SP_C2SP" / "spec_examples.json").read_text())
    assert str(TilePath(None, 1_234_067)) == f"tile/entries/{examples['index_1234067_path']}"
    for size in (256, 70_000):
        edge = TreeEdge()
        full = edge.append_many(big_tree().leaves[:size])
        for level, counts in examples[f"tiles_for_size_{size}"].items():
            assert sum(tile.level == int(level) for tile in full) == counts["full"]
            assert len(edge.partial(int(level))) == 32 * counts["partial"]


@given(st.none() | st.integers(0, 63), st.integers(0, 2**63 - 1), st.integers(1, 256))
def test_every_tile_path_reads_back(level: int | None, n: int, width: int) -> None:
    path = TilePath(level, n, width)
    assert TilePath.parse(str(path)) == path


@pytest.mark.parametrize(
    "text",
    [
        "tile/64/000",
        "tile/00/000",
        "tile/01/000",
        "tile/-1/000",
        "tile/0/0",
        "tile/0/0000",
        "tile/0/x000/001",
        "tile/0/x01/001",
        "tile/0/001/002",
        "tile/0/x001",
        "tile/0/000.p/0",
        "tile/0/000.p/05",
        "tile/0/000.p/256",
        "tile/0/000.p/",
        "tile/0/000.p/1/",
        "tile/entries/0",
        "tile/data/000",
        "/tile/0/000",
        "tile/0/000\n",
        "tile/0/\N{ARABIC-INDIC DIGIT ZERO}00",
        "tile/0/x999/x999/x999/x999/x999/x999/999",
        "",
    ],
)
def test_a_path_in_any_other_spelling_is_refused(text: str) -> None:
    with pytest.raises(TileError):
        TilePath.parse(text)


@pytest.mark.parametrize(
    ("level", "n", "width"), [(64, 0, 256), (-1, 0, 256), (0, -1, 1), (0, 0, 0), (0, 0, 257)]
)
def test_there_is_no_tile_outside_the_bounds(level: int, n: int, width: int) -> None:
    with pytest.raises(TileError):
        TilePath(level, n, width)


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=256))
def test_every_bundle_reads_back_and_only_whole(entries: list[bytes]) -> None:
    data = encode_bundle(entries)
    assert decode_bundle(data, len(entries)) == entries
    for bad, width in (
        (data[:-1], len(entries)),
        (data + b"\0", len(entries)),
        (data, len(entries) + 1),
        (data, len(entries) - 1),
    ):
        with pytest.raises(TileError):
            decode_bundle(bad, width)


def test_entries_of_65535_bytes_fit_and_not_one_more() -> None:
    entry = bytes(65_535)
    assert encode_bundle([entry, b""]) == b"\xff\xff" + entry + b"\0\0"
    for entries in ([entry + b"\0"], [], [b""] * 257):
        with pytest.raises(TileError):
            encode_bundle(entries)


@pytest.mark.parametrize("size", EDGES)
def test_the_edge_loaded_from_storage_equals_the_one_that_grew(size: int) -> None:
    tree = big_tree()
    grown = TreeEdge()
    for tile in grown.append_many(tree.leaves[:size]):
        assert tile.data == tree.tile(tile.level, tile.n)
    loaded = tree.edge(size)
    more = tree.leaves[size : size + 300]
    assert grown.root() == loaded.root() == merkle.root(size, tree.node)
    assert [grown.partial(level) for level in range(4)] == [loaded.partial(level) for level in range(4)]
    assert grown.append_many(more) == loaded.append_many(more)
    assert grown.root() == loaded.root() == merkle.root(size + 300, tree.node)
    assert grown.batch_proofs(size, size + 300) == loaded.batch_proofs(size, size + 300)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1_500), st.lists(st.integers(0, 700), max_size=4), st.data())
def test_batch_proofs_are_the_inclusion_proofs_of_the_nodes(
    start: int, batches: list[int], data: st.DataObject
) -> None:
    tree = big_tree()
    edge = tree.edge(start)
    for count in batches:
        size = edge.size + count
        for tile in edge.append_many(tree.leaves[edge.size : size]):
            assert tile == FullTile(tile.level, tile.n, tree.tile(tile.level, tile.n))
        first = data.draw(st.integers(size - count, size))
        last = data.draw(st.integers(first, size))
        proofs = edge.batch_proofs(first, last)
        assert proofs == [merkle.inclusion_proof(index, size, tree.node) for index in range(first, last)]
        assert edge.root() == merkle.root(size, tree.node)


@pytest.mark.parametrize("size", EDGES[1:])
def test_batch_proofs_verify_at_the_sizes_where_tiles_end(size: int) -> None:
    tree = big_tree()
    start = max(0, size - 3)
    edge = tree.edge(start)
    edge.append_many(tree.leaves[start:size])
    for index, proof in enumerate(edge.batch_proofs(start, size), start):
        merkle.verify_inclusion(tree.leaves[index], index, size, proof, edge.root())


def test_tiles_come_out_once_each_however_the_leaves_are_batched() -> None:
    tree = big_tree()
    edge = TreeEdge()
    tiles = []
    for start in range(0, 66_000, 777):
        tiles += edge.append_many(tree.leaves[start : min(start + 777, 66_000)])
    assert sorted(tiles) == sorted(TreeEdge().append_many(tree.leaves[:66_000]))
    assert len(tiles) == 257 + 1


def test_the_edge_knows_the_roots_within_the_last_batch_only() -> None:
    tree = big_tree()
    edge = tree.edge(200)
    edge.append_many(tree.leaves[200:600])
    assert [edge.root(size) for size in range(200, 601)] == [
        merkle.root(size, tree.node) for size in range(200, 601)
    ]
    for size in (199, 601):
        with pytest.raises(TileError):
            edge.root(size)
    for start, end in ((199, 300), (300, 601), (400, 300)):
        with pytest.raises(TileError):
            edge.batch_proofs(start, end)


def test_a_batch_appended_to_a_copy_leaves_the_edge_as_it_was() -> None:
    tree = big_tree()
    edge = tree.edge(250)
    before = edge.root(), edge.partial(0)
    trial = edge.copy()
    trial.append_many(tree.leaves[250:1_000])
    assert (edge.size, edge.root(), edge.partial(0)) == (250, *before)
    edge.append_many(tree.leaves[250:1_000])
    assert edge.root() == trial.root()


def test_an_empty_batch_changes_nothing() -> None:
    edge = TreeEdge()
    assert (edge.append_many([]), edge.root(), edge.batch_proofs(0, 0)) == ([], merkle.EMPTY_ROOT, [])
    edge = big_tree().edge(300)
    root = edge.root()
    assert (edge.append_many([]), edge.root(), edge.batch_proofs(300, 300)) == ([], root, [])


def test_the_edge_of_a_growing_log_stays_small() -> None:
    tree = big_tree()
    edge = TreeEdge()
    tracemalloc.start()
    for start in range(0, 60_000, 500):
        edge.append_many(tree.leaves[start : start + 500])
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 200_000


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([1, 255, 256, 257, 3_000, 65_535, 65_536, 65_537, 70_000]), st.data())
def test_nodes_out_of_tiles_prove_any_index_at_any_size(size: int, data: st.DataObject) -> None:
    tree = big_tree()
    nodes = cached_nodes(size)
    at = data.draw(st.integers(1, size))
    index = data.draw(st.integers(0, at - 1))
    root = merkle.root(at, nodes)
    assert root == merkle.root(at, tree.node)
    merkle.verify_inclusion(tree.leaves[index], index, at, merkle.inclusion_proof(index, at, nodes), root)
    proof = merkle.consistency_proof(at, size, nodes)
    merkle.verify_consistency(at, root, size, merkle.root(size, nodes), proof)


@cache
def cached_nodes(size: int) -> TileNodes:
    return big_tree().nodes(size)


def test_nodes_follow_a_growing_log() -> None:
    tree = big_tree()
    nodes = tree.nodes(300)
    assert merkle.root(300, nodes) == merkle.root(300, tree.node)
    nodes.size = 600
    assert merkle.root(600, nodes) == merkle.root(600, tree.node)
    assert merkle.root(300, nodes) == merkle.root(300, tree.node)


@pytest.mark.parametrize(("level", "index"), [(0, 300), (0, -1), (1, 150), (8, 1), (9, 0), (60, 0)])
def test_nodes_that_the_tree_does_not_have_are_refused(level: int, index: int) -> None:
    with pytest.raises(TileError, match="no complete subtree"):
        big_tree().nodes(300)(level, index)


def test_partial_tiles_built_on_read_are_those_of_the_edge() -> None:
    tree = big_tree()
    for size in (1, 255, 257, 65_535, 70_000):
        edge, nodes = tree.edge(size), tree.nodes(size)
        for level in range(3):
            n, width = divmod(size >> 8 * level, 256)
            if width:
                assert partial_tile(level, n, width, nodes) == edge.partial(level)
    for width in (0, 256):
        with pytest.raises(TileError):
            partial_tile(0, 0, width, tree.node)


def test_storage_that_gives_too_little_is_named() -> None:
    tree = big_tree()
    with pytest.raises(TileError, match="tile 0 of level 0 has 10 bytes"):
        TileNodes(lambda level, n: bytes(10), tree.leaf_hashes, 256)(8, 0)
    with pytest.raises(TileError, match="0 of the 5 leaf hashes"):
        TileNodes(tree.tile, lambda start, end: [], 5)(0, 0)
