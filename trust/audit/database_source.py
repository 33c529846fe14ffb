"""A log in the database of a service, read as its files would be."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import takewhile

from sqlalchemy.exc import SQLAlchemyError

from trust.audit.fetching import Service
from trust.audit.report import CannotCheck
from trust.errors import Unusable
from trust.log.tiles import MAX_ENTRY_BYTES, TILE_WIDTH
from trust.storage.cosigned import newest, policy_in_force
from trust.storage.reading import Reader, reading
from trust.storage.readonly import read_only
from trust.storage.unit import StoredEntry


class DatabaseSource:
    """The database of a service, read only; whether it runs or not."""

    fetchers = 1

    def __init__(self, url: str) -> None:
        self._opened = ExitStack()
        try:
            self.database = self._opened.enter_context(read_only(url))
        except (SQLAlchemyError, Unusable, OSError) as error:
            hint = error.hint if isinstance(error, Unusable) else ""
            raise CannotCheck(f"the database cannot be read: {error}", hint) from error

    def checkpoint(self) -> bytes:
        """The newest head, with the cosignatures on it where its witnesses have seen it."""
        with self._reading() as reader:
            head, policy = reader.head(), policy_in_force(reader)
            cosigned = None if policy is None else newest(reader.connection, int(policy.id))
        return cosigned.note if cosigned is not None and cosigned.size == head.size else head.checkpoint

    def bundle(self, n: int, width: int) -> bytes | None:
        first = n * TILE_WIDTH
        with self._reading() as reader:
            stored = reader.rows(first, first + width)
        good = takewhile(lambda pair: _is_in_place(*pair), enumerate(stored, first))
        entries = [entry.data for _, entry in good]
        return b"".join(len(entry).to_bytes(2) + entry for entry in entries) or None

    def tile(self, level: int, n: int, width: int) -> bytes | None:
        with self._reading() as reader:
            if level == 0 and width < TILE_WIDTH:
                return b"".join(reader.leaf_hashes(n * TILE_WIDTH, n * TILE_WIDTH + width))
            return reader.tile(level, n) or None if width == TILE_WIDTH else None

    @contextmanager
    def _reading(self) -> Iterator[Reader]:
        try:
            with reading(self.database) as reader:
                yield reader
        except SQLAlchemyError as error:
            raise CannotCheck(f"the database cannot be read: {error}") from error

    def service(self) -> Service | None:
        return None

    def close(self) -> None:
        self._opened.close()


def _is_in_place(index: int, entry: StoredEntry) -> bool:
    return entry.index == index and len(entry.data) <= MAX_ENTRY_BYTES
