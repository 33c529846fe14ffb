"""A sequencer in a process of its own, without the web part, that is killed while it works; and what it promised."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import msgspec

from tests.services.logs import check_log, check_receipts
from tests.services.statements import Town, created
from trust.core import commands, envelope
from trust.core.commands import Spoken
from trust.core.records import Relay
from trust.services.receipts import Outcome, Receipt
from trust.services.sequencing import Sequencer
from trust.storage.engine import Database
from trust.storage.reading import reading

STEPS = (9, 11, 12, 13)
CYCLE_MS = 4_000
_processes = multiprocessing.get_context(
    "fork"
)  # a life costs no imports; nothing runs beside the test that forks


class Plan(msgspec.Struct, frozen=True):
    """One life of the process: it kills itself the `occurrence`-th time that `step` is done; step 0: it never does."""

    url: str
    directory: str
    cycle: int
    step: int = 0
    occurrence: int = 1


class Ack(msgspec.Struct, frozen=True):
    """What a caller was told: this statement stands at this index, and here is the proof."""

    statement: str
    index: int
    entry: bytes
    path: tuple[bytes, ...]
    checkpoint: bytes

    def receipt(self) -> Receipt:
        return Receipt(self.index, self.entry, self.path, self.checkpoint)


def town_at(cycle: int) -> Town:
    """The same town in each life, some seconds later."""
    town = Town(policy="sandbox")
    town.now_ms += cycle * CYCLE_MS
    return town


class Life:
    """The process: it says things for ever, and writes down what it sent and what it was answered."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.town = town_at(plan.cycle)
        self.database = Database(plan.url)
        self._left = plan.occurrence
        directory = Path(plan.directory)
        self.sent = (directory / "sent").open("ab")
        self.acks = (directory / "acks").open("ab")
        self.sequencer = Sequencer(
            self.database,
            [self.town.log],
            directory / "head",
            now_ms=lambda: self.town.now_ms,
            after_step=self._after_step,
        )

    def _after_step(self, step: int) -> None:
        if step == self.plan.step:
            self._left -= 1
            if not self._left:
                os.kill(os.getpid(), signal.SIGKILL)

    def live(self) -> None:
        with reading(self.database) as reader:
            self.town.relay = next(iter(reader.records(Relay, [founded(Path(self.plan.directory))]))).id
        self.sequencer.start()
        self.say(*unanswered(Path(self.plan.directory)))
        number = 0
        while True:
            number += 1
            self.town.now_ms += 20
            self.round([f"task-{self.plan.cycle}-{number}-{one}" for one in range(5)])

    def round(self, names: list[str]) -> None:
        """Tasks that both workers want; whoever wins delivers."""
        town = self.town
        posted = self.say(*(town.post(name) for name in names))
        asks = [
            town.claim(name, outcome.index, worker)
            for name, outcome in zip(names, posted, strict=True)
            if isinstance(outcome, Receipt)
            for worker in town.workers
        ]
        won = [
            (created(outcome.entry, "claim.opened", "claim"), ask.payload.actor)
            for ask, outcome in zip(asks, self.say(*asks), strict=True)
            if isinstance(outcome, Receipt)
        ]
        workers = {worker.did: worker for worker in town.workers}
        self.say(*(town.output(claim, workers[did]) for claim, did in won))

    def say(self, *statements: Spoken) -> list[Outcome]:
        for statement in statements:
            self.sent.write(envelope.encode(statement.signed.envelope) + b"\n")
        self.sent.flush()
        answers = [self.sequencer.submit([statement]) for statement in statements]
        outcomes = [answer.result()[0] for answer in answers]
        for statement, outcome in zip(statements, outcomes, strict=True):
            self._write_down(statement, outcome)
        return outcomes

    def _write_down(self, statement: Spoken, outcome: Outcome) -> None:
        if isinstance(outcome, Receipt):
            path = tuple(outcome.path)
            ack = Ack(statement.id, outcome.index, outcome.entry, path, outcome.checkpoint)
            self.acks.write(msgspec.json.encode(ack) + b"\n")
            self.acks.flush()


def live(plan: Plan) -> None:
    Life(plan).live()


def start(plan: Plan) -> multiprocessing.process.BaseProcess:
    """A life in another process."""
    process = _processes.Process(target=live, args=(plan,), daemon=True)
    process.start()
    return process


def found(url: str, directory: Path) -> None:
    """Founds the town."""
    town = town_at(0)
    database = Database(url)
    sequencer = Sequencer(database, [town.log], directory / "head", now_ms=lambda: town.now_ms)
    sequencer.open()
    sequencer.create(town.genesis())
    sequencer.start()
    outcomes = sequencer.submit(list(town.founding())).result()
    sequencer.stop()
    database.close()
    assert isinstance(outcomes[-1], Receipt)
    (directory / "relay").write_text(created(outcomes[-1].entry, "relay.registered", "relay"))


def founded(directory: Path) -> str:
    return (directory / "relay").read_text()


def acknowledged(directory: Path) -> list[Ack]:
    """Every answer that was written down whole."""
    return [msgspec.json.decode(line, type=Ack) for line in _lines(directory / "acks")]


def unanswered(directory: Path) -> Iterator[Spoken]:
    """What was sent last and has no receipt: its sender sends it again."""
    answered = {ack.statement for ack in acknowledged(directory)}
    for line in _lines(directory / "sent")[-20:]:
        spoken = commands.parse(line)
        if spoken.id not in answered:
            yield spoken


def check_promises(url: str, directory: Path, *, whole_log: bool) -> int:
    """Nothing that was acknowledged is lost, and there is no fork; returns how many receipts there were."""
    database = Database(url)
    key = town_at(0).log.verifier
    acks = acknowledged(directory)
    check_receipts(database, key, (ack.receipt() for ack in (acks if whole_log else acks[-30:])))
    first: dict[str, int] = {}
    for ack in acks:
        assert first.setdefault(ack.statement, ack.index) == ack.index
    if whole_log:
        check_log(database, key)
    database.close()
    return len(acks)


def _lines(path: Path) -> list[bytes]:
    """The lines of a file but for a last one that was cut."""
    return path.read_bytes().split(b"\n")[:-1] if path.exists() else []
