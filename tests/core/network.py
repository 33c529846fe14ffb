"""A network for tests of the rulebook: real keys, signatures and draws, no service; it runs over any store of state.

`Net` keeps the clock and plays every part; what it says goes through parsing, signature check and `decide` as it would
in the service. Statements collect in one draft until `flush`, as they do in a batch.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from functools import lru_cache
from hashlib import sha256
from itertools import count
from typing import Any, Protocol, TypeVar

import msgspec
import pytest

from tests.core.scores import rows_of, seal_over
from tests.core.terms import EXACT, JUDGED, policy_of
from tests.core.witnesses import note_of, root_of
from trust.core import commands, envelope, rulebook, scorebook
from trust.core import payloads as p
from trust.core.commands import Incoming, Spoken
from trust.core.entry import Beacon, Draw, Genesis, Seal
from trust.core.events import NETWORK, Event, PoolWeight
from trust.core.identity import did_of
from trust.core.policy import Policy
from trust.core.records import (
    Account,
    AdoptedPolicy,
    Allocation,
    Claim,
    Network,
    Node,
    Pool,
    Record,
    SealedPool,
    Task,
)
from trust.core.refusal import Refused
from trust.core.rulebook import Decided
from trust.core.rules import panel, shortlists
from trust.core.rules.parties import work_bits
from trust.core.sampling import sumtree, vrf
from trust.core.state import Draft, MemoryState, View
from trust.log import ed25519
from trust.log.note import Signer

ORIGIN = "trust.example.org/test"
START_MS = 1_700_000_000_000
DAY_MS = 86_400_000
DIGEST = "0" * 64
R = TypeVar("R", bound=Record)
Records = dict[tuple[type[Record], str], Record]


class Who:
    """Somebody with a key; `did` stays when the key changes."""

    def __init__(self, name: str) -> None:
        self.seed = sha256(name.encode()).digest()
        self.did = did_of(ed25519.public_key(self.seed))


@lru_cache(maxsize=1_024)
def nonce(did: str, bits: int) -> str:
    """Proof of work for a registration in this network."""
    return next(str(n) for n in count() if work_bits(ORIGIN, did, str(n)) >= bits)


@lru_cache(maxsize=4_096)
def _signed(payload: bytes, seeds: tuple[bytes, ...]) -> Spoken:
    """A signed statement, parsed and verified; most networks begin with the same ones."""
    spoken = commands.parse(envelope.sign(payload, seeds))
    rulebook.verify(spoken)
    return spoken


class Store(Protocol):
    """Where state lies between batches."""

    def view(self) -> View: ...
    def absorb(self, draft: Draft, entries: Sequence[Decided]) -> None: ...
    def put_nodes(self, nodes: Sequence[Node]) -> None: ...
    def records(self, *kinds: type[Record]) -> Records: ...


class MemoryStore:
    def __init__(self) -> None:
        self.state = MemoryState()

    def view(self) -> View:
        return self.state

    def absorb(self, draft: Draft, entries: Sequence[Decided]) -> None:
        self.state.absorb(draft)

    def put_nodes(self, nodes: Sequence[Node]) -> None:
        self.state.put_all(nodes)

    def records(self, *kinds: type[Record]) -> Records:
        return self.state.records


class Net:
    """A network with its clock (`now_ms`), its log (`entries`) and its state (`draft`, over the store)."""

    def __init__(self, policy: Policy | None = None, store: Store | None = None) -> None:
        self.store = store or MemoryStore()
        self.entries: list[Decided] = []
        self.now_ms = START_MS
        self.policy = policy or policy_of()
        self.operator, self.log, self.draw_key, self.coordinator = (
            Who(name) for name in ("operator", "log", "draw", "coordinator")
        )
        self.people: dict[str, Who] = {self.operator.did: self.operator}
        self.draw_keys = {self.draw_key.did: self.draw_key}
        self.relay = ""
        self.autoflush = True
        self._flushed = 0
        self._serial = count()
        self.draft = Draft(self.store.view())

    def fork(self) -> Net:
        """Another network with this one's past, in memory."""
        store = MemoryStore()
        store.state.records = dict(self.records())
        store.state.size, store.state.at_ms = self.draft.size, self.draft.at_ms
        other = copy.copy(self)
        other.store, other.entries, other.people = store, list(self.entries), dict(self.people)
        other.draw_keys = dict(self.draw_keys)
        other.draft = Draft(store.view())
        return other

    # -- the write path

    def settle(self) -> list[Decided]:
        """Writes what is due now, and seals the pools whose epoch began."""
        settled = list(rulebook.settle(self.draft, self.now_ms))
        self.entries += settled
        self._flush_if_auto()
        return settled

    def do(self, incoming: Incoming) -> Decided:
        """Decides one command a millisecond later; Refused where the rules say no."""
        self.now_ms += 1
        self.settle()
        return self.decide(incoming)

    def decide(self, incoming: Incoming) -> Decided:
        """Decides one command at this very time, at which everything due is settled."""
        decided = rulebook.decide(self.draft, incoming, self.now_ms)
        self.entries.append(decided)
        self._flush_if_auto()
        return decided

    def _flush_if_auto(self) -> None:
        if self.autoflush:
            self.flush()

    def flush(self) -> None:
        """Gives the store what the draft holds, as at the end of a batch."""
        if self.draft.size > self._flushed:
            self.store.absorb(self.draft, self.entries[self._flushed :])
            self._flushed = self.draft.size
            self.draft = Draft(self.store.view())

    def tick(self, ms: int) -> list[Decided]:
        """Lets time pass, and settles what fell due."""
        self.now_ms += ms
        settled = self.settle()
        self.seal()
        return settled

    def tick_to(self, ms: int) -> list[Decided]:
        """Lets time pass until `ms`."""
        return self.tick(ms - self.now_ms)

    # -- reading

    def get(self, kind: type[R], id: str) -> R:
        record = self.draft.get(kind, id)
        assert record is not None, f"no {kind.__name__} {id}"
        return record

    def records(self, *kinds: type[Record]) -> Records:
        """The whole state, what is not flushed included; at least these kinds, where some are named."""
        everything = dict(self.store.records(*kinds))
        everything.update({key: record for key, record in self.draft.writes.items() if record is not None})
        for key in [key for key, record in self.draft.writes.items() if record is None]:
            everything.pop(key, None)
        return everything

    def all(self, kind: type[R]) -> list[R]:
        """By id: stores keep their rows in orders of their own."""
        found = [record for record in self.records(kind).values() if isinstance(record, kind)]
        return sorted(found, key=lambda record: record.id)

    def balance(self, account: str) -> int:
        record = self.draft.get(Account, account)
        return 0 if record is None else record.balance_units

    def free(self, who: Who) -> int:
        return self.balance(f"agent/{who.did}/free")

    def staked(self, who: Who) -> int:
        """What somebody has in its stake as a verifier."""
        return self.balance(f"verifier/{who.did}/stake")

    # -- saying things

    def statement(
        self,
        kind: type[p.Payload],
        who: Who,
        *others: Who,
        signers: Sequence[Who] | None = None,
        **fields: Any,
    ) -> Spoken:
        """A signed statement, parsed and verified; common fields are filled in where they are not given."""
        issued_ms = fields.setdefault("issued_ms", self.now_ms)
        fields.setdefault("expires_ms", issued_ms + 60_000)
        payload = kind(**{"network": ORIGIN, "actor": who.did, **fields})
        seeds = tuple(each.seed for each in ((who, *others) if signers is None else signers))
        return _signed(msgspec.json.encode(payload), seeds)

    def say(self, kind: type[p.Payload], who: Who, *others: Who, **fields: Any) -> Decided:
        return self.do(self.statement(kind, who, *others, **fields))

    def snapshot(self) -> tuple[Records, list[bytes], int, int]:
        return self.records(), [entry.data for entry in self.entries], self.draft.size, self.draft.at_ms

    def refused(self, code: str, incoming: Incoming) -> Refused:
        """Checks that the rules refuse it with this code now, and that state and log are what they were."""
        self.now_ms += 1
        self.settle()
        before = self.snapshot()
        with pytest.raises(Refused) as caught:
            rulebook.decide(self.draft, incoming, self.now_ms)
        assert caught.value.code == code, f"{caught.value.code}: {caught.value.detail}"
        self._flush_if_auto()
        assert self.snapshot() == before
        return caught.value

    def refuses(self, code: str, kind: type[p.Payload], who: Who, *others: Who, **fields: Any) -> Refused:
        return self.refused(code, self.statement(kind, who, *others, **fields))

    # -- founding

    def found(self, t0_ms: int = START_MS) -> Net:
        """Genesis."""
        genesis = Genesis(
            format=1,
            network=ORIGIN,
            rules=2,
            log_key=self.log.did,
            draw_key=self.draw_key.did,
            operator=self.operator.did,
            policy=self.policy,
            slow_half_life_ms=60 * DAY_MS,
            fast_half_life_ms=14 * DAY_MS,
            t0_ms=t0_ms,
        )
        self.do(genesis)
        return self

    def join(self, name: str, units: int = 5_000, owner: Who | None = None, **fields: Any) -> Who:
        """Registers somebody, with money."""
        who = Who(name)
        self.people[who.did] = who
        work = nonce(who.did, self.policy.registration.pow_bits)
        others = () if owner is None else (owner,)
        self.say(p.AgentRegister, who, *others, pow=work, owner=owner.did if owner else None, **fields)
        if units:
            self.deposit(who.did, units)
        return who

    def deposit(self, account: str, units: int) -> Decided:
        reference = f"ref-{next(self._serial)}"
        return self.say(
            p.StakeDeposit, self.operator, account=account, amount_units=units, reference=reference
        )

    def register_relay(self, coordinators: Sequence[Who], threshold: int, name: str = "relay") -> str:
        decided = self.say(
            p.RelayRegister,
            self.operator,
            *coordinators,
            name=name,
            coordinators=tuple(each.did for each in coordinators),
            threshold=threshold,
        )
        return str(created(decided, "relay"))

    def enroll(self, *verifiers: Who, kinds: tuple[str, ...] = (EXACT, JUDGED), units: int = 3_000) -> None:
        """Enrols verifiers with this stake, and waits until their pools are sealed."""
        for who in verifiers:
            self.say(p.VerifierEnroll, who, task_kinds=kinds, stake_units=units)
        self.tick(self.policy.verifiers.epoch_ms)

    # -- the service's part

    def seal(self) -> list[Decided]:
        """Seals every pool whose epoch began, with its slots as they stood then."""
        due = [pool for pool in self.all(Pool) if pool.epoch > pool.sealed_epoch]
        return [self.decide(self.seal_of(pool)) for pool in due]

    def seal_of(self, pool: Pool) -> Seal:
        if pool.id == scorebook.POOL:
            return seal_over(pool, self.rows(pool.as_of))
        return self._pool_seal(pool)

    def rows(self, as_of: int) -> list[scorebook.Row]:
        """What a seal of scores commits to, as of the first entries."""
        return rows_of(self.entries[:as_of], self.get(Network, NETWORK))

    def _pool_seal(self, pool: Pool) -> Seal:
        slots: dict[int, sumtree.Slot] = {}
        for entry in self.entries[: pool.as_of]:
            for event in entry.events:
                if isinstance(event, PoolWeight) and event.pool == pool.id:
                    slots[event.slot] = sumtree.Slot(event.agent, event.house, event.weight)
        nodes: dict[bytes, bytes] = {}
        root = sumtree.build([slots[number] for number in range(len(slots))], nodes.__setitem__)
        self.store.put_nodes([Node(id=digest.hex(), data=data) for digest, data in nodes.items()])
        owned: dict[str, int] = {}
        for slot in slots.values():
            owned[slot.owner] = owned.get(slot.owner, 0) + slot.weight
        heavy = tuple(sorted(pair for pair in owned.items() if pair[1] * 10 > root.total))
        members = [slot.owner for slot in slots.values() if slot.weight]
        told = root.digest.hex(), root.count, root.total, heavy, len(members), len(set(members))
        return Seal(pool.id, pool.epoch, pool.as_of, *told)

    def draw_of(self, claim: str, by: Who | None = None) -> Draw:
        """The draw that a claim awaits, by the draw key or by a beacon."""
        record = self.get(Claim, claim)
        seed = panel.alpha(self.draft, record, record.draw_round)
        key = by or self.draw_keys[record.draw_key]
        pi = vrf.prove(key.seed, seed)
        beacon = Beacon(key.did, pi.hex(), vrf.proof_to_hash(pi).hex())
        return Draw(
            of=f"{claim}/{record.draw_round}", beacons=(beacon,), checkpoint=self._cosigned(record.task)
        )

    def _cosigned(self, task: str) -> str:
        """The log as it is, cosigned by every witness that the task's policy names."""
        lines = self.get(AdoptedPolicy, str(self.get(Task, task).policy)).terms.witnesses.quorum
        log = Signer(ORIGIN, self.log.seed)
        size, root = len(self.entries), root_of(self.entries) if lines else b""
        return note_of(log, size, root, lines, self.now_ms // 1_000) if lines else ""

    def shortlist_draw_of(self, task: str, by: Who | None = None) -> Draw:
        """The draw that a task's allocation awaits, by the draw key or by a beacon."""
        record = self.get(Allocation, task)
        key = by or self.draw_keys[record.draw_key]
        pi = vrf.prove(key.seed, shortlists.alpha(self.draft, record))
        beacon = Beacon(key.did, pi.hex(), vrf.proof_to_hash(pi).hex())
        return Draw(of=f"task/{task}", beacons=(beacon,), checkpoint=self._cosigned(task))

    def draw(self, claim: str) -> Decided:
        return self.do(self.draw_of(claim))

    def sealed(self, kind: str = EXACT) -> SealedPool:
        return self.get(SealedPool, self.get(Pool, f"verifiers/{kind}").sealed)


def created(decided: Decided, field: str) -> Any:
    """The first value that an entry's events have under this name."""
    return next(getattr(event, field) for event in decided.events if hasattr(event, field))


def flipped(text: str) -> str:
    """The same with its first character changed."""
    return ("0" if text[0] != "0" else "1") + text[1:]


def kinds(decided: Iterable[Event]) -> list[str]:
    """The kinds of events, in order."""
    return [str(type(event).__struct_config__.tag) for event in decided]
