"""Writes the golden logs of a release: `python -m tests.golden rules-2`. What is there is never written again."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import msgspec

from tests.golden.histories import HISTORIES, History
from tests.golden.releases import HERE, MANIFEST, Golden, Manifest, digest, lines_of, root_of
from trust import __version__
from trust.core.rules.changes import KNOWN
from trust.log.checkpoint import Checkpoint
from trust.log.note import sign_note


def golden(history: History, holds: str) -> Golden:
    """What the manifest says of a history."""
    data, root = lines_of(history.entries), root_of(history.entries)
    body = Checkpoint(history.first.name, len(history.entries), bytes.fromhex(root)).body()
    return Golden(
        holds=holds,
        file_bytes=len(data),
        sha256=sha256(data).hexdigest(),
        entries=len(history.entries),
        root=root,
        vkey=str(history.first.verifier),
        checkpoint=sign_note(body, history.last).decode(),
    )


def write(folder: Path) -> str:
    """Makes every history and writes it into a new folder; returns the manifest's SHA-256."""
    folder.mkdir()
    logs = {}
    for name, make in HISTORIES.items():
        history = make()
        logs[f"{name}.ndjson"] = golden(history, (make.__doc__ or "").strip())
        (folder / f"{name}.ndjson").write_bytes(lines_of(history.entries))
    manifest = Manifest(version=__version__, rules=max(KNOWN), logs=logs)
    (folder / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n")
    return digest(folder / MANIFEST)


def main(arguments: Sequence[str]) -> int:
    """0 when the folder is written, 2 where it may not be."""
    name = f"rules-{max(KNOWN)}"
    if list(arguments) != [name]:
        print(f"this code decides by rules {max(KNOWN)}: it writes {name} and nothing else", file=sys.stderr)
        return 2
    if (HERE / name).exists():
        print(f"{name} is written already: golden logs are never written again", file=sys.stderr)
        return 2
    print(f'written; tests/golden/releases.py must say: "{name}": "{write(HERE / name)}"')
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
