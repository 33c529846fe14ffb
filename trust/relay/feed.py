"""The feed: a coordinator's decisions in a signed log of its own (C2SP tlog-tiles), to be checked against the
network's log.

An entry is the canonical JSON of one decision: `v`, `at_ms`, `size` (the log's, as far as the relay had followed it),
`kind`, and what the kind says (docs/relay.md). It is decided, written, and in the next checkpoint, which is signed only
once everything before it is on disk: a coordinator that is killed never signs two trees of one size.

On disk are the very files that are served: `tile/entries/...` and `tile/<level>/...` once they are full, and a journal
of the entries behind the last full bundle.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from trust import clock
from trust.core import identity
from trust.log import ed25519
from trust.log.checkpoint import Checkpoint
from trust.log.ed25519 import PrivateKey
from trust.log.merkle import hashes, leaf_hash
from trust.log.note import Signer, sign_note
from trust.log.tiles import (
    MAX_ENTRY_BYTES,
    TILE_WIDTH,
    TileError,
    TilePath,
    TreeEdge,
    decode_bundle,
    encode_bundle,
)
from trust.relay.messages import encode

FORMAT = 1
PUBLISH_S = 0.1
_SHOWN_CHARS = 12


def origin_of(network: str, relay: str, seed: PrivateKey) -> str:
    """The name of the feed of a coordinator."""
    return f"{network}/{relay}/{identity.did_of(ed25519.public_key(seed))[-_SHOWN_CHARS:]}"


class Feed:
    """The decisions of the coordinator with this key, in `directory`; without one they end with the process."""

    def __init__(self, origin: str, seed: PrivateKey, directory: Path | None = None) -> None:
        self._signer = Signer(origin if directory else f"{origin}/{clock.now_ms()}", seed)
        self._directory = directory
        self._edge = TreeEdge()
        self._tail: list[bytes] = []
        self._unwritten = b""
        self._memory: dict[str, bytes] = {}
        self._note = b""
        self._published = -1
        if directory is not None:
            directory.mkdir(parents=True, exist_ok=True)
            self._load()
        self._sign(self._edge.size, self._edge.root())

    @property
    def vkey(self) -> str:
        """The key that its checkpoints verify with."""
        return str(self._signer.verifier)

    @property
    def size(self) -> int:
        """The number of decisions so far."""
        return self._edge.size

    @property
    def checkpoint(self) -> bytes:
        """The signed note over what is on disk."""
        return self._note

    def decide(self, kind: str, size: int, **facts: Any) -> None:
        """Adds a decision."""
        data = encode({"v": FORMAT, "at_ms": clock.now_ms(), "size": size, "kind": kind, **facts})
        if len(data) > MAX_ENTRY_BYTES:
            raise ValueError(f"a decision of {len(data)} bytes, at most {MAX_ENTRY_BYTES}")
        self._tail.append(data)
        self._unwritten += len(data).to_bytes(2, "big") + data
        full = self._edge.append_many([leaf_hash(data)])
        if len(self._tail) == TILE_WIDTH:
            self._finish_bundle()
        for tile in full:
            self._store(str(TilePath(tile.level, tile.n)), tile.data)

    async def publish(self) -> None:
        """Signs new checkpoints for ever, each once its entries are on disk."""
        while True:
            await asyncio.sleep(PUBLISH_S)
            if self._published != self._edge.size:
                size, root = self._edge.size, self._edge.root()
                self._flush()
                if self._directory is not None:
                    await asyncio.to_thread(self._sync)
                self._sign(size, root)

    def close(self) -> None:
        """Signs and writes the last decisions."""
        self._flush()
        if self._directory is not None:
            self._sync()
        self._sign(self._edge.size, self._edge.root())

    def read(self, path: str) -> bytes | None:
        """Returns a tile by its path; None where there is none."""
        try:
            tile_path = TilePath.parse(path)
        except TileError:
            return None
        if tile_path.width == TILE_WIDTH:
            return self._stored(path)
        whole = TilePath(tile_path.level, tile_path.n)
        if (stored := self._stored(str(whole))) is not None:
            return _cut(tile_path, stored)
        return self._partial(tile_path)

    def _partial(self, path: TilePath) -> bytes | None:
        if path.level is None:
            is_last = path.n == self.size // TILE_WIDTH and path.width <= len(self._tail)
            return encode_bundle(self._tail[: path.width]) if is_last else None
        partial = self._edge.partial(path.level)
        is_last = path.n == (self.size >> 8 * (path.level + 1)) and path.width * 32 <= len(partial)
        return partial[: path.width * 32] if is_last else None

    # -- the files

    def _finish_bundle(self) -> None:
        n = self.size // TILE_WIDTH - 1
        self._store(str(TilePath(None, n)), encode_bundle(self._tail))
        if self._directory is not None:
            (self._directory / f"journal.{n}").unlink(missing_ok=True)
        self._tail, self._unwritten = [], b""

    def _store(self, path: str, data: bytes) -> None:
        if self._directory is None:
            self._memory[path] = data
            return
        file = self._directory / path
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary = file.with_suffix(".new")
        with temporary.open("wb") as writing:
            writing.write(data)
            writing.flush()
            os.fsync(writing.fileno())
        temporary.replace(file)

    def _stored(self, path: str) -> bytes | None:
        if self._directory is None:
            return self._memory.get(path)
        file = self._directory / path
        return file.read_bytes() if file.is_file() else None

    def _journal(self, directory: Path) -> Path:
        return directory / f"journal.{self.size // TILE_WIDTH}"

    def _flush(self) -> None:
        if self._directory is not None and self._unwritten:
            with self._journal(self._directory).open("ab") as journal:
                journal.write(self._unwritten)
        self._unwritten = b""

    def _sync(self) -> None:
        assert self._directory is not None
        journal = self._journal(self._directory)
        for path in (journal, self._directory):
            with suppress(FileNotFoundError):  # its bundle is full by now, and on disk
                handle = os.open(path, os.O_RDONLY)
                try:
                    os.fsync(handle)
                finally:
                    os.close(handle)

    def _load(self) -> None:
        bundles = 0
        while self._stored(str(TilePath(None, bundles))) is not None:
            bundles += 1
        self._edge = TreeEdge.load(bundles * TILE_WIDTH, lambda _, __: [], self._tile)
        assert self._directory is not None
        journal = self._directory / f"journal.{bundles}"
        for data in _whole(journal.read_bytes() if journal.exists() else b""):
            self._tail.append(data)
            self._edge.append_many([leaf_hash(data)])
        kept = b"".join(len(data).to_bytes(2, "big") + data for data in self._tail)
        journal.write_bytes(kept)

    def _tile(self, level: int, n: int) -> bytes:
        tile = self._stored(str(TilePath(level, n)))
        if tile is None and level == 0:  # killed between a bundle and its tile
            bundle = decode_bundle(self._stored(str(TilePath(None, n))) or b"", TILE_WIDTH)
            tile = b"".join(leaf_hash(data) for data in bundle)
            self._store(str(TilePath(level, n)), tile)
        return tile or b""

    def _sign(self, size: int, root: bytes) -> None:
        body = Checkpoint(self._signer.verifier.name, size, root).body()
        self._note, self._published = sign_note(body, self._signer), size


def _cut(path: TilePath, stored: bytes) -> bytes:
    if path.level is None:
        return encode_bundle(decode_bundle(stored, TILE_WIDTH)[: path.width])
    return b"".join(hashes(stored)[: path.width])


def _whole(data: bytes) -> list[bytes]:
    """Returns the complete entries of a journal, of which a crash may have cut the last one short."""
    entries, at = [], 0
    while at + 2 <= len(data):
        end = at + 2 + int.from_bytes(data[at : at + 2], "big")
        if end > len(data):
            break
        entries.append(data[at + 2 : end])
        at = end
    return entries
