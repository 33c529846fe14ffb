"""The operator's side of canaries: answers under fresh salts, the tree over them, and the file that keeps them secret.

Whoever reads the file knows which work is a canary, so it has mode 0600 like a key; losing it means that its canaries
cannot be opened, which is the operator's fault (docs/rules.md 5). The format of a leaf is `core/rules/canaries.py`'s.
"""

from __future__ import annotations

import secrets
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, Self

import msgspec

from trust.client.items import ItemTree
from trust.core import strict
from trust.core.rules.canaries import Answer
from trust.errors import ClientError
from trust.files import PRIVATE, write_once

SALT_BYTES = 32
MAX_FILE_BYTES = 64 * 1024 * 1024


class Canaries(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The canaries of one `canary.commit`, with everything that opens them."""

    network: str
    open_by_ms: int
    answers: tuple[Answer, ...]

    @classmethod
    def made(
        cls, network: str, open_by_ms: int, work: Iterable[tuple[str, str, Literal["pass", "fail"]]]
    ) -> Self:
        """Canaries for (task, worker, answer), each under a salt of its own."""
        listed = list(work)
        if not listed:
            raise ClientError("malformed", "a commitment is over at least one canary")
        return cls(
            network,
            open_by_ms,
            tuple(
                Answer(number, len(listed), task, worker, verdict, secrets.token_hex(SALT_BYTES))
                for number, (task, worker, verdict) in enumerate(listed)
            ),
        )

    def tree(self) -> ItemTree:
        """The tree over the preimages."""
        return ItemTree([answer.preimage(self.network).encode() for answer in self.answers])

    def commitment(self) -> dict[str, Any]:
        """The fields of the `canary.commit`."""
        return {"root": self.tree().root(), "count": len(self.answers), "open_by_ms": self.open_by_ms}

    def opening(self, number: int) -> dict[str, Any]:
        """The fields of the `canary.open` of leaf `number`."""
        opened = self.tree().opening(number)
        return {
            "leaf": opened.leaf,
            "path": opened.path,
            "preimage": self.answers[number].preimage(self.network),
        }

    def work(self) -> list[tuple[str, str, str]]:
        """The (task, worker, answer) of every canary, in order."""
        return [(each.task, each.worker, each.verdict) for each in self.answers]

    def numbers_of(self, task: str) -> list[int]:
        """The leaves that are about a task."""
        return [answer.number for answer in self.answers if answer.task == task]

    def write(self, path: Path) -> None:
        """Keeps them in a new file of mode 0600. FileExistsError where there is one: no secret is overwritten."""
        write_once(path, msgspec.json.encode(self) + b"\n", PRIVATE)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Returns the canaries in a file. `ClientError` malformed where others can read it, or it is none."""
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            raise ClientError(
                "malformed", f"{path} has mode {mode:04o}, others can read it: chmod 600 {path}"
            )
        try:
            return strict.parse(path.read_bytes(), cls, max_bytes=MAX_FILE_BYTES)
        except strict.Malformed as error:
            raise ClientError(error.code, f"{path} keeps no canaries: {error}") from error
