"""Quorums of witnesses: whether enough of them cosigned the checkpoint of a file, by the caller's own policy (C2SP
tlog-policy).

With the log's key alone a proof holds in the tree that the log showed its holder. A quorum of witnesses that the caller
chose says that it is the tree that it showed to them too. The policy never comes from the file, nor from the log.
"""

from __future__ import annotations

import json
from pathlib import Path

from trust.log.checkpoint import CheckpointError
from trust.log.note import NoteError
from trust.log.quorum import PolicyError, Quorum, QuorumMissing, lines_of, open_with_quorum, parse_quorum
from trust.log.succession import LogKey
from trust.verify.cases import Case
from trust.verify.failures import NotProven
from trust.verify.files import Verified


def read_quorum(path: Path) -> Quorum:
    """The policy in a file. Raises PolicyError, and OSError where it cannot be read."""
    try:
        return parse_quorum(lines_of(path.read_text(encoding="utf-8")))
    except UnicodeDecodeError as error:
        raise PolicyError(f"{path} is not a text: {error}") from error


def check_quorum(proven: Verified, data: bytes, key: LogKey, quorum: Quorum) -> str:
    """Returns who cosigned what a verified file (its bytes: `data`) stands on; `NotProven` where too few did."""
    if isinstance(proven, list):
        notes = [each.note for each in proven]
    elif isinstance(proven, Case):
        notes = [str(json.loads(data)["checkpoint"]).encode("utf-8", "surrogatepass")]
    else:
        raise NotProven("witnesses vouch for receipts and bundles, which this file is not: ask without them")
    cosigners = ""
    for note in dict.fromkeys(notes):
        try:
            cosigners = quorum.summary(open_with_quorum(note, key, quorum)[1])
        except (QuorumMissing, NoteError, CheckpointError) as error:
            raise NotProven(f"the witnesses: {error}") from error
    return cosigners
