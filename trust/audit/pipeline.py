"""A log in pieces, fetched and inspected ahead of whoever replays them.

Fetching waits on threads, inspecting computes in a process of its own (another core, and none of this one's
interpreter lock); what is ahead is bounded in number and in bytes. Proofs of draws that were found to hold there are
remembered for the replay.
"""

from __future__ import annotations

import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import chain, islice
from typing import NamedTuple

from trust.audit.fetching import Source
from trust.audit.stateless_checks import Inspected, Piece, inspect
from trust.core.sampling import vrf
from trust.log.tiles import TILE_WIDTH

PIECE_BUNDLES = 4
AHEAD_PIECES = 4
AHEAD_BYTES = 32 * 1024 * 1024
FEW_ENTRIES = 4_096
"""Below this, starting a process takes longer than it saves."""


class Span(NamedTuple):
    """The entries [start, end)."""

    start: int
    end: int


def spans(start: int, *stops: int) -> Iterator[Span]:
    """Cuts the entries from `start` to the last of the ascending `stops` so that one ends at every stop."""
    step = PIECE_BUNDLES * TILE_WIDTH
    for stop in stops:
        while start < stop:
            end = min(start - start % step + step, stop)
            yield Span(start, end)
            start = end


def fetch(source: Source, span: Span, size: int) -> Piece:
    """A piece of a log of `size` entries."""
    numbers = range(span.start // TILE_WIDTH, (span.end - 1) // TILE_WIDTH + 1)
    widths = [min(TILE_WIDTH, size - n * TILE_WIDTH) for n in numbers]
    return Piece(
        span.start,
        span.end,
        tuple(source.bundle(n, width) for n, width in zip(numbers, widths, strict=True)),
        tuple(source.tile(0, n, width) for n, width in zip(numbers, widths, strict=True)),
    )


def inspected(source: Source, cut: Iterable[Span], size: int) -> Iterator[tuple[Piece, Inspected]]:
    """Each piece with what was found in it, in order; cut as they are needed, as the size may be anybody's word."""
    few = list(islice(cut := iter(cut), -(-FEW_ENTRIES // (PIECE_BUNDLES * TILE_WIDTH)) + 1))
    todo = chain(few, cut)
    coming = next(todo, None)
    fetching: deque[Future[Piece]] = deque()
    inspecting: deque[tuple[Piece, Future[Inspected]]] = deque()
    fetcher = ThreadPoolExecutor(source.fetchers, thread_name_prefix="fetch")
    try:
        with _inspector(few[-1].end - few[0].start if few else 0) as begin:
            while coming or fetching or inspecting:
                while coming and len(fetching) < AHEAD_PIECES:
                    fetching.append(fetcher.submit(fetch, source, coming, size))
                    coming = next(todo, None)
                while fetching and _has_room(inspecting) and (not inspecting or fetching[0].done()):
                    piece = fetching.popleft().result()
                    inspecting.append((piece, begin(piece)))
                piece, future = inspecting.popleft()
                inspection = _result(piece, future)
                for proven in inspection.proofs:
                    vrf.remember(*proven)
                yield piece, inspection
    finally:
        fetcher.shutdown(wait=False, cancel_futures=True)


def _has_room(inspecting: deque[tuple[Piece, Future[Inspected]]]) -> bool:
    taken = sum(piece.byte_count for piece, _ in inspecting)
    return len(inspecting) < AHEAD_PIECES and taken < AHEAD_BYTES


def _result(piece: Piece, future: Future[Inspected]) -> Inspected:
    try:
        return future.result()
    except BrokenProcessPool:
        return inspect(piece)


@contextmanager
def _inspector(entries: int) -> Iterator[Callable[[Piece], Future[Inspected]]]:
    """Inspects in a process of its own, or where that does not pay at once in the calling thread."""
    if entries < FEW_ENTRIES or (os.cpu_count() or 1) == 1:
        yield _at_once
        return
    pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))
    try:
        yield lambda piece: _elsewhere(pool, piece)
    finally:
        pool.shutdown(cancel_futures=True)


def _elsewhere(pool: ProcessPoolExecutor, piece: Piece) -> Future[Inspected]:
    try:
        return pool.submit(inspect, piece)
    except BrokenProcessPool:
        return _at_once(piece)


def _at_once(piece: Piece) -> Future[Inspected]:
    done: Future[Inspected] = Future()
    done.set_result(inspect(piece))
    return done
