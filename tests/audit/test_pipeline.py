"""A log is cut into pieces that hold every entry once, and inspecting survives its process."""

from __future__ import annotations

import os
from multiprocessing import parent_process
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.audit.networks import World, signer
from trust.audit import pipeline
from trust.audit.auditing import audit
from trust.audit.fetching import DirectorySource
from trust.audit.pipeline import fetch, spans
from trust.audit.stateless_checks import Inspected, Piece, entries_of, inspect

VKEY = str(signer().verifier)


@given(start=st.integers(0, 5_000), stops=st.lists(st.integers(0, 9_000), min_size=1, max_size=3))
def test_spans_cover_every_entry_once_and_end_at_every_stop(start: int, stops: list[int]) -> None:
    ordered = sorted(stops)
    cut = list(spans(start, *ordered))
    covered = [index for span in cut for index in range(span.start, span.end)]
    assert covered == list(range(start, max(start, ordered[-1])))
    assert {stop for stop in ordered if stop > start} <= {span.end for span in cut}


def test_a_piece_may_begin_and_end_within_a_bundle(world: World, log: Path) -> None:
    for start, end in ((0, 300), (0, 256), (10, 20), (250, 260), (299, 300), (255, 256)):
        (span,) = spans(start, end)
        piece = fetch(DirectorySource(log), span, 300)
        assert entries_of(piece) == world.entries[start:end]
        assert inspect(piece).finding is None


def test_a_log_is_still_audited_when_the_inspecting_process_dies(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "FEW_ENTRIES", 1)
    monkeypatch.setattr(pipeline, "PIECE_BUNDLES", 1)
    monkeypatch.setattr(pipeline, "inspect", die_elsewhere)
    assert audit(str(log), VKEY).ok


def die_elsewhere(piece: Piece) -> Inspected:
    """Ends a process that is not the test's own."""
    if parent_process() is not None:
        os._exit(1)
    return inspect(piece)
