"""Checks before a process goes on with a log and signs anything (docs/architecture.md 4, recovery).

Two databases that both go on with one log fork it, and a fork convicts the operator. So before the first signature:

- A data directory that says that it is a copy (`trust backup`), or a log without its head file, starts only when the
  operator takes the log over by an explicit word.
- Whatever knows how far the log went is asked: the head file, its second place, checkpoints that the operator brings,
  and the witnesses. A log that went on elsewhere is refused, whatever the word.
- To take over where there are witnesses, one of them must have answered, or the operator brings a checkpoint.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from trust import clock, journal
from trust.errors import TrustError
from trust.log.checkpoint import Checkpoint, CheckpointError
from trust.log.note import NoteError, parse_note
from trust.services import headfile
from trust.services.cosigning import Cosigning, WitnessState
from trust.services.headcopy import HeadCopy
from trust.storage.engine import Database
from trust.storage.reading import reading

MARK_FILE = "copied"
ELSEWHERE = frozenset({"ahead", "forked"})
LOOKS = 3
_log = journal.logger("trust.continuing")


class Mark(msgspec.Struct, frozen=True):
    """The note that a copy of a data directory carries."""

    copied_ms: int
    size: int
    source: str


@dataclass(frozen=True)
class Word:
    """The operator's decisions at the start: to take the log over, what to hold it against, that the clock is right."""

    take_over: bool = False
    seen: Sequence[Path] = field(default=())
    trust_clock: bool = False


def mark_copy(directory: Path, size: int, source: Path) -> None:
    """Has a data directory say that it is a copy, taken when the log had `size` entries or more."""
    mark = Mark(clock.now_ms(), size, str(source))
    (directory / MARK_FILE).write_bytes(msgspec.json.encode(mark))


def check(
    database: Database, data_dir: Path, copy: HeadCopy, cosigning: Cosigning, word: Word
) -> tuple[str, ...]:
    """Returns what an operator should know; TrustError `log-frozen` where this process must not go on with the log."""
    if (data_dir / MARK_FILE).exists() and not word.take_over:
        raise _is_copy(data_dir / MARK_FILE)
    _check_copy(database, copy, word)
    for path in word.seen:
        _check_known(database, _brought(path), str(path))
    return _check_witnesses(database, cosigning, word)


def taken_over(data_dir: Path) -> None:
    """The copy is the log from now on."""
    (data_dir / MARK_FILE).unlink(missing_ok=True)


def _is_copy(path: Path) -> TrustError:
    try:
        mark = msgspec.json.decode(path.read_bytes(), type=Mark)
        of = f"of {mark.source}, made when the log had {mark.size} entries"
    except (OSError, msgspec.MsgspecError):
        of = "of a log"
    return TrustError(
        "log-frozen",
        f"{path.parent} is a copy {of}",
        hint="start the original. Where that is lost for good, trust serve --take-over goes on from this copy, once the"
        " witnesses, or --seen with the newest checkpoint that anybody has, bear out that the log went no further",
    )


def _check_copy(database: Database, copy: HeadCopy, word: Word) -> None:
    if not copy.place:
        return
    try:
        known = copy.read()
    except TrustError as error:
        if error.code == "log-frozen" or not word.take_over:
            raise
        _log.warning("the head copy cannot be asked", reason=error.detail)
        return
    if known is not None:
        _check_known(database, known, copy.place)


def _check_known(database: Database, known: Checkpoint, where: str) -> None:
    with reading(database) as reader:
        if known.size and reader.head().size:
            headfile.extends(reader, known, where)


def _brought(path: Path) -> Checkpoint:
    try:
        return Checkpoint.parse(parse_note(path.read_bytes())[0])
    except (NoteError, CheckpointError) as error:
        raise TrustError("malformed", f"{path} is no checkpoint: {error}") from error


def _check_witnesses(database: Database, cosigning: Cosigning, word: Word) -> tuple[str, ...]:
    for _ in range(LOOKS):
        with reading(database) as reader:
            size = reader.head().size
        standing = cosigning.first_look()
        elsewhere = [each for each in standing if each.state in ELSEWHERE]
        with reading(database) as reader:
            if not elsewhere or reader.head().size == size:
                break  # else another replica wrote meanwhile: the witnesses may have seen that
    if elsewhere:
        raise _went_on(elsewhere)
    if not standing or any(each.state == "cosigned" for each in standing):
        return ()
    silent = "; ".join(f"{each.witness}: {each.reason}" for each in standing)
    if word.take_over and not word.seen:
        raise TrustError(
            "log-frozen",
            f"no witness could be asked how far the log went: {silent}",
            hint="try again when one answers, or bring the newest checkpoint that anybody has: --seen FILE",
        )
    return (f"no witness answered at the start whether the log went on elsewhere: {silent}",)


def _went_on(elsewhere: Sequence[WitnessState]) -> TrustError:
    return TrustError(
        "log-frozen",
        "the log went on elsewhere: " + "; ".join(f"{each.witness}: {each.reason}" for each in elsewhere),
        hint="bring back the newer database. A witness that is wrong can be left out: --witnesses with the others",
    )
