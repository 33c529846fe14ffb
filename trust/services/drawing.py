"""Draws and seals: what the service itself finds due and puts to the rulebook (docs/rules.md 6.1 and 6.2).

The input of the VRF is fixed by the output or the allocation, and a seal by the epoch's entry. So one that is made
twice, or by two replicas, is the same; the second is refused and nothing comes of it. After a restart what waits is
found where it is: in the state.

Where the task's policy names witnesses, a draw waits until they have cosigned a checkpoint that covers what it is for.
Draws give way to callers: a draw has minutes until it is overdue, and costs as much as several statements. But they
give way for a while only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from trust import clock, journal
from trust.core.entry import Beacon, Draw
from trust.core.identity import did_of, key_of
from trust.core.payloads import CLAIM_ID, Did
from trust.core.records import AdoptedPolicy, Task
from trust.core.rules import turns
from trust.core.rules.turns import Awaited
from trust.core.sampling import vrf
from trust.errors import TrustError
from trust.log import ed25519
from trust.services.receipts import Refusal
from trust.services.scoring import view_of
from trust.services.sealing import due_seals
from trust.services.sequencing import Sequencer
from trust.storage.cosigned import CosignedHead, newest
from trust.storage.engine import Database
from trust.storage.reading import Reader, reading

LOOKED_AT = 200
AT_ONCE = 16
"""Draws in one batch: others wait for the head's lock while their panels are seated."""
PATIENCE_MS = 10_000

_log = journal.logger("trust.drawing")


class Brought(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"of": "for"}):
    """The draw that a beacon brings: which one, by which key, and its proof (hex)."""

    of: Annotated[str, Meta(pattern=rf"^(task/[a-z0-9][a-z0-9._-]{{0,63}}|{CLAIM_ID}/[1-9])$(?!\n)")]
    key: Did
    pi: Annotated[str, Meta(pattern=r"^[0-9a-f]{160}$(?!\n)")]


class Drawing:
    """Draws with the keys that this process holds, among them those of earlier claims; `more_seeds` are asked for where
    one is missing. `is_busy` says whether many callers wait for their answers."""

    def __init__(
        self,
        database: Database,
        sequencer: Sequencer,
        seeds: Sequence[bytes],
        is_busy: Callable[[], bool] = lambda: False,
        more_seeds: Callable[[], Sequence[bytes]] = tuple,
    ) -> None:
        self._database = database
        self._sequencer = sequencer
        self._seeds = _by_did(seeds)
        self._more_seeds = more_seeds
        self._missing: set[str] = set()
        self._refused: set[str] = set()
        self._is_busy = is_busy
        self._quiet_ms = clock.monotonic_ms()

    def run(self) -> int:
        """Makes the next few draws that are awaited, unless it gives way; returns how many.

        Their commit is what calls for the next few, so a stop never waits for a backlog.
        """
        draws = [] if self._gives_way() else self._due()
        outcomes = self._sequencer.submit(draws).result() if draws else []
        for draw, outcome in zip(draws, outcomes, strict=True):
            if isinstance(outcome, Refusal):
                self._give_up(draw.of, outcome)
        return len(draws)

    def _gives_way(self) -> bool:
        now_ms = clock.monotonic_ms()
        if not self._is_busy():
            self._quiet_ms = now_ms
            return False
        return now_ms - self._quiet_ms < PATIENCE_MS

    def _due(self) -> list[Draw]:
        with reading(self._database) as reader:
            view = view_of(reader)
            now_ms = clock.now_ms()
            awaited = [
                turns.of_shortlist(view, each, now_ms) for each in reader.awaiting_shortlist(LOOKED_AT)
            ]
            awaited += [turns.of_round(view, each, now_ms) for each in reader.awaiting_draw(LOOKED_AT)]
            ours = {key.id.removeprefix("draw/") for key in reader.service_keys("draw")}
            awaited = [each for each in awaited if each.key in ours]
            self._look_for({each.key for each in awaited} - self._seeds.keys())
            waiting = [each for each in awaited if self._can(each)]
            passed = _Gates(reader).passed(waiting, AT_ONCE)
        return [self._drawn(*each) for each in passed]

    def _can(self, awaited: Awaited) -> bool:
        return awaited.key in self._seeds and awaited.of not in self._refused

    def _look_for(self, missing: set[str]) -> None:
        """A key that was adopted since may lie there by now. One that is missing costs money: that is said once."""
        if missing:
            self._seeds |= _by_did(self._more_seeds())
        for key in missing - self._seeds.keys() - self._missing:
            self._missing.add(key)
            _log.error("a draw is awaited whose key is not here", key=key)

    def _drawn(self, awaited: Awaited, checkpoint: str) -> Draw:
        beacon = turns.beacon(awaited.key, self._seeds[awaited.key], awaited.alpha)
        return Draw(of=awaited.of, beacons=(beacon,), checkpoint=checkpoint)

    def _give_up(self, of: str, refusal: Refusal) -> None:
        """Another replica may have been faster. Any other reason gets no better by trying again."""
        if refusal.code != "no-draw-due":
            self._refused.add(of)
            _log.error("draw refused", draw=of, code=refusal.code, detail=refusal.detail)


class _Gates:
    """Which claims may be drawn, in one snapshot, and the checkpoint that each draw carries: none without witnesses."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._cosigned: dict[int, CosignedHead | None] = {}

    def passed(self, waiting: Sequence[Awaited], limit: int) -> list[tuple[Awaited, str]]:
        """The first draws, at most `limit`, whose entry the witnesses of their task's policy have seen."""
        ready: list[tuple[Awaited, str]] = []
        for start in range(0, len(waiting), limit):
            some = waiting[start : start + limit]
            tasks = self._reader.records(Task, [awaited.task for awaited in some])
            policies = {task.id: task.policy for task in tasks}
            for awaited in some:
                held = self._held(policies[awaited.task])
                if held is None or held.size > awaited.entry:
                    ready.append((awaited, held.note.decode() if held else ""))
            if len(ready) >= limit:
                break
        return ready[:limit]

    def _held(self, policy: int) -> CosignedHead | None:
        """Returns the checkpoint that the witnesses of a policy cosigned; None where it names none."""
        if policy not in self._cosigned:
            [adopted] = self._reader.records(AdoptedPolicy, [str(policy)])
            nothing = CosignedHead(policy, 0, 0, b"") if adopted.terms.witnesses.quorum else None
            self._cosigned[policy] = nothing and (newest(self._reader.connection, policy) or nothing)
        return self._cosigned[policy]


def _by_did(seeds: Sequence[bytes]) -> dict[str, bytes]:
    return {did_of(ed25519.public_key(seed)): seed for seed in seeds}


def bring(database: Database, brought: Brought) -> Draw:
    """The draw that a beacon brings, with the checkpoint that its policy asks for; TrustError where nobody awaits it,
    where it is not this key's turn, or where its proof does not hold: found out before the writer is asked."""
    with reading(database) as reader:
        awaited = turns.named(view_of(reader), brought.of, clock.now_ms())
        if awaited is None:
            raise TrustError("no-draw-due", f"no draw is awaited for {brought.of}")
        if awaited.key != brought.key:
            raise TrustError("bad-draw", f"{brought.of} is drawn by {awaited.key} now")
        passed = _Gates(reader).passed([awaited], 1)
    if not passed:
        raise TrustError("no-draw-due", f"{brought.of} waits for its witnesses")
    try:
        pi = bytes.fromhex(brought.pi)
        beta = vrf.verify(key_of(brought.key), awaited.alpha, pi)
    except ValueError as error:
        raise TrustError("bad-draw", f"the VRF proof does not hold: {error}") from error
    vrf.remember(key_of(brought.key), awaited.alpha, pi, beta)
    return Draw(
        of=brought.of, beacons=(Beacon(brought.key, brought.pi, beta.hex()),), checkpoint=passed[0][1]
    )


def seal_pools(database: Database, sequencer: Sequencer) -> int:
    """Seals every pool whose epoch has begun; returns how many there were."""
    seals = due_seals(database)
    if seals:
        for seal, outcome in zip(seals, sequencer.submit(seals).result(), strict=True):
            if isinstance(outcome, Refusal) and outcome.code != "no-seal-due":
                _log.error("seal refused", pool=seal.of, code=outcome.code, detail=outcome.detail)
    return len(seals)
