"""The golden logs as they lie beside this file: one folder a rules number, one file a log, and a manifest of them all.

A log is its entries' own bytes, one entry a line: no entry has a line break in it. The manifest says of each what its
bytes, its size and its root must be, under which key it is audited, and its last checkpoint as it was signed then.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

import msgspec

from trust.log import merkle

HERE = Path(__file__).parent
MANIFEST = "manifest.json"
SEALED = {"rules-2": "267e134c02bd8b83f750da9cc5c77c064b68288baa614dabb533888e9c15930e"}
"""The SHA-256 of each release's manifest: whoever edits a golden log has to say so here too."""


class Golden(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a log must be; `sha256` is of the whole file, `vkey` the log's first key."""

    holds: str
    file_bytes: int
    sha256: str
    entries: int
    root: str
    vkey: str
    checkpoint: str


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The logs of a release by their files' names."""

    version: str
    rules: int
    logs: dict[str, Golden]


def lines_of(entries: Iterable[bytes]) -> bytes:
    """A log as its file holds it."""
    return b"".join(entry + b"\n" for entry in entries)


def entries_of(path: Path) -> list[bytes]:
    """The entries of a log's file."""
    *entries, rest = path.read_bytes().split(b"\n")
    if rest:
        raise ValueError(f"{path.name} does not end with a whole line")
    return entries


def manifest_of(folder: Path) -> Manifest:
    """A release's manifest."""
    return msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)


def digest(path: Path) -> str:
    """A file's SHA-256 in hex."""
    return sha256(path.read_bytes()).hexdigest()


def root_of(entries: Iterable[bytes]) -> str:
    """The root of the tree over these entries, in hex."""
    tree = merkle.CompactRange()
    for data in entries:
        tree.append(merkle.leaf_hash(data))
    return tree.root().hex()
