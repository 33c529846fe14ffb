"""Networks with a past: hours of work, checks and lies, played by the rulebook into a database in a few seconds."""

from __future__ import annotations

import random
from pathlib import Path

from tests.core.flows import Scene
from tests.core.network import ORIGIN, Net
from tests.core.terms import EXACT, policy_of
from tests.services.statements import Party
from tests.storage.stores import SqlStore
from trust.core.refusal import Refused
from trust.log.checkpoint import Checkpoint
from trust.log.note import Signer, sign_note
from trust.log.tiles import TreeEdge
from trust.services.genesis import HEAD_FILE
from trust.storage.engine import Database
from trust.storage.reading import reading
from trust.storage.unit import Head, unit

HOUR_MS = 3_600_000
DAY = 24
WORKERS = 9
LIES = 6
"""Of so many cases one is a lie."""


def played(database: Database, since_ms: int, hours: int, cases: int) -> Scene:
    """A network that lived for so many hours, with about so many cases an hour, most of them by day."""
    net = Net(policy_of(), SqlStore(database))
    net.now_ms = since_ms
    net.autoflush = False
    town, chance = Scene(net, kinds=(EXACT,)), random.Random(hours)
    workers = [net.join(f"hand {number}", 50_000, capabilities=(EXACT,)) for number in range(WORKERS)]
    net.deposit(town.requester.did, 10**9)
    net.autoflush = True
    net.flush()
    for hour in range(hours):
        net.now_ms = max(net.now_ms, since_ms + hour * HOUR_MS)
        for number in range(chance.randint(0, 2 * cases) if hour % DAY >= DAY // 3 else chance.randint(0, 1)):
            net.now_ms += chance.randrange(HOUR_MS // (4 * cases))
            town.worker = chance.choice(workers)
            _case(town, f"review-{hour}-{number}", chance)
    net.tick(max(0, since_ms + hours * HOUR_MS - net.now_ms))
    net.flush()
    return town


def _case(town: Scene, task: str, chance: random.Random) -> None:
    """A task from its post to its end; in jail nobody claims."""
    try:
        claim = town.submitted(task)
        town.net.draw(claim)
        if town.seats(claim):
            town.open(claim)
            town.judge(claim, "pass" if chance.randrange(LIES) else "fail")
        town.window_over(claim)
    except Refused:
        return


def signed(database: Database, directory: Path) -> None:
    """Makes the tree over the entries of a database, and signs its head, so that a service goes on with it."""
    with reading(database) as reader:
        head = reader.head()
        hashes = [each.leaf_hash for each in reader.entries(0, head.size)]
    edge = TreeEdge()
    tiles = edge.append_many(hashes)
    note = sign_note(Checkpoint(ORIGIN, head.size, edge.root()).body(), Signer(ORIGIN, Party("log").seed))
    with unit(database) as writing:
        writing.append([], tiles, Head(head.size, head.at_ms, edge.root(), note))
    (directory / HEAD_FILE).write_bytes(note)
