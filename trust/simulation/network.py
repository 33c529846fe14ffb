"""A network without a service: a clock, an agenda of what its parties do next, and the real rulebook between them.

Statements are what they would be on a log, named signers included; only the signatures themselves are blank, since
`decide` does not look at them. Draws are proved by the VRF and pools are sealed by their sum tree, as a service does;
the scores are not sealed, since no decision reads that.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from functools import partial
from hashlib import sha256, sha512
from types import MethodType
from typing import Any, TypeVar, cast

import msgspec

from trust.core import payloads as p
from trust.core import rulebook, strict
from trust.core.commands import Incoming, Spoken
from trust.core.entry import Beacon, Draw, Genesis, Seal
from trust.core.envelope import PAYLOAD_TYPE, Envelope, Signature, Signed
from trust.core.events import PoolEpoch, PoolWeight, RelayRegistered, round_id, task_draw
from trust.core.identity import did_of, key_of
from trust.core.policy import Policy
from trust.core.records import Allocation, Claim, Node, Record
from trust.core.rulebook import Decided
from trust.core.rules import panel, shortlists
from trust.core.sampling import sumtree, vrf
from trust.core.sampling.sumtree import Root
from trust.core.state import NEVER, Draft
from trust.log import ed25519
from trust.simulation.memory import TimedState

ORIGIN = "trust.example.org/simulation"
START_MS = 1_700_000_000_000
DAY_MS = 86_400_000
LIFETIME_MS = 60_000
VERIFIERS = "verifiers/"
WORKERS = "workers/", "probation/"
HEAVY_DIVISOR = 10
BLANK = bytes(64)

Act = Callable[[], object]
Hear = Callable[[Decided], None]
R = TypeVar("R", bound=Record)


class Key:
    """A seed and the DID of its public key."""

    def __init__(self, name: str) -> None:
        self.seed = sha256(name.encode()).digest()
        self.did = did_of(ed25519.public_key(self.seed))


class Network:
    """Time, log and state; whoever is among `listeners` is told of each entry once it is folded.

    `log` holds the entries, if asked to. Only pools whose names begin as in `pools` are sealed: those drawn from.
    Draws that are not `proven` are hashes: they are as even, cost a hundredth, and no auditor would take them.
    """

    def __init__(
        self,
        policy: Policy,
        name: str,
        keep_log: bool = False,
        pools: tuple[str, ...] = (VERIFIERS,),
        proven: bool = True,
    ) -> None:
        self.policy = policy
        self.now_ms = START_MS
        self.state = TimedState()
        self.operator, self._draw_key = Key(f"{name}/operator"), Key(f"{name}/draw")
        self.log: list[Decided] = []
        self.keep_log, self.proven = keep_log, proven
        self.listeners: list[Hear] = []
        self._agenda: list[tuple[int, int, Act]] = []
        self._serial = 0
        self._pools: dict[str, _Pool] = {}
        self._drawn_from = pools
        self._found(Key(f"{name}/log"))

    def _found(self, log_key: Key) -> None:
        self.put(
            Genesis(
                format=1,
                network=ORIGIN,
                rules=2,
                log_key=log_key.did,
                draw_key=self._draw_key.did,
                operator=self.operator.did,
                policy=self.policy,
                slow_half_life_ms=60 * DAY_MS,
                fast_half_life_ms=14 * DAY_MS,
                t0_ms=START_MS,
            )
        )

    # -- time

    def after(self, delay_ms: int, act: Act) -> None:
        """Puts an act on the agenda."""
        self._serial += 1
        heapq.heappush(self._agenda, (self.now_ms + delay_ms, self._serial, act))

    def run(self, until: Callable[[], bool], before_ms: int = NEVER) -> None:
        """Lets everything happen in its order, what is due before what is done, until nothing is left to wait for that
        happens before a time."""
        while not until():
            due_ms = self.state.next_due_ms
            due_ms = NEVER if due_ms is None else due_ms
            done_ms = self._agenda[0][0] if self._agenda else NEVER
            if min(due_ms, done_ms) >= before_ms:
                return
            if done_ms < due_ms:
                self.now_ms, _, act = heapq.heappop(self._agenda)
                act()
            else:
                self.now_ms = max(self.now_ms, due_ms)
                self._settle()

    def end(self, before_ms: int) -> None:
        """Lets everything come to its end that does so before a time."""
        self.run(_never, before_ms)

    def close(self) -> None:
        """Forgets who listens and what is planned: nothing happens here any more."""
        self.listeners, self._agenda = [], []

    def fork(self) -> Network:
        """A network that goes on from here by itself; who listens here hears nothing of it. What is planned stays
        behind: see `plan_like`."""
        other = copy(self)
        other.state, other.log = self.state.copy(), self.log.copy()
        other._pools = {name: pool.copy() for name, pool in self._pools.items()}
        other.listeners, other._agenda = [], []
        return other

    def plan_like(self, other: Network, heirs: Mapping[int, object]) -> None:
        """Plans what another network does, done by the heirs of those who do it there (by their `id`). Each act must be
        a partial of a method."""
        heirs = {id(other): self, **heirs}
        self._agenda = [(ms, serial, _inherited(act, heirs)) for ms, serial, act in other._agenda]

    # -- the log

    @property
    def _over(self) -> Draft:
        """Entries are decided right over the state: there is no batch to be dropped."""
        return cast(Draft, self.state)

    def _settle(self) -> None:
        for decided in rulebook.settle(self._over, self.now_ms):
            self._written(decided)

    def put(self, incoming: Incoming) -> Decided:
        """Decides one command now; Refused where the rules say no."""
        if (due_ms := self.state.next_due_ms) is not None and due_ms <= self.now_ms:
            self._settle()
        decided = rulebook.decide(self._over, incoming, self.now_ms)
        self._written(decided)
        return decided

    def say(self, kind: type[p.Payload], *signers: str, **fields: Any) -> Decided:
        """States something as the first of the signers, and returns what came of it."""
        expires_ms = self.now_ms + LIFETIME_MS
        payload = kind(
            network=ORIGIN, actor=signers[0], issued_ms=self.now_ms, expires_ms=expires_ms, **fields
        )
        return self.put(unsigned(payload, signers))

    def register_relay(self, coordinator: str) -> str:
        """Has the operator register a relay of one coordinator; returns its id."""
        registered = self.say(
            p.RelayRegister,
            self.operator.did,
            coordinator,
            name="relay",
            coordinators=(coordinator,),
            threshold=1,
        )
        return next(event.relay for event in registered.events if isinstance(event, RelayRegistered))

    def join(self, did: str, units: int, capabilities: tuple[str, ...] = ()) -> None:
        """Registers an agent and gives it a purse."""
        self.say(p.AgentRegister, did, pow="0", capabilities=capabilities)
        self.deposit(did, units)

    def deposit(self, account: str, units: int) -> None:
        """Has the operator put units on an account."""
        reference = f"r{self.state.size}"
        self.say(p.StakeDeposit, self.operator.did, account=account, amount_units=units, reference=reference)

    def get(self, kind: type[R], id: str) -> R:
        """A record that is there."""
        record = self.state.get(kind, id)
        assert record is not None, f"no {kind.__name__} {id}"
        return record

    def _written(self, decided: Decided) -> None:
        if self.keep_log:
            self.log.append(decided)
        begun = []
        for event in decided.events:
            if isinstance(event, PoolWeight):
                pool = self._pools.setdefault(event.pool, _Pool())
                pool.changes[event.slot] = sumtree.Slot(event.agent, event.house, event.weight)
            elif isinstance(event, PoolEpoch) and event.pool.startswith(self._drawn_from):
                begun.append(event)
        for event in begun:
            self._begin(event)
        for hear in self.listeners:
            hear(decided)

    # -- the service's part

    def draw(self, claim: str) -> None:
        """Makes the draw that a claim awaits."""
        record = self.get(Claim, claim)
        alpha = panel.alpha(self.state, record, record.draw_round)
        self._put_draw(round_id(claim, record.draw_round), record.draw_key, alpha)

    def allot(self, task: str) -> None:
        """Makes the draw of who may claim a task first."""
        record = self.get(Allocation, task)
        self._put_draw(task_draw(task), record.draw_key, shortlists.alpha(self.state, record))

    def _put_draw(self, of: str, draw_key: str, alpha: bytes) -> None:
        pi, beta = (_proof if self.proven else _hash)(self._draw_key.seed, draw_key, alpha)
        self.put(Draw(of=of, beacons=(Beacon(draw_key, pi.hex(), beta.hex()),)))

    def _begin(self, event: PoolEpoch) -> None:
        """Seals a pool as it stands after the entry that began its epoch."""
        pool = self._pools[event.pool]
        self.state.put_all(pool.seal())
        root = pool.root
        counts = root.count, root.total, pool.heavy(), *pool.members()
        seal = Seal(event.pool, event.epoch, event.as_of, root.digest.hex(), *counts)
        self.after(0, partial(self._put_seal, seal))

    def _put_seal(self, seal: Seal) -> None:
        self.put(seal)


def _never() -> bool:
    return False


def _inherited(act: Act, heirs: Mapping[int, object]) -> Act:
    """Returns an act as done by the heir of its actor."""
    method = act.func if isinstance(act, partial) else act
    if not isinstance(act, partial) or not isinstance(method, MethodType):
        raise TypeError("only a partial of a method has an heir")
    return partial(MethodType(method.__func__, heirs[id(method.__self__)]), *act.args)


def _proof(seed: bytes, _: str, alpha: bytes) -> tuple[bytes, bytes]:
    """The VRF's proof and output: whoever made them need not verify them, a replay of the log does."""
    pi = vrf.prove(seed, alpha)
    beta = vrf.proof_to_hash(pi)
    vrf.remember(ed25519.public_key(seed), alpha, pi, beta)
    return pi, beta


def _hash(seed: bytes, draw_key: str, alpha: bytes) -> tuple[bytes, bytes]:
    """Returns hashes in place of the VRF's proof and output, which are taken for verified since nobody who draws
    here lies."""
    beta = sha512(seed + alpha).digest()
    pi = beta + beta[: vrf.PROOF_BYTES - vrf.OUTPUT_BYTES]
    vrf.remember(key_of(draw_key), alpha, pi, beta)
    return pi, beta


class _Pool:
    """A pool's tree as of its last seal, its slots, and what changed since."""

    def __init__(self) -> None:
        self.root: Root = sumtree.EMPTY
        self.changes: dict[int, sumtree.Slot] = {}
        self._slots: dict[int, sumtree.Slot] = {}
        self._nodes: dict[bytes, bytes] = {}

    def copy(self) -> _Pool:
        """Returns a copy of this pool, to go on from by itself."""
        other = _Pool()
        other.root, other.changes = self.root, self.changes.copy()
        other._slots, other._nodes = self._slots.copy(), self._nodes.copy()
        return other

    def seal(self) -> list[Node]:
        """Takes the changes into the tree; returns the nodes that are new."""
        made: dict[bytes, bytes] = {}
        known = self._nodes
        self.root = sumtree.update(self.root, self.changes, known.__getitem__, made.__setitem__)
        known.update(made)
        self._slots.update(self.changes)
        self.changes = {}
        return [Node(id=digest.hex(), data=data) for digest, data in made.items()]

    def members(self) -> tuple[int, int]:
        """How many slots weigh anything, and how many owners they belong to."""
        owners = [slot.owner for slot in self._slots.values() if slot.weight]
        return len(owners), len(set(owners))

    def heavy(self) -> tuple[tuple[str, int], ...]:
        """The owners with more than a tenth of the total (docs/rules.md 6.2)."""
        owned: dict[str, int] = {}
        for slot in self._slots.values():
            owned[slot.owner] = owned.get(slot.owner, 0) + slot.weight
        return tuple(sorted(pair for pair in owned.items() if pair[1] * HEAVY_DIVISOR > self.root.total))


def unsigned(payload: p.Payload, signers: Sequence[str]) -> Spoken:
    """A statement that names its signers, with blank signatures."""
    data = msgspec.json.encode(payload)
    names = tuple(sorted(set(signers)))
    envelope = Envelope(
        PAYLOAD_TYPE, strict.base64_of(data), tuple(Signature(did, _BLANK_BASE64) for did in names)
    )
    signed = Signed(
        payload=data,
        envelope=envelope,
        statement_id="sha256:" + sha256(data).hexdigest(),
        signers=names,
        signatures=(BLANK,) * len(names),
    )
    return Spoken(signed, payload)


_BLANK_BASE64 = strict.base64_of(BLANK)
