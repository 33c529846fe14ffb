"""Drawing a panel of 15 and as many alternates from a sealed pool that lies in SQLite, and the longest shortlist.

Each draw begins with nothing in memory and another beta: the nodes of the pool's tree, and the verifiers that it comes
upon, come from the database. What a draw reads are nodes by their digest and parties by their DID, so the log's length
does not show; the pool's size does by the height of its tree. The longest shortlist is the one that comes upon nobody
who may claim and looks at as many slots as it may.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from itertools import count
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

from tests.benchmarks.table import Row, at_most, figure
from tests.services.houses import House
from tests.services.statements import KIND, Town
from trust import clock, interpreter_tuning
from trust.core import ledger
from trust.core.policy import Policy
from trust.core.records import Account, Claim, Node, Party, Relay, SealedPool, Task
from trust.core.rules import panel
from trust.core.rules.decision import Decision
from trust.core.sampling import shortlist, sumtree
from trust.core.sampling.draw import Stream
from trust.core.sampling.sumtree import Root, Slot
from trust.storage import bulk
from trust.storage.engine import Database
from trust.storage.migrations import upgrade
from trust.storage.reading import Reader, reading
from trust.storage.rows import CODECS
from trust.storage.sealing import store
from trust.storage.state import SqlView
from trust.storage.unit import aside

POOLS = ((100_000, 20.0), (1_000_000, 300.0))
"""Verifiers, and in how many ms a panel is to be drawn from them."""
SEATS = 15
ROUNDS = 40
CHUNK = 50_000
FREE_UNITS = 1_000_000


def run(quick: bool) -> list[Row]:
    """A panel from each pool, and the longest shortlist from the smaller one."""
    rows: list[Row] = []
    for verifiers, goal_ms in POOLS[: 1 if quick else None]:
        with _pool(verifiers) as (database, policy, root):
            took_ms = _drawn_ms(database, _panel(policy, root))
            name = f"a panel of {SEATS} and {SEATS} alternates from {verifiers:,} verifiers"
            rows.append(at_most(name, f"{took_ms:.1f} ms", f"{goal_ms:g} ms", took_ms / goal_ms))
            if verifiers == POOLS[0][0]:
                rows.append(_longest(database, root, took_ms))
    return rows


def _longest(database: Database, root: Root, panel_ms: float) -> Row:
    took_ms = _drawn_ms(database, lambda d, stream: _nobody(d, root, stream))
    name = f"a shortlist for which nobody of {root.count:,} may claim"
    return figure(name, f"{took_ms:.1f} ms", f"the panel, {panel_ms:.1f} ms", took_ms / panel_ms)


@contextmanager
def _pool(verifiers: int) -> Iterator[tuple[Database, Policy, Root]]:
    """A network in whose state so many verifiers stand, with the nodes of the tree over them."""
    with TemporaryDirectory() as name:
        directory = Path(name)
        upgrade(url := f"sqlite:///{directory / 'trust.db'}")
        interpreter_tuning.tune()
        database = Database(url)
        town = Town(2, start_ms=clock.now_ms() - 3_600_000)
        House(database, directory, town).found()
        yield database, town.policy, _settle(database, verifiers)
        database.close()


def _settle(database: Database, verifiers: int) -> Root:
    dids = [f"did:key:z6Mk{sha256(b'%d' % number).hexdigest()[:44]}" for number in range(verifiers)]
    nodes: dict[bytes, bytes] = {}
    slots = (Slot(did, did, 1 + number % 10_000) for number, did in enumerate(dids))
    root = sumtree.build(slots, nodes.__setitem__)
    for start in range(0, verifiers, CHUNK):
        with aside(database) as connection:
            for record in (_party, _account):
                made = [record(did) for did in dids[start : start + CHUNK]]
                codec = CODECS[type(made[0])]
                bulk.insert(connection, codec.table, list(map(codec.to_row, made)))
    with aside(database) as connection:
        store(connection, [Node(digest.hex(), data) for digest, data in nodes.items()])
    return root


def _party(did: str) -> Party:
    return Party(did, did, did, "", (), 0, 1, enrolled=((KIND, 0),))


def _account(did: str) -> Account:
    return Account(ledger.free(did), FREE_UNITS)


def _panel(policy: Policy, root: Root) -> Callable[[Decision, Stream], None]:
    """A draw of a panel for a claim that nobody of the pool has a part in."""
    task = Task("t", "did:r", KIND, 1, 1, "claimed", 0, 0, 0, 0, 0, 0, "", "", 0, 0, "", "")
    claim = Claim("c", "t", "did:w", "relay", 1, "checking", 0, 0, 0, 0, "", "pool", "own", 0, draw_round=1)
    sealed = SealedPool("pool", "pool", 1, 1, root.digest.hex(), root.count, root.total, ())

    def draw(d: Decision, stream: Stream) -> None:
        for record in (task, claim, sealed, Relay("relay", "relay", (), 0, 1)):
            d.put(record)
        bench = panel._Bench(d, claim, task, stream)
        seated = [bench.next() for _ in range(2 * SEATS)]
        assert None not in seated

    return draw


def _nobody(d: Decision, root: Root, stream: Stream) -> None:
    def node(digest: bytes) -> bytes:
        return d.need(Node, digest.hex()).data

    def accept(agent: str, lane: bool) -> bool:
        return d.need(Party, agent).left != "" and lane

    source = shortlist.Sealed(stream, root, root, node, accept)
    assert source.next(lane=True) is None
    assert source.next(lane=False) is None


def _drawn_ms(database: Database, draw: Callable[[Decision, Stream], None]) -> float:
    serial = count()

    def once(reader: Reader) -> float:
        d = Decision(SqlView(reader.connection, reader.head()), b"", reader.head().at_ms + 86_400_000 * 365)
        begun = perf_counter()
        draw(d, Stream(sha256(b"%d" % next(serial)).digest(), panel.LABEL))
        return (perf_counter() - begun) * 1_000

    with reading(database) as reader:
        return median(once(reader) for _ in range(ROUNDS))
