"""What reading costs: proofs of a log of a million entries, and writing while others read.

- Proofs: our own processor time for one, out of the tables as the service reads them. The million leaf hashes are made
  up: a proof is the same whatever they are of.
- Reads beside writes: outputs in batches over HTTP while readers fetch full tiles and proofs at a fixed rate, against
  the same without them, in turns, so that what else the machine does falls on both. Reading must not slow writing by
  more than 5 %.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import monotonic, perf_counter, process_time

from tests.benchmarks.filling import FilledLog
from tests.benchmarks.outputs import BATCH, post_all, posted
from tests.benchmarks.served import Served
from tests.benchmarks.table import Row, at_least, at_most, figure
from trust.log import merkle
from trust.log.tiles import TILE_WIDTH, TreeEdge
from trust.storage.engine import Database
from trust.storage.migrations import upgrade
from trust.storage.reading import Reader, reading
from trust.storage.unit import Head, StoredEntry, unit

SIZE = 1_000_000
CHUNK = 65_536
PROOFS = 500
GOAL_MS = 1.0
READS_PER_S = 40
WARM_BATCHES = 2
BATCHES_A_TURN = 2


def run(quick: bool) -> list[Row]:
    """All rows."""
    return [*proofs(), *beside_writes(4 if quick else 12)]


# -- proofs


def proofs(size: int = SIZE) -> list[Row]:
    """Processor time of one proof of each kind."""
    with TemporaryDirectory() as folder:
        database = _synthetic(f"sqlite:///{folder}/trust.db", size)
        chance = random.Random(size)
        indices = [chance.randrange(size) for _ in range(PROOFS)]
        rows = [
            _timed("inclusion proof", size, database, indices, _inclusion),
            _timed("consistency proof", size, database, [index + 1 for index in indices], _consistency),
        ]
        database.close()
    return rows


def _synthetic(url: str, size: int) -> Database:
    """A log whose tree has this size: its full tiles, and the leaves at its edge."""
    upgrade(url)
    database, edge = Database(url), TreeEdge()
    for start in range(0, size, CHUNK):
        end = min(start + CHUNK, size)
        hashes = [sha256(b"%d" % index).digest() for index in range(start, end)]
        tiles = edge.append_many(hashes)
        first = size - size % TILE_WIDTH
        entries = [
            StoredEntry(at, 0, "made up", b"", hashes[at - start]) for at in range(max(start, first), end)
        ]
        with unit(database) as writing:
            writing.append(entries, tiles, Head(end, 0, edge.root(), b""))
    return database


def _inclusion(reader: Reader, head: Head, index: int) -> None:
    merkle.inclusion_proof(index, head.size, reader.nodes(head.size))


def _consistency(reader: Reader, head: Head, old: int) -> None:
    merkle.consistency_proof(old, head.size, reader.nodes(head.size))


def _timed(
    what: str,
    size: int,
    database: Database,
    places: Sequence[int],
    prove: Callable[[Reader, Head, int], None],
) -> Row:
    spent_ms = []
    for place in places:
        with reading(database) as reader:
            head = reader.head()
            begun = process_time()
            prove(reader, head, place)
            spent_ms.append((process_time() - begun) * 1_000)
    typical = median(spent_ms)
    return at_most(
        f"{what} at {size:,} entries, own CPU, median of {len(places)}",
        f"{typical:.2f} ms (slowest {max(spent_ms):.2f})",
        f"{GOAL_MS:g} ms",
        typical / GOAL_MS,
    )


# -- reads beside writes


def beside_writes(turns: int) -> list[Row]:
    """The rate of writing with readers against that without."""
    with TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/trust.db"
        filled = FilledLog(url, Path(folder))
        bodies = [posted(filled.outputs(BATCH)) for _ in range(WARM_BATCHES + 2 * turns * BATCHES_A_TURN)]
        filled.close()
        alone, beside, reads = [], [], 0
        with Served(filled.town, Path(folder), url) as service:
            post_all(service, bodies[:WARM_BATCHES])
            for start in range(WARM_BATCHES, len(bodies), 2 * BATCHES_A_TURN):
                middle = start + BATCHES_A_TURN
                alone.append(_rate(service, bodies[start:middle]))
                with _readers(service) as done:
                    beside.append(_rate(service, bodies[middle : middle + BATCHES_A_TURN]))
                reads += len(done)
    with_readers, without = median(beside), median(alone)
    what = f"outputs written beside {READS_PER_S} full tiles and proofs a second"
    return [
        at_least(what, f"{with_readers:,.0f}/s", f"alone {without:,.0f}/s", with_readers / without, 0.95),
        figure("reads answered meanwhile", f"{reads:,}", f"{turns} turns", reads / turns),
    ]


def _rate(service: Served, bodies: Sequence[bytes]) -> float:
    begun = perf_counter()
    post_all(service, bodies)
    return len(bodies) * BATCH / (perf_counter() - begun)


@contextmanager
def _readers(service: Served) -> Iterator[list[str]]:
    """Reads at a fixed rate until the end; gives the paths that were answered."""
    over, done = threading.Event(), list[str]()

    def read() -> None:
        connection, begun, chance = service.connect(), monotonic(), random.Random(7)
        while not over.wait(max(0.0, begun + len(done) / READS_PER_S - monotonic())):
            path = _path(len(done), chance)
            connection.request("GET", path)
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 200, path
            done.append(path)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield done
    finally:
        over.set()
        reader.join()


def _path(number: int, chance: random.Random) -> str:
    """Hash tiles, entry bundles, inclusion and consistency proofs, in turns."""
    index = chance.randrange(2 * BATCH)
    tile = index // TILE_WIDTH
    paths = (
        f"/log/tile/0/{tile:03}",
        f"/log/tile/entries/{tile:03}",
        f"/log/proof/inclusion?index={index}",
        f"/log/proof/consistency?from={index + 1}",
    )
    return paths[number % len(paths)]
