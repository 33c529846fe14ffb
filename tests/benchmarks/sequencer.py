"""How fast outputs become receipts, against how fast their signatures verify: `python -m tests.benchmarks.sequencer`.

The goal: outputs in batches of 1,000 on SQLite, parsed, verified, decided, appended, committed and proved, at 40 % or
more of the rate at which PyNaCl alone verifies the same signatures on one core.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from time import perf_counter

from tests.benchmarks.outputs import bare_rate
from tests.services.statements import Town, created
from trust.core import envelope
from trust.core.commands import Spoken, parse
from trust.services.receipts import Outcome, Receipt
from trust.services.sequencing import Limits, Sequencer
from trust.services.signature_checks import Verdicts, Verifying
from trust.storage.engine import Database
from trust.storage.migrations import upgrade

BATCH = 1_000
GOAL_PPM = 400_000


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--batches", type=int, default=10)
    options.add_argument("--workers", type=int, default=200)
    options.add_argument("--postgres", action="store_true")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        if chosen.postgres:
            from tests.postgres import Postgres

            server = Postgres()
            measure(server.create(), Path(directory), chosen.batches, chosen.workers)
            server.stop()
        else:
            measure(f"sqlite:///{directory}/trust.db", Path(directory), chosen.batches, chosen.workers)


def measure(url: str, directory: Path, batches: int, workers: int) -> None:
    """Prints the rate of each kind of statement, and how outputs compare with bare verification."""
    upgrade(url)
    database = Database(url)
    town = Town(workers)
    limits = Limits(inbox_statements=10 * BATCH)
    sequencer = Sequencer(database, [town.log], directory / "head", limits=limits, now_ms=lambda: town.now_ms)
    sequencer.open()
    sequencer.create(town.genesis())
    sequencer.start()
    founding = sequencer.submit(list(town.founding())).result()
    town.relay = created(_entries(founding)[-1], "relay.registered", "relay")
    names = [f"task-{number}" for number in range(batches * BATCH)]
    posted = run("posts", sequencer, [town.post(name) for name in names])
    asks = [
        town.claim(name, receipt.index, town.workers[at % workers])
        for at, (name, receipt) in enumerate(zip(names, posted, strict=True))
    ]
    claimed = run("claims", sequencer, asks)
    outputs = [
        town.output(created(receipt.entry, "claim.opened", "claim"), town.workers[at % workers])
        for at, receipt in enumerate(claimed)
    ]
    bare = bare_rate(outputs)
    print(f"{'PyNaCl alone':<16}{bare:>10,.0f}/s")
    before = perf_counter()
    run("outputs", sequencer, outputs)
    rate = len(outputs) / (perf_counter() - before)
    sequencer.stop()
    print(
        f"outputs at {100 * rate / bare:.1f} % of it; the goal is {GOAL_PPM / 10_000:.0f} %; {sequencer.figures}"
    )
    database.close()


def run(name: str, sequencer: Sequencer, statements: Sequence[Spoken]) -> list[Receipt]:
    """Parses, verifies and submits in batches, the next one verified while this one is decided."""
    bodies = [envelope.encode(statement.signed.envelope) for statement in statements]
    verifying = Verifying()
    before = perf_counter()
    futures = []
    checked = None
    for at in range(0, len(bodies), BATCH):
        commands = [parse(body) for body in bodies[at : at + BATCH]]
        verdicts = verifying.verify_many(commands)
        if checked is not None:
            futures.append(_submit(sequencer, *checked))
        checked = commands, verdicts
    assert checked is not None
    futures.append(_submit(sequencer, *checked))
    outcomes = [outcome for future in futures for outcome in future.result()]
    seconds = perf_counter() - before
    verifying.close()
    print(f"{name:<16}{len(statements) / seconds:>10,.0f}/s  {seconds / len(statements) * 1e6:>6.1f} us each")
    return _receipts(outcomes)


def _submit(
    sequencer: Sequencer, commands: list[Spoken], verdicts: Future[Verdicts]
) -> Future[list[Outcome]]:
    assert not any(verdicts.result())
    return sequencer.submit(commands)


def _receipts(outcomes: Sequence[Outcome]) -> list[Receipt]:
    receipts = [outcome for outcome in outcomes if isinstance(outcome, Receipt)]
    assert len(receipts) == len(outcomes), next(each for each in outcomes if not isinstance(each, Receipt))
    return receipts


def _entries(outcomes: Sequence[Outcome]) -> list[bytes]:
    return [receipt.entry for receipt in _receipts(outcomes)]


if __name__ == "__main__":
    main()
