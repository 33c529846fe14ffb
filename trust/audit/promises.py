"""Holds against a log what its service signed off the log: a receipt, or a refusal (docs/rules.md 8).

A receipt that holds by itself is one of a log that begins with the tree that the receipt's checkpoint signs; where it
does not, the two notes are a fork. A refusal is true when

1. the log has as many entries as it names, each of them good, and they lead to the root that it names;
2. its time is not before theirs, and nothing is due then that they have not settled;
3. the rules, put to the very statement at that time, refuse it with that code.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from trust import clock
from trust.audit.fetching import Source
from trust.audit.log_replay import Replay
from trust.audit.monitor import Watcher
from trust.audit.pipeline import inspected, spans
from trust.audit.report import CannotCheck, Finding, Progress, Step, silent
from trust.audit.scratch import Scratch, scratch
from trust.audit.stateless_checks import Inspected, Piece, entries_of
from trust.core import rulebook
from trust.core.refusal import Refused
from trust.core.state import Draft
from trust.log import merkle
from trust.log.checkpoint import CheckpointError
from trust.log.note import NoteError
from trust.log.succession import LogKey, first_key, opened
from trust.verify.failures import NotProven
from trust.verify.files import verify_file
from trust.verify.receipts import Denial, Proven


class Judged(msgspec.Struct, frozen=True):
    """The result of holding a file against a log; `index` is the entry that it is about.

    `reason` says why it is not borne out, `evidence` is the file with the two notes that show it, where there are two.
    """

    ok: bool
    what: str
    index: int
    reason: str = ""
    evidence: str = ""


def judge(file: Path, open_log: Callable[[], Source], key: LogKey, progress: Progress = silent) -> Judged:
    """Holds a receipt, a batch of them or a refusal with its statement against the log; evidence is put beside it.

    Raises NotProven where the file proves nothing by itself, CannotCheck where the log cannot be read.
    """
    promise = verify_file(file.read_bytes(), key)
    if isinstance(promise, Denial):
        source = open_log()
        try:
            finding = _false_refusal(promise, source, key, progress)
        finally:
            source.close()
        return Judged(
            finding is None, "refusal", promise.refusal.size, "" if finding is None else str(finding)
        )
    if isinstance(promise, list):
        return _judge_receipts(promise, file, open_log, key)
    raise NotProven("a log is asked about receipts, and about refusals together with their statements")


# -- a receipt


def _judge_receipts(proven: list[Proven], file: Path, open_log: Callable[[], Source], key: LogKey) -> Judged:
    with TemporaryDirectory(prefix="trust-judge-") as temporary:
        watcher = Watcher(open_log, key, Path(temporary) / file.name)
        watcher.memory.checkpoint = proven[0].note.decode()
        alarm = watcher.poll(clock.now_ms())
        if alarm is None:
            return Judged(True, "receipt", proven[0].index)
        evidence = ""
        if alarm.evidence:
            written = Path(alarm.evidence)
            evidence = str(file.with_name(written.name))
            Path(evidence).write_bytes(written.read_bytes())
    return Judged(False, "receipt", proven[0].index, f"{alarm.kind}: {alarm.reason}", evidence)


# -- a refusal


def _false_refusal(denial: Denial, source: Source, key: LogKey, progress: Progress) -> Finding | None:
    """Why the refusal is not what the rules say, None where it is."""
    refusal = denial.refusal
    try:
        checkpoint = opened(source.checkpoint(), key)
    except (NoteError, CheckpointError) as error:
        raise CannotCheck(f"the checkpoint: {error}") from error
    if checkpoint.size < refusal.size:
        return Finding(None, f"it names {refusal.size} entries, the log has {checkpoint.size}")
    with scratch(None) as own:
        replay = Replay(own, key.name)
        cut = spans(0, refusal.size)
        for piece, inspection in inspected(source, cut, checkpoint.size):  # 1
            if (finding := _replayed(own, replay, piece, inspection)) is not None:
                return finding
            progress(piece.end, refusal.size)
        keys = own.keys(key.name)
        if keys is not None and first_key(key) not in keys.verifiers:
            return Finding(0, f"this genesis names another key than {first_key(key)}", Step.KEYS)
        root = own.edge.root()
        if root != refusal.root:
            reason = f"{refusal.size} entries lead to the root {root.hex()}, the refusal names {refusal.root.hex()}"
            return Finding(None, reason)
        reason = _decided(Draft(own.view), denial)
    return Finding(refusal.size, reason) if reason else None


def _replayed(own: Scratch, replay: Replay, piece: Piece, inspection: Inspected) -> Finding | None:
    """Decides a piece again and keeps it; the first of its entries that is false."""
    if inspection.finding is not None:
        return inspection.finding
    if (finding := replay.take(entries_of(piece))) is not None:
        return finding
    edge = own.edge.copy()
    own.commit(edge, edge.append_many(merkle.hashes(inspection.hashes)))
    return None


def _decided(draft: Draft, denial: Denial) -> str:
    """Returns what the rules do with the statement where that is not the refusal; empty where it is."""
    refusal = denial.refusal
    if refusal.at_ms < draft.at_ms:  # 2
        return f"time goes back from {draft.at_ms} to {refusal.at_ms}"
    if due := draft.due(refusal.at_ms, 1):
        return f"{due[0].kind} of {due[0].id} was due at {due[0].due_ms} and is not settled"
    try:
        decided = rulebook.decide(draft, denial.spoken, refusal.at_ms)  # 3
    except Refused as refused:
        right = refused.code == refusal.code
        return "" if right else f"the rules refuse it with {refused.code}, the note says {refusal.code}"
    kinds = ", ".join(str(type(event).__struct_config__.tag) for event in decided.events)
    return f"the rules let it through ({kinds}), the note says {refusal.code}"
