"""A small network in memory: the rulebook decides, a tree grows, and the log comes out as files of C2SP tlog-tiles."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

import msgspec

from tests.core.scores import seal_over
from trust.core import commands, envelope, rawsums, rulebook, scorebook
from trust.core.commands import Incoming, Spoken
from trust.core.entry import Beacon, Draw, Genesis, Seal
from trust.core.identity import did_of
from trust.core.payloads import (
    AgentRegister,
    Artifact,
    ClaimRequest,
    OutputOpen,
    OutputSubmit,
    Payload,
    RelayRegister,
    StakeDeposit,
    TaskPost,
    VerifierEnroll,
    VoteCommit,
    VoteReveal,
)
from trust.core.policy import Policy
from trust.core.policy import parse as parse_policy
from trust.core.records import Claim, Node, Party, Pool, Record, Round, Score, Seat, Slot, Timer
from trust.core.rulebook import Decided
from trust.core.rules import panel
from trust.core.rules.votes import commitment
from trust.core.sampling import sumtree, vrf
from trust.core.state import Draft, MemoryState, timer_order
from trust.core.strict import base64_of
from trust.log import ed25519, merkle
from trust.log.checkpoint import Checkpoint
from trust.log.note import Signer, sign_note
from trust.log.tiles import TILE_HEIGHT, TILE_WIDTH, TilePath, TreeEdge, encode_bundle
from trust.settings import shipped
from trust.storage.sealing import heavy_owners, members

R = TypeVar("R", bound=Record)
ORIGIN = "trust.example.org/audited"
T0_MS = 1_700_000_000_000
DAY_MS = 86_400_000
KIND = "code-review"
EMPTY_SHA256 = sha256().hexdigest()
NAMES: dict[str, str] = {}


class QuickState(MemoryState):
    """The same for logs of many thousand entries: timers in order, and at hand what the service has to act on."""

    def __init__(self) -> None:
        super().__init__()
        self.pools: dict[str, Pool] = {}
        self.slots: dict[str, Slot] = {}
        self.scores: dict[str, Score] = {}
        self.left: dict[str, Party] = {}
        self.awaiting_draw: dict[str, Claim] = {}
        self._order: list[tuple[int, str, str]] = []

    def timers(self, limit: int) -> list[Timer]:
        return [Timer(id=id, due_ms=due_ms, kind=kind) for due_ms, kind, id in self._order[:limit]]

    def absorb(self, child: Draft) -> None:
        for (kind, id), record in child.writes.items():
            if kind is Timer:
                self._reschedule(id, record)
            elif isinstance(record, Pool):
                self.pools[id] = record
            elif isinstance(record, Slot):
                self.slots[id] = record
            elif isinstance(record, Score):
                self.scores[id] = record
            elif isinstance(record, Party) and record.left:
                self.left[id] = record
            elif isinstance(record, Claim):
                self.awaiting_draw.pop(id, None)
                if record.draw_round:
                    self.awaiting_draw[id] = record
        super().absorb(child)

    def _reschedule(self, id: str, record: Record | None) -> None:
        if isinstance(before := self.records.get((Timer, id)), Timer):
            del self._order[bisect_left(self._order, timer_order(before))]
        if isinstance(record, Timer):
            insort(self._order, timer_order(record))


@cache
def seed_of(name: str) -> bytes:
    """The private key of whoever is called this."""
    return sha256(name.encode()).digest()


@cache
def did(name: str) -> str:
    """The DID of whoever is called this."""
    made = did_of(ed25519.public_key(seed_of(name)))
    NAMES[made] = name
    return made


def signer(name: str = "log", origin: str = ORIGIN) -> Signer:
    """The log's note key."""
    return Signer(origin, seed_of(name))


@cache
def policy(name: str = "sandbox") -> Policy:
    """A shipped policy without proof of work."""
    terms = parse_policy((shipped("policies") / f"{name}.toml").read_text(encoding="utf-8"))
    registration = msgspec.structs.replace(terms.registration, pow_bits=0)
    return msgspec.structs.replace(terms, registration=registration)


class World:
    """One network, its state and its log. Time moves only by `wait`."""

    def __init__(self, terms: Policy | None = None, origin: str = ORIGIN) -> None:
        self.origin = origin
        self.state = QuickState()
        self.edge = TreeEdge()
        self.entries: list[bytes] = []
        self.now_ms = T0_MS
        self.proofs: list[tuple[bytes, bytes, bytes]] = []
        """The public key, input and proof of each draw."""
        self._serial = 0
        genesis = Genesis(
            format=1,
            network=origin,
            rules=2,
            log_key=did("log"),
            draw_key=did("draw"),
            operator=did("operator"),
            policy=terms or policy(),
            slow_half_life_ms=60 * DAY_MS,
            fast_half_life_ms=14 * DAY_MS,
            t0_ms=T0_MS,
        )
        self.decide(genesis)

    # -- the log

    def decide(self, incoming: Incoming) -> Decided:
        """Puts a command to the rulebook at the time that it is, and logs it after what was due."""
        self.settle()
        draft = Draft(self.state)
        decided = rulebook.decide(draft, incoming, self.now_ms)
        self._log([decided], draft)
        return decided

    def settle(self) -> None:
        """Logs what is due."""
        draft = Draft(self.state)
        decided = list(rulebook.settle(draft, self.now_ms))
        if decided:
            self._log(decided, draft)

    def wait(self, ms: int) -> None:
        """Lets time pass, one due item at a time, then seals and draws what awaits it."""
        until_ms = self.now_ms + ms
        while (first := self.state.timers(1)) and first[0].due_ms <= until_ms:
            self.now_ms = max(self.now_ms, first[0].due_ms)
            self.settle()
            self.serve()
        self.now_ms = until_ms

    def _log(self, decided: Sequence[Decided], draft: Draft) -> None:
        self.state.absorb(draft)
        self.entries += [each.data for each in decided]
        self.edge.append_many([merkle.leaf_hash(each.data) for each in decided])

    # -- what the service does by itself

    def serve(self) -> None:
        """Seals every pool whose epoch began and makes every draw that is awaited."""
        for pool in list(self.state.pools.values()):
            if pool.epoch > pool.sealed_epoch:
                self.decide(self.seal(pool))
        for claim in list(self.state.awaiting_draw.values()):
            self.decide(self.draw(claim))

    def seal(self, pool: Pool) -> Seal:
        """The seal that this pool awaits; in these worlds nothing changes between an epoch and its seal."""
        if pool.id == scorebook.POOL:
            return seal_over(pool, self._rows())
        slots = {slot.number: slot for slot in self.state.slots.values() if slot.pool == pool.id}
        nodes: dict[bytes, bytes] = {}
        ordered = [sumtree.Slot(slot.agent, slot.owner, slot.weight) for _, slot in sorted(slots.items())]
        root = sumtree.build(ordered, nodes.__setitem__)
        self.state.put_all(Node(digest.hex(), data) for digest, data in nodes.items())
        told = root.digest.hex(), root.count, root.total, heavy_owners(slots, root.total), *members(slots)
        return Seal(pool.id, pool.epoch, pool.as_of, *told)

    def _rows(self) -> list[scorebook.Row]:
        scored = self.state.scores.values()
        return [
            *(scorebook.scored(each, each.events, rawsums.stored(each)) for each in scored),
            *(
                scorebook.Row(party.id, scorebook.PARTY, left=party.left)
                for party in self.state.left.values()
            ),
        ]

    def draw(self, claim: Claim) -> Draw:
        """The draw that this claim awaits."""
        alpha = panel.alpha(self.state, claim, claim.draw_round)
        pi = vrf.prove(seed_of("draw"), alpha)
        self.proofs.append((ed25519.public_key(seed_of("draw")), alpha, pi))
        beta = vrf.proof_to_hash(pi).hex()
        beacon = Beacon(key=did("draw"), pi=pi.hex(), beta=beta)
        return Draw(of=f"{claim.id}/{claim.draw_round}", beacons=(beacon,))

    # -- what parties say

    def statement(
        self, kind: type[Payload], actor: str, signers: Sequence[str] = (), **fields: Any
    ) -> Spoken:
        """A signed statement of `actor` and, where named, others."""
        self._serial += 1
        issued_ms = self.now_ms
        payload = kind(
            network=self.origin,
            actor=did(actor),
            issued_ms=issued_ms,
            expires_ms=issued_ms + 600_000,
            **fields,
        )
        seeds = [seed_of(name) for name in dict.fromkeys((actor, *signers))]
        return commands.parse(envelope.sign(msgspec.json.encode(payload), seeds))

    def say(self, kind: type[Payload], actor: str, signers: Sequence[str] = (), **fields: Any) -> Decided:
        """Puts such a statement on the log."""
        return self.decide(self.statement(kind, actor, signers, **fields))

    def register(self, name: str, *, deposit: int = 0, verifies: bool = False) -> None:
        """An agent, its money, and its enrolment."""
        self.say(AgentRegister, name, capabilities=(KIND,), pow="0")
        if deposit:
            self.deposit(did(name), deposit)
        if verifies:
            self.say(VerifierEnroll, name, task_kinds=(KIND,), stake_units=2_000)

    def deposit(self, account: str, units: int) -> None:
        """Money from outside."""
        self._serial += 1
        self.say(
            StakeDeposit, "operator", account=account, amount_units=units, reference=f"dep-{self._serial}"
        )

    def relay(self, name: str = "relay") -> str:
        """A relay of one coordinator; returns its id."""
        decided = self.say(
            RelayRegister, "operator", [name], name=name, coordinators=(did(name),), threshold=1
        )
        return str(msgspec.json.decode(decided.data)["events"][0]["relay"])

    def post(self, requester: str, task: str, **fields: Any) -> int:
        """A task of price 100; returns its index."""
        terms: dict[str, Any] = {
            "price_units": 100,
            "deadline_ms": self.now_ms + 3_600_000,
            "spec_sha256": EMPTY_SHA256,
        }
        return self.say(TaskPost, requester, task=task, task_kind=KIND, **(terms | fields)).index

    def claim(self, worker: str, task: str, index: int, relay: str, stake: int = 200) -> str:
        """A claim; returns its id."""
        decided = self.say(
            ClaimRequest, worker, ["relay"], task=task, task_index=index, relay=relay, stake_units=stake
        )
        return str(msgspec.json.decode(decided.data)["events"][0]["claim"])

    def output(self, worker: str, claim: str) -> None:
        """An output of one file."""
        artifact = Artifact(name="findings.json", sha256=EMPTY_SHA256, size_bytes=0)
        self.say(OutputSubmit, worker, claim=claim, artifacts=(artifact,))

    def check(self, worker: str, claim: str, verdict: Callable[[str], Literal["pass", "fail"]]) -> None:
        """Opens the output; every seat of its panel commits to and reveals what `verdict` says of its name."""
        self.say(OutputOpen, worker, claim=claim)
        self.judge(claim, verdict)

    def judge(self, claim: str, verdict: Callable[[str], Literal["pass", "fail", ""]]) -> None:
        """Every seat commits to and reveals what `verdict` says of its name; "" commits and keeps silent."""
        seats = [self.need(Seat, id) for id in self.panel(claim).seats]
        votes = [self._vote(seat, verdict(NAMES[seat.agent]) or "pass") for seat in seats]
        for name, vote in votes:
            said = cast(VoteReveal, vote.payload)
            digest = commitment(self.origin, said.seat, said.actor, said)
            self.say(VoteCommit, name, seat=said.seat, commitment=digest)
        for name, vote in votes:
            if verdict(name):
                self.decide(vote)

    def panel(self, claim: str) -> Round:
        """A claim's last panel."""
        return self.need(Round, f"{claim}/{self.need(Claim, claim).round}")

    def _vote(self, seat: Seat, verdict: Literal["pass", "fail"]) -> tuple[str, Spoken]:
        name = NAMES[seat.agent]
        salt = base64_of(sha256(seat.id.encode()).digest())
        return name, self.statement(VoteReveal, name, seat=seat.id, verdict=verdict, salt=salt)

    def need(self, kind: type[R], id: str) -> R:
        """A record that is there."""
        record = self.state.get(kind, id)
        assert record is not None
        return record

    # -- what others get to see

    def checkpoint(self) -> bytes:
        """The signed note over the log as it is."""
        body = Checkpoint(self.origin, self.edge.size, self.edge.root()).body()
        return sign_note(body, signer(origin=self.origin))

    def publish(self, folder: Path) -> Path:
        """The log as static files."""
        return publish(folder, self.entries, signer(origin=self.origin))


def publish(folder: Path, entries: Sequence[bytes], key: Signer) -> Path:
    """Any entries as a log of static files: checkpoint, entry bundles, hash tiles of every level."""
    rows = [[merkle.leaf_hash(data) for data in entries]]
    while len(rows[-1]) > 1:
        rows.append(merkle.parents(rows[-1]))
    size = len(entries)
    root = merkle.root(size, lambda level, index: rows[level][index])
    _write(folder / "checkpoint", sign_note(Checkpoint(key.name, size, root).body(), key))
    for n, start in enumerate(range(0, size, TILE_WIDTH)):
        bundle = entries[start : start + TILE_WIDTH]
        _write(folder / str(TilePath(None, n, len(bundle))), encode_bundle(bundle))
    for level in range(0, len(rows), TILE_HEIGHT):
        row = rows[level]
        for n, start in enumerate(range(0, len(row), TILE_WIDTH)):
            hashes = row[start : start + TILE_WIDTH]
            _write(folder / str(TilePath(level // TILE_HEIGHT, n, len(hashes))), b"".join(hashes))
    return folder


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
