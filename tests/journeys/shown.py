"""What a log shows: its files over HTTP, exchanged behind its readers' backs, and the receipts that its key signs."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.audit.networks import ORIGIN, publish, signer
from trust.core.receipt import Receipt
from trust.core.strict import base64_of
from trust.log import merkle
from trust.log.checkpoint import Checkpoint
from trust.log.note import sign_note
from trust.log.proof import encode_proof


class _Quiet(SimpleHTTPRequestHandler):
    def log_request(self, code: object = "-", size: object = "-") -> None:
        return None

    def log_error(self, *args: object) -> None:
        return None


class Shown:
    """A log at an address; `show` makes it another one."""

    def __init__(self, folder: Path, url: str) -> None:
        self._folder = folder
        self.url = url
        self._count = 0

    def show(self, entries: Sequence[bytes]) -> None:
        """From here on the log has these entries, under its own key."""
        self._count += 1
        made = publish(self._folder / str(self._count), entries, signer())
        link = self._folder / "next"
        link.symlink_to(made, target_is_directory=True)
        link.replace(self._folder / "log")


@contextmanager
def showing(folder: Path, entries: Sequence[bytes]) -> Iterator[Shown]:
    """Serves a log over HTTP."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    shown = Shown(folder, f"http://127.0.0.1:{server.server_port}")
    shown.show(entries)
    try:
        yield shown
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def root_of(entries: Sequence[bytes]) -> bytes:
    """The root of the tree over these entries."""
    return merkle.root(len(entries), _tree(entries))


def receipt(entries: Sequence[bytes], index: int) -> Receipt:
    """The receipt of an entry, under a checkpoint over all of these."""
    tree, size = _tree(entries), len(entries)
    note = sign_note(Checkpoint(ORIGIN, size, merkle.root(size, tree)).body(), signer())
    path = merkle.inclusion_proof(index, size, tree)
    return Receipt(index, base64_of(entries[index]), encode_proof(index, path, note).decode())


def _tree(entries: Sequence[bytes]) -> merkle.Node:
    rows = [[merkle.leaf_hash(data) for data in entries]]
    while len(rows[-1]) > 1:
        rows.append(merkle.parents(rows[-1]))
    return lambda level, index: rows[level][index]
