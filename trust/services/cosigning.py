"""Collects the witnesses' cosignatures on the newest checkpoint, and keeps those that make a quorum.

Specified in docs/rules.md 6.1.

A round asks all witnesses at once, at a modest pace, always about the newest head; what a policy's quorum says is
enough is kept in the database, and with it the world is shown that checkpoint and draws may go on. Which witnesses
count, and how many, is the log's to say: the policy in force, and those that claims which wait for their draw pinned.
Where they are asked is the operator's: the setting `witnesses`, or else the addresses in the policy's lines.

A quiet log is cosigned anew: a cosignature says that this was the largest tree at its time, and whoever asks for a
fresh one would believe a log that does not grow to be held back.

Nothing waits for a witness but the draws. Replicas may do this all at once: each asks for itself, and of what they keep
the newest stays. A witness's size is remembered by the process only; after a restart its own 409 tells it.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx
import msgspec

from trust import clock, journal
from trust.core.events import NETWORK
from trust.core.records import AdoptedPolicy, Network, Task
from trust.log import merkle
from trust.log.note import Signature, add_signatures, parse_note
from trust.log.quorum import Key, Quorum, parse_quorum
from trust.services.liveness import Sign, keep_on
from trust.services.notifying import Notifier
from trust.services.witness_requests import CosignatureRequest, NoCosignature, Witness
from trust.storage import faults
from trust.storage.cosigned import CosignedHead, keep, newest, policy_in_force
from trust.storage.engine import Database
from trust.storage.reading import Reader, reading
from trust.storage.unit import Head, aside

LOOK_S = 1.0
LOOKED_AT = 200
STOP_S = 5.0
REFRESH_MS = 30_000
"""A head is cosigned anew after so long, where the log has not grown."""
PATIENCE_MS = 60_000
HELD_SHARE = 4
_log = journal.logger("trust.cosigning")


class WitnessState(msgspec.Struct, frozen=True):
    """How a witness answered last: `cosigned` or what was wrong; `good_ago_ms` since it last cosigned, -1 never."""

    witness: str
    names: tuple[str, ...]
    state: str
    reason: str
    good_ago_ms: int


class QuorumState(msgspec.Struct, frozen=True):
    """How it stands: for how long the newest head has lacked a quorum (0: it has one), and each witness."""

    missing_ms: int
    witnesses: tuple[WitnessState, ...]


@dataclass
class _Asked:
    """A witness, and how it answered."""

    witness: Witness
    names: tuple[str, ...] = ()
    state: str = "unasked"
    reason: str = ""
    good_ms: int | None = None

    def became(self, state: str, reason: str) -> None:
        if state != self.state:
            _log.info("witness", witness=_shown(self.witness.url), state=state, reason=reason)
        self.state, self.reason = state, reason

    def shown(self, now_ms: int) -> WitnessState:
        ago_ms = -1 if self.good_ms is None else now_ms - self.good_ms
        return WitnessState(_shown(self.witness.url), self.names, self.state, self.reason, ago_ms)


class Cosigning:
    """Asks the witnesses at `urls`, or those that the policies name; `on_quorum` is told when one was reached."""

    def __init__(
        self,
        database: Database,
        notifier: Notifier,
        urls: Sequence[str] = (),
        interval_ms: int = 1_000,
        on_quorum: Callable[[], None] = lambda: None,
        refresh_ms: int = REFRESH_MS,
    ) -> None:
        self._database = database
        self._notifier = notifier
        self._urls = tuple(urls)
        self._interval_ms = interval_ms
        self._on_quorum = on_quorum
        self._refresh_ms = refresh_ms
        self._asked: dict[str, _Asked] = {}
        self._collected: dict[Key, Signature] = {}
        self._collected_on = b""
        self._missing_since_ms: int | None = None
        self._held_after_ms = 0
        self._client: httpx.AsyncClient | None = None
        self._runner = asyncio.Runner()
        self.sign = Sign("cosigning", PATIENCE_MS + interval_ms)
        self._size = -1
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="cosigning", daemon=True)

    # -- what others call

    def start(self) -> None:
        """Begins to ask, in a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """Ends after the round that is being made."""
        self._stopping.set()
        self._notifier.nudge()
        if self._thread.is_alive():
            self._thread.join(STOP_S)

    def quorum_state(self) -> QuorumState:
        """How it stands, from any thread."""
        now_ms, since_ms = clock.monotonic_ms(), self._missing_since_ms
        asked = [each.shown(now_ms) for each in tuple(self._asked.values())]
        return QuorumState(0 if since_ms is None else now_ms - since_ms, tuple(asked))

    def holds_claims(self) -> bool:
        """Returns whether a quorum has been missing for so long that a new claim's draw may be overdue, which burns the
        operator's bond: a quarter of the time that the policy gives for a draw (docs/rules.md 3). From any thread.
        """
        since_ms = self._missing_since_ms
        return since_ms is not None and clock.monotonic_ms() - since_ms > self._held_after_ms

    def first_look(self) -> tuple[WitnessState, ...]:
        """Shows the newest head to every witness of the policy in force, and how each answered; before `start`."""

        async def look() -> None:
            with reading(self._database) as reader:
                head = reader.head()
                quorums = _in_force(reader) if head.size else {}
            wanted = self._wanted(head, quorums.values())
            try:
                await asyncio.gather(*(self._ask(asked, wanted) for asked in self._whom(quorums.values())))
            finally:
                if self._client is not None:
                    await self._client.aclose()
                    self._client = None
            self._collected_on = head.root

        with reading(self._database) as reader:
            if not reader.head().size:
                return ()
        asyncio.run(look())
        now_ms = clock.monotonic_ms()
        return tuple(each.shown(now_ms) for each in self._asked.values())

    def round(self) -> None:
        """Asks every witness once about the newest head, where a quorum on it is lacking; one thread only."""
        self._runner.run(self._round())

    def close(self) -> None:
        """Lets go of connections; by the thread that made the rounds."""
        if self._client is not None:
            self._runner.run(self._client.aclose())
        self._runner.close()

    # -- the thread

    def _run(self) -> None:
        try:
            keep_on(self.sign, self._turn, self._stopping.wait)
        finally:
            self.close()

    def _turn(self) -> bool:
        if self._stopping.is_set():
            return False
        self._size = self._notifier.wait(self._size, LOOK_S)
        try:
            self.round()
        except Exception as error:
            if not faults.is_storage_fault(error):
                raise
            self.sign.fail(error)
            _log.warning("cosigning put off", reason=journal.plain(error))
        else:
            self.sign.beat()
        self._stopping.wait(self._interval_ms / 1_000)
        return True

    # -- a round

    async def _round(self) -> None:
        now_ms = clock.now_ms()
        with reading(self._database) as reader:
            head = reader.head()
            missing, stale = _lacking(reader, head, now_ms - self._refresh_ms)
            lacking = missing | stale
            doubted = _in_force(reader) if not lacking and clock.process.doubt() else {}
        if not missing:
            self._missing_since_ms = None
        if not lacking:
            if doubted:  # nothing to cosign, but a witness's clock is worth hearing
                wanted = self._wanted(head, doubted.values())
                await asyncio.gather(*(self._ask(asked, wanted) for asked in self._whom(doubted.values())))
            return
        if missing and self._missing_since_ms is None:
            with reading(self._database) as reader:
                policy = policy_in_force(reader)
            self._held_after_ms = 0 if policy is None else policy.terms.windows.draw_ms // HELD_SHARE
            self._missing_since_ms = clock.monotonic_ms()
        if self._collected_on != head.root:  # what was collected for this very head still counts
            self._collected, self._collected_on = {}, head.root
        if not missing:  # but not for ever
            self._collected = _since(self._collected, now_ms - self._refresh_ms)
        wanted = self._wanted(head, lacking.values())
        await asyncio.gather(*(self._ask(asked, wanted) for asked in self._whom(lacking.values())))
        reached = {number for number, quorum in lacking.items() if self._keep(head, number, quorum)}
        if missing.keys() <= reached:
            self._missing_since_ms = None
        if missing.keys() & reached:
            self._on_quorum()

    def _whom(self, quorums: Iterable[Quorum]) -> list[_Asked]:
        """Whom to ask: whom the operator named, else whoever has an address in the policies."""
        named = [witness.url for quorum in quorums for witness in quorum.witnesses if witness.url]
        urls = list(dict.fromkeys(self._urls or named))
        return [self._asked.setdefault(url, _Asked(Witness(url))) for url in urls]

    def _wanted(self, head: Head, quorums: Iterable[Quorum]) -> CosignatureRequest:
        def proof(old: int) -> list[bytes]:
            with reading(self._database) as reader:
                return merkle.consistency_proof(old, head.size, reader.nodes(head.size)) if old else []

        keys = {witness.key: witness.verifier for quorum in quorums for witness in quorum.witnesses}
        text = parse_note(head.checkpoint)[0]
        now_s = clock.now_ms() // 1_000
        return CosignatureRequest(
            head.size, text, head.checkpoint, proof, keys, now_s, clock.process.note_other
        )

    async def _ask(self, asked: _Asked, wanted: CosignatureRequest) -> None:
        if self._client is None:
            self._client = httpx.AsyncClient(trust_env=False, timeout=None)
        try:
            lines = await asked.witness.cosign(self._client, wanted)
        except NoCosignature as why:
            asked.became(why.word, str(why))
            return
        self._collected.update({(line.name, line.key_id): line for line in lines})
        asked.names, asked.good_ms = tuple(line.name for line in lines), clock.monotonic_ms()
        asked.became("cosigned", "")

    def _keep(self, head: Head, number: int, quorum: Quorum) -> bool:
        """Keeps the checkpoint with the cosignatures of this policy's witnesses, where they are enough."""
        known = {witness.key for witness in quorum.witnesses}
        lines = [line for key, line in self._collected.items() if key in known]
        if not quorum.is_met({(line.name, line.key_id) for line in lines}):
            return False
        note = add_signatures(head.checkpoint, lines)
        with aside(self._database) as connection:
            keep(connection, CosignedHead(number, head.size, clock.now_ms(), note))
        return True


def _since(collected: Mapping[Key, Signature], at_ms: int) -> dict[Key, Signature]:
    return {key: line for key, line in collected.items() if (line.time_s or 0) * 1_000 >= at_ms}


def _lacking(reader: Reader, head: Head, stale_ms: int) -> tuple[dict[int, Quorum], dict[int, Quorum]]:
    """The policies, by number, that lack a cosigned checkpoint, the one in force of this head, others of the last entry
    that waits for its draw; and the one in force, where this head's quorum is from before `stale_ms`."""
    network = reader.record(Network, NETWORK)
    if network is None:
        return {}, {}
    waiting = [(claim.task, claim.output_index) for claim in reader.awaiting_draw(LOOKED_AT)]
    waiting += [(each.id, each.index) for each in reader.awaiting_shortlist(LOOKED_AT)]
    pinned = {task.id: task.policy for task in reader.records(Task, [task for task, _ in waiting])}
    needed: dict[int, int] = {}
    for task, index in waiting:
        needed[pinned[task]] = max(needed.get(pinned[task], 0), index + 1)
    needed[network.policy] = head.size
    missing, stale = {}, {}
    for policy in reader.records(AdoptedPolicy, list(map(str, sorted(needed)))):
        held, number = newest(reader.connection, int(policy.id)), int(policy.id)
        if not policy.terms.witnesses.quorum:
            continue
        if held is None or held.size < needed[number]:
            missing[number] = parse_quorum(policy.terms.witnesses.quorum)
        elif number == network.policy and held.at_ms < stale_ms:
            stale[number] = parse_quorum(policy.terms.witnesses.quorum)
    return missing, stale


def _in_force(reader: Reader) -> dict[int, Quorum]:
    """The policy in force, by its number, where it names witnesses."""
    policy = policy_in_force(reader)
    if policy is None or not policy.terms.witnesses.quorum:
        return {}
    return {int(policy.id): parse_quorum(policy.terms.witnesses.quorum)}


def _shown(url: str) -> str:
    """An address without what may be secret in it."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "not an address"
    return f"{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}"
