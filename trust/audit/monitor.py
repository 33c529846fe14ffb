"""A monitor: looks at a log again and again, and knows a fork when it sees one.

1. The checkpoint is signed by the caller's key; anything else is no answer (CannotCheck).
2. It is held against the last good one: another root of the same size is a fork, a smaller size a rollback.
3. Where the log grew, its own hash tiles must prove that the new tree begins with the old one. A proof from
   another root to the new one is the fork, and convicts; tiles that lead nowhere prove nothing, which is alarming too.
4. Where keys are watched, every new entry is fetched; together they lead from the old tree to the signed root, so
   that no entry can be kept from the monitor.
5. A log that did not grow for longer than it should is stale.
6. Where the caller brings witnesses: the checkpoint has their quorum on it, and the log does not go on for long beyond
   what they cosigned. Its tiles tell: they are served up to the newest entry.

The last good checkpoint lies in a file, replaced only by one that passed 1 to 4; after a fork or a rollback it
stays, and with it the alarm.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Literal

import httpx
import msgspec

from trust import clock
from trust.audit.fetching import Source
from trust.audit.report import CannotCheck
from trust.audit.stateless_checks import Piece, decode_header, entries_of
from trust.files import write_whole
from trust.log import merkle
from trust.log.checkpoint import Checkpoint, CheckpointError
from trust.log.merkle import HASH_BYTES, CompactRange, ProofError
from trust.log.note import NoteError
from trust.log.quorum import Quorum, QuorumMissing, cosigned_by
from trust.log.succession import LogKey, WrongKey, first_key, opened, peek_checkpoint
from trust.log.tiles import TILE_HEIGHT, TILE_WIDTH
from trust.verify.forks import Fork

CACHED_TILES = 256
WEBHOOK_TIMEOUT_S = 10.0
Kind = Literal["fork", "rollback", "unproven", "stale", "key-used", "no-quorum"]


class Alarm(msgspec.Struct, frozen=True):
    """An alarm of a monitor; `index` is an entry, `evidence` the file that convicts or all there is of it.

    `unwritten` is what such a file would hold, where the disk did not take it.
    """

    kind: Kind
    origin: str
    reason: str
    at_ms: int
    size: int
    index: int | None = None
    evidence: str = ""
    unwritten: str = ""


class Looked(msgspec.Struct, frozen=True):
    """One look at the log: the last good size and root, and why this one said nothing, where it did."""

    at_ms: int
    size: int
    root: str
    problem: str = ""


class Pace(msgspec.Struct, frozen=True):
    """How long to wait between looks, how long to put up with none that says anything, and whether one is enough."""

    interval_ms: int
    patience_ms: int
    once: bool = False


class Memory(msgspec.Struct, forbid_unknown_fields=True):
    """The state between polls: whose log, its last good note, when it grew and when it was last good.

    `ahead_ms` is since when it has had entries beyond that note; 0 where it has none.
    """

    key: str
    checkpoint: str = ""
    grew_ms: int = 0
    good_ms: int = 0
    ahead_ms: int = 0


class _Alarming(Exception):
    def __init__(
        self, kind: Kind, reason: str, index: int | None = None, evidence: Fork | None = None
    ) -> None:
        super().__init__(reason)
        self.kind: Kind = kind
        self.reason = reason
        self.index = index
        self.evidence = evidence


class Watcher:
    """One log under one key. `keys` are DIDs whose statements raise an alarm; `stale_ms` 0 lets a log be quiet.

    `quorum` are the witnesses that must cosign; `ahead_ms` is how long the log may go on without them.
    """

    def __init__(
        self,
        open_log: Callable[[], Source],
        key: LogKey,
        state: Path,
        keys: frozenset[str] = frozenset(),
        stale_ms: int = 0,
        quorum: Quorum | None = None,
        ahead_ms: int = 600_000,
    ) -> None:
        self._quorum = quorum
        self._ahead_ms = ahead_ms
        self._open_log = open_log
        self._key = key
        self._state = state
        self._keys = keys
        self._stale_ms = stale_ms
        self.memory = _load(state, str(first_key(key)))

    def poll(self, now_ms: int) -> Alarm | None:
        """Looks once. Raises CannotCheck where there is no answer that says anything."""
        source = self._open_log()
        try:
            note = source.checkpoint()
            try:
                self._check(source, note, self._opened(note), now_ms)  # 1
            except _Alarming as alarm:
                return self._alarm(alarm, peek_checkpoint(note), now_ms)
        finally:
            source.close()
        return None

    @property
    def last(self) -> Checkpoint | None:
        """The last good checkpoint."""
        return self._opened(self.memory.checkpoint.encode()) if self.memory.checkpoint else None

    def _opened(self, note: bytes) -> Checkpoint:
        try:
            return opened(note, self._key)
        except WrongKey as error:
            raise _Alarming("key-used", f"the checkpoint: {error}") from error
        except (NoteError, CheckpointError) as error:
            raise CannotCheck(f"the checkpoint: {error}") from error

    def _check(self, source: Source, note: bytes, new: Checkpoint, now_ms: int) -> None:
        last = self.last
        used = None
        if last is not None:
            held = self.memory.checkpoint.encode()
            _check_sizes(last, new, held, note)  # 2
            if last.size < new.size:
                tree = _Served(source, new.size)
                _check_extends(tree, last, new, held, note)  # 3
                used = self._uses(source, tree, last, new)  # 4
        if last is None or last.size < new.size:
            self.memory.grew_ms = now_ms
            self.memory.ahead_ms = 0
        if self._quorum is not None:
            is_ahead = _goes_on(source, new.size)
            self.memory.ahead_ms = (self.memory.ahead_ms or now_ms) if is_ahead else 0
        unkept = self._keep(note, now_ms)
        if used is not None:
            raise used
        quiet_ms = now_ms - self.memory.grew_ms
        if self._stale_ms and quiet_ms > self._stale_ms:  # 5
            raise _Alarming("stale", f"the log has not grown for {quiet_ms} ms: it has {new.size} entries")
        if self._quorum is not None:
            self._check_quorum(self._quorum, note, new, now_ms)  # 6
        if unkept:
            raise CannotCheck(unkept)

    def _check_quorum(self, quorum: Quorum, note: bytes, new: Checkpoint, now_ms: int) -> None:
        try:
            cosigned_by(note, quorum)
        except QuorumMissing as error:
            raise _Alarming("no-quorum", f"the checkpoint of {new.size} entries: {error}") from error
        alone_ms = now_ms - self.memory.ahead_ms if self.memory.ahead_ms else 0
        if alone_ms > self._ahead_ms:
            raise _Alarming(
                "no-quorum",
                f"the log has gone on beyond {new.size} entries for {alone_ms} ms, and no quorum cosigned it",
            )

    def _uses(self, source: Source, tree: _Served, last: Checkpoint, new: Checkpoint) -> _Alarming | None:
        """The alarm for the new entries that watched keys signed."""
        if not self._keys:
            return None
        edge, count, first, latest = tree.range(last), 0, (0, ""), 0
        for index, data in _entries(source, last.size, new.size):
            edge.append(merkle.leaf_hash(data))
            if signed := self._keys & _signers(data, self._keys):
                first = first if count else (index, min(signed))
                count, latest = count + 1, index
        if edge.root() != new.root:
            reason = f"its entries do not lead to the root of {new.size} entries that it signed"
            raise _Alarming("unproven", reason)
        if not count:
            return None
        more = f", and {count - 1} more up to entry {latest}" if count > 1 else ""
        return _Alarming("key-used", f"entry {first[0]} is signed by {first[1]}{more}", first[0])

    def _keep(self, note: bytes, now_ms: int) -> str:
        """Remembers a good look; returns why the disk did not take it, where it did not: this process still knows."""
        self.memory.checkpoint = note.decode()
        self.memory.good_ms = now_ms
        try:
            write_whole(self._state, msgspec.json.encode(self.memory) + b"\n")
        except OSError as error:
            return f"{self._state} cannot be written: {error.strerror}"
        return ""

    def _alarm(self, alarm: _Alarming, new: Checkpoint, now_ms: int) -> Alarm:
        evidence = ""
        if alarm.evidence is not None:
            path = self._state.with_name(
                f"{self._state.name}.{alarm.kind}-{new.size}-{new.root.hex()[:16]}.json"
            )
            try:
                write_whole(path, alarm.evidence.encode())
                evidence = str(path)
            except (
                OSError
            ) as error:  # an alarm is worth more than its file: it carries what could not be written
                reason = f"{alarm.reason} (its evidence could not be written: {error.strerror}: {path})"
                unwritten = alarm.evidence.encode().decode()
                return Alarm(alarm.kind, new.origin, reason, now_ms, new.size, alarm.index, "", unwritten)
        return Alarm(alarm.kind, new.origin, alarm.reason, now_ms, new.size, alarm.index, evidence)


def watch(
    watcher: Watcher,
    pace: Pace,
    tell: Callable[[Looked], None],
    pause: Callable[[float], None] = time.sleep,
) -> Alarm | None:
    """Looks until there is an alarm; None after one good look where one is enough.

    Raises CannotCheck when no look said anything for longer than `pace` puts up with.
    """
    good_ms = clock.monotonic_ms()
    while True:
        problem = ""
        try:
            if (alarm := watcher.poll(clock.now_ms())) is not None:
                return alarm
            good_ms = clock.monotonic_ms()
        except CannotCheck as error:
            if pace.once or clock.monotonic_ms() - good_ms > pace.patience_ms:
                raise
            problem = str(error)
        last = watcher.last
        tell(Looked(clock.now_ms(), last.size if last else 0, last.root.hex() if last else "", problem))
        if pace.once:
            return None
        pause(pace.interval_ms / 1_000)


def post(webhook: str, message: object) -> str:
    """Posts JSON to an address; returns why it was not taken, empty where it was."""
    try:
        headers = {"Content-Type": "application/json"}
        answer = httpx.post(
            webhook, content=msgspec.json.encode(message), headers=headers, timeout=WEBHOOK_TIMEOUT_S
        )
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return str(error) or type(error).__name__
    return "" if answer.is_success else f"status {answer.status_code}"


def _goes_on(source: Source, size: int) -> bool:
    """Returns whether the log serves the hash of an entry beyond its checkpoint."""
    n, at = divmod(size, TILE_WIDTH)
    tile = source.tile(0, n, at + 1)
    return tile is not None and len(tile) == (at + 1) * HASH_BYTES


def _check_sizes(last: Checkpoint, new: Checkpoint, held: bytes, note: bytes) -> None:
    if new.size < last.size:
        reason = f"the log went back: it had {last.size} entries, now it has {new.size}"
        raise _Alarming("rollback", reason, evidence=Fork.of(note, held))
    if new.size == last.size and new.root != last.root:
        reason = (
            f"two roots of {new.size} entries are signed, {last.root.hex()} before and {new.root.hex()} now"
        )
        raise _Alarming("fork", reason, evidence=Fork.of(held, note))


def _check_extends(tree: _Served, last: Checkpoint, new: Checkpoint, held: bytes, note: bytes) -> None:
    root = merkle.root(last.size, tree)
    proof = merkle.consistency_proof(last.size, new.size, tree)
    try:
        merkle.verify_consistency(last.size, root, new.size, new.root, proof)
    except ProofError as error:
        raise _Alarming("unproven", "its hash tiles do not lead to the root that it signed") from error
    if root != last.root:
        reason = f"the first {last.size} of its {new.size} entries had the root {last.root.hex()}, now {root.hex()}"
        raise _Alarming("fork", reason, evidence=Fork.of(held, note, root, tuple(proof)))


class _Served:
    """`node(level, index)` of a tree of `size` leaves out of the tiles that a log serves; none of them is believed."""

    def __init__(self, source: Source, size: int) -> None:
        self._source = source
        self._size = size
        self._tile = lru_cache(CACHED_TILES)(self._fetch)

    def __call__(self, level: int, index: int) -> bytes:
        tile_level, height = divmod(level, TILE_HEIGHT)
        n, first = divmod(index << height, TILE_WIDTH)
        row = list(self._tile(tile_level, n)[first : first + (1 << height)])
        while len(row) > 1:
            row = merkle.parents(row)
        return row[0]

    def _fetch(self, level: int, n: int) -> list[bytes]:
        width = min(TILE_WIDTH, (self._size >> level * TILE_HEIGHT) - n * TILE_WIDTH)
        data = self._source.tile(level, n, width)
        if data is None:
            raise CannotCheck(f"the log does not serve tile {n} of level {level} of its {self._size} entries")
        if len(data) != width * HASH_BYTES:
            raise _Alarming(
                "unproven", f"tile {n} of level {level} has {len(data)} bytes, not {width} hashes"
            )
        return merkle.hashes(data)

    def range(self, checkpoint: Checkpoint) -> CompactRange:
        """The frontier of the tree at a checkpoint."""
        size = checkpoint.size
        levels = [level for level in reversed(range(size.bit_length())) if size >> level & 1]
        made = CompactRange(size, [self(level, (size >> level) - 1) for level in levels])
        if made.root() != checkpoint.root:
            raise _Alarming(
                "unproven", f"its hash tiles do not lead to the root of {size} entries that it signed"
            )
        return made


def _entries(source: Source, start: int, end: int) -> Iterator[tuple[int, bytes]]:
    """The entries [start, end) with their indexes, one bundle in memory at a time."""
    while start < end:
        n = start // TILE_WIDTH
        stop = min(end, (n + 1) * TILE_WIDTH)
        piece = Piece(start, stop, (source.bundle(n, stop - n * TILE_WIDTH),), (None,))
        entries = entries_of(piece)
        if len(entries) < stop - start:
            raise CannotCheck(f"the log does not serve entry {start + len(entries)} of its {end}")
        yield from enumerate(entries, start)
        start = stop


def _signers(data: bytes, keys: frozenset[str]) -> frozenset[str]:
    """Returns who signed the statement in an entry; in one of a newer release, whoever of `keys` is named in it."""
    try:
        statement = decode_header(data).command.statement
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return frozenset(did for did in keys if did.encode() in data)
    return frozenset(signature.keyid for signature in statement.signatures) if statement else frozenset()


def _load(path: Path, key: str) -> Memory:
    if not path.exists():
        return Memory(key)
    try:
        memory = msgspec.json.decode(path.read_bytes(), type=Memory)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise CannotCheck(f"{path} is no state of a watch: {error}") from error
    if memory.key != key:
        raise CannotCheck(f"{path} is of the log whose key is {memory.key}")
    return memory
