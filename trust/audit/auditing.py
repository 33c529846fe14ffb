"""The audit of a log: everything about it recomputed from its own bytes, under one key that the caller brings.

1. The checkpoint: signed by the caller's key, for the log of that key's name.
2. What an earlier audit saw: the log neither went back nor is another one now.
3. Each piece of entries: all of them there, each with the hash that the tiles give it, every signature good.
4. Each entry decided again by the rules, from the state before it: the same bytes.
5. The tree over them: the hash tiles above, and the root that was signed, now and at the earlier audit.
6. The money: nothing made from nothing, nothing below zero.
7. The witnesses: every checkpoint that a draw carries is of this tree, and the newest has the caller's quorum on it.

The first thing that is false ends it. Memory is bounded by a piece, whatever the log's size.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec.structs import replace

from trust import clock
from trust.audit.checking import check_log
from trust.audit.fetching import DatabaseSource, Source, open_source
from trust.audit.gating import Tree, false_gate, false_time
from trust.audit.inspecting import Inspected, Piece, entries_of
from trust.audit.pipeline import inspected, spans
from trust.audit.replaying import Identity, Replay, check_release
from trust.audit.report import CannotCheck, Finding, Report
from trust.audit.scratch import Scratch, scratch
from trust.audit.tree import false_partial, false_tile, forked
from trust.core.identity import did_of
from trust.log.checkpoint import Checkpoint, CheckpointError, open_checkpoint
from trust.log.merkle import EMPTY_ROOT, HASH_BYTES
from trust.log.note import NoteError, Signature, Verifier
from trust.log.quorum import Quorum, QuorumMissing, open_with_quorum

Progress = Callable[[int, int], None]
"""Told how many entries of how many are done."""

FEW_COLLECTIONS = (50_000, 50, 1_000)


def audit(
    source: Source | str,
    vkey: str,
    state_dir: Path | None = None,
    progress: Progress | None = None,
    quorum: Quorum | None = None,
) -> Report:
    """Audits the log at an address, in a directory or in a database, and reports.

    `state_dir` keeps the state, so that the next audit goes on from there and knows what this one saw. `quorum` are the
    witnesses that the caller trusts: with it, a checkpoint that too few of them cosigned is a finding. Raises
    CannotCheck where the log cannot be read or needs a newer release, NoteError where `vkey` is no key.
    """
    verifier = Verifier.parse(vkey)
    opened = open_source(source) if isinstance(source, str) else source
    try:
        with scratch(state_dir) as own, _few_collections():
            report = _Audit(opened, verifier, own, progress or _silent, quorum).run()
        return _with_database(report, opened, vkey)
    finally:
        opened.close()


def _with_database(report: Report, source: Source, vkey: str) -> Report:
    """Who reads a service's own database also holds what nobody asks for over HTTP against the entries."""
    if not report.ok or not isinstance(source, DatabaseSource):
        return report
    checked = check_log(source.database, vkey)
    return replace(report, ok=checked.ok, findings=checked.findings)


def _silent(done: int, total: int) -> None:
    del done, total


class _Audit:
    def __init__(
        self, source: Source, verifier: Verifier, own: Scratch, progress: Progress, quorum: Quorum | None
    ) -> None:
        self._quorum = quorum
        self._cosigned: tuple[Signature, ...] = ()
        self._source = source
        self._verifier = verifier
        self._own = own
        self._progress = progress
        self._began_ms = clock.monotonic_ms()
        self._began_at = own.view.size
        if own.progress.key not in ("", str(verifier)):
            raise CannotCheck(f"this state is of the log whose key is {own.progress.key}")

    def run(self) -> Report:
        # 1. The checkpoint
        note = self._source.checkpoint()
        try:
            checkpoint = self._opened(note)
        except (NoteError, CheckpointError, QuorumMissing) as error:
            nothing = Checkpoint(self._verifier.name, 0, EMPTY_ROOT)
            return self._report(nothing, Finding(None, f"the checkpoint: {error}"))
        # 2. What an earlier audit saw
        earlier = self._earlier()
        finding = self._check_history(checkpoint, earlier)
        if finding is None:
            self._own.progress.key, self._own.progress.checkpoint = str(self._verifier), note
            self._own.save()
            finding = self._check_entries(checkpoint, earlier)
        # 6. The money
        finding = finding or self._check_money(checkpoint)
        # 7. The witnesses
        return self._report(checkpoint, finding or false_time(self._own.view.at_ms, self._cosigned))

    def _opened(self, note: bytes) -> Checkpoint:
        if self._quorum is None:
            return open_checkpoint(note, self._verifier.name, self._verifier)
        checkpoint, self._cosigned = open_with_quorum(note, self._verifier.name, self._verifier, self._quorum)
        return checkpoint

    def _earlier(self) -> Checkpoint | None:
        note = self._own.progress.checkpoint
        return open_checkpoint(note, self._verifier.name, self._verifier) if note else None

    def _check_history(self, now: Checkpoint, earlier: Checkpoint | None) -> Finding | None:
        if earlier is None:
            return None
        if now.size < earlier.size:
            return Finding(
                now.size, f"the log went back: it had {earlier.size} entries before, now it has {now.size}"
            )
        if now.size == earlier.size and now.root != earlier.root:
            return Finding(
                None,
                f"the log was forked: two roots of size {now.size} are signed, "
                f"{earlier.root.hex()} before and {now.root.hex()} now",
            )
        if not self._began_at:
            return None
        edge = self._own.edge
        return forked(self._source, now.size, edge.size, edge.root(), self._own.leaf_tile)

    # -- 3. to 5.: entry by entry

    def _check_entries(self, checkpoint: Checkpoint, earlier: Checkpoint | None) -> Finding | None:
        roots = {mark.size: mark.root for mark in (earlier, checkpoint) if mark is not None}
        replay = Replay(self._own, Identity(checkpoint.origin, did_of(self._verifier.public_key)))
        cut = spans(self._own.view.size, *sorted(roots))
        self._progress(self._own.view.size, checkpoint.size)
        for piece, found in inspected(self._source, cut, checkpoint.size):
            finding = self._take(replay, piece, found, roots.get(piece.end))
            if finding is not None:
                return finding
            self._progress(piece.end, checkpoint.size)
        return false_partial(self._source, self._own.edge)

    def _take(self, replay: Replay, piece: Piece, found: Inspected, root: bytes | None) -> Finding | None:
        """One piece: replayed as far as it is good by itself, then hashed; it is kept when all of it holds."""
        entries = entries_of(piece)
        good = len(entries) if found.index is None else found.index - piece.start
        # 4. Decided again
        finding = replay.take(entries[:good])
        if finding is None and found.index is not None:
            if found.index == 0 and entries:
                check_release(entries[0])
            finding = Finding(found.index, found.reason)
        if finding is not None:
            return finding
        # 5. The tree
        edge = self._own.edge.copy()
        hashes = found.hashes
        tiles = edge.append_many([hashes[at : at + HASH_BYTES] for at in range(0, len(hashes), HASH_BYTES)])
        if (finding := false_tile(self._source, tiles)) is not None:
            return finding
        if root is not None and edge.root() != root:
            self._own.start_anew()
            return Finding(
                None, f"the {edge.size} entries lead to the root {edge.root().hex()}, signed is {root.hex()}"
            )
        # 7. The witnesses
        tree = Tree(self._own.reader.tile, tiles, edge)
        if (finding := false_gate(replay.gates, tree)) is not None:
            return finding
        self._own.progress.signatures += found.signatures
        self._own.commit(edge, tiles)
        return None

    def _check_money(self, checkpoint: Checkpoint) -> Finding | None:
        sums = self._own.sums()
        if sums.total:
            return Finding(checkpoint.size - 1, f"all balances sum to {sums.total} units, not to zero")
        if sums.overdrawn:
            return Finding(checkpoint.size - 1, f"accounts are below zero: {', '.join(sums.overdrawn)}")
        return None

    def _report(self, checkpoint: Checkpoint, finding: Finding | None) -> Report:
        own = self._own
        own.connection.rollback()
        checked = own.edge.size
        if finding is not None and finding.index is not None:
            checked = finding.index
        return Report(
            ok=finding is None,
            origin=checkpoint.origin,
            size=checkpoint.size,
            root=checkpoint.root.hex(),
            checked=checked,
            replayed=max(0, checked - self._began_at),
            findings=() if finding is None else (finding,),
            commands=dict(sorted(own.progress.commands.items())),
            statements=dict(sorted(own.progress.statements.items())),
            signatures=own.progress.signatures,
            sums=own.sums(),
            witnesses=self._quorum.told(self._cosigned) if self._quorum else "",
            elapsed_ms=clock.monotonic_ms() - self._began_ms,
        )


@contextmanager
def _few_collections() -> Iterator[None]:
    """Records and events hold no cycles: the collector, as it comes, would walk all of them again and again."""
    thresholds = gc.get_threshold()
    gc.set_threshold(*FEW_COLLECTIONS)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
