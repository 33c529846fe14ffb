"""A witness's answers to `add-checkpoint`: the checks of C2SP tlog-witness, in its order.

1. The body is well formed (400), and an empty tree has the empty tree's root (422).
2. The log is known (404).
3. One of the log's keys signed the checkpoint, and no signature of a known key is false (403).
4. The old size is not beyond the new one (400).       5. It is the size that was cosigned last (409 with that size).
6. Of one size there is one root (422).                7. The consistency proof holds (422).
8. The checkpoint is kept, on disk, before its cosignature is given away (200).

What is kept are the text, the signatures that were verified and the cosignature, nothing else of what came. Two roots
of one size under the log's own key are evidence: both notes are told, and go into a file that convicts by itself. No
side effect takes the answer with it: a file that cannot be written now is written later, and log lines cannot raise.
"""

from __future__ import annotations

import json
import os
import threading
from hashlib import sha256
from pathlib import Path

from trust import clock, journal
from trust.listening import Answer
from trust.log import merkle
from trust.log.checkpoint import Checkpoint, CheckpointError, EmptyTreeError
from trust.log.merkle import ProofError
from trust.log.note import COSIGNATURE_V1, Note, NoteError, Signer, open_note, parse_note
from trust.log.submission import Malformed, Submission
from trust.witness.store import Advance, Store, StoreError

SIZE = "text/x.tlog.size"
MAX_SHOWN_CHARS = 120
FORKED_NOTES = 2
_log = journal.logger("trust.witness")


class Refused(Exception):
    """A submission that is not cosigned."""

    def __init__(self, status: int, reason: str, size: int | None = None) -> None:
        super().__init__(reason)
        self.answer = (
            Answer(status, f"{reason}\n".encode()) if size is None else Answer(status, b"%d\n" % size, SIZE)
        )


class Witness:
    """Cosigns with `signer` (type 0x04) what extends the checkpoints in `store`; threads may share it."""

    def __init__(self, store: Store, signer: Signer, evidence: Path) -> None:
        if signer.key_type != COSIGNATURE_V1:
            raise StoreError("a witness signs with a key of type 0x04 (cosignature/v1)")
        self._store = store
        self._signer = signer
        self._evidence = evidence
        self._unwritten: dict[str, str] = {}
        self._writing = threading.Lock()

    def add_checkpoint(self, body: bytes) -> Answer:
        """The answer to one submission. sqlite3.Error where it could not be stored: nothing is cosigned then."""
        checkpoint = None
        try:
            submission, checkpoint = _parsed(body)  # 1
            opened = self._opened(submission.note, checkpoint.origin)  # 2, 3
            if submission.old > checkpoint.size:  # 4
                raise Refused(400, f"the old size {submission.old} is beyond the new one, {checkpoint.size}")
            answer = self._advance(submission, checkpoint, opened)
        except Refused as refused:
            answer = refused.answer
        _tell(answer, checkpoint)
        if self._unwritten:
            self._write_evidence()
        return answer

    def checkpoint(self, origin_hash: str) -> Answer:
        """Returns the last checkpoint of the log whose origin has this SHA-256 (hex), as the log signed and
        this witness cosigned it."""
        note = self._store.cosigned(origin_hash)
        return (
            Answer(404, b"no checkpoint of such a log was cosigned\n") if note is None else Answer(200, note)
        )

    def _opened(self, note: bytes, origin: str) -> Note:
        keys = self._store.keys(origin)
        if not keys:
            raise Refused(404, "this witness does not know the log")
        try:
            return open_note(note, keys)
        except NoteError as error:
            raise Refused(403, str(error)) from error

    def _advance(self, submission: Submission, checkpoint: Checkpoint, opened: Note) -> Answer:
        verified = f"{opened.text}\n{''.join(map(str, opened.verified))}".encode()
        with self._store.advancing(checkpoint.origin) as log:
            self._check_follows(submission, checkpoint, log, verified)
            cosignature = str(self._signer.sign(opened.text, clock.now_ms() // 1_000)).encode()
            log.keep(verified, verified + cosignature)
        # 8. From here on the checkpoint is on disk: a crash loses the answer, never the memory of it.
        return Answer(200, cosignature)

    def _check_follows(self, submission: Submission, new: Checkpoint, log: Advance, verified: bytes) -> None:
        last = log.checkpoint
        size, root = (last.size, last.root) if last else (0, merkle.EMPTY_ROOT)
        forked = size == new.size and root != new.root
        if forked and log.held is not None:
            self._convict(new.origin, log.held, verified)
        if submission.old != size:  # 5
            raise Refused(409, "another size was cosigned last", size)
        if forked:  # 6
            raise Refused(422, f"another root of size {size} was cosigned")
        try:
            merkle.verify_consistency(size, root, new.size, new.root, submission.proof)  # 7
        except ProofError as error:
            raise Refused(422, str(error)) from error

    def _convict(self, origin: str, held: bytes, shown: bytes) -> None:
        """Tells of a fork at once, both notes with it, and writes the evidence afterwards."""
        notes = [held.decode(), shown.decode()]
        fork = {"evidence": "fork", "notes": notes, "root": "", "proof": []}
        _log.error("the log was forked", origin=origin[:MAX_SHOWN_CHARS], notes=notes)
        with self._writing:
            self._unwritten.setdefault(origin, json.dumps(fork, ensure_ascii=False) + "\n")
        self._write_evidence()

    def _write_evidence(self) -> None:
        """Writes what is not on the disk yet; what cannot be written is told, and tried again later."""
        with self._writing:
            for origin, text in tuple(self._unwritten.items()):
                path = self._evidence / f"fork-{sha256(origin.encode()).hexdigest()[:16]}.json"
                try:
                    if not _is_evidence(path):
                        _write_whole(path, text)
                except OSError as error:
                    _log.error("evidence is not on disk", origin=origin[:MAX_SHOWN_CHARS], reason=str(error))
                else:
                    del self._unwritten[origin]
                    _log.error("evidence is kept", origin=origin[:MAX_SHOWN_CHARS], evidence=str(path))


def _is_evidence(path: Path) -> bool:
    """Returns whether one file, the first that convicts a log, is there as a whole; see trust receipt verify."""
    try:
        return len(json.loads(path.read_text(encoding="utf-8"))["notes"]) == FORKED_NOTES
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return False


def _write_whole(path: Path, text: str) -> None:
    """The file is there as a whole or not at all, and on the disk when this returns."""
    fresh = path.with_name(path.name + ".new")
    with fresh.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def _parsed(body: bytes) -> tuple[Submission, Checkpoint]:
    try:
        submission = Submission.parse(body)
        return submission, Checkpoint.parse(parse_note(submission.note)[0])
    except EmptyTreeError as error:
        raise Refused(422, str(error)) from error
    except (Malformed, NoteError, CheckpointError) as error:
        raise Refused(400, str(error)) from error


def _tell(answer: Answer, checkpoint: Checkpoint | None) -> None:
    about = {"origin": checkpoint.origin[:MAX_SHOWN_CHARS], "size": checkpoint.size} if checkpoint else {}
    _log.info("add-checkpoint", status=answer.status, **about)
