"""A coordinator's feed: a log of its own that survives kills and never has two trees of one size."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.factories import NETWORK, derived_id, did, log_signer, seed
from trust.audit import feeds
from trust.audit.fetching import DirectorySource
from trust.log import merkle
from trust.log.checkpoint import Checkpoint, open_checkpoint
from trust.log.note import Verifier
from trust.log.tiles import TreeEdge, decode_bundle
from trust.relay.feed import Feed, origin_of

RELAY = derived_id("rly_")
ORIGIN = origin_of(NETWORK, RELAY, seed(1))


def _feed(directory: Path | None) -> Feed:
    return Feed(ORIGIN, seed(1), directory)


def _checkpoint(feed: Feed) -> Checkpoint:
    key = Verifier.parse(feed.vkey)
    return open_checkpoint(feed.checkpoint, key.name, key)


def _entries(feed: Feed, size: int) -> list[bytes]:
    found: list[bytes] = []
    for n in range(-(-size // 256)):
        width = min(256, size - n * 256)
        path = f"tile/entries/{n:03}" + ("" if width == 256 else f".p/{width}")
        bundle = feed.read(path)
        assert bundle is not None, path
        found += decode_bundle(bundle, width)
    return found


@pytest.mark.parametrize("count", [0, 1, 255, 256, 257, 600])
@pytest.mark.parametrize("on_disk", [True, False])
def test_what_is_served_leads_to_the_root_that_is_signed(tmp_path: Path, count: int, on_disk: bool) -> None:
    feed = _feed(tmp_path if on_disk else None)
    for number in range(count):
        feed.decide("confirmed", number, task=f"task-{number}")
    feed.close()
    checkpoint, edge = _checkpoint(feed), TreeEdge()
    edge.append_many([merkle.leaf_hash(data) for data in _entries(feed, count)])
    assert (checkpoint.size, checkpoint.root) == (count, edge.root())
    if width := count % 256:
        hashes = feed.read(f"tile/0/{count // 256:03}.p/{width}")
        assert hashes == edge.partial(0)


@pytest.mark.parametrize("count", [1, 255, 256, 257, 513])
def test_one_that_is_killed_goes_on_where_it_was(tmp_path: Path, count: int) -> None:
    first = _feed(tmp_path)
    for number in range(count):
        first.decide("confirmed", number, task=f"task-{number}")
    first.close()
    before = _checkpoint(first)
    first.decide("confirmed", count, task="lost")  # never written: the process is killed
    second = _feed(tmp_path)
    assert _checkpoint(second).size >= before.size
    assert second.vkey == first.vkey
    edge = TreeEdge()
    edge.append_many([merkle.leaf_hash(data) for data in _entries(second, before.size)])
    assert edge.root() == before.root
    second.decide("confirmed", count, task="next")
    second.close()
    entries = _entries(second, _checkpoint(second).size)
    kept = [data for data in entries if b'"lost"' not in data]  # the last of a bundle is written with it
    assert len(kept) == count + 1
    assert b'"next"' in entries[-1]


def test_a_journal_that_a_crash_cut_short_loses_its_last_entry_only(tmp_path: Path) -> None:
    feed = _feed(tmp_path)
    for number in range(3):
        feed.decide("confirmed", number, task=f"task-{number}")
    feed.close()
    journal = tmp_path / "journal.0"
    journal.write_bytes(journal.read_bytes()[:-1])
    assert _checkpoint(_feed(tmp_path)).size == 2


def test_paths_that_are_none_are_none(tmp_path: Path) -> None:
    feed = _feed(tmp_path)
    feed.decide("confirmed", 0, task="task")
    for path in (
        "",
        "checkpoint",
        "tile/entries/000",
        "tile/entries/000.p/2",
        "tile/../journal.0",
        "tile/9/000",
    ):
        assert feed.read(path) is None
    assert DirectorySource(tmp_path).bundle(0, 256) is None


def test_what_the_service_foresaw_without_a_note_convicts_no_coordinator() -> None:
    log = feeds._Log(RELAY)
    checking = feeds._Checking(log, log_signer().verifier, did(1))
    refused = {"v": 1, "at_ms": 1, "size": 0, "kind": "refused", "what": "claim.request", "about": "t"}
    refused |= {"statement": "sha256:x", "actor": did(2), "code": "not-allocated"}
    checking.take(0, refused | {"foreseen": True})
    checking.take(1, refused)
    report = checking.report(RELAY, 2)
    assert [each.index for each in report.findings] == [1]
    assert report.unproven == {did(2): 1}
