"""Products: a command's results for a claim, on disk before delivery, so that a claim has one output whatever
happens."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import msgspec

from trust.core.payloads import CLAIM_ID
from trust.errors import ClientError
from trust.files import write_whole

_CLAIM = re.compile(CLAIM_ID)


class Product(msgspec.Struct, frozen=True):
    """An output: artifacts by name, the items of a batch, and what it was made from."""

    artifacts: Mapping[str, bytes]
    items: tuple[bytes, ...] = ()
    inputs: tuple[str, ...] = ()


class Products:
    """The products of one worker in a directory, by claim, until they are dropped."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def get(self, claim: str) -> Product | None:
        """Returns what was made for a claim; None where nothing was."""
        path = self._path(claim)
        return msgspec.msgpack.decode(path.read_bytes(), type=Product) if path.exists() else None

    def keep(self, claim: str, product: Product) -> None:
        """Writes down what was made for a claim."""
        write_whole(self._path(claim), msgspec.msgpack.encode(product), 0o600)

    def drop(self, claim: str) -> None:
        """Forgets a claim that has ended."""
        self._path(claim).unlink(missing_ok=True)

    def claims(self) -> set[str]:
        """Returns the claims that something was made for."""
        return {path.stem for path in self._folder.glob("*.product")}

    def _path(self, claim: str) -> Path:
        if not _CLAIM.fullmatch(claim):
            raise ClientError("malformed", f"{claim[:64]!r} is no claim's id")
        return self._folder / f"{claim}.product"
