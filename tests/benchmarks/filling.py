"""Logs of a given size, made through the sequencer itself: what is on them is decided, only nobody signed it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from tests.services.houses import House
from tests.services.statements import Party, Town, created
from trust import clock, interpreter_tuning
from trust.core import envelope, payloads
from trust.core.commands import Spoken
from trust.core.strict import base64_of
from trust.storage.engine import Database
from trust.storage.migrations import upgrade

BATCH = 1_000
DAY_MS = 86_400_000
HEAD_START_MS = 600_000
NOT_SIGNED = base64_of(bytes(64))


class SilentTown(Town):
    """A town whose statements carry no real signatures, for what never passes `verify`.

    It issues a thousand statements a second by its own clock, and its leases last for half a day.
    """

    def __init__(self, workers: int = 200) -> None:
        super().__init__(workers, policy="standard", start_ms=clock.now_ms() - HEAD_START_MS)
        claims = msgspec.structs.replace(self.policy.claims, lease_ms=DAY_MS // 2)
        self.policy = msgspec.structs.replace(self.policy, claims=claims)
        self.now_ms -= self.policy.verifiers.epoch_ms  # which passes before the verifiers' pool is sealed
        self.signs = False

    def say(
        self, kind: type[payloads.Payload], *signers: Party, actor: Party | None = None, **fields: object
    ) -> Spoken:
        self.now_ms += 1
        if self.signs:
            return super().say(kind, *signers, actor=actor, **fields)
        said = kind(
            network=self.log.name,
            actor=(actor or signers[0]).did,
            issued_ms=self.now_ms,
            expires_ms=self.now_ms + payloads.MAX_LIFETIME_MS - next(self._serial) % 1_000_000,
            **fields,
        )
        signatures = tuple(envelope.Signature(signer.did, NOT_SIGNED) for signer in signers)
        payload = base64_of(msgspec.json.encode(said))
        return Spoken(
            envelope.from_envelope(envelope.Envelope(envelope.PAYLOAD_TYPE, payload, signatures)), said
        )


class FilledLog:
    """A network with verifiers, tasks and claims on its log, and as many more as are asked for."""

    def __init__(self, url: str, directory: Path) -> None:
        upgrade(url)
        interpreter_tuning.tune()
        self.database = Database(url)
        self.town = SilentTown()
        self.house = House(self.database, directory, self.town).found().enlist()
        self._tasks = 0

    @property
    def size(self) -> int:
        """How many entries there are."""
        return self.house.sequencer._edge.size

    def grow(self, entries: int) -> None:
        """Fills up to about this many entries, half of them tasks and half of them claims."""
        while self.size < entries:
            self.house.receipts(*self.asks(min(BATCH, (entries - self.size) // 2 + 1)))

    def asks(self, count: int) -> list[Spoken]:
        """Posts as many tasks, and gives the claims on them that nobody made yet."""
        names = [f"task-{self._tasks + at}" for at in range(count)]
        posted = self.house.receipts(*map(self.town.post, names))
        self._tasks += count
        workers = self.town.workers
        return [
            self.town.claim(name, receipt.index, workers[at % len(workers)])
            for at, (name, receipt) in enumerate(zip(names, posted, strict=True))
        ]

    def signed_claims(self, count: int) -> Iterator[Spoken]:
        """Posts as many tasks, and gives signed claims on them that nobody made yet."""
        for start in range(0, count, BATCH):
            with self._signing():
                yield from self.asks(min(BATCH, count - start))

    def outputs(self, count: int) -> list[Spoken]:
        """Posts and claims as many tasks, and gives the signed outputs that nobody delivered yet."""
        claimed = self.house.receipts(*self.asks(count))
        workers = self.town.workers
        with self._signing():
            return [
                self.town.output(created(receipt.entry, "claim.opened", "claim"), workers[at % len(workers)])
                for at, receipt in enumerate(claimed)
            ]

    @contextmanager
    def _signing(self) -> Iterator[None]:
        self.town.signs = True
        yield
        self.town.signs = False

    def close(self) -> None:
        self.database.close()
